"""A machine that is odd: its ports, its loopback, its clock, its environment."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import psutil
import pytest
from clones import ROOT, base_python, copy_cache
from kafka import KafkaConsumer, KafkaProducer

from kitlib import lag, plots
from kitlib._wait import wait_until
from kitlib.broker import Broker
from kitlib.broker import _parts as parts
from kitlib.broker import _sweep as sweep
from kitlib.errors import KitError
from kitlib.faults import Faults
from kitlib.journal import Journal, _consumer, _producer, _tape
from kitlib.lag import LagMeter
from kitlib.workers import Workers, stop_all

DAY = 86_400.0
KIT = [sys.executable, "-P", "-m", "kittools"]


# -- ports -----------------------------------------------------------------------------------------


def test_a_broker_starts_while_thousands_of_ports_are_taken(
    kafka: Broker, times: Callable[[int, int], int]
) -> None:
    with contextlib.ExitStack() as taken:
        for _ in range(times(1_000, 15_000)):
            taken.enter_context(socket.create_server(("127.0.0.1", 0)))
        with Broker() as broker, KafkaProducer(**broker.connection) as producer:
            producer.send(broker.fresh_topic("ports"), b"x").get(60)


def test_a_port_that_is_taken_is_told_and_another_one_serves(tmp_path: Path) -> None:
    log = tmp_path / "lab.log"
    with socket.create_server(("127.0.0.1", 0)) as server, log.open("wb") as output:
        port = server.getsockname()[1]
        process = subprocess.Popen(
            [*KIT, "lab", "--no-browser", f"--port={port}"],
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime")},
        )
        try:
            address = wait_until(
                lambda: re.search(r"http://127\.0\.0\.1:(\d+)/lab\S*token=", log.read_text()),
                "the lab gives its address",
                120,
            )
            assert int(address[1]) != port
            assert f"The port {port} is already in use" in log.read_text()
        finally:
            process.terminate()
            process.wait(60)


# -- namespaces ------------------------------------------------------------------------------------


def apart(*commands: str, run: list[str]) -> subprocess.CompletedProcess[str]:
    """Run something on a network and a host name of its own, after these commands of a shell."""
    unshare = ["unshare", "--net", "--mount", "--uts"]
    if hasattr(os, "geteuid") and os.geteuid() != 0:
        unshare.append("--map-root-user")
    if shutil.which("unshare") is None or subprocess.run([*unshare, "true"]).returncode:
        pytest.skip("this system does not let us make a network of our own")
    script = " && ".join(["ip link set lo up", *commands, 'exec "$@"'])
    return subprocess.run(
        [*unshare, "sh", "-c", script, "sh", *run],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_a_loopback_with_and_without_ipv6_and_a_host_without_a_name(
    kafka: Broker, tmp_path: Path
) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("::1 localhost\n")
    # `localhost` is ::1 alone, and this machine's own name has no address.
    unnamed = ("hostname no-such-host.invalid", f"mount --bind '{hosts}' /etc/hosts")
    shown = apart(*unnamed, run=["getent", "ahosts", "localhost"])
    assert "127.0.0.1" not in shown.stdout
    assert apart(*unnamed, run=["getent", "hosts", "no-such-host.invalid"]).returncode
    ran = apart(*unnamed, run=[*KIT, "doctor"])
    assert ran.returncode == 0, ran.stdout + ran.stderr
    no_ipv6 = "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6"
    bind = "import socket; socket.create_server(('::1', 0), family=socket.AF_INET6)"
    assert apart(no_ipv6, run=[sys.executable, "-c", bind]).returncode
    ran = apart(no_ipv6, run=[*KIT, "run", "00"])
    assert ran.returncode == 0, ran.stdout + ran.stderr


_NO_PORT_LEFT = """
import contextlib, socket
from pathlib import Path
from kitlib.broker import Broker
from kitlib.errors import KitError
Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("40000 40039")
with contextlib.ExitStack() as taken:
    try:
        while True:
            taken.enter_context(socket.create_server(("127.0.0.1", 0)))
    except OSError as error:
        print("full:", error)
    try:
        Broker().start()
    except KitError as error:
        print("told:", error)
with Broker() as broker:
    print("topics:", broker.topics())
"""


def test_where_no_port_is_left_it_is_told_and_later_there_is_one(kafka: Broker) -> None:
    ran = apart(run=[sys.executable, "-c", _NO_PORT_LEFT])
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "full:" in ran.stdout
    told = ran.stdout.split("told:")[1].split("topics:")[0]
    assert "The broker could not start" in told and "Address already in use" in told, told
    assert "topics: []" in ran.stdout


# -- clocks ----------------------------------------------------------------------------------------


@pytest.fixture
def jumping(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], float]]:
    """The wall clock jumps at each look by up to a day, forwards or backwards."""
    rng, real = random.Random(7), time.time

    def now() -> float:
        return real() + rng.uniform(-DAY, DAY)

    monkeypatch.setattr(time, "time", now)
    for module in (_tape, lag, _producer, _consumer):
        monkeypatch.setattr(module, "now", now)
    yield now
    stop_all()


def test_a_wait_ends_by_its_condition_whatever_the_clock_does(
    jumping: Callable[[], float],
) -> None:
    looks = [jumping() for _ in range(20)]
    assert max(b - a for a, b in itertools.pairwise(looks)) > 3600  # it does jump, both ways
    assert min(b - a for a, b in itertools.pairwise(looks)) < -3600
    calls = itertools.count()
    assert wait_until(lambda: next(calls) >= 20, "twenty looks") is True
    with pytest.raises(KitError, match="this did not happen"):
        wait_until(lambda: False, "never", timeout_s=0.2)
    seen = Journal()
    threading.Timer(0.2, seen.add, ["sent"], {"value": "x"}).start()
    assert [row.value for row in seen.wait("sent")] == ["x"]
    with pytest.raises(KitError, match="saw 1"):
        seen.wait("sent", 2, timeout_s=0.2)


def _reads(me: Any) -> None:
    with KafkaConsumer(
        "clock", **me.connection, group_id="clock", auto_offset_reset="earliest"
    ) as consumer:
        me.record(consumer)
        while not me.stopping:
            consumer.poll(timeout_ms=50)


def test_clients_workers_and_faults_work_under_a_clock_that_jumps(
    jumping: Callable[[], float], kafka: Broker
) -> None:
    kafka.fresh_topic("clock")
    seen = Journal()
    with Faults(seen) as faults:
        with KafkaProducer(**kafka.behind(faults), enable_idempotence=True) as producer:
            seen.record(producer)
            faults.drop_ack(times=1)
            for number in range(30):
                producer.send("clock", b"%d" % number).get(60)
        seen.wait("fault", 1, 60)
    stored = [str(number) for number in range(30)]
    assert [row.value for row in kafka.read("clock")] == stored
    # In the order in which it happened, also where the times say otherwise.
    assert [row.value for row in seen.rows("sent")] == stored
    assert [row.offset for row in seen.rows("acked")] == list(range(30))
    times = [row.time for row in seen.rows("sent")]
    assert times != sorted(times)
    with Workers(kafka, _reads, journal=seen) as workers:
        workers.start("reader")
        assert len(seen.wait("consumed", 30, 60, actor="reader")) == 30
        frame = LagMeter(kafka, "clock").measure()
        assert list(frame["end"]) == [30]


def test_a_clock_that_is_set_does_not_end_a_running_broker(
    kafka: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The birth of a process, as systems tell it, moves with the clock; a broker stays known."""
    copy_cache(tmp_path / "cache", monkeypatch)  # no other broker of this machine is at stake
    with Broker() as broker:
        born = psutil.Process.create_time
        monkeypatch.setattr(psutil.Process, "create_time", lambda self: born(self) + DAY)
        assert sweep.sweep() == []
        assert broker.node.folder.exists() and broker.topics() == []


def test_records_of_1970_and_2100_are_read_drawn_and_counted(kafka: Broker) -> None:
    # Kafka itself refuses a time that is an hour ahead, and deletes one that is a week old.
    topic = kafka.fresh_topic(
        "ages", message_timestamp_after_max_ms=2**62, retention_ms=-1, partitions=1
    )
    years = {"1970": 0, "2100": 4_102_444_800_000, "today": int(time.time() * 1000)}
    seen = Journal()
    with KafkaProducer(**kafka.connection) as producer:
        seen.record(producer)
        for year, at in years.items():
            producer.send(topic, year.encode(), timestamp_ms=at).get(60)
    log = kafka.read(topic)
    assert [(row.value, row.time) for row in log] == [(y, at / 1000) for y, at in years.items()]
    assert "1970" in log._repr_html_() and "2100" in log._repr_html_()
    assert list(log.to_frame()["time"]) == [at / 1000 for at in years.values()]
    assert [row.value for row in Journal() + log] == ["1970", "today", "2100"]
    for draw in (plots.plot_timeline, plots.plot_order):
        assert plots.describe(draw(log))
        assert plots.describe(draw(seen + log))
        plt.close("all")
    with KafkaConsumer(
        topic, **kafka.connection, group_id="ages", auto_offset_reset="earliest",
        consumer_timeout_ms=20_000,
    ) as consumer:  # fmt: skip
        seen.record(consumer)
        assert [next(consumer).value.decode() for _ in years] == list(years)
        consumer.commit()
    (row,) = LagMeter(kafka, "ages").measure().itertuples()
    assert (row.committed, row.end, row.lag) == (3, 3, 0)


# -- the environment -------------------------------------------------------------------------------


def test_nothing_in_the_environment_or_the_folder_changes_a_lesson(
    kafka: Broker, tmp_path: Path
) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    for name in ("kafka", "kitlib", "click", "rich"):
        (foreign / f"{name}.py").write_text("raise SystemExit('a foreign module was imported')\n")
    (foreign / "startup.py").write_text("raise SystemExit('PYTHONSTARTUP was run')\n")
    bad = "-Xmx1m -XX:NoSuchOption"
    java = ("JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "KAFKA_OPTS", "JAVA_OPTS")
    rubbish = {
        **dict.fromkeys(java, bad),
        "CLASSPATH": str(foreign),
        "JAVA_HOME": str(foreign),
        "PYTHONPATH": str(foreign),
        "PYTHONSTARTUP": str(foreign / "startup.py"),
        "PYTHONHOME": "",
        "LC_ALL": "C",
        "LANG": "",
        "TZ": "Nowhere/Odd",
        "TMPDIR": str(tmp_path / "missing"),
        "MPLBACKEND": "TkAgg",
    }
    # A JVM that is told this ends at once.
    told = subprocess.run(
        [str(parts.parts().java), "-version"], env={"JAVA_TOOL_OPTIONS": bad}, capture_output=True
    )
    assert told.returncode != 0
    ran = subprocess.run(
        [
            "sh",
            "-c",
            'umask 077; ulimit -n 256; exec "$@"',
            "sh",
            base_python(),
            str(ROOT / "kit"),
            "run",
            "00",
        ],
        cwd=foreign,
        env={**os.environ, **rubbish},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="an interpreter that is a link")
@pytest.mark.parametrize("launched", [True, False], ids=["the launcher's", "somebody's own"])
def test_a_damaged_environment_of_python_is_explained(tmp_path: Path, launched: bool) -> None:
    """What runs the commands may miss a package: half of a folder was removed."""
    for room in ("kitlib", "kittools"):
        shutil.copytree(ROOT / room, tmp_path / room)
    environment = tmp_path / "env"
    python = environment / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(base_python())
    if launched:
        (environment / "kit-stamp").touch()
    ran = subprocess.run(
        [python, "-S", "-m", "kittools", "lab"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 1
    assert "environment of the kit is damaged" in ran.stderr
    assert (f"Remove the folder {environment} and run" in ran.stderr) == launched
    assert ("Install the kit again" in ran.stderr) != launched
    assert "Traceback" not in ran.stderr
