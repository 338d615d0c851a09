"""The five guarantees of delivery: nothing lost, nothing twice, in order, nothing skipped, and
nothing committed before it was processed.

`kitlib.journal.naming` says which rows are about the same event, and what "event 4" means. Every
check can be narrowed to one topic, and those that look at consumers to one group. None of them
changes the journal or asks the broker.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from html import escape

from kitlib.errors import KitError
from kitlib.journal import Journal, Row
from kitlib.journal.naming import (
    Event,
    event_numbers,
    event_of,
    in_log_order,
    listed,
    name_of,
    place_of,
    places,
    timestamp_of,
    who,
)


@dataclass(frozen=True)
class Verdict:
    """What a check found; as a bool it says whether the guarantee holds.

    claim: the guarantee. sentence: what was found. rows: those that break it, none if it holds.
    """

    ok: bool
    claim: str
    sentence: str
    rows: list[Row] = field(default_factory=list)

    def __bool__(self) -> bool:
        return self.ok

    def __repr__(self) -> str:
        return f"{'Holds' if self.ok else 'Broken'}: {self.claim}\n{self.sentence}"

    def _repr_html_(self) -> str:
        word, colour = ("Holds", "#1b6e3c") if self.ok else ("Broken", "#a32a1d")
        return (
            f'<div style="border-left:4px solid {colour};padding-left:.7em">'
            f'<b style="color:{colour}">{word}:</b> {escape(self.claim)}<br>'
            f"{escape(self.sentence)}</div>"
        )


def check_lost(
    journal: Journal,
    of: str = "acked",
    among: str = "stored",
    group: str | None = None,
    topic: str | None = None,
) -> Verdict:
    """Is every event that was `of` also `among`? By default: is what was acknowledged on the log?

    of, among: kinds of rows, such as "sent" and "stored", or "stored" and "processed". An event
    counts as found when its key and value are, or its place. group: look only among its rows.
    """
    wanted = _first_of_each(_rows(journal, of, topic))
    found = _rows(journal, among, topic, group, needed=False)
    events, taken = {event_of(row) for row in found}, {place_of(row) for row in found}
    missing = [
        row
        for row in wanted
        if event_of(row) not in events and (row.offset is None or place_of(row) not in taken)
    ]
    name = _namer(journal)
    return _verdict(
        f"Every {of} event is {among}.",
        f"All {len(wanted):,} {of} events are {among}.",
        [(f"{name(row)} was {of}{_at(row)} and is not {among}", [row]) for row in missing],
    )


def check_duplicates(
    journal: Journal, among: str = "stored", group: str | None = None, topic: str | None = None
) -> Verdict:
    """Is every event there once? On the log: at one offset. Otherwise: in one row of each group.

    among: "stored", "processed" or "consumed". A record that was read from the log twice is one.
    """
    by_event: dict[tuple[str | None, Event], dict[object, Row]] = defaultdict(dict)
    for number, row in enumerate(_rows(journal, among, topic, group)):
        one = place_of(row) if among == "stored" else number
        by_event[(row.group, event_of(row))].setdefault(one, row)
    name, faults = _namer(journal), []
    for rows in (list(rows.values()) for rows in by_event.values() if len(rows) > 1):
        found = f"is at {places(rows)}"
        if among != "stored":
            times = listed([f"by {row.actor}{_at(row)}" for row in rows])
            found = f"was {among} {len(rows)} times, {times}"
        faults.append((f"{name(rows[0])} {found}", rows))
    return _verdict(
        f"Every {among} event is there once.",
        f"All {len(by_event):,} {among} events are there once.",
        faults,
    )


def check_order(
    journal: Journal, among: str = "stored", group: str | None = None, topic: str | None = None
) -> Verdict:
    """Are the events of each key in the order in which they were first sent?

    Where nothing was sent in this journal, the timestamps in the values are the order. On the log
    only a partition has an order, so a key in two partitions breaks it. Consumed and processed
    events are compared by time. An event that is there twice counts where it is first; events
    without a key promise no order and are left out.
    """
    rows = [row for row in _rows(journal, among, topic, group) if row.key is not None]
    rows = in_log_order(rows) if among == "stored" else sorted(rows, key=lambda row: row.time)
    rank: dict[Event, float] = {}
    for number, row in enumerate(sorted(journal.rows("sent"), key=lambda row: row.time)):
        rank.setdefault(event_of(row), number)
    if not rank:
        stamps = ((event_of(row), timestamp_of(row.value)) for row in rows)
        rank = {event: stamp.timestamp() for event, stamp in stamps if stamp}
    by_key: dict[tuple[str | None, ...], list[Row]] = defaultdict(list)
    for row in _first_of_each(rows):
        if event_of(row) in rank:
            by_key[(row.topic, row.key, row.group)].append(row)
    if not by_key:
        raise KitError(
            what=f"There is no order to compare these {among} events with.",
            why="None of them has a key and was sent in this journal, or has a timestamp.",
            fix="Record the producer, with journal.record(producer), before it sends.",
        )
    name, faults = _namer(journal), []
    for (_, key, _), events in by_key.items():
        parts = sorted({row.partition for row in events if row.partition is not None})
        if among == "stored" and len(parts) > 1:
            where = listed([str(part) for part in parts])
            text = f"{who(key)} is in partitions {where}, and between them is no order"
            faults.append((text, events))
            continue
        last = events[0]
        for row in events[1:]:
            if rank[event_of(row)] < rank[event_of(last)]:
                text = f"{name(row, _at(row))} comes after a later one{_at(last)}"
                faults.append((text, [last, row]))
            else:
                last = row
    return _verdict(
        f"The {among} events of each key are in the order in which they were sent.",
        f"All {sum(map(len, by_key.values())):,} events of {len(by_key):,} keys are in order.",
        faults,
    )


def check_skipped(journal: Journal, group: str | None = None, topic: str | None = None) -> Verdict:
    """Has each group processed every record on the log that lies before its position?

    The position in a partition is the last committed offset, or the one after the last processed
    record, whichever is higher: what lies before it, the group will not read again.
    """
    stored = _rows(journal, "stored", topic)
    kinds = ("processed", "committed")
    seen = [row for kind in kinds for row in _rows(journal, kind, topic, group, needed=False)]
    if not seen:
        raise _nothing("processed or committed")
    positions: dict[tuple[str | None, str | None, int | None], dict[str, int]] = defaultdict(dict)
    done = set()
    for row in sorted((row for row in seen if row.offset is not None), key=lambda row: row.time):
        place = positions[(row.group, row.topic, row.partition)]
        if row.kind == "committed":
            place["committed"] = row.offset or 0
        else:
            place["processed"] = max(place.get("processed", 0), (row.offset or 0) + 1)
            done.add((row.group, place_of(row)))
    faults = []
    for (member_of, *where), place in positions.items():
        passed = [
            row
            for row in in_log_order(stored)
            if [row.topic, row.partition] == where
            and (row.offset or 0) < max(place.values())
            and (member_of, place_of(row)) not in done
        ]
        if passed:
            text = f"group {member_of} passed over {places(passed)} without processing"
            faults.append((text, passed))
    return _verdict(
        "A group processes every record before its position.",
        f"Nothing on the log was passed over, in {len(positions)} partitions.",
        faults,
    )


def check_commits(journal: Journal, group: str | None = None, topic: str | None = None) -> Verdict:
    """Was every record processed before an offset beyond it was committed?

    Judged at the moment when the client asked for the commit, if the row says so (detail "asked").
    It counts what the group was given ("consumed") and, from the first of these on, what is on the
    log. A crash at a moment that this check finds would have lost the record for the group.
    """
    _rows(journal, "committed", topic, group)
    equals = {"group": group, "topic": topic}
    equals = {name: value for name, value in equals.items() if value is not None}
    rows = journal.rows(("consumed", "processed", "committed"), **equals)
    log = {place_of(row): row for row in journal.rows("stored")}
    given: dict[tuple[object, ...], dict[int, Row]] = defaultdict(dict)  # and not yet processed
    done: dict[tuple[object, ...], set[int]] = defaultdict(set)
    looked: dict[tuple[object, ...], int] = {}  # up to this offset the log was looked at
    faults, name = [], _namer(journal)
    for row in sorted(rows, key=_asked):
        part, offset = (row.group, row.topic, row.partition), row.offset
        if offset is None:
            continue
        if row.kind == "consumed":
            looked.setdefault(part, offset)
            if offset not in done[part]:
                given[part][offset] = row
        elif row.kind == "processed":
            looked.setdefault(part, offset)
            done[part].add(offset)
            given[part].pop(offset, None)
        elif part in looked:
            for between in range(looked[part], offset):
                place = (row.topic, row.partition, between)
                if place in log and between not in done[part]:
                    given[part].setdefault(between, log[place])
            looked[part] = max(looked[part], offset)
            early = [given[part].pop(o) for o in sorted(given[part]) if o < offset]
            if early:
                first = f"{name(early[0], _at(early[0]))} was not processed"
                more = f" (and {len(early) - 1} more)" if len(early) > 1 else ""
                text = f"{first}{more} when group {row.group} committed offset {offset}"
                faults.append((text, [row, *early]))
    return _verdict(
        "Nothing is committed before it is processed.",
        "Every record was processed before an offset beyond it was committed.",
        faults,
    )


def _asked(row: Row) -> float:
    detail = row.detail or {}
    return float(detail["asked"]) if row.kind == "committed" and "asked" in detail else row.time


def _rows(
    journal: Journal,
    kind: str,
    topic: str | None,
    group: str | None = None,
    needed: bool = True,
) -> list[Row]:
    """The rows a check is about. Raises KitError if there must be some and are none."""
    if not isinstance(journal, Journal):
        raise KitError(
            what="A check reads a journal.",
            why=f"It was given something of the type {type(journal).__name__}.",
            fix="Make one with kit.Journal(), or from a frame with kit.Journal.from_frame(frame).",
        )
    equals = {"topic": topic, "group": group}
    rows = journal.rows(kind, **{name: value for name, value in equals.items() if value})
    if needed and not rows:
        raise _nothing(kind)
    return rows


def _nothing(kind: str) -> KitError:
    how = {
        "stored": "Add the log to it: journal + kafka.read(topic).",
        "processed": "Let the worker write them: me.note('processed', record).",
    }
    return KitError(
        what=f"The journal holds no {kind} rows of this kind, so there is nothing to judge.",
        fix=how.get(kind, "Record the client, with journal.record(client), before it works."),
    )


def _first_of_each(rows: Iterable[Row]) -> list[Row]:
    first: dict[tuple[str | None, Event], Row] = {}
    for row in rows:
        first.setdefault((row.group, event_of(row)), row)
    return list(first.values())


def _namer(journal: Journal) -> Callable[..., str]:
    numbers = cache(lambda: event_numbers(journal))  # only a broken guarantee needs them
    return lambda row, where="": name_of(row, numbers(), where)


def _at(row: Row) -> str:
    return "" if row.offset is None else f" ({places([row])})"


def _verdict(claim: str, fine: str, faults: list[tuple[str, list[Row]]]) -> Verdict:
    if not faults:
        return Verdict(True, claim, fine)
    text, more = faults[0][0], len(faults) - 1
    if more:
        text += f"; and {more:,} more like this"
    rows = [row for _, rows in faults for row in rows]
    return Verdict(False, claim, text[0].upper() + text[1:] + ".", rows)
