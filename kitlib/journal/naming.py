"""Which event a row is about, which number that event has, and what to call it in a sentence.

Two rows are about the same event when topic, key and value are equal, which also holds before the
record has an offset and when it is on the log twice. Event 4 of S17 is the fourth distinct value
with the key S17, in the order of the "sent" rows. Events without a "sent" row come after those: in
the order of the timestamps in their values or, if one of them has none, in the order of the log.

Checks, plots and views use this module, so that all of them mean the same by "event 4". It judges
nothing.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import Any

import msgspec

from kitlib.journal._row import Row

Event = tuple[Any, ...]


def event_of(row: Row) -> Event:
    """What identifies the event of a row: its place, if the row has neither key nor value."""
    if row.key is None and row.value is None:
        return place_of(row)
    return (row.topic, row.key, row.value)


def place_of(row: Row) -> tuple[str | None, int | None, int | None]:
    """Where the record of a row is on the log: topic, partition and offset."""
    return (row.topic, row.partition, row.offset)


def timestamp_of(value: str | None) -> datetime | None:
    """The "timestamp" in a JSON value as an aware time (UTC if it names no zone), or None."""
    try:
        stamp = datetime.fromisoformat(msgspec.json.decode(value or "")["timestamp"])
    except (msgspec.MsgspecError, TypeError, KeyError, ValueError):
        return None
    return stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)


def first_of_each(rows: Iterable[Row], by: Callable[[Row], Event] = event_of) -> dict[Event, Row]:
    """The first row of each event. by: what identifies an event."""
    first: dict[Event, Row] = {}
    for row in rows:
        first.setdefault(by(row), row)
    return first


def in_time_order(rows: Iterable[Row]) -> list[Row]:
    """The rows by time; those of the same time stay as they are."""
    return sorted(rows, key=attrgetter("time"))


def in_log_order(rows: Iterable[Row]) -> list[Row]:
    """The rows by topic, partition and offset."""
    return sorted(rows, key=lambda row: (row.topic or "", row.partition or 0, row.offset or 0))


def event_numbers(rows: Iterable[Row]) -> dict[Event, int]:
    """The number of each event, counted from 1 for each topic and key."""
    rows = list(rows)
    sent = first_of_each(in_time_order(row for row in rows if row.kind == "sent"))
    seen = in_log_order(row for row in rows if row.kind == "stored")
    if not seen:
        kinds = ("acked", "consumed", "processed")
        seen = in_time_order(row for row in rows if row.kind in kinds)
    unsent = [row for event, row in first_of_each(seen).items() if event not in sent]
    stamps = [timestamp_of(row.value) for row in unsent]
    if all(stamps):
        by_stamp = sorted(zip(stamps, unsent, strict=True), key=itemgetter(0))
        unsent = [row for _, row in by_stamp]
    counts: Counter[tuple[str | None, str | None]] = Counter()
    numbers: dict[Event, int] = {}
    for row in (*sent.values(), *unsent):
        subject = (row.topic, row.key)
        counts[subject] = numbers[event_of(row)] = counts[subject] + 1
    return numbers


def name_of(row: Row, numbers: dict[Event, int], where: str = "") -> str:
    """The event as the subject of a sentence, such as "student S17, event 4,".

    where: what to add after the number, such as " (offset 9 of partition 2)".
    """
    number = numbers.get(event_of(row))
    if number is None:
        return f"the record at {places([row])}"
    if row.key is None:
        return f"keyless event {number}{where}"
    return f"{who(row.key)}, event {number}{where},"


def who(key: str | None) -> str:
    """Whom a key stands for: "student S17", or "key 'x'" for any other key."""
    return f"student {key}" if re.fullmatch(r"S\d+", key or "") else f"key {key!r}"


def places(rows: Iterable[Row]) -> str:
    """Where the records of rows are: "offsets 9 and 12 of partition 2"."""
    known = sorted({(row.partition, row.offset) for row in rows if row.offset is not None})
    parts = []
    for partition, group in groupby(known, key=lambda place: place[0]):
        offsets = [str(offset) for _, offset in group]
        word = "offset" if len(offsets) == 1 else "offsets"
        parts.append(f"{word} {listed(offsets)} of partition {partition}")
    return listed(parts) or "an unknown offset"


def listed(words: Sequence[str], limit: int = 5) -> str:
    """The words as "a, b and c"; more than `limit` of them as "a, b, c, d and 7 more"."""
    words = list(words)
    if len(words) > limit:
        words = [*words[: limit - 1], f"{len(words) - limit + 1} more"]
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
