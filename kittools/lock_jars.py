"""Resolves Kafka's jars by Maven coordinates and writes `kitlib/broker/jars.lock`.

Run `.venv/bin/python -m kittools.lock_jars` when the version of Kafka changes. Learners never run
it: the kit fetches exactly what the lock names and refuses a jar whose SHA-256 differs. Kafka and
the log4j binding are resolved separately, because log4j's own dependency management would replace
Kafka's client jar by an older one.
"""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path

import jgo

KAFKA = "org.apache.kafka:kafka_2.13:4.4.0"
# Kafka 4 logs through SLF4J 1.7 and brings no binding of its own in its dependencies.
BINDING = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.5"
TARGET = Path(__file__).parent.parent / "kitlib" / "broker" / "jars.lock"


def resolve(endpoint: str) -> dict[str, str]:
    """{"group:artifact:version": SHA-256} of an endpoint (Maven coordinates) and all it needs."""
    environment = jgo.build(endpoint)
    jars = {path.name: path for path in environment.all_jars}
    locked = {}
    for entry in tomllib.loads(Path(environment.lock_path).read_text("utf-8"))["dependencies"]:
        path = jars.get(f"{entry['artifactId']}-{entry['version']}.jar")
        if path is None:
            continue
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest != entry["sha256"]:
            raise SystemExit(f"{path.name}: its SHA-256 is not the one that was resolved")
        locked[f"{entry['groupId']}:{entry['artifactId']}:{entry['version']}"] = digest
    return locked


def main() -> None:
    """Write the lock: Kafka's closure, and what the binding adds to it."""
    jars = resolve(KAFKA)
    known = {coordinate.rsplit(":", 1)[0] for coordinate in jars}
    for coordinate, digest in resolve(BINDING).items():
        name = coordinate.rsplit(":", 1)[0]
        if name not in known and name.startswith("org.apache.logging.log4j:"):
            jars[coordinate] = digest
    lines = ["# Made by kittools/lock_jars.py: Maven coordinate, SHA-256."]
    lines += [f"{coordinate} {digest}" for coordinate, digest in sorted(jars.items())]
    TARGET.write_text("\n".join(lines) + "\n", "utf-8")
    print(f"{TARGET.name}: {len(jars)} jars")


if __name__ == "__main__":
    main()
