"""`kit bench start` on real brokers. No figure is judged: a slow machine fails nothing."""

from __future__ import annotations

import json

from clones import plain
from commands import kit

from kitlib.broker import Broker


def test_bench_start_measures_both_ways(kafka: Broker) -> None:
    ran = kit("bench", "start", "--runs", "1", "--json")
    assert ran.returncode == 0, ran.stderr
    rows = {row["what"]: row for row in json.loads(ran.stdout)["rows"]}
    ours = rows["embedded: start to first ack"]
    assert len(ours["values"]) == 1
    assert ours["median"] > 0
    assert ours["target"] == 0.8


def test_bench_start_says_why_a_fresh_clone_does_not_start(kafka: Broker) -> None:
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:1/simple", "PIP_RETRIES": "0"}
    ran = kit("bench", "start", "--runs", "1", "--cold", "1", **nowhere)
    assert ran.returncode == 1
    assert "A fresh clone does not start" in ran.stderr
    assert "The package index cannot be reached" in ran.stderr
    assert "Measure without --cold" in ran.stderr
    plain(ran.stderr)
