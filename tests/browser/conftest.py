"""Chromium for the tests that look at pages, and the built site.

The browser is the system's (Debian's package `chromium`); playwright only drives it. Where there is
none, these tests are skipped; where `CI` is set, that is a failure. `KIT_SITE` names a site that is
built already.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from playwright.sync_api import Browser, Error, sync_playwright

from kitlib import site as builder
from kitlib.broker import prepare

ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking",
)  # fmt: skip


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A Chromium without a window; `browser.new_page()` is a page of its own."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("There is no Chromium: apt-get install chromium")
        pytest.skip("There is no Chromium on this machine; Debian has it as a package, chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            with contextlib.suppress(Error):  # it may have ended by itself
                browser.close()


@pytest.fixture(scope="session")
def site(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built site; it is built once for all tests, also by several processes."""
    if named := os.environ.get("KIT_SITE"):
        return Path(named)
    shared = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        shared = shared.parent
    target = shared / "site"
    with FileLock(shared / "site.lock"):
        if not target.exists():
            prepare.prepare(prepare.say)
            builder.build(print, target=target)
    return target
