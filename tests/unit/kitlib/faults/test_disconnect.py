"""Connections that break at a request, as producers meet them."""

from __future__ import annotations

from kafka import KafkaProducer

from kitlib.broker import Broker
from kitlib.faults import Faults


def test_a_disconnected_request_was_never_stored(kafka: Broker, faults: Faults) -> None:
    kafka.fresh_topic("cut")
    producer = KafkaProducer(**kafka.behind(faults), enable_idempotence=False)
    producer.send("cut", b"before").get(20)
    faults.disconnect("Produce", times=2)
    assert producer.send("cut", b"after").get(20).offset == 1
    producer.close()
    assert [row.value for row in kafka.read("cut")] == ["before", "after"]
    assert len(faults.journal.rows("fault", actor="proxy")) == 2
