"""A guarded process keeps orders apart from its input, and exits with its command's status."""

from __future__ import annotations

import signal
import sys
import time

import pytest

from kitlib.process import Guarded

ECHO = "import sys\nfor line in sys.stdin: print('got', line.strip(), flush=True)"


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
