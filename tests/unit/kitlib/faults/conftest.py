"""Faults that end with their test, and what several files of tests ask of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kafka import KafkaProducer
from peers import serving

from kitlib._wait import wait_until
from kitlib.broker import Broker
from kitlib.faults import Faults


@pytest.fixture
def faults() -> Iterator[Faults]:
    with Faults() as faults:
        yield faults


@pytest.fixture(scope="module")
def serve() -> Iterator[Callable[[Any, Faults], str]]:
    with serving() as start:
        yield start


@pytest.fixture
def acknowledged_first(kafka: Broker, faults: Faults) -> Callable[[bytes], list[str]]:
    """Which of two records is acknowledged first: one behind the faults, or a later direct one."""

    def race(value: bytes) -> list[str]:
        kafka.fresh_topic("race", partitions=2)
        behind, direct = KafkaProducer(**kafka.behind(faults)), KafkaProducer(**kafka.connection)
        order: list[str] = []
        first = behind.send("race", value, partition=0)
        first.add_callback(lambda _: order.append("behind"))
        faults.journal.wait("fault")
        second = direct.send("race", b"x", partition=1)
        second.add_callback(lambda _: order.append("direct"))
        second.get(20)
        faults.clear()
        first.get(20)
        wait_until(lambda: len(order) == 2, "both callbacks ran")
        for producer in (behind, direct):
            producer.close()
        return order

    return race
