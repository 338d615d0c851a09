"""The recorder of one KafkaConsumer: it writes "consumed", "committed", "assigned" and "revoked".

It hooks into what `poll` and iteration hand out, the broker's answers to commits (no matter whether
the learner, auto commit or `close` asked for them), the calls of the rebalance listener, and
`assign`. On the hot path a hook only appends a tuple to the tape, without a lock.
"""

from collections.abc import Iterable, Iterator
from operator import itemgetter
from time import monotonic
from time import time as now
from typing import Any

from kafka import ConsumerRebalanceListener
from kafka.errors import for_code

from kitlib.journal._hooks import Recorder, error_detail, wrap
from kitlib.journal._row import Row, text
from kitlib.journal._tape import Tape

_keys, _values = itemgetter(6), itemgetter(7)  # of a ConsumerRecord


class ConsumerRecorder(Recorder):
    """Hooks into one consumer, its subscription and its coordinator."""

    def __init__(self, tape: Tape, consumer: Any, actor: str) -> None:
        super().__init__(tape, consumer, actor)
        config = consumer.config
        self.group: str | None = config["group_id"]
        self.coordinator = consumer._coordinator
        self.subscription = consumer._subscription
        self.member: str | None = None  # the last member id that was known
        # The learner may change what a deserialiser made: such records become rows at once.
        self.eager = bool(config["key_deserializer"] or config["value_deserializer"])
        self.answered_offsets: Any = None  # of the last commit that the broker answered
        self.polled = tape.later(self.polled_rows)
        self.iterated = tape.later(self.iterated_rows)
        wrap(consumer, "poll", self.on_poll)
        wrap(consumer, "_message_generator_v2", self.on_generate)
        wrap(consumer, "unsubscribe", self.on_unsubscribe)
        wrap(self.subscription, "subscribe", self.on_subscribe)
        wrap(self.subscription, "_apply_assignment", self.on_apply_assignment)
        wrap(self.coordinator, "_invoke_rebalance_listener_async", self.on_rebalance)
        wrap(self.coordinator, "_send_offset_commit_request", self.on_send_commit)
        wrap(self.coordinator, "_handle_offset_commit_response", self.on_commit_answered)
        self.subscription.rebalance_listener = self.subscription.rebalance_listener or _Silent()
        owned = consumer.assignment()
        self.add_partitions("assigned", owned, {"before": "the recording began"})

    def identity(self) -> dict[str, Any]:
        """Who this is by now. The last known member id outlives the membership."""
        self.member = self.coordinator._generation.member_id or self.member
        return {"actor": self.actor, "group": self.group, "member": self.member}

    # -- records handed out ----------------------------------------------------------------------

    def on_poll(
        self, poll: Any, timeout_ms: Any = 0, max_records: Any = None, update_offsets: bool = True
    ) -> Any:
        handed_out = poll(timeout_ms, max_records, update_offsets)
        if handed_out and update_offsets:  # iteration polls without, and hands out one by one
            at = now()
            for (topic, partition), records in handed_out.items():
                first, last = records[0].offset, records[-1].offset
                offsets: Any = range(first, last + 1)
                if len(offsets) != len(records):  # compaction and transactions leave gaps
                    offsets = [record.offset for record in records]
                columns = offsets, list(map(_keys, records)), list(map(_values, records))
                self.tape.note((self.polled, at, self.member, topic, partition, *columns))
            if self.eager:
                self.tape.deliver()
        return handed_out

    def on_generate(self, generate: Any) -> Iterator[Any]:
        for record in generate():
            self.tape.note((self.iterated, now(), self.member, record[0], record[1], record[3],
                            record[6], record[7]))  # fmt: skip
            if self.eager:
                self.tape.deliver()
            yield record

    # Rows, made when somebody reads.

    def iterated_rows(
        self, at: float, member: str | None, topic: str, partition: int,
        offset: int, key: Any, value: Any,
    ) -> Iterator[Row]:  # fmt: skip
        return self.polled_rows(at, member, topic, partition, (offset,), (key,), (value,))

    def polled_rows(
        self, at: float, member: str | None, topic: str, partition: int, *columns: Iterable[Any]
    ) -> Iterator[Row]:
        """columns: the offsets, the keys and the values of the records."""
        for offset, key, value in zip(*columns, strict=True):
            yield Row(
                at, self.actor, "consumed", topic, partition, offset, text(key), text(value),
                self.group, member,
            )  # fmt: skip

    # -- partitions that come and go -------------------------------------------------------------

    def add_partitions(self, kind: str, places: Iterable[Any], detail: Any = None) -> None:
        """Add a row of this kind for each of these partitions, all of the same time."""
        identity, at = self.identity(), now()
        self.tape.extend(
            Row(at, kind=kind, topic=topic, partition=partition, detail=detail, **identity)
            for topic, partition in sorted(places)
        )

    async def on_rebalance(self, call_listener: Any, method: str, places: Any) -> None:
        """Writes a rebalance down, before the listener hears of it."""
        if self.group is not None:  # without a group, `on_apply_assignment` sees it
            kind = "assigned" if method == "on_partitions_assigned" else "revoked"
            detail = {"lost": True} if method == "on_partitions_lost" else None
            self.add_partitions(kind, places, detail)
        await call_listener(method, places)

    def on_subscribe(self, subscribe: Any, *args: Any, listener: Any = None, **kwargs: Any) -> None:
        """The client tells of a rebalance only if there is a listener."""
        subscribe(*args, listener=listener or _Silent(), **kwargs)

    def on_unsubscribe(self, unsubscribe: Any) -> None:
        owned = self.client.assignment()
        unsubscribe()
        self.add_partitions("revoked", owned)  # the client calls no listener here

    def on_apply_assignment(self, apply: Any, partitions: Any, *args: Any, **kwargs: Any) -> None:
        """Assignments that no group decides: `assign`, and `subscribe` without a group."""
        before = set(self.subscription.assignment)
        apply(partitions, *args, **kwargs)
        after = set(self.subscription.assignment)
        if self.group is None or not self.subscription.partitions_auto_assigned():
            self.add_partitions("revoked", before - after, {"by": "assign"})
            self.add_partitions("assigned", after - before, {"by": "assign"})

    # -- commits ---------------------------------------------------------------------------------

    def add_commits(self, kind: str, offsets: dict[Any, Any], detail: dict[str, Any]) -> None:
        """Add a row of this kind for each partition of a commit."""
        for (topic, partition), committed in offsets.items():
            self.tape.add(
                kind, topic=topic, partition=partition, offset=committed.offset, detail=detail,
                **self.identity(),
            )  # fmt: skip

    async def on_send_commit(self, send: Any, offsets: Any) -> Any:
        try:
            return await send(offsets)
        except Exception as error:
            if self.answered_offsets is not offsets:
                # The broker has not answered: perhaps the member has lost its place.
                self.add_commits("failed", offsets, {"what": "commit"} | error_detail(error))
            raise

    def on_commit_answered(self, handle: Any, offsets: Any, sent_at: float, response: Any) -> None:
        self.answered_offsets = offsets
        asked = now() - (monotonic() - sent_at)
        for topic, partitions in response.topics:
            for partition, code in partitions:
                kind, detail = "committed", {"asked": asked}
                if code != 0:
                    kind, detail = "failed", {"what": "commit"} | error_detail(for_code(code)())
                place = (topic, partition)
                self.add_commits(kind, {place: offsets[place]}, detail)
        handle(offsets, sent_at, response)


class _Silent(ConsumerRebalanceListener):
    """The listener of a learner who has none."""

    def on_partitions_revoked(self, revoked: Any) -> None:
        pass

    def on_partitions_assigned(self, assigned: Any) -> None:
        pass
