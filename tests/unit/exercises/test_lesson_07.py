"""The checks of lesson 07, on lag rows, logs and workers' rows as a learner may leave them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from kitlib import EnrollmentEvent, Journal, load_events
from kitlib.checks.exercise import Outcome, exercise, predict

TOP = dict(Counter(event.student_id for event in load_events()).most_common(6))
EVENTS = [event for event in load_events() if event.student_id in TOP]
Key = Callable[[EnrollmentEvent], str]


def checked(number: str, prediction: object, *evidence: object) -> Outcome:
    predict(number, prediction)
    return exercise(number, *evidence)


def lag(journal: Journal, partition: int, committed: int | None, end: int) -> None:
    detail = {"lag": None if committed is None else end - committed, "end": end}
    journal.add("lag", topic="t", partition=partition, offset=committed, detail=detail)


@pytest.fixture
def deans() -> Journal:
    journal = Journal()
    for partition, committed, end, first in ((0, 80, 85, 0), (1, 0, 126, 26), (2, None, 89, 0)):
        lag(journal, partition, committed, end)
        for offset in range(first, end):
            journal.add("stored", topic="t", partition=partition, offset=offset)
    return journal


def test_by_hand(deans: Journal) -> None:
    lags = {0: 5, 1: 126, 2: None}
    assert checked("07.1", ..., lags, deans).state == "open"
    assert checked("07.1", None, {0: ..., 1: ..., 2: ...}, deans).state == "open"
    assert checked("07.1", None, lags, Journal()).state == "open"
    assert checked("07.1", None, lags, deans).state == "right"
    outcome = checked("07.1", 0, lags, deans)
    assert outcome.state == "wrong" and "prediction of 0" in outcome.message


@pytest.mark.parametrize(
    ("lags", "says"),
    [
        ({0: 80}, "committed offset itself"),
        ({0: 85}, "the end offset"),
        ({0: -5}, "The sign is wrong"),
        ({0: 4}, "off by one"),
        ({0: 33}, "end offset minus the committed offset"),
        ({1: 100}, "how many records are there"),
        ({2: 0}, "no commit"),
        ({2: 89}, "no commit"),
        ({7: 1}, "partitions 0, 1 and 2"),
    ],
)
def test_by_hand_done_wrong(deans: Journal, lags: dict[int, Any], says: str) -> None:
    outcome = checked("07.1", None, {0: 5, 1: 126, 2: None} | lags, deans)
    assert outcome.state == "wrong" and says in outcome.message, outcome


@pytest.fixture
def puzzle() -> Journal:
    """0 grows, 1 is a shrinking backlog, 2 has the highest end and no lag, 3 grows a little."""
    journal = Journal()
    before = ((100, 100), (0, 200), (700, 700), (50, 50))
    after = ((150, 220), (80, 220), (710, 710), (90, 100))
    for measured in (before, after):
        for partition, (committed, end) in enumerate(measured):
            lag(journal, partition, committed, end)
    return journal


def test_hot_one(puzzle: Journal) -> None:
    assert checked("07.2", False, ..., puzzle).state == "open"
    assert checked("07.2", ..., 0, puzzle).state == "open"
    assert checked("07.2", False, 0, Journal()).state == "open"
    assert checked("07.2", False, 0, puzzle).state == "right"
    outcome = checked("07.2", True, 0, puzzle)
    assert outcome.state == "wrong" and "disproves your prediction" in outcome.message


@pytest.mark.parametrize(
    ("hot", "says"),
    [(1, "old backlog"), (2, "highest end offset"), (3, "grows faster"), ("two", "not the number")],
)
def test_hot_one_done_wrong(puzzle: Journal, hot: Any, says: str) -> None:
    outcome = checked("07.2", False, hot, puzzle)
    assert outcome.state == "wrong" and says in outcome.message, outcome


def evening(members: int, partitions: int, key: Key) -> Journal:
    """As workers would share the events, with the partitions in turn."""
    journal, ends = Journal(), Counter[int]()
    for member in range(members):
        journal.add("started", actor=f"clerk-{member}")
    for number, event in enumerate(EVENTS):
        name = key(event)
        partition = sum(name.encode()) % partitions if name else number % partitions
        journal.add(
            "processed", actor=f"clerk-{partition % members}", topic="evening", key=name or None,
            value=event.to_json(), partition=partition, offset=ends[partition],
        )  # fmt: skip
        ends[partition] += 1
    return journal


def student(event: EnrollmentEvent) -> str:
    return event.student_id


def pair(event: EnrollmentEvent) -> str:
    return f"{event.student_id}/{event.course_code}"


def test_in_time() -> None:
    solved = evening(6, 6, pair)
    assert max(Counter(row.actor for row in solved.rows("processed")).values()) <= 180
    assert checked("07.3", 251, solved).state == "right"
    assert checked("07.3", ..., solved).state == "open"
    assert checked("07.3", 251, Journal()).state == "open"
    assert checked("07.3", 251, evening(2, 2, student)).state == "open"
    outcome = checked("07.3", 72, solved)
    assert outcome.state == "wrong" and "all 251 events" in outcome.message
    again = Journal([*solved, *solved.rows("processed")])  # handled twice counts once
    assert checked("07.3", 251, again).state == "right"


@pytest.mark.parametrize(
    ("journal", "says"),
    [
        (evening(6, 6, student), "The key is the student"),
        (evening(4, 4, lambda event: ""), "in several partitions"),
        (evening(4, 1, pair), "more members than partitions"),
        (evening(2, 6, pair), "It owned 3 partitions"),
        (evening(2, 2, pair), "Finer keys and more partitions"),
    ],
    ids=["student", "no key", "idle", "too few members", "too few partitions"],
)
def test_in_time_done_wrong(journal: Journal, says: str) -> None:
    outcome = checked("07.3", 251, journal)
    assert outcome.state == "wrong" and says in outcome.message, outcome
