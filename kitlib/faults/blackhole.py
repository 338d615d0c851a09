"""blackhole: the connection stays open, but from a request on nothing arrives, in no direction.

The client notices nothing until its own timeout. It then connects anew, and a new connection is
sound until a request on it is met. Clearing the faults ends the connections that are dead: bytes
are missing on them.
"""

from __future__ import annotations

from dataclasses import dataclass

from kitlib.faults._fault import Fault
from kitlib.faults._link import Link
from kitlib.faults._wire import Call


@dataclass(kw_only=True, eq=False)
class Blackhole(Fault):
    """The options are those of every fault."""

    def strike(self, link: Link, call: Call) -> None:
        """Swallow this request and whatever comes after it."""
        self.left -= 1
        link.note(self, call)
        link.silence()
