"""Kinds of machines, made anew for a test: one entry of the table is one machine.

A machine is a home folder, variables of the environment and configuration files, around a clone
whose locks name the real installers and one small package, and whose commands only tell what they
see. Nothing comes from a network: the package index is on loopback.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import http.server
import json
import os
import shutil
import ssl
import subprocess
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from clones import FILES, ROOT, base_python, person
from serving import Quiet
from tls import HERE, signed

from kitlib.broker import _parts as parts

USER, PASSWORD = "ana", "p4ss/w:rd"
LOGIN = f"{USER}:{quote(PASSWORD, safe='')}"
# Of the machine on which the tests run; here it is another one.
_ELSEWHERE = ("PIP_", "UV_", "KIT_", "XDG_", "PYTHON", "SSL_", "REQUESTS_", "CURL_", "JUPYTER",
              "VIRTUAL_ENV", "MPL", "IPYTHON")  # fmt: skip
_TELL = """
import json, os, sys
print(json.dumps({"prefix": sys.prefix, "environ": dict(os.environ), "debug": __debug__}))
"""


@dataclass(frozen=True)
class Machine:
    """One kind of machine, and what is expected there.

    name: as `kit soak --machines` reports it. environ: variables. files: {name below the home
    folder: text}. make: called with the machine's folder, to do what no file can. says: what the
    message holds; without it the set-up passes. short: whether `kit test` tries it, too. fresh:
    whether nothing is kept from an earlier set-up, not even the installers. report: the address of
    a public report of the same, where one is known.

    In all texts {index} is the address of a package index, {locked} of one with the name and
    password that it asks for, {wrong} with others, {tls} of one with a certificate that {authority}
    signed, {empty} of one without packages, {beyond} of one behind {proxy}; {wheels} is a folder,
    and {folder} the machine's.
    """

    name: str
    environ: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    make: Callable[[Path], object] | None = None
    says: tuple[str, ...] = ()
    short: bool = False
    fresh: bool = False
    report: str = ""


# -- configuration files, and places that are closed ----------------------------------------------


def _pip(*lines: str) -> dict[str, str]:
    """The user's configuration of pip."""
    return {".config/pip/pip.conf": "\n".join(["[global]", *lines])}


def _uv(*lines: str) -> dict[str, str]:
    """The user's configuration of uv."""
    return {".config/uv/uv.toml": "\n".join(lines)}


def _closed(name: str) -> Callable[[Path], None]:
    """Makes a folder below the machine's that cannot be written."""

    def make(folder: Path) -> None:
        (folder / name).mkdir(exist_ok=True)
        (folder / name).chmod(0o555)

    return make


_MIRROR = "index-url = {index}"
_PIP_KNOWS, _VARIABLE = _pip(_MIRROR), {"PIP_INDEX_URL": "{index}"}
_COOL, _OLD = 'exclude-newer = "2001-01-01"', {"UV_EXCLUDE_NEWER": "2001-01-01"}
_ELSE = "target = {folder}/elsewhere"
_TLS, _TRUSTED = {"PIP_INDEX_URL": "{tls}"}, "trusted-host = other.example\n 127.0.0.1"
_BEYOND = ("index-url = {beyond}", "trusted-host = index.invalid")
_X = {"../x.ini": "\n".join(["[global]", _MIRROR])}
_CACHE, _NO_CACHE = {"KIT_CACHE_DIR": "{folder}/cache"}, ("cache folder", "KIT_CACHE_DIR")
_THEIRS, _NOT_OURS = {"UV_CACHE_DIR": "{folder}/uv/x"}, ("{folder}/uv/x yours", "KIT_CACHE_DIR")

MACHINES = (
    Machine(
        "all at once: a mirror with a password, a cool-down, other places, a strict Python",
        {**_OLD, "PIP_NO_BINARY": ":all:", "PIP_REQUIRE_VIRTUALENV": "1", "UV_OFFLINE": "1"}
        | {"PYTHONOPTIMIZE": "2", "PYTHONWARNINGS": "error"},
        _pip("index-url = {locked}", "prefix = /x", "[install]", "user = yes", _ELSE, "no-deps = 0")
        | _uv(_COOL, "no-binary = true", "[pip]", 'target = "{folder}/elsewhere"'),
        short=True,
        fresh=True,
    ),
    # Where packages come from: each installer is given what only the other one knows.
    Machine(
        "a mirror that only pip knows",
        files=_PIP_KNOWS,
        report="https://github.com/astral-sh/uv/issues/1404",
    ),
    Machine(
        "a mirror in a section of pip's", files=_pip("[download]", _MIRROR, "[install]", _MIRROR)
    ),
    Machine("a file that PIP_CONFIG_FILE names", {"PIP_CONFIG_FILE": "{folder}/x.ini"}, _X),
    Machine(
        "a mirror that only uv knows",
        files=_uv("[[index]]", 'url = "{index}"', "default = true"),
        fresh=True,
    ),
    Machine("a mirror in uv's variable", {"UV_DEFAULT_INDEX": "company={index}"}),
    Machine(
        "a mirror in pip's variable",
        _VARIABLE,
        report="https://github.com/astral-sh/uv/issues/2183",
    ),
    Machine("a mirror with a password", files=_pip("index-url = {locked}")),
    Machine(
        "a wrong password",
        files=_pip("index-url = {wrong}"),
        says=("refuses",),
        short=True,
        fresh=True,
    ),
    Machine(
        "a second mirror",
        files=_pip("index-url = {empty}", "extra-index-url = {empty}", " {index}"),
        fresh=True,
    ),
    Machine(
        "a mirror's own certificate",
        files=_pip("index-url = {tls}", "cert = {authority}"),
        fresh=True,
    ),
    Machine("a mirror trusted without one", files=_pip("index-url = {tls}", _TRUSTED)),
    Machine("an unknown certificate", _TLS, says=("cannot be reached",)),
    Machine("a proxy that only pip knows", files=_pip("proxy = {proxy}", *_BEYOND), fresh=True),
    Machine(
        "a folder of wheels, no index", files=_pip("no-index = 1", "find-links = /x", " {wheels}")
    ),
    # What cannot be meant for a locked environment.
    Machine("a cool-down in a variable", _OLD, _PIP_KNOWS),
    Machine("a cool-down in a file", files=_PIP_KNOWS | _uv(_COOL)),
    Machine(
        "packages of the user",
        {"PIP_USER": "1"},
        _pip(_MIRROR, "[install]", "user = yes"),
        report="https://github.com/pypa/pip/issues/8977",
    ),
    Machine("packages in another folder", files=_pip(_MIRROR, "[install]", _ELSE)),
    Machine(
        "packages below a prefix",
        files=_pip(_MIRROR, "[install]", "prefix = {folder}/elsewhere"),
        report="https://github.com/pypa/pip/issues/2081",
    ),
    Machine("a pip.conf that is none", files=_pip("x"), says=("pip cannot be read",), short=True),
    # Places.
    Machine(
        "a closed home", _VARIABLE, make=_closed("home"), says=_NO_CACHE, short=True, fresh=True
    ),
    Machine(
        "a closed home, a cache",
        {**_VARIABLE, **_CACHE},
        make=_closed("home"),
        short=True,
        fresh=True,
    ),
    Machine("another's cache", {**_VARIABLE, **_THEIRS}, make=_closed("uv"), says=_NOT_OURS),
    Machine(
        "a closed folder", _VARIABLE, make=_closed("clone"), says=("could not write in", "copy")
    ),
)


# -- the surroundings of one ----------------------------------------------------------------------


@dataclass
class Told:
    """What a run in some surroundings ended with and showed, and what its command saw."""

    status: int
    shown: str
    seen: dict[str, Any]


class Surroundings:
    """A machine that is made: its folder, with a clone and a home in it, and its variables."""

    def __init__(self, folder: Path, addresses: dict[str, str]) -> None:
        self.folder, self.addresses = folder, addresses
        self.clone, self.home = folder / "clone", folder / "home"
        self.home.mkdir()
        (self.clone / "kittools").mkdir(parents=True)
        for name in FILES:
            shutil.copy(ROOT / name, self.clone / name)
        self.lock("ballast")
        (self.clone / "kittools" / "__init__.py").touch()
        (self.clone / "kittools" / "__main__.py").write_text(_TELL, "utf-8")
        plain = {k: v for k, v in os.environ.items() if not k.upper().startswith(_ELSEWHERE)}
        plain = {k: v for k, v in plain.items() if "proxy" not in k.lower()}
        self.environ = {**plain, "HOME": str(self.home)}

    def lock(self, package: str) -> None:
        """Have the lock of the lessons name this package alone."""
        wheel = _package(self.folder / "index", package)
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        line = f"{package}==1.0 --hash=sha256:{digest}\n"
        (self.clone / "requirements.lock").write_text(line, "utf-8")

    def keep_tools(self) -> None:
        """Have the installers as an earlier set-up kept them, which is faster."""
        cache = self.home / ".cache" / "kafka-notebook-kit"
        shutil.copytree(parts.cache_folder() / "tools", cache / "tools")

    def apply(self, machine: Machine) -> None:
        """Make what the entry of the table says."""
        for name, text in machine.files.items():
            path = self.home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.filled(text), "utf-8")
        for name, text in machine.environ.items():
            self.environ[name] = self.filled(text)
        if machine.make:
            machine.make(self.folder)

    def filled(self, text: str) -> str:
        """A text of the table with this machine's addresses and folder in it."""
        for name, value in {**self.addresses, "folder": str(self.folder)}.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    def kit(self, *arguments: str, clone: Path | None = None) -> Told:
        """Run the launcher, of the clone by this name, as somebody who obeys the modes of files."""
        ran = subprocess.run(
            [*person(), base_python(), str((clone or self.clone) / "kit"), *arguments],
            cwd=clone or self.clone,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=600,
        )
        seen = json.loads(ran.stdout) if ran.returncode == 0 else {}
        return Told(ran.returncode, ran.stderr + ("" if seen else ran.stdout), seen)

    def environments(self) -> list[Path]:
        """The environments in the clone."""
        return sorted(self.clone.glob(".venv-*"))


@contextmanager
def surroundings(folder: Path) -> Iterator[Surroundings]:
    """An ordinary machine, and servers around it; what it closed is opened again at the end."""
    index = folder / "index"
    for wheel in [*(parts.cache_folder() / "tools").glob("*.whl")]:
        for place in (index / wheel.name.split("-")[0], index / "wheels"):
            place.mkdir(parents=True, exist_ok=True)
            (place / wheel.name).symlink_to(wheel)
    (folder / "locked").symlink_to(index)
    (folder / "empty").mkdir()
    authority, with_key = signed(folder, "good", *HERE)
    with _serve(folder) as (host, port), _serve(folder, with_key) as (_, safe):
        plain = f"{host}:{port}"
        addresses = {
            "index": f"http://{plain}/index/",
            "locked": f"http://{LOGIN}@{plain}/locked/",
            "wrong": f"http://{USER}:{quote(PASSWORD[::-1], safe='')}@{plain}/locked/",
            "empty": f"http://{plain}/empty/",
            "tls": f"https://{host}:{safe}/index/",
            "proxy": f"http://{plain}",
            "beyond": "http://index.invalid/",
            "wheels": str(index / "wheels"),
            "authority": str(authority),
        }
        try:
            yield Surroundings(folder, addresses)
        finally:
            for path in folder.iterdir():
                if path.is_dir():
                    path.chmod(0o755)


class _Index(Quiet):
    """An index, which asks for a password under one name; and a proxy to another of itself."""

    def do_GET(self) -> None:
        self.path = urlsplit(self.path).path  # a proxy is given a whole address
        if "index.invalid" in self.headers.get("Host", ""):
            self.path = "/index" + self.path
        login = b"Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode())
        if self.path.startswith("/locked/") and self.headers.get("Authorization") != login.decode():
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="index"')
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            super().do_GET()

    do_HEAD = do_GET


@contextmanager
def _serve(folder: Path, with_key: Path | None = None) -> Iterator[tuple[str, int]]:
    handler = functools.partial(_Index, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if with_key is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(with_key)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield "127.0.0.1", server.server_port
        finally:
            server.shutdown()


def _package(index: Path, name: str) -> Path:
    """Put a small package into an index, also among its wheels; returns its file."""
    wheel = index / name / f"{name}-1.0-py3-none-any.whl"
    wheel.parent.mkdir(exist_ok=True)
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": f"NAME = {name!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{path},,\n" for path in files))
    with contextlib.suppress(FileExistsError):
        (index / "wheels" / wheel.name).symlink_to(wheel)
    return wheel
