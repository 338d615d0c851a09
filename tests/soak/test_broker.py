"""A broker that is killed, frozen, starved, robbed of its data, or started again under its clients.

Each time: the fault, what the learner is told, and that the next start works.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer

import kitlib as kit
from kitlib.broker import Broker
from kitlib.broker import _parts as parts
from kitlib.broker._node import BrokerError

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")


def works(broker: Broker) -> bool:
    """Whether a record makes its way."""
    broker.fresh_topic("works")
    with KafkaProducer(**broker.connection) as producer:
        producer.send("works", b"x").get(30)
    return [row.value for row in broker.read("works")] == ["x"]


def ended(broker: Broker) -> str:
    """What the learner is told when the broker has ended, which is waited for."""
    kit.wait_until(lambda: not broker.running, "the end of the broker", timeout_s=60)
    with pytest.raises(BrokerError, match="The broker has ended") as told:
        broker.topics()
    assert str(broker.log) in str(told.value)
    assert "kit.connect()" in str(told.value)
    assert repr(broker) == f"Broker, ended; log: {broker.log}"
    return str(told.value)


def test_killed_at_a_random_moment(kafka: Broker, times: Callable[[int, int], int]) -> None:
    for number in range(times(2, 30)):
        moment = random.Random(number).uniform(0, 3)
        broker = Broker()

        def kill(broker: Broker = broker, moment: float = moment) -> None:
            while broker._node is None or broker._node._process is None:
                time.sleep(0.001)
            time.sleep(moment)
            os.kill(broker.node.process.pid, signal.SIGKILL)

        with ThreadPoolExecutor(1) as pool:
            killed = pool.submit(kill)
            try:
                broker.start()
            except BrokerError as error:
                assert "signal 9" in str(error), f"after {moment:.2f} s"
            killed.result()
        assert "signal 9" in ended(broker), f"after {moment:.2f} s"
        assert not broker.node.folder.exists()
        assert works(broker.start()), f"after {moment:.2f} s"
        broker.stop()


def test_frozen() -> None:
    with Broker() as broker:
        broker.fresh_topic("before")
        os.kill(broker.node.process.pid, signal.SIGSTOP)
        with pytest.raises(kit.KitError, match="does not answer"):
            broker.fresh_topic("meanwhile")
        assert "no answer" in repr(broker)
        os.kill(broker.node.process.pid, signal.SIGCONT)
        assert "before" in broker.topics()
        assert works(broker)
        os.kill(broker.node.process.pid, signal.SIGSTOP)
    assert not broker.running
    assert not broker.node.folder.exists()


def announce(address: str, size: int, count: int) -> list[socket.socket]:
    """Connections to this address, each with the first byte of a request that is to be so large."""
    host, port = address.split(":")
    clients = [socket.create_connection((host, int(port)), timeout=120) for _ in range(count)]
    for client in clients:
        client.sendall(struct.pack(">i", size) + b"\0")
    return clients


def refused(client: socket.socket, data: bytes = b"") -> bool:
    """Whether the broker ends this connection after these bytes, which it need not read."""
    with client:
        try:
            client.sendall(data)
            return client.recv(1) == b""
        except (ConnectionResetError, BrokenPipeError):
            return True


def test_announced_requests_do_not_end_it() -> None:
    """Everybody on the machine can announce one, and the JVM sets memory aside for it."""
    with Broker() as broker:
        broker.fresh_topic("before")
        ports = [f"127.0.0.1:{port}" for port in broker.node._ports.values()]
        assert len(ports) == 2, "the broker and its controller"
        for port in ports:
            assert all(map(refused, announce(port, 100_000_000, 4)))
        # All are announced before the first is sent: the last ones wait for memory.
        announced = [client for port in ports for client in announce(port, 16_000_000, 40)]
        rest = bytes(15_999_999)
        with ThreadPoolExecutor(len(announced)) as pool:
            assert all(pool.map(lambda client: refused(client, rest), announced))
        assert works(broker)
        assert "before" in broker.topics()
        assert "OutOfMemoryError" not in broker.log.read_text("utf-8")


def test_out_of_memory() -> None:
    with Broker(
        {"socket.request.max.bytes": "104857600", "queued.max.request.bytes": "-1"}
    ) as broker:
        # Each announces a request that fits; together they do not.
        clients = announce(broker.bootstrap_servers, 100_000_000, 4)
        assert "OutOfMemoryError" in ended(broker)
        for client in clients:
            client.close()
        assert works(broker.start())


def test_its_data_directory_is_removed() -> None:
    with Broker() as broker:
        broker.fresh_topic("t")
        # Moved first: a broker at work writes files into a folder that is being emptied.
        away = broker.node.data.rename(broker.node.folder / "away")
        shutil.rmtree(away)
        # It notices when it next opens a file.
        with pytest.raises(kit.KitError):
            for number in range(20):
                broker.fresh_topic(f"t{number}")
                broker.read(f"t{number}")
        said = ended(broker)
        assert "NoSuchFileException" in said or "log dirs" in said
        assert works(broker.start())


FULL = """
import json
import kitlib as kit
from kafka import KafkaProducer
from kafka.errors import KafkaError
broker = kit.Broker().start()
broker.fresh_topic("t")
patience = {"request_timeout_ms": 5_000, "delivery_timeout_ms": 9_000}
with KafkaProducer(**broker.connection, **patience) as producer:
    acked = 0
    try:
        while acked < 1000:
            producer.send("t", bytes(500_000)).get(30)
            acked += 1
        error = ""
    except KafkaError as raised:
        error = type(raised).__name__
kit.wait_until(lambda: not broker.running, "the end of the broker", timeout_s=60)
try:
    broker.topics()
    said = ""
except kit.KitError as told:
    said = str(told)
broker.start()
broker.fresh_topic("t")
with KafkaProducer(**broker.connection) as producer:
    producer.send("t", b"x").get(30)
print(json.dumps({"acked": acked, "error": error, "said": said, "then": len(broker.read("t"))}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a file system of its own")
def test_the_disk_is_full(kafka: Broker) -> None:
    runs = parts.cache_folder() / "runs"
    mount = f'mount -t tmpfs -o size=40m none "{runs}" && exec "$@"'
    within = ["unshare", "--mount", "sh", "-c", mount, "sh"]
    if subprocess.run([*within, "true"], capture_output=True).returncode:
        pytest.skip("this system lets nobody mount here")
    ran = subprocess.run(
        [*within, sys.executable, "-c", FULL],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        timeout=240,
    )
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    assert 0 < found["acked"] < 85
    assert found["error"]
    assert "No space left on device" in found["said"]
    assert found["then"] == 1


def group(me: Any) -> None:
    consumer = KafkaConsumer(
        "restarts", **me.connection, group_id="restarts", auto_offset_reset="earliest"
    )
    me.record(consumer)
    while not me.stopping:
        consumer.poll(timeout_ms=200)
    consumer.close()


def test_started_again_under_a_producer_and_a_group(times: Callable[[int, int], int]) -> None:
    """Nothing that was acknowledged is lost, and nothing is there twice."""
    restarts = times(1, 20)
    acked: dict[tuple[int, int], str] = {}
    failed: list[BaseException] = []
    stop = threading.Event()

    def send(producer: KafkaProducer) -> None:
        number = 0
        while not stop.is_set():
            value = str(number)
            future = producer.send("restarts", value.encode())
            future.add_callback(
                lambda sent, value=value: acked.__setitem__((sent.partition, sent.offset), value)
            )
            future.add_errback(failed.append)
            number += 1
            stop.wait(0.005)

    with Broker() as broker:
        broker.fresh_topic("restarts", partitions=3)
        journal = kit.Journal()
        with (
            KafkaProducer(**broker.connection) as producer,
            kit.Workers(broker, group, journal=journal) as team,
            ThreadPoolExecutor(1) as pool,
        ):
            team.start("ana", "ben")
            sending = pool.submit(send, producer)
            try:
                for number in range(restarts):
                    before = len(acked)
                    kit.wait_until(lambda n=before: len(acked) > n + 50, "acks", timeout_s=60)
                    time.sleep(random.Random(number).uniform(0, 1))
                    address = broker.bootstrap_servers
                    broker.restart(kill=number % 2 == 0)
                    assert broker.bootstrap_servers == address
            finally:
                stop.set()
                sending.result()
            producer.flush(120)

            def read() -> set[str]:
                return {str(row.value) for row in journal.rows("consumed")}

            kit.wait_until(lambda: set(acked.values()) <= read(), "reading all", timeout_s=120)
        log = {(row.partition, row.offset): row.value for row in broker.read("restarts")}
    assert failed == []
    assert len(acked) > 50
    assert {place: log.get(place) for place in acked} == acked
    assert len(set(log.values())) == len(log)
