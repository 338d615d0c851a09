"""The row: what it takes, and the table of the reference that says who writes what into it."""

from __future__ import annotations

import math
import os
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import CommitFailedError, MessageSizeTooLargeError
from kafka.structs import OffsetAndMetadata

from kitlib._wait import wait_until
from kitlib.broker import Broker
from kitlib.errors import KitError
from kitlib.faults import Faults
from kitlib.journal import FIELDS, KINDS, Journal, Row, parse, text
from kitlib.lag import LagMeter
from kitlib.workers import Workers

REFERENCE = Path(__file__).parents[4] / "docs" / "reference.md"
OF_EVERY_ROW = {"time", "actor", "kind"}


def table() -> list[tuple[str, set[str], set[str]]]:
    """The table of the reference: each line's kind, its fields, and the keys of its detail."""
    section = REFERENCE.read_text("utf-8").split("### A row")[1].split("\n#")[0]
    lines = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    names = [[re.findall(r"`(\w+)`", cell) for cell in line] for line in lines[2:]]
    return [(kind, set(fields), set(keys)) for (kind,), _, fields, keys in names]


def test_the_table_has_a_line_for_each_kind_and_knows_the_fields() -> None:
    assert [kind for kind, _, _ in table()] == list(KINDS)
    for kind, fields, keys in table():
        assert fields <= set(FIELDS) - OF_EVERY_ROW - {"detail"}, kind
        assert not keys & set(FIELDS), kind


def test_a_real_run_fills_what_the_table_says_and_nothing_else(kafka: Broker) -> None:
    journal = Journal()
    topic = kafka.fresh_topic("rows", partitions=2)
    produce(kafka, topic, journal)
    consume(kafka, topic, journal)
    work(kafka, topic, journal)
    fields, keys = defaultdict(set), defaultdict(set)
    for row in journal + kafka.read(topic):
        fields[row.kind] |= {name for name in FIELDS if getattr(row, name) is not None}
        keys[row.kind] |= set(row.detail or {})
    for kind, fields_of_kind, keys_of_kind in table():
        assert fields[kind] - {"detail"} == fields_of_kind | OF_EVERY_ROW, kind
        assert keys[kind] == keys_of_kind, kind


def produce(kafka: Broker, topic: str, journal: Journal) -> None:
    """Producers whose records are acknowledged, late and lost, refused, or in a transaction."""
    with Faults(journal) as faults:
        producer = KafkaProducer(**kafka.behind(faults), max_request_size=2000)
        journal.record(producer)
        faults.delay(1, api="Produce", times=1)
        faults.drop_ack(topic=topic)
        headers = [("why", b"test")]
        producer.send(topic, b"e1", b"S1", headers=headers, partition=0).get(30)
        with pytest.raises(MessageSizeTooLargeError):
            producer.send(topic, key=b"S1", value=b"x" * 3000)
        producer.close()
    unheard = KafkaProducer(**kafka.connection, acks=0, enable_idempotence=False)
    journal.record(unheard)
    unheard.send(topic, partition=0, key=b"S2", value=b"e2").get(30)
    unheard.close()
    with KafkaProducer(**kafka.connection, transactional_id="rows") as careful:
        careful.init_transactions()
        careful.begin_transaction()
        careful.send(topic, partition=1, key=b"S3", value=b"e3").get(30)
        careful.commit_transaction()


def consume(kafka: Broker, topic: str, journal: Journal) -> None:
    """Consumers: one without a group, and one that its group puts out for being too slow."""
    place = TopicPartition(topic, 0)
    alone = KafkaConsumer(**kafka.connection)
    journal.record(alone)
    alone.assign([place])
    alone.assign([TopicPartition(topic, 1)])
    alone.close()
    settings = {
        "group_id": "of the rows", "auto_offset_reset": "earliest", "max_poll_interval_ms": 4000,
        "session_timeout_ms": 6000, "heartbeat_interval_ms": 100, "enable_auto_commit": False,
    }  # fmt: skip
    consumer = KafkaConsumer(topic, **kafka.connection, **settings)
    wait_until(lambda: consumer.poll(100), "the records are handed out", timeout_s=60)
    journal.record(consumer)
    consumer.seek_to_beginning()
    wait_until(lambda: consumer.poll(100), "the records are handed out again", timeout_s=60)
    consumer.commit()
    LagMeter(kafka, "of the rows", journal).measure()

    def refused() -> bool:
        try:
            consumer.commit({place: OffsetAndMetadata(1, "", -1)})
        except CommitFailedError:
            return True
        return False

    def lost() -> list[Row]:
        consumer.poll(100)
        return journal.rows("revoked", group="of the rows")

    wait_until(refused, "the group has put out a member that does not poll", timeout_s=60)
    wait_until(lost, "the member hears of it", timeout_s=60)
    consumer.close()


def work(kafka: Broker, topic: str, journal: Journal) -> None:
    """Workers that are frozen, closed and killed, and some that fail."""

    def worker(me: Any) -> None:
        if me.task == "fail":
            raise ValueError
        if me.task == "vanish":
            os._exit(3)
        print("at work")
        consumer = KafkaConsumer(
            me.topic, **me.connection, group_id=me.name, auto_offset_reset="earliest"
        )
        me.record(consumer)
        while not me.stopping:
            for records in consumer.poll(100).values():
                for record in records:
                    me.note("processed", record)
        consumer.close()

    with Workers(kafka, worker, journal=journal, topic=topic) as team:
        team.start("ana", "ben", task="read")
        journal.wait("processed", 2, timeout_s=60, actor="ana")
        team.pause("ana")
        team.resume("ana")
        team.close("ana")
        team.kill("ben")
        for task in ("fail", "vanish"):
            team.start(task, task=task)
            journal.wait("failed", timeout_s=60, actor=task)


@given(st.binary() | st.text() | st.none() | st.dictionaries(st.text(), st.floats()) | st.just({1}))
def test_any_key_or_value_becomes_text_that_a_file_can_hold(data: Any) -> None:
    shown = text(data)
    assert (shown is None) == (data is None)
    if shown is not None:
        shown.encode()
        journal = Journal()
        journal.add("sent", value=data, detail={"raw": {1, 2}, "nan": math.nan})
        assert journal.rows("sent")[0].value == shown


def test_a_line_of_another_kind_is_refused() -> None:
    with pytest.raises(KitError, match="stord"):
        parse(b'{"time":1,"actor":"a","kind":"stord"}')
