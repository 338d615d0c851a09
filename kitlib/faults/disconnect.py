"""disconnect: the connection breaks when a request comes, and the broker never sees the request.

The client notices at once and connects again; whether it repeats the request is its own matter.
"""

from __future__ import annotations

from dataclasses import dataclass

from kitlib.faults._fault import Fault
from kitlib.faults._link import Link
from kitlib.faults._wire import Call


@dataclass(kw_only=True, eq=False)
class Disconnect(Fault):
    """The options are those of every fault."""

    times: int | None = 1

    def strike(self, link: Link, call: Call) -> None:
        """End both connections at once."""
        self.left -= 1
        link.note(self, call)
        link.cut()
