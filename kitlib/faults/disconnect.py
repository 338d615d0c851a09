"""disconnect: the connection breaks at a request, before the broker has seen it.

The client notices at once and connects again. Whether it repeats the request is its own decision.
"""

from kitlib.faults._fault import Fault, Link
from kitlib.faults._wire import Request


class Disconnect(Fault):
    """It has the options of every fault."""

    def strike(self, link: Link, request: Request) -> None:
        """End both connections at once."""
        link.note(self, request)
        link.cut()
