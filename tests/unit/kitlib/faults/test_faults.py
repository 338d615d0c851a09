"""Each fault as producers meet it, the orders of its owner, and the end of the proxy."""

from __future__ import annotations

import contextlib
import gc
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from kafka import KafkaProducer
from kafka.errors import KafkaTimeoutError

from kitlib._wait import wait_until
from kitlib.broker.handle import Broker, Kafka
from kitlib.errors import KitError
from kitlib.faults import Faults
from kitlib.journal import Journal


def proxies() -> list[psutil.Process]:
    """The proxies that run for this process, without their guards."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if "-c" in child.cmdline() and "kitlib.faults" in str(child.cmdline()):
                found.append(child)
    return found


def acknowledged_first(kafka: Broker, faults: Faults, value: bytes) -> list[str]:
    """Which of two records is acknowledged first: one behind the faults, or a later direct one."""
    kafka.fresh_topic("race", partitions=2)
    behind, direct = KafkaProducer(**kafka.behind(faults)), KafkaProducer(**kafka.connection)
    order: list[str] = []
    first = behind.send("race", value, partition=0)
    first.add_callback(lambda _: order.append("behind"))
    faults.journal.wait("fault")
    direct.send("race", b"x", partition=1).add_callback(lambda _: order.append("direct")).get(20)
    faults.clear()
    first.get(20)
    wait_until(lambda: len(order) == 2, "both callbacks ran")
    for producer in (behind, direct):
        producer.close()
    return order


@pytest.mark.parametrize("direction", ["request", "response"])
def test_delay_lets_others_go_first(kafka: Broker, faults: Faults, direction: str) -> None:
    kafka.behind(faults)
    faults.delay(20_000, api="Produce", direction=direction, times=1)
    # Clearing sends what waits: nobody waits 20 s.
    assert acknowledged_first(kafka, faults, b"x") == ["direct", "behind"]
    (row,) = faults.journal.rows("fault")
    assert row.detail is not None
    assert row.detail["delay_ms"] == 20_000


def test_bandwidth_lets_others_go_first(kafka: Broker, faults: Faults) -> None:
    kafka.behind(faults)
    faults.bandwidth(10)
    assert acknowledged_first(kafka, faults, os.urandom(500_000)) == ["direct", "behind"]
    rows = faults.journal.rows("fault")
    assert {row.detail["kb_per_s"] for row in rows if row.detail} == {10}


def test_a_delay_that_nobody_clears_ends_by_itself(kafka: Broker, faults: Faults) -> None:
    kafka.fresh_topic("late")
    producer = KafkaProducer(**kafka.behind(faults), batch_size=0)
    faults.delay(20, api="Produce")
    futures = [producer.send("late", b"%d" % number) for number in range(20)]
    assert [future.get(20).offset for future in futures] == list(range(20))
    producer.close()


def test_a_disconnected_request_was_never_stored(kafka: Broker, faults: Faults) -> None:
    kafka.fresh_topic("cut")
    producer = KafkaProducer(**kafka.behind(faults), enable_idempotence=False)
    producer.send("cut", b"before").get(20)
    faults.disconnect("Produce", times=2)
    assert producer.send("cut", b"after").get(20).offset == 1
    producer.close()
    assert [row.value for row in kafka.read("cut")] == ["before", "after"]
    assert len(faults.journal.rows("fault", actor="proxy")) == 2


def test_a_client_in_a_black_hole_times_out_and_comes_back(kafka: Broker, faults: Faults) -> None:
    kafka.fresh_topic("hole")
    # Without idempotence: kafka-python's idempotent producer stays silent after such an end.
    producer = KafkaProducer(
        **kafka.behind(faults),
        request_timeout_ms=400,
        delivery_timeout_ms=1000,
        enable_idempotence=False,
    )
    producer.send("hole", b"before").get(20)
    faults.blackhole("Produce")
    with pytest.raises(KafkaTimeoutError):
        producer.send("hole", b"lost").get(20)
    assert faults.journal.rows("fault")
    faults.clear()
    producer.send("hole", b"after").get(20)
    producer.close()
    assert [row.value for row in kafka.read("hole")] == ["before", "after"]


def test_clearing_ends_a_dead_connection_at_once(kafka: Broker, faults: Faults) -> None:
    kafka.fresh_topic("hole")
    producer = KafkaProducer(**kafka.behind(faults))
    producer.send("hole", b"before").get(20)
    faults.blackhole("Produce")
    future = producer.send("hole", b"swallowed")
    faults.journal.wait("fault")
    faults.clear()
    assert future.get(20).offset == 1  # long before its own timeout of 30 s
    producer.close()


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
    assert "&lt;b&gt;" in faults._repr_html_()
    faults.clear()
    assert "nothing armed" in repr(faults)


WRONG = [
    ("drop_ack", {"times": 0}, "whole number from 1"),
    ("drop_ack", {"times": True}, "whole number from 1"),
    ("drop_ack", {"topic": ""}, "name of a topic"),
    ("drop_ack", {"topic": b"t"}, "name of a topic"),
    ("drop_ack", {"partition": -1}, "from 0 on"),
    ("drop_ack", {"partition": 1.5}, "from 0 on"),
    ("delay", {"delay_ms": -1}, "above 0"),
    ("delay", {"delay_ms": float("nan")}, "above 0"),
    ("delay", {"delay_ms": "50"}, "above 0"),
    ("delay", {"direction": "up"}, "'request' or 'response'"),
    ("delay", {"api": "produce"}, "'Produce'"),
    ("disconnect", {"api": "joingroup"}, "'JoinGroup'"),
    ("blackhole", {"api": 0}, "'Produce'"),
    ("blackhole", {"api": ["Fetch"]}, "'Fetch'"),
    ("blackhole", {"times": "2"}, "whole number"),
    ("bandwidth", {"kb_per_s": 0}, "above 0"),
]


@pytest.mark.parametrize(("fault", "options", "fix"), WRONG)
def test_wrong_options_are_refused(fault: str, options: dict[str, Any], fix: str) -> None:
    with pytest.raises(KitError) as refused:
        getattr(Faults(), fault)(**options)
    assert fix in refused.value.fix
    assert next(iter(options)) in refused.value.what


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
