"""`connect()`: the Kafka of this process.

The one that `KIT_BOOTSTRAP_SERVERS` names, if it is set; otherwise an embedded broker, started at
the first call and the same at every later one.
"""

from __future__ import annotations

import os
import threading
from typing import Any

from kitlib.broker.handle import Broker, Kafka
from kitlib.errors import KitError

# The environment's names, and kafka-python's.
SECURITY = {
    "KIT_SECURITY_PROTOCOL": "security_protocol",
    "KIT_SECURITY_SASL_MECHANISM": "sasl_mechanism",
    "KIT_SECURITY_SASL_USERNAME": "sasl_plain_username",
    "KIT_SECURITY_SASL_PASSWORD": "sasl_plain_password",
    "KIT_SECURITY_SSL_CAFILE": "ssl_cafile",
    "KIT_SECURITY_SSL_CERTFILE": "ssl_certfile",
    "KIT_SECURITY_SSL_KEYFILE": "ssl_keyfile",
    "KIT_SECURITY_SSL_PASSWORD": "ssl_password",
}
_SASL = ("sasl_mechanism", "sasl_plain_username", "sasl_plain_password")
_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")

_current: Kafka | None = None
_lock = threading.Lock()


def connect() -> Kafka:
    """Return the Kafka of this process, started if need be. Raises KitError without one."""
    global _current
    servers = os.environ.get("KIT_BOOTSTRAP_SERVERS", "").strip()
    with _lock:
        if servers:
            wanted = external_connection(servers)
            if _current is None or dict(_current.connection) != wanted:
                external = Kafka(wanted)
                external.admin()
                _current = external
        elif not (isinstance(_current, Broker) and _current.running):
            _current = Broker().start()
        return _current


def external_connection(servers: str) -> dict[str, Any]:
    """Client arguments for an external Kafka, from KIT_SECURITY_* settings.

    Raises KitError for a setting that does not exist or contradicts another.
    """
    connection: dict[str, Any] = {"bootstrap_servers": servers}
    for name, value in os.environ.items():
        if name.startswith("KIT_SECURITY_"):
            if name not in SECURITY:
                raise KitError(
                    f"There is no setting {name}",
                    "",
                    f"The settings are {', '.join(SECURITY)}.",
                )
            connection[SECURITY[name]] = value
    protocol = connection.get("security_protocol", "PLAINTEXT")
    if protocol not in ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"):
        raise KitError(
            f"KIT_SECURITY_PROTOCOL is {protocol!r}",
            "",
            "It is one of PLAINTEXT, SSL, SASL_PLAINTEXT and SASL_SSL.",
        )
    asked, given = protocol.startswith("SASL"), [name for name in connection if "sasl" in name]
    if given and not asked:
        raise KitError(
            f"{_name(given[0])} is set, but no password would be sent",
            f"KIT_SECURITY_PROTOCOL is {protocol}",
            "Set it to SASL_SSL (or SASL_PLAINTEXT).",
        )
    if asked and (missing := [name for name in _SASL if not connection.get(name)]):
        raise KitError(
            f"{_name(missing[0])} is not set",
            f"KIT_SECURITY_PROTOCOL is {protocol}: it takes a mechanism, a name and a password",
            f"Set {', '.join(map(_name, missing))}.",
        )
    if asked and connection["sasl_mechanism"] not in _MECHANISMS:
        raise KitError(
            f"KIT_SECURITY_SASL_MECHANISM is {connection['sasl_mechanism']!r}",
            "The kit logs in with a name and a password",
            f"It is one of {', '.join(_MECHANISMS)}.",
        )
    return connection


def _name(argument: str) -> str:
    return next(name for name, theirs in SECURITY.items() if theirs == argument)
