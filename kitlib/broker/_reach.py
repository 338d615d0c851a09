"""Reaches a Kafka, and says in words why that does not work.

kafka-python tries again until its time is over, and then says that its time is over. Here a look at
the address comes first: is somebody there, is TLS as it should be, is it a Kafka, does it take this
password? What waiting does not mend is said at once.
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

from kitlib.errors import KitError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kafka.admin import KafkaAdminClient

LOOK_S = 3.0
WAIT_MS = 10_000  # a broker that is just starting is waited for

_PORT = "Check the port in KIT_BOOTSTRAP_SERVERS."
# OpenSSL: the certificate names another host, or another IP address.
_OTHER_NAME = (62, 64)
# Numbers of the Kafka protocol guide.
_API_VERSIONS, _SASL_HANDSHAKE, _SASL_AUTHENTICATE = 18, 17, 36
_ILLEGAL_STATE = 34
_NUMBER = 1_262_179_668  # a correlation id that nothing else sends by accident


class _Wrong(Exception):
    """why, fix: what is wrong with an address and no waiting mends."""


def admin(connection: Mapping[str, Any]) -> KafkaAdminClient:
    """An admin client with this connection. Raises KitError when there cannot be one."""
    from kafka.admin import KafkaAdminClient
    from kafka.errors import KafkaError
    from kafka.net.compat import KafkaNetClient

    made: list[Any] = []

    def make(**options: Any) -> Any:
        made.append(KafkaNetClient(**options))
        return made[0]

    with _quiet():
        look(connection)
        try:
            return KafkaAdminClient(**connection, bootstrap_timeout_ms=WAIT_MS, kafka_client=make)
        except KafkaError as error:
            for client in made:  # it leaves its thread behind
                with suppress(Exception):
                    client.close()
                client._manager._net.stop()
            found = look(connection)  # it may have come up meanwhile
            raise KitError(
                f"No Kafka answers at {connection['bootstrap_servers']}",
                found or f"{type(error).__name__}: {error}"[:300],
                "Check the address in KIT_BOOTSTRAP_SERVERS and the KIT_SECURITY_ settings; without"
                " KIT_BOOTSTRAP_SERVERS the kit starts a broker of its own.",
            ) from None


def look(connection: Mapping[str, Any]) -> str:
    """Raise KitError if something is wrong with every address, and waiting does not mend it.

    Gives what is wrong where waiting may mend it, or "".
    """
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
                if context is None:
                    _greet(line, host, connection)
                else:
                    with _tls(line, host, context) as secured:
                        _greet(secured, host, connection)
            return ""
        except _Wrong as found:
            wrong.append((f"No Kafka can be used at {host}:{port}", *found.args))
        except TimeoutError:
            return f"It did not answer within {LOOK_S:g} s"
        except OSError as error:
            return f"{type(error).__name__}: {error}"  # nobody there: perhaps not yet
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
            "KIT_SECURITY_SSL_CAFILE, _CERTFILE and _KEYFILE name PEM files; _PASSWORD is that of"
            " the key.",
        ) from None


def _tls(line: socket.socket, host: str, context: ssl.SSLContext) -> ssl.SSLSocket:
    line.settimeout(WAIT_MS / 1000)
    try:
        return context.wrap_socket(line, server_hostname=host.rstrip("."))
    except ssl.SSLCertVerificationError as error:
        if error.verify_code in _OTHER_NAME:
            raise _Wrong(
                f"Its certificate is for another name: {error.verify_message}",
                "Write the address in KIT_BOOTSTRAP_SERVERS as the certificate has it.",
            ) from None
        raise _Wrong(
            f"Its certificate is not trusted: {error.verify_message}",
            "Name the file with the certificate of its authority in KIT_SECURITY_SSL_CAFILE.",
        ) from None
    except TimeoutError:
        # Said at once: kafka-python would wait for this handshake without an end.
        raise _Wrong(f"It did not answer within {line.gettimeout():g} s", _PORT) from None
    except OSError as error:
        raise _Wrong(
            f"No TLS came about: {getattr(error, 'reason', None) or error}",
            f"{_PORT} It may be one without TLS: KIT_SECURITY_PROTOCOL would be PLAINTEXT or"
            " SASL_PLAINTEXT.",
        ) from None


def _greet(line: socket.socket, host: str, connection: Mapping[str, Any]) -> None:
    """Ask for the api versions, as each client does, and log in if a password is to be sent."""
    try:
        _ask(line, _API_VERSIONS)
    except TimeoutError:
        raise  # perhaps it has much to do
    except OSError as error:
        if isinstance(line, ssl.SSLSocket):
            raise _Wrong(
                f"It ended the connection after the TLS handshake: {error}",
                "It may ask for a certificate: KIT_SECURITY_SSL_CERTFILE and _KEYFILE.",
            ) from None
        raise _Wrong(
            "It ended the connection at the first request, as a port for TLS does",
            f"Set KIT_SECURITY_PROTOCOL to SSL or SASL_SSL. {_PORT}",
        ) from None
    if connection.get("security_protocol", "").startswith("SASL"):
        return _log_in(line, host, connection)
    with suppress(OSError):  # a Kafka that asks for no password may not like the question
        if _handshake(line, "PLAIN")[0] != _ILLEGAL_STATE:
            raise _Wrong(
                "It asks for a password at this port",
                "Set KIT_SECURITY_PROTOCOL to SASL_SSL (or SASL_PLAINTEXT), and"
                " KIT_SECURITY_SASL_MECHANISM, _USERNAME and _PASSWORD.",
            )


def _handshake(line: socket.socket, mechanism: str) -> tuple[int, str]:
    """An error code, and the mechanisms that the broker knows."""
    name = mechanism.encode("ascii")
    told = _ask(line, _SASL_HANDSHAKE, struct.pack(">h", len(name)) + name)
    known = re.findall(r"[\w-]{2,}", told[6:].decode("ascii", "replace"))
    return struct.unpack_from(">h", told)[0], ", ".join(known)


def _log_in(line: socket.socket, host: str, connection: Mapping[str, Any]) -> None:
    from kafka.net.sasl import get_sasl_mechanism

    name = connection["sasl_mechanism"]
    code, known = _handshake(line, name)
    if code == _ILLEGAL_STATE:
        raise _Wrong(
            "It asks for no password at this port",
            "Check KIT_SECURITY_PROTOCOL: PLAINTEXT and SSL are without one.",
        )
    if code:
        raise _Wrong(f"It does not know {name}, but {known}", "Set KIT_SECURITY_SASL_MECHANISM.")
    mechanism = get_sasl_mechanism(name)(host=host, **connection)
    while not mechanism.is_done():
        token = mechanism.auth_bytes()
        told = _ask(line, _SASL_AUTHENTICATE, struct.pack(">i", len(token)) + token)
        code, size = struct.unpack_from(">hh", told)
        rest = 4 + max(size, 0)
        if code:
            raise _Wrong(
                f"It refuses this user or this password: {told[4:rest].decode('utf-8', 'replace')}",
                "Check KIT_SECURITY_SASL_USERNAME, KIT_SECURITY_SASL_PASSWORD and"
                " KIT_SECURITY_SASL_MECHANISM.",
            )
        mechanism.receive(told[rest + 4 :])


def _ask(line: socket.socket, api: int, body: bytes = b"") -> bytes:
    """The answer to a request of this api, without its header.

    Raises _Wrong if what answers is no Kafka, ConnectionError if nothing does.
    """
    version = 1 if api == _SASL_HANDSHAKE else 0
    request = struct.pack(">hhih", api, version, _NUMBER, -1) + body
    line.sendall(struct.pack(">i", len(request)) + request)
    head = _receive(line, 8)
    if head[4:] != struct.pack(">i", _NUMBER):
        said = re.sub(rb"[^ -~]+", b".", head).decode()
        raise _Wrong(f"What answers is no Kafka: it says {said!r}", _PORT)
    return _receive(line, struct.unpack_from(">i", head)[0] - 4)


def _receive(line: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        if not (more := line.recv(size - len(found))):
            raise ConnectionError("it hung up")
        found += more
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Where nobody has set up logging: no lines of the client about each of its attempts."""
    logger, nowhere = logging.getLogger("kafka"), logging.NullHandler()
    logger.addHandler(nowhere)
    try:
        yield
    finally:
        logger.removeHandler(nowhere)
