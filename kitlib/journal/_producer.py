"""The recorder of one KafkaProducer: it writes "sent", then "acked" or "failed", for each record.

It hooks into the places where kafka-python 3.0 knows what happened: `send`, and the answer to each
batch. On the hot path a hook only appends a tuple to the tape, without a lock. The offsets that a
transaction commits are not seen.
"""

import threading
from collections.abc import Iterable
from time import time as now
from typing import Any

from kitlib.journal._hooks import Recorder, error_detail, wrap
from kitlib.journal._row import Row, text
from kitlib.journal._tape import Tape


class ProducerRecorder(Recorder):
    """Hooks into one producer and its buffer."""

    def __init__(self, tape: Tape, producer: Any, actor: str) -> None:
        super().__init__(tape, producer, actor)
        config, accumulator = producer.config, producer._accumulator
        self.acked_detail = {"acks": 0} if config["acks"] == 0 else None
        # With a serialiser, what the buffer takes is not what `send` was given.
        self.serialised = bool(config["key_serializer"] or config["value_serializer"])
        self.wire = threading.local()  # its `record`: the key and value that the buffer took
        # Keys and values of the records not answered yet, by the future of their batch and index.
        self.unanswered: dict[Any, dict[int, tuple[str | None, str | None]]] = {}
        self.sent = tape.later(self.sent_rows)
        self.moved = tape.later(self.moved_rows)
        self.answered = tape.later(self.answered_rows)
        if self.serialised:
            wrap(accumulator, "append", self.on_append)
        wrap(accumulator._incomplete, "add", self.on_add)
        for batch in accumulator._incomplete.all():
            self.follow(batch)
        wrap(accumulator, "split_and_reenqueue", self.on_split)
        wrap(producer, "send", self.on_send)

    # -- records sent ----------------------------------------------------------------------------

    def on_send(
        self, send: Any, topic: Any, value: Any = None, key: Any = None, headers: Any = None,
        partition: Any = None, timestamp_ms: Any = None,
    ) -> Any:  # fmt: skip
        try:
            future = send(topic, value, key, headers, partition, timestamp_ms)
        except Exception as error:
            self.refused(error, topic, key, value)
            raise
        batch_future, index = future._produce_future, future.args[0]
        if index == -1:  # refused before it reached the buffer
            self.refused(future.exception, topic, key, value)
            return future
        if self.serialised:
            key, value = self.wire.record
        self.tape.note((self.sent, now(), batch_future, index, key, value))
        if batch_future.is_done:  # its answer may have been noted already: note it again
            self.note_answer(batch_future, batch_future.value)
        return future

    def on_append(
        self, append: Any, place: Any, stamp: Any, key: Any, value: Any, *args: Any, **kwargs: Any
    ) -> Any:
        self.wire.record = key, value
        return append(place, stamp, key, value, *args, **kwargs)

    def refused(self, error: BaseException, topic: Any, key: Any, value: Any) -> None:
        """A record that never reached the buffer has failed without having been sent."""
        self.tape.add(
            "failed", actor=self.actor, topic=str(topic), key=key, value=value,
            detail=error_detail(error),
        )  # fmt: skip

    # -- batches answered ------------------------------------------------------------------------

    def on_add(self, add: Any, batch: Any) -> None:
        """Every new batch passes here, the parts of a split one too."""
        add(batch)
        self.follow(batch)

    def follow(self, batch: Any) -> None:
        """Note the answer to a batch when it comes, or at once if it is there."""
        batch.produce_future.add_callback(self.note_answer, batch.produce_future)

    def note_answer(self, batch_future: Any, answer: Any) -> None:
        self.tape.note((self.answered, now(), batch_future, answer))

    def on_split(self, split: Any, batch: Any, *args: Any, **kwargs: Any) -> Any:
        """A batch that was too large comes back in parts, which are answered one by one."""
        result = split(batch, *args, **kwargs)
        moves = [(part._produce_future, part.args[0]) for part in batch._record_futures]
        self.tape.note((self.moved, batch.produce_future, moves))
        return result

    # -- rows, made when somebody reads ----------------------------------------------------------

    def sent_rows(
        self, at: float, batch_future: Any, index: int, key: Any, value: Any
    ) -> Iterable[Row]:
        key, value = text(key), text(value)
        self.unanswered.setdefault(batch_future, {})[index] = (key, value)
        topic, partition = batch_future.topic_partition
        return (Row(at, self.actor, "sent", topic, partition, None, key, value),)

    def moved_rows(self, batch_future: Any, moves: list[tuple[Any, int]]) -> Iterable[Row]:
        """Makes no rows: from here on the records of a split batch are those of its parts."""
        for index, record in self.unanswered.pop(batch_future, {}).items():
            part_future, new_index = moves[index]
            self.unanswered.setdefault(part_future, {})[new_index] = record
        return ()

    def answered_rows(
        self, at: float, batch_future: Any, answer: tuple[Any, Any, Any]
    ) -> Iterable[Row]:
        base, _, error_of = answer
        topic, partition = batch_future.topic_partition
        # With acks=0 nobody answered, so the offsets are not known.
        has_offsets = self.acked_detail is None and base is not None and base >= 0
        rows = []
        for index, (key, value) in self.unanswered.get(batch_future, {}).items():
            kind, detail = "acked", self.acked_detail
            if error_of is not None:
                kind, detail = "failed", error_detail(error_of(index))
            offset = base + index if has_offsets and error_of is None else None
            rows.append(
                Row(at, self.actor, kind, topic, partition, offset, key, value, detail=detail)
            )
        self.unanswered.pop(batch_future, None)
        return rows
