"""Where a real broker has the record of a known key: murmur2 of the key, modulo the partitions.

The reference values are the ones that other clients hold themselves to: the hashes that Kafka's
own Java client asserts (`UtilsTest.testMurmur2`), and those of librdkafka's partitioner test
(`0048-partitioner.c`), for its murmur2 and for the CRC-32 that it uses by default. The lesson on
keys and order rests on both.
"""

from __future__ import annotations

import zlib
from typing import Any

import pytest
from kafka import KafkaProducer
from kafka.partitioner import DefaultPartitioner, murmur2

import kitlib as kit
from kitlib.broker import Broker

# As Java prints them: signed, 32 bits.
KAFKA_HASHES = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}
# {key: (murmur2 without its sign, CRC-32)}
LIBRDKAFKA_HASHES = {
    b"23456": (0x058D780F, 0xB1B451D7),
    b"this is another string with more length to it perhaps": (0x4F7703DA, 0xB0150DF7),
    b"hejsan": (0x5EC19395, 0xD077037E),
}
# {student: {number of partitions: partition}}
STUDENTS = {
    b"S0017": {3: 1, 4: 2, 6: 4},
    b"S0042": {3: 2, 4: 2, 6: 2},
    b"S0101": {3: 1, 4: 2, 6: 4},
    b"S0128": {3: 2, 4: 3, 6: 5},
}


class Crc32Partitioner(DefaultPartitioner):
    """Where librdkafka's `consistent_random` puts a record that has a key."""

    def partition(
        self,
        topic: str,
        key: Any,
        serialized_key: bytes,
        value: Any,
        serialized_value: bytes,
        cluster: Any,
    ) -> int:
        return zlib.crc32(serialized_key) % len(cluster.partitions_for_topic(topic))


def stored(kafka: Broker, topic: str, keys: list[bytes], **settings: Any) -> dict[bytes, int]:
    """Send one record a key; where the broker's log has each."""
    with KafkaProducer(**kafka.connection, **settings) as producer:
        for key in keys:
            producer.send(topic, key=key, value=b"x")
    rows = kafka.read(topic).rows("stored")
    assert len(rows) >= len(keys)
    return {
        row.key.encode(): row.partition for row in rows if row.key and row.partition is not None
    }


def test_murmur2_is_kafkas_own() -> None:
    signed = {key: (murmur2(key) ^ 1 << 31) - (1 << 31) for key in KAFKA_HASHES}
    assert signed == KAFKA_HASHES


@pytest.mark.parametrize("partitions", [1, 3, 7, 17])
def test_the_broker_has_known_keys_where_kafkas_hashes_say(kafka: Broker, partitions: int) -> None:
    topic = kafka.fresh_topic("partitioning-java", partitions=partitions)
    wanted = {key: (h & 0x7FFFFFFF) % partitions for key, h in KAFKA_HASHES.items()}
    assert stored(kafka, topic, list(wanted)) == wanted


@pytest.mark.parametrize("partitions", [7, 17])
def test_the_broker_has_known_keys_where_librdkafkas_hashes_say(
    kafka: Broker, partitions: int
) -> None:
    topic = kafka.fresh_topic("partitioning-murmur2", partitions=partitions)
    wanted = {key: hashes[0] % partitions for key, hashes in LIBRDKAFKA_HASHES.items()}
    assert stored(kafka, topic, list(wanted)) == wanted

    topic = kafka.fresh_topic("partitioning-crc32", partitions=partitions)
    wanted = {key: hashes[1] % partitions for key, hashes in LIBRDKAFKA_HASHES.items()}
    assert stored(kafka, topic, list(wanted), partitioner=Crc32Partitioner()) == wanted


@pytest.mark.parametrize("partitions", [3, 4, 6])
def test_the_students_of_the_sample_data(kafka: Broker, partitions: int) -> None:
    topic = kafka.fresh_topic("partitioning-students", partitions=partitions)
    keys = sorted({event.key for event in kit.load_events()})
    found = stored(kafka, topic, keys)
    assert found == {key: (murmur2(key) & 0x7FFFFFFF) % partitions for key in keys}
    assert {key: found[key] for key in STUDENTS} == {k: p[partitions] for k, p in STUDENTS.items()}


def test_a_partition_more_moves_the_key_and_leaves_its_records(kafka: Broker) -> None:
    topic = kafka.fresh_topic("partitioning-grows", partitions=3)
    assert stored(kafka, topic, [b"S0017"]) == {b"S0017": 1}
    kafka.admin().create_partitions({topic: 4})
    kit.wait_until(
        lambda: len(kafka.admin().describe_topics([topic])[0]["partitions"]) == 4,
        "the fourth partition",
    )
    stored(kafka, topic, [b"S0017"])
    assert [row.partition for row in kafka.read(topic).rows(key=b"S0017")] == [1, 2]


def test_without_a_key_one_student_is_everywhere(kafka: Broker) -> None:
    topic = kafka.fresh_topic("partitioning-no-key", partitions=3)
    with KafkaProducer(**kafka.connection) as producer:
        for _ in range(300):  # to miss one of three partitions: once in 10 ** 52
            producer.send(topic, value=b"S0017")
    rows = kafka.read(topic).rows("stored")
    assert {row.partition for row in rows} == {0, 1, 2}
    assert {row.key for row in rows} == {None}
