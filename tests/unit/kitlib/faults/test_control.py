"""What `Faults` shows of armed faults, how it explains misuse, and when its proxy ends."""

from __future__ import annotations

import contextlib
import gc
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from kafka import KafkaProducer

from kitlib._wait import wait_until
from kitlib.broker import Broker, Kafka
from kitlib.errors import KitError
from kitlib.faults import Faults
from kitlib.journal import Journal


def proxies() -> list[psutil.Process]:
    """The proxies that run for this process, without their guards."""
    running = []
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if "-c" in child.cmdline() and "kitlib.faults" in str(child.cmdline()):
                running.append(child)
    return running


def test_what_is_armed_can_be_seen(kafka: Broker, faults: Faults) -> None:
    assert faults.armed() == []
    assert "no proxy" in repr(faults)
    kafka.behind(faults)
    faults.drop_ack(times=2, topic="<b>")
    faults.delay(5, api="Fetch")
    first, second = faults.armed()
    assert (first["fault"], first["times"], first["topic"]) == ("drop_ack", 2, "<b>")
    assert (second["delay_ms"], second["api"], second["fired"]) == (5, "Fetch", 0)
    assert "drop_ack fired 0 times" in repr(faults)
    assert "topic='<b>'" in repr(faults)
    faults.clear()
    assert "nothing armed" in repr(faults)


def test_misuse_is_explained(kafka: Broker, faults: Faults) -> None:
    with pytest.raises(KitError, match=r"\*\*kafka.behind"):
        faults.drop_ack()
    with pytest.raises(KitError, match=r"kit\.Faults"):
        kafka.behind(None)  # type: ignore[arg-type]
    with pytest.raises(KitError, match=r"kit\.Journal"):
        Faults(journal=[])  # type: ignore[arg-type]
    secured = Kafka({"bootstrap_servers": "127.0.0.1:1", "security_protocol": "SASL_SSL"})
    with pytest.raises(KitError, match="encrypted"):
        secured.behind(faults)
    assert not proxies()


def test_the_proxy_can_be_stopped_and_started_again(kafka: Broker, faults: Faults) -> None:
    first = kafka.behind(faults)
    assert first == kafka.behind(faults)
    faults.delay(1)
    faults.stop()
    faults.stop()
    faults.clear()
    assert proxies() == []
    with pytest.raises(KitError, match="No client"):
        faults.delay(1)
    kafka.fresh_topic("again")
    producer = KafkaProducer(**kafka.behind(faults))
    assert producer.send("again", b"x").get(20).offset == 0
    producer.close()
    assert faults.armed() == []
    proxies()[0].kill()
    wait_until(lambda: not proxies(), "the proxy is gone")
    wait_until(lambda: "no proxy" in repr(faults), "its owner has noticed")
    with pytest.raises(KitError, match="has ended"):
        faults.drop_ack()


def test_the_proxy_ends_with_its_faults(kafka: Broker) -> None:
    journal = Journal()
    faults = Faults(journal=journal)
    assert faults.journal is journal
    kafka.behind(faults)
    assert len(proxies()) == 1
    del faults
    gc.collect()
    wait_until(lambda: not proxies(), "the proxy is gone")


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_the_proxy_ends_with_an_owner_that_is_killed() -> None:
    code = (
        "import time\n"
        "from kitlib.faults import Faults\n"
        "faults = Faults()\n"
        "faults.behind({'bootstrap_servers': '127.0.0.1:1'})\n"
        "print(faults._process.pid, faults._process.guard_pid, flush=True)\n"
        "time.sleep(600)"
    )
    root = str(Path(__file__).parents[4])
    owner = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": root},
    )
    assert owner.stdout is not None
    left = [psutil.Process(int(pid)) for pid in owner.stdout.readline().split()]
    assert len(left) == 2
    owner.kill()
    owner.wait()
    wait_until(
        lambda: not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in left),
        "proxy and guard are gone",
    )
