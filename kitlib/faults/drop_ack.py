"""drop_ack: the broker has stored the records, and the producer never hears of it.

The Produce request is forwarded, and when its answer comes, the answer is thrown away and both
connections end, as in a network that breaks at the worst moment. It is the only fault that decodes
requests. It does not touch answers that say that nothing was stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from kitlib.faults._fault import Fault, whole
from kitlib.faults._link import Link
from kitlib.faults._wire import Call, Part, acknowledged, produced


@dataclass(kw_only=True, eq=False)
class DropAck(Fault):
    """topic, partition: only requests with records for these; None means any."""

    api: str | None = "Produce"
    times: int | None = 1
    topic: str | None = None
    partition: int | None = None
    needs_frame: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.topic is not None and not (isinstance(self.topic, str) and self.topic):
            self._refuse("topic", "Give the name of a topic, or None for any")
        if self.partition is not None and not whole(self.partition, 0):
            self._refuse("partition", "Give a partition from 0 on, or None for any")

    def _chosen(self, parts: list[Part]) -> list[Part]:
        return [
            part
            for part in parts
            if self.topic in (None, part.topic) and self.partition in (None, part.partition)
        ]

    def meets(self, link: Link, call: Call) -> bool:
        """A Produce request that is to be acknowledged, for the topic and partition."""
        return super().meets(link, call) and bool(self._chosen(produced(call, link.proxy.names)))

    def strike(self, link: Link, call: Call) -> None:
        """Wait for the answer; what the producer sends meanwhile does not reach the broker."""
        self.left -= 1
        link.take(call, self)

    def answered(self, link: Link, call: Call, frame: bytes) -> None:
        """Lose the answer, or let it go if the broker has not stored what was chosen."""
        parts = [part for part in acknowledged(call, frame, link.proxy.names) if part.error == 0]
        chosen = self._chosen(parts)
        if not chosen:
            link.release(call)
            return
        # One answer acknowledges all partitions of its request: they are lost together.
        lost = [f"{part.topic}-{part.partition} at {part.offset}" for part in parts]
        place: dict[str, Any] = {"topic": chosen[0].topic}
        if len(chosen) == 1:
            place |= {"partition": chosen[0].partition, "offset": chosen[0].offset}
        link.note(self, call, **place, lost=lost)
        link.lose(call)
