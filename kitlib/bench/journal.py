"""What the journal costs: a client that is recorded against a bare one, and rows a second.

The bare and the recorded client alternate within each run, on one broker, in this process. Both are
kafka-python with the lessons' settings. Recording leaves tuples, which become rows when somebody
reads them: that is measured apart.
"""

from __future__ import annotations

import gc
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from kitlib.broker.handle import Broker
from kitlib.errors import KitError
from kitlib.journal import Journal, Row

from ._table import Figure, Report

RECORDS, SIZE = 20_000, 100  # records of so many bytes
SHARE = 95.0
Measured = tuple[float, float]  # seconds, and seconds of the processor


def _timed(work: Callable[[], object]) -> Measured:
    gc.collect()  # what an earlier client left behind
    begin, used = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - begin, time.process_time() - used


def _produce(connection: dict[str, Any], journal: Journal | None, records: int) -> Measured:
    with KafkaProducer(**connection) as producer:
        if journal is not None:
            journal.record(producer)
        producer.send("journal", b"first").get(30)

        def work() -> None:
            for number in range(records):
                producer.send("journal", key=b"S%04d" % (number % 200), value=b"x" * SIZE)
            producer.flush(300)

        return _timed(work)


def _consume(connection: dict[str, Any], journal: Journal | None, records: int) -> Measured:
    consumer = KafkaConsumer(**connection, auto_offset_reset="earliest")
    try:
        if journal is not None:
            journal.record(consumer)
        place = TopicPartition("journal", 0)
        consumer.assign([place])
        consumer.position(place)

        def work() -> None:
            seen = 0
            while seen < records:
                seen += sum(map(len, consumer.poll(1000).values()))

        return _timed(work)
    finally:
        consumer.close()


def journal(runs: int = 10, records: int = RECORDS) -> Report:
    """Measure each way `runs` times with so many records."""
    if runs < 1:
        raise KitError("At least one run is needed", f"--runs is {runs}", "Give 10 or more.")
    found: dict[tuple[str, bool], list[Measured]] = {}
    rows: dict[str, list[float]] = {}
    with Broker() as broker:
        for number in range(runs + 1):  # the first is not counted
            for what, measure in (("producer", _produce), ("consumer", _consume)):
                # Who is first has colder caches: that alternates, too.
                for recorded in (False, True) if number % 2 else (True, False):
                    if what == "producer":
                        broker.fresh_topic("journal")
                    book = Journal() if recorded else None
                    one = measure(broker.connection, book, records)
                    if number:
                        found.setdefault((what, recorded), []).append(one)
                    if number and book is not None and what == "producer":
                        seconds, _ = _timed(book.__len__)
                        rows.setdefault("made of what a producer left", []).append(
                            len(book) / seconds
                        )
            if number:
                for name, value in _rows(records).items():
                    rows.setdefault(name, []).append(value)
    figures = []
    for what in ("producer", "consumer"):
        bare, noted = found[what, False], found[what, True]
        pairs = list(zip(bare, noted, strict=True))
        figures += [
            Figure(f"{what}, bare", "rec/s", [records / s for s, _ in bare]),
            Figure(f"{what}, recorded", "rec/s", [records / s for s, _ in noted]),
            Figure(f"{what}: share of the bare throughput", "%",
                   [100 * a / b for (a, _), (b, _) in pairs], SHARE, at_least=True),
            Figure(f"{what}: processor time that recording adds", "µs/record",
                   [1e6 * (b - a) / records for (_, a), (_, b) in pairs]),
        ]  # fmt: skip
    units = {"in memory": "bytes/row", "in a file": "bytes/row"}
    figures += [Figure(f"rows {name}", units.get(name, "rows/s"), v) for name, v in rows.items()]
    return Report(figures, f"{runs} runs of {records:,} records of {SIZE} bytes, alternating")


def _rows(count: int) -> dict[str, float]:
    """Rows a second that a journal takes, and what a row of 100 bytes weighs."""
    book = Journal()
    seconds, _ = _timed(
        lambda: [book.add("sent", topic="t", key=b"S0017", value=b"x" * SIZE) for _ in range(count)]
    )
    added = count / seconds
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        book = Journal(
            Row(1e9 + n, "producer", "acked", "t", n % 6, n, f"S{n % 200:04}", f"{n:0{SIZE}}")
            for n in range(count)
        )
        len(book)
        memory = (tracemalloc.get_traced_memory()[0] - before) / count
    finally:
        tracemalloc.stop()
    with tempfile.TemporaryDirectory(prefix="kit-journal-") as folder:
        size = book.save(Path(folder) / "journal.jsonl").stat().st_size / count
    return {"added one by one": added, "in memory": memory, "in a file": size}
