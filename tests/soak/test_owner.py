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
from jupyter_client.manager import KernelManager
from leavings import ROOT, Leavings

from kitlib.broker.handle import Broker

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="setsid --ctty")

# Everything that the kit can start, in an order in which each is met while it begins.
OWNER = """
import signal, time
def fail(*_): raise RuntimeError("the owner fails")
signal.signal(signal.SIGALRM, fail)
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
        kernel = KernelManager()
        kernel.start_kernel(cwd=str(ROOT), env=leavings.environment)
        client = kernel.client()
        client.start_channels()
        try:
            client.wait_for_ready(60)
            client.execute(OWNER)
            time.sleep(moment)
            leavings.processes()
            old = kernel.provisioner.pid
            kernel.restart_kernel(now=number % 2 == 0)
            client.wait_for_ready(60)
            client.execute_interactive("import kitlib as kit; kafka = kit.connect()", timeout=60)
            ours = {process.pid for process in leavings.processes()}
            assert kernel.provisioner.pid in ours and old not in ours
        finally:
            client.stop_channels()
            kernel.shutdown_kernel(now=True)
        left, _ = leavings.after(5)
        assert left == [], f"after {moment:.2f} s"
