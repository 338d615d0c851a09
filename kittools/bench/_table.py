"""Figures as every benchmark reports them: median and spread of its runs, and the target.

Nothing passes or fails here: the table shows whether a target is met.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import platform
import statistics
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import psutil

from kitlib.broker import _parts as parts


@dataclass(frozen=True)
class Figure:
    """What was measured, the unit, and the value of each run.

    target: the most that the median should be or, with at_least, the least; None for no target.
    """

    what: str
    unit: str
    values: list[float]
    target: float | None = None
    at_least: bool = False

    @property
    def median(self) -> float:
        """The middle of the values."""
        return statistics.median(self.values)

    @property
    def met(self) -> bool | None:
        """Whether the median meets the target; None without a target."""
        if self.target is None:
            return None
        return self.median >= self.target if self.at_least else self.median <= self.target

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Figure:
        """The figure that became this row in `to_json`."""
        return cls(*(row[field.name] for field in fields(cls)))

    def to_json(self) -> dict[str, Any]:
        """The fields, and what follows from them."""
        spread = {"min": min(self.values), "max": max(self.values)}
        return {**asdict(self), "median": self.median, **spread, "met": self.met}

    def cells(self) -> tuple[str, ...]:
        """The row of the table, in the order of `COLUMNS`."""
        limit = "at least" if self.at_least else "at most"
        target = "" if self.target is None else f"{limit} {self._text(self.target)}"
        met = {True: "yes", False: "no", None: ""}[self.met]
        spread = f"{_number(min(self.values))} to {_number(max(self.values))}"
        return (self.what, self._text(self.median), spread, target, met)

    def _text(self, value: float) -> str:
        return f"{_number(value)} {self.unit}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


@dataclass(frozen=True)
class Report:
    """The figures of one benchmark. how: in a few words, how they were taken."""

    figures: list[Figure]
    how: str

    def to_json(self) -> dict[str, Any]:
        """All of it, for other programs; "rows" are the figures."""
        rows = [figure.to_json() for figure in self.figures]
        day = datetime.datetime.now(datetime.UTC).date().isoformat()
        return {"rows": rows, "how": self.how, "machine": machine(), "day": day}


COLUMNS = ("what", "median", "spread", "target", "met")


def machine() -> str:
    """What the figures were taken on: system, processor, memory, Python and Kafka."""
    facts = [
        f"{platform.system()} {platform.machine()}",
        *_processor(),
        f"{os.cpu_count()} cores",
        f"{psutil.virtual_memory().total / 2**30:.0f} GB of memory",
        f"Python {platform.python_version()}",
        f"Kafka {parts.KAFKA_VERSION}",
    ]
    return ", ".join(facts)


def _processor() -> list[str]:
    """The name of the processor, where the system has it in a file (Linux)."""
    with contextlib.suppress(OSError, IndexError):
        return [Path("/proc/cpuinfo").read_text("utf-8").split("model name\t: ")[1].splitlines()[0]]
    return []
