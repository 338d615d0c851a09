"""What all tests share: one embedded broker, how often a fault is met, and which tests are slow.

Tests that only need a Kafka share a broker and use topics of their own.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from kitlib.broker import Broker
from kitlib.broker import _prepare as prepare

settings.register_profile("kit", deadline=None)  # on a busy machine an example may take long
settings.load_profile("kit")


@pytest.fixture(scope="session")
def kafka() -> Iterator[Broker]:
    prepare.prepare()
    with Broker() as broker:
        yield broker


HERE = Path(__file__).parent
# Tests that take long: whole lessons, set-ups, measurements, faults, and what needs a browser.
# They come first in a run, in this order, and `--fast` leaves them out.
SLOW = (
    "scenarios/test_lessons.py", "browser/", "unit/kittools/test_bundle.py",
    "unit/kittools/bench/", "unit/kittools/test_cli.py", "unit/kittools/test_course.py",
    "unit/kittools/test_doctor.py", "unit/kittools/test_soak.py", "soak/",
    "scenarios/test_launcher.py", "unit/kitlib/broker/test_prepare.py", "scenarios/test_locked.py",
    "scenarios/test_ways_in.py",
)  # fmt: skip
# Their tests share what takes half a minute to start or to install, and so stay with one worker.
TOGETHER = ("scenarios/test_locked.py", "scenarios/test_ways_in.py")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="tests/soak at full length (kit soak)")
    parser.addoption("--fast", action="store_true", help="without the slow tests (kit test --fast)")


def pytest_configure() -> None:
    # What a shell starts in the background ignores Ctrl-C, and so does all that the tests start.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the slow tests out, or let each worker of pytest-xdist begin with its part of them.

    With `--dist worksteal` each worker is given a run of neighbours, and takes from others when it
    has done its own. Were the lessons all in one run of neighbours, one worker would still be at
    them when all others have ended.
    """
    slow = sorted((item for item in items if _rank(item) < len(SLOW)), key=_rank)
    quick = [item for item in items if _rank(item) == len(SLOW)]
    if config.getoption("--fast"):
        config.hook.pytest_deselected(items=slow)
        slow = []
    together = [item for item in slow if _place(item) in TOGETHER]
    alone = [item for item in slow if _place(item) not in TOGETHER]
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    share = -(-len(quick) // workers)
    parts = [
        [*alone[number::workers], *quick[number * share : (number + 1) * share]]
        for number in range(workers)
    ]
    items[:] = [*together, *(item for part in parts for item in part)]


def _place(item: pytest.Item) -> str:
    return item.path.relative_to(HERE).as_posix()


def _rank(item: pytest.Item) -> int:
    """The place of a test among the slow ones; beyond their end for a quick one."""
    places = enumerate(SLOW)
    return next((rank for rank, place in places if _place(item).startswith(place)), len(SLOW))


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
