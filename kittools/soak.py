"""`kit soak`: the whole course again and again, and the faults of `tests/soak` at full length.

A short form of those faults is part of `kit test`; here each is met as often as its test asks for
in the long run. Then the lessons are executed, as a learner finds them and solved, round after
round, until the rounds or the hours are over. What comes out is a count: so many runs, so many
failures, and what failed. A lesson that failed is kept as it stood.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from kitlib.errors import KitError
from kittools import course

ROOT = Path(__file__).parent.parent
FAULTS = ROOT / "tests" / "soak"
_Task = tuple[int, Path, bool]  # round, lesson, solved?


@dataclass
class Count:
    """How often each thing was run, what failed (one line each), and in how many seconds."""

    runs: Counter[str] = field(default_factory=Counter)
    failures: dict[str, list[str]] = field(default_factory=dict)
    seconds: float = 0

    def add(self, what: str, times: int = 1, problem: str = "") -> None:
        """Count `times` runs, of which the last one failed if there is a problem."""
        self.runs[what] += times
        if problem:
            self.failures.setdefault(what, []).append(problem)

    def rows(self) -> list[tuple[str, int, int]]:
        """What, runs, failures."""
        return [(what, n, len(self.failures.get(what, ()))) for what, n in self.runs.items()]

    def to_json(self) -> dict[str, Any]:
        """Everything, for other programs."""
        rows = [{"what": what, "runs": n, "failures": bad} for what, n, bad in self.rows()]
        return {"rows": rows, "failures": self.failures, "seconds": round(self.seconds)}


def faults(count: Count, output: Path, tests: Path = FAULTS) -> int:
    """Run the tests in `tests/soak` in their long form; returns the exit status of pytest.

    output: folder for the report. A test says how often it did what it tests by
    `record_property("times", n)`. Raises KitError where pytest itself fails.
    """
    begin = time.monotonic()
    output.mkdir(parents=True, exist_ok=True)
    report = output / "faults.xml"
    report.unlink(missing_ok=True)  # of the run before
    command = [sys.executable, "-m", "pytest", str(tests), "--long", f"--junitxml={report}"]
    status = subprocess.call(command, cwd=ROOT)
    if status not in (0, 1) or not report.exists():
        raise KitError(
            "The tests of the faults have not been run to their end",
            f"pytest ended with status {status}",
            "Read what it printed above, and run `kit soak` again.",
        )
    for case in ElementTree.parse(report).iter("testcase"):
        bad = [found for found in case if found.tag in ("failure", "error")]
        if any(found.tag == "skipped" for found in case):
            continue
        times = [p.get("value") for p in case.iter("property") if p.get("name") == "times"]
        what = (case.get("name") or "").removeprefix("test_").split("[")[0].replace("_", " ")
        problem = str(bad[0].get("message")).splitlines()[0] if bad else ""
        count.add(what, int(times[0] or 1) if times else 1, problem)
    count.seconds += time.monotonic() - begin
    return status


def lessons(
    count: Count,
    output: Path,
    rounds: int,
    *,
    numbers: tuple[str, ...] = (),
    until: float = float("inf"),
    at_once: int = 1,
    say: Callable[[str], object] = print,
) -> None:
    """Execute the lessons in rounds, each lesson as found and solved, and count.

    until: a time of `time.monotonic()`; no lesson is begun after it. at_once: lessons side by
    side. output: where a lesson that failed is kept with its outputs.
    """
    begin = time.monotonic()

    def tasks() -> Iterator[_Task]:
        for number in range(1, rounds + 1):
            for path in course.find(numbers):
                yield number, path, False
                yield number, path, True

    def one(number: int, path: Path, solved: bool) -> course.Result:
        kept = output / f"{path.stem}-{'solved' if solved else 'as-found'}-{number}"
        result = course.execute(path, output=kept, solutions=solved)
        if result.passed:
            shutil.rmtree(kept)
        return result

    def report(task: _Task, result: course.Result) -> None:
        number, path, solved = task
        form = "solved" if solved else "as found"
        count.add(f"{path.stem}, {form}", problem=result.problem)
        say(f"{number}: {form}, {result.line()}")

    waiting = tasks()
    with ThreadPoolExecutor(at_once) as pool:
        running: dict[Future[course.Result], _Task] = {}
        while True:
            while len(running) < at_once and time.monotonic() < until:
                if (task := next(waiting, None)) is None:
                    break
                running[pool.submit(one, *task)] = task
            if not running:
                break
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                report(running.pop(done), done.result())
    count.seconds += time.monotonic() - begin
