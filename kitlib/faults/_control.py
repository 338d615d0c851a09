"""`Faults`: the proxy as a lesson holds it.

It starts the proxy's process, arms faults in it and writes what they did into a journal. What is
armed and how often it fired is the proxy's knowledge; it is asked each time.
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
from html import escape
from pathlib import Path
from typing import Any

from kitlib.errors import KitError
from kitlib.journal import Journal
from kitlib.process import Guarded

_CODE = "import sys; sys.path.insert(0, sys.argv[1]); from kitlib.faults._main import main; main()"
_ROOT = str(Path(__file__).parent.parent.parent)
REPLY_S = 20.0


class Faults:
    """A proxy between clients and a Kafka, and the faults on the way.

    `kafka.behind(faults)` gives the arguments for the clients that shall feel them. Each fault that
    fires writes a row "fault" into the journal: actor "proxy", topic, partition and offset where
    they are known, and detail `{"fault": "drop_ack", "api": "Produce", ...}`. journal: a Journal;
    without it there is a new one, `faults.journal`. The proxy ends with this object.

    The names of apis are those of the Kafka protocol guide ("Produce", "Fetch", "JoinGroup"). Every
    method that arms returns when the fault is in force, and raises KitError for wrong arguments.
    """

    def __init__(self, journal: Journal | None = None) -> None:
        if journal is not None and not isinstance(journal, Journal):
            raise KitError(
                f"journal is a {type(journal).__name__}", fix="Make one with kit.Journal()"
            )
        self.journal = Journal() if journal is None else journal
        self._process: Guarded | None = None
        self._end: Any = None
        self._replies: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._ids = itertools.count()
        self._lock = threading.Lock()

    # -- the faults ------------------------------------------------------------------------------

    def drop_ack(
        self, times: int | None = 1, topic: str | None = None, partition: int | None = None
    ) -> None:
        """Lose acknowledgements: the broker stores the records, the producer is not told.

        times: how many; None for all until `clear()`. topic, partition: only those of requests with
        records for them. An acknowledgement is for a request: all its partitions lose theirs.
        """
        self._arm("drop_ack", times=times, topic=topic, partition=partition)

    def delay(
        self,
        delay_ms: float = 50,
        api: str | None = None,
        direction: str = "response",
        times: int | None = None,
    ) -> None:
        """Let each request (direction="request") or answer ("response") arrive delay_ms later."""
        self._arm("delay", delay_ms=delay_ms, api=api, direction=direction, times=times)

    def disconnect(self, api: str | None = None, times: int | None = 1) -> None:
        """Break the connection at a request, before the broker has it."""
        self._arm("disconnect", api=api, times=times)

    def blackhole(self, api: str | None = None, times: int | None = None) -> None:
        """From a request on, let nothing pass on its connection, which stays open."""
        self._arm("blackhole", api=api, times=times)

    def bandwidth(self, kb_per_s: float) -> None:
        """Slow the line to kb_per_s times 1,000 bytes a second in each direction."""
        self._arm("bandwidth", kb_per_s=kb_per_s)

    def clear(self) -> None:
        """Disarm all faults; what waits goes on at once, and dead connections end."""
        if self._running:
            self._order("clear")

    def armed(self) -> list[dict[str, Any]]:
        """What was armed since the last `clear()`: "fault", its options, and "fired", a count."""
        return list(self._order("show")["armed"]) if self._running else []

    # -- the process -----------------------------------------------------------------------------

    def stop(self) -> None:
        """End the proxy, and with it the connections through it."""
        with self._lock:
            if self._end:
                self._end()
            if self._process:
                self._process.wait(10)
            self._process = None

    def behind(self, connection: Mapping[str, Any]) -> dict[str, Any]:
        """The connection with the addresses of the proxy; it is started if need be.

        connection: the arguments of a client. Raises KitError for an encrypted one.
        """
        from kafka.cluster import collect_hosts

        if "SSL" in connection.get("security_protocol", "PLAINTEXT"):
            raise KitError(
                "Faults cannot act on an encrypted connection",
                f"security_protocol is {connection['security_protocol']}: the proxy cannot read it",
                "Use the embedded broker for this lesson: unset KIT_BOOTSTRAP_SERVERS and restart.",
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
            words = json.loads(line)
            if "re" in words:
                replies.put(words)
            else:
                journal.add("fault", actor="proxy", **words)

        self._process = Guarded(
            [sys.executable, "-u", "-c", _CODE, _ROOT], on_line=hear, grace_s=1.0
        )
        self._end = weakref.finalize(self, self._process.kill)

    def _arm(self, fault: str, **options: Any) -> None:
        from kitlib.faults._main import KINDS

        self._order("arm", fault=fault, options=KINDS[fault](**options).options())

    def _order(self, do: str, **words: Any) -> dict[str, Any]:
        """Have the proxy do something, and return its reply."""
        with self._lock:
            if self._process is None or not self._process.running:
                raise KitError(
                    "There is no proxy that a fault could act in",
                    "It has ended" if self._process else "No client is behind it yet",
                    "Make the client with **kafka.behind(faults), then arm the fault.",
                )
            number, deadline = next(self._ids), time.monotonic() + REPLY_S
            self._process.send(json.dumps({"id": number, "do": do, **words}))
            while self._process.running and time.monotonic() < deadline:
                with contextlib.suppress(queue.Empty):
                    reply = self._replies.get(timeout=0.1)
                    if reply["re"] == number:  # an interrupted cell may have left another one
                        return reply
        raise KitError(
            "The proxy has ended" if not self._running else "The proxy does not answer",
            fix="End it with faults.stop(), then make the clients again.",
        )

    # -- looking ---------------------------------------------------------------------------------

    def __repr__(self) -> str:
        if not self._running:
            return "Faults(no proxy runs)"
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

    def _repr_html_(self) -> str:
        return f"<pre>{escape(repr(self))}</pre>"

    def __enter__(self) -> Faults:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
