"""`connect()`: the Kafka of this process.

If `KIT_BOOTSTRAP_SERVERS` is set, it is the cluster at that address, reached with the KIT_SECURITY_
settings. Otherwise it is an embedded broker, started by the first call and returned by every later
one. This module only reads settings: `_reach` finds out whether they work.
"""

import os
import sys
import threading
from typing import Any

from kitlib._notebook import after_each_cell
from kitlib.broker._node import BrokerError
from kitlib.broker.embedded import Broker
from kitlib.broker.handle import Kafka
from kitlib.errors import KitError, unknown

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
_SASL = [name for name in SECURITY if "_SASL_" in name]
# {variable: what it may be}; the kit logs in with a name and a password
_KNOWN = {
    "KIT_SECURITY_PROTOCOL": ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"),
    "KIT_SECURITY_SASL_MECHANISM": ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
}

_current: Kafka | None = None
_lock = threading.Lock()


def connect() -> Kafka:
    """Return the Kafka of this process, starting it if necessary.

    Raises KitError when it cannot be reached or started, or a setting is wrong.
    """
    global _current
    if not __debug__:
        raise KitError(
            "Python was told to leave out assertions, by -O or PYTHONOPTIMIZE",
            "kafka-python cannot connect without its own, and a lesson would check nothing",
            "Unset PYTHONOPTIMIZE or leave out -O, then start the kit again.",
        )
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
            after_each_cell(_after_cell)
        return _current


def _after_cell(result: Any) -> None:
    """A client that failed knows of a timeout; say what the broker knows."""
    error = result.error_in_exec
    if isinstance(_current, Broker) and error and not isinstance(error, BrokerError):
        if not _current.running:
            print(_current._ended(), file=sys.stderr)
        elif type(error).__name__ == "UnknownError":  # the broker keeps the reason to itself
            print(f"The broker's log says more.\n{_current.node.reason()}", file=sys.stderr)


def external_connection(servers: str) -> dict[str, str]:
    """Client arguments for an external Kafka, from KIT_SECURITY_* settings.

    Raises KitError for a setting that does not exist or contradicts another.
    """
    given = {name: value for name, value in os.environ.items() if name.startswith("KIT_SECURITY_")}
    for name in given:
        if name not in SECURITY:
            raise unknown("setting", name, SECURITY)
        if name in _KNOWN and given[name] not in _KNOWN[name]:
            raise unknown(name, given[name], _KNOWN[name], f"Set {name} to one of them.")
    protocol = given.get("KIT_SECURITY_PROTOCOL", "PLAINTEXT")
    asked, sasl = protocol.startswith("SASL"), [name for name in _SASL if name in given]
    if sasl and not asked:
        raise KitError(
            f"{sasl[0]} is set, but no password would be sent",
            f"KIT_SECURITY_PROTOCOL is {protocol}",
            "Set it to SASL_SSL (or SASL_PLAINTEXT).",
        )
    if asked and (missing := [name for name in _SASL if not given.get(name)]):
        raise KitError(
            f"{missing[0]} is not set",
            f"KIT_SECURITY_PROTOCOL is {protocol}, which needs a mechanism, a name and a password",
            f"Set {', '.join(missing)}.",
        )
    return {"bootstrap_servers": servers} | {SECURITY[name]: given[name] for name in given}
