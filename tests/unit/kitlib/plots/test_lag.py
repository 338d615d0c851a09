"""Lag: lines, labels and words; looks are for eyes to judge."""

from __future__ import annotations

from pictures import drawn, lags, owns, texts

import kitlib as kit
from kitlib.journal import Journal


def test_lag_has_a_line_for_each_partition_with_its_last_value() -> None:
    journal = Journal()
    for time in range(5):
        lags(journal, 10.0 + time, 0, 4 - time)
        lags(journal, 10.0 + time, 1, 1000 * time)
        lags(journal, 10.0 + time, 2, None)
    owns(journal, "revoked", 12.0, "ana", 0, group="g")
    owns(journal, "assigned", 12.1, "ana", 0, 1, group="g")
    owns(journal, "assigned", 11.0, "zoe", 0, group="other")
    journal.add("killed", actor="ana", time=13, detail={"what": "worker"})
    journal.add("closed", actor="producer", time=13)
    for source in (journal, Journal.from_frame(journal.to_frame())):
        ax = kit.plot_lag(source)
        assert drawn(ax, "partition 0") == [([0, 1, 2, 3, 4], [4, 3, 2, 1, 0])]
        assert drawn(ax, "partition 1") == [([0, 1, 2, 3, 4], [0, 1000, 2000, 3000, 4000])]
        assert drawn(ax, "partition 2") == []
        assert texts(ax)[:2] == ["partition 0: 0", "partition 1: 4,000"]
        assert texts(ax)[2:] == ["rebalance", "ana killed"]
        assert "partition 1 goes from 0 to 4,000 (at most 4,000)" in kit.describe(ax)
        assert "Ana killed at 3.0 seconds." in kit.describe(ax)
