"""Records in every codec, whoever compressed them: `kafka.read` and a KafkaConsumer read all.

The writers: kafka-python, librdkafka (confluent-kafka), aiokafka, and Kafka's own Java code, which
is the broker's when a topic's compression.type differs from the producer's.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from typing import Any

import confluent_kafka
import pytest
from aiokafka import AIOKafkaProducer
from kafka import KafkaConsumer, KafkaProducer

from kitlib.broker import Broker

CODECS = ("gzip", "snappy", "lz4", "zstd")
# One batch of more than a MiB, text that repeats and bytes that hardly do, and a small one.
VALUES = [b"%d " % number + b"enrolment " * 100 for number in range(1500)]
VALUES += [bytes((number * 7919 * place >> 5) % 251 for place in range(300)) for number in range(9)]
MORE_MB = 4_000_000


def kafka_python(kafka: Broker, topic: str, codec: str | None) -> None:
    settings = {"linger_ms": 60_000, "batch_size": MORE_MB, "max_request_size": MORE_MB}
    with KafkaProducer(**kafka.connection, **settings, compression_type=codec) as producer:
        for value in VALUES:
            producer.send(topic, value)
        producer.flush()
        producer.send(topic, VALUES[0])
        producer.flush()


def librdkafka(kafka: Broker, topic: str, codec: str) -> None:
    producer = confluent_kafka.Producer({
        "bootstrap.servers": kafka.bootstrap_servers, "compression.type": codec,
        "linger.ms": 60_000, "batch.size": MORE_MB, "message.max.bytes": MORE_MB,
    })  # fmt: skip
    for value in VALUES:
        producer.produce(topic, value)
    assert producer.flush(60) == 0
    producer.produce(topic, VALUES[0])
    assert producer.flush(60) == 0


def aiokafka(kafka: Broker, topic: str, codec: str) -> None:
    async def main() -> None:
        async with AIOKafkaProducer(
            bootstrap_servers=kafka.bootstrap_servers, compression_type=codec,
            max_batch_size=MORE_MB, max_request_size=MORE_MB,
        ) as producer:  # fmt: skip
            batch = producer.create_batch()
            for value in VALUES:
                assert batch.append(key=None, value=value, timestamp=None) is not None
            await (await producer.send_batch(batch, topic, partition=0))
            await producer.send_and_wait(topic, VALUES[0])

    with ThreadPoolExecutor(1) as thread:  # the browser tests have a loop on this one
        thread.submit(asyncio.run, main()).result()


def java(kafka: Broker, topic: str, codec: str) -> None:
    kafka_python(kafka, topic, None)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("write", [kafka_python, librdkafka, aiokafka, java])
def test_what_anybody_compressed_is_read(kafka: Broker, write: Any, codec: str) -> None:
    stored_as = codec if write is java else "producer"
    topic = f"{write.__name__}-{codec}"
    kafka.fresh_topic(topic, compression_type=stored_as, max_message_bytes=MORE_MB)
    write(kafka, topic, codec)
    rows = list(kafka.read(topic))
    details = [row.detail or {} for row in rows]
    assert {detail["compression"] for detail in details[:1500]} == {codec}
    sizes = [detail["batch"] for detail in details]
    assert max(map(sizes.count, set(sizes))) > 1200, "one batch of more than a MiB"
    consumer = KafkaConsumer(
        topic, **kafka.connection, auto_offset_reset="earliest", consumer_timeout_ms=20_000
    )
    with closing(consumer):
        read = [record.value for record in islice(consumer, len(VALUES) + 1)]
    assert read == [*VALUES, VALUES[0]]
    assert [row.value for row in rows[:1500]] == [value.decode() for value in VALUES[:1500]]
