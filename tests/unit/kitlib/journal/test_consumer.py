"""What a recorded consumer writes, on a real broker, alone and in a group."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from kafka import ConsumerRebalanceListener, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.consumer.subscription_state import AsyncConsumerRebalanceListener
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import CommitFailedError
from kafka.structs import OffsetAndMetadata

from kitlib._wait import wait_until
from kitlib.journal import Journal

Make = Callable[..., Any]

GROUP = {
    "auto_offset_reset": "earliest",
    "heartbeat_interval_ms": 100,
    "session_timeout_ms": 6000,
}


def turn(*consumers: Any, until: Callable[[], Any]) -> None:
    """Poll the consumers, each in a thread of its own, until the condition holds.

    In one thread, in turn, they might never finish: a poll that ends within a rebalance begins it
    anew the next time, so that the other consumer's turn is a rebalance, too.
    """
    over = threading.Event()

    def poll(consumer: Any) -> None:
        while not over.is_set():
            consumer.poll(200)

    with ThreadPoolExecutor(len(consumers)) as pool:
        polling = [pool.submit(poll, consumer) for consumer in consumers]
        try:
            wait_until(until, "the condition", timeout_s=60)
        finally:
            over.set()
        for poller in polling:
            poller.result()


def fill(make: Make, topic: str, count: int) -> None:
    producer = make(KafkaProducer)
    for number in range(count):
        producer.send(topic, key=b"S%d" % (number % 7), value=b"e%d" % number)
    producer.flush()


def owned(journal: Journal, actor: str) -> set[int | None]:
    """The partitions of an actor after all its "assigned" and "revoked" rows."""
    mine: set[int | None] = set()
    for row in journal.rows(("assigned", "revoked"), actor=actor):
        (mine.add if row.kind == "assigned" else mine.discard)(row.partition)
    return mine


# -- records and commits --------------------------------------------------------------------------


def test_polled_records_are_written_once_each(topic: str, make: Make) -> None:
    fill(make, topic, 50)
    consumer, journal = make(KafkaConsumer, topic, group_id=f"g-{topic}", **GROUP), Journal()
    journal.record(consumer, actor="ana")
    handed_out: list[Any] = []
    deadline = time.monotonic() + 20
    while len(handed_out) < 50 and time.monotonic() < deadline:
        for records in consumer.poll(100, max_records=7).values():
            handed_out += records
            assert len(journal.rows("consumed")) <= len(handed_out) + 7
    rows = journal.rows("consumed")
    assert sorted((r.partition, r.offset, r.key, r.value) for r in rows) == sorted(
        (r.partition, r.offset, r.key.decode(), r.value.decode()) for r in handed_out
    )
    assert {(r.actor, r.group, r.topic) for r in rows} == {("ana", f"g-{topic}", topic)}
    assert {r.member for r in rows} == {consumer.group_metadata().member_id}


def test_iterated_records_are_written_as_they_are_handed_out(topic: str, make: Make) -> None:
    fill(make, topic, 20)
    consumer = make(
        KafkaConsumer, topic, auto_offset_reset="earliest", consumer_timeout_ms=1000,
        value_deserializer=lambda data: {"name": data.decode()},
    )  # fmt: skip
    journal = Journal()
    journal.record(consumer)
    for count, record in enumerate(consumer, 1):
        assert len(journal.rows("consumed")) == count
        record.value["name"] = "changed"
        if count == 7:
            break
    assert len(journal.rows("consumed")) == 7
    for _ in consumer:
        pass
    values = Counter(row.value for row in journal.rows("consumed"))
    assert values == Counter(f'{{"name":"e{n}"}}' for n in range(20))


def test_commits_say_what_the_broker_holds(topic: str, make: Make) -> None:
    fill(make, topic, 30)
    group = f"g-{topic}"
    consumer = make(
        KafkaConsumer, topic, group_id=group, enable_auto_commit=False, **GROUP
    )  # fmt: skip
    journal = Journal()
    journal.record(consumer)
    turn(consumer, until=lambda: len(journal.rows("consumed")) == 30)
    assert journal.rows("committed") == []
    before = time.time()
    consumer.commit()
    rows = journal.rows("committed")
    parts = [TopicPartition(topic, number) for number in range(3)]
    held = {part.partition: consumer.committed(part) for part in parts}
    assert {row.partition: row.offset for row in rows} == held and len(rows) == 3
    assert {(row.group, row.member) for row in rows} == {
        (group, consumer.group_metadata().member_id)
    }
    assert all(before <= row.detail["asked"] <= row.time for row in rows if row.detail)
    consumer.commit_async({parts[1]: OffsetAndMetadata(2, "", -1)})
    last = journal.wait("committed", 4)[-1]
    assert (last.partition, last.offset) == (1, 2) and consumer.committed(parts[1]) == 2


def test_auto_commits_are_written_and_the_one_at_the_end(topic: str, make: Make) -> None:
    fill(make, topic, 30)
    consumer = make(
        KafkaConsumer, topic, group_id=f"g-{topic}", auto_commit_interval_ms=100, **GROUP
    )  # fmt: skip
    journal = Journal()
    journal.record(consumer)
    turn(consumer, until=lambda: journal.rows("committed"))
    turn(consumer, until=lambda: len(journal.rows("consumed")) == 30)
    consumer.close()
    last = {row.partition: row.offset for row in journal.rows("committed")}
    assert sum(offset or 0 for offset in last.values()) == 30
    kinds = [row.kind for row in journal]
    assert kinds[-1] == "closed" and kinds[-4:-1] == ["revoked"] * 3


def test_a_refused_commit_is_failed(topic: str, make: Make) -> None:
    consumer, journal = make(KafkaConsumer, topic, group_id=f"g-{topic}", **GROUP), Journal()
    journal.record(consumer)
    with pytest.raises(CommitFailedError):
        consumer.commit({TopicPartition(topic, 0): OffsetAndMetadata(1, "", -1)})
    (row,) = journal
    assert (row.kind, row.partition, row.offset) == ("failed", 0, 1)
    assert row.detail and row.detail["what"] == "commit"
    assert row.detail["error"] == "CommitFailedError"


# -- rebalances -----------------------------------------------------------------------------------


def pair(make: Make, topic: str, journal: Journal, **settings: Any) -> tuple[Any, Any]:
    """Ana owns all, then ben joins; returns when both own something."""
    settings = {"group_id": f"g-{topic}", **GROUP, **settings}
    ana = make(KafkaConsumer, topic, client_id="ana", **settings)
    journal.record(ana)
    turn(ana, until=lambda: owned(journal, "ana") == {0, 1, 2})
    ben = make(KafkaConsumer, topic, client_id="ben", **settings)
    journal.record(ben)
    turn(ana, ben, until=lambda: owned(journal, "ben") and owned(journal, "ana"))
    return ana, ben


def moves(journal: Journal, actor: str) -> list[tuple[str, int]]:
    """How many partitions came or went at a time, in order."""
    result: list[tuple[str, int]] = []
    times: list[float] = []
    for row in journal.rows(("assigned", "revoked"), actor=actor):
        if times and times[-1] == row.time:
            result[-1] = (row.kind, result[-1][1] + 1)
        else:
            result.append((row.kind, 1))
            times.append(row.time)
    return result


def test_an_eager_rebalance_gives_everything_up(topic: str, make: Make) -> None:
    journal = Journal()
    ana, ben = pair(make, topic, journal)
    assert moves(journal, "ana")[:3] == [("assigned", 3), ("revoked", 3), ("assigned", 2)]
    assert owned(journal, "ana") == {part.partition for part in ana.assignment()}
    assert owned(journal, "ben") == {part.partition for part in ben.assignment()}
    assert len({row.member for row in journal.rows("assigned")}) == 2


def test_a_cooperative_rebalance_moves_only_what_moves(topic: str, make: Make) -> None:
    journal = Journal()
    pair(
        make, topic, journal, partition_assignment_strategy=[CooperativeStickyAssignor]
    )  # fmt: skip
    assert moves(journal, "ana") == [("assigned", 3), ("revoked", 1)]
    assert moves(journal, "ben") == [("assigned", 1)]
    assert owned(journal, "ana") | owned(journal, "ben") == {0, 1, 2}


def test_closing_hands_the_partitions_over(topic: str, make: Make) -> None:
    journal = Journal()
    ana, ben = pair(make, topic, journal)
    ana.close()
    assert owned(journal, "ana") == set()
    turn(ben, until=lambda: owned(journal, "ben") == {0, 1, 2})


def test_partitions_that_are_lost(topic: str, make: Make) -> None:
    journal = Journal()
    ana, ben = pair(make, topic, journal, max_poll_interval_ms=1500)
    turn(ben, until=lambda: owned(journal, "ben") == {0, 1, 2})  # ana polls no more
    turn(ana, ben, until=lambda: journal.rows("revoked", actor="ana", detail={"lost": True}))
    turn(ana, ben, until=lambda: owned(journal, "ana"))


@pytest.mark.parametrize("base", [ConsumerRebalanceListener, AsyncConsumerRebalanceListener])
def test_the_learners_own_listener_is_called_as_before(topic: str, make: Make, base: Any) -> None:
    called: list[tuple[str, int]] = []

    class Sync(ConsumerRebalanceListener):
        def on_partitions_assigned(self, assigned: Any) -> None:
            called.append(("assigned", len(assigned)))

        def on_partitions_revoked(self, revoked: Any) -> None:
            called.append(("revoked", len(revoked)))

    class Async(AsyncConsumerRebalanceListener):
        async def on_partitions_assigned(self, assigned: Any) -> None:
            called.append(("assigned", len(assigned)))

        async def on_partitions_revoked(self, revoked: Any) -> None:
            called.append(("revoked", len(revoked)))

    consumer, journal = (
        make(KafkaConsumer, group_id=f"g-{topic}-{base.__name__}", **GROUP),
        Journal(),
    )
    if base is ConsumerRebalanceListener:  # a listener from before the recording counts too
        consumer.subscribe([topic], listener=Sync())
        journal.record(consumer)
    else:
        journal.record(consumer)
        consumer.subscribe([topic], listener=Async())
    turn(consumer, until=lambda: owned(journal, "consumer") == {0, 1, 2})
    consumer.close()
    assert [move for move in called if move[1]] == [("assigned", 3), ("revoked", 3)]
    assert moves(journal, "consumer") == [("assigned", 3), ("revoked", 3)]


def test_assignments_without_a_group(topic: str, make: Make) -> None:
    consumer, journal = make(KafkaConsumer), Journal()
    journal.record(consumer)
    consumer.assign([TopicPartition(topic, 0), TopicPartition(topic, 1)])
    consumer.assign([TopicPartition(topic, 1), TopicPartition(topic, 2)])
    assert moves(journal, "consumer") == [("assigned", 2), ("revoked", 1), ("assigned", 1)]
    consumer.unsubscribe()
    assert owned(journal, "consumer") == set()
    consumer.subscribe([topic])
    turn(consumer, until=lambda: owned(journal, "consumer") == {0, 1, 2})
    assert {row.group for row in journal} == {None}


def test_what_a_consumer_owned_before_the_recording(topic: str, make: Make) -> None:
    consumer, journal = make(KafkaConsumer, topic, group_id=f"g-{topic}", **GROUP), Journal()
    turn(consumer, until=lambda: len(consumer.assignment()) == 3)
    journal.record(consumer)
    assert owned(journal, "consumer") == {0, 1, 2}
    assert {row.member for row in journal} == {consumer.group_metadata().member_id}
