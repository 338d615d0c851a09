"""A fresh clone, as far as the launcher can tell, and the launcher in it as a person runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kitlib.broker import _parts as parts

ROOT = Path(__file__).parents[2]
FILES = ("kit", "requirements.lock", "requirements-dev.lock", "requirements-tools.lock")


def clone(folder: Path) -> Path:
    """Copy what the launcher needs into a new folder; returns it."""
    folder.mkdir(parents=True)
    for name in FILES:
        shutil.copy(ROOT / name, folder / name)
    for room in ("kitlib", "kittools", "exercises"):
        shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def base_python() -> str:
    """The interpreter outside the environment that the tests run in."""
    return str(Path(getattr(sys, "_base_executable", sys.executable)))


def kit(folder: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the launcher of this folder."""
    return subprocess.run(
        [base_python(), "kit", *arguments],
        cwd=folder,
        env={**{k: v for k, v in os.environ.items() if k != "PYTHONPATH"}, **env},
        capture_output=True,
        text=True,
        timeout=600,
    )


def person() -> list[str]:
    """What makes a command obey the modes of files, as a person's does: root's would not."""
    if not hasattr(os, "geteuid"):
        pytest.skip("Windows has no modes of files")
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root ignores the modes of files, and there is no setpriv to change that")
    return ["setpriv", "--bounding-set", "-dac_override,-dac_read_search,-fowner"]


def unreachable(folder: Path) -> dict[str, str]:
    """An environment without a network: nothing listens on port 1, and nothing is cached."""
    return elsewhere(folder, "http://127.0.0.1:1/simple")


def elsewhere(folder: Path, index: str) -> dict[str, str]:
    """An environment in which this is the package index, and nothing is cached."""
    return {
        "PIP_INDEX_URL": index,
        "UV_INDEX_URL": index,
        "PIP_FIND_LINKS": "",
        "PIP_RETRIES": "0",
        "UV_HTTP_RETRIES": "0",
        "PIP_CACHE_DIR": str(folder / "no-pip-cache"),
        "UV_CACHE_DIR": str(folder / "no-uv-cache"),
        "KIT_CACHE_DIR": str(folder / "no-kit-cache"),
    }


def uv_cache() -> str:
    """The cache of uv on this machine."""
    uv = Path(sys.executable).with_name("uv")
    ran = subprocess.run([uv, "cache", "dir"], capture_output=True, text=True, check=True)
    return ran.stdout.strip()


def copy_cache(to: Path, monkeypatch: pytest.MonkeyPatch) -> parts.Parts:
    """A cache in another folder, with all parts of the one in use; KIT_CACHE_DIR names it."""
    made = parts.parts().aot.parent
    shutil.copytree(parts.cache_folder() / "jars", to / "jars")
    monkeypatch.setenv("UV_CACHE_DIR", uv_cache())  # it would be moved, too
    monkeypatch.setenv("KIT_CACHE_DIR", str(to))
    found = parts.parts()
    shutil.copytree(made, found.aot.parent)
    return found


def plain(told: str) -> None:
    """Assert that this is a message for a person: not a trace, and a way out."""
    assert told.strip(), "nothing was said"
    assert "Traceback" not in told, told
    assert "-> " in told or "Run " in told or "KIT_" in told, told
