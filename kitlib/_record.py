"""The recorders: they make one Kafka client write down what it does. Here: the producer's.

They hook into the one client object (never into its class), at the places where kafka-python 3.0
knows what happened. For a producer: `send`, and the batch that is answered.
The client behaves as before. On the hot path a hook only appends a tuple of plain values, because
those cost the garbage collector nothing; the journal makes rows of them when it is read.

Not seen: the offsets that a transaction commits.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable
from itertools import count
from time import time as now
from typing import TYPE_CHECKING, Any

from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import RetriableError

from kitlib._row import Row, text
from kitlib.errors import KitError

if TYPE_CHECKING:
    from kitlib.journal import Journal

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
        from kitlib._record_consumer import ConsumerRecorder

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
    # The future of each batch on its way, and its number. There is no lock: a record that is noted
    # after its batch was answered notes the answer once more.
    waiting: dict[Any, int] = {}
    numbers = count()
    acks = {"acks": 0} if producer.config["acks"] == 0 else None

    def follow(batch: Any) -> int:
        """Give a batch a number, and note the answer to it when it comes, or at once."""
        number = waiting.setdefault(batch, next(numbers))

        def answered(result: Any) -> None:
            waiting.pop(batch, None)
            note((source, ANSWERED, now(), *batch.topic_partition, number, result))
            if followers:
                deliver()

        batch.add_callback(answered)
        return number

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
            places = [(one._produce_future, one.args[0]) for one in batch._record_futures]
            parts = {part: waiting.setdefault(part, next(numbers)) for part, _ in places}
            moved = [(parts[part], index) for part, index in places]
            note((source, SPLIT, waiting.pop(batch.produce_future, None), moved))
            for part in parts:
                follow(part)
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
            number = waiting.get(batch)
            if number is None:
                number = follow(batch)
            partition = batch.topic_partition[1]
            note((source, SENT, now(), topic, partition, number, index, key, value))
            if batch.is_done:
                note((source, ANSWERED, now(), topic, partition, number, batch.value))
            if followers:
                deliver()
            return future

        return send

    def failed(error: BaseException, topic: Any, value: Any, key: Any) -> None:
        journal.add("failed", actor=actor, topic=str(topic), key=key, value=value,
                    detail=error_detail(error))  # fmt: skip

    records: dict[int, dict[int, tuple[Any, Any]]] = {}

    def expand(chunk: tuple[Any, ...]) -> Iterable[Row]:
        if chunk[1] == SENT:
            _, _, at, topic, partition, serial, index, key, value = chunk
            key, value = text(key), text(value)
            records.setdefault(serial, {})[index] = (key, value)
            return (Row(at, actor, "sent", topic, partition, None, key, value),)
        if chunk[1] == SPLIT:
            for index, record in records.pop(chunk[2], {}).items():
                serial, new = chunk[3][index]
                records.setdefault(serial, {})[new] = record
            return ()
        _, _, at, topic, partition, serial, (base, _, errors) = chunk
        rows = []
        for index, (key, value) in records.get(serial, {}).items():
            failure = None if errors is None else error_detail(errors(index))
            # With acks=0 nobody answered, and a batch that failed has no offset either.
            known = acks is None and base is not None and base >= 0
            offset = base + index if known else None
            rows.append(
                Row(at, actor, "acked", topic, partition, offset, key, value, detail=acks)
                if failure is None
                else Row(at, actor, "failed", topic, partition, None, key, value, detail=failure)
            )
        records.pop(serial, None)
        return rows

    source = journal._source(expand)
    if serialised:
        wrap(producer._accumulator, "append", make_append)
    wrap(producer._accumulator, "split_and_reenqueue", make_split)
    wrap(producer, "send", make_send)
    wrap_close(journal, producer, lambda: {"actor": actor})
