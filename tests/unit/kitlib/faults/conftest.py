"""Faults that end with their test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kitlib.faults import Faults


@pytest.fixture
def faults() -> Iterator[Faults]:
    with Faults() as faults:
        yield faults
