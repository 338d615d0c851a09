"""A set-up that is interrupted at a random moment leaves nothing that the next one trips over."""

from __future__ import annotations

import csv
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from clones import base_python, clone, kit, plain
from serving import serve_jars

from kitlib._wait import wait_until
from kitlib.broker import Broker
from kitlib.broker import _parts as parts
from kitlib.broker import _prepare as prepare
from kitlib.broker import _sweep as sweep

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
SIGNALS = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)
_PREPARE = "from kittools._terminal import prepare; prepare()"


def _site(folder: Path) -> Path | None:
    return next(folder.glob(".venv-*/lib/python*/site-packages"), None)


def _incomplete(folder: Path) -> list[str]:
    """The files of installed packages that are missing or shorter than their wheels say."""
    bad = []
    site = _site(folder)
    assert site is not None
    for record in site.glob("*.dist-info/RECORD"):
        for name, _, size in csv.reader(record.read_text("utf-8").splitlines()):
            path = site / name
            if not name.endswith(".pyc") and not (
                path.exists() and (not size or path.stat().st_size == int(size))
            ):
                bad.append(name)
    return bad


def _interrupt(process: subprocess.Popen[str], which: signal.Signals) -> None:
    """Ctrl-C reaches all processes of a terminal; the others only the launcher."""
    if which == signal.SIGINT:
        os.killpg(process.pid, which)
    else:
        process.send_signal(which)


def test_an_interrupted_set_up_is_completed_by_the_next(
    tmp_path: Path, times: Callable[[int, int], int]
) -> None:
    seed = random.randrange(2**32)
    rng, whole, interrupted = random.Random(seed), 2.0, 0
    rounds = times(2, 20)
    for number in range(rounds):
        which = SIGNALS[number % len(SIGNALS)]
        where = f"round {number} of seed {seed}, {which.name}"
        folder = clone(tmp_path / f"clone {number}")
        process = subprocess.Popen(
            [base_python(), "kit", "--help"],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert process.stderr is not None
        assert "Setting up" in process.stderr.readline(), where
        moment = time.monotonic() + rng.uniform(0, whole)
        while time.monotonic() < moment and process.poll() is None:
            site = _site(folder)
            if site is not None and len(os.listdir(site)) > 60:
                break  # it is nearly done
            time.sleep(0.005)
        _interrupt(process, which)
        told = process.communicate(timeout=120)[1]
        if not list(folder.glob(".venv-*/kit-stamp")):
            interrupted += 1
            assert process.returncode != 0, where
            if which != signal.SIGKILL:
                assert "The set-up was interrupted" in told, f"{where}: {told}"
                plain(told)
        begin = time.monotonic()
        done = kit(folder, "--help")
        whole = time.monotonic() - begin
        assert done.returncode == 0, f"{where}: {done.stderr}"
        assert "Run all tests" in done.stdout
        assert not _incomplete(folder), where
        again = kit(folder, "--help")
        assert (again.returncode, again.stderr) == (0, ""), where
        assert (folder / ".venv" / "kit-stamp").exists(), where
    assert interrupted, f"seed {seed}: each of {rounds} set-ups was done before its signal"


def test_one_of_two_preparations_is_ended_and_the_other_completes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kafka: Broker,
    times: Callable[[int, int], int],
) -> None:
    """Two clones fill one new cache; one of them, at work or waiting, ends at a random moment."""
    seed = random.randrange(2**32)
    rng, whole, ended = random.Random(seed), 4.0, 0
    jars = parts.cache_folder() / "jars"
    with serve_jars(jars, list(parts.locked_jars()), tmp_path / "maven") as url:
        for number in range(times(1, 20)):
            which = SIGNALS[number % len(SIGNALS)]
            where = f"round {number} of seed {seed}, {which.name}"
            cache = tmp_path / f"cache {number}"
            env = {**os.environ, "KIT_MAVEN_URL": url, "KIT_CACHE_DIR": str(cache)}
            both = [
                subprocess.Popen(
                    [sys.executable, "-c", _PREPARE],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    start_new_session=True,
                    env=env,
                )
                for _ in range(2)
            ]
            wait_until(cache.exists, "one of them has begun", 120)
            begin = time.monotonic()
            moment = begin + rng.uniform(0, whole)
            victim = both[rng.randrange(2)]
            while time.monotonic() < moment and victim.poll() is None:
                time.sleep(0.005)
            ended_itself = victim.poll() is not None
            _interrupt(victim, which)
            told = {process: process.communicate(timeout=300) for process in both}
            (other,) = [process for process in both if process is not victim]
            assert other.returncode == 0, f"{where}: {told[other]}"
            whole = min(60.0, time.monotonic() - begin)
            if not ended_itself and victim.returncode:
                ended += 1
                if which == signal.SIGINT and told[victim][0]:  # it was within its work
                    assert "The preparation was interrupted" in told[victim][1], where
                    plain(told[victim][1])
            monkeypatch.setenv("KIT_CACHE_DIR", str(cache))
            found = parts.parts()
            assert prepare.damaged(found) == [], where
            made = ["broker.aot", "broker.aot.sha256", "template", "template.sha256"]
            assert sorted(path.name for path in found.aot.parent.iterdir()) == made, where
            names = sorted(jar.name for jar in found.jars)
            assert sorted(path.name for path in (cache / "jars").iterdir()) == names, where
            wait_until(partial(_swept, cache), "no run is left behind", 60)
    assert ended, f"seed {seed}: each was done before its signal"
    with Broker() as broker:
        assert broker.topics() == []


def _swept(cache: Path) -> bool:
    sweep.sweep()
    return not list((cache / "runs").iterdir())
