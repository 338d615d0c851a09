"""Connections on which nothing arrives any more, as producers meet them."""

from __future__ import annotations

import pytest
from kafka import KafkaProducer
from kafka.errors import KafkaTimeoutError

from kitlib.broker import Broker
from kitlib.faults import Faults


def test_a_client_in_a_black_hole_times_out_and_comes_back(kafka: Broker, faults: Faults) -> None:
    kafka.fresh_topic("hole")
    # Without idempotence: kafka-python's idempotent producer stays silent after such an end.
    producer = KafkaProducer(
        **kafka.behind(faults),
        request_timeout_ms=2000,
        delivery_timeout_ms=3000,
        retry_backoff_ms=10_000,  # one request only: another could be on its way at the clearing
        enable_idempotence=False,
    )
    producer.send("hole", b"before").get(20)
    faults.blackhole("Produce")
    with pytest.raises(KafkaTimeoutError):
        producer.send("hole", b"lost").get(20)
    assert faults.journal.rows("fault")
    faults.clear()
    producer.send("hole", b"after").get(20)
    producer.close()
    assert [row.value for row in kafka.read("hole")] == ["before", "after"]


def test_clearing_ends_a_dead_connection_at_once(kafka: Broker, faults: Faults) -> None:
    kafka.fresh_topic("hole")
    producer = KafkaProducer(**kafka.behind(faults))
    producer.send("hole", b"before").get(20)
    faults.blackhole("Produce")
    future = producer.send("hole", b"swallowed")
    faults.journal.wait("fault")
    faults.clear()
    assert future.get(20).offset == 1  # long before its own timeout of 30 s
    producer.close()
