"""The checks of lesson 01: what a power cut takes, what futures tell, and a repaired letter.

The evidence is journals: of a worker together with the log that it left, and of logs
(`kafka.read`). Nothing here asks the broker.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from kitlib.checks.exercise import Outcome, exercise_check, open_, right, wrong
from kitlib.events import BadEvent, EnrollmentEvent
from kitlib.journal import Journal, Row
from kitlib.journal.naming import listed

SEVEN, FLUSHED = 7, 3
NOTES, TOO_LARGE, BEFORE_THE_FIRST = 10, {3, 7}, 3


@exercise_check("01.1")
def late_four(prediction: Any, journal: Journal) -> Outcome:
    """A worker that sends seven events and is killed. prediction: int, stored as it stands."""
    if not journal.rows("killed"):
        return wrong(
            "The worker was not killed. The power goes off when it writes its note, and it wrote "
            "none.",
            'me.note("processed") as the last line of late()',
        )
    sent, acked = len(journal.rows("sent")), len(journal.rows("acked"))
    stored = len({(row.partition, row.offset) for row in journal.rows("stored")})
    if sent < SEVEN:
        return wrong(
            f"The worker sent {sent} events before the power went off, and should send all "
            f"{SEVEN}.",
            "the loop in late(), and me.record(producer) before it",
        )
    if stored == FLUSHED and prediction == FLUSHED:
        return open_("Three are stored, as you predicted. Now change late() so that all seven are.")
    if prediction != FLUSHED:
        return wrong(
            f"You predicted {prediction} of {SEVEN}, but as it stood, {FLUSHED} were stored. "
            "flush() covers what was sent before it. What is sent later waits in the buffer "
            "again, and the buffer is gone with its process.",
            "where flush() stands in the loop",
        )
    if stored < SEVEN:
        return wrong(
            f"{sent} were sent and {stored} are stored. That send() returns does not mean that a "
            "record is stored.",
            "what stands between the last send() and the note",
        )
    if acked < SEVEN:
        return wrong(
            f"All are stored, but the worker knew this of only {acked}. That was luck, because it "
            "did not wait for all answers.",
            "flush(), or get() of each future, before the note",
        )
    if stored > SEVEN or sent > SEVEN:
        return wrong(
            f"The log holds {stored} records for {SEVEN} events. Sending an event again is not the "
            "same as waiting for its answer.",
            "how often send() is called for an event",
        )
    return right(
        f"All {SEVEN} are acknowledged and stored: the power went off only after the answers came."
    )


@exercise_check("01.2")
def ten_notes(prediction: Any, refused: Any, log: Journal) -> Outcome:
    """Ten notes, two too large. prediction: int, stored as it stands; refused: numbers, list."""
    counts = Counter(_number(row) for row in log.rows("stored"))
    missing = set(range(NOTES)) - counts.keys()
    if not counts:
        return open_("The topic holds no notes yet. Run the exercise's cell.")
    try:
        named = {int(number) for number in refused}
    except (TypeError, ValueError):
        return wrong(
            "`refused` should be a list of numbers, such as [0, 9].",
            "enumerate(futures) gives the number together with the future",
        )
    if TOO_LARGE - missing:
        return open_(
            "Notes 3 and 7 should be too large. Leave the notes and the topic as they were."
        )
    if not named:
        return wrong(
            f"You say that nothing is missing, but the log lacks the notes {_listed(missing)}. "
            "flush() and close() return when each record has an answer, good or bad.",
            "failed() of each future",
        )
    if named != missing:
        return wrong(
            f"You name the notes {_listed(named)}, but the log lacks {_listed(missing)}. What "
            "became of a note is told by its future, not by its size.",
            "failed() of each future",
        )
    if missing - TOO_LARGE:
        return wrong(
            f"Your list is correct, but too long: the notes {_listed(missing - TOO_LARGE)} are "
            "small enough. This client's idempotent producer stops for good after a final error.",
            "the three ways out at the end of section 6",
        )
    if max(counts.values()) > 1:
        return wrong("One of the notes is stored twice.", "how often send() is called for a note")
    if prediction != BEFORE_THE_FIRST:
        return wrong(
            f"Your producer is right, but your prediction of {prediction} is not: as it stood, "
            f"{BEFORE_THE_FIRST} were stored. The first refusal stopped the producer, so only the "
            "notes before it got through.",
            "the cell of section 6 that sends a small one, a large one and a small one",
        )
    return right(f"Eight notes are stored, and you know which are not: {_listed(missing)}.")


@exercise_check("01.3")
def padded_ones(prediction: Any, log: Journal, letters: Journal) -> Outcome:
    """Two large letters, re-sent once each. prediction: int, letters in the queue afterwards."""
    large = [row for row in letters.rows("stored") if "TooLarge" in _headers(row).get("reason", "")]
    if len(large) < 2:
        return open_("The queue lacks the two large letters. Run the cells of section 7 again.")
    wanted = {}
    for letter in large:
        try:
            event = EnrollmentEvent.from_json((letter.value or "").encode())
        except BadEvent:
            return open_(
                "One of the large letters is not an event. Run the cells of section 7 again."
            )
        wanted[_headers(letter).get("origin", "")] = event
    origins = Counter(
        origin for row in log.rows("stored") if (origin := _headers(row).get("origin"))
    )
    values = Counter(row.value for row in log.rows("stored"))
    stored = {origin: values[event.to_json().decode()] for origin, event in wanted.items()}
    if not any(stored.values()) and not wanted.keys() & origins.keys():
        return open_("Neither of the two is on enrollment-requests yet: repair and re-send them.")
    if twice := [origin for origin, times in stored.items() if times > 1]:
        return wrong(
            f"The event of {_listed(twice)} is stored more than once. A repair that runs twice "
            "must not enrol anyone twice.",
            "resend() looks at origins() before it sends",
        )
    if lacking := [origin for origin, times in stored.items() if not times]:
        return wrong(
            f"The event of {_listed(lacking)} is not there, or not in its canonical form.",
            "EnrollmentEvent.from_json(letter.value), and to_json() of what it returns",
        )
    if nameless := [origin for origin in wanted if not origins[origin]]:
        return wrong(
            f"The event of {_listed(nameless)} is stored without its origin, so nobody can tell "
            "that it was repaired.",
            "the headers of the record that you sent",
        )
    number = len(letters.rows("stored"))
    if prediction != number:
        return wrong(
            f"You predicted {prediction}, but the queue holds {number} letters. Reading takes "
            "nothing from a log, and neither does repairing; the origins tell which ones are done.",
            "len(kafka.read(DLQ)) before and after",
        )
    return right(
        f"Both are delivered once, with their origins. The queue still holds {number} letters."
    )


def _number(row: Row) -> int:
    """The number of a note, or -1 if the record is not a note."""
    match = re.match(r"note (\d+) ", row.value or "")
    return int(match[1]) if match else -1


def _headers(row: Row) -> dict[str, str]:
    return (row.detail or {}).get("headers") or {}


def _listed(numbers: Any) -> str:
    return listed([str(number) for number in sorted(numbers)], limit=NOTES)
