"""The checks of lesson 01, on what learners' workers and producers leave behind."""

from __future__ import annotations

from typing import Any

import pytest
from kafka import KafkaProducer

from kitlib import EnrollmentEvent, Journal, load_events
from kitlib.broker import Broker
from kitlib.checks.exercise import Outcome, exercise, predict
from kitlib.workers import Workers

seven = load_events(limit=7)
padded = [event.to_json().replace(b",", b"," + b" " * 1500) for event in load_events(limit=2)]
NOTES = [b"note %d " % n + b"x" * (2000 if n in (3, 7) else 10) for n in range(10)]
LETTERS = [b"not JSON", *padded]


def late(me: Any) -> None:
    """The worker of the exercise. me.flush_at: after which events it waits for answers."""
    producer = KafkaProducer(**me.connection, linger_ms=60_000)
    me.record(producer)
    for number, event in enumerate(me.events, start=1):
        producer.send("lesson-01", key=event.key, value=event.to_json())
        if number in me.flush_at:
            producer.flush()
    if me.noted:
        me.note("processed")


def power_cut(kafka: Broker, flush_at: tuple[int, ...], **params: Any) -> Journal:
    kafka.fresh_topic("lesson-01", partitions=3)
    params = {"events": seven, "noted": True} | params
    team = Workers(kafka, late, flush_at=flush_at, **params)
    team.start("front-end", kill_at=("processed", 1))
    team.wait()
    return team.journal + kafka.read("lesson-01")


def checked(number: str, prediction: object, *evidence: object) -> Outcome:
    predict(number, prediction)
    return exercise(number, *evidence)


def test_late_four(kafka: Broker) -> None:
    as_found = power_cut(kafka, flush_at=(3,))
    assert len(as_found.rows("stored")) == 3
    assert checked("01.1", ..., as_found).state == "open"
    assert checked("01.1", 3, as_found).state == "open"
    for prediction in (7, 0, "all"):
        outcome = checked("01.1", prediction, as_found)
        assert outcome.state == "wrong" and "covers what was sent before it" in outcome.message

    solved = power_cut(kafka, flush_at=(7,))
    assert checked("01.1", 3, solved).state == "right"
    assert checked("01.1", 7, solved).state == "wrong"
    unanswered = Journal(row for row in solved if row.kind != "acked")
    assert "luck" in checked("01.1", 3, unanswered).message


@pytest.mark.parametrize(
    ("flush_at", "params", "says"),
    [
        ((), {}, "7 were sent and 0 are stored"),
        ((7,), {"noted": False}, "was not killed"),
        ((3,), {"events": seven[:3]}, "sent 3 events"),
        ((14,), {"events": seven * 2}, "14 records for 7 events"),
    ],
    ids=["no flush", "no note", "fewer sent", "sent twice"],
)
def test_late_four_done_wrong(
    kafka: Broker, flush_at: tuple[int, ...], params: dict[str, Any], says: str
) -> None:
    outcome = checked("01.1", 3, power_cut(kafka, flush_at, **params))
    assert outcome.state == "wrong" and says in outcome.message, outcome


def noted(kafka: Broker, notes: list[bytes] = NOTES, **settings: Any) -> tuple[list[int], Journal]:
    """Send the notes; the numbers of those whose future failed, and the log."""
    kafka.fresh_topic("lesson-01", max_message_bytes=1000)
    with KafkaProducer(**kafka.connection, batch_size=1, **settings) as producer:
        futures = [producer.send("lesson-01", value=note) for note in notes]
    failed = [number for number, future in enumerate(futures) if future.failed()]
    return failed, kafka.read("lesson-01")


def test_ten_notes(kafka: Broker) -> None:
    refused, log = noted(kafka, enable_idempotence=False)
    assert refused == [3, 7]
    assert checked("01.2", 3, refused, log).state == "right"
    assert checked("01.2", 3, {3, 7}, log).state == "right"
    assert checked("01.2", ..., refused, log).state == "open"
    assert checked("01.2", 3, ..., log).state == "open"
    for prediction, answer, says in (
        (8, refused, "your prediction of 8 is not"),
        (3, [], "You say that nothing is missing"),
        (3, [7], "You name the notes 7"),
        (3, ["three"], "list of numbers"),
        (3, 3, "list of numbers"),
    ):
        outcome = checked("01.2", prediction, answer, log)
        assert outcome.state == "wrong" and says in outcome.message, outcome


def test_ten_notes_as_found(kafka: Broker) -> None:
    refused, log = noted(kafka)
    assert refused == [3, 4, 5, 6, 7, 8, 9] and len(log) == 3
    outcome = checked("01.2", 3, refused, log)
    assert outcome.state == "wrong" and "the notes 4, 5, 6, 8 and 9 are small" in outcome.message


def test_ten_notes_changed(kafka: Broker) -> None:
    _, log = noted(kafka, [note[:20] for note in NOTES])
    assert checked("01.2", 3, [], log).state == "open"
    refused, log = noted(kafka, [*NOTES, NOTES[0]], enable_idempotence=False)
    assert "stored twice" in checked("01.2", 3, refused, log).message
    kafka.fresh_topic("lesson-01")
    assert checked("01.2", 3, [3, 7], kafka.read("lesson-01")).state == "open"


Sent = list[tuple[bytes, str | None]]
CANONICAL = [EnrollmentEvent.from_json(letter).to_json() for letter in padded]


def repaired(kafka: Broker, prediction: object, sent: Sent) -> Outcome:
    """The outcome when these (value, origin) are on the log, beside a queue of three letters."""
    for topic in ("lesson-01", "lesson-01.dlq"):
        kafka.fresh_topic(topic)
    with KafkaProducer(**kafka.connection) as producer:
        for number, letter in enumerate(LETTERS):
            reason = b"MessageSizeTooLargeError" if number else b"This is not JSON."
            headers = [("reason", reason), ("origin", b"front-end:%d" % number)]
            producer.send("lesson-01.dlq", value=letter, headers=headers)
        for value, origin in sent:
            headers = [("origin", origin.encode())] if origin else []
            producer.send("lesson-01", value=value, headers=headers)
    return checked("01.3", prediction, kafka.read("lesson-01"), kafka.read("lesson-01.dlq"))


both: Sent = [(value, f"front-end:{n}") for n, value in enumerate(CANONICAL, start=1)]


@pytest.mark.parametrize(
    ("prediction", "sent", "state", "says"),
    [
        (3, both, "right", "still holds 3"),
        (1, both, "wrong", "takes nothing from a log"),
        (3, both[:1], "wrong", "front-end:2 is not there"),
        (3, [*both, both[0]], "wrong", "front-end:1 is stored more than once"),
        (3, [(padded[0], "front-end:1"), both[1]], "wrong", "front-end:1 is not there"),
        (3, [both[0], (CANONICAL[1], None)], "wrong", "without its origin"),
        (3, [(b"something else", None)], "open", "re-send them"),
        (3, [], "open", "re-send them"),
        (..., both, "open", "prediction first"),
    ],
)
def test_padded_ones(kafka: Broker, prediction: object, sent: Sent, state: str, says: str) -> None:
    outcome = repaired(kafka, prediction, sent)
    assert (outcome.state, says in outcome.message) == (state, True), outcome
