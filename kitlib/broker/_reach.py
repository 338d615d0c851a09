"""Reaches a Kafka, and says in words why that does not work.

kafka-python tries again until its time is over, and then says that its time is over. Here a look at
the address comes first: is somebody there, is TLS as it should be, is it a Kafka? What waiting does
not mend is said at once. What a broker refuses later, a password for example, ends the attempt.
"""

from __future__ import annotations

import logging
import re
import socket
import ssl
import struct
from collections.abc import Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ..errors import KitError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kafka.admin import KafkaAdminClient

LOOK_S = 3.0
WAIT_MS = 10_000  # a broker that is just starting is waited for

# ApiVersions, version 0: each Kafka answers it before it asks for a password.
_NUMBER = 1_262_179_668  # a correlation id that nothing else sends by accident
_REQUEST = struct.pack(">ihhih", 10, 18, 0, _NUMBER, -1)
# OpenSSL: the certificate names another host, or another IP address.
_OTHER_NAME = (62, 64)


def admin(connection: Mapping[str, Any]) -> KafkaAdminClient:
    """An admin client with this connection. Raises KitError when there cannot be one."""
    from kafka import errors
    from kafka.admin import KafkaAdminClient
    from kafka.net.compat import KafkaNetClient

    final = (
        errors.SaslAuthenticationFailedError,
        errors.UnsupportedSaslMechanismError,
        errors.IllegalSaslStateError,
        errors.AuthorizationError,
    )
    met: list[Exception] = []
    made: list[Any] = []

    def make(**options: Any) -> Any:
        client = KafkaNetClient(**options)
        made.append(client)
        connect = client._manager.get_connection

        def get_connection(*args: Any, **kwargs: Any) -> Any:
            if met and isinstance(met[-1], final):
                raise met[-1]
            found = connect(*args, **kwargs)
            found.init_future.add_errback(met.append)
            return found

        client._manager.get_connection = get_connection
        return client

    _look_around(connection)
    with _quiet():
        try:
            reached = KafkaAdminClient(
                **connection, bootstrap_timeout_ms=WAIT_MS, kafka_client=make
            )
            del made[0]._manager.get_connection
            return reached
        except (errors.KafkaError, OSError, ValueError) as error:
            for client in made:
                with suppress(Exception):
                    client.close()
                client._manager._net.stop()
            raise _unreachable(connection, met[-1] if met else error) from None


def _unreachable(connection: Mapping[str, Any], error: Exception) -> KitError:
    from kafka import errors

    # The broker's own words come last: "node=..: SASL_AUTHENTICATION_FAILED: Authentication failed".
    why = f"{type(error).__name__}: {error}"
    fix = "Check the address in KIT_BOOTSTRAP_SERVERS and the KIT_SECURITY_ settings; without " \
        "KIT_BOOTSTRAP_SERVERS the kit starts a broker of its own."  # fmt: skip
    where = connection["bootstrap_servers"]
    if isinstance(error, errors.SaslAuthenticationFailedError):
        return KitError(
            f"The Kafka at {where} refuses this user or this password",
            why,
            "Check KIT_SECURITY_SASL_USERNAME, KIT_SECURITY_SASL_PASSWORD and "
            "KIT_SECURITY_SASL_MECHANISM.",
        )
    if isinstance(error, errors.UnsupportedSaslMechanismError | errors.IllegalSaslStateError):
        return KitError(
            f"The Kafka at {where} does not take passwords in this way",
            why,
            "Check KIT_SECURITY_SASL_MECHANISM and KIT_SECURITY_PROTOCOL.",
        )
    return KitError(f"No Kafka answers at {where}", why[:300], fix)


def _look_around(connection: Mapping[str, Any]) -> None:
    """Raise KitError if something is wrong with every address, and waiting does not mend it."""
    from kafka.cluster import collect_hosts

    try:
        hosts = collect_hosts(connection["bootstrap_servers"], randomize=False)
    except ValueError:
        raise KitError(
            "KIT_BOOTSTRAP_SERVERS names no address",
            "It is a list of host:port, with commas between them",
            "Write it like kafka.example.edu:9093.",
        ) from None
    context = _context(connection)
    wrong = []
    for host, port, _ in hosts:
        try:
            with socket.create_connection((host, port), LOOK_S) as line:
                found = _secured(line, host, context) if context else _listen(line)
        except OSError:
            return  # nobody there: perhaps not yet
        if found is None:
            return
        wrong.append((f"No Kafka can be used at {host}:{port}", *found))
    if wrong:
        raise KitError(*wrong[0])


def _context(connection: Mapping[str, Any]) -> ssl.SSLContext | None:
    """What the client makes of its settings for TLS; None without TLS."""
    from kafka.net.transport import KafkaSSLTransport

    if "SSL" not in connection.get("security_protocol", "PLAINTEXT"):
        return None
    known = KafkaSSLTransport.DEFAULT_CONFIG
    try:
        return KafkaSSLTransport._build_ssl_context(
            known | {name: connection[name] for name in known if name in connection}
        )
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise KitError(
            "The certificates for TLS cannot be used",
            f"{type(error).__name__}: {error}",
            "KIT_SECURITY_SSL_CAFILE, _CERTFILE and _KEYFILE name PEM files; _PASSWORD is the key's.",
        ) from None


def _secured(line: socket.socket, host: str, context: ssl.SSLContext) -> tuple[str, str] | None:
    try:
        with context.wrap_socket(line, server_hostname=host.rstrip(".")) as secured:
            return _listen(secured)
    except ssl.SSLCertVerificationError as error:
        if error.verify_code in _OTHER_NAME:
            return (
                f"Its certificate is for another name: {error.verify_message}",
                "Write the address in KIT_BOOTSTRAP_SERVERS as the certificate has it.",
            )
        return (
            f"Its certificate is not trusted: {error.verify_message}",
            "Name the file with the certificate of its authority in KIT_SECURITY_SSL_CAFILE.",
        )
    except (ssl.SSLError, ConnectionError) as error:
        return (
            f"No TLS came about: {getattr(error, 'reason', None) or error}",
            "Check the port, and KIT_SECURITY_PROTOCOL: PLAINTEXT and SASL_PLAINTEXT are without"
            " TLS. Some brokers ask for KIT_SECURITY_SSL_CERTFILE and _KEYFILE.",
        )
    except TimeoutError:
        return f"It did not answer within {LOOK_S:g} s", "Check the port in KIT_BOOTSTRAP_SERVERS."


def _listen(line: socket.socket) -> tuple[str, str] | None:
    """Ask for the api versions; None if what answers is a Kafka."""
    port = "Check the port in KIT_BOOTSTRAP_SERVERS."
    line.sendall(_REQUEST)
    answer = b""
    try:
        while len(answer) < 8 and (more := line.recv(64)):
            answer += more
    except ssl.SSLError:
        raise
    except TimeoutError:
        return f"It did not answer within {LOOK_S:g} s, as a Kafka does", port
    except ConnectionError:
        pass
    if answer[4:8] == _REQUEST[8:12]:
        return None
    if not isinstance(line, ssl.SSLSocket) and (not answer or answer.startswith(b"\x15\x03")):
        return (
            "It ended the connection at the first request, as a port for TLS does",
            "Set KIT_SECURITY_PROTOCOL to SSL or SASL_SSL, or check the port in"
            " KIT_BOOTSTRAP_SERVERS.",
        )
    return f"What answers is no Kafka: it says {re.sub(rb'[^ -~]+', b'.', answer).decode()!r}", port


@contextmanager
def _quiet() -> Iterator[None]:
    """Where nobody has set up logging: no lines of the client about each of its attempts."""
    logger, nowhere = logging.getLogger("kafka"), logging.NullHandler()
    logger.addHandler(nowhere)
    try:
        yield
    finally:
        logger.removeHandler(nowhere)
