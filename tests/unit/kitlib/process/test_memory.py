"""What cgroups of both versions say: what is allowed and free, and whom the kernel killed."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from kitlib.process import Guarded, memory
from kittools import doctor

MB = 10**6
VERSIONS = {
    1: {
        "limit": "memory.limit_in_bytes",
        "used": "memory.usage_in_bytes",
        "kills": "memory.oom_control",
    },
    2: {"limit": "memory.max", "used": "memory.current", "kills": "memory.events"},
}
FREE = {1: str(0x7FFFFFFFFFFFF000), 2: "max"}
STAT = {1: "inactive_file 7\ntotal_inactive_file 30000000\n", 2: "inactive_file 30000000\n"}
COUNT = {
    1: "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n",
    2: "low 0\nhigh 0\nmax 9\noom 5\noom_kill {}\noom_group_kill 7\n",
}


class Machine:
    """A machine whose cgroups are files of this test."""

    def __init__(self, version: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.version = version
        self.top = folder / "cgroup" / ("memory" if version == 1 else "")
        self.own = folder / "own"
        monkeypatch.setattr(memory, "OWN", self.own)
        monkeypatch.setattr(memory, "ALL", folder / "cgroup")

    def lies_in(self, path: str) -> None:
        self.own.write_text(
            f"9:name=systemd:/x\n5:cpu,cpuacct:/x\n4:memory:{path}\n0::/\n"
            if self.version == 1
            else f"0::{path}\n"
        )

    def says(self, path: str, limit: int | None, used: int, kills: int = 0) -> None:
        folder, files = self.top / path, VERSIONS[self.version]
        folder.mkdir(parents=True, exist_ok=True)
        limited = FREE[self.version] if limit is None else str(limit)
        (folder / files["limit"]).write_text(limited + "\n")
        (folder / files["used"]).write_text(f"{used}\n")
        (folder / files["kills"]).write_text(COUNT[self.version].format(kills))
        (folder / "memory.stat").write_text(f"anon 5\n{STAT[self.version]}")


@pytest.fixture(params=[1, 2], ids=["version 1", "version 2"])
def machine(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Machine:
    return Machine(request.param, tmp_path, monkeypatch)


def test_the_tightest_limit_counts_and_caches_are_free(machine: Machine) -> None:
    machine.lies_in("/outer/inner")
    machine.says("", None, 9000 * MB)
    machine.says("outer", 500 * MB, 430 * MB)
    machine.says("outer/inner", 400 * MB, 200 * MB)
    found = [free for _, free in doctor._allowed()]
    assert (found[0], found[1]) == (230 * MB, 100 * MB)
    check = doctor._memory()
    assert not check.ok and check.result == "100 MB free of the 500 MB that are allowed here"
    assert check.fix.startswith("Allow more (in a container or service), or close programs")
    machine.says("outer", None, 430 * MB)
    assert doctor._memory().result == "230 MB free of the 400 MB that are allowed here"
    machine.says("outer/inner", None, 200 * MB)
    assert doctor._memory().result.endswith(" MB free")


def test_a_container_sees_its_own_cgroup_as_the_outermost(machine: Machine) -> None:
    machine.lies_in("/docker/0123456789ab")
    machine.says("", 280 * MB, 100 * MB, kills=3)
    assert doctor._memory().result == "210 MB free of the 280 MB that are allowed here"
    assert memory.kills() == 3


def test_a_machine_without_cgroups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "OWN", tmp_path / "nothing")
    assert list(doctor._allowed()) == []
    assert memory.kills() == 0


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_who_was_killed_for_want_of_memory(machine: Machine) -> None:
    machine.lies_in("/outer/inner")
    machine.says("outer", None, MB, kills=5)
    machine.says("outer/inner", 280 * MB, 280 * MB, kills=2)
    commands = [Guarded([sys.executable, "-c", "import time; time.sleep(600)"]) for _ in range(2)]
    os.kill(commands[0].pid, signal.SIGKILL)
    assert commands[0].wait(10) == 128 + signal.SIGKILL
    assert commands[0].killer() == ""
    machine.says("outer", None, MB, kills=6)  # a neighbour
    assert commands[0].killer() == ""
    machine.says("outer/inner", 280 * MB, 280 * MB, kills=3)
    commands[1].kill()
    commands[1].wait(10)
    assert commands[1].killer().startswith("the kernel killed it, because the memory")
