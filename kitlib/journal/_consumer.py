"""The recorder of one KafkaConsumer: it writes "consumed", "committed", "assigned" and "revoked".

It hooks into what `poll` and iteration hand out, the broker's answers to commits (no matter whether
the learner, auto commit or `close` asked for them), the calls of the rebalance listener, and
`assign`. On the hot path a hook only appends a tuple to the tape, without a lock.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from operator import itemgetter
from time import monotonic
from time import time as now
from typing import Any

from kafka import ConsumerRebalanceListener
from kafka.errors import for_code

from kitlib.journal._hooks import error_detail, wrap, wrap_close
from kitlib.journal._row import Row, text
from kitlib.journal._tape import Tape


class ConsumerRecorder:
    """The recorder of one consumer; the consumer's hooks keep it alive."""

    def __init__(self, tape: Tape, consumer: Any, actor: str) -> None:
        self.tape = tape
        self.consumer = consumer
        self.actor = actor
        self.group: str | None = consumer.config["group_id"]
        self.coordinator = consumer._coordinator
        self.subscription = consumer._subscription
        self.member: str | None = None  # the last member id that was known
        self.member_of_rows: str | None = None  # the one that holds for the rows made now
        # The learner may change what a deserialiser made: such records become rows at once.
        config = consumer.config
        self.eager = bool(config["key_deserializer"] or config["value_deserializer"])
        self.answered_offsets: Any = None  # of the last commit that the broker answered
        self.joined, self.polled, self.iterated = (
            tape.later(make) for make in (self.joined_rows, self.polled_rows, self.iterated_rows)
        )
        wrap(consumer, "poll", self.make_poll)
        wrap(consumer, "_message_generator_v2", self.make_generator)
        wrap(consumer, "subscribe", self.make_subscribe)
        wrap(consumer, "unsubscribe", self.make_unsubscribe)
        wrap(self.subscription, "_apply_assignment", self.make_apply_assignment)
        wrap(self.coordinator, "_send_offset_commit_request", self.make_send_commit)
        wrap(self.coordinator, "_handle_offset_commit_response", self.make_commit_answered)
        wrap_close(tape, consumer, self.identity)
        self.subscription.rebalance_listener = _Listener(self, self.subscription.rebalance_listener)
        owned = consumer.assignment()
        self.add_partitions("assigned", owned, {"before": "the recording began"})

    def identity(self) -> dict[str, Any]:
        """Who this is, as the fields of a row. The last known member id outlives the membership."""
        member = self.coordinator._generation.member_id or self.member
        if member != self.member:
            self.member = member
            self.tape.note((self.joined, member))
        return {"actor": self.actor, "group": self.group, "member": self.member}

    # -- records handed out ----------------------------------------------------------------------

    def make_poll(self, original: Any) -> Any:
        note, followers, deliver = self.tape.note, self.tape.followers, self.tape.deliver
        polled, eager = self.polled, self.eager
        keys, values = itemgetter(6), itemgetter(7)

        def poll(timeout_ms: Any = 0, max_records: Any = None, update_offsets: bool = True) -> Any:
            handed_out = original(timeout_ms, max_records, update_offsets)
            if handed_out and update_offsets:  # iteration polls without, and hands out one by one
                at = now()
                for place, records in handed_out.items():
                    first, last = records[0].offset, records[-1].offset
                    offsets: Any = range(first, last + 1)
                    if len(offsets) != len(records):  # compaction and transactions leave gaps
                        offsets = [record.offset for record in records]
                    note((polled, at, place[0], place[1], offsets, list(map(keys, records)),
                          list(map(values, records))))  # fmt: skip
                if followers or eager:
                    deliver()
            return handed_out

        return poll

    def make_generator(self, original: Any) -> Any:
        note, followers, deliver = self.tape.note, self.tape.followers, self.tape.deliver
        iterated, eager = self.iterated, self.eager

        def generate() -> Iterator[Any]:
            for record in original():
                note((iterated, now(), record[0], record[1], record[3], record[6], record[7]))
                if followers or eager:
                    deliver()
                yield record

        return generate

    # Rows, made when somebody reads.

    def joined_rows(self, member: str) -> Iterable[Row]:
        """Makes no rows: from here on they name this member."""
        self.member_of_rows = member
        return ()

    def iterated_rows(
        self, at: float, topic: str, partition: int, offset: int, key: Any, value: Any
    ) -> Iterator[Row]:
        return self.polled_rows(at, topic, partition, (offset,), (key,), (value,))

    def polled_rows(
        self, at: float, topic: str, partition: int, *columns: Iterable[Any]
    ) -> Iterator[Row]:
        """columns: the offsets, the keys and the values of the records."""
        for offset, key, value in zip(*columns, strict=True):
            yield Row(
                at, self.actor, "consumed", topic, partition, offset, text(key), text(value),
                self.group, self.member_of_rows,
            )  # fmt: skip

    # -- partitions that come and go -------------------------------------------------------------

    def add_partitions(self, kind: str, places: Iterable[Any], detail: Any = None) -> None:
        """Add a row of this kind for each of these partitions, all of the same time."""
        identity, at = self.identity(), now()
        self.tape.extend(
            Row(at, kind=kind, topic=topic, partition=partition, detail=detail, **identity)
            for topic, partition in sorted(places)
        )

    def make_subscribe(self, original: Any) -> Any:
        def subscribe(*args: Any, **kwargs: Any) -> None:
            original(*args, **kwargs)
            self.subscription.rebalance_listener = _Listener(
                self, self.subscription.rebalance_listener
            )

        return subscribe

    def make_unsubscribe(self, original: Any) -> Any:
        def unsubscribe() -> None:
            owned = self.consumer.assignment()
            original()
            self.add_partitions("revoked", owned)  # the client calls no listener here

        return unsubscribe

    def make_apply_assignment(self, original: Any) -> Any:
        """Assignments that no group decides: `assign`, and `subscribe` without a group."""

        def apply(partitions: Any, *args: Any, **kwargs: Any) -> None:
            before = set(self.subscription.assignment)
            original(partitions, *args, **kwargs)
            after = set(self.subscription.assignment)
            if self.group is None or not self.subscription.partitions_auto_assigned():
                self.add_partitions("revoked", before - after, {"by": "assign"})
                self.add_partitions("assigned", after - before, {"by": "assign"})

        return apply

    # -- commits ---------------------------------------------------------------------------------

    def add_commit(self, kind: str, place: Any, offset: int, detail: dict[str, Any]) -> None:
        self.tape.add(
            kind, topic=place[0], partition=place[1], offset=offset, detail=detail,
            **self.identity(),
        )  # fmt: skip

    def add_failed_commit(self, place: Any, offset: int, error: BaseException) -> None:
        self.add_commit("failed", place, offset, {"what": "commit"} | error_detail(error))

    def make_send_commit(self, original: Any) -> Any:
        async def send(offsets: Any) -> Any:
            try:
                return await original(offsets)
            except Exception as error:
                if self.answered_offsets is not offsets:
                    # The broker has not answered: perhaps the member has lost its place.
                    for place, committed in offsets.items():
                        self.add_failed_commit(place, committed.offset, error)
                raise

        return send

    def make_commit_answered(self, original: Any) -> Any:
        def answered(offsets: Any, sent_at: float, response: Any) -> None:
            self.answered_offsets = offsets
            asked = now() - (monotonic() - sent_at)
            for topic, partitions in response.topics:
                for partition, code in partitions:
                    place = (topic, partition)
                    offset = offsets[place].offset
                    if code == 0:
                        self.add_commit("committed", place, offset, {"asked": asked})
                    else:
                        self.add_failed_commit(place, offset, for_code(code)())
            original(offsets, sent_at, response)

        return answered


class _Listener(ConsumerRebalanceListener):
    """Writes a rebalance down, then calls the learner's own listener, if there is one."""

    def __init__(self, recorder: ConsumerRecorder, inner: Any) -> None:
        self.recorder = recorder
        self.inner = inner

    async def on_partitions_revoked(self, revoked: Any) -> None:
        self.add("revoked", revoked)
        await self.call("on_partitions_revoked", revoked)

    async def on_partitions_assigned(self, assigned: Any) -> None:
        self.add("assigned", assigned)
        await self.call("on_partitions_assigned", assigned)

    async def on_partitions_lost(self, lost: Any) -> None:
        self.add("revoked", lost, {"lost": True})
        await self.call("on_partitions_lost", lost)

    def add(self, kind: str, places: Any, detail: Any = None) -> None:
        if self.recorder.group is not None:  # without a group, `make_apply_assignment` sees it
            self.recorder.add_partitions(kind, places, detail)

    async def call(self, name: str, places: Any) -> None:
        if self.inner is not None:
            answer = getattr(self.inner, name)(places)
            if inspect.isawaitable(answer):
                await answer
