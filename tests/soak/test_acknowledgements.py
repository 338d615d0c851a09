"""The fault that the course is built on is exact: each time, not most times."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from kafka import KafkaProducer

from kitlib.broker import Broker
from kitlib.faults import Faults


@pytest.mark.parametrize("idempotent", [False, True])
def test_one_acknowledgement_is_lost(
    kafka: Broker, times: Callable[[int, int], int], idempotent: bool
) -> None:
    """Without idempotence there are two records each time, with it one."""
    rounds, topic = times(3, 100), f"one-lost-ack-{idempotent}"
    copies = []
    with Faults() as faults:
        for number in range(rounds):
            kafka.fresh_topic(topic)
            with KafkaProducer(**kafka.behind(faults), enable_idempotence=idempotent) as producer:
                faults.drop_ack(times=1)
                producer.send(topic, b"x").get(30)
            assert len(faults.journal.rows("fault")) == number + 1
            copies.append(len(kafka.read(topic).rows("stored")))
    assert copies == [1 if idempotent else 2] * rounds


def test_earlier_acknowledgements_are_read_by_a_client_that_is_short_of_time(
    kafka: Broker, times: Callable[[int, int], int]
) -> None:
    """Only what is named as lost is on the log twice, with five requests on their way at a time."""
    over = threading.Event()

    def burn() -> None:
        while not over.is_set():
            sum(range(2000))

    for _ in range(2):  # they take the interpreter from the producer's thread
        threading.Thread(target=burn).start()
    try:
        for _ in range(times(2, 40)):
            kafka.fresh_topic("short-of-time", partitions=3)
            with Faults() as faults:
                unbatched = {"enable_idempotence": False, "batch_size": 0}
                with KafkaProducer(**kafka.behind(faults), acks="all", **unbatched) as producer:
                    producer.send("short-of-time", b"first", partition=0).get(60)
                    faults.drop_ack(times=1, partition=1)
                    for number in range(60):
                        producer.send("short-of-time", b"%d" % number, partition=number % 3)
                    producer.flush(60)
                (row,) = faults.journal.rows("fault")
            lost = (row.detail or {})["lost"]
            assert len(kafka.read("short-of-time")) == 61 + len(lost), lost
    finally:
        over.set()
