"""A topic of the test's own, and clients of the broker that end with the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from kitlib.broker import Broker


@pytest.fixture
def topic(kafka: Broker, request: pytest.FixtureRequest) -> str:
    return kafka.fresh_topic(request.node.name.split("[")[0][:60], partitions=3)


@pytest.fixture
def make(kafka: Broker) -> Iterator[Callable[..., Any]]:
    """Makes clients of the broker: make(KafkaConsumer, topic, group_id="g")."""
    with ExitStack() as stack:

        def make(kind: Any, *topics: str, **settings: Any) -> Any:
            client = kind(*topics, **kafka.connection, **settings)
            stack.callback(client.close)
            return client

        yield make
