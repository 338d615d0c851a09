"""delay: a request or its answer arrives later. Nothing is lost.

What follows on the same connection waits behind it, as TCP keeps the order; frames that were on
their way together are late by the same time, not by the sum.
"""

from __future__ import annotations

from dataclasses import dataclass

from kitlib.faults._fault import Fault, positive
from kitlib.faults._link import Link
from kitlib.faults._wire import Call


@dataclass(kw_only=True, eq=False)
class Delay(Fault):
    """delay_ms: milliseconds, above 0, for each frame that is met."""

    delay_ms: float
    direction: str = "response"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not positive(self.delay_ms):
            self._refuse("delay_ms", "Give milliseconds above 0, such as delay_ms=50")

    def strike(self, link: Link, call: Call) -> None:
        """Hold this frame, and so what follows it, for the time."""
        self.left -= 1
        link.note(self, call, delay_ms=self.delay_ms, direction=self.direction)
        link.hold(self.direction, self.delay_ms / 1000)
