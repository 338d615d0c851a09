"""A client's connection together with the one to its broker: what a fault can act on.

A `Link` matches answers to requests, lets the armed faults meet them, and has the answers that name
brokers changed. The methods of "what a fault can do" are the vocabulary of a new fault.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from kitlib.faults._flow import Flow
from kitlib.faults._wire import Address, Call, call_of, moved, names_brokers

if TYPE_CHECKING:
    from kitlib.faults._fault import Fault
    from kitlib.faults._main import Proxy

MOST_CALLS = 1000  # requests that are remembered: those with acks=0 get no answer
# From an earlier answer to the end of its connection. kafka-python (3.0) throws away what it reads
# together with the end, and a second acknowledgement would be lost.
SETTLE_S = 0.3


class Link:
    """proxy: the proxy, with the armed faults. target: where its broker is."""

    def __init__(self, proxy: Proxy, target: Address) -> None:
        self.proxy = proxy
        self.silent = False
        self.up = Flow(self, "request", 12)  # length, api key, api version, correlation id
        self.down = Flow(self, "response", 8)  # length, correlation id
        self.up.other, self.down.other = self.down, self.up
        self._target = target
        self._calls: dict[int, Call] = {}
        self._told: dict[str, float] = {}  # when the last answer of each api passed

    # -- what a fault can do ---------------------------------------------------------------------

    def note(self, fault: Fault, call: Call, **known: Any) -> None:
        """Tell the owner that a fault fires. known: topic, partition, offset; details."""
        fault.fired += 1
        place = {name: known.pop(name, None) for name in ("topic", "partition", "offset")}
        detail = {"fault": fault.name, "api": call.name, "correlation_id": call.number} | known
        self.proxy.say({"time": time.time(), **place, "detail": detail})

    def cut(self) -> None:
        """End both connections at once."""
        self.silence()
        for flow in (self.up, self.down):
            if flow.transport is not None:
                flow.transport.abort()

    def silence(self) -> None:
        """Let nothing pass any more; the connections stay open."""
        self.silent = True
        self.up.drop()
        self.down.drop()

    def hold(self, direction: str, seconds: float) -> None:
        """Let this frame, and what follows it in its direction, wait."""
        (self.up if direction == "request" else self.down).hold(seconds)

    def take(self, call: Call, fault: Fault) -> None:
        """Forward this request, and no later one until `fault.answered` has seen its answer."""
        call.taken = fault
        self.up.block("answer")

    def release(self, call: Call) -> None:
        """Undo `take`: the answer passes, and so do the requests that waited."""
        if call.taken:
            call.taken.left += 1
            call.taken = None

    def lose(self, call: Call) -> None:
        """End both connections, the client's when it has got all earlier answers, and has had the
        time to read those of the same api."""
        self.up.block("lost")  # for good: what waits behind the request never passes
        self.up.block("answer", False)
        told = max(self._told.get(call.name, 0.0), self.down.due)
        wait = max(0.0, told + SETTLE_S - time.monotonic())
        asyncio.get_running_loop().call_later(wait, self._end)

    # -- what the flows ask ----------------------------------------------------------------------

    def needs(self, flow: Flow, head: bytes) -> bool:
        """Whether the whole frame that starts like this is needed, to decode it."""
        if flow is self.up:
            apis = [f.api for f in self.proxy.armed if f.needs_frame and f.left > 0]
            return bool(apis) and call_of(head).name in apis
        call = self._calls.get(_number(head))
        return call is not None and (call.taken is not None or names_brokers(call))

    def met(self, flow: Flow, frame: bytes) -> bytes | None:
        """Let faults act on a frame, or on its head; returns what passes instead of the frame."""
        if flow is self.up:
            call = self._calls[_number(frame, 8)] = call_of(frame)
            if len(self._calls) > MOST_CALLS:
                # Not those whose answer names brokers: no address may slip through.
                old = (number for number, call in self._calls.items() if not names_brokers(call))
                del self._calls[next(old, call.number)]
            call.frame = frame
            self._strike("request", call)
            call.frame = b""
            return frame if call.taken else None
        answered = self._answered(_number(frame))
        if answered is None:
            return None
        if answered.taken:
            answered.taken.answered(self, answered, frame)
            if answered.taken:
                return b""
            self.up.resume()
        self._strike("response", answered)
        self._told[answered.name] = time.monotonic()
        if names_brokers(answered):
            return moved(answered, frame, self.proxy.place, self.proxy.names)
        return None

    def _strike(self, direction: str, call: Call) -> None:
        for fault in self.proxy.armed:
            if self.silent or call.taken:
                return
            if fault.direction == direction and fault.meets(self, call):
                fault.strike(self, call)

    def _answered(self, number: int) -> Call | None:
        """The request of this answer. Answers come in order: earlier requests never get one."""
        if number not in self._calls:
            return None
        for earlier in list(self._calls):
            call = self._calls.pop(earlier)
            if earlier == number:
                break
        return call

    # -- its life --------------------------------------------------------------------------------

    def opened(self, flow: Flow) -> None:
        """A client has come: connect to its broker, and read nothing before that."""
        if flow is self.up:
            self.proxy.links.add(self)
            self.up.block("connecting")
            self.proxy.spawn(self._dial())

    async def _dial(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: self.down, *self._target)
        except (OSError, ValueError, OverflowError):  # the latter two: no host, no port is like it
            self.cut()
        if self.up.transport is None or self.up.transport.is_closing():
            self.cut()
        self.up.block("connecting", False)

    def clear(self) -> None:
        """The faults are gone: go on, or end if bytes are missing."""
        if self.silent:
            self.cut()
        for call in self._calls.values():
            self.release(call)
        for flow in (self.up, self.down):
            flow.hurry()
            flow.resume()

    def _end(self) -> None:
        if self.down.transport is not None:
            self.down.transport.abort()

    def left(self) -> None:
        """One side has gone: no answer will come."""
        self.proxy.links.discard(self)
        for call in self._calls.values():
            self.release(call)
        self._calls.clear()


def _number(frame: bytes, at: int = 4) -> int:
    return int.from_bytes(frame[at : at + 4], "big", signed=True)
