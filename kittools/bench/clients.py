"""How fast four ways to use Kafka from Python are on the embedded broker.

The ways: kafka-python as the lessons use it (its defaults; records read one by one), kafka-python
tuned for throughput, confluent-kafka and aiokafka. Each measurement has a process of its own, and
the ways alternate within each run. All producers are idempotent and wait for all replicas, so they
promise the same; all consumers are assigned one partition and read it from its start. Consumer
groups are not measured.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

from kitlib.broker import Broker
from kitlib.errors import KitError
from kittools.bench._alone import answer, ask
from kittools.bench._table import Figure, Report

RECORDS = {100: 100_000, 1000: 30_000}  # size in bytes: how many records
WAYS = ("kafka-python", "kafka-python, tuned", "confluent-kafka", "aiokafka")
_LARGE_BATCHES = {"linger_ms": 50, "batch_size": 512 * 1024}
_LARGE_FETCHES = {"max_poll_records": 5000, "max_partition_fetch_bytes": 8 * 1024 * 1024}
Clock = Callable[[], None]


def clients(runs: int = 5, records: dict[int, int] = RECORDS) -> Report:
    """Measure each way `runs` times. records: {size in bytes: how many}.

    Raises KitError if a client is not installed, or if an acknowledged record is not on the log.
    """
    missing = [name for name in ("confluent_kafka", "aiokafka") if find_spec(name) is None]
    if missing:
        raise KitError(
            f"{' and '.join(missing)} cannot be measured",
            "These development packages are not installed",
            "Run it with ./kit bench clients, which installs them.",
        )
    measured: dict[tuple[str, int, str], list[float]] = {}
    with Broker() as broker:
        for size, count in records.items():
            log = broker.fresh_topic(f"read-{size}")
            _measure(broker, "produce", WAYS[1], log, size, count)
            for number in range(runs + 1):  # the first run is not counted
                for way in WAYS if number % 2 else reversed(WAYS):
                    topic = broker.fresh_topic("written")
                    for what, where in (("produce", topic), ("consume", log)):
                        rate = _measure(broker, what, way, where, size, count)
                        if number:
                            measured.setdefault((what, size, way), []).append(rate)
    figures = []
    for what, size, way in itertools.product(("produce", "consume"), records, WAYS):
        name, rates, slow = f"{what}, {size:,} bytes: {way}", measured[what, size, way], WAYS[0]
        figures.append(Figure(name, "rec/s", rates))
        if way != slow:
            times = [a / b for a, b in zip(rates, measured[what, size, slow], strict=True)]
            figures.append(Figure(f"{name}, against {slow}", "x", times))
    many = " and ".join(f"{count:,} records of {size:,} bytes" for size, count in records.items())
    used = ", ".join(f"{name} {version(name)}" for name in (WAYS[0], *WAYS[2:]))
    return Report(figures, f"{runs} runs of {many}, a process each; {used}")


def _measure(broker: Broker, what: str, way: str, topic: str, size: int, count: int) -> float:
    """Measure one client in a process of its own: records a second."""
    answered = ask("clients", what=what, way=way, address=broker.bootstrap_servers, topic=topic,
                   size=size, count=count)  # fmt: skip
    if what == "produce":
        from kafka import TopicPartition
        from kafka.admin import OffsetSpec

        place = TopicPartition(topic, 0)
        end = broker.admin().list_partition_offsets({place: OffsetSpec.LATEST})[place].offset
        if end != count + 1:  # one more: the record sent before the clock starts
            raise KitError(f"{way} sent {count + 1:,} records, and the log holds {end:,}")
    return count / answered["seconds"]


# -- in the process of the client -----------------------------------------------------------------


def measure(
    what: str, way: str, address: str, topic: str, size: int, count: int
) -> dict[str, float]:
    """The "seconds" for `count` records of `size` bytes, not counting the client's first request.

    what: "produce" or "consume". way: one of `WAYS`.
    """
    begins: list[float] = []
    work = _values(size, count) if what == "produce" else count
    function = globals()[f"_{way.split(',')[0].replace('-', '_')}_{what}"]
    tuned = {} if "tuned" not in way else _LARGE_BATCHES if what == "produce" else _LARGE_FETCHES
    function(address, topic, work, lambda: begins.append(time.perf_counter()), tuned)
    return {"seconds": time.perf_counter() - begins[0]}


def _values(size: int, count: int) -> list[bytes]:
    """Different texts, which compression makes no smaller than half."""
    rng = random.Random(17)
    pool = [rng.randbytes(size // 2).hex().encode() for _ in range(min(count, 1000))]
    return [pool[n % len(pool)] for n in range(count)]


def _kafka_python_produce(
    address: str, topic: str, values: list[bytes], begin: Clock, tuned: dict[str, Any]
) -> None:
    from kafka import KafkaProducer

    producer = KafkaProducer(bootstrap_servers=address, **tuned)  # acks=all, idempotent: defaults
    producer.send(topic, b"first").get(30)
    begin()
    for value in values:
        producer.send(topic, value)
    producer.flush(300)


def _kafka_python_consume(
    address: str, topic: str, count: int, begin: Clock, tuned: dict[str, Any]
) -> None:
    from kafka import KafkaConsumer, TopicPartition

    consumer = KafkaConsumer(bootstrap_servers=address, auto_offset_reset="earliest", **tuned)
    place = TopicPartition(topic, 0)
    consumer.assign([place])
    consumer.position(place)
    begin()
    seen = 0
    if tuned:
        while seen < count:
            seen += sum(map(len, consumer.poll(1000).values()))
        return
    for seen, _ in enumerate(consumer, 1):
        if seen == count:
            return


def _confluent_kafka_produce(
    address: str, topic: str, values: list[bytes], begin: Clock, _: Any
) -> None:
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": address, "enable.idempotence": True})
    producer.produce(topic, b"first")
    producer.flush(30)
    begin()
    for value in values:
        try:
            producer.produce(topic, value)
        except BufferError:  # its queue is full: 100,000 records by default
            producer.poll(1)
            producer.produce(topic, value)
    producer.flush(300)


def _confluent_kafka_consume(address: str, topic: str, count: int, begin: Clock, _: Any) -> None:
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer(
        {"bootstrap.servers": address, "group.id": "none", "enable.auto.commit": False}
    )
    place = TopicPartition(topic, 0, 0)
    consumer.get_watermark_offsets(place)  # which connects
    begin()
    consumer.assign([place])
    seen = 0
    while seen < count:
        # As with the other clients, each record ends as a Python object that holds the bytes.
        seen += len([message.value() for message in consumer.consume(500, 1)])


def _aiokafka_produce(address: str, topic: str, values: list[bytes], begin: Clock, _: Any) -> None:
    from aiokafka import AIOKafkaProducer

    async def main() -> None:
        async with AIOKafkaProducer(bootstrap_servers=address, enable_idempotence=True) as producer:
            await producer.send_and_wait(topic, b"first")
            begin()
            for value in values:
                await producer.send(topic, value)
            await producer.flush()

    asyncio.run(main())


def _aiokafka_consume(address: str, topic: str, count: int, begin: Clock, _: Any) -> None:
    from aiokafka import AIOKafkaConsumer, TopicPartition

    async def main() -> None:
        consumer = AIOKafkaConsumer(bootstrap_servers=address, auto_offset_reset="earliest")
        await consumer.start()
        place = TopicPartition(topic, 0)
        consumer.assign([place])
        await consumer.position(place)
        begin()
        seen = 0
        while seen < count:
            seen += sum(map(len, (await consumer.getmany(timeout_ms=1000)).values()))
        await consumer.stop()

    asyncio.run(main())


if __name__ == "__main__":
    answer(measure)
