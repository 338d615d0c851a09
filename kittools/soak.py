"""`kit soak`: the faults of `tests/soak` at full length, then the whole course again and again.

`kit test` runs those tests in a short form; here each repeats its fault as often as its long form
asks for. Then the lessons are executed, as a learner finds them and solved, until the rounds or the
hours are over. The outcome is a count of runs and failures, and of what was skipped. A lesson that
failed is kept with its outputs. What the faults are is written in `docs/trust.md`, not here.
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
MACHINES = FAULTS / "test_machines.py"
_Task = tuple[int, Path, bool]  # round, lesson, solved?


@dataclass
class Count:
    """How often each thing ran, which runs failed or were skipped (a line each), and for how long.

    All are keyed by the name of a lesson or fault.
    """

    runs: Counter[str] = field(default_factory=Counter)
    failures: dict[str, list[str]] = field(default_factory=dict)
    skipped: dict[str, list[str]] = field(default_factory=dict)
    seconds: float = 0

    def add(self, what: str, times: int = 1, problem: str = "") -> None:
        """Count `times` runs; with a problem, the last of them failed."""
        self.runs[what] += times
        if problem:
            self.failures.setdefault(what, []).append(problem)

    def rows(self) -> list[tuple[str, int, int]]:
        """The name, the runs and the failures of each thing that ran."""
        return [(what, n, len(self.failures.get(what, ()))) for what, n in self.runs.items()]

    def to_json(self) -> dict[str, Any]:
        """All of it, for other programs."""
        return {
            "rows": [{"what": what, "runs": n, "failures": bad} for what, n, bad in self.rows()],
            "failures": self.failures,
            "skipped": self.skipped,
            "seconds": round(self.seconds),
        }


def faults(count: Count, output: Path, tests: Path = FAULTS) -> int:
    """Run the tests in `tests/soak` in their long form and count; returns pytest's exit status.

    output: folder for the report. A test reports how often it repeated its fault with
    `record_property("times", n)`, and with "what" a name of its own. Raises KitError if pytest
    itself fails, or skips every test.
    """
    begin = time.monotonic()
    output.mkdir(parents=True, exist_ok=True)
    report = output / "faults.xml"
    report.unlink(missing_ok=True)  # of the run before
    command = [sys.executable, "-m", "pytest", str(tests), "--long", f"--junitxml={report}"]
    status = subprocess.call(command, cwd=ROOT)
    if status not in (0, 1) or not report.exists():
        raise KitError(
            "The tests of the faults did not run to their end",
            f"pytest ended with status {status}",
            "Read what it printed above, then run `kit soak` again.",
        )
    for case in ElementTree.parse(report).iter("testcase"):
        told = {p.get("name"): p.get("value") or "" for p in case.iter("property")}
        name = (case.get("name") or "").removeprefix("test_").split("[")[0].replace("_", " ")
        what = told.get("what", name)
        lines = {part.tag: str(part.get("message")).partition("\n")[0] for part in case}
        if "skipped" in lines:
            count.skipped.setdefault(what, []).append(f"skipped: {lines['skipped']}")
            continue
        problem = lines.get("failure") or lines.get("error") or ""
        count.add(what, int(told.get("times") or 1), problem)
    if not count.runs:
        raise KitError(
            "Every fault was skipped, so nothing was tested",
            "\n".join(sorted({line for lines in count.skipped.values() for line in lines})),
            "Run it where a fault can be made (Linux), or the lessons alone with --no-faults.",
        )
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
    progress: Callable[[str], object] = print,
) -> None:
    """Execute the lessons in rounds, each as a learner finds it and solved, and count.

    output: folder where a lesson that failed is kept with its outputs. until: a time of
    `time.monotonic()` after which no lesson begins. at_once: how many lessons run side by side.
    progress: is given a line for each lesson. Raises KitError for a number without a lesson.
    """
    begin = time.monotonic()

    def tasks() -> Iterator[_Task]:
        for number in range(1, rounds + 1):
            for path in course.find(numbers):
                yield number, path, False
                yield number, path, True

    def execute(number: int, path: Path, solved: bool) -> course.Result:
        kept = output / f"{path.stem}-{'solved' if solved else 'as-found'}-{number}"
        result = course.execute(path, output=kept, solutions=solved)
        if result.passed:
            shutil.rmtree(kept)
        return result

    def report(task: _Task, result: course.Result) -> None:
        number, path, solved = task
        form = "solved" if solved else "as found"
        count.add(f"{path.stem}, {form}", problem=result.problem)
        progress(f"{number}: {form}, {result.line()}")

    to_do = tasks()
    with ThreadPoolExecutor(at_once) as pool:
        running: dict[Future[course.Result], _Task] = {}
        while True:
            while len(running) < at_once and time.monotonic() < until:
                if (task := next(to_do, None)) is None:
                    break
                running[pool.submit(execute, *task)] = task
            if not running:
                break
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                report(running.pop(done), done.result())
    count.seconds += time.monotonic() - begin
