"""A network that is missing, hangs or sends rubbish: one message, and it goes on later."""

from __future__ import annotations

import hashlib
import os
import pty
import random
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from clones import base_python, clone, elsewhere, kit, plain
from serving import FAULTS, broken, serve_jars

from kitlib._wait import wait_until
from kitlib.broker import Broker
from kitlib.broker import _parts as parts
from kitlib.broker import _prepare as prepare
from kitlib.errors import KitError

# Who meets which fault, those of the short form first: pip fetches the installer, uv the rest.
CASES = [("is silent", "pip"), ("sends half", "uv"), ("sends a web page", "uv")]
CASES += [(fault, who) for fault in FAULTS for who in ("pip", "uv") if (fault, who) not in CASES]
SECONDS = "2"


def _index(folder: Path) -> Path:
    """A package index on disk, with the wheels of the installers."""
    for wheel in (parts.cache_folder() / "tools").glob("*.whl"):
        place = folder / wheel.name.split("-")[0]
        place.mkdir(parents=True)
        (place / wheel.name).symlink_to(wheel)
    return folder


def _package(index: Path) -> str:
    """Put a package of 2 MB into an index; returns its line in a lock."""
    wheel = index / "ballast" / "ballast-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    info = "ballast-1.0.dist-info"
    files = {
        "ballast.bin": random.Random(1).randbytes(2_000_000),
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: ballast\nVersion: 1.0\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        archive.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in files))
    return f"ballast==1.0 --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"


def test_a_set_up_without_a_sound_index_says_so_and_works_with_one(
    tmp_path: Path, kafka: Broker, times: Callable[[int, int], int]
) -> None:
    folder, index = clone(tmp_path / "clone"), _index(tmp_path / "index")
    lock = (folder / "requirements.lock").read_bytes()
    # One package that the index has: each fault is met, not a package that is missing.
    (folder / "requirements.lock").write_text(_package(index), "utf-8")
    for fault, who in CASES[: times(3, len(CASES))]:
        cache = tmp_path / "cache"
        shutil.rmtree(cache, ignore_errors=True)
        shutil.rmtree(folder / "no-uv-cache", ignore_errors=True)
        if who == "uv":
            shutil.copytree(parts.cache_folder() / "tools", cache / "tools")
        with broken(index, fault) as url:
            env = {
                **elsewhere(folder, url),
                "KIT_CACHE_DIR": str(cache),
                "KIT_NETWORK_TIMEOUT_S": SECONDS,
                "PIP_DEFAULT_TIMEOUT": SECONDS,
                "PIP_RETRIES": "1",
                "UV_HTTP_RETRIES": "1",
            }
            told = _in_a_terminal(folder, **env) if fault == "is silent" else ""
            if not told:
                ran = kit(folder, "--help", **env)
                assert ran.returncode == 1, f"{fault}, {who}: {ran.stderr}"
                told = ran.stderr
        assert f"[{2 if who == 'pip' else 3}/3]" in told, f"{fault}, {who}: {told}"
        assert "did not succeed. " in told, f"{fault}, {who}: no reason in {told}"
        assert "index" in told.split("did not succeed. ")[1].splitlines()[0], told
        plain(told)
    (folder / "requirements.lock").write_bytes(lock)
    done = kit(folder, "--help")
    assert done.returncode == 0, done.stderr
    assert "Run all tests" in done.stdout


def _in_a_terminal(folder: Path, **env: str) -> str:
    """What a set-up that fails shows in a terminal: there the seconds go on."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [base_python(), "kit", "--help"], cwd=folder, stderr=theirs, env={**os.environ, **env}
    )
    os.close(theirs)
    told = b""
    while True:
        try:
            told += os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
    os.close(ours)
    assert process.wait(300) == 1
    text = told.decode()
    seconds = [int(n) for n in re.findall(r"\r\[\d/3\] Fetching [^.\r]+ \.\.\. (\d+) s", text)]
    assert len(seconds) > 1 and seconds == sorted(seconds), text
    return text


@pytest.mark.parametrize("fault", FAULTS)
def test_jars_that_cannot_be_had_are_a_message_and_are_had_later(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kafka: Broker
) -> None:
    jars = parts.cache_folder() / "jars"
    monkeypatch.setenv("KIT_CACHE_DIR", str(tmp_path / "cache"))
    # All others answer, if late on a busy machine.
    monkeypatch.setenv("KIT_NETWORK_TIMEOUT_S", "0.5" if fault in ("is silent", "stalls") else "5")
    with serve_jars(jars, list(parts.locked_jars()), tmp_path / "maven") as url:
        with broken(tmp_path / "maven", fault) as bad:
            monkeypatch.setenv("KIT_MAVEN_URL", bad)
            with pytest.raises(KitError) as caught:
                prepare.prepare()
            assert caught.value.what.startswith("The jar ")
            assert ("SHA-256" in caught.value.what) == (fault == "sends a web page")
            assert caught.value.why and "KIT_MAVEN_URL" in caught.value.fix
            # Those that were under way end, too, and no half of a jar stays.
            wait_until(
                lambda: not list((tmp_path / "cache" / "jars").iterdir()), "no jar is there", 120
            )
        monkeypatch.setenv("KIT_MAVEN_URL", url)
        monkeypatch.delenv("KIT_NETWORK_TIMEOUT_S")
        parts.fetch_jars(prepare.print_step)
        assert parts.unsound_jars() == []


def test_an_address_that_is_none_is_called_so(tmp_path: Path) -> None:
    env = {"KIT_CACHE_DIR": str(tmp_path / "cache"), "KIT_MAVEN_URL": "maven.example/here"}
    ran = subprocess.run(
        [sys.executable, "-P", "-m", "kittools", "broker"],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 1
    assert "could not be fetched" in ran.stderr and "KIT_MAVEN_URL" in ran.stderr
    plain(ran.stderr)
