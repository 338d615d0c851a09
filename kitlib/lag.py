"""How far a consumer group is behind, measured from outside, as an operator's tool does.

Lag is the end offset of a partition minus the offset that the group has committed for it. Both are
the broker's, so the meter needs no consumer of the group and never joins it. The commits are asked
for first and the ends after them, so a lag is never negative because of the order. A partition
without a commit has no lag (None): kafka-consumer-groups.sh shows "-" there, because only the
setting auto_offset_reset of a consumer to come would decide where it starts. What the committed
offset says of the work that was done is the lesson's subject; this module judges nothing.
"""

from __future__ import annotations

import logging
import threading
from time import monotonic
from time import time as now
from typing import TYPE_CHECKING, Any

from kitlib._notebook import after_each_cell
from kitlib.errors import KitError
from kitlib.journal import Journal, Row

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LagMeter"]

PATIENCE_S = 15.0  # a new broker first makes the topic for commits
_COLUMNS = ("group", "topic", "partition", "committed", "end", "lag", "member")
_running: dict[tuple[str, str], LagMeter] = {}  # by broker and group


class LagMeter:
    """Measures the lag of a group: once (`measure`), or again and again (`start`, `stop`, `with`).

    kafka: what `kit.connect()` returned. journal: where the rows go; without it the meter makes
    one, `meter.journal`. every_s: seconds between measurements. topics: names; without it those
    that the group has a commit for or owns partitions of, with all their partitions.

    A measurement is a row "lag" for each partition, all of the same time: actor "lag meter", group,
    topic, partition, offset (committed; None without a commit), member (the owner's id, if there is
    one) and detail `{"lag": int or None, "end": int}`.
    """

    def __init__(
        self,
        kafka: Any,
        group: str,
        journal: Journal | None = None,
        every_s: float = 0.2,
        topics: str | list[str] | None = None,
    ) -> None:
        if not callable(getattr(kafka, "admin", None)):
            raise KitError(
                f"A lag meter asks a Kafka, and {type(kafka).__name__} is none",
                fix="Write kit.LagMeter(kafka, group) with kafka = kit.connect()",
            )
        if journal is not None and not isinstance(journal, Journal):
            raise KitError(
                f"journal is a {type(journal).__name__}", fix="Make one with kit.Journal()"
            )
        self.group = group
        self.journal = Journal() if journal is None else journal
        self._kafka = kafka
        self._every_s = every_s
        self._topics = [topics] if isinstance(topics, str) else topics
        self._last: list[Row] = []
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def measure(self) -> pd.DataFrame:
        """Measure now, write the rows and return them as `frame()` does.

        Raises KitError when the broker does not answer, or does not know a topic.
        """
        from kafka.errors import KafkaError

        deadline = monotonic() + PATIENCE_S
        while True:
            try:
                self._measure()
                return self.frame()
            except KafkaError as error:
                if not error.retriable or monotonic() > deadline:
                    raise KitError(
                        f"The lag of {self.group} cannot be measured", f"Kafka says {error}"
                    ) from error
            threading.Event().wait(0.05)

    def _measure(self) -> None:
        from kafka import TopicPartition
        from kafka.admin import OffsetSpec

        admin = self._kafka.admin()
        commits = admin.list_group_offsets(self.group)[self.group]
        owners = {
            TopicPartition(topic, number): member["member_id"]
            for member in admin.describe_groups([self.group])[self.group]["members"]
            for topic, numbers in _assigned(member)
            for number in numbers
        }
        topics = self._topics or sorted({place.topic for place in [*commits, *owners]})
        found = admin.describe_topics(topics) if topics else []
        if lost := [topic["name"] for topic in found if self._topics and topic["error_code"]]:
            raise KitError(f"There is no topic {lost[0]!r}", fix="Look at topics= of the meter")
        places = [
            TopicPartition(topic["name"], partition["partition_index"])
            for topic in found
            for partition in topic["partitions"]
        ]
        ends = admin.list_partition_offsets(dict.fromkeys(places, OffsetSpec.LATEST))
        at, rows = now(), []
        for place in sorted(places):
            end, known = ends[place].offset, commits.get(place)
            committed = known.offset if known and known.offset >= 0 else None
            detail = {"lag": None if committed is None else end - committed, "end": end}
            rows.append(Row(at, "lag meter", "lag", place.topic, place.partition, committed,
                            group=self.group, member=owners.get(place), detail=detail))  # fmt: skip
        with self._lock:
            self._last = rows
            self.journal.extend(rows)

    def frame(self) -> pd.DataFrame:
        """The last measurement: group, topic, partition, committed, end, lag, member."""
        import pandas as pd

        cells = [
            (r.group, r.topic, r.partition, r.offset, detail["end"], detail["lag"], r.member)
            for r in self._last
            if (detail := r.detail)
        ]
        frame = pd.DataFrame(cells, columns=list(_COLUMNS))
        return frame.astype(dict.fromkeys(_COLUMNS[2:6], "Int64"))

    # -- again and again -------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether it measures on its own."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> LagMeter:
        """Measure every `every_s` seconds until `stop()`; harmless if it does already.

        Another meter of the same group, as an earlier run of the same cell left it, is stopped.
        Raises KitError when the first measurement fails; a later one that fails is left out.
        """
        if self.running:
            return self
        key = (self._kafka.bootstrap_servers, self.group)
        if older := _running.pop(key, None):
            older.stop()
        self.measure()
        after_each_cell(_after_cell)
        self._end = threading.Event()
        self._thread = threading.Thread(
            target=self._go_on, args=(self._end,), name=f"lag of {self.group}", daemon=True
        )
        _running[key] = self
        self._thread.start()
        return self

    def _go_on(self, end: threading.Event) -> None:
        while not end.wait(self._every_s):
            try:
                self._measure()
            except Exception:  # the broker has a bad moment, or the topic is made anew
                logging.getLogger(__name__).debug("A measurement failed", exc_info=True)

    def stop(self) -> None:
        """End the measuring; harmless if it does not measure. The journal keeps its rows."""
        self._end.set()
        if self._thread is not None:
            self._thread.join(5)
        for key in [key for key, meter in _running.items() if meter is self]:
            del _running[key]

    def __enter__(self) -> LagMeter:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = f"every {self._every_s:g} s" if self.running else "not running"
        return f"LagMeter(group {self.group}: {state})"


def _assigned(member: dict[str, Any]) -> list[tuple[str, list[int]]]:
    """The topics and partitions that a described member owns; none while the group rebalances."""
    assignment = member["member_assignment"]
    parts = assignment.get("assigned_partitions", ()) if isinstance(assignment, dict) else ()
    return [(part["topic"], part["partitions"]) for part in parts]


def _after_cell(result: Any) -> None:
    """An interrupted cell stops all meters."""
    if isinstance(result.error_in_exec, KeyboardInterrupt):
        for meter in list(_running.values()):
            meter.stop()
