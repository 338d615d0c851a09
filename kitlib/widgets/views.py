"""The views that draw a journal along time: three that follow it, and a player.

A live view looks at its journal twenty times a second, on a thread of its own, and sends the new
rows to the page, which draws them (`timeline.js`). It neither writes to the journal nor asks the
broker. The player holds its rows itself, so that it also plays on a page without a kernel.
"""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakValueDictionary

import anywidget
import msgspec
import traitlets

from kitlib.errors import KitError
from kitlib.journal import Journal, Row
from kitlib.journal.naming import event_numbers, event_of, listed, place_of

if TYPE_CHECKING:
    import pandas as pd

HERE = Path(__file__).parent
EVERY_S = 0.05
MOST_ROWS = 20_000  # in one message
MOST_RECORDED = 3_000  # rows of a recording: 200 KB and more than anybody would watch
_LIFE = ("started", "closed", "killed", "paused", "resumed")
_TURNS = ("assigned", "revoked", *_LIFE)
_PLACED = ("acked", "consumed", "processed")


class _Timeline(anywidget.AnyWidget):
    """What the page needs. Its traits are for timeline.js; lessons use the classes below."""

    _esm = HERE / "timeline.js"
    _css = HERE / "timeline.css"
    uid = traitlets.Unicode().tag(sync=True)
    panels = traitlets.List(traitlets.Unicode()).tag(sync=True)
    title = traitlets.Unicode("").tag(sync=True)
    words = traitlets.Unicode("").tag(sync=True)
    recording = traitlets.Unicode("").tag(sync=True)
    highlight = traitlets.Unicode(None, allow_none=True).tag(sync=True)
    window_s = traitlets.Float(0).tag(sync=True)
    running = traitlets.Bool(False).tag(sync=True)

    def __init__(self, journal: Journal, **traits: Any) -> None:
        if not isinstance(journal, Journal):
            raise KitError(
                "A view shows a journal",
                f"It was given something of the type {type(journal).__name__}",
                "Give it the journal that the clients or workers write to, such as team.journal.",
            )
        self._journal = journal
        super().__init__(uid=uuid.uuid4().hex, **traits)

    def __repr__(self) -> str:
        return str(self.words)

    def _page(self) -> str:
        """What stands on a page without a kernel, such as the rendered site."""
        return f"<p>{escape(self.words)}. It moves while a notebook runs.</p>"

    def _repr_mimebundle_(self, **how: Any) -> Any:
        data, metadata = super()._repr_mimebundle_(**how) or ({}, {})
        return {**data, "text/html": self._page()}, metadata


class _Live(_Timeline):
    """A view that follows a journal until `stop()`. One more of the same kind ends this one."""

    kinds: ClassVar[tuple[str, ...]] = ()
    _views: ClassVar[WeakValueDictionary[tuple[Any, ...], _Live]] = WeakValueDictionary()

    def __init__(self, journal: Journal, wanted: dict[str, str | None], **traits: Any) -> None:
        super().__init__(journal, running=True, **traits)
        self._wanted = {name: value for name, value in wanted.items() if value is not None}
        self._start: float | None = None
        self._sent = 0  # rows that the page has been sent
        self._rows: list[Row] = []  # those of the journal that this view shows
        self._seen = 0
        self._over = threading.Event()
        self._lock = threading.Lock()
        self.on_msg(self._asked)
        # A cell that runs again makes a new view: the earlier one need not go on.
        # By name: each widget object has a class of its own.
        key = (type(self).__name__, id(journal), *sorted(self._wanted.items()))
        if before := self._views.get(key):
            before.stop()
        self._views[key] = self
        self._thread = threading.Thread(target=self._follow, name="live view", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Send what there is, and follow no longer; the picture stays. Twice is harmless."""
        if not self._over.is_set():
            self._over.set()
            if threading.current_thread() is not self._thread:
                self._thread.join(5)
            with contextlib.suppress(Exception):  # the page may be gone
                self._push()
                self.running = False

    def close(self) -> None:
        """Stop, and remove the view from its page."""
        if hasattr(self, "_thread"):  # one that was refused never started
            self.stop()
        super().close()

    def frame(self) -> pd.DataFrame:
        """The rows that this view shows, as `Journal.to_frame` gives them."""
        self._look()
        with self._lock:
            return Journal(self._rows).to_frame()

    def _shows(self, row: Row) -> bool:
        return row.kind in self.kinds and all(
            getattr(row, name) in (value, None) for name, value in self._wanted.items()
        )

    def _look(self) -> None:
        with self._lock:
            new = self._journal.since(self._seen)
            self._seen += len(new)
            self._rows += filter(self._shows, new)

    def _follow(self) -> None:
        while not self._over.wait(EVERY_S):
            with contextlib.suppress(Exception):  # the page may be gone; it asks when it is back
                self._push()

    def _push(self) -> None:
        """Send the rows that the page has not got yet."""
        self._look()
        with self._lock:
            while self._sent < len(self._rows):
                some = self._rows[self._sent : self._sent + MOST_ROWS]
                if self._start is None:
                    self._start = some[0].time
                data = msgspec.json.encode(list(compact(some, self._start)))
                self.send({"type": "rows", "from": self._sent}, [data])
                self._sent += len(some)

    def _asked(self, _: Any, message: Any, __: Any) -> None:
        """The page has only so many rows: a new one, or one that was not listening yet."""
        if isinstance(message, dict) and message.get("type") == "need":
            with self._lock:
                self._sent = max(0, min(int(message.get("from", 0)), self._sent))
            if self._over.is_set():
                self._push()


class LiveOrder(_Live):
    """Partition lanes that fill while records are acknowledged, read and processed.

    journal: what a recorded producer, consumer or team writes. topic: only this one. highlight: a
    key whose records are outlined. window_s: seconds that are shown; 0 means all. Its twin on paper
    is `plot_order(journal, x="time")`. Raises KitError for what is no journal.
    """

    kinds = (*_PLACED, "fault", "killed", "closed")

    def __init__(
        self,
        journal: Journal,
        topic: str | None = None,
        highlight: str | None = None,
        window_s: float = 0,
    ) -> None:
        super().__init__(
            journal, {"topic": topic}, panels=["order"], highlight=highlight, window_s=window_s,
            words="Live: the records of each partition, along time",
        )  # fmt: skip


class LiveLag(_Live):
    """How far each partition of a group is behind, while a `LagMeter` measures.

    journal: what the meter and the team write. group: only this one. window_s: seconds that are
    shown; 0 means all. Its twin on paper is `plot_lag`. Raises KitError for what is no journal.
    """

    kinds = ("lag", *_TURNS)

    def __init__(self, journal: Journal, group: str | None = None, window_s: float = 0) -> None:
        super().__init__(
            journal, {"group": group}, panels=["lag"], window_s=window_s,
            words="Live: how many records each partition is behind, along time",
        )  # fmt: skip


class LiveOwnership(_Live):
    """Who owns which partition: a Gantt chart of a group, with ends, crashes and faults.

    journal: what a team of recorded consumers writes. group: only this one. window_s: seconds that
    are shown; 0 means all. Its twin on paper is `plot_ownership`. Raises KitError for what is no
    journal.
    """

    kinds = (*_TURNS, "fault")

    def __init__(self, journal: Journal, group: str | None = None, window_s: float = 0) -> None:
        super().__init__(
            journal, {"group": group}, panels=["ownership"], window_s=window_s,
            words="Live: which member owns which partition, along time",
        )  # fmt: skip


class Replay(_Timeline):
    """A player for what has happened: play, pause, step, scrub, and a sentence for each moment.

    journal: complete, with the log (`journal + kafka.read(topic)`) or without. kinds: of rows, by
    default all that tell something. highlight: a key whose records are outlined. Space plays and
    pauses, the arrow keys step. Raises KitError for more than 3,000 rows: nobody would watch them.
    """

    def __init__(
        self,
        journal: Journal,
        title: str = "",
        kinds: Iterable[str] = (*_PLACED, "sent", "failed", "committed", "fault", *_TURNS),
        highlight: str | None = None,
        panels: Iterable[str] = ("order", "actors"),
    ) -> None:
        if isinstance(journal, Journal):
            traits = _recorded(journal, tuple(kinds))
        super().__init__(
            journal, title=title, panels=list(panels), highlight=highlight,
            **(traits if isinstance(journal, Journal) else {}),
        )  # fmt: skip

    def frame(self) -> pd.DataFrame:
        """The rows of the journal, as `Journal.to_frame` gives them."""
        return self._journal.to_frame()

    def _page(self) -> str:
        """All that timeline.js needs, for a page without a kernel."""
        names = ("uid", "panels", "title", "words", "recording", "highlight")
        traits = msgspec.json.encode({name: getattr(self, name) for name in names}).decode()
        data = traits.replace("<", "\\u003c")  # "</" or "<!--" would end the script element early
        script = f'<script type="application/json">{data}</script>'
        return f'<div class="kit-replay"><p>{escape(self.words)}</p>{script}</div>'


def _recorded(journal: Journal, kinds: tuple[str, ...]) -> dict[str, str]:
    rows = sorted(_told(journal, kinds), key=lambda row: row.time)
    if len(rows) > MOST_RECORDED:
        raise KitError(
            f"A replay of {len(rows):,} rows is too long to watch",
            f"A recording has at most {MOST_RECORDED:,} rows",
            "Choose kinds=, or make a journal of the rows that matter: kit.Journal(rows).",
        )
    numbers = event_numbers(journal)
    start = rows[0].time if rows else 0.0
    data = msgspec.json.encode(list(compact(rows, start, numbers.get)))
    actors = listed(list(dict.fromkeys(row.actor for row in rows)), 6) or "nobody"
    span = rows[-1].time - start if rows else 0.0
    words = f"A replay of {len(rows)} rows in {span:.1f} s, about {actors}."
    return {"recording": data.decode(), "words": words}


def _told(journal: Journal, kinds: tuple[str, ...]) -> Iterator[Row]:
    """The rows of these kinds; a fault that knows a place is told which record is there."""
    log = {place_of(row): row for row in journal.rows(("stored", "acked", "consumed"))}
    for row in journal.rows(kinds):
        there = log.get(place_of(row)) if row.kind == "fault" and row.offset is not None else None
        if there:
            row = msgspec.structs.replace(row, key=there.key, value=there.value)
        yield row


def compact(
    rows: Iterable[Row], start: float, number_of: Callable[[Any], int | None] | None = None
) -> Iterator[list[Any]]:
    """Rows as timeline.js reads them: ms since `start`, kind, actor, topic, partition, offset, key,
    number of the event and what else there is to say; without the nulls at their ends."""
    for row in rows:
        told = row.detail or {}
        extra: Any = row.value if row.kind == "printed" else None
        for name in {"fault": ("fault",), "failed": ("error",), "lag": ("lag",)}.get(row.kind, ()):
            extra = told.get(name)
        number = number_of(event_of(row)) if number_of and row.key is not None else None
        short = None if row.key is None else row.key[:64]
        one = [
            round(1000 * (row.time - start), 1), row.kind, row.actor, row.topic, row.partition,
            row.offset, short, number, extra,
        ]  # fmt: skip
        while one[-1] is None:
            one.pop()
        yield one
