"""Checks what a lesson needs on this machine; each check says what it found and how to mend it.

`kit doctor` prints them. The last one starts a broker and sends one record there and back.
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
from kitlib.errors import KitError

_DISK_MB = 500
_MEMORY_MB = 600


@dataclass(frozen=True)
class Check:
    """What was looked at, whether it is well, what was found, and the fix if it is not."""

    name: str
    ok: bool
    found: str
    fix: str = ""


def run() -> Iterator[Check]:
    """Run the checks in the order in which the kit needs them."""
    for check in (_python, _disk, _memory, _jars, _cache, _round_trip):
        yield _guarded(check)


def _guarded(check: Callable[[], Check]) -> Check:
    try:
        return check()
    except OSError as error:
        name = check.__name__.strip("_").replace("_", " ")
        return Check(name, False, str(error), "Mend what the message names, then run it again")
    except KitError as error:
        return Check(
            check.__name__.strip("_").replace("_", " "),
            False,
            f"{error.what}. {error.why}".strip(),
            error.fix,
        )


def _python() -> Check:
    version = platform.python_version()
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
    found = ", ".join(unsound) or f"{count} of {count} match their SHA-256"
    return Check("jars", not unsound, found, "Run `./kit reset`, then `./kit doctor` again")


def _cache() -> Check:
    found = prepare.prepare()
    size = found.aot.stat().st_size // 10**6
    fix = "Run `./kit reset`, then `./kit doctor` again"
    return Check("start-up cache", prepare.sound_cache(found), f"{size} MB, as made", fix)


def _round_trip() -> Check:
    from kafka import KafkaProducer

    with Broker() as broker:
        broker.fresh_topic("doctor")
        with KafkaProducer(**broker.connection) as producer:
            producer.send("doctor", b"ping").get(30)
        values = [row.value for row in broker.read("doctor")]
    return Check("round trip of one record", values == ["ping"], "sent, stored, read back")
