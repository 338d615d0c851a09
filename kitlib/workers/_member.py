"""One worker as the notebook sees it: its process, its state, and the rows about its life.

Each member has a thread that starts its process and follows it to its end, so that an interrupt of
the notebook never meets a process half started. The rows that the worker writes pass through here
into the journal. Which members form a team, and what ends them together, is not decided here.
"""

import json
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from kitlib._wait import wait_until
from kitlib.errors import KitError
from kitlib.journal import KINDS, Journal, parse
from kitlib.process import Guarded
from kitlib.workers import _nursery

GRACE_S = 10.0  # between the request to end and the kill


class Member:
    """A worker process.

    state: "starting", then "running" or "paused", at last "closed" (its function returned),
    "killed" or "failed". reason: a phrase on why it ended. task: what goes to the process, see
    `_main`. options: what it was started with, to see whether a second start asks for the same.
    """

    def __init__(self, name: str, task: dict[str, Any], journal: Journal, options: str) -> None:
        self.name = name
        self.options = options
        self.state = "starting"
        self.reason = ""
        self.process: Guarded | None = None
        self.launched = threading.Event()  # there is a process, or it could not be started
        self.ready = threading.Event()  # its function was called, or it ended
        self.ended = threading.Event()
        self.started = False  # whether its function was called
        self._task = task
        self._journal = journal
        self._wanted = ""  # "closed" or "killed", once one of them was asked for
        threading.Thread(target=self._run, name=f"worker {name}", daemon=True).start()

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process else None

    @property
    def running(self) -> bool:
        """Whether it has not ended; a paused one runs."""
        return not self.ended.is_set()

    def _run(self) -> None:
        try:
            self.process = _nursery.launch(self._on_line, GRACE_S)
            self.process.send(json.dumps(self._task))
        except Exception as error:
            self.state, self.reason = "failed", f"{self.name} could not be started: {error}"
        self._task = {}  # it may be large
        self.launched.set()
        if self.process:
            self._conclude(self.process)
        self.ended.set()
        self.ready.set()

    def _on_line(self, line: str) -> None:
        if line.startswith("!ready "):
            self.started, self.state = True, "running"
            self._add_row("started", at=float(line.split()[1]), pid=self.pid)
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

    def _conclude(self, process: Guarded) -> None:
        """Await the end, settle state and reason, and add the last row, after all of its own."""
        status = process.wait()
        if status == 0 or (not self.started and self._wanted):
            asked = self._wanted == "closed"
            self.state = "closed"
            self.reason = "it was asked to end" if asked else "its function returned"
        elif self._wanted == "killed":
            self.state, self.reason = "killed", self.reason or "by kill()"
        elif status == 1 and self.reason:
            self.state = "failed"  # its own row says why
            if self.started:
                print(self.reason, file=sys.stderr)
        elif self._wanted == "closed":
            self.state = "killed"
            self.reason = (
                f"it was asked to end and had not ended {GRACE_S:g} s later: its loop must check "
                "me.stopping, and a consumer's close() waits for a rebalance that is under way"
            )
        elif status == 137:  # SIGKILL
            self.state = "killed"
            others = "another program killed it, or the machine ran out of memory"
            self.reason = process.killer() or others
        else:
            self.state = "failed"
            self.reason = f"{self.name} failed: its process ended with status {status}"
            self._add_row("failed", value=self.reason, status=status)
        if self.started and self.state != "failed":
            self._add_row(self.state, reason=self.reason)

    def _add_row(
        self, kind: str, at: float | None = None, value: str | None = None, **detail: Any
    ) -> None:
        detail = {"what": "worker"} | detail
        self._journal.add(kind, actor=self.name, time=at, value=value, detail=detail)

    # -- orders ----------------------------------------------------------------------------------

    def ask_to_end(self) -> None:
        self.launched.wait()
        if self.process and self.running:
            self._wanted = self._wanted or "closed"
            self.process.resume()  # a frozen process would not notice
            self.process.terminate()

    def kill(self) -> None:
        self.launched.wait()
        if self.process and self.running:
            self._wanted = "killed"
            self.process.kill()

    def pause(self) -> None:
        """Freeze a running process; returns when it is frozen."""
        if self.process and self.state == "running":
            self.process.pause()
            wait_until(self._is_frozen, f"{self.name} is frozen")
            self.state = "paused"
            self._add_row("paused")

    def resume(self) -> None:
        """Let a frozen process go on."""
        if self.process and self.state == "paused":
            self.state = "running"
            self._add_row("resumed")
            self.process.resume()

    def _is_frozen(self) -> bool:
        import psutil

        try:
            return bool(psutil.Process(self.pid).status() == psutil.STATUS_STOPPED)
        except psutil.NoSuchProcess:
            return True


def wait_all(events: Sequence[threading.Event], timeout_s: float) -> bool:
    """Wait until all of these have happened; False if `timeout_s` seconds pass first.

    It waits in short steps, as Windows does not interrupt a long wait.
    """
    deadline = time.monotonic() + timeout_s
    while not all(event.wait(0.1) for event in events):
        if time.monotonic() >= deadline:
            return False
    return True


def unique_names(names: tuple[str, ...]) -> list[str]:
    """Each of these names once. Raises KitError unless all can be names, and for none at all."""
    wrong = [name for name in names if not isinstance(name, str) or not name.strip()]
    if wrong or not names:
        raise KitError(
            f"Expected a worker's name, got {wrong[0]!r}" if wrong else "No worker was named",
            fix='Write team.start("ana", "ben") or team.close("ana"); team.stop() ends all of them',
        )
    return list(dict.fromkeys(names))


def check_kill_at(kill_at: Any) -> None:
    """Raise KitError unless this is a kind of row and a count, or None."""
    match kill_at:
        case None:
            return
        case (str(kind), int(count)) if kind in KINDS and count >= 1:
            return
    raise KitError(
        f"Expected kill_at to be a kind of row and a count, got {kill_at!r}",
        'kill_at=("processed", 5) kills the worker with its fifth "processed" row',
        f"The count is at least 1, and the kinds are {', '.join(KINDS)}.",
    )
