"""`kit bench proxy` on a real broker. No figure is judged: a slow machine fails nothing."""

from __future__ import annotations

import json

from commands import kit


def test_bench_proxy_measures_both_ways_and_says_what_the_proxy_costs() -> None:
    ran = kit("bench", "proxy", "--runs", "1", "--json")
    assert ran.returncode == 0, ran.stderr
    rows = {row["what"]: row for row in json.loads(ran.stdout)["rows"]}
    direct = rows["direct: to the acknowledgement"]["median"]
    behind = rows["through the proxy: the same"]
    assert direct > 0 and behind["values"]
    share = rows["share of the direct throughput"]
    assert share["target"] == 90.0 and share["at_least"]
    assert rows["the proxy adds"]["unit"] == "ms"
