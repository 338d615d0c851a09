"""Buttons for what a lesson otherwise does with calls: faults on the way, members that come and go.

Each button calls one method of `kit.Faults` or `kit.Workers`, and the panel says in a sentence what
was done, or why it could not be done. It draws nothing itself, but it can hold a live view.
"""

from collections.abc import Callable
from html import escape
from itertools import count
from typing import Any

import ipywidgets

from kitlib.errors import KitError, wrong_type
from kitlib.faults import Faults
from kitlib.widgets.views import Live
from kitlib.workers import Workers


class FaultPanel(ipywidgets.VBox):
    """Buttons: drop one acknowledgement, delay answers, clear; and for members add, close, kill.

    faults, team: the `kit.Faults` and the `kit.Workers` that the buttons act on; either may be left
    out, and its buttons with it. view: a live view to show below the buttons, such as
    `kit.LiveOrder(journal)`. Raises KitError without faults and team, and for anything else in
    place of one of the three.
    """

    def __init__(
        self, faults: Faults | None = None, team: Workers | None = None, view: Live | None = None
    ) -> None:
        for value, kind in ((faults, Faults), (team, Workers), (view, Live)):
            if not isinstance(value, kind | None):
                fix = "Write kit.FaultPanel(faults, team), or kit.FaultPanel(team=team)"
                raise wrong_type("faults, a team or a live view", value, fix)
        if faults is None and team is None:
            raise KitError("A panel needs faults or a team", fix="Write kit.FaultPanel(faults)")
        self._team = team
        self._view = view
        self._status = ipywidgets.HTML()
        rows: list[ipywidgets.Widget] = []
        if faults is not None:
            rows.append(self._fault_row(faults))
        if team is not None:
            rows.append(self._team_row(team))
        super().__init__([*rows, self._status, *([view] if view else [])])
        self._report("Nothing done yet.")

    def __repr__(self) -> str:
        return "Buttons that break things and mend them, while a notebook runs."

    def _repr_mimebundle_(self, **how: Any) -> Any:
        page = f"<p>{self!r}</p>" + (self._view.page() if self._view else "")
        return {**super()._repr_mimebundle_(**how), "text/html": page}

    def _fault_row(self, faults: Faults) -> ipywidgets.HBox:
        self._delay = ipywidgets.BoundedIntText(
            value=200, min=1, max=10_000, layout={"width": "6em"},
            tooltip="milliseconds that each answer is late",
        )  # fmt: skip

        def drop() -> str:
            faults.drop_ack(times=1)
            return "Armed: the next acknowledgement of a Produce request will be lost."

        def delay() -> str:
            faults.delay(delay_ms=self._delay.value)
            return f"Each answer is now {self._delay.value} ms late, until the faults are cleared."

        def clear() -> str:
            faults.clear()
            return "No fault is armed."

        return _row(
            self._button("Drop one acknowledgement", drop),
            self._button("Delay answers by (ms)", delay),
            self._delay,
            self._button("Clear faults", clear),
        )

    def _team_row(self, team: Workers) -> ipywidgets.HBox:
        self._who = ipywidgets.Dropdown(options=list(team._running()), layout={"width": "10em"})

        def add() -> str:
            known = set(team.states()["worker"])
            name = next(f"member-{n}" for n in count(1) if f"member-{n}" not in known)
            team.start(name)
            return f"{name} is running and joins the group."

        def end(act: Callable[[str], None], done: str) -> str:
            self._list_members(team)
            name = self._who.value
            if name is None:
                return "No member is running: add one first."
            act(name)
            return f"{name} was {done}."

        return _row(
            self._button("Add a member", add),
            ipywidgets.Label("or choose one:"),
            self._who,
            self._button("Close it", lambda: end(team.close, "closed")),
            self._button("Kill it", lambda: end(team.kill, "killed")),
        )

    def _button(self, text: str, act: Callable[[], str]) -> ipywidgets.Button:
        """A button that does `act` and reports the sentence that this returns."""
        button = ipywidgets.Button(description=text, layout={"width": "auto"})

        def clicked(_: Any) -> None:
            button.disabled = True
            try:
                self._report(act())
            except KitError as error:
                self._report(str(error))
            finally:
                button.disabled = False
                if self._team is not None:
                    self._list_members(self._team)

        button.on_click(clicked)
        return button

    def _report(self, text: str) -> None:
        self._status.value = f"<div role='status'>{escape(text)}</div>"

    def _list_members(self, team: Workers) -> None:
        chosen, running = self._who.value, list(team._running())
        self._who.options = running
        if chosen in running:
            self._who.value = chosen


def _row(*widgets: ipywidgets.Widget) -> ipywidgets.HBox:
    # It wraps in a narrow window.
    return ipywidgets.HBox(widgets, layout={"flex_flow": "row wrap", "align_items": "center"})
