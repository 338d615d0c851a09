"""Which producer wrote a record, and in which batch: ids, sequence number, the batch's size, codec.

Kafka keeps them once per batch, and kafka-python's ConsumerRecord leaves them out. This module
reads them while one consumer unpacks its batches, and changes nothing else about it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_SEQUENCES = 2**31  # after the highest sequence number comes 0
_CODECS = ("none", "gzip", "snappy", "lz4", "zstd")  # by their number in a batch's attributes


class _Opened:
    """A fetched piece of a log that remembers which of its batches is being read."""

    def __init__(self, records: Any) -> None:
        self._records = records
        self.batch: Any = None

    def next_batch(self) -> Any:
        self.batch = self._records.next_batch()
        return self.batch


def origins(consumer: Any) -> dict[tuple[str, int, int], dict[str, Any]]:
    """The origin of each record that this consumer reads from now on; filled while it polls.

    {(topic, partition, offset): origin}. An origin has "producer_id", "producer_epoch" and
    "sequence" as they are on the log (-1 for a producer that was not idempotent); "batch", the
    offset at which the batch begins; "batch_bytes", its size on the log; and "compression", its
    codec or "none". Source: Kafka documentation, "Message Format", Record Batch.
    """
    origin_of: dict[tuple[str, int, int], dict[str, Any]] = {}

    class PartitionRecords(consumer._fetcher.PartitionRecords):
        def _unpack_records(self, tp: Any, records: Any, *how: Any) -> Iterator[Any]:
            opened = _Opened(records)
            for record in super()._unpack_records(tp, opened, *how):
                batch = opened.batch
                if batch.magic >= 2:  # older formats do not name the producer
                    sequence = batch.base_sequence
                    if sequence >= 0:
                        sequence = (sequence + record.offset - batch.base_offset) % _SEQUENCES
                    origin_of[(record.topic, record.partition, record.offset)] = {
                        "producer_id": batch.producer_id,
                        "producer_epoch": batch.producer_epoch,
                        "sequence": sequence,
                        "batch": batch.base_offset,
                        "batch_bytes": batch.size_in_bytes,
                        "compression": _CODECS[batch.compression_type],
                    }
                yield record

    consumer._fetcher.PartitionRecords = PartitionRecords
    return origin_of
