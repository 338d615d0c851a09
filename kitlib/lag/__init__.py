"""How far a consumer group is behind, measured from outside, as an operator's tool does.

Lag is the end offset of a partition minus the offset that the group has committed for it. The
broker knows both, so the meter needs no consumer of the group and never joins it. It asks for the
commits before the ends, so that no lag comes out negative. A partition without a commit has no lag
(None, where kafka-consumer-groups.sh shows "-"): only the setting auto_offset_reset of a future
consumer will decide where that starts. What a committed offset says about the work that was done is
the lesson's subject; this module judges nothing.
"""

from __future__ import annotations

import logging
import sys
import threading
from time import monotonic, sleep
from time import time as now
from typing import TYPE_CHECKING, Any

from kafka import TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import KafkaError
from kafka.protocol.api_message import ApiMessage

from kitlib._notebook import after_each_cell
from kitlib.errors import KitError, wrong_type
from kitlib.journal import Journal, Row, expect_journal

if TYPE_CHECKING:
    import pandas as pd

PATIENCE_S = 15.0  # a new broker creates the topic for commits first
__all__ = ["LagMeter"]
_COLUMNS = ("group", "topic", "partition", "committed", "end", "lag", "member")
_running: dict[tuple[str, str], LagMeter] = {}  # by broker and group
_HERE = {"load_json": sys.modules[__name__]}  # two JSON files have the form of the messages


class ConsumerGroupDescribeRequest(ApiMessage, **_HERE):
    """Asks for the members of groups of KIP-848, which kafka-python 3.0.12 cannot describe."""


class ConsumerGroupDescribeResponse(ApiMessage, **_HERE):
    """Says what each member owns."""


async def _owned(admin: Any, group: str) -> list[tuple[str, str, list[int]]]:
    [coordinator] = (await admin._find_coordinator_ids([group])).values()
    request = ConsumerGroupDescribeRequest(group_ids=[group], include_authorized_operations=False)
    [described] = (await admin._manager.send(request, node_id=coordinator)).groups
    return [
        (member.member_id, part.topic_name, part.partitions)
        for member in described.members
        for part in member.assignment.topic_partitions
    ]


class LagMeter:
    """Measures the lag of a group: once (`measure`), or repeatedly (`start`, `stop`, `with`).

    kafka: what `kit.connect()` returned. journal: where the rows go; by default a new one,
    `meter.journal`. every_s: seconds between measurements. topics: a name or a list of names; by
    default every topic that the group has a commit for or owns partitions of.

    A measurement is one row "lag" per partition, all with the same time: actor "lag meter", group,
    topic, partition, offset (committed; None without a commit), member (the owner's id, or None)
    and detail `{"lag": int or None, "end": int}`.
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
            fix = "Write kit.LagMeter(kafka, group) with kafka = kit.connect()"
            raise wrong_type("a Kafka handle", kafka, fix)
        self.group = group
        self.journal = Journal() if journal is None else expect_journal(journal)
        self._kafka = kafka
        self._every_s = every_s
        self._topics = [topics] if isinstance(topics, str) else topics
        self._last: list[Row] = []
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def measure(self) -> pd.DataFrame:
        """Measure now, write the rows and return them as `frame()` does.

        Raises KitError when the broker does not answer, a topic does not exist, or the group is a
        share group, which has no lag of this kind.
        """
        deadline = monotonic() + PATIENCE_S
        while True:
            try:
                self._measure()
                return self.frame()
            except KafkaError as error:
                if not error.retriable or monotonic() > deadline:
                    raise KitError(
                        f"The lag of {self.group} cannot be measured", f"Kafka answered {error}"
                    ) from error
            sleep(0.05)

    def _measure(self) -> None:
        admin = self._kafka.admin()
        owners = self._owners(admin)
        commits = admin.list_group_offsets(self.group)[self.group]
        names = self._topics or sorted({place.topic for place in [*commits, *owners]})
        topics = admin.describe_topics(names) if names else []
        if missing := [topic["name"] for topic in topics if self._topics and topic["error_code"]]:
            raise KitError(
                f"The topic {missing[0]!r} does not exist", fix="Check topics= of the meter"
            )
        places = [
            TopicPartition(topic["name"], partition["partition_index"])
            for topic in topics
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
        self._last = rows
        self.journal.extend(rows)

    def _owners(self, admin: Any) -> dict[TopicPartition, str]:
        """Who owns which partition, in a group of whatever kind."""
        described = admin.describe_groups([self.group])[self.group]
        owned = [
            (member["member_id"], part["topic"], part["partitions"])
            for member in described["members"]
            if isinstance(member["member_assignment"], dict)  # not while the group rebalances
            for part in member["member_assignment"].get("assigned_partitions", ())
        ]
        if described["error"]:  # unknown, or not of the classic kind
            kinds = {group["group_id"]: group.get("group_type") for group in admin.list_groups()}
            if kinds.get(self.group) == "share":
                raise KitError(
                    f"{self.group} is a share group, and has no lag of this kind",
                    "Its members acknowledge records one by one, so it commits no offset",
                )
            if kinds.get(self.group) == "consumer":
                owned = admin._manager.run(_owned, admin, self.group)
        return {TopicPartition(topic, n): who for who, topic, numbers in owned for n in numbers}

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

    # -- repeatedly ------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether it is measuring repeatedly."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> LagMeter:
        """Measure every `every_s` seconds until `stop()`; does nothing if it is running.

        It stops any other meter of the same group, such as one from an earlier run of the cell.
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
            target=self._repeat, args=(self._end,), name=f"lag of {self.group}", daemon=True
        )
        _running[key] = self
        self._thread.start()
        return self

    def _repeat(self, end: threading.Event) -> None:
        while not end.wait(self._every_s):
            try:
                self._measure()
            except Exception:  # the broker is busy, or the topic is being replaced
                logging.getLogger(__name__).debug("A measurement failed", exc_info=True)

    def stop(self) -> None:
        """Stop measuring; does nothing if it is not running. The journal keeps its rows."""
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


def _after_cell(result: Any) -> None:
    """An interrupted cell stops all meters."""
    if isinstance(result.error_in_exec, KeyboardInterrupt):
        for meter in list(_running.values()):
            meter.stop()
