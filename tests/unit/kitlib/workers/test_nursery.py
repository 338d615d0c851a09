"""The nursery: what forked workers see, and what happens when it or its owner is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

import kitlib as kit
from kitlib.broker import Broker
from kitlib.workers import _nursery

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")
ROOT = Path(__file__).parents[4]
OWNER = """
import time
import kitlib as kit


def idle(me):
    while not me.stopping:
        time.sleep(0.01)


team = kit.Workers({"bootstrap_servers": "127.0.0.1:1"}, idle).start("ana", "ben")
print("ready", flush=True)
time.sleep(600)
"""


def look(me: Any) -> None:
    import os

    print(os.environ.get("KIT_TEST_MOMENT"), os.getcwd())


def nurseries(owner: int) -> list[psutil.Process]:
    children = psutil.Process(owner).children()
    return [child for child in children if any("_nursery" in word for word in child.cmdline())]


def printed(team: kit.Workers) -> list[str | None]:
    return [row.value for row in team.journal.rows("printed")]


def test_workers_see_the_environment_and_the_folder_of_the_moment(
    kafka: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    team = kit.Workers(kafka, look)
    team.start("before")
    team.wait()
    monkeypatch.setenv("KIT_TEST_MOMENT", "später")
    monkeypatch.chdir(tmp_path)
    team.start("after")
    team.wait()
    before, after = printed(team)
    assert before and before.startswith("None ")
    assert after == f"später {tmp_path}"


def test_one_nursery_serves_all_teams(kafka: Broker) -> None:
    for name in ("ana", "ben"):
        team = kit.Workers(kafka, look).start(name)
        team.wait()
    assert len(nurseries(os.getpid())) == 1


def test_without_a_nursery_workers_start_all_the_same(kafka: Broker) -> None:
    team = kit.Workers(kafka, look)
    [nursery] = nurseries(os.getpid())
    nursery.kill()
    nursery.wait(10)
    team.start("ana")
    team.wait()
    assert len(printed(team)) == 1
    kit.Workers(kafka, look).start("ben").wait()
    assert len(nurseries(os.getpid())) == 1, "and a new one is there for those to come"


def test_what_is_too_large_for_the_nursery_is_started_the_usual_way(
    kafka: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_nursery, "_MOST_BYTES", 10)
    team = kit.Workers(kafka, look).start("ana")
    team.wait()
    assert len(printed(team)) == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_is_left_when_the_owner_is_gone(number: signal.Signals) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER], cwd=ROOT, stdout=subprocess.PIPE)
    assert owner.stdout is not None and owner.stdout.readline() == b"ready\n"
    family = psutil.Process(owner.pid).children(recursive=True)
    assert len(family) == 5, "a nursery, two guards and two workers"
    owner.send_signal(number)
    owner.wait(10)
    _, left = psutil.wait_procs(family, timeout=10)
    assert left == []
