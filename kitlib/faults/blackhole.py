"""blackhole: a connection stays open, but from a request on nothing arrives in either direction.

The client notices nothing until its own timeout. It then connects again, and the new connection
works until a request on it is met. Clearing the faults ends the dead connections: bytes are missing
on them.
"""

from kitlib.faults._fault import Fault, Link
from kitlib.faults._wire import Request


class Blackhole(Fault):
    """It has the options of every fault."""

    def strike(self, link: Link, request: Request) -> None:
        """Swallow this request and everything after it."""
        link.note(self, request)
        link.silence()
