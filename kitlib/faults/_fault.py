"""What a fault is, and what it may do: `Fault`, the base of all faults, and `Link`.

A fault is made twice: in the notebook, where wrong options are refused, and from the same options
in the proxy's process, where its `strike` is called for each frame that it `meets`. It acts only
through the `Link` that it is given. `FAULTS` holds all faults by name; a fault enters it as soon as
its class is defined. docs/creating-a-fault.md shows how to write one.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from kafka.protocol.api_key import ApiKey

from kitlib.errors import KitError
from kitlib.faults._wire import Request

FAULTS: dict[str, type[Fault]] = {}


class Link(Protocol):
    """A client's connection and the one to its broker, as a fault sees them.

    topic_names: dict of topic id (a UUID as str) to topic name, as Metadata responses gave them.
    """

    topic_names: dict[str, str]

    def note(self, fault: Fault, request: Request, **details: Any) -> None:
        """Count the fault as fired, and write a row "fault" into the owner's journal.

        details: `topic`, `partition` and `offset` fill these fields of the row, anything else goes
        into its detail; all of it must be JSON.
        """

    def cut(self) -> None:
        """End both connections at once."""

    def silence(self) -> None:
        """Let nothing pass any more, in either direction; the connections stay open."""

    def hold(self, direction: str, delay_s: float) -> None:
        """Delay this frame by delay_s seconds, and with it what follows in its direction."""

    def take(self, request: Request, fault: Fault) -> None:
        """Forward this request but none after it, until `fault.decide` has seen the response."""

    def release(self, request: Request) -> None:
        """Undo `take`: the response passes, then the requests that waited."""

    def lose(self, request: Request) -> None:
        """After `take`, discard the response and end both connections.

        The client's ends once it has had the time to read every earlier response.
        """


@dataclass(kw_only=True)
class Fault:
    """api: str, which requests it meets, by the name in Kafka's protocol; None means all.

    times: int, how often it strikes; None means until it is cleared. direction: whether it meets
    the "request" or its "response". Raises KitError for options that make no sense.
    """

    api: str | None = None
    times: int | None = None
    direction: str = "request"
    name: ClassVar[str]  # drop_ack for DropAck: its method of `Faults`, and its name in rows
    needs_frame: ClassVar[bool] = False  # whether it decodes requests, and so needs all their bytes

    def __post_init__(self) -> None:
        known = ApiKey.__members__
        if self.api is not None and not (isinstance(self.api, str) and self.api in known):
            near = difflib.get_close_matches(str(self.api).title(), known, 1, 0.5) or ["Produce"]
            self._refuse("api", f"Use a name from Kafka's protocol guide, such as {near[0]!r}")
        if self.times is not None and not whole(self.times, 1):
            self._refuse("times", "Give a whole number of at least 1, or None for no limit")
        if self.direction not in ("request", "response"):
            self._refuse("direction", "Write 'request' or 'response'")
        self.left = float("inf") if self.times is None else self.times
        self.fired = 0

    def __init_subclass__(cls) -> None:
        cls.name = re.sub(r"(?<=.)(?=[A-Z])", "_", cls.__name__).lower()
        FAULTS[cls.name] = cls

    def meets(self, link: Link, request: Request) -> bool:
        """Whether to strike this frame. Called for each frame of its direction."""
        return self.left > 0 and self.api in (None, request.name)

    def strike(self, link: Link, request: Request) -> None:
        """Do the harm, after `link.note(self, request)`."""
        raise NotImplementedError

    def decide(self, link: Link, request: Request, response: bytes) -> None:
        """`link.lose` or `link.release` a request that this fault took with `link.take`.

        response: its whole frame.
        """
        raise NotImplementedError

    def _refuse(self, option: str, fix: str) -> None:
        value = getattr(self, option)
        raise KitError(f"{self.name} does not accept {option}={value!r}", fix=fix)


def whole(value: object, least: int) -> bool:
    """Whether this is a whole number of at least `least`."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def positive(value: object) -> bool:
    """Whether this is a finite number above 0, and below a billion."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e9
