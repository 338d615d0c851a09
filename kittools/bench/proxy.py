"""What the fault proxy costs: latency of one record and throughput, against the direct way.

Both ways alternate within each run, on one broker and on a topic each. The producer is kafka-python
with the lessons' settings; the proxy is a process of its own. No fault is armed, so what a fault
costs is not measured.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

from kafka import KafkaProducer

from kitlib.broker import Broker
from kitlib.faults import Faults
from kittools.bench._table import Figure, Report

SINGLES, MANY = 300, 20_000  # records: sent one by one, and in batches
SIZE = 100  # bytes


def _latency_ms(connection: dict[str, Any], topic: str) -> float:
    """The median of the times from send() to the acknowledgement, in milliseconds."""
    with KafkaProducer(**connection) as producer:
        producer.send(topic, b"first").get(10)
        times = []
        for _ in range(SINGLES):
            begin = time.perf_counter()
            producer.send(topic, b"x" * SIZE).get(10)
            times.append(1000 * (time.perf_counter() - begin))
    return statistics.median(times)


def _throughput(connection: dict[str, Any], topic: str) -> float:
    """How many records a second are acknowledged."""
    with KafkaProducer(**connection, linger_ms=5) as producer:
        producer.send(topic, b"first").get(10)
        begin = time.perf_counter()
        for _ in range(MANY):
            producer.send(topic, b"x" * SIZE)
        producer.flush(60)
        return MANY / (time.perf_counter() - begin)


def proxy(runs: int = 10) -> Report:
    """Measure both ways `runs` times, after a run that is not counted."""
    values: dict[tuple[str, str], list[float]] = {}
    with Broker() as broker, Faults() as faults:
        broker.fresh_topic("direct")
        broker.fresh_topic("behind")
        ways = {"direct": broker.connection, "behind": broker.behind(faults)}
        for number in range(runs + 1):  # the first run is not counted
            # The first way of a run meets a colder broker, so the order alternates.
            for way in sorted(ways, reverse=bool(number % 2)):
                for what, measure in (("latency", _latency_ms), ("throughput", _throughput)):
                    value = measure(ways[way], way)
                    if number:
                        values.setdefault((way, what), []).append(value)

    def both(what: str) -> list[tuple[float, float]]:
        return list(zip(values["direct", what], values["behind", what], strict=True))

    figures = [
        Figure("direct: to the acknowledgement", "ms", values["direct", "latency"]),
        Figure("through the proxy: the same", "ms", values["behind", "latency"]),
        Figure("the proxy adds", "ms", [b - a for a, b in both("latency")], 0.3),
        Figure("direct: throughput", "rec/s", values["direct", "throughput"]),
        Figure("through the proxy: throughput", "rec/s", values["behind", "throughput"]),
        Figure("share of the direct throughput", "%",
               [100 * b / a for a, b in both("throughput")], 90.0, at_least=True),
    ]  # fmt: skip
    return Report(figures, f"{runs} runs of {SINGLES} single and {MANY:,} batched records")
