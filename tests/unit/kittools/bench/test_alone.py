"""A measurement in a process of its own that fails."""

from __future__ import annotations

import pytest

from kitlib.errors import KitError
from kittools.bench._alone import ask


def test_a_measurement_that_fails_says_why() -> None:
    with pytest.raises(KitError, match="plot_nothing"):
        ask("plots", plot="plot_nothing", size=1)
