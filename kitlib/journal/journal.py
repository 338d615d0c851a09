"""The journal: one table of what happened, in the order in which it was seen.

A row says when (time), who (actor), what (kind), and, as far as they apply, which record (topic,
partition, offset, key, value) and which member of which group. Producers, consumers, workers,
faults and the reader of the log write rows, see `_tape`; checks, plots and widgets only read them.
The journal does not judge and does not draw. All methods may be called from any thread.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from kitlib._wait import wait_until
from kitlib.errors import KitError, wrong_type
from kitlib.journal._row import FIELDS, KINDS, Row, make_row, matcher
from kitlib.journal._tape import Tape

if TYPE_CHECKING:
    import pandas as pd


class Journal(Tape):
    """Rows of what happened; see the fields of `Row`. `Journal(rows)` starts with these rows."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        super().__init__(rows)
        self._recorded: WeakSet[Any] = WeakSet()

    def record(self, client: Any, actor: str | None = None) -> None:
        """From now on write down what this KafkaProducer or KafkaConsumer does.

        A producer gives "sent", then "acked" or "failed", for each record. A consumer gives
        "consumed", "committed", "assigned" and "revoked". Both give "closed". actor: the name in
        the rows; without it the client_id, if one was chosen, or "producer" or "consumer".
        Recording a client twice is harmless. Raises KitError for anything else, or if it is closed.
        """
        # Reading a journal does not need kafka-python.
        from kafka import KafkaConsumer, KafkaProducer

        from kitlib.journal._consumer import ConsumerRecorder
        from kitlib.journal._producer import ProducerRecorder

        recorder: type[ProducerRecorder | ConsumerRecorder]
        if isinstance(client, KafkaProducer):
            role, recorder = "producer", ProducerRecorder
        elif isinstance(client, KafkaConsumer):
            role, recorder = "consumer", ConsumerRecorder
        else:
            fix = "Write journal.record(producer) with the client itself"
            raise wrong_type("a KafkaProducer or a KafkaConsumer", client, fix)
        with self._lock:
            if client in self._recorded:
                return
            if client._closed:
                raise KitError(
                    what=f"This {role} is closed, so nothing is left to record.",
                    fix="Make a new one, and record it before you use it.",
                )
            if actor is None:
                client_id = client.config["client_id"]
                actor = role if client_id.startswith("kafka-python") else client_id
            recorder(self, client, actor)
            self._recorded.add(client)

    # -- reading ---------------------------------------------------------------------------------

    def rows(self, kind: str | tuple[str, ...] | None = None, **equals: Any) -> list[Row]:
        """The rows of this kind (or these kinds) whose fields equal the given values, in order.

        key and value may be bytes. Raises KitError for a kind or a field that does not exist.
        """
        return list(filter(matcher(kind, equals), self.since(0)))

    def wait(self, kind: str, count: int = 1, timeout_s: float = 60, **equals: Any) -> list[Row]:
        """Wait until there are `count` rows of this kind with these fields; returns all there are.

        timeout_s: seconds. Raises KitError when they are over, which says what was seen instead.
        """
        matches = matcher(kind, equals)
        matching: list[Row] = []
        seen = 0

        def enough() -> bool:
            nonlocal seen
            new = self.since(seen)
            seen += len(new)
            matching.extend(filter(matches, new))
            return len(matching) >= count

        fields = "".join(f" {name}={value!r}" for name, value in equals.items())
        try:
            wait_until(enough, "rows", timeout_s)
        except KitError:
            raise KitError(
                what=f"Waited {timeout_s:g} s for {count} rows {kind!r}{fields}, and saw "
                f"{len(matching)}.",
                why=f"The journal holds {self._counts()}.",
                fix="Look at what should have written them, or wait longer with timeout_s=.",
            ) from None
        return matching

    def __iter__(self) -> Iterator[Row]:
        return iter(self.since(0))

    def __add__(self, other: Journal) -> Journal:
        """A new journal with the rows of both, in order of time."""
        if not isinstance(other, Journal):
            return NotImplemented
        return Journal(sorted([*self, *other], key=lambda row: row.time))

    # -- to and from elsewhere -------------------------------------------------------------------

    def to_frame(self) -> pd.DataFrame:
        """The rows as a pandas DataFrame with a column for each field.

        partition and offset are Int64, which holds missing values. A journal goes to a file as any
        frame does: `to_frame().to_json(path, orient="records", lines=True)`.
        """
        import pandas as pd

        rows = self.since(0)
        frame = pd.DataFrame({name: [getattr(row, name) for row in rows] for name in FIELDS})
        return frame.astype({"time": "float64", "partition": "Int64", "offset": "Int64"})

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> Journal:
        """The journal with the rows of a DataFrame that `to_frame` made.

        Raises KitError if a row of it does not fit into a journal.
        """
        whole = {name: "Int64" for name in ("partition", "offset") if name in frame}
        cells = frame.astype(whole).astype(object).rename(columns=str)
        rows = cells.where(cells.notna(), None).itertuples(index=False, name=None)
        names = list(cells)
        return cls(
            make_row(dict(zip(names, values, strict=True)), f"Row {number} of the frame")
            for number, values in enumerate(rows)
        )

    def _counts(self) -> str:
        counts = Counter(row.kind for row in self)
        seen = [f"{counts[kind]:,} {kind}" for kind in KINDS if counts[kind]]
        return ", ".join(seen) or "no rows yet"

    def __repr__(self) -> str:
        return f"Journal({self._counts()})"

    def _repr_html_(self) -> str:
        last = Journal(self.since(0)[-10:]).to_frame()
        last["time"] = [f"{datetime.fromtimestamp(at):%H:%M:%S.%f}"[:-3] for at in last["time"]]
        table = last.dropna(axis="columns", how="all").to_html(index=False, na_rep="")
        words = " The last ten:" if len(self) > len(last) else ""
        return f"<p>{escape(repr(self))}{words}</p>{table}"


def expect_journal(value: object) -> Journal:
    """The value, if it is a journal. Raises KitError for anything else."""
    if not isinstance(value, Journal):
        raise wrong_type(
            "a journal",
            value,
            "Make one with kit.Journal(), or from a frame with kit.Journal.from_frame(frame)",
        )
    return value
