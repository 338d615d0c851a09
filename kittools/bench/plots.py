"""How long the pictures of many records take, and how much memory.

What counts is the call of the plot function and the writing of the PNG (Agg, 800 pixels wide). What
does not: making the journal, and the first picture of a process, which loads fonts. Each
measurement has a process of its own.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import io
import itertools
import sys
import time
from pathlib import Path

import numpy as np

from kitlib.journal import Journal, Row
from kittools.bench._alone import answer, ask
from kittools.bench._table import Figure, Report

SIZES = (10_000, 100_000, 1_000_000)
PLOTS = ("plot_order", "plot_lag")
_PARTITIONS = 6


def plots(runs: int = 5, sizes: tuple[int, ...] = SIZES) -> Report:
    """Measure each picture `runs` times. sizes: of the logs in records, or measurements of lag."""
    answers: dict[tuple[str, int], list[dict[str, float]]] = {}
    for _ in range(runs):
        for plot, size in itertools.product(PLOTS, sizes):
            answers.setdefault((plot, size), []).append(ask("plots", plot=plot, size=size))
    figures = []
    for (plot, size), each in answers.items():
        name = f"{plot}, {size:,} of a journal"
        target = 0.5 if size == max(SIZES) else None
        figures.append(Figure(name, "s", [run["seconds"] for run in each], target))
        if "megabytes" in each[0]:
            figures.append(Figure(f"{name}: memory", "MB", [run["megabytes"] for run in each]))
    return Report(figures, f"{runs} runs, each in a process of its own")


# -- in the process that draws --------------------------------------------------------------------


def order_rows(size: int) -> Journal:
    """A log of `size` records, as `Kafka.read` gives it."""
    each = -(-size // _PARTITIONS)
    return Journal(
        Row(1e9 + n % each / 100, "broker", "stored", "requests", n // each, n % each,
            f"S{n % 200:04}", "x")
        for n in range(size)
    )  # fmt: skip


def lag_rows(size: int) -> Journal:
    """`size` measurements of a lag that wanders, taken five times a second."""
    steps = np.random.default_rng(7).integers(-50, 51, (size // _PARTITIONS + 1, _PARTITIONS))
    lag = np.abs(steps.cumsum(axis=0)).ravel().tolist()
    return Journal(
        Row(1e9 + n // _PARTITIONS / 5, "lag meter", "lag", "requests", n % _PARTITIONS, 0,
            group="registrar", detail={"lag": lag[n], "end": lag[n]})
        for n in range(size)
    )  # fmt: skip


def measure(plot: str, size: int) -> dict[str, float]:
    """Draw once: the "seconds" and, on Linux, by how many "megabytes" memory grew at its peak.

    plot: one of `PLOTS`.
    """
    import matplotlib as mpl

    mpl.use("agg")
    import kitlib as kit

    draw, make = getattr(kit, plot), {"plot_order": order_rows, "plot_lag": lag_rows}[plot]
    draw(make(60)).figure.savefig(io.BytesIO(), format="png")
    journal = make(size)
    gc.collect()
    before = _memory(reset=True)
    begin = time.perf_counter()
    draw(journal).figure.savefig(io.BytesIO(), format="png")
    measured = {"seconds": time.perf_counter() - begin}
    if before is not None:
        measured["megabytes"] = (_memory() or 0) - before
    return measured


def _memory(*, reset: bool = False) -> float | None:
    """The most megabytes that were resident since the last reset; None except on Linux."""
    if sys.platform != "linux":
        return None
    if reset:
        with contextlib.suppress(AttributeError):  # a C library that is not GNU's
            ctypes.CDLL("").malloc_trim(0)  # growth into memory held, but free, would not show
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text().split("VmHWM:")[1]
    return int(status.split()[0]) / 1024


if __name__ == "__main__":
    answer(measure)
