"""Peers that speak raw bytes: servers in a broker's place, and a client's socket and frames."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

from kitlib.faults import Faults


class Echo(socketserver.BaseRequestHandler):
    """Sends back every byte."""

    def handle(self) -> None:
        while data := self.request.recv(65536):
            self.request.sendall(data)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that was broken on purpose needs no trace."""


@contextlib.contextmanager
def serving() -> Iterator[Callable[[Any, Faults], str]]:
    """Starts servers in a broker's place; a start returns the address behind the faults."""
    servers: list[Server] = []

    def start(handler: Any, faults: Faults) -> str:
        servers.append(Server(("127.0.0.1", 0), handler))
        threading.Thread(target=servers[-1].serve_forever, args=(0.05,), daemon=True).start()
        address = f"127.0.0.1:{servers[-1].server_address[1]}"
        return str(faults.behind({"bootstrap_servers": address})["bootstrap_servers"])

    try:
        yield start
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


def dial(address: str) -> socket.socket:
    host, port = address.split(":")
    return socket.create_connection((host, int(port)), timeout=20)


def frame(api: int, number: int, body: bytes = b"", version: int = 0) -> bytes:
    return struct.pack(">ihhi", 8 + len(body), api, version, number) + body


def read(stream: socket.socket, count: int) -> bytes:
    """So many bytes, or fewer at the end of the stream."""
    data = bytearray()
    while len(data) < count and (piece := stream.recv(count - len(data))):
        data += piece
    return bytes(data)


def echo(stream: socket.socket, head: bytes, piece: bytes, count: int) -> Iterator[None]:
    """Send a head and so many pieces to an `Echo`; one step for each piece that came back."""

    def send() -> None:
        stream.sendall(head)
        for _ in range(count):
            stream.sendall(piece)

    thread = threading.Thread(target=send)
    thread.start()
    assert read(stream, len(head)) == head
    for _ in range(count):
        assert read(stream, len(piece)) == piece
        yield
    thread.join(60)


def answer(stream: socket.socket) -> bytes:
    """The next frame; b"" at the end of the stream."""
    head = read(stream, 4)
    return head + read(stream, struct.unpack(">i", head)[0]) if len(head) == 4 else b""
