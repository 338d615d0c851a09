"""What a lesson holds in its hands: a handle of a running Kafka.

It says where the Kafka is (`connection`), gives empty topics (`fresh_topic`) and reads a log from
end to end (`read`). It never produces and never joins a group: that is the lesson's own code. The
handle of a broker that the kit runs itself is in `embedded`.
"""

from __future__ import annotations

import contextlib
import re
from html import escape
from typing import TYPE_CHECKING, Any

from kitlib._wait import wait_until
from kitlib.broker._connection import Connection
from kitlib.errors import KitError, wrong_type

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kafka.admin import KafkaAdminClient

    from kitlib.faults import Faults
    from kitlib.journal import Journal


def _refusal(error: Exception) -> str:
    """The broker's own words about an error, without the request and the response around them."""
    words = re.search(r"error_message='((?:[^'\\]|\\.)*)'|error_message=\"([^\"]*)\"", str(error))
    reason = words[1] or words[2] if words else getattr(error, "description", str(error))[:300]
    return f"Kafka answered {type(error).__name__}: {reason}"


class Kafka:
    """A running Kafka. connection: what a client needs, as keyword arguments."""

    _or_newer = " or newer"

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
        """The newest Kafka release that offers no more than this broker; it may be newer itself.

        A broker tells a client which requests it knows (ApiVersions), not its version.
        """
        return ".".join(map(str, self.admin()._manager.broker_version))

    def admin(self) -> KafkaAdminClient:
        """The admin client of this handle, closed with it. Raises KitError without a broker."""
        if self._admin is None:
            from kitlib.broker import _reach

            self._admin = _reach.admin(self._connection)
        return self._admin

    @contextlib.contextmanager
    def _asking(self, failure: str, fix: str = "Run the cell again in a moment.") -> Iterator[None]:
        """Turn a broker's silence into a KitError, and its refusal into one that says `failure`."""
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
        except errors.KafkaError as error:
            raise KitError(failure, _refusal(error), fix) from error

    def _silent(self, error: Exception) -> KitError:
        return KitError(
            f"The broker at {self.bootstrap_servers} does not answer",
            str(error),
            "Run the cell again in a moment. If it stays silent, restart the broker or the kernel.",
        )

    def topics(self) -> list[str]:
        """The names of the topics, without Kafka's internal ones.

        Raises KitError when the broker does not answer or refuses.
        """
        with self._asking("The topics could not be listed"):
            names = self.admin().list_topics()
        return sorted(name for name in names if not name.startswith("__"))

    def fresh_topic(self, name: str, partitions: int = 1, **configs: Any) -> str:
        """Make an empty topic, replacing one of that name; returns the name.

        partitions: int >= 1. configs: topic settings, "_" for "." (`retention_ms=1000`). When this
        returns, the old records and the offsets that groups committed for them are gone, and every
        partition has a leader. Raises KitError for a name or number that Kafka refuses.
        """
        if not isinstance(partitions, int) or partitions < 1:
            raise KitError(
                f"A topic cannot have {partitions!r} partitions",
                "Records live in partitions, so a topic needs at least one",
                "Give a whole number, 1 or more.",
            )
        settings = {name.replace("_", "."): str(value) for name, value in configs.items()}
        topic = {"num_partitions": partitions, "configs": settings}
        with self._asking(
            f"The topic {name!r} could not be created",
            "A topic name may have letters, digits, '.', '_' and '-'; the settings are those in"
            " Kafka's topic configuration reference.",
        ):
            admin = self.admin()
            if name in admin.list_topics():
                self._forget(name)
            admin.create_topics({name: topic})

            def led() -> bool:
                (found,) = admin.describe_topics([name])
                return min((part["leader_id"] for part in found["partitions"]), default=-1) >= 0

            # The client's own wait would ask again only after 100 ms.
            wait_until(led, f"every partition of {name!r} has a leader")
        return name

    def _forget(self, name: str) -> None:
        """Delete a topic and wait until the broker and the groups have forgotten it."""
        from kafka import errors

        admin = self.admin()
        with contextlib.suppress(errors.UnknownTopicOrPartitionError):
            admin.delete_topics([name])
        try:
            wait_until(lambda: name not in admin.list_topics() and not self._committed(name), name)
        except KitError:
            raise KitError(
                f"The topic {name!r} is still in use",
                "A consumer is still reading it, or another program keeps creating it",
                "Close its consumers (if in doubt, restart the kernel) and run the cell again.",
            ) from None

    def _committed(self, topic: str) -> bool:
        """Whether a group still has a committed offset for the topic."""
        admin = self.admin()
        for group in [group["group_id"] for group in admin.list_groups()]:
            offsets = admin.list_group_offsets(group).get(group, {})
            if any(part.topic == topic and at.offset >= 0 for part, at in offsets.items()):
                return True
        return False

    def read(self, topic: str) -> Journal:
        """Read what is on the log of a topic now: one "stored" row per record, in log order.

        It reads as an outsider, without a group, and commits nothing. The detail has "headers", if
        the record has any; "producer_id", "producer_epoch" and "sequence", which are -1 for a
        producer that is not idempotent; "batch" (the offset at which the record's batch begins),
        "batch_bytes" (the batch's size on the log) and "compression" ("none" or its codec); and for
        a record of a transaction "transaction": "committed", "aborted" or still "open". A consumer
        with isolation_level="read_committed" sees only the first. Raises KitError when the topic
        does not exist.
        """
        from kitlib.broker._read import stored
        from kitlib.journal import Journal

        with self._asking(f"The topic {topic!r} could not be read"):
            rows = stored(self._connection, topic)
        if rows is None:
            raise KitError(
                f"The topic {topic!r} does not exist",
                f"The broker has these topics: {', '.join(self.topics()) or 'none yet'}",
                f'Create it with kafka.fresh_topic("{topic}", partitions=3).',
            )
        return Journal(rows)

    def behind(self, faults: Faults) -> Connection:
        """Arguments for a client whose traffic passes the faults: `**kafka.behind(faults)`.

        Starts the proxy of `faults` if necessary. Raises KitError for an encrypted connection.
        """
        from kitlib.faults import Faults

        if not isinstance(faults, Faults):
            fix = "Write faults = kit.Faults(), then kafka.behind(faults)"
            raise wrong_type("faults", faults, fix)
        connection = Connection(faults.behind(self.connection))
        self.admin()  # says what is wrong if there is no broker
        return connection

    def close(self) -> None:
        """Close the handle's own client. The Kafka keeps running."""
        admin, self._admin = self._admin, None
        if admin is not None:
            with contextlib.suppress(Exception):
                admin.close()

    def __repr__(self) -> str:
        try:
            return (
                f"address  {self.bootstrap_servers}\n"
                f"version  Apache Kafka {self.version}{self._or_newer}\n"
                f"topics   {', '.join(self.topics()) or 'none yet'}"
            )
        except Exception as error:
            reason = str(error).splitlines()[0]
            return f"{type(self).__name__} at {self.bootstrap_servers}: no answer ({reason})"

    def _repr_html_(self) -> str:
        return f"<pre>{escape(repr(self))}</pre>"

    def __reduce__(self) -> Any:
        raise KitError(
            "A Kafka handle cannot leave the process that made it",
            "A worker is a separate process",
            "Use me.connection inside the worker's function.",
        )
