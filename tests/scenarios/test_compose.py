"""docker-compose.yml: valid, pinned, on loopback only, and the Kafka that the lessons expect.

No container engine is needed. What the image would make of its environment is found out with the
image's own wrapper, which is part of Kafka's jars.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from kitlib.broker import _parts as parts
from kitlib.broker import _prepare as prepare
from kitlib.broker import settings

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text("utf-8"))["services"]
KAFKA: dict[str, str] = SERVICES["kafka"]["environment"]

BROKER = dict(
    line.split("=", 1) for line in settings.server_properties().splitlines() if line[:1] not in "#"
)
# Settings of the embedded broker that a container does not share, and why.
NOT_MIRRORED = {
    "listener.security.protocol.map": "other listeners",
    "inter.broker.listener.name": "other listeners",
    "controller.listener.names": "other listeners",
    "listeners": "other listeners",
    "controller.quorum.bootstrap.servers": "other listeners",
    "log.dirs": "the image has a volume for it",
    "num.network.threads": "only for a fast start and little memory",
    "num.io.threads": "only for a fast start and little memory",
    "background.threads": "only for a fast start and little memory",
    "metric.reporters": "only for a fast start and little memory",
    "metrics.jmx.exclude": "only for a fast start and little memory",
    "socket.request.max.bytes": "for a heap of 256 MB; the image's has 1 GB",
    "queued.max.request.bytes": "for a heap of 256 MB; the image's has 1 GB",
    "log.cleaner.dedupe.buffer.size": "only for a fast start and little memory",
}


def pairs(text: str, separator: str) -> dict[str, str]:
    return dict(entry.split(separator, 1) for entry in text.split(","))


def variable(setting: str) -> str:
    """The environment variable from which the image makes a broker setting."""
    return "KAFKA_" + setting.upper().replace(".", "_")


def test_the_file_follows_the_compose_specification() -> None:
    command = ["-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    ran = subprocess.run([sys.executable, *command], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned_and_services_checked(name: str) -> None:
    service = SERVICES[name]
    assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+[\w.-]*", service["image"])
    assert service["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("name", SERVICES)
def test_every_port_is_published_on_loopback_only(name: str) -> None:
    assert SERVICES[name]["ports"]
    for port in SERVICES[name]["ports"]:
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)


def test_only_the_broker_starts_unasked() -> None:
    assert {name: service.get("profiles") for name, service in SERVICES.items()} == {
        "kafka": None,
        "kafka-ui": ["ui"],
        "postgres": ["postgres"],
    }


def test_it_is_the_kafka_of_the_embedded_broker() -> None:
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{parts.KAFKA_VERSION}"
    expected = {name: value for name, value in BROKER.items() if name not in NOT_MIRRORED}
    assert {name: KAFKA.get(variable(name)) for name in expected} == expected


def test_what_is_not_mirrored_is_a_setting_of_the_embedded_broker() -> None:
    assert set(NOT_MIRRORED) <= set(BROKER)


@pytest.mark.parametrize("name", ["server.properties", "jvm.options"])
def test_each_setting_has_its_reason(name: str) -> None:
    _, *rest = Path(settings.__file__).with_name(name).read_text("utf-8").split("\n# ")
    for setting in rest:
        assert re.fullmatch(r"[a-z1-9].+\n\S+\s*", setting), setting


def test_each_side_is_given_an_address_that_it_can_reach() -> None:
    listeners = pairs(KAFKA["KAFKA_LISTENERS"], "://")
    advertised = pairs(KAFKA["KAFKA_ADVERTISED_LISTENERS"], "://")
    [published] = SERVICES["kafka"]["ports"]
    address, inside = published.rsplit(":", 1)
    # Notebooks: the published port leads to the listener that advertises just this address.
    assert address == advertised["HOST"] == "127.0.0.1:9092"
    assert listeners["HOST"] == f":{inside}"
    # Containers: by the name of the service, on a listener of their own that is not published.
    assert advertised["CONTAINERS"] == "kafka" + listeners["CONTAINERS"]
    assert listeners["CONTAINERS"] != listeners["HOST"]
    assert KAFKA["KAFKA_INTER_BROKER_LISTENER_NAME"] == "CONTAINERS"
    ui = SERVICES["kafka-ui"]["environment"]
    assert ui["KAFKA_CLUSTERS_0_BOOTSTRAPSERVERS"] == advertised["CONTAINERS"]
    # The controller: neither published nor advertised, and its own only voter.
    assert set(listeners) - set(advertised) == {KAFKA["KAFKA_CONTROLLER_LISTENER_NAMES"]}
    voter = KAFKA["KAFKA_NODE_ID"] + "@kafka" + listeners["CONTROLLER"]
    assert KAFKA["KAFKA_CONTROLLER_QUORUM_VOTERS"] == voter
    protocols = pairs(KAFKA["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"], ":")
    assert protocols == dict.fromkeys(listeners, "PLAINTEXT")


def test_the_addresses_in_the_comment_are_those_of_the_services() -> None:
    comment = COMPOSE.read_text("utf-8").split("name:")[0]
    postgres = SERVICES["postgres"]["environment"]
    user, password = postgres["POSTGRES_USER"], postgres["POSTGRES_PASSWORD"]
    port = SERVICES["postgres"]["ports"][0].rsplit(":", 1)[0]
    advertised = pairs(KAFKA["KAFKA_ADVERTISED_LISTENERS"], "://")
    assert f"KIT_BOOTSTRAP_SERVERS={advertised['HOST']} " in comment
    url = f"postgresql://{user}:{password}@{port}/{postgres['POSTGRES_DB']}"
    assert f"KIT_DATABASE_URL={url} " in comment
    assert "http://" + SERVICES["kafka-ui"]["ports"][0].rsplit(":", 1)[0] in comment


def test_kafka_accepts_the_environment(tmp_path: Path) -> None:
    """The image's wrapper writes the broker's configuration and formats the data directory."""
    found = prepare.prepare()
    command = [str(found.java), "-cp", found.class_path, "kafka.docker.KafkaDockerWrapper", "setup"]
    for option in ("default", "mounted", "final"):
        (tmp_path / option).mkdir()
        command += [f"--{option}-configs-dir", str(tmp_path / option)]
    ran = subprocess.run(
        command,
        env={**os.environ, **KAFKA, "KAFKA_LOG_DIRS": (tmp_path / "data").as_posix()},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    made = (tmp_path / "final" / "server.properties").read_text("utf-8").splitlines()
    for name, value in BROKER.items():
        assert name in NOT_MIRRORED or f"{name}={value}" in made
    assert f"advertised.listeners={KAFKA['KAFKA_ADVERTISED_LISTENERS']}" in made
    assert (tmp_path / "data" / "meta.properties").exists()
