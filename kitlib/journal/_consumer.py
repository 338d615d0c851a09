"""The recorder of one KafkaConsumer: see `_record` for how recorders work.

It hooks into what `poll` and iteration hand out, the broker's answer to a commit, whoever asked for
it (the learner, auto commit, `close`), the calls of the rebalance listener, and `assign`.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from operator import itemgetter
from time import monotonic
from time import time as now
from typing import TYPE_CHECKING, Any

from kafka import ConsumerRebalanceListener
from kafka.errors import for_code

from kitlib.journal._producer import error_detail, wrap, wrap_close
from kitlib.journal._row import Row, text

if TYPE_CHECKING:
    from kitlib.journal.journal import Journal


class ConsumerRecorder:
    """The recorder of one consumer; the consumer's hooks keep it alive."""

    def __init__(self, journal: Journal, consumer: Any, actor: str) -> None:
        self.journal = journal
        self.consumer = consumer
        self.actor = actor
        self.group: str | None = consumer.config["group_id"]
        self.coordinator = consumer._coordinator
        self.subscription = consumer._subscription
        self.member: str | None = None  # the last that was known
        self.expanded_member: str | None = None  # the one of the chunk that becomes rows now
        self.source = journal._source(self.expand)
        # What a deserialiser makes may be changed later: such records become rows at once.
        config = consumer.config
        self.eager = bool(config["key_deserializer"] or config["value_deserializer"])
        self.answered: Any = None  # the offsets of the last commit that the broker answered
        wrap(consumer, "poll", self.make_poll)
        wrap(consumer, "_message_generator_v2", self.make_generator)
        wrap(consumer, "subscribe", self.make_subscribe)
        wrap(consumer, "unsubscribe", self.make_unsubscribe)
        wrap(self.subscription, "_apply_assignment", self.make_apply_assignment)
        wrap(self.coordinator, "_send_offset_commit_request", self.make_send_commit)
        wrap(self.coordinator, "_handle_offset_commit_response", self.make_commit_answered)
        wrap_close(journal, consumer, self.facts)
        self.subscription.rebalance_listener = _Listener(self, self.subscription.rebalance_listener)
        owned = consumer.assignment()
        self.partitions("assigned", owned, {"before": "the recording began"})

    def facts(self) -> dict[str, Any]:
        """Who this is, as the fields of a row. The last known member id outlives the membership."""
        member = self.coordinator._generation.member_id or self.member
        if member != self.member:
            self.member = member
            self.journal._pending.append((self.source, member))
        return {"actor": self.actor, "group": self.group, "member": self.member}

    def partitions(self, kind: str, places: Iterable[Any], detail: Any = None) -> None:
        facts, at = self.facts(), now()
        self.journal.extend(
            Row(at, kind=kind, topic=topic, partition=partition, detail=detail, **facts)
            for topic, partition in sorted(places)
        )

    # -- records handed out ----------------------------------------------------------------------

    def make_poll(self, original: Any) -> Any:
        note, followers, deliver = (
            self.journal._pending.append, self.journal._followers, self.journal._deliver
        )  # fmt: skip
        keys, values, source, eager = itemgetter(6), itemgetter(7), self.source, self.eager

        def poll(timeout_ms: Any = 0, max_records: Any = None, update_offsets: bool = True) -> Any:
            handed_out = original(timeout_ms, max_records, update_offsets)
            if handed_out and update_offsets:  # iteration polls without, and hands out one by one
                at = now()
                for place, records in handed_out.items():
                    first, last = records[0].offset, records[-1].offset
                    offsets: Any = range(first, last + 1)
                    if len(offsets) != len(records):  # compaction and transactions leave gaps
                        offsets = [record.offset for record in records]
                    note((source, at, place[0], place[1], offsets, list(map(keys, records)),
                          list(map(values, records))))  # fmt: skip
                if followers or eager:
                    deliver()
            return handed_out

        return poll

    def make_generator(self, original: Any) -> Any:
        note, followers, deliver = (
            self.journal._pending.append, self.journal._followers, self.journal._deliver
        )  # fmt: skip
        source, eager = self.source, self.eager

        def generate() -> Iterator[Any]:
            for record in original():
                note((source, now(), record[0], record[1], record[3], record[6], record[7]))
                if followers or eager:
                    deliver()
                yield record

        return generate

    def expand(self, chunk: tuple[Any, ...]) -> Iterator[Row]:
        if len(chunk) == 2:
            self.expanded_member = chunk[1]
            return
        _, at, topic, partition, offsets, keys, values = chunk
        if isinstance(offsets, int):
            offsets, keys, values = (offsets,), (keys,), (values,)
        for offset, key, value in zip(offsets, keys, values, strict=True):
            yield Row(
                at, self.actor, "consumed", topic, partition, offset, text(key), text(value),
                self.group, self.expanded_member,
            )  # fmt: skip

    # -- partitions that come and go -------------------------------------------------------------

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
            self.partitions("revoked", owned)  # the client calls no listener here

        return unsubscribe

    def make_apply_assignment(self, original: Any) -> Any:
        """Assignments that no group decides: `assign`, and `subscribe` without a group."""

        def apply(partitions: Any, *args: Any, **kwargs: Any) -> None:
            before = set(self.subscription.assignment)
            original(partitions, *args, **kwargs)
            after = set(self.subscription.assignment)
            if self.group is None or not self.subscription.partitions_auto_assigned():
                self.partitions("revoked", before - after, {"by": "assign"})
                self.partitions("assigned", after - before, {"by": "assign"})

        return apply

    # -- commits ---------------------------------------------------------------------------------

    def commit_row(self, kind: str, place: Any, offset: int, detail: dict[str, Any]) -> None:
        self.journal.add(
            kind, topic=place[0], partition=place[1], offset=offset, detail=detail, **self.facts()
        )

    def make_send_commit(self, original: Any) -> Any:
        async def send(offsets: Any) -> Any:
            try:
                return await original(offsets)
            except Exception as error:
                # The group, not the broker's answer, refused it: the member lost its place, say.
                for place, wanted in offsets.items() if self.answered is not offsets else ():
                    detail = {"what": "commit"} | error_detail(error)
                    self.commit_row("failed", place, wanted.offset, detail)
                raise

        return send

    def make_commit_answered(self, original: Any) -> Any:
        def answered(offsets: Any, sent_at: float, response: Any) -> None:
            self.answered = offsets
            asked = now() - (monotonic() - sent_at)
            for topic, partitions in response.topics:
                for partition, code in partitions:
                    place, failed = (topic, partition), {"what": "commit"}
                    if code == 0:
                        self.commit_row("committed", place, offsets[place].offset, {"asked": asked})
                    else:
                        failed |= error_detail(for_code(code)())
                        self.commit_row("failed", place, offsets[place].offset, failed)
            original(offsets, sent_at, response)

        return answered


class _Listener(ConsumerRebalanceListener):
    """Writes a rebalance down, then calls the learner's own listener, if there is one."""

    def __init__(self, recorder: ConsumerRecorder, inner: Any) -> None:
        self.recorder = recorder
        self.inner = inner

    async def on_partitions_revoked(self, revoked: Any) -> None:
        self.note("revoked", revoked)
        await self.call("on_partitions_revoked", revoked)

    async def on_partitions_assigned(self, assigned: Any) -> None:
        self.note("assigned", assigned)
        await self.call("on_partitions_assigned", assigned)

    async def on_partitions_lost(self, lost: Any) -> None:
        self.note("revoked", lost, {"lost": True})
        await self.call("on_partitions_lost", lost)

    def note(self, kind: str, places: Any, detail: Any = None) -> None:
        if self.recorder.group is not None:  # without a group, `make_apply_assignment` sees it
            self.recorder.partitions(kind, places, detail)

    async def call(self, name: str, places: Any) -> None:
        if self.inner is not None:
            answer = getattr(self.inner, name)(places)
            if inspect.isawaitable(answer):
                await answer
