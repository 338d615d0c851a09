"""The checks of lesson 02, on the logs that learners' keys leave behind."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from kafka import KafkaProducer
from kafka.partitioner import StickyPartitioner

from kitlib import EnrollmentEvent, Journal, load_events, wait_until
from kitlib.broker import Broker
from kitlib.checks.exercise import Outcome, exercise, predict

Key = Callable[[EnrollmentEvent], bytes | None]
EVENTS = load_events()
OLD, NEW = EVENTS[:750], EVENTS[750:]


def student(event: EnrollmentEvent) -> bytes:
    return event.key


def course(event: EnrollmentEvent) -> bytes:
    return event.course_code.encode()


def pair(event: EnrollmentEvent) -> bytes:
    return event.key + b"/" + course(event)


def nothing(event: EnrollmentEvent) -> None:
    return None


def same(event: EnrollmentEvent) -> bytes:
    return b"all"


def minute(event: EnrollmentEvent) -> bytes:
    return str(event.timestamp)[:16].encode()


def send(kafka: Broker, events: Iterable[EnrollmentEvent], key: Key) -> None:
    with KafkaProducer(**kafka.connection, partitioner=StickyPartitioner()) as producer:
        for event in events:
            producer.send("lesson-02", key=key(event), value=event.to_json())


def log(kafka: Broker, events: Iterable[EnrollmentEvent], key: Key, partitions: int) -> Journal:
    kafka.fresh_topic("lesson-02", partitions=partitions)
    send(kafka, events, key)
    return kafka.read("lesson-02")


def checked(number: str, prediction: object, *evidence: object) -> Outcome:
    predict(number, prediction)
    return exercise(number, *evidence)


@pytest.fixture(scope="module")
def by_student(kafka: Broker) -> Journal:
    return log(kafka, EVENTS, student, partitions=3)


@pytest.mark.parametrize(
    ("prediction", "key", "partitions", "state", "says"),
    [
        (3, course, 3, "right", "24 courses"),
        (1, course, 3, "wrong", "by student, the requests for CS101 were in 3"),
        (3, student, 3, "wrong", "each student in order, but no course"),
        (3, pair, 3, "wrong", "not the same for all requests"),
        (3, nothing, 3, "wrong", "no key"),
        (3, same, 3, "wrong", "only one consumer"),
        (3, course, 1, "wrong", "only one consumer"),
        (..., course, 3, "open", "prediction first"),
    ],
)
def test_fair_courses(
    kafka: Broker,
    by_student: Journal,
    prediction: object,
    key: Key,
    partitions: int,
    state: str,
    says: str,
) -> None:
    outcome = checked("02.1", prediction, by_student, log(kafka, EVENTS, key, partitions))
    assert (outcome.state, says in outcome.message) == (state, True), outcome


def test_fair_courses_need_all_events_once_and_in_order(kafka: Broker, by_student: Journal) -> None:
    def outcome(events: list[EnrollmentEvent]) -> Outcome:
        return checked("02.1", 3, by_student, log(kafka, events, course, partitions=3))

    assert outcome([]).state == "open"
    assert "1,498 of 1,500 events are missing" in outcome(EVENTS[:2]).message
    assert "2 events are on the log more than once" in outcome(EVENTS + EVENTS[:2]).message
    assert "an earlier event comes after a later one" in outcome(EVENTS[::-1]).message
    assert outcome(EVENTS)
    assert checked("02.1", 3, Journal(), kafka.read("lesson-02")).state == "open"


@pytest.mark.parametrize(
    ("prediction", "key", "partitions", "state", "says"),
    [
        (251, pair, 12, "right", "S0017 is spread over 8 partitions"),
        (125, pair, 12, "wrong", "all 251 events of S0017 share a partition"),
        ("251", pair, 12, "wrong", "all 251 events of S0017 share a partition"),
        (251, student, 12, "wrong", "S0017 alone has 251 records"),
        (251, student, 96, "wrong", "more partitions do not help"),
        (251, course, 12, "wrong", "CS101 alone has 216 records"),
        (251, minute, 12, "wrong", "not along the pairs"),
        (251, nothing, 12, "wrong", "no key"),
        (251, same, 12, "wrong", "Everything is in 1 of the partitions"),
        (251, pair, 24, "wrong", "more than 12 partitions"),
        (..., pair, 12, "open", "prediction first"),
    ],
)
def test_cooler(
    kafka: Broker, prediction: object, key: Key, partitions: int, state: str, says: str
) -> None:
    outcome = checked("02.2", prediction, log(kafka, EVENTS, key, partitions))
    assert (outcome.state, says in outcome.message) == (state, True), outcome


@pytest.mark.parametrize(
    ("prediction", "events", "key", "partitions", "state", "says"),
    [
        (4, OLD + NEW, student, 6, "right", "S0101 is in partition 4"),
        (1, OLD + NEW, student, 6, "wrong", "S0101 is in partition 4"),
        (4, NEW, student, 6, "wrong", "old records do not move by themselves"),
        (4, OLD, student, 6, "wrong", "750 of 1,500 events are missing"),
        (4, NEW + OLD, student, 6, "wrong", "an earlier event comes after a later one"),
        (4, OLD + OLD + NEW, student, 6, "wrong", "750 events are on the log more than once"),
        (4, OLD + NEW, student, 3, "wrong", "in 3 partitions"),
        (4, OLD + NEW, nothing, 6, "wrong", "no key"),
        (4, OLD + NEW, course, 6, "wrong", "in partitions"),
        (4, [], student, 6, "open", "is empty"),
        (..., OLD + NEW, student, 6, "open", "prediction first"),
    ],
)
def test_grown(
    kafka: Broker,
    prediction: object,
    events: list[EnrollmentEvent],
    key: Key,
    partitions: int,
    state: str,
    says: str,
) -> None:
    outcome = checked("02.3", prediction, log(kafka, events, key, partitions))
    assert (outcome.state, says in outcome.message) == (state, True), outcome


def test_to_add_partitions_is_not_to_grow_in_order(kafka: Broker) -> None:
    log(kafka, OLD, student, partitions=3)
    kafka.admin().create_partitions({"lesson-02": 6})
    wait_until(
        lambda: len(kafka.admin().describe_topics(["lesson-02"])[0]["partitions"]) == 6,
        "six partitions",
    )
    send(kafka, NEW, student)
    outcome = checked("02.3", 4, kafka.read("lesson-02"))
    assert outcome.state == "wrong" and "moves no record" in outcome.message, outcome


@pytest.mark.parametrize("number", ["02.1", "02.2", "02.3"])
@pytest.mark.parametrize("odd", [(), (None,), (..., ...), (Journal(), Journal()), ("a", 3)])
def test_odd_evidence_stays_open(number: str, odd: tuple[object, ...]) -> None:
    assert checked(number, 3, *odd).state == "open"


def test_records_that_are_no_events(kafka: Broker, by_student: Journal) -> None:
    kafka.fresh_topic("lesson-02", partitions=3)
    with KafkaProducer(**kafka.connection) as producer:
        producer.send("lesson-02", key=b"S0001", value=b"\xff<b>")
    strange = kafka.read("lesson-02")
    for outcome in (
        checked("02.1", 3, by_student, strange),
        checked("02.2", 251, strange),
        checked("02.3", 4, strange),
    ):
        assert outcome.state == "wrong", outcome
