"""Whenever and however the owner of a broker ends, nothing of it is left."""

from __future__ import annotations

import os
import pty
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kernels import started_kernel
from labs import kernel, server
from leavings import ROOT, Leavings

from kitlib.broker import Broker

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="setsid --ctty")

# Everything that the kit can start, in an order in which each is met while it begins.
OWNER = """
import signal, time
def fail(*_): raise RuntimeError("the owner fails")
signal.signal(signal.SIGALRM, fail)
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
import kitlib as kit
kafka = kit.connect()
kafka.fresh_topic("t")
def work(me):
    while not me.stopping:
        time.sleep(0.05)
team = kit.Workers(kafka, work).start("ana", "ben")
faults = kit.Faults()
kafka.behind(faults)
database = kit.Database("sqlite")
meter = kit.LagMeter(kafka, "group", "t")
time.sleep(600)
"""
SIGNALS = {
    "SIGKILL": signal.SIGKILL,
    "SIGTERM": signal.SIGTERM,
    "Ctrl-C": signal.SIGINT,
    "an exception": signal.SIGALRM,
    "a closed terminal": None,
}
# From the first moment to well after everything runs; a slower machine sees more of the beginning.
LATEST_S = 5.0


@contextmanager
def owner(leavings: Leavings) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The owner on a terminal of its own; with the terminal's other end."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", sys.executable, "-c", OWNER],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=leavings.environment,
        cwd=ROOT,
    )
    os.close(theirs)
    try:
        yield process, ours
    finally:
        process.kill()
        process.wait()


def test_the_owner_ends_at_a_random_moment(
    kafka: Broker,
    times: Callable[[int, int], int],
    record_property: Callable[[str, object], None],
    tmp_path: Path,
) -> None:
    slowest = 0.0
    ways = list(SIGNALS)
    for number in range(times(len(ways), 100)):
        way, moment = ways[number % len(ways)], random.Random(number).uniform(0, LATEST_S)
        leavings = Leavings(tmp_path / str(number))
        with owner(leavings) as (process, terminal):
            time.sleep(moment)
            leavings.processes()
            number_of = SIGNALS[way]
            if number_of is None:
                os.close(terminal)
            else:
                process.send_signal(number_of)
            process.wait(30)
            left, seconds = leavings.after(5)
            if number_of is not None:
                os.close(terminal)
        assert left == [], f"{way} after {moment:.2f} s"
        slowest = max(slowest, seconds)
    record_property("slowest_s", round(slowest, 1))


def test_a_kernel_is_restarted_at_a_random_moment(
    kafka: Broker, times: Callable[[int, int], int], tmp_path: Path
) -> None:
    for number in range(times(1, 20)):
        moment = random.Random(number).uniform(0, LATEST_S)
        leavings = Leavings(tmp_path / str(number))
        with started_kernel(cwd=str(ROOT), env=leavings.environment) as (manager, client):
            client.execute(OWNER)
            time.sleep(moment)
            leavings.processes()
            old = manager.provisioner.pid
            manager.restart_kernel(now=number % 2 == 0)
            client.wait_for_ready(60)
            client.execute_interactive("import kitlib as kit; kafka = kit.connect()", timeout=60)
            ours = {process.pid for process in leavings.processes()}
            assert manager.provisioner.pid in ours and old not in ours
        left, _ = leavings.after(5)
        assert left == [], f"after {moment:.2f} s"


def test_a_lab_is_closed_while_a_lesson_runs(
    kafka: Broker, times: Callable[[int, int], int], tmp_path: Path
) -> None:
    """By Ctrl-C twice, by SIGTERM, with its terminal, and by SIGKILL."""
    ways = [[signal.SIGTERM], [signal.SIGINT, signal.SIGINT], [signal.SIGHUP], [signal.SIGKILL]]
    for number in range(times(1, 20)):
        leavings = Leavings(tmp_path / str(number))
        runtime = tmp_path / f"runtime-{number}"
        lab = subprocess.Popen(
            [sys.executable, "-m", "kittools", "lab", "--no-browser", "--port=0"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=leavings.environment | {"JUPYTER_RUNTIME_DIR": str(runtime)},
            cwd=ROOT,
        )
        try:
            with kernel(server(runtime), runtime) as client:
                client.kernel_info(reply=True, timeout=60)
                client.execute(OWNER)
                time.sleep(random.Random(number).uniform(0, LATEST_S))
            leavings.processes()
            for one in ways[number % len(ways)]:
                lab.send_signal(one)
                time.sleep(0.1)  # a second Ctrl-C that comes with the first is one
            lab.wait(60)
        finally:
            lab.kill()
            lab.wait()
        left, _ = leavings.after(5)
        assert left == [], f"{ways[number % len(ways)]}, round {number}"
