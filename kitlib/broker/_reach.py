"""Reaches a Kafka, and says in words why that does not work.

kafka-python retries until its time is up and then reports a timeout; one attempt of it says "socket
disconnected" for a wrong password, an unknown mechanism and a port for TLS alike. So a look at the
address comes first: does anybody answer, is TLS in order, is this a Kafka, does it accept this
password? What waiting cannot mend is reported at once. The messages on the wire and the login are
kafka-python's own; this module sends them one by one.
"""

import io
import logging
import re
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from kafka.admin import KafkaAdminClient
from kafka.cluster import collect_hosts
from kafka.errors import IllegalSaslStateError, KafkaError
from kafka.net.sasl import get_sasl_mechanism
from kafka.net.transport import KafkaSSLTransport
from kafka.protocol.metadata import ApiVersionsRequest
from kafka.protocol.sasl import SaslAuthenticateRequest, SaslHandshakeRequest

from kitlib.errors import KitError

_LOOK_S = 3.0
_WAIT_S = 10

_PORT = "Check the port in KIT_BOOTSTRAP_SERVERS."
# OpenSSL: the certificate names another host, or another IP address.
_OTHER_NAME = (62, 64)
_CORRELATION_ID = 1_262_179_668  # nothing else sends it by accident


class _Wrong(Exception):
    """why, fix: what is wrong with an address, and waiting will not mend it."""


def admin(connection: Mapping[str, Any]) -> KafkaAdminClient:
    """An admin client with this connection. Raises KitError when there cannot be one.

    It waits up to 10 s for a broker that is just starting.
    """
    deadline = time.monotonic() + _WAIT_S
    while (silence := _look(connection)) and time.monotonic() < deadline:
        time.sleep(0.1)
    if not silence:
        # Where nobody has set up logging, Python would print the client's failed attempts.
        logger, nowhere = logging.getLogger("kafka"), logging.NullHandler()
        logger.addHandler(nowhere)
        try:
            return KafkaAdminClient(**connection, bootstrap_timeout_ms=_WAIT_S * 1000)
        except KafkaError as error:
            silence = f"{type(error).__name__}: {error}"[:300]
        finally:
            logger.removeHandler(nowhere)
    raise KitError(
        f"No Kafka answers at {connection['bootstrap_servers']}",
        silence,
        "Check the address in KIT_BOOTSTRAP_SERVERS and the KIT_SECURITY_ settings. Without"
        " KIT_BOOTSTRAP_SERVERS the kit starts its own broker.",
    )


def _look(connection: Mapping[str, Any]) -> str:
    """Raise KitError if something is wrong with every address and waiting will not mend it.

    Returns what is wrong if waiting may mend it, otherwise "".
    """
    try:
        hosts = collect_hosts(connection["bootstrap_servers"], randomize=False)
    except ValueError:
        raise KitError(
            "KIT_BOOTSTRAP_SERVERS is not an address",
            "It takes host:port, or several of them separated by commas",
            "Write it like kafka.example.edu:9093.",
        ) from None
    context = _context(connection)
    silent, wrong = [], []
    for host, port, _ in hosts:
        try:
            with (
                socket.create_connection((host, port), _LOOK_S) as plain,
                _tls(plain, host, context) if context else plain as line,
            ):
                _greet(line, host, connection)
            return ""
        except _Wrong as why_and_fix:
            wrong.append(KitError(f"Cannot connect to Kafka at {host}:{port}", *why_and_fix.args))
        except TimeoutError:
            silent.append(f"It did not answer within {_LOOK_S:g} s")
        except OSError as error:
            silent.append(f"{type(error).__name__}: {error}")  # nobody there: perhaps not yet
    if not silent:
        raise wrong[0]
    return silent[0]


def _context(connection: Mapping[str, Any]) -> ssl.SSLContext | None:
    """The TLS context that the client makes of its settings; None without TLS."""
    if "SSL" not in connection.get("security_protocol", "PLAINTEXT"):
        return None
    try:
        settings = {**KafkaSSLTransport.DEFAULT_CONFIG, **connection}
        return KafkaSSLTransport._build_ssl_context(settings)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise KitError(
            "The certificates for TLS cannot be used",
            f"{type(error).__name__}: {error}",
            "KIT_SECURITY_SSL_CAFILE, _CERTFILE and _KEYFILE name PEM files; _PASSWORD opens the"
            " key.",
        ) from None


def _tls(line: socket.socket, host: str, context: ssl.SSLContext) -> ssl.SSLSocket:
    line.settimeout(_WAIT_S)
    try:
        return context.wrap_socket(line, server_hostname=host.rstrip("."))
    except ssl.SSLCertVerificationError as error:
        problem = "is not trusted"
        fix = "Set KIT_SECURITY_SSL_CAFILE to the file with its authority's certificate."
        if error.verify_code in _OTHER_NAME:
            problem = "is for another name"
            fix = "In KIT_BOOTSTRAP_SERVERS, use the name that the certificate has."
        raise _Wrong(f"Its certificate {problem}: {error.verify_message}", fix) from None
    except TimeoutError:
        # Reported at once: kafka-python would wait for this handshake for ever.
        raise _Wrong(f"It did not answer within {_WAIT_S} s", _PORT) from None
    except OSError as error:
        raise _Wrong(
            f"The TLS handshake failed: {getattr(error, 'reason', None) or error}",
            f"{_PORT} If it is one without TLS, set KIT_SECURITY_PROTOCOL to PLAINTEXT or"
            " SASL_PLAINTEXT.",
        ) from None


def _greet(line: socket.socket, host: str, connection: Mapping[str, Any]) -> None:
    """Ask for the API versions, as every client does, and log in if a password is to be sent."""
    try:
        _ask(line, ApiVersionsRequest(version=0))
    except TimeoutError:
        raise  # it may just be busy
    except OSError as error:
        why = "It closed the connection at the first request, as a port that expects TLS does"
        fix = f"Set KIT_SECURITY_PROTOCOL to SSL or SASL_SSL. {_PORT}"
        if isinstance(line, ssl.SSLSocket):
            why = f"It closed the connection after the TLS handshake: {error}"
            fix = "It may ask for a certificate: set KIT_SECURITY_SSL_CERTFILE and _KEYFILE."
        raise _Wrong(why, fix) from None
    if connection.get("security_protocol", "").startswith("SASL"):
        return _log_in(line, host, connection)
    with suppress(OSError):  # a Kafka that asks for no password may not like the question
        answer = _ask(line, SaslHandshakeRequest(version=1, mechanism="PLAIN"))
        if answer.error_code != IllegalSaslStateError.errno:  # it takes SASL
            raise _Wrong(
                "This port asks for a password",
                "Set KIT_SECURITY_PROTOCOL to SASL_SSL (or SASL_PLAINTEXT), and"
                " KIT_SECURITY_SASL_MECHANISM, _USERNAME and _PASSWORD.",
            )


def _log_in(line: socket.socket, host: str, connection: Mapping[str, Any]) -> None:
    name = connection["sasl_mechanism"]
    answer = _ask(line, SaslHandshakeRequest(version=1, mechanism=name))
    if answer.error_code == IllegalSaslStateError.errno:  # it takes no SASL
        raise _Wrong(
            "This port does not ask for a password",
            "Check KIT_SECURITY_PROTOCOL: PLAINTEXT and SSL go without one.",
        )
    if answer.error_code:
        raise _Wrong(
            f"It does not support {name}; it offers {', '.join(answer.mechanisms)}",
            "Set KIT_SECURITY_SASL_MECHANISM to one that it offers.",
        )
    mechanism = get_sasl_mechanism(name)(host=host, **connection)
    while not mechanism.is_done():
        answer = _ask(line, SaslAuthenticateRequest(version=0, auth_bytes=mechanism.auth_bytes()))
        if answer.error_code:
            raise _Wrong(
                f"It refuses this user or this password: {answer.error_message}",
                "Check KIT_SECURITY_SASL_USERNAME, KIT_SECURITY_SASL_PASSWORD and"
                " KIT_SECURITY_SASL_MECHANISM.",
            )
        mechanism.receive(answer.auth_bytes)


def _ask(line: socket.socket, request: Any) -> Any:
    """Send a request of kafka-python's and return the response.

    Raises _Wrong if what answers is not Kafka, OSError if nothing does.
    """
    request.with_header(correlation_id=_CORRELATION_ID, client_id=None)
    line.sendall(request.encode(framed=True, header=True))
    with line.makefile("rb") as stream:
        head = stream.read(8)  # the size of what follows, and the correlation id
        if len(head) == 8 and head[4:] != _CORRELATION_ID.to_bytes(4):
            start = re.sub(rb"[^ -~]+", b".", head).decode()
            raise _Wrong(f"What answers is not Kafka: it begins with {start!r}", _PORT)
        size = int.from_bytes(head[:4]) - 4
        body = stream.read(size) if len(head) == 8 else b""
    if len(body) < max(size, 1):
        raise ConnectionError("it hung up")
    return request.header.get_response_class().decode(io.BytesIO(body))
