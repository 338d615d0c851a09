"""How long the lessons take to execute, as a learner finds them, one after the other."""

from __future__ import annotations

from collections.abc import Callable

from kitlib import course as lessons
from kitlib.errors import KitError

from ._table import Figure, Report

TARGET_S = 240.0


def course(runs: int = 1, say: Callable[[str], object] = print) -> Report:
    """Execute all lessons `runs` times; say: is told the line of each. Raises KitError if one of
    them fails: the time of a lesson that stopped says nothing."""
    if runs < 1:
        raise KitError("At least one run is needed", f"--runs is {runs}")
    seconds: dict[str, list[float]] = {}
    for _ in range(runs):
        for path in lessons.find():
            result = lessons.execute(path)
            say(result.line())
            if not result.passed:
                raise KitError(f"Lesson {path.stem} failed", result.problem)
            seconds.setdefault(path.stem, []).append(result.seconds)
    figures = [Figure(name, "s", values) for name, values in seconds.items()]
    whole = [sum(run) for run in zip(*seconds.values(), strict=True)]
    figures.append(Figure("the whole course", "s", whole, TARGET_S))
    return Report(figures, f"{runs} runs")
