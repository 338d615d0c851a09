"""Reads the log of a topic from end to end, as an outsider: without a group, committing nothing.

`handle.Kafka.read` makes a journal of the rows. It waits for a broker only so long: one that says
nothing for half a minute ends it with kafka-python's own error.
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
    """A "stored" row for each record that is on the log now, in log order; None without a topic.

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
        heard = time.monotonic()
        while any(consumer.position(part) < end for part, end in ends.items()):
            for part, records in consumer.poll(timeout_ms=500).items():
                heard = time.monotonic()
                for record in records:
                    if record.offset < ends[part]:
                        origin = origin_of.pop((topic, record.partition, record.offset), {})
                        rows.append(_row(record, origin))
            if time.monotonic() - heard > _PATIENCE_S:
                raise KafkaTimeoutError(f"no record of {topic!r} came for {_PATIENCE_S} s")
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
