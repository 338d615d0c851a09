"""The recorders: they make one Kafka client write down what it does. Here: the producer's.

They hook into the one client object (never into its class), at the places where kafka-python 3.0
knows what happened. For a producer: `send`, and the batch that is answered. The client behaves as
before. On the hot path a hook only appends a tuple, without a lock; the journal makes rows of them
when it is read.

Not seen: the offsets that a transaction commits.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable
from time import time as now
from typing import TYPE_CHECKING, Any

from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import RetriableError

from kitlib.errors import KitError
from kitlib.journal._row import Row, text

if TYPE_CHECKING:
    from kitlib.journal.journal import Journal

SENT, ANSWERED, SPLIT = range(3)


def record(journal: Journal, client: Any, actor: str | None) -> None:
    """Hook the journal into the client. Raises KitError if it is not an open client."""
    role = {KafkaProducer: "producer", KafkaConsumer: "consumer"}
    kind = next((name for base, name in role.items() if isinstance(client, base)), None)
    if kind is None:
        raise KitError(
            what="Only a KafkaProducer or a KafkaConsumer can be recorded.",
            why=f"This is of the type {type(client).__name__}.",
            fix="Write journal.record(producer) with the client itself.",
        )
    if client._closed:
        raise KitError(
            what=f"This {kind} is closed, so there is nothing left to record.",
            fix="Make a new one, and record it before you use it.",
        )
    chosen = client.config["client_id"]
    if actor is None:
        actor = kind if chosen.startswith("kafka-python") else chosen
    if kind == "producer":
        record_producer(journal, client, actor)
    else:
        from kitlib.journal._consumer import ConsumerRecorder

        ConsumerRecorder(journal, client, actor)


def wrap(owner: Any, name: str, make: Callable[[Any], Callable[..., Any]]) -> None:
    """Put `make(the method)` in place of a method of this one object."""
    original = getattr(owner, name)
    setattr(owner, name, functools.wraps(original)(make(original)))


def wrap_close(journal: Journal, client: Any, facts: Callable[[], dict[str, Any]]) -> None:
    def make(original: Any) -> Any:
        def close(*args: Any, **kwargs: Any) -> Any:
            was_open, known = not client._closed, facts()
            try:
                return original(*args, **kwargs)
            finally:
                if was_open:
                    journal.add("closed", **known)

        return close

    wrap(client, "close", make)


def error_detail(error: BaseException) -> dict[str, Any]:
    return {
        "error": type(error).__name__,
        "message": str(error),
        "retriable": isinstance(error, RetriableError),
    }


def record_producer(journal: Journal, producer: Any, actor: str) -> None:
    note, followers, deliver = journal._pending.append, journal._followers, journal._deliver
    acks = {"acks": 0} if producer.config["acks"] == 0 else None
    batches = producer._accumulator._incomplete

    def follow(batch: Any) -> None:
        """Note the answer to a batch when it comes, or at once."""
        future = batch.produce_future

        def answered(result: Any) -> None:
            note((source, ANSWERED, now(), future, result))
            if followers:
                deliver()

        future.add_callback(answered)

    def make_add(original: Any) -> Any:
        """Every batch that is new passes here, the parts of a split one too."""

        def add(batch: Any) -> None:
            original(batch)
            follow(batch)

        return add

    # With a serialiser, what the buffer takes is not what `send` was given.
    serialised = bool(producer.config["key_serializer"] or producer.config["value_serializer"])
    wire = threading.local()

    def make_append(original: Any) -> Any:
        def append(place: Any, stamp: Any, key: Any, value: Any, *args: Any, **kwargs: Any) -> Any:
            wire.record = key, value
            return original(place, stamp, key, value, *args, **kwargs)

        return append

    def make_split(original: Any) -> Any:
        """A batch that was too large comes back in parts, which are answered one by one."""

        def split(batch: Any, *args: Any, **kwargs: Any) -> Any:
            result = original(batch, *args, **kwargs)
            moved = [(one._produce_future, one.args[0]) for one in batch._record_futures]
            note((source, SPLIT, batch.produce_future, moved))
            return result

        return split

    def make_send(original: Any) -> Any:
        def send(
            topic: Any, value: Any = None, key: Any = None, headers: Any = None,
            partition: Any = None, timestamp_ms: Any = None,
        ) -> Any:  # fmt: skip
            try:
                future = original(topic, value, key, headers, partition, timestamp_ms)
            except Exception as error:
                failed(error, topic, value, key)
                raise
            batch, index = future._produce_future, future.args[0]
            if index == -1:  # refused before it reached the buffer
                failed(future.exception, topic, value, key)
                return future
            if serialised:
                key, value = wire.record
            note((source, SENT, now(), batch, index, key, value))
            if batch.is_done:  # the answer may have been noted before the record: note it again
                note((source, ANSWERED, now(), batch, batch.value))
            if followers:
                deliver()
            return future

        return send

    def failed(error: BaseException, topic: Any, value: Any, key: Any) -> None:
        journal.add("failed", actor=actor, topic=str(topic), key=key, value=value,
                    detail=error_detail(error))  # fmt: skip

    records: dict[Any, dict[int, tuple[Any, Any]]] = {}  # those not answered, by batch and index

    def expand(chunk: tuple[Any, ...]) -> Iterable[Row]:
        if chunk[1] == SENT:
            _, _, at, batch, index, key, value = chunk
            key, value = text(key), text(value)
            records.setdefault(batch, {})[index] = (key, value)
            topic, partition = batch.topic_partition
            return (Row(at, actor, "sent", topic, partition, None, key, value),)
        if chunk[1] == SPLIT:
            for index, record in records.pop(chunk[2], {}).items():
                part, new = chunk[3][index]
                records.setdefault(part, {})[new] = record
            return ()
        _, _, at, batch, (base, _, errors) = chunk
        topic, partition = batch.topic_partition
        rows = []
        for index, (key, value) in records.get(batch, {}).items():
            failure = None if errors is None else error_detail(errors(index))
            # With acks=0 nobody answered, and a batch that failed has no offset either.
            known = acks is None and base is not None and base >= 0
            offset = base + index if known else None
            rows.append(
                Row(at, actor, "acked", topic, partition, offset, key, value, detail=acks)
                if failure is None
                else Row(at, actor, "failed", topic, partition, None, key, value, detail=failure)
            )
        records.pop(batch, None)
        return rows

    source = journal._source(expand)
    if serialised:
        wrap(producer._accumulator, "append", make_append)
    wrap(batches, "add", make_add)
    for batch in batches.all():
        follow(batch)
    wrap(producer._accumulator, "split_and_reenqueue", make_split)
    wrap(producer, "send", make_send)
    wrap_close(journal, producer, lambda: {"actor": actor})
