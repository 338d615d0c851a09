"""How long the lessons take to execute, as a learner finds them, and where the seconds go.

A lesson's time is the start of its kernel, its first cell (imports, and the start of the broker),
the cells after it, and its end. For the cells after the first, the seconds that kernel, broker and
workers had a processor are kept apart from waiting. Waiting is the rest of a cell's time, so two
processes that work at once hide some of it. Lessons with solutions are not measured.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from kitlib.errors import KitError
from kittools import course as lessons
from kittools.bench._table import Figure, Report

TARGET_S = 240.0
PARTS = ("kernel start", "first cell", "processor", "waiting", "kernel end")


class _Watch:
    """Adds up the seconds that the cells of a lesson take; nbclient calls it around each."""

    def __init__(self) -> None:
        self.begin = time.perf_counter()
        self.spent = dict.fromkeys(PARTS, 0.0)
        self.cells = 0

    def started(self, **_: Any) -> None:
        if not self.cells:
            self.spent["kernel start"] = time.perf_counter() - self.begin
        self.cell, self.used = time.perf_counter(), _processor()

    def executed(self, **_: Any) -> None:
        self.end = time.perf_counter()
        took, used = self.end - self.cell, _processor() - self.used
        self.cells += 1
        if self.cells == 1:
            self.spent["first cell"] = took
        else:
            self.spent["processor"] += min(used, took)
            self.spent["waiting"] += max(took - used, 0)

    def ended(self) -> float:
        """The seconds of the whole lesson."""
        now = time.perf_counter()
        self.spent["kernel end"] = now - self.end
        return now - self.begin


def _processor() -> float:
    """Seconds that the descendants of this process have had a processor, ended ones included."""
    me = psutil.Process()
    total = sum(me.cpu_times()[2:4])
    for process in me.children(recursive=True):
        with suppress(psutil.Error):  # it may have ended meanwhile
            total += sum(process.cpu_times()[:4])
    return total


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr)


def course(
    runs: int = 1,
    progress: Callable[[str], object] = _to_stderr,
    paths: list[Path] | None = None,
) -> Report:
    """Execute all lessons, or those at `paths`, `runs` times. progress: is given a line for each.

    Raises KitError if a lesson fails: the time of one that stopped early means nothing.
    """
    import nbclient  # noqa: F401  # here, or its import would count as part of the first lesson

    seconds: dict[str, list[float]] = {}
    parts: dict[str, list[dict[str, float]]] = {}
    for _ in range(runs):
        for path in lessons.find() if paths is None else paths:
            watch = _Watch()
            hooks = {"on_cell_execute": watch.started, "on_cell_executed": watch.executed}
            result = lessons.execute(path, hooks=hooks)
            progress(result.line())
            if not result.passed:
                raise KitError(f"Lesson {path.stem} failed", result.problem)
            seconds.setdefault(path.stem, []).append(watch.ended())
            parts.setdefault(path.stem, []).append(watch.spent)
    figures = []
    for name, values in seconds.items():
        figures.append(Figure(name, "s", values))
        for part in PARTS:
            figures.append(Figure(f"{name}: {part}", "s", [spent[part] for spent in parts[name]]))
    for part in PARTS:
        whole = [sum(spent[part] for spent in run) for run in zip(*parts.values(), strict=True)]
        figures.append(Figure(f"the whole course: {part}", "s", whole))
    whole = [sum(run) for run in zip(*seconds.values(), strict=True)]
    figures.append(Figure("the whole course", "s", whole, TARGET_S))
    return Report(figures, f"{runs} runs")
