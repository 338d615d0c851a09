"""A connection through the proxy: a client's connection together with the one to its broker.

A `ProxyLink` matches responses to requests, lets the armed faults meet both, and does to the
connection what they ask for. It has the addresses in responses that name brokers replaced, so that
no client slips past the proxy. `Proxy` is what all links share. Neither knows of orders and owners.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine
from typing import Any

from kitlib.faults import _wire as wire
from kitlib.faults._fault import Fault, Link
from kitlib.faults._flow import Flow, FlowLink
from kitlib.faults._wire import Address, Request

MAX_REQUESTS = 1000  # that a link remembers: those with acks=0 never get a response
# From an earlier response to the end of its connection. kafka-python (3.0) discards what it reads
# together with the end, and a second acknowledgement would be lost.
SETTLE_S = 0.3


class ProxyLink(Link, FlowLink):
    """proxy: what it shares with other links. target: the address of its broker."""

    def __init__(self, proxy: Proxy, target: Address) -> None:
        self.proxy = proxy
        self.armed = proxy.armed
        self.topic_names = proxy.topic_names
        self.silent = False
        self.up = Flow(self, wire.REQUEST_HEAD)
        self.down = Flow(self, wire.RESPONSE_HEAD)
        self.up.other, self.down.other = self.down, self.up
        self._target = target
        self._requests: dict[int, Request] = {}  # by correlation id
        self._taken: dict[Request, Fault] = {}  # and the fault that decides about the response
        self._passed_at: dict[str, float] = {}  # when the last response of each api passed

    # -- what a fault may do: `Link` tells what each of these means ------------------------------

    def note(self, fault: Fault, request: Request, **details: Any) -> None:
        fault.fired += 1
        if request not in self._taken:  # then it was counted already, in `take`
            fault.left -= 1
        place = {name: details.pop(name, None) for name in ("topic", "partition", "offset")}
        met = {"api": request.name, "correlation_id": request.correlation_id}
        detail = {"fault": fault.name, **met, **details}
        self.proxy.report({"time": time.time(), **place, "detail": detail})

    def cut(self) -> None:
        self.silence()
        self.up.abort()
        self.down.abort()

    def silence(self) -> None:
        self.silent = True
        self.up.drop()
        self.down.drop()

    def hold(self, direction: str, delay_s: float) -> None:
        flow = self.up if direction == "request" else self.down
        flow.due = max(flow.due, time.monotonic() + delay_s)

    def take(self, request: Request, fault: Fault) -> None:
        self._taken[request] = fault
        fault.left -= 1  # now, so that no other link takes one too many
        self.up.block("response")

    def release(self, request: Request) -> None:
        if fault := self._taken.pop(request, None):
            fault.left += 1

    def lose(self, request: Request) -> None:
        self.up.block("lost")  # for good: what waits behind the request never passes
        self.up.block("response", False)
        last = max(self._passed_at.get(request.name, 0.0), self.down.due)
        wait_s = max(0.0, last + SETTLE_S - time.monotonic())
        asyncio.get_running_loop().call_later(wait_s, self.down.abort)

    # -- what the flows ask ----------------------------------------------------------------------

    def needs_frame(self, flow: Flow, head: bytes) -> bool:
        """Whether the whole frame that starts like this is to be collected, to be decoded."""
        if flow is self.up:
            apis = [f.api for f in self.armed if f.needs_frame and f.left > 0]
            return bool(apis) and wire.request_of(head).name in apis
        request = self._requests.get(wire.correlation_id_of(head))
        return request is not None and (request in self._taken or wire.names_brokers(request))

    def meet(self, flow: Flow, frame: bytes) -> bytes | None:
        """Let faults act on a frame or, if no more was needed, its head.

        Returns what passes instead; None for no change.
        """
        return self._meet_request(frame) if flow is self.up else self._meet_response(frame)

    def _meet_request(self, frame: bytes) -> bytes | None:
        request = wire.request_of(frame)
        self._requests[request.correlation_id] = request
        if len(self._requests) > MAX_REQUESTS:
            # Not one whose response names brokers: no address may slip through.
            old = (number for number, r in self._requests.items() if not wire.names_brokers(r))
            del self._requests[next(old, request.correlation_id)]
        request.frame = frame
        self._strike("request", request)
        request.frame = b""
        return frame if request in self._taken else None

    def _meet_response(self, frame: bytes) -> bytes | None:
        request = self._requests.pop(wire.correlation_id_of(frame), None)
        if request is None:
            return None
        if fault := self._taken.get(request):
            fault.decide(self, request, frame)
            if request in self._taken:
                return b""  # the response is lost
            self.up.resume()
        self._strike("response", request)
        self._passed_at[request.name] = time.monotonic()
        if wire.names_brokers(request):
            return wire.redirected(request, frame, self.proxy.place, self.topic_names)
        return None

    def _strike(self, direction: str, request: Request) -> None:
        for fault in self.armed:
            if self.silent or request in self._taken:
                return
            if fault.direction == direction and fault.meets(self, request):
                fault.strike(self, request)

    # -- its life --------------------------------------------------------------------------------

    def opened(self, flow: Flow) -> None:
        """A client has come: connect to its broker."""
        if flow is self.up:
            self.proxy.links.add(self)
            # Read nothing before the broker is there. Not blocked at once, because CPython before
            # 3.11.4 starts to read after `connection_made`, even if that has paused reading.
            asyncio.get_running_loop().call_soon(self.up.block, "connecting")
            self.proxy.spawn(self._dial())

    async def _dial(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: self.down, *self._target)
        except (OSError, ValueError, OverflowError):  # the latter two: no such host or port exists
            self.cut()
        if self.up.transport is None or self.up.transport.is_closing():
            self.cut()
        self.up.block("connecting", False)

    def clear(self) -> None:
        """The faults are gone: go on, or end if bytes are missing."""
        if self.silent:
            self.cut()
        self._release_all()
        for flow in (self.up, self.down):
            flow.hurry()
            flow.resume()

    def closed(self) -> None:
        """One side has gone: no response will come."""
        self.proxy.links.discard(self)
        self._release_all()
        self._requests.clear()

    def _release_all(self) -> None:
        for request in self._requests.values():
            self.release(request)


class Proxy:
    """What all links share. report: called with each fault that fires, a dict of plain JSON.

    armed: the faults, in the order in which they were armed. topic_names: names by topic id, as
    Metadata responses gave them.
    """

    def __init__(self, report: Callable[[dict[str, Any]], None]) -> None:
        self.report = report
        self.armed: list[Fault] = []
        self.links: set[ProxyLink] = set()
        self.topic_names: dict[str, str] = {}
        self._places: dict[Address, Address] = {}  # of listeners, by the broker that each leads to
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run a coroutine, and keep its task: asyncio itself holds it only weakly."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def place(self, target: Address) -> Address:
        """The address of the listener that leads to this broker, which is opened if need be."""
        if target in self._places.values():
            return target
        if target not in self._places:
            listener = socket.create_server(("127.0.0.1", 0))
            self._places[target] = listener.getsockname()
            self.spawn(
                asyncio.get_running_loop().create_server(
                    lambda: ProxyLink(self, target).up, sock=listener
                )
            )
        return self._places[target]

    def clear(self) -> None:
        """Disarm all faults, and let every link go on or end."""
        self.armed.clear()
        for link in tuple(self.links):
            link.clear()
