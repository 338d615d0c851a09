"""A web server on loopback for tests that need somebody to fetch from, without a network."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        pass


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve a folder; gives the address, without a slash at its end."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@contextmanager
def serve_jars(jars: Path, coordinates: list[str], scratch: Path) -> Iterator[str]:
    """Serve a folder of jars as a Maven repository has them."""
    for coordinate in coordinates:
        group, artifact, version = coordinate.split(":")
        folder = scratch.joinpath(*group.split("."), artifact, version)
        folder.mkdir(parents=True)
        (folder / f"{artifact}-{version}.jar").symlink_to(jars / f"{artifact}-{version}.jar")
    with serve(scratch) as url:
        yield url
