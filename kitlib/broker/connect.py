"""`connect()`: the Kafka of this process.

If `KIT_BOOTSTRAP_SERVERS` is set, it is the cluster at that address, reached with the KIT_SECURITY_
settings. Otherwise it is an embedded broker, started by the first call and returned by every later
one. This module only reads settings: `_reach` finds out whether they work.
"""

from __future__ import annotations

import os
import threading
from typing import Any

from kitlib.broker.embedded import Broker
from kitlib.broker.handle import Kafka
from kitlib.errors import KitError

# {variable of the environment: argument of kafka-python}
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
    """Return the Kafka of this process, starting it if necessary.

    Raises KitError when it cannot be reached or started, or a setting is wrong.
    """
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
                    f"The setting {name} does not exist",
                    fix=f"The settings are {', '.join(SECURITY)}.",
                )
            connection[SECURITY[name]] = value
    protocol = connection.get("security_protocol", "PLAINTEXT")
    if protocol not in ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"):
        raise KitError(
            f"KIT_SECURITY_PROTOCOL is {protocol!r}",
            fix="Set it to PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.",
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
            f"KIT_SECURITY_PROTOCOL is {protocol}, which needs a mechanism, a name and a password",
            f"Set {', '.join(map(_name, missing))}.",
        )
    if asked and connection["sasl_mechanism"] not in _MECHANISMS:
        raise KitError(
            f"KIT_SECURITY_SASL_MECHANISM is {connection['sasl_mechanism']!r}",
            "The kit logs in with a name and a password",
            f"Set it to {', '.join(_MECHANISMS[:-1])} or {_MECHANISMS[-1]}.",
        )
    return connection


def _name(argument: str) -> str:
    return next(name for name, theirs in SECURITY.items() if theirs == argument)
