"""Reads the log of a topic from end to end, as an outsider: without a group, committing nothing.

`handle.Kafka.read` makes a journal of the rows and words the errors. If the broker sends nothing
for half a minute, reading ends with kafka-python's own timeout error.
"""

from __future__ import annotations

import contextlib
import time
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaTimeoutError

from kitlib.broker._batches import origins
from kitlib.journal import Row, text

_PATIENCE_S = 30


def stored(connection: dict[str, Any], topic: str) -> list[Row] | None:
    """One "stored" row per record that is on the log now, in log order; None without the topic.

    Raises KafkaError, as kafka-python does.
    """
    settings = {"enable_auto_commit": False, "auto_offset_reset": "earliest"}
    with contextlib.closing(KafkaConsumer(**connection, **settings)) as consumer:
        if topic not in consumer.topics():
            return None
        numbers = sorted(consumer.partitions_for_topic(topic) or ())
        assigned = [TopicPartition(topic, number) for number in numbers]
        consumer.assign(assigned)
        consumer.seek_to_beginning(*assigned)
        ends = consumer.end_offsets(assigned)
        origin_of = origins(consumer)
        rows: list[Row] = []
        answered = time.monotonic()
        while any(consumer.position(part) < end for part, end in ends.items()):
            for part, records in consumer.poll(timeout_ms=500).items():
                answered = time.monotonic()
                for record in records:
                    if record.offset < ends[part]:
                        origin = origin_of.pop((topic, record.partition, record.offset), {})
                        rows.append(_row(record, origin))
            if time.monotonic() - answered > _PATIENCE_S:
                raise KafkaTimeoutError(f"no record of {topic!r} arrived for {_PATIENCE_S} s")
    return sorted(rows, key=lambda row: (row.partition or 0, row.offset or 0))


def _row(record: Any, origin: dict[str, int]) -> Row:
    detail: dict[str, Any] = dict(origin)
    if record.headers:
        detail = {"headers": {name: text(value) for name, value in record.headers}} | detail
    return Row(
        time=record.timestamp / 1000,
        actor="broker",
        kind="stored",
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=text(record.key),
        value=text(record.value),
        detail=detail or None,
    )
