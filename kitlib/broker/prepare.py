"""Makes everything a broker starts from, once: jars, template, start-up cache.

The start-up cache (JEP 483 and 514: ahead-of-time class loading and linking) is what one training
run of the broker leaves behind; with it a broker is up in a third of the time. Two processes that
prepare at once wait for each other; one that is interrupted leaves nothing half made under a final
name.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from filelock import FileLock

from ..errors import KitError
from . import parts
from .node import Node

_NEEDED_BYTES = 400_000_000


def _digest_file(aot: Path) -> Path:
    return aot.with_suffix(".aot.sha256")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def say(step: str, done: int, total: int) -> None:
    """Show progress as plain lines: the beginning of each step, and the end of a counted one."""
    if done == 0:
        print(f"{step} ...", flush=True)
    elif done == total > 1:
        print(f"{step}: {total} of {total}", flush=True)


def ready(found: parts.Parts) -> bool:
    """Whether all parts exist; cheap, looks at names only."""
    return (
        (found.template / "meta.properties").exists()
        and _digest_file(found.aot).exists()
        and found.aot.exists()
    )


def sound_cache(found: parts.Parts) -> bool:
    """Whether the start-up cache is, byte for byte, what the training run wrote."""
    try:
        return _digest(found.aot) == _digest_file(found.aot).read_text("ascii").strip()
    except OSError:
        return False


def prepare(progress: parts.Progress) -> parts.Parts:
    """Make what is missing and replace what is damaged; returns the parts.

    Raises KitError when the cache folder cannot be written, the disk is full or a jar is not to be
    had. Calling it again goes on where it stopped.
    """
    found = parts.parts()
    if ready(found) and not parts.unsound_jars() and sound_cache(found):
        return found
    folder = parts.cache_folder()
    try:
        parts.private(folder)
        free = shutil.disk_usage(folder).free
        if free < _NEEDED_BYTES:
            raise KitError(
                f"There is too little space in {folder}",
                f"Setting up needs {_NEEDED_BYTES // 10**6} MB, {free // 10**6} MB are free",
                "Free some space, or name another folder in KIT_CACHE_DIR.",
            )
        with FileLock(folder / "prepare.lock", mode=0o600):
            parts.fetch_jars(progress)
            progress("Formatting a data directory", 0, 1)
            parts.format_template(found)
            progress("Formatting a data directory", 1, 1)
            if not sound_cache(found):
                progress("Training the start-up cache", 0, 1)
                _train(found)
                progress("Training the start-up cache", 1, 1)
    except OSError as error:
        raise KitError(
            f"The cache folder {folder} cannot be used",
            f"{error.strerror or error}",
            "Make it writable, or name another folder in KIT_CACHE_DIR.",
        ) from error
    return found


def _train(found: parts.Parts) -> None:
    """Run a broker once, do what lessons do, and keep what the JVM learned."""
    for path in (found.aot, _digest_file(found.aot)):
        path.unlink(missing_ok=True)
    scratch = found.aot.with_name(f"training-{os.getpid()}.aot")
    # A JVM ends by its own at SIGTERM and writes the cache; that takes seconds.
    node = Node(jvm=[f"-XX:AOTCacheOutput={scratch}"], grace_s=120)
    try:
        node.launch()
        _exercise(node.wait_ready())
        node.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            node.process.wait(120)
        if not scratch.exists():
            raise KitError("The start-up cache could not be made", node.reason())
        _digest_file(found.aot).write_text(_digest(scratch), "ascii")
        os.replace(scratch, found.aot)
    finally:
        scratch.unlink(missing_ok=True)
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
