"""What goes to a worker with its function, and what the errors say of the rest."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from kafka import KafkaProducer

from kitlib.broker import Broker
from kitlib.errors import KitError
from kitlib.events import EnrollmentEvent
from kitlib.journal import Journal
from kitlib.workers import Workers


def idle(me: Any) -> None:
    pass


def test_what_the_function_uses_goes_with_it(kafka: Broker) -> None:
    event = EnrollmentEvent.from_json(
        b'{"student_id": "S1", "course_code": "C1", "timestamp": "2026-01-01T10:00:00Z"}'
    )

    def note(me: Any, value: Any) -> None:
        me.note("processed", key=event.key, value=value)

    def worker(me: Any) -> None:
        note(me, event.to_json())
        note(me, me.plan["course"])
        print(getattr(me, "nothing", "no such parameter"), me.connection)

    kafka_like = {**kafka.connection, "sasl_plain_password": "swordfish"}
    team = Workers(kafka_like, worker, plan={"course": "C0"})
    team.start("ana", plan={"course": "C2"}).wait(20)
    first, second = team.journal.rows("processed")
    assert (first.key, first.value) == ("S1", event.to_json().decode())
    assert second.value == "C2"
    (printed,) = team.journal.rows("printed")
    assert "no such parameter" in (printed.value or "")
    assert "swordfish" not in (printed.value or "")


def test_what_belongs_to_the_notebook_is_refused_by_name(kafka: Broker) -> None:
    producer = KafkaProducer(**kafka.connection)
    journal = Journal()
    lock = threading.Lock()

    def sends(me: Any) -> None:
        producer.send("workers", b"x")

    def through_a_helper(me: Any) -> None:
        sends(me)

    def reads(me: Any) -> None:
        kafka.read("workers")

    def writes(me: Any) -> None:
        journal.add("processed")

    def locks(me: Any) -> None:
        with lock:
            pass

    try:
        for function, message in (
            (sends, "sends uses 'producer'.*KafkaProducer\\(\\*\\*me.connection\\)"),
            (through_a_helper, "sends uses 'producer'"),
            (reads, "'kafka'.*me.connection"),
            (writes, "'journal'.*me.note"),
            (locks, "'lock'.*inside the function"),
        ):
            with pytest.raises(KitError, match=f"(?s){message}"):
                Workers(kafka, function).start("ana")
        with pytest.raises(KitError, match="parameter 'guard' cannot be sent to a worker"):
            Workers(kafka, idle, guard=lock).start("ana")
    finally:
        producer.close()


def test_a_function_that_cannot_be_a_worker_is_refused(kafka: Broker) -> None:
    async def asynchronous(me: Any) -> None:
        pass

    with pytest.raises(KitError, match="Expected a plain function, got str"):
        Workers(kafka, "idle")
    with pytest.raises(KitError, match="Expected a plain function, got async def"):
        Workers(kafka, asynchronous)
    with pytest.raises(KitError, match="cannot be called as <lambda>\\(me\\)"):
        Workers(kafka, lambda: None)
    with pytest.raises(KitError, match="meaning of its own"):
        Workers(kafka, idle, connection={})
