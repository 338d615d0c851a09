"""The views that draw a journal along time: three that follow it, and a player.

A live view looks at its journal twenty times a second, on a thread of its own, and sends the new
rows to the page, which draws them (`timeline.js`). It neither writes to the journal nor asks the
broker. The player carries its rows with it, so it also plays on a page without a kernel.
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

from kitlib._look import CUTS, GLYPHS, LIFE, PALETTE, SHAPES
from kitlib.errors import KitError
from kitlib.journal import Journal, Row, expect_journal
from kitlib.journal.naming import event_numbers, event_of, listed, place_of

if TYPE_CHECKING:
    import pandas as pd

HERE = Path(__file__).parent
EVERY_S = 0.05
MOST_ROWS = 20_000  # in one message
MOST_RECORDED = 3_000  # rows of a recording: 200 KB and more than anybody would watch
LOOK = {"palette": PALETTE, "shapes": SHAPES, "glyphs": GLYPHS, "cuts": CUTS}
_MEMBERSHIP = ("assigned", "revoked", *LIFE)
_PLACED = ("acked", "consumed", "processed")


class _Timeline(anywidget.AnyWidget):
    """What all views share. Its traits are for timeline.js; lessons use the classes below."""

    _esm = HERE / "timeline.js"
    _css = HERE / "timeline.css"
    look = traitlets.Dict(LOOK).tag(sync=True)
    uid = traitlets.Unicode().tag(sync=True)
    panels = traitlets.List(traitlets.Unicode()).tag(sync=True)
    title = traitlets.Unicode("").tag(sync=True)
    words = traitlets.Unicode("").tag(sync=True)
    recording = traitlets.Unicode("").tag(sync=True)
    highlight = traitlets.Unicode(None, allow_none=True).tag(sync=True)
    window_s = traitlets.Float(0).tag(sync=True)
    running = traitlets.Bool(False).tag(sync=True)

    def __init__(self, journal: Journal, **traits: Any) -> None:
        self._journal = expect_journal(journal)
        super().__init__(uid=uuid.uuid4().hex, **traits)

    def __repr__(self) -> str:
        return str(self.words)

    def page(self) -> str:
        """The HTML for a page without a kernel, such as those of the rendered site."""
        return f"<p>{escape(self.words)}. It moves while a notebook runs.</p>"

    def _repr_mimebundle_(self, **how: Any) -> Any:
        data, metadata = super()._repr_mimebundle_(**how) or ({}, {})
        return {**data, "text/html": self.page()}, metadata


class Live(_Timeline):
    """A view that follows a journal until `stop()`, or until the same view is made once more."""

    kinds: ClassVar[tuple[str, ...]] = ()
    panel: ClassVar[str] = ""
    about: ClassVar[str] = ""
    _views: ClassVar[WeakValueDictionary[tuple[Any, ...], Live]] = WeakValueDictionary()

    def __init__(self, journal: Journal, wanted: dict[str, str | None], **traits: Any) -> None:
        words = f"Live: {self.about}, along time"
        super().__init__(journal, running=True, panels=[self.panel], words=words, **traits)
        self._wanted = {name: value for name, value in wanted.items() if value is not None}
        self._start: float | None = None
        self._seen = 0  # how many rows of the journal were looked at
        self._rows: list[Row] = []  # those of them that this view shows
        self._sent = 0  # how many of these the page has been sent
        self._over = threading.Event()
        self._lock = threading.Lock()
        self.on_msg(self._answer)
        # A cell that runs again makes a new view, so the earlier one can stop. The class goes by
        # its name, because each widget object has a class of its own.
        key = (type(self).__name__, id(journal), *sorted(self._wanted.items()))
        if before := self._views.get(key):
            before.stop()
        self._views[key] = self
        self._thread = threading.Thread(target=self._follow, name="live view", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Send the last rows and stop following; the picture stays. Harmless when stopped."""
        if not self._over.is_set():
            self._over.set()
            if threading.current_thread() is not self._thread:
                self._thread.join(5)
            with contextlib.suppress(Exception):  # the page may be gone
                self._push()
                self.running = False

    def close(self) -> None:
        """Stop, and remove the view from its page."""
        if hasattr(self, "_thread"):  # not if the journal was refused
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
            with contextlib.suppress(Exception):  # a page that is gone asks when it is back
                self._push()

    def _push(self) -> None:
        """Send the rows that the page does not have yet."""
        self._look()
        with self._lock:
            while self._sent < len(self._rows):
                rows = self._rows[self._sent : self._sent + MOST_ROWS]
                if self._start is None:
                    self._start = rows[0].time
                data = msgspec.json.encode(list(compact(rows, self._start)))
                self.send({"type": "rows", "from": self._sent}, [data])
                self._sent += len(rows)

    def _answer(self, _: Any, message: Any, __: Any) -> None:
        """Send again what a page lacks that is new, or that was not listening yet."""
        if isinstance(message, dict) and message.get("type") == "need":
            with self._lock:
                self._sent = max(0, min(int(message.get("from", 0)), self._sent))
            if self._over.is_set():
                self._push()


class LiveOrder(Live):
    """Partition lanes that fill while records are acknowledged, read and processed.

    journal: the Journal that a recorded producer, consumer or team writes. topic: show only this
    one. highlight: a key whose records are outlined. window_s: how many seconds are shown, up to
    now; 0 means all. Its twin on paper is `plot_order(journal, x="time")`. Raises KitError for
    anything that is no Journal.
    """

    kinds = (*_PLACED, "fault", "killed", "closed")
    panel, about = "order", "the records of each partition"

    def __init__(
        self,
        journal: Journal,
        topic: str | None = None,
        highlight: str | None = None,
        window_s: float = 0,
    ) -> None:
        super().__init__(journal, {"topic": topic}, highlight=highlight, window_s=window_s)


class LiveLag(Live):
    """How far each partition of a group is behind, in records, while a `LagMeter` measures.

    journal: the Journal that the meter and the team write. group: show only this one. window_s: how
    many seconds are shown, up to now; 0 means all. Its twin on paper is `plot_lag`. Raises KitError
    for anything that is no Journal.
    """

    kinds = ("lag", *_MEMBERSHIP)
    panel, about = "lag", "how many records each partition is behind"

    def __init__(self, journal: Journal, group: str | None = None, window_s: float = 0) -> None:
        super().__init__(journal, {"group": group}, window_s=window_s)


class LiveOwnership(Live):
    """Who owns which partition: a Gantt chart of a group, with ends, crashes and faults.

    journal: the Journal that a team of recorded consumers writes. group: show only this one.
    window_s: how many seconds are shown, up to now; 0 means all. Its twin on paper is
    `plot_ownership`. Raises KitError for anything that is no Journal.
    """

    kinds = (*_MEMBERSHIP, "fault")
    panel, about = "ownership", "which member owns which partition"

    def __init__(self, journal: Journal, group: str | None = None, window_s: float = 0) -> None:
        super().__init__(journal, {"group": group}, window_s=window_s)


class Replay(_Timeline):
    """A player for what has happened: play, pause, step, scrub, and a sentence for each moment.

    Space plays and pauses, the arrow keys step.

    journal: a complete Journal, with the log (`journal + kafka.read(topic)`) or without. title:
    stands above. kinds: of the rows that are played. highlight: a key whose records are outlined.
    panels: what is drawn, of "order", "ownership", "lag" and "actors". Raises KitError for anything
    that is no Journal, and for more than 3,000 rows, which nobody would watch.
    """

    def __init__(
        self,
        journal: Journal,
        title: str = "",
        kinds: Iterable[str] = (*_PLACED, "sent", "failed", "committed", "fault", *_MEMBERSHIP),
        highlight: str | None = None,
        panels: Iterable[str] = ("order", "actors"),
    ) -> None:
        traits = _recorded(expect_journal(journal), tuple(kinds))
        super().__init__(journal, title=title, panels=list(panels), highlight=highlight, **traits)

    def frame(self) -> pd.DataFrame:
        """The rows of the journal, as `Journal.to_frame` gives them."""
        return self._journal.to_frame()

    def page(self) -> str:
        """All that timeline.js needs, for a page without a kernel."""
        names = ("look", "uid", "panels", "title", "words", "recording", "highlight")
        traits = msgspec.json.encode({name: getattr(self, name) for name in names}).decode()
        data = traits.replace("<", "\\u003c")  # "</" or "<!--" could end the script element early
        script = f'<script type="application/json">{data}</script>'
        return f'<div class="kit-replay"><p>{escape(self.words)}</p>{script}</div>'


def _recorded(journal: Journal, kinds: tuple[str, ...]) -> dict[str, str]:
    rows = sorted(_with_lost_records(journal, kinds), key=lambda row: row.time)
    if len(rows) > MOST_RECORDED:
        raise KitError(
            f"A replay of {len(rows):,} rows is too long to watch",
            f"A recording holds at most {MOST_RECORDED:,} rows",
            "Choose kinds=, or make a journal of the rows that matter: kit.Journal(rows).",
        )
    numbers = event_numbers(journal)
    start = rows[0].time if rows else 0.0
    data = msgspec.json.encode(list(compact(rows, start, numbers.get)))
    actors = listed(list(dict.fromkeys(row.actor for row in rows)), 6) or "nobody"
    span = rows[-1].time - start if rows else 0.0
    words = f"A replay of {len(rows)} rows in {span:.1f} s, about {actors}."
    return {"recording": data.decode(), "words": words}


def _with_lost_records(journal: Journal, kinds: tuple[str, ...]) -> Iterator[Row]:
    """The rows of these kinds; a fault that names a place also gets the record that is there."""
    log = {place_of(row): row for row in journal.rows(("stored", "acked", "consumed"))}
    for row in journal.rows(kinds):
        there = log.get(place_of(row)) if row.kind == "fault" and row.offset is not None else None
        if there:
            row = msgspec.structs.replace(row, key=there.key, value=there.value)
        yield row


def compact(
    rows: Iterable[Row], start: float, number_of: Callable[[Any], int | None] | None = None
) -> Iterator[list[Any]]:
    """Rows as timeline.js reads them, each as a list without the nulls at its end.

    In it are: ms since `start`, kind, actor, topic, partition, offset, key, number of the event,
    and an extra (the name of a fault, an error, a lag or what was printed).
    """
    detail_of = {"fault": "fault", "failed": "error", "lag": "lag"}
    for row in rows:
        extra: Any = row.value if row.kind == "printed" else None
        if row.kind in detail_of:
            extra = (row.detail or {}).get(detail_of[row.kind])
        number = number_of(event_of(row)) if number_of and row.key is not None else None
        key = None if row.key is None else row.key[:64]
        fields = [
            round(1000 * (row.time - start), 1), row.kind, row.actor, row.topic, row.partition,
            row.offset, key, number, extra,
        ]  # fmt: skip
        while fields[-1] is None:
            fields.pop()
        yield fields
