"""The archive for rooms without a network: made here, unpacked elsewhere, run cut off."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from kitlib.broker import _prepare as prepare
from kittools import bundle

ROOT = Path(__file__).parents[3]
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="a bundle is made from a clone")
def test_a_lesson_runs_from_a_bundle_without_a_network_and_without_caches(tmp_path: Path) -> None:
    prepare.prepare()
    archive = bundle.make(print, tmp_path)
    assert bundle.kind() in archive.name
    assert 100e6 < archive.stat().st_size < 400e6
    room = tmp_path / "a room"
    with tarfile.open(archive) as tar:
        tar.extractall(room, filter="data")
    archive.unlink()
    kit = room / bundle.NAME
    assert not (kit / ".venv").exists() and not (kit / ".git").exists()
    environment = {name: value for name, value in os.environ.items() if name != "PIP_FIND_LINKS"}
    for name in PROXIES:  # nothing listens on port 1
        environment[name] = environment[name.lower()] = "http://127.0.0.1:1"
    for name in ("UV_CACHE_DIR", "PIP_CACHE_DIR", "KIT_CACHE_DIR", "HOME"):
        environment[name] = str(tmp_path / name.lower())
    (tmp_path / "home").mkdir()
    environment |= {"NO_PROXY": "", "no_proxy": "", "PIP_INDEX_URL": "http://127.0.0.1:1/simple"}
    base = str(Path(getattr(sys, "_base_executable", sys.executable)))
    ran = subprocess.run(
        [base, "kit", "run", "00"], cwd=kit, env=environment, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "does not hold all packages" not in ran.stderr
    assert "00_start_here: passed" in ran.stdout


def test_a_bundle_holds_the_packages_of_every_patch_version() -> None:
    locked = "\n".join(
        [
            "one==1.0 \\\n    --hash=sha256:aa\n    # via kit",
            "two==1.0 ; python_full_version < '3.0' \\\n    --hash=sha256:bb",
            "old==1.0 ; python_full_version < '3.99.5' \\\n    --hash=sha256:cc",
            "new==1.0 ; python_full_version >= '3.1' \\\n    --hash=sha256:dd",
            "new==2.0 ; python_full_version >= '3.2' \\\n    --hash=sha256:ee",
        ]
    )
    first, second = bundle.wanted(locked)
    assert re.findall(r"^(\w+==\S+) \\$", first, re.MULTILINE) == [
        "one==1.0",
        "old==1.0",
        "new==1.0",
    ]
    assert second == "new==2.0 \\\n    --hash=sha256:ee"
