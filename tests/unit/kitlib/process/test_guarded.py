"""A guarded process ends with its owner, keeps its orders apart from its input, and tidies up."""

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

ECHO = "import sys\nfor line in sys.stdin: print('got', line.strip(), flush=True)"


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


def test_lines_go_in_and_come_out() -> None:
    lines: list[str] = []
    process = Guarded([sys.executable, "-c", ECHO], on_line=lines.append)
    process.send("one")
    process.send("two")
    deadline = time.monotonic() + 10
    while len(lines) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.terminate()
    process.wait(10)
    assert lines == ["got one", "got two"]
    assert not process.running


def test_the_exit_status_is_the_commands() -> None:
    process = Guarded([sys.executable, "-c", "raise SystemExit(7)"])
    assert process.wait(10) == 7


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_killed_command_says_so() -> None:
    process = Guarded([sys.executable, "-c", "import time; time.sleep(600)"])
    process.kill()
    assert process.wait(10) == 128 + signal.SIGKILL


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
