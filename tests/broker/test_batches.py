"""Who wrote a record, as the batches on the log tell it."""

from __future__ import annotations

from typing import Any

import pytest
from kafka import KafkaProducer

from kitlib.broker.handle import Broker


def details(kafka: Broker, topic: str) -> list[dict[str, Any]]:
    return [row.detail or {} for row in kafka.read(topic)]


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_an_idempotent_producer_numbers_its_records(kafka: Broker, compression: str | None) -> None:
    kafka.fresh_topic("numbered", partitions=2)
    for _ in range(2):
        # Batches of several records: each has one number for its first record.
        with KafkaProducer(
            **kafka.connection, linger_ms=50, batch_size=200, compression_type=compression
        ) as producer:
            for number in range(40):
                producer.send("numbered", b"%d" % number, partition=number % 2)
    found = details(kafka, "numbered")
    first, second = (found[at]["producer_id"] for at in (0, 20))
    assert first != second and min(first, second) >= 0
    for partition in (found[:40], found[40:]):
        assert [one["producer_id"] for one in partition] == [first] * 20 + [second] * 20
        assert [one["sequence"] for one in partition] == [*range(20)] * 2
        assert {one["producer_epoch"] for one in partition} == {0}


def test_another_producer_numbers_nothing_and_headers_stay(kafka: Broker) -> None:
    kafka.fresh_topic("unnumbered")
    for idempotent in (False, True):
        with KafkaProducer(
            **kafka.connection, enable_idempotence=idempotent, linger_ms=1000
        ) as producer:
            producer.send("unnumbered", b"x")  # one batch of two
            producer.send("unnumbered", b"y", headers=[("why", b"because")])
    found = details(kafka, "unnumbered")
    nobody = {"producer_id": -1, "producer_epoch": -1, "sequence": -1}
    somebody = {"producer_id": found[2]["producer_id"], "producer_epoch": 0, "sequence": 0}
    headers = {"headers": {"why": "because"}}
    assert found == [nobody, nobody | headers, somebody, somebody | {"sequence": 1} | headers]
