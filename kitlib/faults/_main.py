"""The proxy's process: its listeners, the armed faults, and its owner's orders.

It listens on 127.0.0.1 only, once for each broker, on ports that the system chooses. Orders come as
lines of JSON on standard input; replies and fired faults go out on standard output. It ends with
its standard input. It knows nothing of journals and lessons.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import threading
from typing import Any

from kitlib.faults._fault import Fault
from kitlib.faults._link import Link
from kitlib.faults._wire import Address
from kitlib.faults.bandwidth import Bandwidth
from kitlib.faults.blackhole import Blackhole
from kitlib.faults.delay import Delay
from kitlib.faults.disconnect import Disconnect
from kitlib.faults.drop_ack import DropAck

KINDS = {kind.name: kind for kind in (Bandwidth, Blackhole, Delay, Disconnect, DropAck)}


class Proxy:
    """armed: the faults, in the order in which they were armed. line: the bandwidth that counts.

    names: topic names by topic id, as Metadata answers gave them.
    """

    def __init__(self) -> None:
        self.armed: list[Fault] = []
        self.line: Bandwidth | None = None
        self.links: set[Link] = set()
        self.names: dict[str, str] = {}
        self._places: dict[Address, Address] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Any) -> None:
        """Run a coroutine; asyncio alone would forget it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def place(self, target: Address) -> Address:
        """The address of the listener that leads to this broker; it is opened if need be."""
        if target in self._places.values():
            return target
        if target not in self._places:
            listener = socket.create_server(("127.0.0.1", 0))
            self._places[target] = listener.getsockname()
            self.spawn(
                asyncio.get_running_loop().create_server(
                    lambda: Link(self, target).up, sock=listener
                )
            )
        return self._places[target]

    def say(self, words: dict[str, Any]) -> None:
        """Write a line to the owner."""
        sys.stdout.write(json.dumps(words) + "\n")
        sys.stdout.flush()

    def obey(self, line: str) -> None:
        """Do what an order says, then reply."""
        order = json.loads(line)
        reply: dict[str, Any] = {"re": order["id"]}
        if order["do"] == "place":
            reply["address"] = self.place((order["host"], order["port"]))
        elif order["do"] == "arm":
            self.armed.append(KINDS[order["fault"]](**order["options"]))
        elif order["do"] == "clear":
            self.armed.clear()
        self.line = next((f for f in reversed(self.armed) if isinstance(f, Bandwidth)), None)
        if not self.armed:
            for link in tuple(self.links):
                link.clear()
        reply["armed"] = [
            {"fault": fault.name, **fault.options(), "fired": fault.fired} for fault in self.armed
        ]
        self.say(reply)


async def _serve() -> None:
    proxy, loop, over = Proxy(), asyncio.get_running_loop(), asyncio.Event()

    def listen() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(proxy.obey, line)
        loop.call_soon_threadsafe(over.set)

    threading.Thread(target=listen, daemon=True).start()
    await over.wait()


def main() -> None:
    """Run until the owner closes standard input."""
    asyncio.run(_serve())
