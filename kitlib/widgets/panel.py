"""Buttons for what a lesson otherwise does with calls: faults on the way, members that come and go.

Each button calls one method of `kit.Faults` or `kit.Workers`, and the panel says in a sentence what
was done or why it could not be done. It draws nothing; put a live view beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from itertools import count
from typing import Any

import ipywidgets

from kitlib.errors import KitError
from kitlib.faults import Faults
from kitlib.workers import Workers


class FaultPanel(ipywidgets.VBox):
    """Buttons: drop one acknowledgement, delay answers, clear; and for members add, close, kill.

    faults, team: what the buttons act on; either may be left out, and its buttons with it. Raises
    KitError without both.
    """

    def __init__(self, faults: Faults | None = None, team: Workers | None = None) -> None:
        if not isinstance(faults, Faults | None) or not isinstance(team, Workers | None):
            raise KitError(
                "A panel acts on faults and on a team",
                f"It was given {type(faults).__name__} and {type(team).__name__}",
                "Write kit.FaultPanel(faults, team), or kit.FaultPanel(team=team).",
            )
        if faults is None and team is None:
            raise KitError("There is nothing to act on", fix="Write kit.FaultPanel(faults, team)")
        self._faults = faults
        self._team = team
        self._said = ipywidgets.HTML()
        rows: list[ipywidgets.Widget] = []
        if faults is not None:
            self._delay = ipywidgets.BoundedIntText(
                value=200,
                min=1,
                max=10_000,
                layout={"width": "6em"},
                tooltip="milliseconds that each answer is late",
            )
            rows.append(
                ipywidgets.HBox(
                    [
                        self._button("Drop one acknowledgement", self._drop),
                        self._button("Delay answers by (ms)", self._delay_answers),
                        self._delay,
                        self._button("Clear faults", self._clear),
                    ]
                )
            )
        if team is not None:
            self._who = ipywidgets.Dropdown(options=team._running(), layout={"width": "10em"})
            rows.append(
                ipywidgets.HBox(
                    [
                        self._button("Add a member", self._add),
                        ipywidgets.Label("or choose one:"),
                        self._who,
                        self._button("Close it", lambda: self._end("closed")),
                        self._button("Kill it", lambda: self._end("killed")),
                    ]
                )
            )
        super().__init__([*rows, self._said])
        self._say("Nothing done yet.")

    def _button(self, text: str, act: Callable[[], str]) -> ipywidgets.Button:
        button = ipywidgets.Button(description=text, layout={"width": "auto"})

        def clicked(_: Any) -> None:
            button.disabled = True
            try:
                self._say(act())
            except KitError as error:
                self._say(str(error))
            finally:
                button.disabled = False
                if self._team is not None:
                    self._list_members()

        button.on_click(clicked)
        return button

    def _say(self, text: str) -> None:
        self._said.value = f"<div role='status'>{escape(text)}</div>"

    def _list_members(self) -> None:
        assert self._team is not None
        chosen, running = self._who.value, self._team._running()
        self._who.options = running
        if chosen in running:
            self._who.value = chosen

    # -- what the buttons do; each returns the sentence that the panel then shows ----------------

    def _drop(self) -> str:
        assert self._faults is not None
        self._faults.drop_ack(times=1)
        return "Armed: the next acknowledgement of a Produce request is lost."

    def _delay_answers(self) -> str:
        assert self._faults is not None
        self._faults.delay(delay_ms=self._delay.value)
        return f"Each answer is now {self._delay.value} ms late, until the faults are cleared."

    def _clear(self) -> str:
        assert self._faults is not None
        self._faults.clear()
        return "No fault is armed."

    def _add(self) -> str:
        assert self._team is not None
        known = set(self._team.states()["worker"])
        name = next(f"member-{n}" for n in count(1) if f"member-{n}" not in known)
        self._team.start(name)
        return f"{name} runs and joins the group."

    def _end(self, how: str) -> str:
        assert self._team is not None
        self._list_members()
        name = self._who.value
        if name is None:
            return "No member runs: add one first."
        self._team.kill(name) if how == "killed" else self._team.close(name)
        return f"{name} was {how}."
