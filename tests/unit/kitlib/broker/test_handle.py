"""What lessons rely on: empty topics, the log read from end to end, clear words when it fails."""

from __future__ import annotations

import pickle

import pytest
from kafka import KafkaConsumer, KafkaProducer

from kitlib.broker import Broker
from kitlib.errors import KitError


def test_a_fresh_topic_is_empty_and_no_group_has_commits_for_it(kafka: Broker) -> None:
    for value in (b"first", b"second", b"third"):
        kafka.fresh_topic("handle-fresh", partitions=3)
        assert len(kafka.read("handle-fresh")) == 0
        with KafkaProducer(**kafka.connection) as producer:
            producer.send("handle-fresh", key=b"S17", value=value).get(30)
        # A commit left over from the round before would hide this round's record.
        consumer = KafkaConsumer(
            "handle-fresh",
            **kafka.connection,
            group_id="handle",
            auto_offset_reset="earliest",
            consumer_timeout_ms=30_000,
        )
        assert next(consumer).value == value
        consumer.commit()
        consumer.close()


def test_reading_gives_every_record_in_log_order_with_its_headers(kafka: Broker) -> None:
    kafka.fresh_topic("handle-read", partitions=2)
    with KafkaProducer(**kafka.connection) as producer:
        for number in range(10):
            producer.send(
                "handle-read", b"%d" % number, b"S1", [("why", b"\xff")], partition=number % 2
            )
    rows = list(kafka.read("handle-read"))
    assert [(row.partition, row.offset) for row in rows] == [
        (p, o) for p in (0, 1) for o in range(5)
    ]
    assert [row.value for row in rows] == list("0246813579")
    assert rows[0].detail is not None and rows[0].detail["headers"] == {"why": "\\xff"}


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda kafka: kafka.fresh_topic("a b"), "illegal|invalid|characters"),
        (lambda kafka: kafka.fresh_topic("a", partitions=-1), "cannot have -1 partitions"),
        (lambda kafka: kafka.fresh_topic("a", colour="red"), "colour"),
        (lambda kafka: kafka.read("nowhere"), "The topic 'nowhere' does not exist"),
        (pickle.dumps, "me.connection"),
    ],
)
def test_a_mistake_meets_a_sentence(kafka: Broker, call, says: str) -> None:
    with pytest.raises(KitError, match=says):
        call(kafka)
