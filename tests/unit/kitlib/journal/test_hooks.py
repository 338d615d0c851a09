"""What holds for both recorders: who is recorded, how rows are followed, how a client closes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from kitlib._wait import wait_until
from kitlib.errors import KitError
from kitlib.journal import Journal, Row

Make = Callable[..., Any]


def test_closing_is_written_once(topic: str, make: Make) -> None:
    producer, consumer, journal = make(KafkaProducer), make(KafkaConsumer, topic), Journal()
    for client in (producer, consumer):
        journal.record(client)
        client.close()
        client.close()
    assert [row.actor for row in journal.rows("closed")] == ["producer", "consumer"]
    for client in (producer, consumer):
        with pytest.raises(KitError, match="closed"):
            Journal().record(client)


def test_followers_see_each_row_as_it_happens(topic: str, make: Make) -> None:
    producer, consumer, journal = make(KafkaProducer), make(KafkaConsumer), Journal()
    seen: list[Row] = []
    journal.subscribe(seen.extend)
    journal.record(producer)
    journal.record(consumer)
    producer.send(topic, value=b"e", partition=1).get(10)
    consumer.assign([TopicPartition(topic, 1)])
    consumer.seek_to_beginning()
    wait_until(lambda: consumer.poll(200), "the record is handed out")
    assert [row.kind for row in seen] == ["sent", "acked", "assigned", "consumed"]
    assert list(journal) == seen
