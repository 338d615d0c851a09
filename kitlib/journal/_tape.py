"""The tape: the writing half of the journal, which recorders, workers and faults write to.

Writing is cheap, and reading pays for it. A recorder leaves tuples, appended without a lock; they
become rows when somebody reads or follows the tape. The tape keeps the order in which rows were
written; it neither searches nor saves them. All methods may be called from any thread.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable
from time import time as now
from typing import Any

from kitlib.errors import wrong_type
from kitlib.journal._row import Row, make_row, text

Follower = Callable[[list[Row]], object]


class Tape:
    """Rows in the order in which they were written. `Tape(rows)` starts with these rows.

    A recorder, which has no time to spare, leaves what becomes rows later with `note`.
    """

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self._rows: list[Row] = []
        self._pending: deque[Row | tuple[Any, ...]] = deque()
        self._makers: list[Callable[..., Iterable[Row]]] = []
        self._lock = threading.RLock()
        self._followers: list[Follower] = []
        self.extend(rows)

    def add(
        self, kind: str, *, actor: str = "notebook", time: float | None = None, **fields: Any
    ) -> Row:
        """Add one row, by default of this moment, and return it.

        time: seconds since the epoch. fields: any of `Row`; key and value may be bytes. Raises
        KitError for an unknown kind or field, or a value of the wrong type.
        """
        for name in ("key", "value"):
            if name in fields:
                fields[name] = text(fields[name])
        fields.update(time=now() if time is None else time, actor=actor, kind=kind)
        row = make_row(fields)
        self.note(row)
        return row

    def extend(self, rows: Iterable[Row]) -> None:
        """Add rows, in this order. Raises KitError, and adds none, if one of them is not a Row."""
        rows = list(rows)
        for row in rows:
            if not isinstance(row, Row):
                raise wrong_type("a row", row, "Write journal.add(kind, ...) to make one")
        with self._lock:
            self._pending.extend(rows)
            self.deliver()

    def note(self, pending: Row | tuple[Any, ...]) -> None:
        """Append a row, or `(number, *arguments)` to make rows of when somebody reads or follows.

        It takes a lock only when somebody follows. number: see `later`.
        """
        self._pending.append(pending)
        if self._followers:
            self.deliver()

    def later(self, make: Callable[..., Iterable[Row]]) -> int:
        """The number for `note((number, *arguments))`: `make(*arguments)` will make its rows.

        (The garbage collector skips tuples of numbers and text, but not those with a function.)
        """
        with self._lock:
            self._makers.append(make)
            return len(self._makers) - 1

    def subscribe(self, callback: Follower) -> Callable[[], None]:
        """Call `callback(rows)` with each new row from now on; returns a function that ends it.

        The call comes at once, in order, one at a time, in the thread that caused the row or in one
        that reads at that moment, so it must be quick. An error in it is logged and does not
        disturb the client being recorded.
        """
        with self._lock:
            self.deliver()
            self._followers.append(callback)

        def unsubscribe() -> None:
            with self._lock:
                if callback in self._followers:
                    self._followers.remove(callback)

        return unsubscribe

    def since(self, count: int) -> list[Row]:
        """The rows after the first `count`; cheap, so that a view can ask again and again."""
        self.deliver()
        return self._rows[count:]

    def __len__(self) -> int:
        self.deliver()
        return len(self._rows)

    def deliver(self) -> None:
        """Turn what is pending into rows, and give those to the followers."""
        with self._lock:
            before, pending = len(self._rows), self._pending
            for _ in range(len(pending)):
                chunk = pending[0]  # removed last: an interrupt must not lose it
                if isinstance(chunk, Row):
                    self._rows.append(chunk)
                else:
                    self._rows.extend(list(self._makers[chunk[0]](*chunk[1:])))
                pending.popleft()
            new = self._rows[before:]
            for follower in list(self._followers) if new else ():
                try:
                    follower(new)
                except Exception:
                    logging.getLogger(__name__).exception("A subscriber of the journal failed")

    def forget(self) -> None:
        """Drop the rows delivered so far: somebody else keeps them now."""
        with self._lock:
            self._rows.clear()
