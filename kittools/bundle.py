"""Makes an archive with which a machine of the same kind needs no network: `kit bundle`.

It holds the repository's files, the wheels of the lessons' lock (the JVM is one of them) and
Kafka's jars. The launcher and `kitlib.broker._parts` look into the folder `bundle/` before they ask
a network, and check the same SHA-256. The formatted data directory and the JVM's start-up cache are
not in it: they fit one folder and one JVM only, so they are made where the archive is unpacked.
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

from packaging.markers import Marker

from kitlib import __version__
from kitlib.broker import _parts as parts
from kitlib.errors import KitError

ROOT = Path(__file__).parent.parent
NAME = "kafka-notebook-kit"
_LOCKS = ("requirements-tools.lock", "requirements.lock")


def kind() -> str:
    """The kind of machine that a bundle made here fits: system, processor, Python."""
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return f"{platform.system()}-{platform.machine()}-{python}".lower()


def make(progress: Callable[[str], object], folder: Path = ROOT / "build") -> Path:
    """Make the archive in `folder` and return its path; the jars have to be in the cache.

    progress: is given a line for each step. Raises KitError if a package cannot be fetched, or if
    this folder is no clone.
    """
    wheels = folder / "wheels"
    shutil.rmtree(wheels, ignore_errors=True)
    progress(f"Fetching the packages for {kind()} ...")
    locked = "\n".join((ROOT / lock).read_text("utf-8") for lock in _LOCKS)
    for requirements in wanted(locked):
        _download(requirements, wheels)
    archive = folder / f"{NAME}-{__version__}-{kind()}.tar"
    progress("Packing ...")
    # Without compression: wheels and jars are compressed already.
    with tarfile.open(archive, "w") as tar:
        for path in _files():
            tar.add(path, Path(NAME) / path.relative_to(ROOT))
        for path in sorted(wheels.iterdir()):
            tar.add(path, Path(NAME) / "bundle" / "wheels" / path.name)
        for path in parts.parts().jars:
            tar.add(path, Path(NAME) / "bundle" / "jars" / path.name)
    shutil.rmtree(wheels)
    return archive


def wanted(locked: str) -> Iterator[str]:
    """The requirements to fetch, from the text of the locks: for any patch version of this Python.

    They come in portions that name each package once, as pip demands. Raises KitError for an entry
    without a version and hashes.
    """
    portions: list[dict[str, str]] = []
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    patches = [{"python_full_version": f"{python}.{patch}"} for patch in (0, 99)]
    for entry in re.split(r"\n(?=[^\s#])", locked.strip()):
        pin = re.match(r"([^=\s]+)==\S+(?: ; (.+?))? \\\n", entry)
        if pin is None:
            raise KitError(f"A lock has an entry without a version and hashes: {entry[:80]}")
        name, marker = pin.groups()
        if marker and not any(Marker(marker).evaluate(patch) for patch in patches):
            continue
        portion = next((portion for portion in portions if name not in portion), None)
        if portion is None:
            portions.append(portion := {})
        portion[name] = entry.replace(f" ; {marker}", "", 1)
    yield from ("\n".join(portion.values()) for portion in portions)


def _download(requirements: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    listed = folder / "requirements.txt"
    listed.write_text(requirements, "utf-8")
    # Wheels that an earlier bundle fetched are kept, so that the next one needs no network.
    kept = parts.private(parts.cache_folder() / "wheels")
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--require-hashes",
               "--only-binary=:all:", "--find-links", str(kept), "-d", str(folder),
               "-r", str(listed)]  # fmt: skip
    for source in (["--no-index"], []):
        ran = subprocess.run(
            [*command, *source],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
        )  # fmt: skip
        if ran.returncode == 0:
            break
    listed.unlink()
    if ran.returncode:
        raise KitError(
            "Some packages of the bundle could not be fetched",
            ran.stderr.strip()[-600:],
            "Check the network and HTTPS_PROXY, then run it again.",
        )
    for wheel in folder.glob("*.whl"):
        if not (kept / wheel.name).exists():
            shutil.copy(wheel, kept)


def _files() -> list[Path]:
    """The files of the repository, as they are in this folder."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True)
    if ran.returncode:
        raise KitError(
            "A bundle can only be made from a clone",
            ran.stderr.decode("utf-8", "replace"),
            "Clone the repository with git, and run ./kit bundle there.",
        )
    names = ran.stdout.decode().split("\0")
    return [ROOT / name for name in sorted(names) if name and (ROOT / name).is_file()]
