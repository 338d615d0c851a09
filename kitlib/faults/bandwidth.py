"""bandwidth: a slow line that all connections share, with the same rate in each direction.

It slows every api and does not end by itself. It fires once for each connection that it slows. Of
several, the one that was armed last counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakSet

from kitlib.faults._fault import Fault, Link, positive
from kitlib.faults._wire import Request


@dataclass(kw_only=True)
class Bandwidth(Fault):
    """kb_per_s: int or float above 0, in units of 1,000 bytes per second."""

    kb_per_s: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not positive(self.kb_per_s):
            self._refuse("kb_per_s", "Give kilobytes per second above 0, such as kb_per_s=100")
        self.piece_bytes = max(1, int(self.kb_per_s * 50))  # what passes in a twentieth of a second
        self._free_at = {"request": 0.0, "response": 0.0}  # time.monotonic
        self._slowed: WeakSet[Link] = WeakSet()

    def slot(self, direction: str, size_bytes: int, now: float) -> float:
        """When so many bytes have gone through the line; `now` is time.monotonic, in seconds."""
        start = max(self._free_at[direction], now)
        self._free_at[direction] = start + size_bytes / (self.kb_per_s * 1000)
        return self._free_at[direction]

    def meets(self, link: Link, request: Request) -> bool:
        """The first request of each connection that it slows."""
        return link not in self._slowed

    def strike(self, link: Link, request: Request) -> None:
        """Only write it down: what slows the connection is `slot`, for every frame."""
        self._slowed.add(link)
        link.note(self, request, kb_per_s=self.kb_per_s)
