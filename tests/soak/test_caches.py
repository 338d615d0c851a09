"""A cache that is damaged, read-only or someone else's: mended, or explained, never believed."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from clones import ROOT, clone, copy_cache, elsewhere, kit, person, plain, uv_cache
from kafka import KafkaProducer
from serving import serve, serve_jars

from kitlib.broker import Broker
from kitlib.broker import _parts as parts
from kitlib.broker import _prepare as prepare

HARMS = ("flip", "truncate", "empty", "delete", "folder")
KINDS = ("jar", "template", "start-up cache", "its SHA-256", "the template's SHA-256")
# The parts that take a training run to mend come last, so that the short form has one of them.
SHORT = [("flip", "jar"), ("truncate", "template"), ("flip", "start-up cache")]
LONG = [(HARMS[number % 5], KINDS[(number + number // 5) % 5]) for number in range(25)]


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kafka: Broker) -> Iterator[parts.Parts]:
    """The parts in a cache of this test's own; jars come from a server on loopback."""
    jars = parts.cache_folder() / "jars"
    with serve_jars(jars, list(parts.locked_jars()), tmp_path / "maven") as url:
        monkeypatch.setenv("KIT_MAVEN_URL", url)
        yield copy_cache(tmp_path / "cache", monkeypatch)


def harm(path: Path, how: str, rng: random.Random) -> None:
    """Damage a file: one bit of it, its end, all of it, or its being a file."""
    data = bytearray(path.read_bytes())
    if how == "flip":
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
    elif how == "truncate":
        os.truncate(path, rng.randrange(len(data)))
    elif how == "empty":
        os.truncate(path, 0)
    else:
        path.unlink()
        if how == "folder":
            path.mkdir()
            (path / "inside").write_text("x")


def round_trip() -> None:
    """Start a broker; a record goes there and comes back."""
    with Broker() as broker:
        broker.fresh_topic("back")
        with KafkaProducer(**broker.connection) as producer:
            producer.send("back", b"there").get(60)
        assert [row.value for row in broker.read("back")] == ["there"]


def test_a_damaged_part_is_found_and_mended_at_the_next_start(
    found: parts.Parts, times: Callable[[int, int], int]
) -> None:
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    rounds = times(3, 40)
    cases = SHORT if rounds <= 3 else SHORT + [LONG[n % 25] for n in range(rounds - 3)]
    for number, (how, kind) in enumerate(cases):
        template = [path for path in sorted(found.template.rglob("*")) if path.is_file()]
        victim = {
            "jar": rng.choice(found.jars),
            "template": rng.choice(template),
            "start-up cache": found.aot,
            "its SHA-256": found.aot.with_name("broker.aot.sha256"),
            "the template's SHA-256": found.template.with_name("template.sha256"),
        }[kind]
        while how == "truncate" and not victim.stat().st_size:
            victim = rng.choice(template)  # an empty file loses nothing
        if how in ("flip", "empty") and not victim.stat().st_size:
            victim = found.template / "meta.properties"
        where = f"round {number} of seed {seed}: {how} {victim.name}"
        harm(victim, how, rng)
        assert len(prepare.damaged(found)) == 1, where
        try:
            round_trip()
        except Exception as error:
            raise AssertionError(where) from error
        assert prepare.damaged(found) == [], where


def test_what_a_cache_folder_holds_may_be_replaced_by_anything(
    found: parts.Parts, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    for name in ("runs", "logs"):
        (cache / name).write_text("not a folder")
    (cache / "prepare.lock").mkdir()
    shutil.rmtree(found.template)
    found.template.write_text("not a folder")
    assert prepare.damaged(found) == ["the formatted data directory"]
    round_trip()
    assert prepare.damaged(found) == []


def test_a_damaged_wheel_of_the_installer_is_fetched_again(tmp_path: Path) -> None:
    """The copy in the cache is not the locked one: refused without a network, mended with one."""
    folder = clone(tmp_path / "clone")
    cache = tmp_path / "cache"
    shutil.copytree(parts.cache_folder() / "tools", cache / "tools")
    rng = random.Random(1)
    index = tmp_path / "index"
    for wheel in (cache / "tools").glob("*.whl"):
        place = index / wheel.name.split("-")[0]
        place.mkdir(parents=True)
        shutil.copy(wheel, place)
        harm(wheel, "flip", rng)
    without = {**elsewhere(folder, "http://127.0.0.1:1/simple"), "KIT_CACHE_DIR": str(cache)}
    refused = kit(folder, "--help", **without)
    assert refused.returncode == 1
    assert "[2/3]" in refused.stderr
    plain(refused.stderr)
    with serve(index) as url:
        # The other packages come from where they always come from.
        places = {"KIT_CACHE_DIR": str(cache), "UV_CACHE_DIR": uv_cache()}
        mended = kit(folder, "--help", PIP_INDEX_URL=url, UV_DEFAULT_INDEX=_index(), **places)
    assert mended.returncode == 0, mended.stderr
    assert "Run all tests" in mended.stdout


def _index() -> str:
    """The package index of this machine."""
    named = os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("PIP_INDEX_URL")
    ask = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"
    return named or subprocess.check_output([sys.executable, "-c", ask], text=True).strip()


# -- rights ----------------------------------------------------------------------------------------


def as_person(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """The kit's command line, as somebody who is not root runs it."""
    return subprocess.run(
        [*person(), sys.executable, "-P", "-m", "kittools", *arguments],
        cwd=ROOT,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture
def modes() -> Iterator[Callable[[Path, int], None]]:
    """Sets the mode of a file or folder until the end of the test."""
    changed: list[tuple[Path, int]] = []

    def set_mode(path: Path, mode: int) -> None:
        changed.append((path, path.stat().st_mode & 0o7777))
        path.chmod(mode)

    yield set_mode
    for path, mode in reversed(changed):
        path.chmod(mode)


def mended() -> None:
    """Once whatever was wrong is put right, the doctor finds the kit well."""
    doctor = as_person("doctor")
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr


def refused(what: str, **env: str) -> None:
    """Assert that a start says which cache folder cannot be used, why, and how to name another."""
    for command in ("broker", "doctor"):
        ran = as_person(command, **env)
        told = ran.stdout + ran.stderr
        assert ran.returncode == 1, told
        assert "cannot be used" in told and what in told and "KIT_CACHE_DIR" in told, told
        assert "Traceback" not in told, told


def test_a_cache_that_cannot_be_written_is_explained(
    found: parts.Parts, tmp_path: Path, modes: Callable[[Path, int], None]
) -> None:
    cache = tmp_path / "cache"
    for folder in (cache, cache / "jars", found.aot.parent, found.template):
        modes(folder, 0o555)
    assert subprocess.run([*person(), "touch", str(cache / "x")], capture_output=True).returncode
    refused("Permission denied")
    modes(cache, 0o755)
    round_trip()  # with read-only jars and parts, in a folder that takes runs and logs


def test_a_damaged_part_that_cannot_be_replaced_is_explained(
    found: parts.Parts, tmp_path: Path, modes: Callable[[Path, int], None]
) -> None:
    harm(found.jars[0], "flip", random.Random(2))
    modes(tmp_path / "cache" / "jars", 0o555)
    refused(found.jars[0].name)
    modes(tmp_path / "cache" / "jars", 0o755)
    mended()


def test_the_cache_of_another_user_is_explained(
    found: parts.Parts, tmp_path: Path, modes: Callable[[Path, int], None]
) -> None:
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("only root gives files away")
    cache = tmp_path / "cache"
    for path in (cache, *cache.rglob("*")):
        os.chown(path, 12345, 12345)
    modes(cache, 0o700)
    refused("Permission denied")
    modes(cache, 0o755)  # to be read, not to be written
    refused("Permission denied")
    for path in (cache, *cache.rglob("*")):
        os.chown(path, 0, 0)
    mended()


def test_a_home_that_cannot_be_written_is_explained(
    kafka: Broker, tmp_path: Path, modes: Callable[[Path, int], None]
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    modes(home, 0o555)
    refused("Permission denied", HOME=str(home), KIT_CACHE_DIR="", XDG_CACHE_HOME="")
    ran = as_person("run", "00", HOME=str(home), KIT_CACHE_DIR=str(parts.cache_folder()))
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_folders_with_any_letters_serve_a_clone_and_its_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kafka: Broker
) -> None:
    """A POSIX locale on top: it has no letters beyond ASCII."""
    name = "Ж 100% d'été, %41 'x' #1 $HOME"
    copy_cache(tmp_path / name / "cache", monkeypatch)
    monkeypatch.setenv("LC_ALL", "C")
    folder = clone(tmp_path / name / "repository")
    ran = kit(folder, "doctor")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "sent, stored, read back" in ran.stdout
    assert "Training" not in ran.stdout


def test_a_separator_in_the_name_of_a_folder_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = as_person("broker", KIT_CACHE_DIR=str(tmp_path / f"a{os.pathsep}b"))
    assert ran.returncode == 1
    assert "separates folders on a class path" in ran.stderr
    plain(ran.stderr)
    ran = kit(clone(tmp_path / f"c{os.pathsep}d"), "--help")
    assert ran.returncode == 1
    assert "separates folders in a search path" in ran.stderr
    plain(ran.stderr)
