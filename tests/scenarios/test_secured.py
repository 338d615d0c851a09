"""A cluster of somebody else, over TLS and with a password: it works, or it says why not.

And wherever a password goes with it, nobody gets to read it.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from kafka import KafkaConsumer, KafkaProducer
from serving import serve
from tls import USERS, Secured, secured

from kitlib.broker import _prepare as prepare
from kitlib.broker import connect as module
from kitlib.broker.connect import connect
from kitlib.errors import KitError
from kitlib.journal import Journal
from kitlib.lag import LagMeter
from kitlib.workers import Workers
from kittools import course

USER, PASSWORD = USERS["SCRAM-SHA-256"]
TOPIC = "secured"


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    prepare.prepare()
    with secured(tmp_path_factory.mktemp("tls")) as found:
        yield found


@pytest.fixture(autouse=True)
def settings(there: Secured, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The settings with which it works, as the environment has them."""
    monkeypatch.setattr(module, "_current", None)
    found = {
        "KIT_BOOTSTRAP_SERVERS": there.tls,
        "KIT_SECURITY_PROTOCOL": "SASL_SSL",
        "KIT_SECURITY_SASL_MECHANISM": "SCRAM-SHA-256",
        "KIT_SECURITY_SASL_USERNAME": USER,
        "KIT_SECURITY_SASL_PASSWORD": PASSWORD,
        "KIT_SECURITY_SSL_CAFILE": str(there.authority),
    }
    for name in module.SECURITY:
        monkeypatch.delenv(name, raising=False)
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


def registrar(me: Any) -> None:
    consumer = KafkaConsumer(
        "secured", **me.connection, group_id=me.group, auto_offset_reset="earliest"
    )
    me.record(consumer)
    while not me.stopping:
        for records in consumer.poll(200).values():
            for record in records:
                me.note("processed", record)
        consumer.commit()
    consumer.close()


@pytest.mark.parametrize("mechanism", USERS)
def test_what_lessons_do_works(mechanism: str, monkeypatch: pytest.MonkeyPatch) -> None:
    user, password = USERS[mechanism]
    monkeypatch.setenv("KIT_SECURITY_SASL_MECHANISM", mechanism)
    monkeypatch.setenv("KIT_SECURITY_SASL_USERNAME", user)
    monkeypatch.setenv("KIT_SECURITY_SASL_PASSWORD", password)
    kafka = connect()
    group = f"registrars-{mechanism}"
    assert kafka.fresh_topic(TOPIC, partitions=2) in kafka.topics()
    journal = Journal()
    with KafkaProducer(**kafka.connection) as producer:
        journal.record(producer)
        for number in range(4):
            producer.send(TOPIC, b"%d" % number, partition=number % 2)
    assert sorted(row.value or "" for row in kafka.read(TOPIC)) == list("0123")
    with Workers(kafka, registrar, journal=journal, group=group).start("ana", "cy") as team:
        journal.wait("committed", 2)
        journal.wait("processed", 4)
        team.stop()
    assert LagMeter(kafka, group).measure()["lag"].tolist() == [0, 0]
    kafka.close()


class Mute:
    """A port that takes connections and never says a word."""

    def __enter__(self) -> str:
        self._door = socket.create_server(("127.0.0.1", 0))
        return f"127.0.0.1:{self._door.getsockname()[1]}"

    def __exit__(self, *error: object) -> None:
        self._door.close()


PLAIN = {
    "KIT_SECURITY_PROTOCOL": "PLAINTEXT",
    "KIT_SECURITY_SASL_MECHANISM": "",
    "KIT_SECURITY_SASL_USERNAME": "",
    "KIT_SECURITY_SASL_PASSWORD": "",
}
WRONG = {
    "a wrong password": (
        {"KIT_SECURITY_SASL_PASSWORD": "wrong-secret-4b1d"},
        "Cannot connect to Kafka at {tls}",
        "refuses this user or this password: Authentication failed",
        "KIT_SECURITY_SASL_PASSWORD",
    ),
    "an unknown user": (
        {"KIT_SECURITY_SASL_USERNAME": "zoe"},
        "Cannot connect to Kafka at {tls}",
        "refuses this user or this password: Authentication failed",
        "KIT_SECURITY_SASL_USERNAME",
    ),
    "another mechanism of the user": (
        {"KIT_SECURITY_SASL_MECHANISM": "SCRAM-SHA-512"},
        "Cannot connect to Kafka at {tls}",
        "refuses this user or this password: Authentication failed",
        "KIT_SECURITY_SASL_MECHANISM",
    ),
    "a certificate of nobody known": (
        {"KIT_SECURITY_SSL_CAFILE": "{stranger}"},
        "Cannot connect to Kafka at {tls}",
        "not trusted",
        "KIT_SECURITY_SSL_CAFILE",
    ),
    "a certificate for another host": (
        {"KIT_BOOTSTRAP_SERVERS": "{misnamed}", "KIT_SECURITY_SSL_CAFILE": "{named}"},
        "Cannot connect to Kafka at {misnamed}",
        "for another name",
        "KIT_BOOTSTRAP_SERVERS",
    ),
    "no certificate": (
        {"KIT_SECURITY_SSL_CAFILE": "{folder}/nothing.pem"},
        "certificates for TLS cannot be used",
        "No such file",
        "KIT_SECURITY_SSL_CAFILE",
    ),
    "a plain client at a port for TLS": (
        PLAIN,
        "Cannot connect to Kafka at {tls}",
        "as a port that expects TLS does",
        "KIT_SECURITY_PROTOCOL",
    ),
    "a client with TLS at a plain port": (
        {"KIT_BOOTSTRAP_SERVERS": "{plain}"},
        "Cannot connect to Kafka at {plain}",
        "The TLS handshake failed",
        "KIT_SECURITY_PROTOCOL",
    ),
    "a password at a port that asks for none": (
        {"KIT_BOOTSTRAP_SERVERS": "{plain}", "KIT_SECURITY_PROTOCOL": "SASL_PLAINTEXT"},
        "Cannot connect to Kafka at {plain}",
        "This port does not ask for a password",
        "KIT_SECURITY_PROTOCOL",
    ),
    "an address where nobody is": (
        {"KIT_BOOTSTRAP_SERVERS": "127.0.0.1:1"},
        "No Kafka answers at 127.0.0.1:1",
        "onnect",
        "KIT_BOOTSTRAP_SERVERS",
    ),
    "a name that does not exist": (
        {"KIT_BOOTSTRAP_SERVERS": "kafka.invalid:9093"},
        "No Kafka answers at kafka.invalid:9093",
        "",
        "KIT_BOOTSTRAP_SERVERS",
    ),
    "no address at all": (
        {"KIT_BOOTSTRAP_SERVERS": "localhost:port"},
        "KIT_BOOTSTRAP_SERVERS is not an address",
        "host:port",
        "kafka.example.edu:9093",
    ),
    "a protocol that does not exist": (
        {"KIT_SECURITY_PROTOCOL": "TLS"},
        "Unknown KIT_SECURITY_PROTOCOL 'TLS'",
        "SASL_SSL",
        "Set KIT_SECURITY_PROTOCOL",
    ),
    "a mechanism that does not exist": (
        {"KIT_SECURITY_SASL_MECHANISM": "SCRAM"},
        "Unknown KIT_SECURITY_SASL_MECHANISM 'SCRAM'",
        "SCRAM-SHA-512",
        "Set KIT_SECURITY_SASL_MECHANISM",
    ),
    "a mechanism that the broker has not": (
        {"KIT_BOOTSTRAP_SERVERS": "{asking}", "KIT_SECURITY_PROTOCOL": "SASL_PLAINTEXT"},
        "Cannot connect to Kafka at {asking}",
        "does not support SCRAM-SHA-256; it offers PLAIN",
        "KIT_SECURITY_SASL_MECHANISM",
    ),
    "no password sent to a port that asks": (
        {**PLAIN, "KIT_BOOTSTRAP_SERVERS": "{asking}"},
        "Cannot connect to Kafka at {asking}",
        "This port asks for a password",
        "KIT_SECURITY_PROTOCOL",
    ),
    "no password": (
        {"KIT_SECURITY_SASL_PASSWORD": ""},
        "KIT_SECURITY_SASL_PASSWORD is not set",
        "SASL_SSL",
        "Set KIT_SECURITY_SASL_PASSWORD",
    ),
    "a password without a protocol": (
        {"KIT_SECURITY_PROTOCOL": ""},
        "no password would be sent",
        "PLAINTEXT",
        "SASL_SSL",
    ),
    "a web server": (
        {**PLAIN, "KIT_BOOTSTRAP_SERVERS": "{web}"},
        "Cannot connect to Kafka at {web}",
        "not Kafka",
        "KIT_BOOTSTRAP_SERVERS",
    ),
    "a web server, with TLS": (
        {"KIT_BOOTSTRAP_SERVERS": "{web}"},
        "Cannot connect to Kafka at {web}",
        "The TLS handshake failed",
        "KIT_BOOTSTRAP_SERVERS",
    ),
    "a port that says nothing": (
        {**PLAIN, "KIT_BOOTSTRAP_SERVERS": "{mute}"},
        "No Kafka answers at {mute}",
        "did not answer",
        "KIT_BOOTSTRAP_SERVERS",
    ),
    "a port that says nothing, with TLS": (
        {"KIT_BOOTSTRAP_SERVERS": "{mute}"},
        "Cannot connect to Kafka at {mute}",
        "did not answer",
        "KIT_BOOTSTRAP_SERVERS",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_in_sentences(
    case: str,
    there: Secured,
    settings: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    changes, what, why, fix = WRONG[case]
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # as in a notebook
    threads = set(threading.enumerate())
    with serve(tmp_path) as web, Mute() as mute:
        known = {
            **{
                name: getattr(there, name)
                for name in ("plain", "asking", "tls", "misnamed", "stranger")
            },
            "named": there.authority.with_name("named.pem"),
            "folder": tmp_path,
            "web": web.removeprefix("http://"),
            "mute": mute,
        }
        for name, value in changes.items():
            if value:
                monkeypatch.setenv(name, value.format(**known))
            else:
                monkeypatch.delenv(name)
        capfd.readouterr()
        with pytest.raises(KitError) as refused:
            connect()
    error = refused.value
    assert what.format(**known) in error.what
    assert why in error.why
    assert fix in error.fix
    assert error.__cause__ is None and (error.__suppress_context__ or not error.__context__)
    said = "".join(capfd.readouterr()) + str(error)
    for secret in (PASSWORD, "wrong-secret-4b1d"):
        assert secret not in said
    assert "Traceback" not in said and "kafka.net" not in said
    assert {t for t in threading.enumerate() if t.name.startswith("kafka")} <= threads


CELLS = (
    """\
import logging, sys
import pandas as pd, psutil
from kafka import KafkaConsumer, KafkaProducer
import kitlib as kit
kafka = kit.connect()
kafka.fresh_topic("secrets")
kafka""",
    "kafka.connection",
    "print(kafka.connection, dict(kafka.connection), {**kafka.connection}, [kafka.connection])",
    "pd.Series(kafka.connection)",
    """\
secret = kafka.connection["sasl_plain_password"]
print(secret, str(secret), f"{secret} {secret!r} {secret:>40}", "%s" % secret)
secret""",
    """\
get_ipython().run_line_magic("xmode", "Verbose")
try:
    KafkaProducer(**kafka.connection, colour="red")
except Exception:
    get_ipython().showtraceback()""",
    """\
def wrong(me):
    print(me.connection, vars(me))
    settings = dict(me.connection)
    KafkaConsumer("secrets", **settings, colour="red")

def idle(me):
    while not me.stopping:
        pass

journal = kit.Journal()
team = kit.Workers(kafka, wrong, journal=journal).start("ana")
kit.wait_until(lambda: journal.rows("failed"), "ana has failed")
print(team, vars(team), [row for row in journal], journal.to_frame().to_dict())
others = kit.Workers(kafka, idle, journal=journal, settings=kafka.connection).start("ben")
children = psutil.Process().children(recursive=True)
print([child.as_dict(["cmdline"]) for child in children])  # also where one has just ended
others.stop()
journal.to_frame().to_json("journal.jsonl", orient="records", lines=True)
team""",
    """\
logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
with KafkaProducer(**kafka.connection) as producer:
    journal.record(producer)
    producer.send("secrets", b"seen").get(30)
logging.disable()
print(producer.config)
kafka.read("secrets")""",
    """\
import os
os.environ["KIT_SECURITY_SASL_USERNAME"] = "zoe"
kit.connect()""",
)


def test_nobody_gets_to_read_the_password(
    there: Secured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    cells = [nbformat.v4.new_code_cell(code) for code in CELLS]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "98_secrets.ipynb")
    result = course.execute(tmp_path / "98_secrets.ipynb", output=tmp_path / "out")
    assert "refuses this user or this password" in result.problem  # the last cell, and no other
    shown = (tmp_path / "out" / "98_secrets.ipynb").read_text("utf-8")
    for seen in (
        there.tls,
        "***",
        "Unrecognized configs",
        "kitlib.workers._nursery",
        "DEBUG:kafka",
        "seen",
    ):
        assert seen in shown, "the cells did not show what they should"
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "journal.jsonl" for path in written)
    for path in [*written, there.broker.log]:
        assert PASSWORD.encode() not in path.read_bytes(), path
