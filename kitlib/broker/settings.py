"""Every setting of the embedded broker that differs from Kafka's defaults, each with its reason.

A learner who asks "is this how a real Kafka runs?" finds the whole difference here. Broker settings
have the names of Kafka's configuration reference, JVM options those of JDK 25. This module starts
nothing and reads no environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

# The listeners and their ports, before the system has chosen.
ANY_PORTS = {"BROKER": "0", "CONTROLLER": "0"}

# (name, value, reason)
BROKER: tuple[tuple[str, str, str], ...] = (
    ("process.roles", "broker,controller", "one process plays both roles (KRaft combined mode)"),
    ("node.id", "1", "the cluster has one node"),
    ("listener.security.protocol.map", "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT", "on loopback"),
    ("inter.broker.listener.name", "BROKER", "the same listener that clients use"),
    ("controller.listener.names", "CONTROLLER", "the controller has a listener of its own"),
    ("num.network.threads", "1", "a handful of clients; fewer threads start faster"),
    ("num.io.threads", "2", "a handful of clients; fewer threads start faster"),
    ("background.threads", "2", "they look after one small log directory"),
    ("offsets.topic.num.partitions", "1", "creating 50 partitions for commits takes time"),
    ("offsets.topic.replication.factor", "1", "one node holds one copy"),
    ("transaction.state.log.num.partitions", "1", "as for committed offsets"),
    ("transaction.state.log.replication.factor", "1", "one node holds one copy"),
    ("transaction.state.log.min.isr", "1", "one node holds one copy"),
    ("share.coordinator.state.topic.num.partitions", "1", "as for committed offsets"),
    ("share.coordinator.state.topic.replication.factor", "1", "one node holds one copy"),
    ("share.coordinator.state.topic.min.isr", "1", "one node holds one copy"),
    ("group.initial.rebalance.delay.ms", "0", "the first member does not wait 3 s for others"),
    ("group.min.session.timeout.ms", "1000", "a lesson can show a crash within seconds"),
    ("controller.quorum.append.linger.ms", "0", "metadata is written at once, not after 25 ms"),
    ("log.cleaner.dedupe.buffer.size", "2097152", "2 MiB of memory, not 128 MiB"),
    ("log.retention.check.interval.ms", "1000", "a lesson can show retention at work"),
    ("log.initial.task.delay.ms", "1000", "the first check comes after 1 s, not 30 s"),
    ("log.segment.delete.delay.ms", "1000", "a lesson can see deleted segments leave the disk"),
    ("auto.create.topics.enable", "false", "a misspelt name is an error, not a new topic"),
)

# (option, reason)
JVM: tuple[tuple[str, str], ...] = (
    ("-Xmx256m", "enough for the lessons; Kafka's own script sets 1 GiB"),
    ("-Xms32m", "the heap grows only as far as a lesson needs"),
    ("-Xss512k", "the broker runs about sixty threads"),
    ("-XX:+UseSerialGC", "the smallest, and the fastest to start on few cores"),
    ("-XX:TieredStopAtLevel=1", "short runs gain nothing from the optimising compiler"),
    ("-XX:+ExitOnOutOfMemoryError", "a broker out of memory ends and says so"),
    ("-XX:+ErrorFileToStdout", "if the JVM crashes, its report goes to the log"),
    ("-XX:-CreateCoredumpOnCrash", "a crash leaves no core file among the notebooks"),
    ("-XX:-UsePerfData", "nobody attaches the tools that read this shared file"),
    ("-Xlog:disable", "keeps notes on the start-up cache out of Kafka's log"),
    ("-Xlog:all=error:stdout", "but keeps the JVM's errors"),
    ("-Dlog4j2.disableJmx=true", "nobody monitors the broker over JMX"),
    ("-Djava.awt.headless=true", "the broker needs no screen"),
    ("--enable-native-access=ALL-UNNAMED", "compression without a warning in the log"),
    ("--sun-misc-unsafe-memory-access=allow", "unmapping index files without a warning"),
)

LOG4J = Path(__file__).with_name("log4j2.properties")


def server_properties(ports: Mapping[str, str] = ANY_PORTS) -> str:
    """The broker's configuration file. ports: {listener: port}, "0" for any free one."""
    lines = [f"# {reason}\n{name}={value}" for name, value, reason in BROKER]
    lines += [
        "# loopback only; for port 0 the system chooses a free one, which Kafka then registers",
        "listeners=" + ",".join(f"{name}://127.0.0.1:{port}" for name, port in ports.items()),
        "# a dynamic quorum of one (KIP-853), so that the system may choose this port as well",
        f"controller.quorum.bootstrap.servers=127.0.0.1:{ports['CONTROLLER']}",
        "# relative: a comma or a letter beyond ASCII would change the path in this file",
        "log.dirs=data",
    ]
    return "\n".join(lines) + "\n"
