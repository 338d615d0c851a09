"""Clears away what brokers of earlier, violently ended processes may have left.

A guard removes its broker and the data itself. Only where the guard could not (it was killed, the
machine lost power) something stays: then this finds the run folder whose guard is gone.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from pathlib import Path

import psutil

from . import parts

_FILE = "run.json"
# A run folder without a note of its processes may be one that is just being started.
_GRACE_S = 60


def note(folder: Path, *pids: int) -> None:
    """Write down which processes own a run folder: guard first, then what it guards."""
    with contextlib.suppress(psutil.Error, OSError):
        owners = [[pid, psutil.Process(pid).create_time()] for pid in pids]
        (folder / _FILE).write_text(json.dumps(owners), "ascii")


def _alive(pid: int, born: float) -> psutil.Process | None:
    """The process, unless it is gone and its number belongs to another one by now."""
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - born) < 1
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.Error:
        return None


def sweep() -> list[Path]:
    """End stale brokers and remove their folders; returns the folders removed."""
    removed = []
    for folder in (parts.cache_folder() / "runs").glob("*"):
        try:
            guard, child = json.loads((folder / _FILE).read_text("ascii"))
        except (OSError, ValueError):
            with contextlib.suppress(OSError):
                if time.time() - folder.stat().st_mtime > _GRACE_S:
                    shutil.rmtree(folder, ignore_errors=True)
                    removed.append(folder)
            continue
        if _alive(*guard):
            continue
        if orphan := _alive(*child):
            with contextlib.suppress(psutil.Error):
                orphan.kill()
                orphan.wait(5)
        shutil.rmtree(folder, ignore_errors=True)
        removed.append(folder)
    return removed
