"""The other Pythons of this machine: a fresh clone sets itself up with each, and lessons pass.

README names the oldest, 3.11, which on Debian 12 is 3.11.2; CPython before 3.11.4 reads from a
connection that has been told to pause, which the proxy of lessons 06 and 09 has to cope with.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from clones import ROOT, base_python, clone

NAMED = ((3, 11), (3, 12), (3, 13), (3, 14))
ASK = "import json, sys; print(json.dumps([*sys.version_info[:3], sys.prefix == sys.base_prefix]))"
NAMES = [f"python3.{minor}" for _, minor in NAMED]
PLACES = [
    *os.environ.get("PATH", "").split(os.pathsep),
    *("/usr/bin", "/usr/local/bin", *Path.home().glob(".pyenv/versions/*/bin")),
]


def others() -> list[tuple[tuple[int, ...], str]]:
    """Each other version that README allows, with a program of it, the oldest first."""
    found: dict[tuple[int, ...], str] = {}
    for path in (Path(place) / name for place in PLACES for name in NAMES):
        if path.exists():
            asked = subprocess.run([path, "-I", "-c", ASK], capture_output=True, text=True)
            *version, outside = json.loads(asked.stdout or "[0, 0, 0, false]")
            if outside and tuple(version[:2]) in NAMED:
                found.setdefault(tuple(version), str(path))
    found.pop(tuple(sys.version_info[:3]), None)
    return sorted(found.items())


def test_lessons_with_the_proxy_on_every_other_python(
    tmp_path: Path, times: Callable[[int, int], int]
) -> None:
    # With no other Python here, at least a fresh clone of this one.
    pythons = others() or [(tuple(sys.version_info[:3]), base_python())]
    lessons = ("06", "09")[: times(1, 2)]
    for version, python in pythons[: times(1, len(pythons))]:
        folder = clone(tmp_path / "-".join(map(str, version)))
        for room in ("notebooks", "data"):
            shutil.copytree(ROOT / room, folder / room)
        done = subprocess.run(
            [python, "kit", "run", *lessons], cwd=folder, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{version}: {done.stdout}{done.stderr}"
        made = (folder / ".venv" / "pyvenv.cfg").read_text("utf-8")
        assert f"version = {'.'.join(map(str, version))}" in made
