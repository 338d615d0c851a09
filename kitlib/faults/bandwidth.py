"""bandwidth: a slow line, shared by all connections, with the same rate for each direction.

It does not end by itself and meets every api. It fires once for each connection that it slows.
Of several, the one that was armed last counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakSet

from kitlib.faults._fault import Fault, positive
from kitlib.faults._link import Link
from kitlib.faults._wire import Call


@dataclass(kw_only=True, eq=False)
class Bandwidth(Fault):
    """kb_per_s: 1,000 bytes per second, above 0."""

    kb_per_s: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not positive(self.kb_per_s):
            self._refuse("kb_per_s", "Give kilobytes per second above 0, such as kb_per_s=100")
        self.piece = max(1, int(self.kb_per_s * 50))  # bytes in a twentieth of a second
        self._free = {"request": 0.0, "response": 0.0}
        self._slowed: WeakSet[Link] = WeakSet()

    def slot(self, direction: str, size: int, now: float) -> float:
        """When `size` bytes have gone through the line, in the seconds of `now`."""
        self._free[direction] = max(self._free[direction], now) + size / (self.kb_per_s * 1000)
        return self._free[direction]

    def meets(self, link: Link, call: Call) -> bool:
        """The first request of a connection that it slows."""
        return link not in self._slowed

    def strike(self, link: Link, call: Call) -> None:
        """Only write it down: every frame passes `slot`."""
        self._slowed.add(link)
        link.note(self, call, kb_per_s=self.kb_per_s)
