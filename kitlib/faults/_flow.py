"""One direction of a connection: it cuts the stream into frames and sends bytes when they are due.

A `Flow` reads its own socket and writes to that of the other flow of its link. Bytes pass as they
come; a whole frame is collected only when the link needs it. Anything that is not a frame of Kafka
passes unaltered, and a flow with too much still to send stops reading. It decides nothing itself:
`FlowLink` is what it asks of its link.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from typing import Any, Protocol

from kitlib.faults._fault import Fault

MAX_FRAME_BYTES = 100 * 1024 * 1024  # Kafka's socket.request.max.bytes: longer ones only pass
MAX_QUEUED_BYTES = 256 * 1024  # what may wait for its time before a flow stops reading


class FlowLink(Protocol):
    """A link as its flows see it. armed: the faults. silent: nothing passes any more."""

    armed: list[Fault]
    silent: bool

    def needs_frame(self, flow: Flow, head: bytes) -> bool: ...
    def meet(self, flow: Flow, frame: bytes) -> bytes | None: ...
    def opened(self, flow: Flow) -> None: ...
    def closed(self) -> None: ...


class Flow(asyncio.Protocol):
    """head: how many bytes of a frame tell what it is."""

    def __init__(self, link: FlowLink, head: int) -> None:
        self.other: Flow  # set by the link
        self.transport: asyncio.Transport | None = None
        self.due = 0.0  # nothing that comes passes before (time.monotonic); 0 for at once
        self._link = link
        self._head = head
        self._held = bytearray()  # the start of a frame that cannot be judged yet
        self._need = 0  # how many bytes must be held for that
        self._rest = 0  # bytes of the present frame that have yet to pass
        self._queue: deque[tuple[float, bytes]] = deque()  # what waits, and until when
        self._queued = 0
        self._timer: asyncio.TimerHandle | None = None
        self._ended = False
        self._blocks: set[str] = set()  # the reasons for not reading

    # -- reading ---------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Relay what came, after what is held."""
        if self._link.silent:
            return
        if self._held or "response" in self._blocks:
            self._held += data
            if len(self._held) < self._need:
                return
            data, self._held = bytes(self._held), bytearray()
        self._relay(data)

    def _relay(self, data: bytes) -> None:
        sent = at = 0  # data[sent:at] is to pass
        end = len(data)
        while True:
            step = min(self._rest, end - at)
            at, self._rest = at + step, self._rest - step
            if at == end:
                break
            need, size = self._measure(data, at)
            if end - at < need:
                self._held, self._need = bytearray(data[at:]), need
                break
            if need < self._head:
                # Too short for Kafka's protocol; and a negative length means no frames at all.
                self._rest = 4 + size if size >= 0 else sys.maxsize
                continue
            if self._link.armed:
                self._emit(data[sent:at])  # a fault acts on this frame, not on what came before
                sent = at
            instead = self._link.meet(self, data[at : at + need])
            if self._link.silent:
                return
            if instead is None:
                self._rest = 4 + size
                continue
            self._emit(data[sent:at] + instead)
            sent = at = at + need
            if "response" in self._blocks:
                self._held, self._need = bytearray(data[at:]), sys.maxsize
                return
        self._emit(data[sent:at])

    def _measure(self, data: bytes, at: int) -> tuple[int, int]:
        """How many bytes of the frame that starts here are needed, and the length it states."""
        if len(data) - at < 4:
            return 4, 0
        size = int.from_bytes(data[at : at + 4], "big", signed=True)
        need = 4 + max(0, min(size, self._head - 4))
        complete = need == self._head <= len(data) - at and size <= MAX_FRAME_BYTES
        if complete and self._link.needs_frame(self, data[at : at + need]):
            need = 4 + size
        return need, size

    def block(self, reason: str, on: bool = True) -> None:
        """Stop reading for this reason; with on=False, go on unless another reason remains."""
        (self._blocks.add if on else self._blocks.discard)(reason)
        if self.transport is not None and not self.transport.is_closing():
            (self.transport.pause_reading if self._blocks else self.transport.resume_reading)()

    def resume(self) -> None:
        """Go on with what came during the wait for a response."""
        if "response" in self._blocks:
            self.block("response", False)
            self._need = 0
            self.data_received(b"")

    # -- writing ---------------------------------------------------------------------------------

    def _emit(self, data: bytes) -> None:
        """Pass these bytes on, now or when they are due and the other side is connected."""
        target = self.other.transport
        if not data:
            return
        if target is not None and not (self._queue or self.due):
            target.write(data)
            return
        self._queue.append((self.due, data))
        self._queued += len(data)
        self._flush()

    def _flush(self) -> None:
        target, now = self.other.transport, time.monotonic()
        if target is None:
            return
        while self._queue and self._queue[0][0] <= now:
            piece = self._queue.popleft()[1]
            self._queued -= len(piece)
            target.write(piece)
        if self._timer:
            self._timer.cancel()
        if self._queue:
            wait_s = self._queue[0][0] - now
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._flush)
        elif self._ended:
            target.close()
        elif self.due <= now:
            self.due = 0.0
        self.block("queue", self._queued > MAX_QUEUED_BYTES)

    def hurry(self) -> None:
        """Send at once what waits."""
        self.due = 0.0
        self._queue = deque((0.0, piece) for _, piece in self._queue)
        self._flush()

    def drop(self) -> None:
        """Discard what waits."""
        self._queue.clear()
        self._queued = 0

    def abort(self) -> None:
        """Close its socket at once."""
        if self.transport is not None:
            self.transport.abort()

    # -- asyncio.Protocol ------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """Its socket is connected: what the other flow has for it can go."""
        self.transport = transport
        self._link.opened(self)
        self.other._flush()

    def connection_lost(self, error: Exception | None) -> None:
        """Its socket is closed: the other one closes, too, once it has got what waits for it."""
        self._ended = True
        self._flush()
        self.other.drop()
        self._link.closed()

    def pause_writing(self) -> None:
        """Its socket takes no more: stop reading what would go there."""
        self.other.block("full")

    def resume_writing(self) -> None:
        """Its socket takes more again."""
        self.other.block("full", False)
