"""Reads the log of a topic from end to end, as an outsider: without a group, committing nothing.

`handle.Kafka.read` makes a journal of the rows and words the errors. If the broker sends nothing
for half a minute, reading ends with kafka-python's own timeout error.

Which producer wrote a record, and in which batch, Kafka keeps once per batch, and kafka-python's
ConsumerRecord leaves it out. It is noted here while the consumer unpacks its batches.
"""

import contextlib
import time
from collections import defaultdict
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord, Fetcher
from kafka.errors import KafkaTimeoutError

from kitlib.journal import Row, text

_PATIENCE_S = 30
_SEQUENCES = 2**31  # after the highest sequence number comes 0
_CODECS = ("none", "gzip", "snappy", "lz4", "zstd")  # by their number in a batch's attributes


def stored(connection: dict[str, Any], topic: str) -> list[Row] | None:
    """One "stored" row per record that is on the log now, in log order; None without the topic.

    Raises KafkaError, as kafka-python does.
    """
    settings = {"enable_auto_commit": False, "auto_offset_reset": "earliest"}
    with contextlib.closing(KafkaConsumer(**connection, **settings)) as consumer:
        mine: dict[str, Any] = {"undecided": defaultdict(list)}
        consumer._fetcher.PartitionRecords = type("_Mine", (_PartitionRecords,), mine)
        if topic not in consumer.topics():
            return None
        numbers = consumer.partitions_for_topic(topic) or ()
        assigned = [TopicPartition(topic, number) for number in numbers]
        consumer.assign(assigned)
        ends = consumer.end_offsets(assigned)
        rows: list[Row] = []
        answered = time.monotonic()
        while any(consumer.position(part) < end for part, end in ends.items()):
            for part, records in consumer.poll(timeout_ms=500).items():
                answered = time.monotonic()
                rows += [_row(record) for record in records if record.offset < ends[part]]
            if time.monotonic() - answered > _PATIENCE_S:
                raise KafkaTimeoutError(f"no record of {topic!r} arrived for {_PATIENCE_S} s")
    return sorted(rows, key=lambda row: (row.partition or 0, row.offset or 0))


def _row(record: "_Record") -> Row:
    detail = record.origin
    if record.headers:
        detail = {"headers": {name: text(value) for name, value in record.headers}} | detail
    key, value = text(record.key), text(record.value)
    return Row(record.timestamp / 1000, "broker", "stored", record.topic, record.partition,
               record.offset, key, value, detail=detail or None)  # fmt: skip


class _Record(ConsumerRecord):
    """A record with the origin that its batch on the log tells; {} in formats before version 2.

    An origin has "producer_id", "producer_epoch" and "sequence" as they are on the log (-1 for a
    producer that was not idempotent); "batch", the offset at which the batch begins; "batch_bytes",
    its size on the log; and "compression", its codec or "none". In a transaction it also has
    "transaction": "open" until the log has the marker that makes it "committed" or "aborted".
    Source: Kafka documentation, "Message Format", Record Batch and Control Batches.
    """

    origin: dict[str, Any]


class _PartitionRecords(Fetcher.PartitionRecords):
    """A fetched piece of a log, whose records know their origin.

    undecided: the origins of transactions without a marker yet, by partition and producer.
    """

    undecided: dict[tuple[TopicPartition, int], list[dict[str, Any]]]

    def _unpack_records(self, tp: Any, records: Any, *how: Any) -> Iterator[_Record]:
        batch: Any = None  # the one being read

        def next_batch() -> Any:
            nonlocal batch
            batch = records.next_batch()
            if batch and batch.magic >= 2 and batch.is_control_batch and (end := next(batch, None)):
                for origin in self.undecided.pop((tp, batch.producer_id), ()):
                    origin["transaction"] = "aborted" if end.abort else "committed"
            return batch

        for plain in super()._unpack_records(tp, SimpleNamespace(next_batch=next_batch), *how):
            record = _Record(*plain)
            record.origin = {}
            if batch.magic >= 2:  # older formats do not name the producer
                sequence = batch.base_sequence
                if sequence >= 0:
                    sequence = (sequence + record.offset - batch.base_offset) % _SEQUENCES
                record.origin = {
                    "producer_id": batch.producer_id,
                    "producer_epoch": batch.producer_epoch,
                    "sequence": sequence,
                    "batch": batch.base_offset,
                    "batch_bytes": batch.size_in_bytes,
                    "compression": _CODECS[batch.compression_type],
                }
                if batch.is_transactional:
                    record.origin["transaction"] = "open"
                    self.undecided[tp, batch.producer_id].append(record.origin)
            yield record
