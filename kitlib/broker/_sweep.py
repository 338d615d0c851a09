"""Clears away what brokers of earlier processes left behind, if those were ended by force.

Normally a guard removes its broker and the data. If the guard itself was killed, or the machine
lost power, a run folder stays whose guard is gone: this module finds it, ends its broker and
removes it. A broker whose guard is alive is left alone.
"""

import contextlib
import json
import time
from pathlib import Path

import psutil

from kitlib.broker import _parts as parts

_FILE = "run.json"
# A run folder without a note of its processes may be about to get one.
_GRACE_S = 60


def note(folder: Path, guard_pid: int, pid: int) -> None:
    """Write down which processes own a run folder: the guard, and what it guards."""
    with contextlib.suppress(psutil.Error, OSError):
        owners = [[owner, psutil.Process(owner).create_time()] for owner in (guard_pid, pid)]
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
    stale = [folder for folder in (parts.cache_folder() / "runs").glob("*") if _stale(folder)]
    for folder in stale:
        with contextlib.suppress(OSError):
            parts.remove(folder)
    return [folder for folder in stale if not folder.exists()]


def _stale(folder: Path) -> bool:
    """Whether no guard looks after a run folder; a broker left there is ended."""
    try:
        guard, child = json.loads((folder / _FILE).read_bytes())
        if _alive(folder, *guard):
            return False
        if orphan := _alive(folder, *child):
            with contextlib.suppress(psutil.Error):
                orphan.kill()
                orphan.wait(5)
        return True
    except (OSError, ValueError, TypeError):  # no note, or half of one
        with contextlib.suppress(OSError):
            # abs: a folder from the future is old as well; the clock was set back.
            return abs(time.time() - folder.stat().st_mtime) > _GRACE_S
        return False
