"""Checks what a lesson needs on this machine; each check says what it saw and how to mend it.

`kit doctor` prints the results. The last check starts a broker and sends one record there and back.
Missing jars and caches are made, as any other command would; nothing else is changed.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psutil

from kitlib.broker import Broker
from kitlib.broker import _parts as parts
from kitlib.broker import _prepare as prepare
from kitlib.errors import COMMAND, KitError

_DISK_MB = 500
_MEMORY_MB = 600
_ANEW = f"Run `{COMMAND} reset`, then `{COMMAND} doctor` again"


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
        return Check(name, False, str(error), "Mend what the message names, then run it again")
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
    free = psutil.virtual_memory().available // 10**6
    fix = f"Close other programs until {_MEMORY_MB} MB are free"
    return Check("memory", free >= _MEMORY_MB, f"{free} MB free", fix)


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

    with Broker() as broker:
        broker.fresh_topic("doctor")
        with KafkaProducer(**broker.connection) as producer:
            producer.send("doctor", b"ping").get(30)
        values = [row.value for row in broker.read("doctor")]
    ok = values == ["ping"]
    result = "sent, stored, read back" if ok else f"sent 'ping', read back {values}"
    return Check("round trip of one record", ok, result, "Report this with the log of the broker")
