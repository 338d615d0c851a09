"""The fault that the course is built on is exact: each time, not most times."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from kafka import KafkaProducer

from kitlib.broker.handle import Broker
from kitlib.faults import Faults


@pytest.mark.parametrize("idempotent", [False, True])
def test_one_acknowledgement_is_lost(
    kafka: Broker, times: Callable[[int, int], int], idempotent: bool
) -> None:
    """Without idempotence there are two records each time, with it one."""
    rounds, topic = times(3, 100), f"one-lost-ack-{idempotent}"
    found = []
    with Faults() as faults:
        for number in range(rounds):
            kafka.fresh_topic(topic)
            with KafkaProducer(**kafka.behind(faults), enable_idempotence=idempotent) as producer:
                faults.drop_ack(times=1)
                producer.send(topic, b"x").get(30)
            assert len(faults.journal.rows("fault")) == number + 1
            found.append(len(kafka.read(topic).rows("stored")))
    assert found == [1 if idempotent else 2] * rounds
