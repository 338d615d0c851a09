"""The benchmark of clients, with few records on a real broker."""

from __future__ import annotations

import pytest
from reports import figures

from kitlib.errors import KitError
from kittools.bench.clients import WAYS, clients


def test_clients_measures_each_way_and_compares_within_a_run() -> None:
    report = clients(1, {1000: 300})
    found = figures(report)
    assert len(found) == 2 * (4 + 3)
    for what in ("produce", "consume"):
        slow = found[f"{what}, 1,000 bytes: kafka-python"]
        for way in WAYS[1:]:
            name = f"{what}, 1,000 bytes: {way}"
            rates, times = found[name], found[f"{name}, against kafka-python"]
            assert len(rates.values) == 1 and rates.median > 0
            assert times.median == pytest.approx(rates.median / slow.median)
    assert "aiokafka" in report.how and "confluent-kafka" in report.how


def test_clients_that_are_not_installed_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kittools.bench.clients.find_spec", lambda name: None)
    with pytest.raises(KitError, match="confluent_kafka and aiokafka") as error:
        clients(1)
    assert "installs" in error.value.fix
