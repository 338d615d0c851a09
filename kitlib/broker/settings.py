"""Every setting of the embedded broker that differs from Kafka's defaults, each with its reason.

A learner who asks "is this how a real Kafka runs?" finds the whole difference here. The names are
those of the Kafka broker configuration reference; the JVM options are those of JDK 25.
"""

from __future__ import annotations

# (name, value, reason)
BROKER: tuple[tuple[str, str, str], ...] = (
    ("process.roles", "broker,controller", "one process plays both parts (KRaft combined mode)"),
    ("node.id", "1", "there is one node"),
    ("listener.security.protocol.map", "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT", "loopback only"),
    ("inter.broker.listener.name", "BROKER", "names the listener that clients use as well"),
    ("controller.listener.names", "CONTROLLER", "names the controller's own listener"),
    ("num.network.threads", "1", "a handful of clients; fewer threads start faster"),
    ("num.io.threads", "2", "a handful of clients; fewer threads start faster"),
    ("background.threads", "2", "one small log directory to look after"),
    ("offsets.topic.num.partitions", "1", "50 partitions of committed offsets take time to make"),
    ("offsets.topic.replication.factor", "1", "there is one node"),
    ("transaction.state.log.num.partitions", "1", "as for committed offsets"),
    ("transaction.state.log.replication.factor", "1", "there is one node"),
    ("transaction.state.log.min.isr", "1", "there is one node"),
    ("share.coordinator.state.topic.num.partitions", "1", "as for committed offsets"),
    ("share.coordinator.state.topic.replication.factor", "1", "there is one node"),
    ("share.coordinator.state.topic.min.isr", "1", "there is one node"),
    ("group.initial.rebalance.delay.ms", "0", "the first member need not wait 3 s for others"),
    ("group.min.session.timeout.ms", "1000", "a crash is noticed within a lesson's patience"),
    ("controller.quorum.append.linger.ms", "0", "metadata is written at once, not every 25 ms"),
    ("log.cleaner.dedupe.buffer.size", "2097152", "2 MiB in place of 128 MiB of memory"),
    ("log.retention.check.interval.ms", "1000", "retention is seen at work within a lesson"),
    ("log.initial.task.delay.ms", "1000", "the first check, too; not only 30 s after the start"),
    ("log.segment.delete.delay.ms", "1000", "deleted segments leave the disk within a lesson"),
    ("auto.create.topics.enable", "false", "a misspelt topic is an error, not a new topic"),
)

# (option, reason)
JVM: tuple[tuple[str, str], ...] = (
    ("-Xmx256m", "enough for the lessons; the stock script takes 1 GiB"),
    ("-Xms32m", "grows only as far as a lesson needs"),
    ("-Xss512k", "some sixty threads"),
    ("-XX:+UseSerialGC", "smallest and first to start on few cores"),
    ("-XX:TieredStopAtLevel=1", "short runs gain nothing from the optimising compiler"),
    ("-XX:+ExitOnOutOfMemoryError", "a broker without memory ends and says so"),
    ("-XX:+ErrorFileToStdout", "what the JVM says of its own crash is in the log, not in a file"),
    ("-XX:-CreateCoredumpOnCrash", "nor does it leave a core among the notebooks"),
    ("-XX:-UsePerfData", "no shared statistics file for tools that nobody attaches"),
    ("-Xlog:disable", "the JVM's notes on its start-up cache are not Kafka's log"),
    ("-Xlog:all=error:stdout", "its errors are"),
    ("-Dlog4j2.disableJmx=true", "no JMX"),
    ("-Djava.awt.headless=true", "there is no screen"),
    ("--enable-native-access=ALL-UNNAMED", "compression libraries, without a warning in the log"),
    ("--sun-misc-unsafe-memory-access=allow", "Kafka unmaps its index files, without a warning"),
)

LOG4J = """\
status = error
appender.console.type = Console
appender.console.name = out
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss.SSS} %-5p %m%n
rootLogger.level = info
rootLogger.appenderRef.out.ref = out
# A thousand lines of settings at each start would bury what happened.
logger.config.name = org.apache.kafka.common.config.AbstractConfig
logger.config.level = warn
logger.server.name = kafka.server.KafkaConfig
logger.server.level = warn
"""


def server_properties(data: str, ports: tuple[int, int] = (0, 0)) -> str:
    """The broker's configuration file.

    data: the data directory, relative to where the broker runs. ports: of the broker and the
    controller; 0 lets the system choose, and Kafka then registers the port it really got.
    """
    lines = [f"# {reason}\n{name}={value}" for name, value, reason in BROKER]
    broker, controller = ports
    lines += [
        "# loopback only; port 0: the system chooses a free one",
        f"listeners=BROKER://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}",
        "# a dynamic quorum of one (KIP-853), so that the controller's port may be chosen as well",
        f"controller.quorum.bootstrap.servers=127.0.0.1:{controller}",
        # A properties file takes a backslash for an escape.
        "log.dirs=" + data.replace("\\", "/"),
    ]
    return "\n".join(lines) + "\n"
