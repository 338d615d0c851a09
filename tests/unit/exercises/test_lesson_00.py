"""The checks of lesson 00, on logs that learners leave behind."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest
from kafka import KafkaProducer

from kitlib import load_events
from kitlib.broker import Broker
from kitlib.checks.exercise import Outcome, exercise, predict

Record = tuple[bytes | None, bytes]
MINE = b'{"student_id":"S9001","course_code":"CS101","timestamp":"2026-09-01T09:00:00Z"}'


def checked(kafka: Broker, number: str, prediction: object, records: Iterable[Record]) -> Outcome:
    """The outcome of an exercise for a log with these records (key, value)."""
    topic = kafka.fresh_topic("lesson-00", partitions=1 if number == "00.1" else 3)
    with KafkaProducer(**kafka.connection) as producer:
        for key, value in records:
            producer.send(topic, key=key, value=value)
    predict(number, prediction)
    return exercise(number, kafka.read(topic))


def rush(keyed: bool = True) -> list[Record]:
    events = [event for event in load_events() if event.student_id in ("S0017", "S0042")]
    return [(event.key if keyed else None, event.to_json()) for event in events]


@pytest.mark.parametrize(
    ("prediction", "records", "state", "says"),
    [
        (2, [(b"S9001", MINE)] * 3, "right", "the third is at 2"),
        (3, [(b"S9001", MINE)] * 3, "wrong", "Offsets count from 0"),
        ("the last", [(b"S9001", MINE)] * 3, "wrong", "Offsets count from 0"),
        (2, [(b"S9001", MINE)] * 2, "wrong", "three records, and holds 2"),
        (2, [(None, MINE)] * 3, "wrong", "no key"),
        (2, [(b"S9001", MINE)] * 2 + [(b"S1", MINE)], "wrong", "records of S1"),
        (2, [], "open", "is empty"),
        (..., [(b"S9001", MINE)] * 3, "open", "prediction first"),
    ],
)
def test_third_offset(
    kafka: Broker, prediction: object, records: list[Record], state: str, says: str
) -> None:
    outcome = checked(kafka, "00.1", prediction, records)
    assert (outcome.state, bool(re.search(says, outcome.message))) == (state, True), outcome


@pytest.mark.parametrize(
    ("prediction", "records", "state", "says"),
    [
        (1, rush(), "right", "in 1 partition"),
        (3, rush(), "wrong", "the key chooses the partition"),
        (1, rush(keyed=False), "wrong", "no key"),
        (1, [(b"both", value) for _, value in rush()], "wrong", "must come from the event"),
        (1, rush()[:-1], "wrong", "299 records, and rush has 300"),
        (1, rush() * 2, "wrong", "600 records, and rush has 300"),
        (1, [], "open", "is empty"),
        (..., rush(), "open", "prediction first"),
    ],
)
def test_one_partition(
    kafka: Broker, prediction: object, records: list[Record], state: str, says: str
) -> None:
    outcome = checked(kafka, "00.2", prediction, records)
    assert (outcome.state, bool(re.search(says, outcome.message))) == (state, True), outcome


def test_evidence_of_the_wrong_kind_is_no_stack_trace() -> None:
    predict("00.1", 2)
    assert exercise("00.1", "the topic").state == "open"
    assert exercise("00.1").state == "open"
