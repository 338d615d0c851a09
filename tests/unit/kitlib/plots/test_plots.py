"""What holds for several plots: groups, empty journals, any names, the given axes."""

from __future__ import annotations

from collections.abc import Callable

import matplotlib.pyplot as plt
import pytest
from matplotlib.axes import Axes
from pictures import lags, lanes, owns, texts

import kitlib as kit
from kitlib.journal import Journal

PLOTS = [kit.plot_lag, kit.plot_ownership, kit.plot_timeline]


def test_one_of_several_groups_must_be_chosen() -> None:
    journal = Journal()
    lags(journal, 1.0, 0, 7, "a")
    lags(journal, 1.0, 0, 9, "b")
    with pytest.raises(kit.KitError, match="a and b"):
        kit.plot_lag(journal)
    assert texts(kit.plot_lag(journal, group="b")) == ["partition 0: 9"]
    owns(journal, "assigned", 1, "ana", 0)
    owns(journal, "assigned", 1, "zoe", 1, group="audit")
    with pytest.raises(kit.KitError, match="audit and registrar"):
        kit.plot_ownership(journal)
    assert lanes(kit.plot_ownership(journal, group="registrar")) == ["partition 0"]


@pytest.mark.parametrize("plot", PLOTS)
def test_an_empty_journal_gives_a_sentence(plot: Callable[..., Axes]) -> None:
    ax = plot(Journal())
    assert kit.describe(ax).startswith("This journal")
    assert texts(ax) == [kit.describe(ax)]


@pytest.mark.parametrize("plot", PLOTS)
def test_any_name_is_text_and_the_given_axes_are_used(
    plot: Callable[..., Axes], crash: Journal
) -> None:
    owns(crash, "assigned", 107, "$\\frac{$ " * 9, 11, topic="$t$", member=None)
    lags(crash, 107.0, 0, 0, "registrar")
    _, mine = plt.subplots()
    before = list(crash)
    assert plot(crash, mine) is mine
    mine.figure.canvas.draw()  # would raise if a name were taken for a formula
    assert list(crash) == before
