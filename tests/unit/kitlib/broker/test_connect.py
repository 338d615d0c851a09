"""The contract of `connect`, for the embedded broker and for one that the environment names."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from kafka import KafkaProducer

from kitlib.broker import Broker, Kafka
from kitlib.broker import connect as module
from kitlib.broker.connect import connect
from kitlib.errors import KitError

PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"


@pytest.fixture(autouse=True)
def nothing_connected(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(module, "_current", None)
    for name in ("KIT_BOOTSTRAP_SERVERS", *module.SECURITY):
        monkeypatch.delenv(name, raising=False)
    yield
    if isinstance(module._current, Broker):
        module._current.stop()


def works(kafka: Kafka) -> bool:
    """Whether lessons can do what they do with it."""
    kafka.fresh_topic("contract", partitions=2)
    with KafkaProducer(**kafka.connection) as producer:
        sent = producer.send("contract", b"one", partition=1).get(30)
    (row,) = kafka.read("contract")
    return (sent.partition, sent.offset, row.partition, row.value) == (1, 0, 1, "one")


@pytest.mark.parametrize("kind", ["embedded", "external"])
def test_the_contract(kind: str, kafka: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    if kind == "external":
        monkeypatch.setenv("KIT_BOOTSTRAP_SERVERS", kafka.bootstrap_servers)
    found = connect()
    assert isinstance(found, Broker) == (kind == "embedded")
    assert connect() is found
    assert works(found)
    assert found.bootstrap_servers in repr(found)
    assert "contract" in found.topics()
    assert found.version.split(".")[0] == "4"
    found.close()
    assert works(found)


def test_one_of_two_addresses_is_enough(kafka: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIT_BOOTSTRAP_SERVERS", f"127.0.0.1:1,{kafka.bootstrap_servers}")
    assert works(connect())


def test_a_broker_that_has_ended_is_replaced() -> None:
    first = connect()
    assert isinstance(first, Broker)
    first.stop()
    second = connect()
    assert second is not first
    assert works(second)


def test_a_password_is_asked_and_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {
        "listener.security.protocol.map": "BROKER:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
        "sasl.enabled.mechanisms": "PLAIN",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "listener.name.broker.plain.sasl.jaas.config": f'{PLAIN} required username="kit"'
        ' password="right" user_kit="right";',
    }
    with Broker(extra) as broker:
        monkeypatch.setenv("KIT_BOOTSTRAP_SERVERS", broker.bootstrap_servers)
        monkeypatch.setenv("KIT_SECURITY_PROTOCOL", "SASL_PLAINTEXT")
        monkeypatch.setenv("KIT_SECURITY_SASL_MECHANISM", "PLAIN")
        monkeypatch.setenv("KIT_SECURITY_SASL_USERNAME", "kit")
        monkeypatch.setenv("KIT_SECURITY_SASL_PASSWORD", "wrong-word")
        with pytest.raises(KitError) as refused:
            connect()
        assert "KIT_SECURITY_" in refused.value.fix
        assert "wrong-word" not in str(refused.value)
        monkeypatch.setenv("KIT_SECURITY_SASL_PASSWORD", "right")
        found = connect()
        assert works(found)
        assert "'right'" not in repr(found.connection)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "No Kafka answers at 127.0.0.1:1"),
        ({"KIT_SECURITY_PROTOCOL": "TLS"}, "Known are PLAINTEXT, SSL"),
        ({"KIT_SECURITY_SASL_MECHANISM": "PLAIN"}, "no password would be sent"),
        ({"KIT_SECURITY_COLOUR": "red"}, "Unknown setting 'KIT_SECURITY_COLOUR'"),
    ],
)
def test_a_wrong_setting_meets_a_sentence(
    settings: dict[str, str], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KIT_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(KitError, match=says):
        connect()


@pytest.mark.parametrize("how", [("-O",), ("-c",)])
def test_a_python_that_leaves_out_assertions_is_told_at_once(how: tuple[str, ...]) -> None:
    """kafka-python needs its own to connect, and without those of a lesson nothing is checked."""
    code = "import kitlib as kit; kit.connect()"
    ran = subprocess.run(
        [sys.executable, *dict.fromkeys([*how, "-c"]), code],
        env={**os.environ, **({} if "-O" in how else {"PYTHONOPTIMIZE": "2"})},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 1
    assert "leave out assertions" in ran.stderr and "Unset PYTHONOPTIMIZE" in ran.stderr
