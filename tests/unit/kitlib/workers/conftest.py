"""No worker of one test is left for the next."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kitlib.workers import stop_all


@pytest.fixture(autouse=True)
def nobody_left() -> Iterator[None]:
    yield
    stop_all()
