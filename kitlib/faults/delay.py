"""delay: a request or its response arrives later. Nothing is lost.

What follows on the same connection waits behind it, because TCP keeps the order. Frames that were
on their way together are late by the same time, not by the sum.
"""

from dataclasses import dataclass

from kitlib.faults._fault import Fault, Link, positive
from kitlib.faults._wire import Request


@dataclass(kw_only=True)
class Delay(Fault):
    """delay_ms: int or float above 0, the milliseconds that each frame it meets is late."""

    delay_ms: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not positive(self.delay_ms):
            self._refuse("delay_ms", "Give milliseconds above 0, such as delay_ms=50")

    def strike(self, link: Link, request: Request) -> None:
        """Hold this frame, and so what follows it."""
        link.note(self, request, delay_ms=self.delay_ms, direction=self.direction)
        link.hold(self.direction, self.delay_ms / 1000)
