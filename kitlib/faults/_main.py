"""The proxy's process: it takes the orders of its owner and reports the faults that fire.

It listens on 127.0.0.1 only, once for each broker, on ports that the system chooses. Orders come as
lines of JSON on standard input; replies and fired faults leave as lines of JSON on standard output.
It ends when its standard input does. It knows nothing of journals and lessons.
"""

import asyncio
import json
import sys
import threading
from dataclasses import asdict
from typing import Any

from kitlib.faults._fault import FAULTS
from kitlib.faults._link import Proxy


def obey(proxy: Proxy, order: dict[str, Any]) -> dict[str, Any]:
    """Do what an order asks for; returns the reply, with the faults that are now armed.

    order: "id", and in "do" one of "place" (with "host" and "port"; the reply has the "address" of
    a listener), "arm" (with "fault", a name, and "options"), "clear" and "show".
    """
    reply: dict[str, Any] = {"re": order["id"]}
    if order["do"] == "place":
        reply["address"] = proxy.place((order["host"], order["port"]))
    elif order["do"] == "arm":
        proxy.armed.append(FAULTS[order["fault"]](**order["options"]))
    elif order["do"] == "clear":
        proxy.clear()
    reply["armed"] = [
        {"fault": fault.name, **asdict(fault), "fired": fault.fired} for fault in proxy.armed
    ]
    return reply


def _send(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


async def _serve() -> None:
    proxy, loop, ended = Proxy(report=_send), asyncio.get_running_loop(), asyncio.Event()

    def listen() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(lambda order: _send(obey(proxy, order)), json.loads(line))
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=listen, daemon=True).start()
    await ended.wait()


def main() -> None:
    """Run until the owner closes standard input."""
    asyncio.run(_serve())
