"""Frames a second of a live view in a real JupyterLab, in Chromium, without a graphics card.

A journal holds 1,000 to 100,000 events, and 500 more arrive each second. Only frames that the view
drew are counted; the shares of a processor are the kernel's and the browser's meanwhile.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from kittools.bench._lab import browser, lab, run_all, write
from kittools.bench._table import Figure, Report

SIZES = (1_000, 10_000, 100_000)
SECONDS = 4.0
_CELL = """\
import os, threading, time
import kitlib as kit
from kitlib.journal import Row

journal = kit.Journal()


def event(n):
    return Row(time.time(), "front end", "acked", "t", n % 6, n // 6, f"S{{n % 200:04}}", "x")


journal.extend(event(n) for n in range({size}))


def more():
    for n in range({size}, {size} + 50_000):
        journal.extend([event(n)])
        time.sleep(0.002)


threading.Thread(target=more, daemon=True).start()
print("pid", os.getpid())"""
_VIEW = "document.querySelector('.kit-timeline')"


def _measure(page: Any, url: str, size: int) -> tuple[float, float, float]:
    """Frames a second, and the percent of a processor that the kernel and the browser take."""
    run_all(page, url)
    page.wait_for_function(f"Number({_VIEW}?.dataset.rows) > {size}", timeout=120_000)
    pid = int(page.inner_text("text=/^pid \\d+/ >> nth=-1").split()[-1])
    kernel = psutil.Process(pid)
    chrome = [p for p in psutil.process_iter() if "chrom" in p.name()]

    def spent() -> tuple[float, float]:
        times = [sum(process.cpu_times()[:2]) for process in chrome if process.is_running()]
        return sum(kernel.cpu_times()[:2]), sum(times)

    frames, before, begin = page.evaluate(f"Number({_VIEW}.dataset.frames)"), spent(), time.time()
    time.sleep(SECONDS)
    drawn = page.evaluate(f"Number({_VIEW}.dataset.frames)") - frames
    after, passed = spent(), time.time() - begin
    return drawn / passed, *(100 * (b - a) / passed for a, b in zip(before, after, strict=True))


def live(runs: int = 3) -> Report:
    """Measure each size `runs` times, each time in a new kernel and page.

    Raises KitError without a Chromium, or if JupyterLab does not start.
    """
    figures = []
    with tempfile.TemporaryDirectory(prefix="kit-live-") as scratch, browser() as chrome:
        folder = Path(scratch)
        with lab(folder) as url:
            for size in SIZES:
                values = []
                for run in range(runs):
                    name = f"live-{size}-{run}.ipynb"
                    write(folder / name, _CELL.format(size=size), "kit.LiveOrder(journal)")
                    page = chrome.new_page(viewport={"width": 1280, "height": 900})
                    values.append(_measure(page, url.format(name), size))
                    page.close()
                frames, kernel, shown = zip(*values, strict=True)
                figures += [
                    Figure(f"{size:,} events", "frames/s", list(frames), 20.0, at_least=True),
                    Figure(f"{size:,} events: kernel", "% of a core", list(kernel)),
                    Figure(f"{size:,} events: browser", "% of a core", list(shown)),
                ]
    return Report(figures, f"{runs} runs, {SECONDS:g} s each")
