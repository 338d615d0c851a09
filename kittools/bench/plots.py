"""How long the pictures of many records take, and how much memory.

Measured is the call of the plot function and the writing of the PNG (Agg, 800 pixels wide). Not
measured are the making of the journal or DataFrame, and the first picture of a process, which loads
fonts. Each measurement is a process of its own.
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

from kitlib.errors import KitError
from kitlib.journal import Journal, Row
from kittools.bench._alone import answer, ask
from kittools.bench._table import Figure, Report

SIZES = (10_000, 100_000, 1_000_000)
PLOTS = ("plot_order", "plot_lag")
SOURCES = ("journal", "DataFrame")
_PARTITIONS = 6


def plots(runs: int = 5, sizes: tuple[int, ...] = SIZES) -> Report:
    """Measure each picture `runs` times. sizes: records, or measurements of lag."""
    if runs < 1:
        raise KitError("At least one run is needed", f"--runs is {runs}", "Give 5 or more.")
    found: dict[tuple[str, int, str], list[dict[str, float]]] = {}
    for number in range(runs):
        for plot in PLOTS:
            for size in sizes:
                for source in SOURCES if number % 2 else reversed(SOURCES):
                    told = ask("plots", plot=plot, size=size, source=source)
                    found.setdefault((plot, size, source), []).append(told)
    figures = []
    for plot, size, source in itertools.product(PLOTS, sizes, SOURCES):
        told_all = found[plot, size, source]
        name = f"{plot}, {size:,} of a {source}"
        target = 0.5 if size == max(SIZES) else None
        figures.append(Figure(name, "s", [one["seconds"] for one in told_all], target))
        if "megabytes" in told_all[0]:
            figures.append(Figure(f"{name}: memory", "MB", [one["megabytes"] for one in told_all]))
    return Report(figures, f"{runs} runs, each in a process of its own")


# -- in the process that draws --------------------------------------------------------------------


def order_rows(size: int) -> Journal:
    """A log as `Kafka.read` gives it."""
    each = -(-size // _PARTITIONS)
    return Journal(
        Row(1e9 + n % each / 100, "broker", "stored", "requests", n // each, n % each,
            f"S{n % 200:04}", "x")
        for n in range(size)
    )  # fmt: skip


def lag_rows(size: int) -> Journal:
    """Measurements of a lag that wanders, five times a second."""
    steps = np.random.default_rng(7).integers(-50, 51, (size // _PARTITIONS + 1, _PARTITIONS))
    lag = np.abs(steps.cumsum(axis=0)).ravel().tolist()
    return Journal(
        Row(1e9 + n // _PARTITIONS / 5, "lag meter", "lag", "requests", n % _PARTITIONS, 0,
            group="registrar", detail={"lag": lag[n], "end": lag[n]})
        for n in range(size)
    )  # fmt: skip


def measure(plot: str, size: int, source: str, picture: str = "") -> dict[str, float]:
    """Seconds, and on Linux the megabytes by which memory grew at most. picture: keep it there."""
    import matplotlib as mpl

    mpl.use("agg")
    import kitlib as kit

    draw, make = getattr(kit, plot), {"plot_order": order_rows, "plot_lag": lag_rows}[plot]
    draw(make(60)).figure.savefig(io.BytesIO(), format="png")
    journal = make(size)
    data = journal if source == "journal" else journal.to_frame()
    gc.collect()
    before = _memory(reset=True)
    begin = time.perf_counter()
    png = io.BytesIO()
    draw(data).figure.savefig(png, format="png")
    told = {"seconds": time.perf_counter() - begin}
    if before is not None:
        told["megabytes"] = (_memory() or 0) - before
    if picture:
        Path(picture).write_bytes(png.getvalue())
    return told


def _memory(*, reset: bool = False) -> float | None:
    """The most megabytes that were resident since the last reset; None where no kernel tells."""
    if sys.platform != "linux":
        return None
    if reset:
        with contextlib.suppress(AttributeError):  # a C library that is not GNU's
            ctypes.CDLL("").malloc_trim(0)  # memory that is free, but still held, would not count
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text().split("VmHWM:")[1]
    return int(status.split()[0]) / 1024


if __name__ == "__main__":
    answer(measure)
