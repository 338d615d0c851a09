"""The guard: a command ends with its owner, with its folder, and with its guard."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from kitlib.process import Guarded


def gone(pid: int, seconds: float = 5) -> bool:
    """Whether the process ends within `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("paused", [False, True])
def test_it_ends_with_an_owner_that_is_killed(tmp_path: Path, paused: bool) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    owner = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time\n"
            "from pathlib import Path\n"
            "from kitlib.process import Guarded\n"
            "p = Guarded([sys.executable, '-c', 'import time; time.sleep(600)'],"
            " folder=Path(sys.argv[1]))\n"
            + ("p.pause()\n" if paused else "")
            + "print(p.pid, p.guard_pid, flush=True)\n"
            "time.sleep(600)",
            str(folder),
        ],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])},
    )
    assert owner.stdout is not None
    child, guard = map(int, owner.stdout.readline().split())
    assert psutil.pid_exists(child)
    owner.kill()
    owner.wait()
    assert gone(child)
    assert gone(guard)
    assert not folder.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of a killed parent")
def test_it_ends_with_a_guard_that_is_killed() -> None:
    process = Guarded([sys.executable, "-c", "import time; time.sleep(600)"])
    os.kill(process.guard_pid, signal.SIGKILL)
    assert gone(process.pid)
