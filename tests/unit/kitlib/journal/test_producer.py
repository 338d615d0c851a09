"""What a recorded producer writes, on a real broker."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from kafka import KafkaProducer
from kafka.errors import MessageSizeTooLargeError

from kitlib.broker import Broker
from kitlib.journal import Journal

Make = Callable[..., Any]


def test_each_record_is_sent_and_acked_once(topic: str, make: Make) -> None:
    producer, journal = make(KafkaProducer, linger_ms=5), Journal()
    journal.record(producer)
    journal.record(producer)
    futures = [
        producer.send(topic, key=b"S%d" % (n % 5) if n % 3 else None, value=b"e%d" % n)
        for n in range(200)
    ]
    answers = {f"e{n}": future.get(10) for n, future in enumerate(futures)}
    assert [row.value for row in journal.rows("sent")] == [f"e{n}" for n in range(200)]
    acked = journal.rows("acked")
    assert {row.value: (row.partition, row.offset) for row in acked} == {
        value: (answer.partition, answer.offset) for value, answer in answers.items()
    }
    assert len(acked) == 200
    kinds: dict[str | None, list[str]] = {}
    for row in journal:
        kinds.setdefault(row.value, []).append(row.kind)
    assert set(map(tuple, kinds.values())) == {("sent", "acked")}
    assert {row.actor for row in journal} == {"producer"}


def test_the_row_holds_the_bytes_on_the_wire(topic: str, make: Make, kafka: Broker) -> None:
    producer = make(
        KafkaProducer, key_serializer=str.encode, value_serializer=lambda n: b"%d!" % n,
        client_id="rush",
    )  # fmt: skip
    journal = Journal()
    journal.record(producer)
    producer.send(topic, key="S17", value=4).get(10)
    assert [(r.actor, r.key, r.value) for r in journal.rows("sent")] == [("rush", "S17", "4!")]
    assert [row.value for row in kafka.read(topic)] == ["4!"]


def test_a_batch_that_was_begun_before_the_recording(topic: str, make: Make) -> None:
    producer, journal = make(KafkaProducer, linger_ms=60_000), Journal()
    producer.send(topic, value=b"before", partition=0)
    journal.record(producer)
    producer.send(topic, value=b"after", partition=0)
    assert [(row.kind, row.value) for row in journal] == [("sent", "after")]
    producer.flush()
    assert [(row.value, row.offset) for row in journal.rows("acked")] == [("after", 1)]


def test_several_threads_send_at_once(topic: str, make: Make) -> None:
    producer, journal = make(KafkaProducer), Journal()
    journal.record(producer)
    threads = [
        threading.Thread(
            target=lambda name=name: [
                producer.send(topic, value=b"%s %d" % (name, n)) for n in range(300)
            ]
        )
        for name in (b"a", b"b", b"c")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    producer.flush()
    rows = journal.wait("acked", 900)
    assert len({(row.partition, row.offset) for row in rows}) == len(rows) == 900
    assert {row.value for row in rows} == {row.value for row in journal.rows("sent")}
    seen: set[str | None] = set()
    for row in journal:
        assert row.kind == "sent" or row.value in seen, "an answer comes after its record"
        seen.add(row.value)


def test_a_record_that_send_refuses_is_failed_and_was_never_sent(topic: str, make: Make) -> None:
    producer, journal = make(KafkaProducer, max_request_size=2000), Journal()
    journal.record(producer, actor="rush")
    with pytest.raises(MessageSizeTooLargeError):
        producer.send(topic, key=b"S17", value=b"x" * 3000)
    (row,) = journal
    assert (row.kind, row.actor, row.key) == ("failed", "rush", "S17")
    assert row.detail and row.detail["error"] == "MessageSizeTooLargeError"
    assert row.detail["retriable"] is False


@pytest.mark.parametrize("idempotent", [True, False])
def test_batches_that_the_broker_refuses_and_the_client_splits(
    kafka: Broker, make: Make, idempotent: bool
) -> None:
    small = kafka.fresh_topic("too-large", partitions=1, max_message_bytes=3000)
    producer = make(KafkaProducer, linger_ms=50, enable_idempotence=idempotent)
    journal = Journal()
    journal.record(producer)
    futures = {}
    for number in range(20):
        value = b"%d " % number + b"y" * (5000 if number == 12 else 700)
        futures[value.decode()] = producer.send(small, value=value)
    # Not flush(): in kafka-python 3.0.12 it raises while a batch is being split.
    rows = journal.wait("acked", sum(1 for f in futures.values() if answer(f)))
    acked = {row.value: row.offset for row in rows}
    assert acked == {v: f.value.offset for v, f in futures.items() if f.succeeded()}
    assert {r.value for r in journal.rows("failed")} == {
        v for v, f in futures.items() if f.failed()
    }
    assert 12 <= len(acked) < 20
    log = {(row.offset, row.value) for row in kafka.read(small)}
    assert log == {(offset, value) for value, offset in acked.items()}


def answer(future: Any) -> bool:
    try:
        future.get(20)
    except MessageSizeTooLargeError:
        return False
    return True


def test_with_acks_0_nobody_answers_and_the_row_says_so(topic: str, make: Make) -> None:
    producer, journal = make(KafkaProducer, acks=0, enable_idempotence=False), Journal()
    journal.record(producer)
    producer.send(topic, value=b"e").get(10)
    (row,) = journal.rows("acked")
    assert row.offset is None and row.detail == {"acks": 0}
