"""Makes everything a broker starts from, once: jars, template, start-up cache.

The start-up cache (JEP 483 and 514: ahead-of-time class loading and linking) is what one training
run of the broker leaves behind; with it a broker starts in a third of the time. Of two processes
that prepare at once, one waits; an interrupted one leaves nothing half made under a final name.
Each part is kept with its SHA-256, as the jars are locked with theirs: the next start notices a
changed byte, and the part is made again. Running a broker for a lesson is left to `embedded`.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
from itertools import islice
from pathlib import Path

from filelock import FileLock, Timeout

from kitlib.broker import _parts as parts
from kitlib.broker import _sweep as sweep
from kitlib.broker import settings
from kitlib.broker._node import Node
from kitlib.broker.handle import Kafka
from kitlib.errors import KitError

_NEEDED_BYTES = 400_000_000


def _digest_file(made: Path) -> Path:
    return made.with_name(made.name + ".sha256")


def sound(made: Path) -> bool:
    """Whether a part is, byte for byte, as it was made."""
    try:
        return parts.sha256(made).encode() == _digest_file(made).read_bytes().strip()
    except OSError:
        return False


def _keep(scratch: Path, made: Path) -> None:
    """Give a finished part its final name, and write down its SHA-256."""
    parts.private(made.parent)
    for old in (made, _digest_file(made)):
        parts.remove(old)
    _digest_file(made).write_text(parts.sha256(scratch), "ascii")
    os.replace(scratch, made)


def print_step(step: str, done: int, total: int) -> None:
    """Show progress as plain lines: the beginning of each step, and the end of a counted one."""
    if done == 0:
        print(f"{step} ...", flush=True)
    elif done == total > 1:
        print(f"{step}: {total} of {total}", flush=True)


def damaged(needed: parts.Parts) -> list[str]:
    """The names of the parts that are missing or changed; about 0.2 s of processor time."""
    jars = [f"the jar {coordinate}" for coordinate in parts.unsound_jars()]
    made = {"the formatted data directory": needed.template, "the start-up cache": needed.aot}
    return jars + [name for name, path in made.items() if not sound(path)]


def prepare(progress: parts.Progress = print_step) -> parts.Parts:
    """Make what is missing and replace what is damaged; returns the parts.

    Raises KitError when the cache folder cannot be written, the disk is full or a jar cannot be
    fetched. A second call continues where the first stopped.
    """
    needed = parts.parts()
    if not damaged(needed):
        return needed
    if os.pathsep in str(parts.cache_folder()):
        raise KitError(
            f"The cache folder {parts.cache_folder()} cannot be used",
            f"Its name contains {os.pathsep!r}, which separates folders on a class path",
            f"Name a folder without {os.pathsep!r} in KIT_CACHE_DIR.",
        )
    with parts.cache() as folder:
        parts.private(folder)
        free = shutil.disk_usage(folder).free
        if free < _NEEDED_BYTES:
            raise KitError(
                f"Too little space in {folder}",
                f"The set-up needs {_NEEDED_BYTES // 10**6} MB, and {free // 10**6} MB are free",
                "Free some space, or name another folder in KIT_CACHE_DIR.",
            )
        with _alone(folder, progress):
            parts.fetch_jars(progress)
            if not sound(needed.template):
                progress("Formatting a data directory", 0, 1)
                _format(needed)
                progress("Formatting a data directory", 1, 1)
            if not sound(needed.aot):
                progress("Training the start-up cache", 0, 1)
                _train(needed)
                progress("Training the start-up cache", 1, 1)
    return needed


def _alone(folder: Path, progress: parts.Progress) -> contextlib.AbstractContextManager[object]:
    """The lock that lets one process prepare at a time, locked; reports when it has to wait."""
    with contextlib.suppress(OSError):
        (folder / "prepare.lock").rmdir()  # if something made it a folder
    lock = FileLock(folder / "prepare.lock", mode=0o600)
    try:
        return lock.acquire(timeout=0)
    except Timeout:
        progress("Waiting for another set-up to prepare the broker", 0, 1)
        locked = lock.acquire()
        progress("Waiting for another set-up to prepare the broker", 1, 1)
        return locked


def _format(needed: parts.Parts) -> None:
    """Have StorageTool format a data directory once; each broker starts from a copy of it."""
    runs = parts.private(parts.cache_folder() / "runs")
    with tempfile.TemporaryDirectory(dir=runs, ignore_cleanup_errors=True) as name:
        scratch = Path(name)
        sweep.note(scratch, os.getpid(), os.getpid())
        (scratch / "server.properties").write_text(settings.server_properties(), "utf-8")
        ran = subprocess.run(
            [str(needed.java), "-cp", needed.class_path, "kafka.tools.StorageTool", "format",
             "--standalone", "--cluster-id", parts.CLUSTER_ID, "--config", "server.properties"],
            cwd=scratch, env=parts.environment(), stdin=subprocess.DEVNULL, capture_output=True,
            text=True, errors="replace",
        )  # fmt: skip
        if ran.returncode != 0:
            raise KitError(
                "Kafka could not format its data directory",
                (ran.stderr + ran.stdout).strip()[-600:],
                "Run `./kit doctor`; it checks what a broker needs.",
            )
        _keep(scratch / "data", needed.template)


def _train(needed: parts.Parts) -> None:
    """Run a broker once, do what lessons do, and keep what the JVM learned."""
    node = Node(train=True)
    try:
        node.launch()
        _exercise(node.wait_ready())
        node.keep()  # the cache is in the run folder
        node.process.terminate()  # at SIGTERM the JVM shuts down and writes the cache
        with contextlib.suppress(subprocess.TimeoutExpired):
            node.process.wait(120)
        if not node.trained.exists():
            raise KitError("The start-up cache could not be made", node.reason())
        _keep(node.trained, needed.aot)
    finally:
        node.stop()


def _exercise(address: str) -> None:
    """What lessons do: topics, acknowledged records, a group that reads and commits."""
    from kafka import KafkaConsumer, KafkaProducer

    kafka = Kafka({"bootstrap_servers": address})
    kafka.fresh_topic("training", partitions=3)
    with KafkaProducer(**kafka.connection) as producer:
        for number in range(100):
            producer.send("training", key=b"%d" % (number % 7), value=b"x" * 100)
    group = {"group_id": "training", "auto_offset_reset": "earliest"}
    consumer = KafkaConsumer("training", **kafka.connection, **group, consumer_timeout_ms=20_000)
    list(islice(consumer, 100))
    consumer.commit()
    consumer.close()
    kafka.fresh_topic("training")  # lists the groups, deletes the old topic and its commits
    kafka.close()
