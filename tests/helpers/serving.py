"""A web server on loopback for tests that need somebody to fetch from, without a network."""

from __future__ import annotations

import functools
import http.server
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder and writes no log."""

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve a folder; gives the address, without a slash at its end."""
    handler = functools.partial(Quiet, directory=str(folder))
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


FAULTS = ("refuses", "is silent", "stalls", "sends a web page", "sends half", "fails", "redirects")
"""What a `broken` server does in place of serving."""


@contextmanager
def broken(folder: Path, fault: str) -> Iterator[str]:
    """A server of a folder with one of the FAULTS; gives the address.

    "sends half" and "stalls" begin with the right bytes of a file and are at fault in its middle;
    the pages that list folders come whole.
    """
    over = threading.Event()

    class Handler(Quiet):
        def do_GET(self) -> None:
            path = Path(self.translate_path(self.path))
            if fault == "is silent":
                over.wait()
            elif fault == "sends a web page":
                self._answer(200, b"<!doctype html><title>Welcome</title><p>Please log in.")
            elif fault == "fails":
                self.send_error(500)
            elif fault == "redirects":
                self.send_response(302)
                self.send_header("Location", self.path)
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif path.is_file():
                data = path.read_bytes()
                self._answer(200, data[: len(data) // 2], len(data))
                if fault == "stalls":
                    over.wait()
            else:
                super().do_GET()

        def do_HEAD(self) -> None:
            self.do_GET()

        def _answer(self, status: int, data: bytes, length: int | None = None) -> None:
            self.close_connection = True
            self.send_response(status)
            kind = "text/html" if data.startswith(b"<!") else "application/octet-stream"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(length or len(data)))
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(data)
                self.wfile.flush()

    if fault == "refuses":
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]  # bound, and nobody listens after this
        yield f"http://127.0.0.1:{port}"
        return
    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            over.set()
            server.shutdown()
