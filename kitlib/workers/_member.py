"""One worker as the notebook sees it: its process, its state, and the rows about its life.

Everything happens on a thread of the member's own, so that an interrupt of the notebook never meets
a process half started. The rows that the worker itself writes pass through here into the journal.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kitlib.errors import KitError
from kitlib.journal import KINDS, Journal, parse
from kitlib.process import Guarded
from kitlib.workers import _nursery

GRACE_S = 10.0
_ROOT = str(Path(__file__).parents[2])
# Collecting garbage during the imports costs a tenth of the start.
_CODE = (
    "import gc, sys; gc.disable(); sys.path.insert(0, sys.argv[1]); "
    "from kitlib.workers._main import main; sys.exit(main())"
)


class Member:
    """A worker process. state: "starting", then "running" or "paused", at last "closed" (its
    function returned), "killed" or "failed". reason: a sentence on why it ended.

    spec: what goes to the process, see `_main`. options: what it was started with, to tell
    whether a second start asks for the same.
    """

    def __init__(self, name: str, spec: dict[str, Any], journal: Journal, options: str) -> None:
        self.name = name
        self.options = options
        self.state = "starting"
        self.reason = ""
        self.process: Guarded | None = None
        self.launched = threading.Event()
        self.ready = threading.Event()  # its function was called, or it ended
        self.ended = threading.Event()
        self._spec = spec
        self._journal = journal
        self.started = False
        self._wanted = ""  # "closed" or "killed", once one of them was asked for
        threading.Thread(target=self._live, name=f"worker {name}", daemon=True).start()

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process else None

    @property
    def running(self) -> bool:
        """Whether it has not ended; a paused one runs."""
        return not self.ended.is_set()

    def _live(self) -> None:
        try:
            self.process = _nursery.hatch(self._line, GRACE_S) or Guarded(
                [sys.executable, "-u", "-c", _CODE, _ROOT], on_line=self._line, grace_s=GRACE_S
            )
            self.process.send(json.dumps(self._spec))
        except Exception as error:
            self.state, self.reason = "failed", f"{self.name} could not be started: {error}"
        self._spec = {}  # it may be large
        self.launched.set()
        if self.process:
            self._over(self.process.wait())
        self.ended.set()
        self.ready.set()

    def _line(self, line: str) -> None:
        if line.startswith("!ready "):
            self.started, self.state = True, "running"
            self._add("started", at=float(line.split()[1]), pid=self.pid)
            self.ready.set()
        elif line == "!kill":
            self._wanted, self.reason = "killed", "its kill_at was reached"
        else:
            try:
                row = parse(line.encode())
            except KitError:
                self._journal.add("printed", actor=self.name, value=line)
                return
            if row.kind == "failed" and row.detail and row.detail.get("what") == "worker":
                self.reason = row.value or ""
            self._journal.extend([row])

    def _over(self, status: int) -> None:
        """The process is gone and all its rows are in the journal: add the last one."""
        if status == 0 or (not self.started and self._wanted):
            asked = self._wanted == "closed"
            self.state = "closed"
            self.reason = "it was asked to" if asked else "its function returned"
        elif self._wanted == "killed":
            self.state = "killed"
            self.reason = self.reason or "by kill()"
        elif status == 1 and self.reason:
            self.state = "failed"  # its own row says why
            if self.started:
                print(self.reason, file=sys.stderr)
        elif status == 137 or self._wanted == "closed":
            self.state = "killed"
            self.reason = (
                f"it was asked to end and did not within {GRACE_S:g} s: its loop must look at "
                "me.stopping, and a consumer's close() waits for a rebalance that is under way"
                if self._wanted == "closed"
                else "by somebody else, or for want of memory"
            )
        else:
            self.state = "failed"
            self.reason = f"{self.name} failed: its process ended with status {status}"
            self._journal.add(
                "failed", actor=self.name, value=self.reason,
                detail={"what": "worker", "status": status},
            )  # fmt: skip
        if self.started and self.state != "failed":
            self._add(self.state, reason=self.reason)

    def _add(self, kind: str, at: float | None = None, **detail: Any) -> None:
        self._journal.add(kind, actor=self.name, time=at, detail={"what": "worker"} | detail)

    # -- orders; each returns at once ------------------------------------------------------------

    def ask_to_end(self) -> None:
        self.launched.wait()
        if self.process and self.running:
            self._wanted = self._wanted or "closed"
            self.process.resume()  # a frozen process would not hear it
            self.process.terminate()

    def kill(self) -> None:
        self.launched.wait()
        if self.process and self.running:
            self._wanted = "killed"
            self.process.kill()

    def pause(self) -> None:
        assert self.process is not None
        self.process.pause()

    def paused(self) -> None:
        """It was seen to be frozen."""
        self.state = "paused"
        self._add("paused")

    def resume(self) -> None:
        assert self.process is not None
        self.state = "running"
        self._add("resumed")
        self.process.resume()

    @property
    def frozen(self) -> bool:
        """Whether the process is stopped, or gone."""
        import psutil

        try:
            return bool(psutil.Process(self.pid).status() == psutil.STATUS_STOPPED)
        except psutil.NoSuchProcess:
            return True


def wait_all(events: Iterable[threading.Event], timeout_s: float) -> bool:
    """Wait until all of these have happened; False if the time is over first.

    In short waits, as Windows does not interrupt a long one.
    """
    deadline = time.monotonic() + timeout_s
    for event in events:
        while not event.wait(min(0.2, max(0.0, deadline - time.monotonic()))):
            if time.monotonic() >= deadline:
                return False
    return True


def check_names(names: tuple[str, ...]) -> None:
    """Raise KitError unless these are names of workers, at least one."""
    wrong = [name for name in names if not isinstance(name, str) or not name.strip()]
    if wrong or not names:
        raise KitError(
            f"{wrong[0]!r} is not a worker's name" if wrong else "No worker was named",
            fix='Name them: team.start("ana", "ben"), team.close("ana"); team.stop() ends all',
        )


def check_kill_at(kill_at: Any) -> None:
    """Raise KitError unless this is a kind of row and a number, or None."""
    try:
        if kill_at is None:
            return
        kind, count = kill_at
        good = kind in KINDS and isinstance(count, int) and count >= 1
    except (TypeError, ValueError):
        good = False
    if not good:
        raise KitError(
            f"kill_at={kill_at!r} says no moment",
            "It is a kind of row and a number from 1 on",
            f'Write kill_at=("processed", 5). The kinds are {", ".join(KINDS)}.',
        )
