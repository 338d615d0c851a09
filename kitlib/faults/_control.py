"""`Faults`: the owner's side of the proxy.

It keeps no list of its own: what is armed, and how often each fault fired, it asks the proxy.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import queue
import sys
import threading
import time
import weakref
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kafka.cluster import collect_hosts

from kitlib.errors import KitError
from kitlib.faults._fault import Fault
from kitlib.faults.blackhole import Blackhole
from kitlib.faults.delay import Delay
from kitlib.faults.disconnect import Disconnect
from kitlib.faults.drop_ack import DropAck
from kitlib.journal import Journal, expect_journal
from kitlib.process import Guarded

# The proxy's process imports this module with its package, and so knows every fault.
_CODE = "import sys; sys.path.insert(0, sys.argv[1]); from kitlib.faults._main import main; main()"
_ROOT = str(Path(__file__).parent.parent.parent)
REPLY_S = 20.0


class Faults:
    """A proxy between clients and a Kafka, and the faults on the way.

    `kafka.behind(faults)` gives the arguments for the clients that are to feel them; it starts the
    proxy, which ends with this object. journal: a Journal; without one it makes its own,
    `faults.journal`. Raises KitError for anything else.

    Each fault that fires writes a row "fault" into the journal: actor "proxy", topic, partition and
    offset where they are known, and detail `{"fault": "drop_ack", "api": "Produce", ...}`.

    Every method that arms a fault returns when the fault is in force. It raises KitError for
    options that make no sense and without a running proxy. All methods raise KitError after 20 s
    without a reply from the proxy. api: str, a name in Kafka's protocol guide, such as "Produce",
    "Fetch" or "JoinGroup"; None means all. times: int, how often the fault strikes; None means
    until `clear()`.
    """

    def __init__(self, journal: Journal | None = None) -> None:
        self.journal = Journal() if journal is None else expect_journal(journal)
        self._process: Guarded | None = None
        self._kill: weakref.finalize[Any, Any] | None = None
        self._replies: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._ids = itertools.count()
        self._lock = threading.Lock()

    # -- the faults ------------------------------------------------------------------------------

    def drop_ack(
        self, times: int | None = 1, topic: str | None = None, partition: int | None = None
    ) -> None:
        """Lose acknowledgements: the broker stores the records, and the producer is not told.

        times: int, how many are lost; None for all until `clear()`. topic, partition: str and int,
        to lose only those of requests with records for them. A request has one acknowledgement:
        all its partitions lose theirs together.
        """
        self._arm(DropAck(times=times, topic=topic, partition=partition))

    def delay(
        self,
        delay_ms: float = 50,
        api: str | None = None,
        direction: str = "response",
        times: int | None = None,
    ) -> None:
        """Let requests or their responses arrive late, and what follows on the connection, too.

        delay_ms: milliseconds, above 0. direction: "request" or "response". Others: see `Faults`.
        """
        self._arm(Delay(delay_ms=delay_ms, api=api, direction=direction, times=times))

    def disconnect(self, api: str | None = None, times: int | None = 1) -> None:
        """Break the connection at a request, before the broker has it. Options: see `Faults`."""
        self._arm(Disconnect(api=api, times=times))

    def blackhole(self, api: str | None = None, times: int | None = None) -> None:
        """From a request on, pass nothing on its connection, which stays open; see `Faults`."""
        self._arm(Blackhole(api=api, times=times))

    def clear(self) -> None:
        """Disarm all faults, if any: what waits goes on at once, and dead connections end."""
        if self._running:
            self._order("clear")

    def armed(self) -> list[dict[str, Any]]:
        """What was armed since the last `clear()`: a dict each, in the order of arming.

        Its keys are "fault", the name; the fault's options; and "fired", how often it fired.
        """
        return list(self._order("show")["armed"]) if self._running else []

    # -- the process -----------------------------------------------------------------------------

    def stop(self) -> None:
        """End the proxy, and with it every connection through it."""
        with self._lock:
            if self._kill:
                self._kill()
            if self._process:
                self._process.wait(10)
            self._process = None

    def behind(self, connection: Mapping[str, Any]) -> dict[str, Any]:
        """The connection with the proxy's addresses in place of the brokers'.

        connection: dict, the arguments of a Kafka client. Starts the proxy if none is running.
        Raises KitError for an encrypted connection.
        """
        if "SSL" in connection.get("security_protocol", "PLAINTEXT"):
            raise KitError(
                "Faults cannot act on an encrypted connection",
                f"The proxy cannot read it: security_protocol is {connection['security_protocol']}",
                "Use the embedded broker for this lesson: unset KIT_BOOTSTRAP_SERVERS and restart",
            )
        hosts = collect_hosts(connection["bootstrap_servers"], randomize=False)
        with self._lock:
            if not self._running:
                self._launch()
        places = [self._order("place", host=host, port=port)["address"] for host, port, _ in hosts]
        servers = ",".join(f"{host}:{port}" for host, port in places)
        return {**connection, "bootstrap_servers": servers}

    @property
    def _running(self) -> bool:
        return self._process is not None and self._process.running

    def _launch(self) -> None:
        replies, journal = self._replies, self.journal  # not self: that would keep it alive

        def hear(line: str) -> None:
            message = json.loads(line)
            if "re" in message:
                replies.put(message)
            else:
                journal.add("fault", actor="proxy", **message)

        self._process = Guarded(
            [sys.executable, "-u", "-c", _CODE, _ROOT], on_line=hear, grace_s=1.0
        )
        self._kill = weakref.finalize(self, self._process.kill)

    def _arm(self, fault: Fault) -> None:
        self._order("arm", fault=fault.name, options=asdict(fault))

    def _order(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Have the proxy do something, and return its reply; see `obey` in _main.py."""
        with self._lock:
            if self._process is None or not self._process.running:
                raise KitError(
                    "The fault has no proxy to act in",
                    "It has ended" if self._process else "No client is behind it yet",
                    "Make the client with **kafka.behind(faults), then arm the fault",
                )
            order_id, deadline = next(self._ids), time.monotonic() + REPLY_S
            self._process.send(json.dumps({"id": order_id, "do": do, **arguments}))
            while self._process.running and time.monotonic() < deadline:
                with contextlib.suppress(queue.Empty):
                    reply = self._replies.get(timeout=0.1)
                    if reply["re"] == order_id:  # an interrupted cell may have left another one
                        return reply
        raise KitError(
            "The proxy does not reply" if self._running else "The proxy has ended",
            fix="Call faults.stop(), then make the clients again",
        )

    # -- looking ---------------------------------------------------------------------------------

    def __repr__(self) -> str:
        if not self._running:
            return "Faults(no proxy is running)"
        try:
            armed = self.armed()
        except KitError as error:
            return f"Faults({error.what})"
        faults = (
            f"{fault.pop('fault')} fired {fault.pop('fired')} times "
            f"({', '.join(f'{n}={value!r}' for n, value in fault.items() if value is not None)})"
            for fault in armed
        )
        return f"Faults({'; '.join(faults) or 'nothing armed'})"

    def __enter__(self) -> Faults:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
