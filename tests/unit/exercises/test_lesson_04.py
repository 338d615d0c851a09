"""The checks of lesson 04, on journals of workers that were killed and came back."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from kafka import OffsetAndMetadata, TopicPartition

from kitlib import Journal
from kitlib.checks.exercise import Outcome, exercise, predict
from kitlib.journal import Row

TOPIC, GROUP = "enrollment-requests", "registrar"


def checked(number: str, prediction: object, *evidence: object) -> Outcome:
    predict(number, prediction)
    return exercise(number, *evidence)


def log(events: int) -> list[Row]:
    return [Row(0.0, "broker", "stored", TOPIC, 0, n, "S1", f"event {n}") for n in range(events)]


class Run:
    """Writes the rows of a worker, one after the other."""

    def __init__(self, events: int) -> None:
        self.rows = log(events)
        self.clock = count(1.0)

    def row(self, kind: str, offset: int | None = None) -> None:
        value = None if kind != "processed" else f"event {offset}"
        key = "S1" if value else None
        where: dict[str, Any] = (
            {} if offset is None else {"topic": TOPIC, "partition": 0, "group": GROUP}
        )
        time, detail = next(self.clock), {"what": "worker"} if kind == "killed" else None
        self.rows.append(
            Row(time, "desk", kind, offset=offset, key=key, value=value, detail=detail, **where)
        )

    def process(self, offsets: range, each: int | None, until: int | None = None) -> None:
        """Process these, with a commit after so many, and stop after `until` of them."""
        for done, offset in enumerate(offsets, 1):
            self.row("processed", offset)
            if done == until:
                return self.row("killed")
            if each and (done % each == 0 or done == len(offsets)):
                self.row("committed", offset + 1)


def bag(commit: str) -> Journal:
    run = Run(60)
    if commit == "each poll":
        for offset in (10, 20, 30):
            run.row("committed", offset)
    if commit == "one poll":
        run.row("committed", 10)
    run.process(range(30), None, until=3)
    begin = {"each poll": 30, "one poll": 10}.get(commit, 0)
    run.process(range(begin, 60), None if commit == "never" else 30)
    return Journal(run.rows)


@pytest.mark.parametrize(
    ("prediction", "commit", "state", "says"),
    [
        (27, "when empty", "right", "3 of 60 are repeated"),
        (27, "each poll", "open", "27 are lost, as you predicted"),
        (3, "each poll", "wrong", "commits all that was handed out"),
        (3, "when empty", "wrong", "27 were lost"),
        (27, "one poll", "wrong", "7 events are lost"),
        (27, "never", "wrong", "Nothing is committed at all"),
        (..., "when empty", "open", "prediction first"),
    ],
)
def test_large_bag(prediction: object, commit: str, state: str, says: str) -> None:
    outcome = checked("04.1", prediction, bag(commit))
    assert (outcome.state, says in outcome.message) == (state, True), outcome


def test_a_bag_that_was_lucky() -> None:
    run = Run(60)
    run.process(range(3), None, until=3)
    run.process(range(30), None)
    run.row("committed", 60)
    run.process(range(30, 60), None)
    outcome = checked("04.1", 27, Journal(run.rows))
    assert outcome.state == "wrong" and "by luck" in outcome.message, outcome


DONE = [Row(0.0, "clerk", "consumed", "two-desks", n % 2, n // 2) for n in range(6)] + [
    Row(0.0, "clerk", "consumed", "two-desks", 0, n) for n in (3, 4, 5)
]


@pytest.mark.parametrize(
    ("prediction", "offsets", "state", "says"),
    [
        (11, {0: 6, 1: 3}, "right", "6 in partition 0 and 3 in partition 1"),
        (9, {0: 6, 1: 3}, "wrong", "11 were lost"),
        (11, {0: 10, 1: 10}, "open", "as you predicted"),
        (9, {0: 10, 1: 10}, "wrong", "all 20 that were handed out, but only 9 are done"),
        (11, {0: 5, 1: 2}, "wrong", "the next one to read"),
        (11, {0: 6}, "wrong", "Nothing is committed for partition 1"),
        (11, {}, "wrong", "Nothing is committed for partition 0"),
        (11, {0: 9, 1: 9}, "wrong", "what lies between is lost"),
        (11, {0: 6, 1: 1}, "wrong", "repeats what is done"),
        (..., {0: 6, 1: 3}, "open", "prediction first"),
    ],
)
def test_closing_time(prediction: object, offsets: dict[int, int], state: str, says: str) -> None:
    committed = {
        TopicPartition("two-desks", number): OffsetAndMetadata(offset)
        for number, offset in offsets.items()
    }
    outcome = checked("04.2", prediction, DONE, committed)
    assert (outcome.state, says in outcome.message) == (state, True), outcome


def thrifty(each: int | None, after: int = 0) -> Journal:
    """Commits after each so many; after: the offset where it goes on."""
    run = Run(40)
    run.process(range(40), each, until=27)
    run.process(range(after, 40), each)
    return Journal(run.rows)


@pytest.mark.parametrize(
    ("prediction", "each", "after", "state", "says"),
    [
        (7, 3, 24, "right", "3 were repeated, at most 3 could have been, and it took 14 commits"),
        (7, 10, 20, "open", "7 are repeated, as you predicted"),
        (3, 10, 20, "wrong", "7 were repeated"),
        (3, 3, 24, "wrong", "7 were repeated"),
        (7, 5, 25, "wrong", "2 were repeated, and 5 could have been"),
        (7, 1, 26, "wrong", "40 commits, and 20 are allowed"),
        (7, None, 0, "wrong", "27 were repeated, and 40 could have been"),
        (7, 3, 30, "wrong", "committed before"),
        (..., 3, 24, "open", "prediction first"),
    ],
)
def test_thrifty(prediction: object, each: int | None, after: int, state: str, says: str) -> None:
    outcome = checked("04.3", prediction, thrifty(each, after))
    assert (outcome.state, says in outcome.message) == (state, True), outcome


@pytest.mark.parametrize(("number", "prediction", "events"), [("04.1", 27, 60), ("04.3", 7, 40)])
def test_a_worker_that_was_not_killed(number: str, prediction: int, events: int) -> None:
    assert "not killed" in checked(number, prediction, Journal(log(events))).message
    assert checked(number, prediction, Journal()).state == "open"


@pytest.mark.parametrize("number", ["04.1", "04.2", "04.3"])
@pytest.mark.parametrize("odd", [(), (None,), (..., ...), (Journal(), {}), ("a", 3), ([], {})])
def test_odd_evidence_stays_open(number: str, odd: tuple[object, ...]) -> None:
    assert checked(number, 3, *odd).state == "open"
