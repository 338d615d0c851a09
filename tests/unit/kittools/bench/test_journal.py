"""The benchmark of the journal, with few records on a real broker, and how it counts turns."""

from __future__ import annotations

import pytest
from reports import figures

from kittools.bench.journal import costs, journal


def test_journal_compares_recorded_clients_with_bare_ones() -> None:
    found = figures(journal(2, 400))
    for what in ("producer", "consumer"):
        for name in ("bare", "recorded"):
            rates = found[f"{what}, {name}"].values
            assert len(rates) == 2 and min(rates) > 0
        assert len(found[f"{what}: share of the bare throughput"].values) == 2
        assert len(found[f"{what}: processor time that recording adds"].values) == 2
    assert found["rows made of what a producer left"].unit == "rows/s"
    assert found["rows in memory"].median > 200, "a row of 100 bytes is heavier than its text"
    assert 150 < found["rows in a file"].median < 400


def test_a_turn_that_something_else_slowed_does_not_count() -> None:
    usual = {False: (1.0, 0.8), True: (1.25, 1.0)}
    slow = {False: (9.0, 0.8), True: (1.25, 1.0)}
    bare, recorded, share, used, adds = costs(
        "producer", [[usual, slow, usual], [slow, usual, usual]], 1000
    )
    assert bare.values == pytest.approx([1000, 1000])
    assert recorded.values == pytest.approx([800, 800])
    assert share.values == pytest.approx([80, 80])
    assert share.target is None
    assert used.values == pytest.approx([80, 80])
    assert used.target == 95.0 and used.at_least
    assert adds.values == pytest.approx([200, 200]) and adds.unit == "µs/record"
