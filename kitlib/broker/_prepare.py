"""Makes everything a broker starts from, once: jars, template, start-up cache.

The start-up cache (JEP 483 and 514: ahead-of-time class loading and linking) is what one training
run of the broker leaves behind; with it a broker is up in a third of the time. Two processes that
prepare at once wait for each other; one that is interrupted leaves nothing half made under a final
name. What was made is kept with its SHA-256, as the jars are locked with theirs: a byte that has
changed is found at the next start, and the part made anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from kitlib.broker import _parts as parts
from kitlib.broker import _sweep as sweep
from kitlib.broker import settings
from kitlib.broker._node import Node
from kitlib.errors import KitError

_NEEDED_BYTES = 400_000_000


def _digest_file(made: Path) -> Path:
    return made.with_name(made.name + ".sha256")


def _digest(made: Path) -> str:
    """The SHA-256 of a file, or of all files of a folder with their names."""
    if made.is_dir():
        files = sorted(path for path in made.rglob("*") if path.is_file())
        lines = [f"{path.relative_to(made).as_posix()} {_digest(path)}\n" for path in files]
        return hashlib.sha256("".join(lines).encode()).hexdigest()
    with made.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sound(made: Path) -> bool:
    """Whether a part is, byte for byte, what it was when it was made."""
    try:
        return _digest(made).encode() == _digest_file(made).read_bytes().strip()
    except OSError:
        return False


def _keep(scratch: Path, made: Path) -> None:
    """Give a part that is complete its final name, and write down its SHA-256."""
    parts.private(made.parent)
    for old in (made, _digest_file(made)):
        parts.remove(old)
    _digest_file(made).write_text(_digest(scratch), "ascii")
    os.replace(scratch, made)


def say(step: str, done: int, total: int) -> None:
    """Show progress as plain lines: the beginning of each step, and the end of a counted one."""
    if done == 0:
        print(f"{step} ...", flush=True)
    elif done == total > 1:
        print(f"{step}: {total} of {total}", flush=True)


def ready(found: parts.Parts) -> bool:
    """Whether all parts exist; cheap, looks at names only."""
    made = (found.template, found.aot)
    # os.path: a folder that cannot be looked into is an answer, no error.
    return all(map(os.path.exists, (*made, *map(_digest_file, made), *found.jars)))


def sound_cache(found: parts.Parts) -> bool:
    """Whether the start-up cache is, byte for byte, what the training run wrote."""
    return _sound(found.aot)


def damaged(found: parts.Parts) -> list[str]:
    """The parts that are missing or not what they should be, by name; some 0.2 s of a processor."""
    bad = [f"the jar {coordinate}" for coordinate in parts.unsound_jars()]
    bad += ["the formatted data directory"] if not _sound(found.template) else []
    return bad + (["the start-up cache"] if not sound_cache(found) else [])


def prepare(progress: parts.Progress) -> parts.Parts:
    """Make what is missing and replace what is damaged; returns the parts.

    Raises KitError when the cache folder cannot be written, the disk is full or a jar is not to be
    had. Calling it again goes on where it stopped.
    """
    found = parts.parts()
    if not damaged(found):
        return found
    if os.pathsep in str(parts.cache_folder()):
        raise KitError(
            f"The cache folder {parts.cache_folder()} cannot be used",
            f"Its name has a {os.pathsep!r}, which separates folders on a class path",
            f"Name a folder without {os.pathsep!r} in KIT_CACHE_DIR.",
        )
    with parts.cache() as folder:
        parts.private(folder)
        free = shutil.disk_usage(folder).free
        if free < _NEEDED_BYTES:
            raise KitError(
                f"There is too little space in {folder}",
                f"Setting up needs {_NEEDED_BYTES // 10**6} MB, {free // 10**6} MB are free",
                "Free some space, or name another folder in KIT_CACHE_DIR.",
            )
        with _alone(folder, progress):
            parts.fetch_jars(progress)
            if not _sound(found.template):
                progress("Formatting a data directory", 0, 1)
                _format(found)
                progress("Formatting a data directory", 1, 1)
            if not sound_cache(found):
                progress("Training the start-up cache", 0, 1)
                _train(found)
                progress("Training the start-up cache", 1, 1)
    return found


@contextlib.contextmanager
def _alone(folder: Path, progress: parts.Progress) -> Iterator[None]:
    """Let one process prepare at a time; another one waits, and says so."""
    with contextlib.suppress(OSError):
        (folder / "prepare.lock").rmdir()  # where something made a folder of it
    lock = FileLock(folder / "prepare.lock", mode=0o600)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        progress("Waiting for another set-up to prepare the broker", 0, 1)
        lock.acquire()
        progress("Waiting for another set-up to prepare the broker", 1, 1)
    try:
        yield
    finally:
        lock.release()


def _format(found: parts.Parts) -> None:
    """Let StorageTool format a data directory once; each broker starts from a copy of it."""
    scratch = sweep.new_run_folder()
    try:
        (scratch / "server.properties").write_text(settings.server_properties("data"), "utf-8")
        ran = subprocess.run(
            [str(found.java), "-cp", found.class_path, "kafka.tools.StorageTool", "format",
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
        _keep(scratch / "data", found.template)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _train(found: parts.Parts) -> None:
    """Run a broker once, do what lessons do, and keep what the JVM learned."""
    # A JVM ends by its own at SIGTERM and writes the cache; that takes seconds.
    node = Node(train=True, grace_s=120)
    try:
        node.launch()
        _exercise(node.wait_ready())
        node.keep()  # the cache lies in the run folder
        node.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            node.process.wait(120)
        if not node.trained.exists():
            raise KitError("The start-up cache could not be made", node.reason())
        _keep(node.trained, found.aot)
    finally:
        node.stop()


def _exercise(address: str) -> None:
    """What lessons do: topics, acknowledged records, a group that reads and commits."""
    from kafka import KafkaConsumer, KafkaProducer
    from kafka.admin import KafkaAdminClient, NewTopic

    admin = KafkaAdminClient(bootstrap_servers=address)
    admin.create_topics([NewTopic("training", 3, 1)])
    producer = KafkaProducer(bootstrap_servers=address)
    for number in range(100):
        producer.send("training", key=str(number % 7).encode(), value=b"x" * 100)
    producer.flush(60)
    producer.close()
    consumer = KafkaConsumer(
        "training",
        bootstrap_servers=address,
        group_id="training",
        auto_offset_reset="earliest",
        consumer_timeout_ms=20_000,
    )
    for seen, _ in enumerate(consumer, 1):
        if seen == 100:
            break
    consumer.commit()
    consumer.close()
    admin.list_groups()
    admin.delete_topics(["training"])
    admin.close()
