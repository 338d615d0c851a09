"""The embedded broker: a Kafka that the kit runs for this process, and ends with it.

`Broker` is the handle that lessons hold: it prepares what is missing, starts, restarts and stops
the broker, and explains its end from its log. The process itself is `_node`'s business.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from kitlib.broker import _parts as parts
from kitlib.broker import _prepare as prepare
from kitlib.broker import _sweep as sweep
from kitlib.broker._node import BrokerError, Node
from kitlib.broker.handle import Kafka
from kitlib.errors import KitError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kafka.admin import KafkaAdminClient


class Broker(Kafka):
    """An embedded broker. `start()` and `stop()`, or a context manager; several may run at once.

    It ends with this process, however that ends, and so does its data; its log stays.
    extra: broker settings, by their names in Kafka's reference, that add to those of `settings` or
    replace them.
    """

    _or_newer = ""

    def __init__(self, extra: Mapping[str, str] | None = None) -> None:
        super().__init__({"bootstrap_servers": ""})
        self._extra = extra
        self._node: Node | None = None

    @property
    def version(self) -> str:
        """The version of Kafka that the kit carries."""
        return parts.KAFKA_VERSION

    @property
    def running(self) -> bool:
        """Whether the broker's process is running."""
        return self._node is not None and self._node.process.running

    @property
    def node(self) -> Node:
        """The process and its folders. Raises BrokerError before `start()`."""
        if self._node is None:
            raise BrokerError("This broker has not been started", "", "Call its start() first.")
        return self._node

    @property
    def log(self) -> Path:
        """The file that the broker writes its log to; it outlives the broker."""
        return self.node.log

    def start(self) -> Broker:
        """Start the broker and wait until it serves; does nothing if it is running.

        Raises KitError with the reason from the broker's log, or from the set-up.
        """
        if self.running:
            return self
        self.close()  # the clients of a broker that has ended
        needed = parts.parts()
        if not os.path.exists(needed.aot):  # it is made last; in a closed folder nothing exists
            prepare.prepare()
        try:
            self._start()
        except BrokerError:
            if not prepare.damaged(needed):
                raise
            prepare.prepare()  # a damaged part was the reason
            self._start()
        return self

    def _start(self) -> None:
        node = Node(extra=self._extra)
        try:
            node.launch()
            self._node = node
            # The JVM needs its half second anyway: verify its parts and tidy up meanwhile.
            if damaged := prepare.damaged(node.parts):
                raise BrokerError("A part of the broker is damaged", ", ".join(damaged))
            sweep.sweep()
            self._connection["bootstrap_servers"] = node.wait_ready()
        except BaseException:  # an interrupt, too: a half-started broker would count as running
            node.stop()
            raise
        atexit.register(self.stop)

    def restart(self, *, kill: bool = False) -> Broker:
        """End the broker's process and start it again, with its data and at its address.

        kill: end it by SIGKILL, as a crash does; otherwise it shuts down in order. Clients find it
        again by themselves. After a kill this takes about ten seconds: the controller keeps the
        old registration for `broker.session.timeout.ms` (KIP-500, KIP-631). Raises BrokerError
        when it is not running or does not come back.
        """
        self.admin()
        self.close()
        self.node.relaunch(kill=kill)
        self.node.wait_ready()
        return self

    def stop(self) -> None:
        """End the broker and remove its data; does nothing if it is not running."""
        self.close()
        atexit.unregister(self.stop)
        if self._node is not None:
            self._node.stop()

    def admin(self) -> KafkaAdminClient:
        """An admin client; raises BrokerError with the reason when the broker has ended."""
        if not self.running:
            raise self._ended()
        return super().admin()

    def _silent(self, error: Exception) -> KitError:
        # Its connections break a moment before the process is gone.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.node.process.wait(2)
            return self._ended()
        return super()._silent(error)

    def _ended(self) -> BrokerError:
        return BrokerError(
            "The broker has ended",
            self.node.reason(),
            "Run `kit.connect()` again: it starts a new one, without topics.",
        )

    def __repr__(self) -> str:
        if self._node is None:
            return "Broker, not started"
        if not self.running:
            return f"Broker, ended; log: {self.log}"
        return f"{super().__repr__()}\nlog      {self.log}"

    def __enter__(self) -> Broker:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()
