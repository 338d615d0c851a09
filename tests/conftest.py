"""One embedded broker for all tests that only need a Kafka; they use topics of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from kitlib.broker import _prepare as prepare
from kitlib.broker.handle import Broker


@pytest.fixture(scope="session")
def kafka() -> Iterator[Broker]:
    prepare.prepare(prepare.say)
    with Broker() as broker:
        yield broker


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="tests/soak at full length (kit soak)")


@pytest.fixture
def times(
    request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> Callable[[int, int], int]:
    """How often to do something: times(in kit test, in kit soak). The number is reported."""

    def choose(short: int, long: int) -> int:
        chosen = long if request.config.getoption("--long") else short
        record_property("times", chosen)
        return chosen

    return choose
