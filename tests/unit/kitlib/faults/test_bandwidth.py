"""A slow line, as producers meet it."""

from __future__ import annotations

import os
from collections.abc import Callable

from kitlib.broker import Broker
from kitlib.faults import Faults


def test_bandwidth_lets_others_go_first(
    kafka: Broker, faults: Faults, acknowledged_first: Callable[[bytes], list[str]]
) -> None:
    kafka.behind(faults)
    faults.bandwidth(10)
    assert acknowledged_first(os.urandom(500_000)) == ["direct", "behind"]
    rows = faults.journal.rows("fault")
    assert {row.detail["kb_per_s"] for row in rows if row.detail} == {10}
