"""What a lesson holds in its hands: a running Kafka, embedded or external.

`Kafka` is a Kafka that somebody else runs; `Broker` is one that the kit runs for this process. Both
say where they are (`connection`), give empty topics (`fresh_topic`) and read a log from end to end
(`read`). They never produce and never join a group: that is the lesson's own code.
"""

from __future__ import annotations

import atexit
import contextlib
import re
import subprocess
import time
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kitlib.broker import _parts as parts
from kitlib.broker import _prepare as prepare
from kitlib.broker import _reach
from kitlib.broker import _sweep as sweep
from kitlib.broker._connection import Connection
from kitlib.broker._node import BrokerError, Node
from kitlib.errors import KitError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kafka.admin import KafkaAdminClient

    from kitlib.faults import Faults
    from kitlib.journal import Journal


def _said(error: Exception) -> str:
    """What the broker said of an error, without the request and the response around it."""
    message = re.search(r"error_message='((?:[^'\\]|\\.)*)'|error_message=\"([^\"]*)\"", str(error))
    return (
        (message[1] or message[2]) if message else getattr(error, "description", str(error))[:300]
    )


class Kafka:
    """A running Kafka. connection: what a client needs, as keyword arguments."""

    def __init__(self, connection: dict[str, Any]) -> None:
        self._connection = Connection(connection)
        self._admin: KafkaAdminClient | None = None

    @property
    def connection(self) -> Connection:
        """Arguments for a client: `KafkaProducer(**kafka.connection)`."""
        from kitlib.broker import _client_fix

        _client_fix.apply()  # whoever asks makes a client next
        return Connection(self._connection)

    @property
    def bootstrap_servers(self) -> str:
        """Host and port of the broker, as clients take it."""
        return str(self._connection["bootstrap_servers"])

    @property
    def version(self) -> str:
        """The newest Kafka that offers no more than this broker does; it may be newer itself.

        A broker tells a client which requests it knows (ApiVersions), not its version.
        """
        return ".".join(map(str, self.admin()._manager.broker_version))

    def _version_text(self) -> str:
        return f"{self.version} or newer"

    def admin(self) -> KafkaAdminClient:
        """An admin client of this handle, closed with it. Raises KitError without a broker."""
        if self._admin is None:
            self._admin = _reach.admin(self._connection)
        return self._admin

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        """Turn a broker's silence into a sentence; what it refuses is the caller's to explain."""
        from kafka import errors

        silence = (
            errors.RequestTimedOutError,
            errors.KafkaTimeoutError,
            errors.KafkaConnectionError,
            errors.NodeNotReadyError,
        )
        try:
            yield
        except silence as error:
            raise self._silent(error) from error

    def _silent(self, error: Exception) -> KitError:
        return KitError(
            f"The broker at {self.bootstrap_servers} does not answer",
            str(error),
            "Run the cell again in a moment. If it stays silent, restart the broker or the kernel.",
        )

    def topics(self) -> list[str]:
        """The names of the topics, without Kafka's internal ones.

        Raises KitError when the broker does not answer.
        """
        with self._asking():
            names = self.admin().list_topics()
        return sorted(name for name in names if not name.startswith("__"))

    def fresh_topic(self, name: str, partitions: int = 1, **configs: Any) -> str:
        """Make an empty topic, also where one of that name exists; returns the name.

        partitions: int >= 1. configs: topic settings, "_" for "." (`retention_ms=1000`). The old
        records and what groups had committed for them are gone, and every partition has a leader
        when this returns. Raises KitError for a name or number that Kafka refuses.
        """
        from kafka import errors

        if not isinstance(partitions, int) or partitions < 1:
            raise KitError(
                f"A topic cannot have {partitions!r} partitions",
                "Records live in partitions, so there is at least one",
                "Give a whole number from 1 on.",
            )
        wanted = {
            "num_partitions": partitions,
            "configs": {name.replace("_", "."): str(value) for name, value in configs.items()},
        }
        try:
            with self._asking():
                admin = self.admin()
                if name in admin.list_topics():
                    self._forget(name)
                admin.create_topics({name: wanted}, wait_for_metadata=True)
        except errors.KafkaError as error:
            raise KitError(
                f"The topic {name!r} could not be made",
                f"Kafka answered {type(error).__name__}: {_said(error)}",
                "Topic names take letters, digits, '.', '_' and '-'; settings are those of the"
                " topic configuration reference.",
            ) from error
        return name

    def _forget(self, name: str) -> None:
        """Delete a topic and wait until the broker and the groups have forgotten it."""
        from kafka import errors

        admin = self.admin()
        with contextlib.suppress(errors.UnknownTopicOrPartitionError):
            admin.delete_topics([name])
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if name not in admin.list_topics() and not self._commits(name):
                return
            time.sleep(0.02)
        raise KitError(
            f"The topic {name!r} is still in use",
            "A consumer of it is running, or another program makes it again",
            "Close its consumers (restart the kernel if in doubt) and run the cell again.",
        )

    def _commits(self, topic: str) -> bool:
        """Whether a group still has a committed offset for the topic; asks it to drop that."""
        admin = self.admin()
        found = False
        for group in [group["group_id"] for group in admin.list_groups()]:
            offsets = admin.list_group_offsets(group).get(group, {})
            stale = [p for p, at in offsets.items() if p.topic == topic and at.offset >= 0]
            if stale:
                found = True
                admin.delete_group_offsets(group, stale)
        return found

    def read(self, topic: str) -> Journal:
        """Read what is on the log of a topic now; a "stored" row per record, in log order.

        It reads as an outsider, without a group, and commits nothing. In the detail are "headers",
        if there are any; "producer_id", "producer_epoch" and "sequence", which are -1 for a
        producer that is not idempotent; and "batch" (the offset at which the record's batch
        begins), "batch_bytes" (the batch's size on the log) and "compression" ("none" or its
        codec). Raises KitError when there is no such topic.
        """
        from kafka.errors import KafkaError

        from kitlib.broker._read import stored
        from kitlib.journal import Journal

        try:
            with self._asking():
                rows = stored(self._connection, topic)
        except KafkaError as error:
            raise KitError(
                f"The topic {topic!r} could not be read",
                f"Kafka answered {type(error).__name__}: {_said(error)}",
                "Run the cell again in a moment.",
            ) from error
        if rows is None:
            raise KitError(
                f"There is no topic {topic!r}",
                f"Topics here: {', '.join(self.topics()) or 'none'}",
                f'Make it with kafka.fresh_topic("{topic}", partitions=3).',
            )
        return Journal(rows)

    def behind(self, faults: Faults) -> Connection:
        """Arguments for a client whose traffic passes the faults: `**kafka.behind(faults)`.

        Starts the proxy of `faults` if need be. Raises KitError for an encrypted connection.
        """
        from kitlib.faults import Faults

        if not isinstance(faults, Faults):
            raise KitError(
                f"A client cannot be behind a {type(faults).__name__}",
                fix="Write faults = kit.Faults(), then kafka.behind(faults)",
            )
        connection = Connection(faults.behind(self.connection))
        self.admin()  # says what is wrong if there is no broker
        return connection

    def close(self) -> None:
        """Close the handle's own clients. The Kafka goes on."""
        admin, self._admin = self._admin, None
        if admin is not None:
            with contextlib.suppress(Exception):
                admin.close()

    def _facts(self) -> list[tuple[str, str]]:
        return [
            ("address", self.bootstrap_servers),
            ("version", f"Apache Kafka {self._version_text()}"),
            ("topics", ", ".join(self.topics()) or "none yet"),
        ]

    def __repr__(self) -> str:
        try:
            return "\n".join(f"{name:8} {value}" for name, value in self._facts())
        except Exception as error:
            why = str(error).splitlines()[0]
            return f"{type(self).__name__} at {self.bootstrap_servers}: no answer ({why})"

    def _repr_html_(self) -> str:
        return f"<pre>{escape(repr(self))}</pre>"

    def __reduce__(self) -> Any:
        raise KitError(
            "A Kafka handle stays in the process that made it",
            "A worker is a process of its own",
            "Use me.connection inside the worker's function.",
        )


class Broker(Kafka):
    """An embedded broker. `start()` and `stop()`, or a context manager; several may run at once.

    It ends with this process, whatever becomes of it, and its data goes with it; its log stays.
    extra: broker settings, by their names in Kafka's reference, beside those of `settings`.
    """

    def __init__(self, extra: Mapping[str, str] | None = None) -> None:
        super().__init__({"bootstrap_servers": ""})
        self._extra = extra
        self._node: Node | None = None

    @property
    def version(self) -> str:
        """The version of Kafka that the kit carries."""
        return parts.KAFKA_VERSION

    def _version_text(self) -> str:
        return self.version

    @property
    def running(self) -> bool:
        """Whether the broker's process runs."""
        return self._node is not None and self._node.process.running

    @property
    def node(self) -> Node:
        """The process and its folders. Raises BrokerError before `start()`."""
        if self._node is None:
            raise BrokerError("This broker was not started", "", "Call its start() first.")
        return self._node

    @property
    def log(self) -> Path:
        """The file that the broker writes its log to. It stays when the broker has ended."""
        return self.node.log

    def start(self) -> Broker:
        """Start the broker and wait until it serves; nothing happens if it runs.

        Raises KitError with the reason from the broker's log, or from the set-up.
        """
        if self.running:
            return self
        self.close()  # the clients of a broker that has ended
        found = parts.parts()
        if not prepare.ready(found):
            prepare.prepare(prepare.say)
        try:
            self._start()
        except BrokerError:
            if not prepare.damaged(found):
                raise
            prepare.prepare(prepare.say)  # a damaged part was the reason
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
        except BaseException:  # an interrupt, too: what is half started would count as running
            node.stop()
            raise
        atexit.register(self.stop)

    def restart(self, *, kill: bool = False) -> Broker:
        """End the broker's process and start it again, with its data and at its address.

        kill: end it by SIGKILL, as a crash does; otherwise it shuts down in order. Clients find it
        again by themselves. After a kill this takes some ten seconds: the controller keeps the old
        registration for `broker.session.timeout.ms` (KIP-500, KIP-631). Raises BrokerError when it
        does not run or does not come back.
        """
        self.admin()
        self.close()
        self.node.relaunch(kill=kill)
        self.node.wait_ready()
        return self

    def stop(self) -> None:
        """End the broker and remove its data; nothing happens if it does not run."""
        self.close()
        atexit.unregister(self.stop)
        if self._node is not None:
            self._node.stop()

    def admin(self) -> KafkaAdminClient:
        """An admin client; raises BrokerError with the reason when the broker has ended."""
        if not self.running:
            self.node  # noqa: B018 - says it if it was not started
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
            "Run `kit.connect()` again: it starts a new one, with empty topics.",
        )

    def _facts(self) -> list[tuple[str, str]]:
        return [*super()._facts(), ("log", str(self.log))]

    def __repr__(self) -> str:
        if self._node is None:
            return "Broker, not started"
        return super().__repr__() if self.running else f"Broker, ended; log: {self.log}"

    def __enter__(self) -> Broker:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()
