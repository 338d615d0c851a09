"""Hands the lessons out: copies them into a learner's folder, and never overwrites their work.

In a clone `kit lab` opens the clone's own notebooks. Where the kit was installed as a package they
lie among its files, which are no place to work in. A note in the learner's folder holds the digest
of each file as it was handed out. A file that is still like that is replaced by a newer version;
one that is not is the learner's, and the newer version goes beside it, under a name of its own.
Nothing is executed or opened here.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

from kitlib import __version__
from kitlib.errors import KitError

ROOT = Path(__file__).parent.parent
_INSTALLED = Path(__file__).with_name("notebooks")  # where a wheel has them
IN_CLONE = not _INSTALLED.is_dir()
NOTEBOOKS = ROOT / "notebooks" if IN_CLONE else _INSTALLED
FOLDER = "kafka-lessons"
NOTE = ".kit-lessons.json"
FIRST = "00_start_here.ipynb"


def folder() -> Path:
    """Where the lessons go if nobody says: this folder if they are in it, or one inside it."""
    here = Path.cwd()
    return here if (here / NOTE).is_file() else here / FOLDER


def hand_out(target: Path, progress: Callable[[str], object], source: Path = NOTEBOOKS) -> None:
    """Bring the lessons in the folder `target`, which is made if need be, up to date.

    progress: is given a line for each file that is not simply new. Raises KitError if something
    cannot be read or written.
    """
    try:
        target.mkdir(parents=True, exist_ok=True)
        note = _read(target / NOTE)
        for path in sorted(source.rglob("*")):
            name = path.relative_to(source)
            hidden = any(part.startswith((".", "__")) for part in name.parts)
            if path.is_file() and not hidden:
                newest = path.read_bytes()
                _update(target / name, newest, note.get(name.as_posix()), progress)
                note[name.as_posix()] = _digest(newest)
        _write(target / NOTE, json.dumps(note, indent=1).encode())
    except OSError as error:
        raise KitError(
            f"The lessons cannot be put into {target}",
            f"{error.strerror}: {error.filename}",
            "Run `./kit lab --folder FOLDER` with a folder that you can write to.",
        ) from None


def _update(
    path: Path, newest: bytes, handed_out: str | None, progress: Callable[[str], object]
) -> None:
    """Bring one file up to date. handed_out: the digest that the note has of it."""
    if not os.path.lexists(path):
        _write(path, newest)
        return
    found = _digest(path.read_bytes())
    if found == _digest(newest) or handed_out == _digest(newest):
        return
    if found == handed_out:
        _write(path, newest)
        progress(f"{path.name} is now the one from version {__version__}; you had not changed it.")
        return
    number = 1
    while (beside := _beside(path, number)).exists() and beside.read_bytes() != newest:
        number += 1
    _write(beside, newest)
    progress(f"{path.name} stays as you left it; the new version is beside it, as {beside.name}.")


def _beside(path: Path, number: int) -> Path:
    again = f"-{number}" if number > 1 else ""
    return path.with_name(f"{path.stem}-new-in-{__version__}{again}{path.suffix}")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _read(note: Path) -> dict[str, str]:
    """The digests in a note; none if it is not there or damaged, and then every file is kept."""
    try:
        told = json.loads(note.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
