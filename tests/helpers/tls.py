"""Certificates made for one test run, and a broker that asks for TLS and a password."""

from __future__ import annotations

import datetime
import ipaddress
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from kafka.admin import ScramMechanism, UserScramCredentialUpsertion

from kitlib.broker import Broker

HERE = (x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
ELSEWHERE = (x509.DNSName("kafka.example.edu"),)
# mechanism: user, password
USERS = {
    "SCRAM-SHA-256": ("ana", "first-secret-7f3a"),
    "SCRAM-SHA-512": ("ben", "second-secret-91c2"),
    "PLAIN": ("dora", "third-secret-d05e"),
}
_MODULES = "org.apache.kafka.common.security"


@dataclass
class Secured:
    """Addresses of one broker, and files of certificates.

    asking: asks for a password without TLS, and knows PLAIN only. misnamed: has a certificate for
    another host. stranger: a certificate that signed nothing here.
    """

    broker: Broker
    plain: str
    asking: str
    tls: str
    misnamed: str
    authority: Path
    stranger: Path


def self_made(folder: Path, name: str, *hosts: x509.GeneralName) -> tuple[Path, Path]:
    """Make a certificate that vouches for itself; gives its file, and one with its key as well."""
    key = ec.generate_private_key(ec.SECP256R1())
    return _written(folder, name, _made(key, name, key, name, hosts), key)


def signed(folder: Path, name: str, *hosts: x509.GeneralName) -> tuple[Path, Path]:
    """Make an authority and a certificate that it signed; gives the authority's, and the other's
    with its key.
    """
    authority, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    above = f"{name}-authority"
    public, _ = _written(folder, above, _made(authority, above, authority, above, ()), authority)
    return public, _written(folder, name, _made(key, name, authority, above, hosts), key)[1]


def _made(
    key: ec.EllipticCurvePrivateKey,
    name: str,
    signer: ec.EllipticCurvePrivateKey,
    issuer: str,
    hosts: tuple[x509.GeneralName, ...],
) -> x509.Certificate:
    today, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - day)
        .not_valid_after(today + day)
        .add_extension(x509.BasicConstraints(key is signer, None), critical=True)
    )
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
    return builder.sign(signer, hashes.SHA256())


def _written(
    folder: Path, name: str, made: x509.Certificate, key: ec.EllipticCurvePrivateKey
) -> tuple[Path, Path]:
    public = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    files = folder / f"{name}.pem", folder / f"{name}-with-key.pem"
    files[0].write_bytes(public)
    files[1].write_bytes(private + public)
    return files


@contextmanager
def secured(folder: Path) -> Iterator[Secured]:
    """A broker with listeners with and without TLS, with and without a password."""
    good, named = self_made(folder, "good", *HERE), self_made(folder, "named", *ELSEWHERE)
    user, password = USERS["PLAIN"]
    logins = {
        "scram-sha-256": f"{_MODULES}.scram.ScramLoginModule required;",
        "scram-sha-512": f"{_MODULES}.scram.ScramLoginModule required;",
        "plain": f'{_MODULES}.plain.PlainLoginModule required user_{user}="{password}";',
    }
    names = ("BROKER", "CONTROLLER", "ASKING", "TLS", "MISNAMED")
    extra = {
        "listeners": ",".join(f"{name}://127.0.0.1:0" for name in names),
        "listener.security.protocol.map": "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT,"
        "ASKING:SASL_PLAINTEXT,TLS:SASL_SSL,MISNAMED:SASL_SSL",
        "sasl.enabled.mechanisms": ",".join(USERS),
        "listener.name.asking.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.asking.plain.sasl.jaas.config": logins["plain"],
    }
    for listener, files in (("tls", good), ("misnamed", named)):
        extra[f"listener.name.{listener}.ssl.keystore.type"] = "PEM"
        extra[f"listener.name.{listener}.ssl.keystore.location"] = files[1].as_posix()
        for mechanism, login in logins.items():
            extra[f"listener.name.{listener}.{mechanism}.sasl.jaas.config"] = login
    with Broker(extra) as broker:
        ports = dict(re.findall(r"(\w+): resolved ephemeral port to (\d+)", broker.log.read_text()))
        ways = (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512)
        users = (USERS["SCRAM-SHA-256"], USERS["SCRAM-SHA-512"])
        refused = broker.admin().alter_user_scram_credentials(
            [
                UserScramCredentialUpsertion(u, way, p)
                for way, (u, p) in zip(ways, users, strict=True)
            ]
        )
        assert not any(refused.values()), refused
        stranger, _ = self_made(folder, "stranger", *HERE)
        addresses = [f"127.0.0.1:{ports[name]}" for name in names if name != "CONTROLLER"]
        yield Secured(broker, *addresses, good[0], stranger)
