"""The lag meter on a real broker: what it measures, and how it starts and ends."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.structs import OffsetAndMetadata

from kitlib import lag
from kitlib._wait import wait_until
from kitlib.broker import Broker
from kitlib.errors import KitError
from kitlib.journal import Journal
from kitlib.lag import LagMeter

TOPIC = "lag"


@pytest.fixture(autouse=True)
def nobody_left() -> Iterator[None]:
    yield
    for meter in list(lag._running.values()):
        meter.stop()


def fill(kafka: Broker, *counts: int) -> None:
    kafka.fresh_topic(TOPIC, partitions=len(counts))
    add(kafka, *counts)


def add(kafka: Broker, *counts: int) -> None:
    with KafkaProducer(**kafka.connection) as producer:
        for partition, count in enumerate(counts):
            for _ in range(count):
                producer.send(TOPIC, value=b"event", partition=partition)


def commit(kafka: Broker, group: str, **offsets: int) -> None:
    LagMeter(kafka, group).measure()  # a new broker first makes the topic for commits
    places = {
        TopicPartition(TOPIC, int(name[1:])): OffsetAndMetadata(at, "", -1)
        for name, at in offsets.items()
    }
    kafka.admin().alter_group_offsets(group, places)


def test_a_measurement(kafka: Broker) -> None:
    fill(kafka, 10, 7, 3)
    commit(kafka, "measured", p0=4, p1=7)
    meter = LagMeter(kafka, "measured")
    frame = meter.measure()
    assert list(frame.columns) == [
        "group", "topic", "partition", "committed", "end", "lag", "member"
    ]  # fmt: skip
    rows = meter.journal.rows("lag", group="measured", topic=TOPIC, actor="lag meter")
    assert [(row.partition, row.offset, row.detail) for row in rows] == [
        (0, 4, {"lag": 6, "end": 10}),
        (1, 7, {"lag": 0, "end": 7}),
        (2, None, {"lag": None, "end": 3}),
    ]
    assert len({row.time for row in rows}) == 1 and {row.member for row in rows} == {None}
    assert frame["lag"].sum() == 6 and frame["lag"].isna().tolist() == [False, False, True]
    add(kafka, 0, 5, 0)
    assert meter.measure()["lag"].tolist()[:2] == [6, 5]
    assert meter.frame()["end"].tolist() == [10, 12, 3] and len(meter.journal) == 6


def test_a_group_that_nobody_knows(kafka: Broker) -> None:
    fill(kafka, 2)
    assert len(LagMeter(kafka, "nobody").measure()) == 0
    frame = LagMeter(kafka, "nobody", topics=TOPIC).measure()
    assert frame["lag"].isna().all() and frame["end"].tolist() == [2]


def test_members_are_seen_and_the_meter_is_none_of_them(kafka: Broker) -> None:
    fill(kafka, 3, 3)
    consumer = KafkaConsumer(
        TOPIC, group_id="seen", client_id="ana", enable_auto_commit=False, **kafka.connection
    )
    with contextlib.closing(consumer):
        wait_until(lambda: consumer.poll(timeout_ms=100) or consumer.assignment(), "an assignment")
        frame = LagMeter(kafka, "seen").measure()
        assert frame["lag"].isna().all(), "owned, and never committed"
        assert {member.split("-")[0] for member in frame["member"]} == {"ana"}
        assert len(kafka.admin().describe_groups(["seen"])["seen"]["members"]) == 1


def test_it_measures_on_its_own_until_it_is_stopped(kafka: Broker) -> None:
    fill(kafka, 5)
    commit(kafka, "alone", p0=1)
    journal = Journal()
    with LagMeter(kafka, "alone", journal, every_s=0.02) as meter:
        assert meter.running and meter.start() is meter
        commit(kafka, "alone", p0=5)
        wait_until(lambda: journal.rows("lag", offset=5), "the new commit")
        assert len([t for t in threading.enumerate() if t.name == "lag of alone"]) == 1
    assert not meter.running and "not running" in repr(meter)
    count = len(journal)
    meter.stop()
    assert len(journal) == count
    with meter:
        journal.wait("lag", count=count + 2)


def test_a_meter_of_the_same_group_replaces_the_older_one(kafka: Broker) -> None:
    fill(kafka, 1)
    first, other = (LagMeter(kafka, group, topics=TOPIC).start() for group in ("one", "two"))
    second = LagMeter(kafka, "one", topics=TOPIC).start()
    assert (first.running, second.running, other.running) == (False, True, True)


def test_an_interrupted_cell_stops_it(kafka: Broker) -> None:
    fill(kafka, 1)
    meter = LagMeter(kafka, "interrupted", topics=TOPIC).start()
    lag._after_cell(SimpleNamespace(error_in_exec=ValueError()))
    assert meter.running
    lag._after_cell(SimpleNamespace(error_in_exec=KeyboardInterrupt()))
    assert not meter.running


class Shaky:
    """A Kafka whose admin client fails from time to time."""

    def __init__(self, kafka: Broker) -> None:
        self.kafka, self.broken, self.asked = kafka, False, 0
        self.bootstrap_servers = kafka.bootstrap_servers

    def admin(self) -> Any:
        self.asked += 1
        if self.broken:
            raise OSError("the broker has a bad moment")
        return self.kafka.admin()


def test_it_survives_a_bad_moment(kafka: Broker) -> None:
    fill(kafka, 4)
    commit(kafka, "shaky", p0=1)
    shaky = Shaky(kafka)
    with LagMeter(shaky, "shaky", every_s=0.01) as meter:
        shaky.broken = True
        before = shaky.asked
        wait_until(lambda: shaky.asked > before + 3, "failures")
        count = len(meter.journal)
        shaky.broken = False
        meter.journal.wait("lag", count=count + 2)


def test_what_cannot_be_measured_says_why(kafka: Broker) -> None:
    with pytest.raises(KitError, match="Expected a Kafka handle, got dict"):
        LagMeter({}, "g")
    with pytest.raises(KitError, match="Expected a journal, got list"):
        LagMeter(kafka, "g", [])  # type: ignore[arg-type]
    with pytest.raises(KitError, match="The topic 'not-there' does not exist"):
        LagMeter(kafka, "g", topics=["not-there"]).start()
