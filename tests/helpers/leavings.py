"""What an owner may leave behind: processes, folders of its brokers, temporary files."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from pathlib import Path

import psutil

from kitlib.broker import _parts as parts

ROOT = Path(__file__).parents[2]
MARK = "KIT_TEST_MARK"


class Leavings:
    """Follows all that comes of one owner, wherever it moved to: by a mark in the environment.

    temporary: a folder of this owner's own, which becomes its TMPDIR.
    """

    def __init__(self, temporary: Path) -> None:
        self._mark = uuid.uuid4().hex
        self._temporary = temporary
        self._seen: set[psutil.Process] = set()
        temporary.mkdir(exist_ok=True)
        temporary.chmod(0o755)
        self.environment = os.environ | {
            MARK: self._mark,
            "TMPDIR": str(temporary),
            "PYTHONPATH": str(ROOT),
        }

    def processes(self) -> list[psutil.Process]:
        """The processes of this owner that run now, itself included."""
        self._seen.update(marked(self._mark))
        # A server may clean its environment, but not its ancestry.
        for process in list(self._seen):
            with contextlib.suppress(psutil.Error):
                self._seen.update(process.children(recursive=True))
        return [one for one in self._seen if _runs(one)]

    def folders(self) -> list[Path]:
        """Data directories of its brokers and temporary files."""
        owners = {str(one.pid) for one in self._seen}
        runs = (parts.cache_folder() / "runs").glob("*")
        ours = [run for run in runs if run.name.split("-")[0] in owners]
        return [*ours, *self._temporary.iterdir()]

    def after(self, seconds: float) -> tuple[list[str], float]:
        """What is still there after at most so long, in words; and when the last of it went."""
        begin = time.monotonic()
        while True:
            left = [" ".join(_words(one)) for one in self.processes()]
            left += map(str, self.folders())
            if not left or time.monotonic() - begin > seconds:
                return left, time.monotonic() - begin
            time.sleep(0.05)


def marked(mark: str) -> list[psutil.Process]:
    """The processes whose environment has the mark, whoever their parents are."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == mark:
                found.append(process)
    return found


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _words(process: psutil.Process) -> list[str]:
    try:
        return [str(process.pid), *process.cmdline()[:6]]
    except psutil.Error:
        return [str(process.pid)]
