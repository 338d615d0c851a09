"""What every fault is: options that are checked where they are written, and harm done in the proxy.

A fault is made twice: in the notebook, where wrong options are refused, and from the same options
in the proxy's process, where its `strike` is called for each frame that it `meets`. It acts only
through the `Link` that it is given; see docs/creating-a-fault.md.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from kafka.protocol.api_key import ApiKey

from kitlib.errors import KitError

if TYPE_CHECKING:
    from kitlib.faults._main import Link
    from kitlib.faults._wire import Call


@dataclass(kw_only=True, eq=False)
class Fault:
    """api: the requests that are met, by Kafka's name; None means all. times: how often it strikes;
    None means until it is cleared. direction: whether a "request" or its "response" is met.

    Raises KitError for options that cannot be meant.
    """

    api: str | None = None
    times: int | None = None
    direction: str = "request"
    name: ClassVar[str]  # of its method of `Faults` and in its rows: drop_ack for DropAck
    needs_frame: ClassVar[bool] = False  # of a request, to decode it

    def __post_init__(self) -> None:
        known = ApiKey.__members__
        if self.api is not None and not (isinstance(self.api, str) and self.api in known):
            near = difflib.get_close_matches(str(self.api).title(), known, 1, 0.5) or ["Produce"]
            self._refuse("api", f"Use the names of Kafka's protocol guide, such as {near[0]!r}")
        if self.times is not None and not whole(self.times, 1):
            self._refuse("times", "Give a whole number from 1 on, or None for until it is cleared")
        if self.direction not in ("request", "response"):
            self._refuse("direction", "Write 'request' or 'response'")
        self.left = float("inf") if self.times is None else self.times
        self.fired = 0

    def __init_subclass__(cls) -> None:
        cls.name = re.sub(r"(?<=.)(?=[A-Z])", "_", cls.__name__).lower()

    def options(self) -> dict[str, Any]:
        """What it was made with."""
        return asdict(self)

    def meets(self, link: Link, call: Call) -> bool:
        """Whether this frame is one for it. Called for each frame of its direction."""
        return self.left > 0 and self.api in (None, call.name)

    def strike(self, link: Link, call: Call) -> None:
        """Do the harm, with `link.note(self, call)` before it."""
        raise NotImplementedError

    def answered(self, link: Link, call: Call, frame: bytes) -> None:
        """After `link.take(call, self)`: `link.lose(call)` the answer or `link.release(call)`."""
        raise NotImplementedError

    def _refuse(self, option: str, fix: str) -> None:
        raise KitError(f"{self.name} cannot have {option}={getattr(self, option)!r}", fix=fix)


def whole(value: object, least: int) -> bool:
    """Whether this is a whole number, and not below `least`."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def positive(value: object) -> bool:
    """Whether this is a number above 0 that one can count with."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e9
