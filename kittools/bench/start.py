"""How long a broker takes until its first record, and how much memory, against the stock way.

Both ways alternate within each run, after one start of each that is not counted. A cold start, from
a fresh clone with empty caches, is measured only when asked for: it needs a network.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from kitlib.broker import Broker
from kitlib.broker import _parts as parts
from kitlib.broker._node import _READY
from kitlib.errors import KitError
from kitlib.process import Guarded
from kittools.bench._table import Figure, Report

# The JVM flags of the scripts that come with Apache Kafka 4, less those of JMX.
_STOCK_JVM = (
    "-Xmx1G", "-Xms1G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent",
    "-Djava.awt.headless=true",
)  # fmt: skip
# The settings file that comes with Apache Kafka 4, on ports that the system chooses.
_STOCK_SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:0
listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
num.network.threads=3
num.io.threads=8
num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
"""


def first_record(address: str) -> None:
    """Make a topic and wait for the acknowledgement of one record.

    The producer waits for the topic's leader, as it asks again at once: the admin client, and by
    default the producer too, would do so only after 100 ms.
    """
    from kafka import KafkaProducer
    from kafka.admin import KafkaAdminClient

    admin = KafkaAdminClient(bootstrap_servers=address)
    admin.create_topics({"first": {"num_partitions": 1}})
    producer = KafkaProducer(bootstrap_servers=address, retry_backoff_ms=1)
    producer.send("first", b"x").get(60)
    producer.close()
    admin.close()


def _ours() -> tuple[float, float]:
    """Seconds and resident megabytes of the embedded broker."""
    begin = time.perf_counter()
    with Broker() as broker:
        first_record(broker.bootstrap_servers)
        seconds = time.perf_counter() - begin
        return seconds, psutil.Process(broker.node.process.pid).memory_info().rss / 1e6


def _stock() -> tuple[float, float]:
    """Seconds and resident megabytes of the stock way: format the storage, then start."""
    kafka = parts.parts()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        config, log = folder / "server.properties", folder / "log"
        config.write_text(f"{_STOCK_SETTINGS}log.dirs={(folder / 'data').as_posix()}\n", "utf-8")
        log4j = folder / "log4j2.properties"
        log4j.write_text(
            "appender.c.type=Console\nappender.c.name=c\nappender.c.layout.type=PatternLayout\n"
            "appender.c.layout.pattern=%m%n\nrootLogger.level=info\n"
            "rootLogger.appenderRef.c.ref=c\n",
            "utf-8",
        )
        java = [str(kafka.java), *_STOCK_JVM, f"-Dlog4j2.configurationFile={log4j.as_uri()}"]
        java += ["-cp", kafka.class_path]
        begin = time.perf_counter()
        subprocess.run(
            [*java, "kafka.tools.StorageTool", "format", "--standalone", "-t", parts.CLUSTER_ID,
             "-c", str(config)],
            check=True, capture_output=True,
        )  # fmt: skip
        process = Guarded([*java, "kafka.Kafka", str(config)], log=log)
        try:
            port = ""
            while not port:
                text = log.read_text("utf-8", "replace") if log.exists() else ""
                if _READY in text:
                    port = text.rsplit("PLAINTEXT: resolved ephemeral port to ", 1)[1].split()[0]
                elif not process.running:
                    raise KitError("The stock way did not start", text[-500:])
                time.sleep(0.01)
            first_record(f"127.0.0.1:{port}")
            seconds = time.perf_counter() - begin
            return seconds, psutil.Process(process.pid).memory_info().rss / 1e6
        finally:
            process.terminate()
            process.wait(30)


def _cold() -> float:
    """Seconds from a fresh clone with empty caches to the first acknowledged record."""
    root = Path(__file__).parent.parent.parent
    scratch = Path(tempfile.mkdtemp(prefix="kit-cold-"))
    try:
        env = {k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"}
        env |= {
            "KIT_CACHE_DIR": str(scratch / "cache"),
            "UV_CACHE_DIR": str(scratch / "uv"),
            "PIP_CACHE_DIR": str(scratch / "pip"),
        }
        begin = time.perf_counter()
        clone = scratch / "clone"
        subprocess.run(["git", "clone", "-q", str(root), str(clone)], check=True)
        python = getattr(sys, "_base_executable", sys.executable)
        for arguments in (["kit", "--help"], ["kit", "doctor"]):
            ran = subprocess.run(
                [python, *arguments], cwd=clone, env=env, capture_output=True, text=True
            )
            if ran.returncode:
                raise KitError(
                    "A fresh clone does not start",
                    (ran.stderr or ran.stdout).strip()[-2000:],
                    "Measure without --cold where there is no network.",
                )
        return time.perf_counter() - begin
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def start(runs: int = 10, *, cold: int = 0) -> Report:
    """Measure `runs` starts of each way, and `cold` starts of fresh clones.

    Raises KitError if a start fails.
    """
    ways: list[Callable[[], tuple[float, float]]] = [_ours, _stock]
    for way in ways:
        way()
    measured = [[way() for way in ways] for _ in range(runs)]
    ours, stock = ([run[i] for run in measured] for i in (0, 1))
    figures = [
        Figure("embedded: start to first ack", "s", [s for s, _ in ours], 0.8),
        Figure("stock way: the same", "s", [s for s, _ in stock]),
        Figure("times faster", "x", [b[0] / a[0] for a, b in measured], 5.0, at_least=True),
        Figure("embedded: resident memory", "MB", [m for _, m in ours], 150.0),
        Figure("stock way: resident memory", "MB", [m for _, m in stock]),
    ]
    if cold:
        figures.append(
            Figure("cold: clone to first ack", "s", [_cold() for _ in range(cold)], 60.0)
        )
    how = f"{runs} runs each, alternating" + (f"; {cold} fresh clones" if cold else "")
    return Report(figures, how)
