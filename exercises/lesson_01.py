"""The checks of lesson 01: what a power cut takes, what futures tell, and a repaired letter.

Evidence are journals: of a worker together with the log that it left, and of logs (`kafka.read`).
Nothing here asks the broker.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from kitlib.checks.exercise import Outcome, exercise_check, open_, right, wrong
from kitlib.events import BadEvent, EnrollmentEvent
from kitlib.journal import Journal, Row

SEVEN, FLUSHED = 7, 3
NOTES, TOO_LARGE, BEFORE_THE_FIRST = 10, {3, 7}, 3


@exercise_check("01.1")
def late_four(prediction: Any, journal: Journal) -> Outcome:
    """A worker that sends seven events and is killed. prediction: int, stored as it stands."""
    if not journal.rows("killed"):
        return wrong(
            "The worker was not killed: the power goes at its note, and there was none.",
            'me.note("processed") as the last line of late()',
        )
    sent, acked = len(journal.rows("sent")), len(journal.rows("acked"))
    stored = len({(row.partition, row.offset) for row in journal.rows("stored")})
    if sent < SEVEN:
        return wrong(
            f"The worker sent {sent} events before the power went, and should send all {SEVEN}.",
            "the loop in late(), and me.record(producer) before it",
        )
    if stored == FLUSHED and prediction == FLUSHED:
        return open_("Three are stored, as you predicted. Now change late() so that all seven are.")
    if prediction != FLUSHED:
        return wrong(
            f"You predicted {prediction} of {SEVEN}; as it stood, {FLUSHED} were stored. flush() "
            "covers what was sent before it. What is sent later is in the buffer again, and the "
            "buffer ends with its process.",
            "where flush() stands in the loop",
        )
    if stored < SEVEN:
        return wrong(
            f"{sent} were sent and {stored} are stored: send() returning is not storing.",
            "what stands between the last send() and the note",
        )
    if acked < SEVEN:
        return wrong(
            f"All are stored, and the worker knew it of {acked} only. That was luck: it did not "
            "wait for the answers.",
            "flush(), or get() of each future, before the note",
        )
    if stored > SEVEN or sent > SEVEN:
        return wrong(
            f"The log holds {stored} records for {SEVEN} events: to send again is not to wait.",
            "how often send() is called for an event",
        )
    return right(f"All {SEVEN} are answered and stored. The power cut came after the answers.")


@exercise_check("01.2")
def ten_notes(prediction: Any, refused: Any, log: Journal) -> Outcome:
    """Ten notes, two too large. prediction: int, stored as it stands; refused: numbers, list."""
    counts = Counter(_number(row) for row in log.rows("stored"))
    missing = set(range(NOTES)) - counts.keys()
    if not counts:
        return open_("The topic holds no notes: run the exercise's cell.")
    try:
        named = {int(number) for number in refused}
    except (TypeError, ValueError):
        return wrong(
            "`refused` is to be a list of numbers, such as [0, 9].",
            "enumerate(futures) gives the number together with the future",
        )
    if TOO_LARGE - missing:
        return open_("Notes 3 and 7 are to be too large: leave notes and the topic as they were.")
    if not named:
        return wrong(
            "You say that nothing is missing. flush() and close() return when each record has an "
            f"answer, good or bad: the log lacks the notes {_listed(missing)}.",
            "failed() of each future",
        )
    if named != missing:
        return wrong(
            f"You name the notes {_listed(named)}, and the log lacks {_listed(missing)}. The size "
            "of a note does not say what became of it, its future does.",
            "failed() of each future",
        )
    if missing - TOO_LARGE:
        return wrong(
            f"Your list is true, but too long: the notes {_listed(missing - TOO_LARGE)} are small "
            "enough. This client's idempotent producer stops for good after a final error.",
            "the three ways out at the end of section 6",
        )
    if max(counts.values()) > 1:
        return wrong("A note is stored twice.", "how often send() is called for a note")
    if prediction != BEFORE_THE_FIRST:
        return wrong(
            f"Your producer is right, your prediction of {prediction} is not: as it stood, "
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
        return open_("The queue lacks the two large letters: run the cells of section 7 again.")
    wanted = {}
    for letter in large:
        try:
            event = EnrollmentEvent.from_json((letter.value or "").encode())
        except BadEvent:
            return open_("A large letter is no event: run the cells of section 7 again.")
        wanted[_headers(letter).get("origin", "")] = event
    found = Counter(origin for row in log.rows("stored") if (origin := _headers(row).get("origin")))
    values = Counter(row.value for row in log.rows("stored"))
    stored = {origin: values[event.to_json().decode()] for origin, event in wanted.items()}
    if not any(stored.values()) and not wanted.keys() & found.keys():
        return open_("Neither of the two is on enrollment-requests yet: re-send them.")
    if twice := [origin for origin, times in stored.items() if times > 1]:
        return wrong(
            f"The event of {_listed(twice)} is stored more than once. A repair that runs twice "
            "must not enrol twice.",
            "resend() looks at origins() before it sends",
        )
    if lacking := [origin for origin, times in stored.items() if not times]:
        return wrong(
            f"The event of {_listed(lacking)} is not there in its canonical form, or not at all.",
            "EnrollmentEvent.from_json(letter.value), and to_json() of what it returns",
        )
    if nameless := [origin for origin in wanted if not found[origin]]:
        return wrong(
            f"The event of {_listed(nameless)} is stored without its origin, so nobody can tell "
            "that it was repaired.",
            "the headers of the record that you sent",
        )
    number = len(letters.rows("stored"))
    if prediction != number:
        return wrong(
            f"You predicted {prediction} letters, and the queue holds {number}. Reading or "
            "repairing takes nothing from a log. What is done is known from the origins.",
            "len(kafka.read(DLQ)) before and after",
        )
    return right(f"Both are delivered once, with their origin. The queue still holds {number}.")


def _number(row: Row) -> int:
    """The number of a note; -1 for what is none."""
    match = re.match(r"note (\d+) ", row.value or "")
    return int(match[1]) if match else -1


def _headers(row: Row) -> dict[str, str]:
    return (row.detail or {}).get("headers") or {}


def _listed(numbers: Any) -> str:
    return ", ".join(map(str, sorted(numbers)))
