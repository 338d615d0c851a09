"""One direction of a connection: cuts the stream into frames, and sends bytes when it is time.

A `Flow` reads its own socket and writes to the socket of the other flow of its link. Bytes pass as
they come; a frame is collected only when the link needs the whole of it. What is no frame of
Kafka's passes unaltered, and a flow that has too much to send stops reading. It decides nothing:
the link does.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kitlib.faults._link import Link

MOST_FRAME = 100 * 1024 * 1024  # Kafka's socket.request.max.bytes: nothing longer is collected
MOST_QUEUED = 256 * 1024  # bytes that wait for their time before a flow stops reading


class Flow(asyncio.Protocol):
    """direction: "request" or "response". head: bytes of a frame that tell what it is."""

    def __init__(self, link: Link, direction: str, head: int) -> None:
        self.other: Flow  # the link sets it
        self.transport: asyncio.Transport | None = None
        self._link = link
        self._direction = direction
        self._head = head
        self._held = bytearray()  # the start of a frame that is not decided yet
        self._need = 0  # bytes that must be held before it can be
        self._rest = 0  # bytes of the present frame that are still to pass
        self._queue: deque[tuple[float, bytes]] = deque()  # what waits, and until when
        self._queued = 0
        self.due = 0.0  # nothing passes before this time (time.monotonic)
        self._timer: asyncio.TimerHandle | None = None
        self._ended = False
        self._blocks: set[str] = set()  # why it does not read

    # -- reading ---------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Relay what came, with what is held."""
        if self._link.silent:
            return
        if self._held or "answer" in self._blocks:
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
                # Too short for a request or an answer; without a length there are no frames at all.
                self._rest = 4 + size if size >= 0 else sys.maxsize
                continue
            if self._link.proxy.armed:
                self._emit(data[sent:at])  # what a fault does begins with this frame
                sent = at
            instead = self._link.met(self, data[at : at + need])
            if self._link.silent:
                return
            if instead is None:
                self._rest = 4 + size
                continue
            self._emit(data[sent:at] + instead)
            sent = at = at + need
            if "answer" in self._blocks:
                self._held, self._need = bytearray(data[at:]), sys.maxsize
                return
        self._emit(data[sent:at])

    def _measure(self, data: bytes, at: int) -> tuple[int, int]:
        """How many bytes of the frame that starts here are needed, and the length it tells."""
        if len(data) - at < 4:
            return 4, 0
        size = int.from_bytes(data[at : at + 4], "big", signed=True)
        need = 4 + max(0, min(size, self._head - 4))
        known = need == self._head <= len(data) - at and size <= MOST_FRAME
        if known and self._link.needs(self, data[at : at + need]):
            need = 4 + size
        return need, size

    def block(self, why: str, on: bool = True) -> None:
        """Stop reading for this reason, or go on if there is no other."""
        (self._blocks.add if on else self._blocks.discard)(why)
        if self.transport is not None and not self.transport.is_closing():
            (self.transport.pause_reading if self._blocks else self.transport.resume_reading)()

    def resume(self) -> None:
        """Go on with what came while an answer was waited for."""
        if "answer" in self._blocks:
            self.block("answer", False)
            self._need = 0
            self.data_received(b"")

    # -- writing ---------------------------------------------------------------------------------

    def _emit(self, data: bytes) -> None:
        """Pass these bytes on, now or when their time has come."""
        target, line = self.other.transport, self._link.proxy.line
        if not data or target is None:
            return
        if not (self._queue or self.due or line):
            target.write(data)
            return
        now, step = time.monotonic(), line.piece if line else len(data)
        for start in range(0, len(data), step):
            piece = data[start : start + step]
            if line:
                self.due = max(self.due, line.slot(self._direction, len(piece), now))
            self._queue.append((self.due, piece))
            self._queued += len(piece)
        self._flush()

    def _flush(self) -> None:
        target, now = self.other.transport, time.monotonic()
        while self._queue and self._queue[0][0] <= now and target is not None:
            piece = self._queue.popleft()[1]
            self._queued -= len(piece)
            target.write(piece)
        if self._timer:
            self._timer.cancel()
        if self._queue:
            wait = self._queue[0][0] - now
            self._timer = asyncio.get_running_loop().call_later(wait, self._flush)
        elif self._ended and target is not None:
            target.close()
        elif self.due <= now:
            self.due = 0.0
        self.block("queue", self._queued > MOST_QUEUED)

    def hold(self, seconds: float) -> None:
        """Let nothing that comes from now on pass before this time is over."""
        self.due = max(self.due, time.monotonic() + seconds)

    def hurry(self) -> None:
        """Send at once what waits."""
        self.due = 0.0
        self._queue = deque((0.0, piece) for _, piece in self._queue)
        self._flush()

    def drop(self) -> None:
        """Forget what waits: nobody will take it."""
        self._queue.clear()
        self._queued = 0

    # -- asyncio.Protocol ------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """Its socket is open."""
        self.transport = transport
        self._link.opened(self)

    def connection_lost(self, error: Exception | None) -> None:
        """Its socket is closed: the other one goes when it has got what waits for it."""
        self._ended = True
        self._flush()
        self.other.drop()
        self._link.left()

    def pause_writing(self) -> None:
        """Its socket takes no more: stop reading what goes there."""
        self.other.block("full")

    def resume_writing(self) -> None:
        """Its socket takes more again."""
        self.other.block("full", False)
