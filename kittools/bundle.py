"""Makes an archive with which a machine of the same kind needs no network: `kit bundle`.

It holds the repository's files, the wheels of the lessons' lock with the JVM among them, and
Kafka's jars. The launcher and `broker.parts` look into the folder `bundle/` beside them before they
ask a network, and check the same SHA-256. What is made from these parts, the formatted data
directory and the JVM's start-up cache, fits one folder and one JVM only, so it is made where the
archive is unpacked.
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
    """The machines for which a bundle made here is good: system, processor, Python."""
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return f"{platform.system()}-{platform.machine()}-{python}".lower()


def make(say: Callable[[str], None], folder: Path = ROOT / "build") -> Path:
    """Make the archive in `folder` and return its path; the jars have to be in the cache.

    Raises KitError when a package cannot be fetched.
    """
    wheels = folder / "wheels"
    shutil.rmtree(wheels, ignore_errors=True)
    say(f"Fetching the packages for {kind()} ...")
    locked = "\n".join((ROOT / lock).read_text("utf-8") for lock in _LOCKS)
    for some in wanted(locked):
        _download(some, wheels)
    archive = folder / f"{NAME}-{__version__}-{kind()}.tar"
    say("Packing ...")
    # No compression: wheels and jars are compressed already.
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
    """What to fetch from the text of locks: all that any patch version of this Python asks for.

    In portions that name each package once, as pip wants it.
    """
    portions: list[dict[str, str]] = []
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    patches = [{"python_full_version": f"{python}.{patch}"} for patch in (0, 99)]
    for entry in re.split(r"\n(?=[^\s#])", locked.strip()):
        found = re.match(r"([^=\s]+)==(\S+)(?: ; (.+?))? \\\n", entry)
        if found is None:
            raise KitError(f"A lock names something without a version and hashes: {entry[:80]}")
        if found[3] and not any(Marker(found[3]).evaluate(patch) for patch in patches):
            continue
        fresh = next((one for one in portions if found[1] not in one), None)
        if fresh is None:
            portions.append(fresh := {})
        fresh[found[1]] = entry.replace(f" ; {found[3]}", "", 1)
    yield from ("\n".join(portion.values()) for portion in portions)


def _download(requirements: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    listed = folder / "requirements.txt"
    listed.write_text(requirements, "utf-8")
    # What an earlier bundle has fetched is kept, so that the next one needs no network.
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
            "The packages of the bundle cannot be fetched",
            ran.stderr.strip()[-600:],
            "Check the network and HTTPS_PROXY, and run it again.",
        )
    for wheel in folder.glob("*.whl"):
        if not (kept / wheel.name).exists():
            shutil.copy(wheel, kept)


def _files() -> list[Path]:
    """The files of the repository, as they are in this folder."""
    asked = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    ran = subprocess.run(asked, cwd=ROOT, capture_output=True)
    if ran.returncode:
        raise KitError("A bundle is made from a clone", ran.stderr.decode("utf-8", "replace"), "")
    names = ran.stdout.decode().split("\0")
    return [ROOT / name for name in sorted(names) if name and (ROOT / name).is_file()]
