"""Every setting of the embedded broker that differs from Kafka's defaults, each with its reason.

A learner who asks "is this how a real Kafka runs?" finds the whole difference in two files here:
`server.properties` has the names of Kafka's configuration reference, `jvm.options` those of JDK 25.
This module reads them; it starts nothing and reads no environment.
"""

from collections.abc import Mapping
from pathlib import Path

LOG4J = Path(__file__).with_name("log4j2.properties")
_OPTIONS = Path(__file__).with_name("jvm.options").read_text("utf-8")
_PROPERTIES = Path(__file__).with_name("server.properties").read_text("utf-8")
JVM = [line for line in _OPTIONS.splitlines() if line.startswith("-")]
# The listeners and their ports, before the system has chosen.
ANY_PORTS = {"BROKER": "0", "CONTROLLER": "0"}


def server_properties(ports: Mapping[str, str] = ANY_PORTS) -> str:
    """The broker's configuration file. ports: {listener: port}, "0" for any free one."""
    return _PROPERTIES.format(**ports)
