"""The checks of lesson 08: a front end that loses nothing, a worker that skips nothing, a key.

The evidence is the log (`kafka.read`), the letters as a plain consumer gave them, the journal of
the workers, and the rows of the table; what is wanted comes from the sample data. Nothing here asks
the broker.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime
from functools import cache
from typing import Any

import pandas as pd

from kitlib.checks.exercise import Outcome, exercise_check, open_, right, wrong
from kitlib.checks.guarantees import check_commits, check_order, check_skipped
from kitlib.events import BadEvent, EnrollmentEvent, load_lines
from kitlib.journal import Journal

AGAIN = range(701, 801)  # the lines that a front end sends again after its restart
HELD, KILLED_AT = 50, 20


@exercise_check("08.1")
def front_end(prediction: Any, log: Journal, letters: Any) -> Outcome:
    """The rush through the faults. prediction: int, the records on the log of a perfect one."""
    rows = log.rows("stored")
    if not rows:
        return open_("The log is empty. Run the exercise's cell, which sends the rush.")
    events, malformed = _file()
    counts, numbers = Counter(row.value for row in rows), {v: n for n, v in events.items()}
    if strange := len(counts.keys() - numbers.keys()):
        return wrong(
            f"Some values on the log ({strange}) are not events of the file. A malformed line must "
            "not reach the workers, and an event travels in its canonical form.",
            "EnrollmentEvent.from_json(line), and to_json() of what it returns",
        )
    if missing := len(numbers.keys() - counts.keys()):
        return wrong(
            f"{missing:,} of {len(events):,} events are not on the log. That send() returns "
            "does not mean that a record is stored.",
            "flush() or close(), and the exception of each future",
        )
    if any(row.key is None or f'"student_id":"{row.key}"' not in (row.value or "") for row in rows):
        return wrong("Some records do not have their student as the key.", "key=event.key")
    extra = sum(max(0, n - 1 - (numbers[v] in AGAIN)) for v, n in counts.items() if v)
    if extra:
        return wrong(
            f"{extra:,} records are copies that nobody sent. A lost acknowledgement is not a lost "
            "record: the broker had stored the batch, the producer repeated it, and without an "
            'idempotent producer a repeated batch looks like a new one. acks="all" does not help.',
            "enable_idempotence, and what its default is",
        )
    if not (order := check_order(log)):
        return wrong(f"The order of students is broken. {order.sentence}", "how often you send")
    if (fault := _letters(letters, malformed)) is not None:
        return fault
    if len(rows) < len(events) + sum(number in AGAIN for number in events):
        return wrong(
            "Lines 701 to 800 should be on the log twice, and are not. When the lesson's front end "
            "restarts, it has forgotten what it sent.",
            "send every line that front_end() is given",
        )
    if prediction != len(rows):
        return wrong(
            f"Your producer is right, but your prediction of {prediction} is not: the log holds "
            f"{len(rows):,}. An idempotent producer knows its own retries. After a restart it is a "
            "new producer, and what it sends again is new to the broker.",
            "the two cells below that say what is on the log twice",
        )
    return right(
        f"You have {len(events):,} events, {len(rows) - len(events)} of them twice because they "
        f"were sent again, and {len(malformed)} lines as letters. No copy comes from a lost "
        "acknowledgement."
    )


def _letters(letters: Any, malformed: dict[int, bytes]) -> Outcome | None:
    if not letters:
        return wrong(
            f"You wrote no letter, but {len(malformed)} lines were malformed. To skip a line is to "
            "lose it: nobody can look at it or repair it.",
            "what stands under `except kit.BadEvent`",
        )
    by_line: dict[int, Any] = {}
    for letter in letters:
        headers = {name: bytes(value or b"") for name, value in letter.headers}
        origin = re.fullmatch(rb"front-end:(\d+)", headers.get("origin", b""))
        if not origin or not headers.get("reason"):
            return wrong(
                "A letter lacks its reason or its origin, so nobody can tell what is wrong with it "
                "or where it came from.",
                "headers=[('reason', ...), ('origin', b'front-end:%d' % number)]",
            )
        by_line[int(origin[1])] = letter
    if unknown := sorted(by_line.keys() - malformed.keys()):
        return wrong(f"Line {unknown[0]} is a good event, but became a letter.", "its reason")
    if missing := sorted(malformed.keys() - by_line.keys()):
        return wrong(f"Line {missing[0]} is malformed, but in no letter.", "the loop over lines")
    for number, letter in by_line.items():
        if letter.value != malformed[number]:
            return wrong(
                f"The letter of line {number} does not hold the line as it came. To decode or "
                "repair it on the way is to destroy the evidence.",
                "value=line",
            )
    return None


@exercise_check("08.2")
def registrar(prediction: Any, journal: Journal) -> Outcome:
    """One worker, killed with its 20th record. prediction: int, never processed as it stands."""
    failed = [row for row in journal.rows("failed") if (row.detail or {}).get("what") == "worker"]
    if failed:
        return wrong(f"A worker ended with an error. {failed[0].value}.", "journal.rows('failed')")
    if not journal.rows("killed"):
        return wrong(
            f"Ben was not killed. His power fails when he writes his {KILLED_AT}th note.",
            "me.note('processed', record) for each record",
        )
    if not journal.rows("committed"):
        return wrong(
            "Nobody commits, so after each crash the group begins at the beginning of the log.",
            "consumer.commit(), after the work",
        )
    skipped, early = check_skipped(journal), check_commits(journal)
    if not skipped or not early:
        passed = len(skipped.rows)
        return wrong(
            f'The group passed over {passed} records. {early.sentence} A commit says "I am done '
            'with these", and commit() without offsets says it of all that poll() handed out.',
            "where commit() stands: it belongs after the loop over the records",
        )
    ended = journal.rows("closed")
    workers = {row.actor for row in ended if (row.detail or {}).get("what") == "worker"}
    if workers - {row.actor for row in ended if row.group}:
        return wrong(
            "Ben was asked to end, but his consumer was not closed. The process is gone, and yet "
            "the broker keeps its partitions for it until the session ends, as after a crash.",
            "finally: consumer.close()",
        )
    if prediction != HELD - KILLED_AT:
        return wrong(
            f"Your worker is right, but your prediction of {prediction} is not. The commit came "
            f"first, so all {HELD} counted as done, but only {KILLED_AT} of them were: "
            f"{HELD - KILLED_AT} were never processed.",
            "kit.check_skipped(wild + wild_log), at the end of this section",
        )
    counts = Counter((row.partition, row.offset) for row in journal.rows("processed"))
    twice = sum(count > 1 for count in counts.values())
    return right(
        f"All {len(counts)} records are processed, {twice} of them twice: what was not committed "
        "is read again. That is at-least-once, the price of losing nothing."
    )


@exercise_check("08.3")
def key(prediction: Any, journal: Journal, log: Journal, table: Any) -> Outcome:
    """The table after the whole morning. prediction: int, its rows with the design "offset"."""
    if not isinstance(table, pd.DataFrame) or not len(table) or not journal.rows("processed"):
        return open_("The table is empty. Run the exercise's cell.")
    places, reads = len(log.rows("stored")), len(journal.rows("processed"))
    again, more = places - len({row.value for row in log.rows("stored")}), reads - places
    if "offset" in table.columns:
        return wrong(
            f"The {more} records that were read twice do no harm any more, but the {again} events "
            "that were sent twice do: the second copy has an offset of its own, so the key does "
            "not see that it is the same.",
            "print(database.sql('business'))",
        )
    pairs = table.groupby(["student_id", "course_code"]).timestamp.agg(["size", "max"])
    if (pairs["size"] > 1).any():
        return wrong(
            f"The table has {len(table):,} rows for {len(pairs)} pairs. Without a key, each "
            f"record that is read becomes a row: {again} events were sent twice, {more} records "
            "read twice, and a changed request is a second row.",
            "print(database.sql('business'))",
        )
    if {pair: time.to_pydatetime() for pair, time in pairs["max"].items()} != _wanted():
        return wrong(
            "The table does not hold the latest request of each pair.", "ON CONFLICT ... WHERE"
        )
    if prediction != places:
        return wrong(
            f"Your design is right, but your prediction of {prediction} is not. The key of "
            f"'offset' is the place on the log, and the log has {places:,} places with a record.",
            "len(kafka.read(TOPIC))",
        )
    return right(
        f"The table has {len(table)} rows, one for each pair: {again} events were sent twice and "
        f"{more} records read twice, and neither shows. The key is what a row means, not where it "
        "came from."
    )


@cache
def _file() -> tuple[dict[int, str], dict[int, bytes]]:
    """What the lines have to become, by number: events as they travel, and malformed lines."""
    events, malformed = {}, {}
    for number, line in enumerate(load_lines(), start=1):
        try:
            events[number] = EnrollmentEvent.from_json(line).to_json().decode()
        except BadEvent:
            malformed[number] = line
    return events, malformed


@cache
def _wanted() -> dict[tuple[str, str], datetime]:
    """The latest time of each pair of student and course; the events are in the order of time."""
    events = [EnrollmentEvent.from_json(value.encode()) for value in _file()[0].values()]
    return {(event.student_id, event.course_code): event.timestamp for event in events}
