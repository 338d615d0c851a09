"""A team of workers: consumers and producers that can really be closed, crashed and frozen.

A team starts its workers, ends them in the way that the lesson is about, and journals what they
report. They end with the notebook, and when a cell is interrupted. They see the notebook's values
as these were when they started, and send back nothing but rows.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from html import escape
from types import FunctionType
from typing import TYPE_CHECKING, Any

from kitlib._notebook import after_each_cell
from kitlib.errors import KitError, unknown, wrong_type
from kitlib.journal import Journal, expect_journal
from kitlib.workers import _nursery, _ship
from kitlib.workers._member import GRACE_S, Member, check_kill_at, unique_names, wait_all

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Workers", "stop_all"]

START_S = 60.0
_teams: list[Workers] = []  # those that may have running workers


class Workers:
    """A team of processes that run one function.

    kafka: what `kit.connect()` or `kafka.behind(...)` returned. function: takes one argument, `me`:
    me.name, me.connection (`KafkaConsumer(..., **me.connection)`), me.stopping (bool: return soon),
    me.record(client), me.note(kind, record), and each parameter by its name. What it prints becomes
    "printed" rows. journal: where the rows go; without one the team makes its own, `team.journal`.
    params: parameters for all members. Raises KitError for a function that cannot be a worker.

    Each worker adds a row "started", and when it ends "closed" (it returned), "killed" or "failed".
    `{"what": "worker"}` in their detail tells them apart from the rows of a client.
    """

    def __init__(
        self, kafka: Any, function: Any, *, journal: Journal | None = None, **params: Any
    ) -> None:
        connection = getattr(kafka, "connection", kafka)
        if not isinstance(connection, Mapping) or "bootstrap_servers" not in connection:
            fix = "Write kit.Workers(kafka, function) with kafka = kit.connect()"
            raise wrong_type("a Kafka handle", kafka, fix)
        _ship.check_function(function, params)
        self.journal = Journal() if journal is None else expect_journal(journal)
        _nursery.warm()
        self._connection = dict(connection)
        self._function: FunctionType = function
        self._params = params
        self._members: dict[str, Member] = {}

    # -- starting --------------------------------------------------------------------------------

    def start(self, *names: str, kill_at: tuple[str, int] | None = None, **params: Any) -> Workers:
        """Start workers with these names; returns the team when they run.

        kill_at: ("processed", 5) kills the worker (SIGKILL) with its 5th row of that kind: the row
        is in the journal, and nothing after it was done. params: added to the team's, or in place
        of them.

        A cell can run twice: a worker that already runs as asked is left alone, and one that has
        ended starts again. Another team with a running worker of one of these names, such as an
        earlier run of the cell left behind, is stopped first. Raises KitError when a worker cannot
        start, or is already running with other parameters.
        """
        wanted = unique_names(names)
        check_kill_at(kill_at)
        params = self._params | params
        _ship.check_function(self._function, params)
        options = repr((kill_at, params))
        for name, member in self._running().items():
            if name in wanted and member.options != options:
                raise KitError(
                    f"{name} is already running with other parameters",
                    fix=f'End it with team.close("{name}"), or choose another name',
                )
        with self._ended_by_interrupt():
            self._take_over(wanted)
            new = [name for name in wanted if name not in self._running()]
            if new:
                after_each_cell(_after_cell)
                task = _ship.pack(self._function, params) | {
                    "connection": self._connection,
                    "kill_at": kill_at,
                    "path": sys.path,
                }
                for name in new:
                    self._members[name] = Member(name, task | {"name": name}, self.journal, options)
                self._await_start([self._members[name] for name in new])
            for name in wanted:
                self._members[name].resume()
        return self

    def _await_start(self, members: list[Member]) -> None:
        wait_all([member.ready for member in members], START_S)
        missing = [member for member in members if not member.started]
        reasons = [m.reason or f"{m.name} did not start within {START_S:g} s" for m in missing]
        for member in missing:
            member.kill()
        if missing:
            fix = "Check the notebook's values that the function uses, and its parameters"
            raise KitError(reasons[0], fix=fix)

    def _take_over(self, names: list[str]) -> None:
        for team in _teams:
            running = team._running()
            if team is not self and not running.keys().isdisjoint(names):
                print(f"Stopped an earlier team with the same names: {', '.join(running)}.")
                team.stop()
        _teams[:] = [team for team in _teams if team is not self and team._running()] + [self]

    # -- ending ----------------------------------------------------------------------------------

    def close(self, *names: str) -> None:
        """Ask these workers to end (SIGTERM, me.stopping), and wait until they have ended.

        A worker that has not ended after 10 s is killed, and its row says so. One that has ended
        already is left as it is.
        """
        with self._ended_by_interrupt():
            self._end(self._pick(names), kill=False)

    def kill(self, *names: str) -> None:
        """Crash these workers (SIGKILL), and wait until they are gone: they run no clean-up."""
        with self._ended_by_interrupt():
            self._end(self._pick(names), kill=True)

    def stop(self) -> None:
        """Close all running workers."""
        with self._ended_by_interrupt():
            self._end([*self._running().values()], kill=False)

    def wait(self, timeout_s: float = 60) -> None:
        """Wait until all workers have ended, by themselves or by their kill_at.

        Raises KitError when `timeout_s` seconds have passed, or when one of them has failed.
        """
        with self._ended_by_interrupt():
            self._wait(list(self._members.values()), timeout_s)
        for member in self._members.values():
            if member.state == "failed":
                raise KitError(
                    member.reason, fix="Its trace is in the journal: journal.rows('failed')"
                )

    def _end(self, members: list[Member], kill: bool) -> None:
        for member in members:
            member.kill() if kill else member.ask_to_end()
        self._wait(members, GRACE_S + 10)

    def _wait(self, members: list[Member], timeout_s: float) -> None:
        if not wait_all([member.ended for member in members], timeout_s):
            states = ", ".join(f"{m.name} is {m.state}" for m in members if m.running)
            raise KitError(
                f"Waited {timeout_s:g} s for workers to end: {states}",
                fix="End them with team.stop(), or wait longer with timeout_s=",
            )

    @contextlib.contextmanager
    def _ended_by_interrupt(self, kill: bool = False) -> Iterator[None]:
        """An interrupt ends the whole team, so that no member stays in its group."""
        try:
            yield
        except KeyboardInterrupt:
            with self._ended_by_interrupt(kill=True):  # a second one: no time for an orderly end
                self._end([*self._running().values()], kill)
            raise

    # -- freezing --------------------------------------------------------------------------------

    def pause(self, *names: str) -> None:
        """Freeze these workers (SIGSTOP); returns when they are frozen. Not on Windows."""
        if sys.platform == "win32":
            raise KitError("Windows cannot freeze a process", fix="Use team.kill() instead")
        members = self._pick_running(names)
        with self._ended_by_interrupt():
            for member in members:
                member.pause()

    def resume(self, *names: str) -> None:
        """Let frozen workers go on (SIGCONT)."""
        for member in self._pick_running(names):
            member.resume()

    # -- looking ---------------------------------------------------------------------------------

    def states(self) -> pd.DataFrame:
        """One row for each worker: worker, state, pid, and the reason why it ended."""
        import pandas as pd

        rows = [(m.name, m.state, m.pid, m.reason) for m in self._members.values()]
        return pd.DataFrame(rows, columns=["worker", "state", "pid", "reason"], dtype=object)

    def _running(self) -> dict[str, Member]:
        return {name: member for name, member in self._members.items() if member.running}

    def _pick(self, names: tuple[str, ...]) -> list[Member]:
        wanted = unique_names(names)
        for name in wanted:
            if name not in self._members:
                raise unknown("worker", name, self._members)
        return [self._members[name] for name in wanted]

    def _pick_running(self, names: tuple[str, ...]) -> list[Member]:
        members = self._pick(names)
        for member in members:
            if not member.running:
                raise KitError(
                    f"{member.name} is no longer running",
                    f"It is {member.state}: {member.reason}",
                    f'Start it again with team.start("{member.name}").',
                )
        return members

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        states = ", ".join(f"{member.name} {member.state}" for member in self._members.values())
        return f"Workers({self._function.__name__}: {states or 'none yet'})"

    def _repr_html_(self) -> str:
        title = escape(f"Workers that run {self._function.__name__}")
        return f"<p>{title}</p>{self.states().to_html(index=False, na_rep='')}"


def stop_all() -> list[str]:
    """Stop the workers of all teams of this process; returns the names of those that ran."""
    names = [name for team in _teams for name in team._running()]
    for team in _teams:
        team.stop()
    return names


def _after_cell(result: Any) -> None:
    """An interrupted cell stops all teams, whatever it was waiting for."""
    if isinstance(result.error_in_exec, KeyboardInterrupt) and (names := stop_all()):
        print(f"Interrupted, so the workers were stopped: {', '.join(names)}.")
