"""Who wrote a record, as the batches on the log tell it."""

from __future__ import annotations

from typing import Any

import pytest
from kafka import KafkaProducer

from kitlib._wait import wait_until
from kitlib.broker import Broker

ORIGIN = ("producer_id", "producer_epoch", "sequence")


def details(kafka: Broker, topic: str) -> list[dict[str, Any]]:
    return [row.detail or {} for row in kafka.read(topic)]


def bytes_on_disk(kafka: Broker, topic: str) -> int:
    """The size of a topic's logs, as the broker tells it."""
    return sum(
        partition["partition_size"]
        for broker in kafka.admin().describe_log_dirs([topic])
        for folder in broker["log_dirs"]
        for found in folder["topics"]
        for partition in found["partitions"]
    )


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
    told = details(kafka, "unnumbered")
    assert [one["batch"] for one in told] == [0, 0, 2, 2]
    found = [{name: one[name] for name in one if name in (*ORIGIN, "headers")} for one in told]
    nobody = {"producer_id": -1, "producer_epoch": -1, "sequence": -1}
    somebody = {"producer_id": found[2]["producer_id"], "producer_epoch": 0, "sequence": 0}
    headers = {"headers": {"why": "because"}}
    assert found == [nobody, nobody | headers, somebody, somebody | {"sequence": 1} | headers]


def test_each_record_knows_its_batch(kafka: Broker) -> None:
    kafka.fresh_topic("batched", partitions=2)
    with KafkaProducer(**kafka.connection, linger_ms=60_000) as producer:
        for number in range(20):
            producer.send("batched", b"x" * 100, partition=number % 2)
            if number == 3:
                producer.flush()
    found = details(kafka, "batched")
    assert [one["batch"] for one in found] == ([0] * 2 + [2] * 8) * 2
    assert {one["compression"] for one in found} == {"none"}
    sizes = {(n // 10, one["batch"]): one["batch_bytes"] for n, one in enumerate(found)}
    assert sizes[0, 0] < sizes[0, 2]
    assert sum(sizes.values()) == bytes_on_disk(kafka, "batched")


def test_the_codec_is_that_of_the_batch_on_the_log(kafka: Broker) -> None:
    kafka.fresh_topic("packed")
    with KafkaProducer(
        **kafka.connection, linger_ms=60_000, compression_type="gzip", batch_size=5000
    ) as producer:
        for value in (b"x" * 1000, b"y" * 1000):
            producer.send("packed", value)
        producer.flush()
        producer.send("packed", b"z")  # gzip gains nothing here, so the client sends it as it is
    found = details(kafka, "packed")
    assert [one["compression"] for one in found] == ["gzip", "gzip", "none"]
    assert found[0]["batch_bytes"] < 1000
    assert found[0]["batch_bytes"] + found[2]["batch_bytes"] == bytes_on_disk(kafka, "packed")


def test_a_record_of_a_transaction_tells_how_that_ended(kafka: Broker) -> None:
    kafka.fresh_topic("settled", partitions=2)
    plain, first, second = (
        KafkaProducer(**kafka.connection, transactional_id=name) for name in (None, "a", "b")
    )

    def send(producer: KafkaProducer, value: bytes, partition: int = 0) -> None:
        producer.send("settled", value, partition=partition).get(30)

    def told() -> list[tuple[str | None, str | None]]:
        return [(row.value, (row.detail or {}).get("transaction")) for row in kafka.read("settled")]

    with plain, first, second:
        for producer in (first, second):
            producer.init_transactions()
            producer.begin_transaction()
        send(first, b"no")
        send(second, b"yes")
        send(plain, b"plain")
        send(first, b"no", 1)
        first.abort_transaction()
        second.commit_transaction()
        first.begin_transaction()
        send(first, b"later", 1)
        settled = [("no", "aborted"), ("yes", "committed"), ("plain", None), ("no", "aborted")]
        assert told() == [*settled, ("later", "open")]
        first.commit_transaction()
        wait_until(lambda: told() == [*settled, ("later", "committed")], "the marker")
