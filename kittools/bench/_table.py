"""Figures as every benchmark gives them: runs, median and spread, the target beside them.

Nothing passes or fails here: a target that is missed is said, not raised.
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
    """What was measured, in which unit, and each value. target: at most, or with at_least at least,
    this; None where there is none."""

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
        """Whether the median meets the target; None without one."""
        if self.target is None:
            return None
        return self.median >= self.target if self.at_least else self.median <= self.target

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Figure:
        """The figure of a row that `Report.to_json` made."""
        return cls(*(row[field.name] for field in fields(cls)))

    def cells(self) -> tuple[str, ...]:
        """A row of the table, as text."""
        target = "" if self.target is None else self._text(self.target)
        word = ("at least " if self.at_least else "at most ") if target else ""
        met = {True: "yes", False: "no", None: ""}[self.met]
        spread = f"{_number(min(self.values))} to {_number(max(self.values))}"
        return (self.what, self._text(self.median), spread, word + target, met)

    def _text(self, value: float) -> str:
        return f"{_number(value)} {self.unit}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


@dataclass(frozen=True)
class Report:
    """The figures of one benchmark; how: how they were taken, in a few words."""

    figures: list[Figure]
    how: str

    def to_json(self) -> dict[str, Any]:
        """Everything, for other programs; "rows" are the figures."""
        rows = [
            asdict(one)
            | {"median": one.median, "min": min(one.values), "max": max(one.values), "met": one.met}
            for one in self.figures
        ]
        day = datetime.datetime.now(datetime.UTC).date().isoformat()
        return {"rows": rows, "how": self.how, "machine": machine(), "day": day}


COLUMNS = ("what", "median", "spread", "target", "met")


def machine() -> str:
    """What the figures were taken on."""
    memory = f"{psutil.virtual_memory().total / 2**30:.0f} GB of memory"
    kind = (
        f"{platform.system()} {platform.machine()}, {_processor()}{os.cpu_count()} cores, {memory}"
    )
    return f"{kind}, Python {platform.python_version()}, Kafka {parts.KAFKA_VERSION}"


def _processor() -> str:
    """The name of the processor, where the system tells it."""
    with contextlib.suppress(OSError, IndexError):
        told = Path("/proc/cpuinfo").read_text("utf-8").split("model name\t: ")[1]
        return told.splitlines()[0] + ", "
    return ""
