"""Checks what a lesson needs on this machine; each check says what it saw and how to mend it.

`kit doctor` prints the results. The last check starts a broker and sends one record there and back.
Missing jars and caches are made, as any other command would; nothing else is changed.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psutil

from kitlib.broker import Broker
from kitlib.broker import _parts as parts
from kitlib.broker import _prepare as prepare
from kitlib.errors import COMMAND, KitError
from kitlib.process import memory

_DISK_MB = 500
_MEMORY_MB = 600
_ANEW = f"Run `{COMMAND} reset`, then `{COMMAND} doctor` again"
_REPORT = "Report this with the log of the broker"


@dataclass(frozen=True)
class Check:
    """The outcome of a check. name: what was checked; result: what was seen; fix: if not ok."""

    name: str
    ok: bool
    result: str
    fix: str


def run() -> Iterator[Check]:
    """Run the checks in the order in which the kit needs what they look at."""
    for check in (_python, _disk, _memory, _jars, _cache, _round_trip):
        yield _guarded(check)


def _guarded(check: Callable[[], Check]) -> Check:
    name = check.__name__.strip("_").replace("_", " ")
    try:
        return check()
    except OSError as error:
        return Check(name, False, str(error), "Correct what the message names, then run it again")
    except KitError as error:
        return Check(name, False, f"{error.what}. {error.why}".strip(), error.fix)


def _python() -> Check:
    version = platform.python_version()
    if not __debug__:
        fix = "Unset PYTHONOPTIMIZE: kafka-python cannot connect without its assertions"
        return Check("Python", False, f"{version} without assertions", fix)
    fix = "Start the kit with Python 3.11 or newer: python3.12 kit doctor"
    return Check("Python", sys.version_info >= (3, 11), version, fix)


def _disk() -> Check:
    folder = parts.cache_folder()
    while not os.path.exists(folder):
        folder = folder.parent
    free = shutil.disk_usage(folder).free // 10**6
    fix = f"Free at least {_DISK_MB} MB there, or name another folder in KIT_CACHE_DIR"
    return Check("disk space", free >= _DISK_MB, f"{free} MB free in {folder}", fix)


def _memory() -> Check:
    free, within = psutil.virtual_memory().available, ""
    fix = f"Close other programs until {_MEMORY_MB} MB are free"
    for limit, rest in _allowed():
        if rest < free:
            free, within = rest, f" of the {limit // 10**6} MB that are allowed here"
            fix = f"Allow more (in a container or service), or close programs: {_MEMORY_MB} MB free"
    return Check("memory", free >= _MEMORY_MB * 10**6, f"{free // 10**6} MB free{within}", fix)


def _allowed() -> Iterator[tuple[int, int]]:
    """The limits of this process's cgroups, and how much of each is free, in bytes."""
    for folder in memory.cgroups():
        for limit, used in (("memory.max", "memory.current"),
                            ("memory.limit_in_bytes", "memory.usage_in_bytes")):  # fmt: skip
            with contextlib.suppress(OSError, ValueError):  # "max" is none
                most = int((folder / limit).read_text("ascii"))
                stat = (folder / "memory.stat").read_text("ascii")
                cached = re.findall(r"^(?:total_)?inactive_file (\d+)$", stat, re.MULTILINE)
                taken = int((folder / used).read_text("ascii")) - int(cached[-1])
                yield most, max(most - taken, 0)


def _jars() -> Check:
    unsound = parts.unsound_jars()
    if unsound:
        prepare.prepare()
        unsound = parts.unsound_jars()
    count = len(parts.locked_jars())
    result = ", ".join(unsound) or f"{count} of {count} match their SHA-256"
    return Check("jars", not unsound, result, _ANEW)


def _cache() -> Check:
    prepared = prepare.prepare()
    ok = prepare.sound(prepared.aot)
    megabytes = prepared.aot.stat().st_size // 10**6
    result = f"{megabytes} MB, {'as made' if ok else 'changed since it was made'}"
    return Check("start-up cache", ok, result, _ANEW)


def _round_trip() -> Check:
    from kafka import KafkaProducer
    from kafka.errors import KafkaError

    name, sent = "round trip of one record", ["ping"]
    with Broker() as broker:
        # The second topic has the broker compress, with a library that it unpacks and loads.
        for topic, codec in (("doctor", "producer"), ("compressed", "zstd")):
            broker.fresh_topic(topic, compression_type=codec)
            with KafkaProducer(**broker.connection) as producer:
                try:
                    producer.send(topic, b"ping").get(30)
                except KafkaError as error:
                    result = f"the record for the topic {topic!r} was refused: {error}"
                    return Check(name, False, result, broker.node.reason())
            if (values := [row.value for row in broker.read(topic)]) != sent:
                return Check(name, False, f"sent 'ping', read back {values}", _REPORT)
    return Check(name, True, "sent, stored, read back, plain and compressed", "")
