"""Clears away what brokers of earlier processes left behind, if those were ended by force.

Normally a guard removes its broker and the data. If the guard itself was killed, or the machine
lost power, a run folder stays whose guard is gone: this module finds it, ends its broker and
removes it. A broker whose guard is alive is left alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import tempfile
import time
from pathlib import Path

import psutil

from kitlib.broker import _parts as parts

_FILE = "run.json"
# A run folder without a note of its processes may be about to get one.
_GRACE_S = 60


def run_folder() -> Path:
    """A path for one broker's data; the guard makes the folder, and removes it.

    Raises KitError when the cache folder cannot be written.
    """
    with parts.cache() as folder:
        return parts.private(folder / "runs") / f"{os.getpid()}-{secrets.token_hex(4)}"


def new_run_folder() -> Path:
    """Make a folder that only its owner can open; the caller removes it.

    Raises KitError when the cache folder cannot be written.
    """
    with parts.cache() as folder:
        runs = parts.private(folder / "runs")
        made = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=runs))
        note(made, os.getpid(), os.getpid())
        return made


def note(folder: Path, *pids: int) -> None:
    """Write down which processes own a run folder: guard first, then what it guards."""
    with contextlib.suppress(psutil.Error, OSError):
        owners = [[pid, psutil.Process(pid).create_time()] for pid in pids]
        (folder / _FILE).write_text(json.dumps(owners), "ascii")


def _alive(folder: Path, pid: int, born: float) -> psutil.Process | None:
    """The process; None if it is gone, even if another process has its number by now."""
    try:
        process = psutil.Process(pid)
        # Setting the clock shifts the time of birth; but the command line names the folder.
        same = abs(process.create_time() - born) < 1 or folder.name in " ".join(process.cmdline())
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.Error:
        return None


def sweep() -> list[Path]:
    """End stale brokers and remove their folders; returns the folders removed."""
    removed = []
    for folder in (parts.cache_folder() / "runs").glob("*"):
        try:
            guard, child = [
                (int(pid), float(born)) for pid, born in json.loads((folder / _FILE).read_bytes())
            ]
        except (OSError, ValueError, TypeError):
            with contextlib.suppress(OSError):
                # abs: a folder from the future is old as well; the clock was set back.
                if abs(time.time() - folder.stat().st_mtime) > _GRACE_S:
                    removed += _removed(folder)
            continue
        if _alive(folder, *guard):
            continue
        if orphan := _alive(folder, *child):
            with contextlib.suppress(psutil.Error):
                orphan.kill()
                orphan.wait(5)
        removed += _removed(folder)
    return removed


def _removed(folder: Path) -> list[Path]:
    """Remove a run folder; returns it in a list, or [] if it cannot be removed."""
    with contextlib.suppress(OSError):
        parts.remove(folder)
    return [] if folder.exists() else [folder]
