"""A busy machine: lessons on one core that they share with busy loops, or many at once.

Each lesson runs as `kit run` runs it, in a process of its own. What became of it is a line.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kittools import course

ROOT = Path(__file__).parents[2]
# It ends with the tests, even if they are killed; on Windows its parent is not who started it.
TESTED = "True" if sys.platform == "win32" else f"os.getppid() == {os.getpid()}"
LOOP = f"import os\nwhile {TESTED}: pass"
# A core is named where a process can be told to stay on one: on Linux.
CORE = max(os.sched_getaffinity(0)) if sys.platform == "linux" else None
PINNED = """
import os, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
os.execv(sys.argv[2], sys.argv[2:])
"""


def on_one_core(*command: str) -> list[str]:
    """This command, so that it and all that it starts stay on one core."""
    if CORE is None:
        return list(command)
    return [sys.executable, "-c", PINNED, str(CORE), *command]


@contextlib.contextmanager
def loops(count: int) -> Iterator[None]:
    """Keep that one core, or every core, busy with `count` loops."""
    number = count if CORE is not None else count * (os.cpu_count() or 1)
    running = [subprocess.Popen(on_one_core(sys.executable, "-c", LOOP)) for _ in range(number)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
        for process in running:
            process.wait()


def tasks() -> list[tuple[str, ...]]:
    """What `kit run` is given for each lesson, as a learner finds it and solved."""
    numbers = [path.name[:2] for path in course.find()]
    return [(number, *options) for number in numbers for options in ((), ("--solutions",))]


def run(task: Iterable[str], pinned: bool = False) -> str:
    """Execute a lesson; returns what it told if it failed, and nothing if it passed."""
    command = [sys.executable, "-m", "kittools", "run", *task]
    done = subprocess.run(
        on_one_core(*command) if pinned else command, cwd=ROOT, capture_output=True, text=True
    )
    return f"{' '.join(task)}: {done.stdout}{done.stderr}" if done.returncode else ""


def run_at_once(count: int, some: list[tuple[str, ...]]) -> list[str]:
    """Execute these lessons, `count` at a time; returns what those told that failed."""
    with ThreadPoolExecutor(count) as pool:
        return [told for told in pool.map(run, some) if told]
