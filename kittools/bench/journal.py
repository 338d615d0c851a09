"""What the journal costs: a recorded client against a bare one, and rows a second.

The bare and the recorded client take turns within each run, on one broker and topic, in this
process. Both are kafka-python with the lessons' settings. Recording leaves tuples behind, which
become rows when the journal is read; that is measured separately. Followers are not measured.
"""

from __future__ import annotations

import functools
import gc
import time
import tracemalloc
from collections.abc import Callable
from statistics import median
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from kitlib.broker import Broker
from kitlib.journal import Journal, Row, encode
from kittools.bench._table import Figure, Report

RECORDS, SIZE = 50_000, 100  # how many, and their bytes
TURNS = 25  # a machine is faster in one second than in the next; short turns meet both
SHARE = 95.0  # percent of the bare throughput by processor time, at least: the target
Measured = tuple[float, float]  # seconds, and seconds of the processor
Turn = dict[bool, Measured]  # by whether it was recorded


def _timed(work: Callable[[], object]) -> Measured:
    begin, used = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - begin, time.process_time() - used


def _in_turns(ways: dict[bool, Callable[[int], object]], records: int) -> list[Turn]:
    """Time both ways in `TURNS` turns, `records` in all. ways: {recorded?: what handles n}."""
    turns: list[Turn] = []
    gc.collect()  # or what earlier clients left behind is collected in a turn
    for number in range(TURNS):
        count = records * (number + 1) // TURNS - records * number // TURNS
        # The first way of a turn meets colder caches, so the order alternates.
        order = sorted(ways, reverse=bool(number % 2))
        turns.append({way: _timed(functools.partial(ways[way], count)) for way in order})
    return turns


def _produce(connection: dict[str, Any], book: Journal, records: int) -> list[Turn]:
    def way(producer: KafkaProducer) -> Callable[[int], object]:
        producer.send("journal", b"first").get(30)

        def work(count: int) -> None:
            for number in range(count):
                producer.send("journal", key=b"S%04d" % (number % 200), value=b"x" * SIZE)
            producer.flush(300)

        return work

    with KafkaProducer(**connection) as bare, KafkaProducer(**connection) as recorded:
        book.record(recorded)
        return _in_turns({False: way(bare), True: way(recorded)}, records)


def _consume(connection: dict[str, Any], book: Journal, records: int) -> list[Turn]:
    place = TopicPartition("journal", 0)

    def way(consumer: KafkaConsumer) -> Callable[[int], object]:
        consumer.assign([place])
        consumer.position(place)

        seen = due = 0

        def work(count: int) -> None:
            nonlocal seen, due
            due += count  # a poll may have brought some of them already
            while seen < due:
                seen += sum(map(len, consumer.poll(1000).values()))

        return work

    earliest = {**connection, "auto_offset_reset": "earliest"}
    with KafkaConsumer(**earliest) as bare, KafkaConsumer(**earliest) as recorded:
        book.record(recorded)
        return _in_turns({False: way(bare), True: way(recorded)}, records)


def journal(runs: int = 10, records: int = RECORDS) -> Report:
    """Measure each way `runs` times with `records` records, after a run that is not counted."""
    turns: dict[str, list[list[Turn]]] = {"producer": [], "consumer": []}
    rows: dict[str, list[float]] = {}
    with Broker() as broker:
        for number in range(runs + 1):  # the first run is not counted
            broker.fresh_topic("journal")
            book = Journal()
            produced = _produce(broker.connection, book, records)
            seconds, _ = _timed(book.__len__)
            consumed = _consume(broker.connection, Journal(), records)
            if number:
                turns["producer"].append(produced)
                turns["consumer"].append(consumed)
                rates = {"made of what a producer left": len(book) / seconds} | _rows(records)
                for name, rate in rates.items():
                    rows.setdefault(name, []).append(rate)
    figures: list[Figure] = []
    for client, of_runs in turns.items():
        figures += costs(client, of_runs, records / TURNS)
    units = {"in memory": "bytes/row", "in a file": "bytes/row"}
    figures += [Figure(f"rows {name}", units.get(name, "rows/s"), v) for name, v in rows.items()]
    how = f"{runs} runs of {records:,} records of {SIZE} bytes, each the median of {TURNS} turns"
    return Report(figures, how)


def costs(name: str, runs: list[list[Turn]], records: float) -> list[Figure]:
    """What recording costs the client called `name`: five figures, medians of each run's turns.

    runs: the turns of each run. records: how many each turn handled.
    """
    values: dict[str, list[float]] = {
        "bare": [], "recorded": [], "share": [], "used": [], "adds": [],
    }  # fmt: skip
    for turns in runs:
        bare, noted = [turn[False] for turn in turns], [turn[True] for turn in turns]
        pairs = list(zip(bare, noted, strict=True))
        values["bare"].append(median(records / seconds for seconds, _ in bare))
        values["recorded"].append(median(records / seconds for seconds, _ in noted))
        values["share"].append(median(100 * a / b for (a, _), (b, _) in pairs))
        values["used"].append(median(100 * b / a for (_, b), (_, a) in pairs))
        values["adds"].append(median(1e6 * (b - a) / records for (_, a), (_, b) in pairs))
    return [
        Figure(f"{name}, bare", "rec/s", values["bare"]),
        Figure(f"{name}, recorded", "rec/s", values["recorded"]),
        Figure(f"{name}: share of the bare throughput", "%", values["share"]),
        Figure(f"{name}: the same by processor time", "%", values["used"], SHARE, at_least=True),
        Figure(f"{name}: processor time that recording adds", "µs/record", values["adds"]),
    ]  # fmt: skip


def _rows(count: int) -> dict[str, float]:
    """Rows a second that a journal takes one by one, and the bytes of a row, by name."""
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
    lines = sum(len(encode(row)) + 1 for row in book) / count
    return {"added one by one": added, "in memory": memory, "in a file": lines}
