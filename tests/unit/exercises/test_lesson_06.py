"""The checks of lesson 06, on journals as learners' producers and registrars leave them."""

from __future__ import annotations

from typing import Any

import pytest

from kitlib import Journal, load_events
from kitlib.checks.exercise import Outcome, exercise, predict
from kitlib.journal import Row

EIGHT = load_events(limit=8)
UNLUCKY = EIGHT[4]


def row(kind: str, event: Any = UNLUCKY, offset: int | None = None, **detail: Any) -> Row:
    if event is None:
        return Row(0.0, "x", kind, "t", 0, offset, detail=detail or None)
    return Row(
        0.0, "x", kind, "t", 0, offset, event.student_id, event.to_json().decode(), detail=detail
    )


def checked(number: str, prediction: object, *evidence: object) -> Outcome:
    predict(number, prediction)
    return exercise(number, *evidence)


def lost(copies: int, faults: int = 3, end: str = "acked") -> Journal:
    """The unlucky event at the offsets from 4 on, after so many lost acknowledgements."""
    stored = [row("stored", event, at) for at, event in enumerate(EIGHT[:4])]
    stored += [row("stored", UNLUCKY, 4 + n) for n in range(copies)]
    hit = [row("fault", None, 4 + n % copies, fault="drop_ack") for n in range(faults)]
    return Journal([*stored, *hit, row(end, error="KafkaConnectionError")])


@pytest.mark.parametrize(
    ("prediction", "journal", "state", "says"),
    [
        (4, lost(1), "right", "all for offset 4"),
        (4, lost(4), "open", "Four, as you predicted"),
        (2, lost(4), "wrong", "stores every attempt"),
        (1, lost(1), "wrong", "You predicted 1"),
        (4, lost(2), "wrong", "2 records of the event"),
        (4, lost(1, faults=0), "wrong", "No acknowledgement was lost"),
        (4, lost(1, faults=1), "wrong", "Only 1 of 3 acknowledgements were lost"),
        (4, lost(1, faults=1, end="failed"), "wrong", "reports KafkaConnectionError"),
        (4, Journal(), "open", "holds no log"),
        (..., lost(4), "open", "prediction first"),
    ],
)
def test_three_in_a_row(prediction: object, journal: Journal, state: str, says: str) -> None:
    outcome = checked("06.1", prediction, journal)
    assert (outcome.state, says in outcome.message) == (state, True), outcome


def program(sent: int, stored: int, faults: int = 1, acked: bool = True) -> Journal:
    rows = [row("sent")] * sent + [row("stored", UNLUCKY, n) for n in range(stored)]
    rows += [row("fault", None, 0, fault="drop_ack")] * faults + [row("acked")] * acked
    return Journal(rows)


@pytest.mark.parametrize(
    ("prediction", "journal", "state", "says"),
    [
        (3, program(1, 1), "right", "One call of send(), one record"),
        (3, program(3, 3), "open", "Three, as you predicted"),
        (1, program(3, 3), "wrong", "about its own retries"),
        (4, program(1, 1), "wrong", "Each call of send() makes a record"),
        (3, program(2, 2), "wrong", "does not take the record back"),
        (3, program(1, 1, acked=False), "wrong", "without an acknowledgement"),
        (3, program(1, 1, faults=0), "wrong", "not bad"),
        (3, program(0, 0), "wrong", "sent nothing"),
        (..., program(3, 3), "open", "prediction first"),
    ],
)
def test_stubborn(prediction: object, journal: Journal, state: str, says: str) -> None:
    outcome = checked("06.2", prediction, journal)
    assert (outcome.state, says in outcome.message) == (state, True), outcome


LOG = [row("stored", event, at) for at, event in enumerate([*EIGHT[:5], *EIGHT[4:]])]
READ = [row("processed", None, at) for at in (*range(5), *range(4, 9))]
DAY = Journal([*LOG, *READ, row("killed", None)])
ROWS = {"insert": 10, "offset": 9, "business": 7}


@pytest.mark.parametrize(
    ("prediction", "table", "journal", "state", "says"),
    [
        (ROWS, "business", DAY, "right", "9 records, 8 events, and 7 enrolments"),
        (ROWS, "offset", DAY, "wrong", "at two offsets is two rows"),
        (ROWS, "insert", DAY, "wrong", "Nothing keeps a second row out"),
        (ROWS, "course", DAY, "wrong", "no table 'course'"),
        (ROWS | {"insert": 9}, "business", DAY, "wrong", "each of the 10 writes is a row"),
        (ROWS | {"offset": 8}, "business", DAY, "wrong", "9 places, however often they are read"),
        (ROWS | {"business": 8}, "business", DAY, "wrong", "7 pairs"),
        (7, "business", DAY, "open", "Predict three numbers"),
        (ROWS, "business", Journal(LOG + READ), "open", "not rough"),
        (ROWS, "business", Journal(), "open", "not rough"),
        (ROWS, ..., DAY, "open", "three dots"),
        (dict.fromkeys(ROWS, ...), "business", DAY, "open", "prediction first"),
    ],
)
def test_rough_day(
    prediction: object, table: object, journal: Journal, state: str, says: str
) -> None:
    outcome = checked("06.3", prediction, table, ROWS, journal)
    assert (outcome.state, says in outcome.message) == (state, True), outcome


@pytest.mark.parametrize("number", ["06.1", "06.2", "06.3"])
@pytest.mark.parametrize("odd", [(), (None,), (..., ...), ("a", 3)])
def test_odd_evidence_stays_open(number: str, odd: tuple[object, ...]) -> None:
    assert checked(number, 3, *odd).state == "open"
