"""A real JupyterLab with a real Chromium in front of it, for what only a browser can show.

`kit bench live` and the browser tests use it. Chromium is the system's (on Debian the package
`chromium`); playwright, a development package, only drives it. Nothing is measured here.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import nbformat

from kitlib.errors import KitError

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking",
)  # fmt: skip


def chromium() -> str | None:
    """The path of this system's Chromium (or Chrome, or Edge); None without one."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def required_chromium() -> str:
    """The path of this system's Chromium. Raises KitError, with the way to install it."""
    path = chromium()
    if path is None:
        raise KitError(
            "This needs Chromium, and none was found",
            f"The PATH has none of {', '.join(NAMES)}",
            "Run it again once Chromium is installed (on Debian: apt install chromium).",
        )
    return path


@contextmanager
def browser() -> Iterator[Any]:
    """A Chromium without a window, as a playwright Browser. Raises KitError if none is found."""
    from playwright.sync_api import Error, sync_playwright

    path = required_chromium()
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        try:
            yield opened
        finally:
            with suppress(Error):  # it may have ended already
                opened.close()


def write(path: Path, *cells: str) -> Path:
    """Write a notebook with these code cells; returns its path."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {
        "name": "python3", "display_name": "Python 3", "language": "python",
    }  # fmt: skip
    nbformat.write(notebook, path)
    return path


@contextmanager
def lab(folder: Path) -> Iterator[str]:
    """JupyterLab in a folder, as `kit lab` starts it; it and its kernels end with the block.

    Gives the address of a notebook's page, with {} in place of its name. Raises KitError if
    JupyterLab does not answer within five minutes.
    """
    token = secrets.token_hex(8)
    command = [
        sys.executable, "-m", "kittools", "lab", "--no-browser", "--port=0",
        f"--ServerApp.root_dir={folder}",
    ]  # fmt: skip
    environment = {**os.environ, "JUPYTER_TOKEN": token}  # everybody may read a command line
    log = folder / "lab.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=environment
        )
    try:
        yield f"{_address(process, log)}/lab/tree/{{}}?token={token}&reset"
    finally:
        process.terminate()
        try:
            process.wait(60)
        finally:
            process.kill()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Wait until the server answers at the address that its log names; returns that address."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and process.poll() is None:
        for word in log.read_text("utf-8", "replace").split():
            if word.startswith("http://127.0.0.1:"):
                address = "/".join(word.split("/")[:3])
                try:
                    urllib.request.urlopen(f"{address}/api", timeout=5).read()
                    return address
                except (urllib.error.URLError, OSError):
                    break
        time.sleep(0.1)
    raise KitError("JupyterLab did not start", log.read_text("utf-8", "replace")[-800:])


def run_all(page: Any, url: str) -> None:
    """Open a notebook as a person would, and choose Run All Cells. page: a playwright Page."""
    page.goto(url)
    page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=90_000)
    page.wait_for_selector("text=(ipykernel) | Idle", timeout=90_000)  # the status bar
    page.click(".lm-MenuBar-itemLabel:text-is('Run')")
    page.click("text=Run All Cells")
