"""The checks of lesson 06: three lost acknowledgements, a patient program, a table that is right.

The evidence is journals of producers and consumers together with the log (`kafka.read`), and counts
of rows. Nothing here asks the broker or the database.
"""

from __future__ import annotations

from typing import Any

from kitlib.checks.exercise import Outcome, exercise_check, open_, right, wrong
from kitlib.events import EnrollmentEvent
from kitlib.journal import Journal, Row

LOST, ATTEMPTS = 3, 4
GIVEN_UP = 3


@exercise_check("06.1")
def three_in_a_row(prediction: Any, journal: Journal) -> Outcome:
    """Three acknowledgements of one event lost. prediction: int, its records as it stands."""
    stored, faults = journal.rows("stored"), journal.rows("fault")
    if not stored:
        return open_("The journal holds no log. Run the exercise's cell.")
    hit = {row.offset for row in faults}
    event = next((row for row in stored if row.offset in hit), None)
    if event is None:
        return wrong(
            "No acknowledgement was lost. Leave the network as bad as it is, and make the producer "
            "cope with it.",
            "losses=3 in the exercise's cell",
        )
    copies = _same(journal, "stored", event)
    if failed := _same(journal, "failed", event):
        return wrong(
            f"Copies of the event on the log: {len(copies)}. Yet the producer reports "
            f"{_error(failed[0])}. A producer that does not retry avoids a duplicate, but does not "
            "know whether the event is stored.",
            "the row 'failed' in the journal, beside the row 'stored'",
        )
    if len(faults) < LOST:
        return wrong(
            f"Only {len(faults)} of {LOST} acknowledgements were lost. The producer should cope "
            f"with {LOST}.",
            "losses=3 in the exercise's cell",
        )
    if prediction != ATTEMPTS:
        return wrong(
            f"You predicted {prediction}, but as it stood, {ATTEMPTS} were stored. Each lost "
            "acknowledgement causes a retry, and the broker stores every attempt: the first and "
            f"{LOST} retries.",
            "the offsets of the rows 'fault': each is a record that was stored",
        )
    if len(copies) == ATTEMPTS:
        return open_("Four, as you predicted. Now change the producer so that only one is stored.")
    if len(copies) != 1:
        return wrong(
            f"The log holds {len(copies)} records of the event, and should hold one.",
            "what section 2 changes in the call of rush()",
        )
    return right(
        f"{LOST} acknowledgements were lost, all for offset {copies[0].offset}: the broker has the "
        "batch there, and repeats its answer until it arrives."
    )


@exercise_check("06.2")
def stubborn(prediction: Any, journal: Journal) -> Outcome:
    """A program that loses patience three times. prediction: int, records as it stands."""
    sent, stored = journal.rows("sent"), journal.rows("stored")
    if not sent:
        return wrong(
            "The program sent nothing.",
            "stubborn() calls producer.send() once, and then asks the future",
        )
    if not journal.rows("fault"):
        return wrong(
            "No acknowledgement was lost, so this network was not bad.",
            "network_is_back() comes after the attempts",
        )
    if prediction != GIVEN_UP:
        belief = (
            "The producer is idempotent, but that is about its own retries: each call of send() is "
            "a new record with a number of its own."
            if prediction == 1
            else "Each call of send() makes a record, whatever came of the waiting."
        )
        return wrong(
            f"You predicted {prediction}, but as it stood, {GIVEN_UP} were stored. {belief}",
            "on_log(sent_again.rows('stored')) in section 4",
        )
    if len(sent) == len(stored) == GIVEN_UP:
        return open_("Three, as you predicted. Now change stubborn() so that only one is stored.")
    if len(sent) > 1:
        return wrong(
            f"send() was called {len(sent)} times, and the log holds {len(stored)} records. That "
            "get() times out does not take the record back.",
            "which future the program asks after a time-out",
        )
    if len(stored) != 1 or not journal.rows("acked"):
        return wrong(
            "The program ended without an acknowledgement, so it does not know what became of the "
            "event.",
            "the last get() of stubborn(), after network_is_back()",
        )
    return right(
        "One call of send(), one record. The producer itself retried, under the same sequence "
        "number, until the acknowledgement arrived."
    )


@exercise_check("06.3")
def rough_day(prediction: Any, table: Any, rows: dict[str, int], journal: Journal) -> Outcome:
    """Both kinds of duplicate. prediction: rows of each design, dict; table: the right design."""
    stored, processed = journal.rows("stored"), journal.rows("processed")
    events = {(row.key, row.value) for row in stored}
    if not journal.rows("killed") or not len(processed) > len(stored) > len(events):
        return open_(
            "This day was not rough enough: it takes an event at two offsets and a crash. Run "
            'section 1 and read_all("enrollment-requests", crash_at=5) again.'
        )
    because = {
        "insert": f"it has no key, so each of the {len(processed)} writes is a row",
        "offset": f"its key is the place on the log: {len(stored)} places, however often they are "
        "read",
        "business": f"its key is student and course: {len(_pairs(stored))} pairs, however often "
        "they were asked for",
    }
    if not isinstance(prediction, dict) or prediction.keys() != because.keys():
        return open_('Predict three numbers: {"insert": ..., "offset": ..., "business": ...}.')
    for design, reason in because.items():
        if prediction[design] != rows[design]:
            return wrong(
                f"{design!r} has {rows[design]} rows, but you predicted {prediction[design]}: "
                f"{reason}.",
                f"after_rough_day.rows({design!r})",
            )
    if table not in because:
        return wrong(f"There is no table {table!r}.", "the three names in DESIGNS")
    if rows[table] != len(_pairs(stored)):
        blind = (
            "An event that is at two offsets is two rows there"
            if table == "offset"
            else "Nothing keeps a second row out of it"
        )
        return wrong(
            f"{table!r} has {rows[table]} rows for {len(_pairs(stored))} enrolments. {blind}.",
            "the matrix of section 5",
        )
    return right(
        f"{len(processed)} writes, {len(stored)} records, {len(events)} events, and "
        f"{rows[table]} enrolments: only a key that says what a row means gets you there."
    )


def _same(journal: Journal, kind: str, event: Row) -> list[Row]:
    return journal.rows(kind, key=event.key, value=event.value)


def _error(row: Row) -> str:
    return str((row.detail or {}).get("error", "a failure"))


def _pairs(stored: list[Row]) -> set[tuple[str, str]]:
    """The students and courses of the events on the log. Raises BadEvent if one is no event."""
    events = [EnrollmentEvent.from_json((row.value or "").encode()) for row in stored]
    return {(event.student_id, event.course_code) for event in events}
