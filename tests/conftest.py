"""One embedded broker for all tests that only need a Kafka; they use topics of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kitlib.broker import prepare
from kitlib.broker.handle import Broker


@pytest.fixture(scope="session")
def kafka() -> Iterator[Broker]:
    prepare.prepare(prepare.say)
    with Broker() as broker:
        yield broker
