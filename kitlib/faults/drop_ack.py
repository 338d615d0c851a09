"""drop_ack: the broker has stored the records, and the producer never hears of it.

The Produce request is forwarded. When its response comes, it is discarded and both connections end,
as in a network that breaks at the worst moment. A response that says that nothing was stored passes
untouched. This is the only fault that decodes requests.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from kitlib.faults._fault import Fault, Link, whole
from kitlib.faults._wire import Batch, Request, acknowledged, produced


@dataclass(kw_only=True)
class DropAck(Fault):
    """topic: str, partition: int, to meet only requests with records for them; None means any."""

    api: str | None = "Produce"
    topic: str | None = None
    partition: int | None = None
    needs_frame: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.topic is not None and not (isinstance(self.topic, str) and self.topic):
            self._refuse("topic", "Give the name of a topic, or None for any")
        if self.partition is not None and not whole(self.partition, 0):
            self._refuse("partition", "Give a partition number of at least 0, or None for any")

    def _chosen(self, batches: list[Batch]) -> list[Batch]:
        return [
            batch
            for batch in batches
            if self.topic in (None, batch.topic) and self.partition in (None, batch.partition)
        ]

    def meets(self, link: Link, request: Request) -> bool:
        """A Produce request with acks=1 or acks="all" that has records for topic and partition."""
        if not super().meets(link, request):
            return False
        return bool(self._chosen(produced(request, link.topic_names)))

    def strike(self, link: Link, request: Request) -> None:
        """Wait for the response; what the producer sends meanwhile does not reach the broker."""
        link.take(request, self)

    def decide(self, link: Link, request: Request, response: bytes) -> None:
        """Lose the response, or let it pass if the broker has stored none of what was chosen."""
        batches = acknowledged(request, response, link.topic_names)
        stored = [batch for batch in batches if batch.error_code == 0]
        chosen = self._chosen(stored)
        if not chosen:
            link.release(request)
            return
        # One response acknowledges all batches of its request: they are lost together.
        lost = [f"{batch.topic}-{batch.partition} at {batch.offset}" for batch in stored]
        place: dict[str, Any] = {"topic": chosen[0].topic}
        if len(chosen) == 1:
            place |= {"partition": chosen[0].partition, "offset": chosen[0].offset}
        link.note(self, request, **place, lost=lost)
        link.lose(request)
