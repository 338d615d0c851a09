"""A JupyterLab that a test has started: what it says of itself, a kernel in it, and another's."""

from __future__ import annotations

import contextlib
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient

from kitlib._wait import wait_until


def server(runtime: Path, timeout_s: float = 60) -> dict[str, Any]:
    """Address ("url"), "token" and more of the server with this runtime folder, once it answers."""
    told = _written(runtime, "jpserver-*.json", timeout_s)
    wait_until(lambda: _answers(told["url"]), "JupyterLab answers", timeout_s)
    return told


@contextlib.contextmanager
def kernel(
    told: dict[str, Any], runtime: Path, notebook: str = ""
) -> Iterator[BlockingKernelClient]:
    """A client of a new kernel of this server; the kernel may still be starting.

    notebook: for which notebook, a path in the server's folder; the kernel works in its folder.
    """
    headers = {"Authorization": f"token {told['token']}"}
    wanted = json.dumps({"name": "python3"} | ({"path": notebook} if notebook else {})).encode()
    request = urllib.request.Request(f"{told['url']}api/kernels", wanted, headers)
    with urllib.request.urlopen(request, timeout=60) as reply:
        number = json.load(reply)["id"]
    client = BlockingKernelClient()
    client.load_connection_info(_written(runtime, f"kernel-{number}.json", 60))
    client.start_channels()
    try:
        yield client
    finally:
        client.stop_channels()


def foreign_kernel(folder: Path) -> Path:
    """Put a kernel with the name of the kit's into a folder, whose Python cannot run it."""
    spec = folder / "kernels" / "python3" / "kernel.json"
    spec.parent.mkdir(parents=True)
    argv = ["/bin/sh", "-c", "echo No module named ipykernel_launcher >&2; exit 1"]
    spec.write_text(json.dumps({"argv": argv, "display_name": "Theirs", "language": "python"}))
    return folder


def _written(folder: Path, pattern: str, timeout_s: float) -> dict[str, Any]:
    """What a file holds that Jupyter writes, when it is whole."""
    found: list[dict[str, Any]] = []

    def whole() -> bool:
        for path in folder.glob(pattern):
            with contextlib.suppress(ValueError):
                found.append(json.loads(path.read_text("utf-8")))
        return bool(found)

    wait_until(whole, f"{pattern} is written", timeout_s)
    return found[0]


def _answers(url: str) -> bool:
    try:
        return bool(urllib.request.urlopen(f"{url}api", timeout=5).status == 200)
    except OSError:  # also a reset, and an answer that a busy machine is late with
        return False
