"""The benchmark of pictures, with small ones."""

from __future__ import annotations

import pytest
from reports import figures

from kittools.bench.plots import PLOTS, plots


def test_plots_measures_each_picture_of_each_size() -> None:
    found = figures(plots(1, (60, 600)))
    seconds = [one for one in found.values() if one.unit == "s"]
    assert len(seconds) == 2 * 2 and all(one.median > 0 for one in seconds)
    assert found["plot_lag, 600 of a journal"].target is None


def test_the_target_is_for_the_largest_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kittools.bench.plots.ask", lambda *_, **__: {"seconds": 0.4})
    found = figures(plots(1))
    assert {name for name, one in found.items() if one.target == 0.5} == {
        f"{plot}, 1,000,000 of a journal" for plot in PLOTS
    }
    assert all(one.met for one in found.values() if one.target)
