"""What the fault proxy costs: latency of one record and throughput, against the direct way.

The ways alternate within each run, on one broker and on topics of their own. No fault is armed. The
producer is kafka-python with the lessons' settings; the proxy is a process of its own.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

from kafka import KafkaProducer

from kitlib.broker import Broker
from kitlib.errors import KitError
from kitlib.faults import Faults
from kittools.bench._table import Figure, Report

SINGLES, MANY, SIZE = 300, 20_000, 100  # records, records, bytes


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
    """Acknowledged records a second."""
    with KafkaProducer(**connection, linger_ms=5) as producer:
        producer.send(topic, b"first").get(10)
        begin = time.perf_counter()
        for _ in range(MANY):
            producer.send(topic, b"x" * SIZE)
        producer.flush(60)
        return MANY / (time.perf_counter() - begin)


def proxy(runs: int = 10) -> Report:
    """Measure both ways `runs` times."""
    if runs < 1:
        raise KitError("At least one run is needed", f"--runs is {runs}", "Give 10 or more.")
    found: dict[tuple[str, str], list[float]] = {}
    with Broker() as broker, Faults() as faults:
        broker.fresh_topic("direct")
        broker.fresh_topic("behind")
        ways = {"direct": broker.connection, "behind": broker.behind(faults)}
        for number in range(runs + 1):  # the first is not counted
            # Who is first has a colder broker: that alternates, too.
            for way in sorted(ways, reverse=bool(number % 2)):
                for what, measure in (("latency", _latency_ms), ("throughput", _throughput)):
                    value = measure(ways[way], way)
                    if number:
                        found.setdefault((way, what), []).append(value)

    def both(what: str) -> list[tuple[float, float]]:
        return list(zip(found["direct", what], found["behind", what], strict=True))

    figures = [
        Figure("direct: to the acknowledgement", "ms", found["direct", "latency"]),
        Figure("through the proxy: the same", "ms", found["behind", "latency"]),
        Figure("the proxy adds", "ms", [b - a for a, b in both("latency")], 0.3),
        Figure("direct: throughput", "rec/s", found["direct", "throughput"]),
        Figure("through the proxy: throughput", "rec/s", found["behind", "throughput"]),
        Figure("share of the direct throughput", "%",
               [100 * b / a for a, b in both("throughput")], 90.0, at_least=True),
    ]  # fmt: skip
    return Report(figures, f"{runs} runs of {SINGLES} single and {MANY:,} batched records")
