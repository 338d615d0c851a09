"""How long the lessons take to execute, as a learner finds them, and what the seconds went into.

A lesson's time is the start of its kernel, its first cell (imports, and the start of the broker),
the cells after it, and its end. In the cells after it the seconds that kernel, broker and workers
spent on a processor are told apart from waiting. Waiting is what they did not spend of a cell's
time, so that work of two processes at once hides some of it.
"""

from __future__ import annotations

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
    """Adds up what the cells of one lesson took; nbclient calls it around each."""

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
        """What the whole lesson took."""
        now = time.perf_counter()
        self.spent["kernel end"] = now - self.end
        return now - self.begin


def _processor() -> float:
    """Seconds that the processes below this one have had a processor, the ended ones too."""
    me = psutil.Process()
    total = sum(me.cpu_times()[2:4])
    for process in me.children(recursive=True):
        with suppress(psutil.Error):  # it may end just now
            total += sum(process.cpu_times()[:4])
    return total


def course(
    runs: int = 1,
    say: Callable[[str], object] = print,
    paths: list[Path] | None = None,
) -> Report:
    """Execute all lessons, or those at `paths`, `runs` times; say: is told the line of each.

    Raises KitError if one of them fails: the time of a lesson that stopped says nothing.
    """
    if runs < 1:
        raise KitError("At least one run is needed", f"--runs is {runs}")
    import nbclient  # noqa: F401  # so that its import is no part of the first lesson

    seconds: dict[str, list[float]] = {}
    parts: dict[str, list[dict[str, float]]] = {}
    for _ in range(runs):
        for path in lessons.find() if paths is None else paths:
            watch = _Watch()
            hooks = {"on_cell_execute": watch.started, "on_cell_executed": watch.executed}
            result = lessons.execute(path, hooks=hooks)
            say(result.line())
            if not result.passed:
                raise KitError(f"Lesson {path.stem} failed", result.problem)
            seconds.setdefault(path.stem, []).append(watch.ended())
            parts.setdefault(path.stem, []).append(watch.spent)
    figures = []
    for name, values in seconds.items():
        figures.append(Figure(name, "s", values))
        for part in PARTS:
            figures.append(Figure(f"{name}: {part}", "s", [one[part] for one in parts[name]]))
    for part in PARTS:
        whole = [sum(one[part] for one in run) for run in zip(*parts.values(), strict=True)]
        figures.append(Figure(f"the whole course: {part}", "s", whole))
    whole = [sum(run) for run in zip(*seconds.values(), strict=True)]
    figures.append(Figure("the whole course", "s", whole, TARGET_S))
    return Report(figures, f"{runs} runs")
