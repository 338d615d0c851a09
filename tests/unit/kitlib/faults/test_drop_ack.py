"""A lost acknowledgement on a real broker: two records without idempotence, one with it."""

from __future__ import annotations

from typing import Any

import pytest
from kafka import KafkaProducer
from kafka.errors import MessageSizeTooLargeError

from kitlib.broker import Broker
from kitlib.faults import Faults


def log(kafka: Broker, topic: str) -> list[tuple[int, int, str]]:
    rows = kafka.read(topic)
    return [(int(r.partition or 0), int(r.offset or 0), str(r.value)) for r in rows]


def producer(kafka: Broker, faults: Faults, **settings: Any) -> KafkaProducer:
    return KafkaProducer(**kafka.behind(faults), acks="all", **settings)


@pytest.mark.parametrize("idempotent", [False, True])
def test_the_record_is_stored_twice_only_without_idempotence(
    kafka: Broker, faults: Faults, idempotent: bool
) -> None:
    kafka.fresh_topic("lost-ack")
    sender = producer(kafka, faults, enable_idempotence=idempotent)
    copies = 1 if idempotent else 2
    for number in range(10):
        faults.drop_ack(times=1)
        acknowledged = sender.send("lost-ack", b"%d" % number).get(20).offset
        (row,) = faults.journal.wait("fault", number + 1)[number:]
        assert (row.actor, row.topic, row.partition) == ("proxy", "lost-ack", 0)
        assert row.offset == copies * number
        assert row.detail is not None
        assert row.detail["fault"] == "drop_ack"
        assert row.detail["api"] == "Produce"
        assert acknowledged == row.offset + copies - 1
    sender.close()
    stored = [str(number) for number in range(10) for _ in range(copies)]
    assert log(kafka, "lost-ack") == [(0, at, value) for at, value in enumerate(stored)]


def test_every_acknowledgement_can_be_lost_in_turn(kafka: Broker, faults: Faults) -> None:
    kafka.fresh_topic("lost-acks")
    sender = producer(kafka, faults, enable_idempotence=False)
    faults.drop_ack(times=3)
    assert sender.send("lost-acks", b"x").get(20).offset == 3
    sender.close()
    assert [row.offset for row in faults.journal.rows("fault")] == [0, 1, 2]
    assert [fault["fired"] for fault in faults.armed()] == [3]


def test_only_the_chosen_topic_and_partition(kafka: Broker, faults: Faults) -> None:
    for topic in ("chosen", "other"):
        kafka.fresh_topic(topic, partitions=2)
    sender = producer(kafka, faults, enable_idempotence=False)
    faults.drop_ack(times=1, topic="chosen", partition=1)
    for topic, partition in (("other", 1), ("chosen", 0), ("chosen", 1), ("chosen", 1)):
        sender.send(topic, b"x", partition=partition).get(20)
    sender.close()
    assert log(kafka, "other") == [(1, 0, "x")]
    assert log(kafka, "chosen") == [(0, 0, "x"), (1, 0, "x"), (1, 1, "x"), (1, 2, "x")]
    (row,) = faults.journal.rows("fault")
    assert (row.topic, row.partition, row.offset) == ("chosen", 1, 0)


def test_requests_on_their_way_behind_it_are_not_doubled(kafka: Broker, faults: Faults) -> None:
    kafka.fresh_topic("in-flight", partitions=3)
    # One request a record, five on their way at a time.
    sender = producer(kafka, faults, enable_idempotence=False, batch_size=0)
    sender.send("in-flight", b"first", partition=0).get(20)
    faults.drop_ack(times=1, partition=1)
    for number in range(60):
        sender.send("in-flight", b"%d" % number, partition=number % 3)
    sender.flush(20)
    sender.close()
    (row,) = faults.journal.rows("fault")
    assert row.detail is not None
    parts = {place.split(" ")[0] for place in row.detail["lost"]}
    # A request may carry a record for each of the three partitions; its answer is lost for all.
    assert "in-flight-1" in parts
    assert len(log(kafka, "in-flight")) == 61 + len(parts)


def test_what_the_broker_refuses_is_not_lost(kafka: Broker, faults: Faults) -> None:
    kafka.fresh_topic("small", max_message_bytes=1000)
    sender = producer(kafka, faults, enable_idempotence=False)
    faults.drop_ack(times=1, topic="small")
    with pytest.raises(MessageSizeTooLargeError):
        sender.send("small", b"x" * 5000).get(20)
    assert [fault["fired"] for fault in faults.armed()] == [0]
    assert sender.send("small", b"y").get(20).offset == 1
    sender.close()
    assert log(kafka, "small") == [(0, 0, "y"), (0, 1, "y")]


def test_a_producer_that_waits_for_nothing_loses_nothing(kafka: Broker, faults: Faults) -> None:
    kafka.fresh_topic("unasked")
    sender = KafkaProducer(**kafka.behind(faults), acks=0, enable_idempotence=False)
    faults.drop_ack(times=1)
    for _ in range(5):
        sender.send("unasked", b"x").get(20)
    sender.close()
    assert faults.armed()[0]["fired"] == 0
    assert len(log(kafka, "unasked")) == 5


def test_a_cleared_fault_does_not_strike(kafka: Broker, faults: Faults) -> None:
    kafka.fresh_topic("cleared")
    sender = producer(kafka, faults, enable_idempotence=False)
    faults.drop_ack(times=None)
    faults.clear()
    assert sender.send("cleared", b"x").get(20).offset == 0
    sender.close()
    assert faults.armed() == []
    assert faults.journal.rows("fault") == []
