"""Chromium for the tests that look at pages, and the built site.

The browser is the system's (Debian's package `chromium`); playwright only drives it. Where there is
none, these tests are skipped; where `CI` is set, that is a failure. `KIT_SITE` names a site that is
built already.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from kitlib.broker import _prepare as prepare
from kittools.bench import _lab
from kittools.site import build as builder


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A Chromium without a window; `browser.new_page()` is a page of its own."""
    if _lab.chromium() is None:
        if os.environ.get("CI"):
            pytest.fail("There is no Chromium: apt-get install chromium")
        pytest.skip("There is no Chromium on this machine; Debian has it as a package, chromium")
    with _lab.browser() as opened:
        yield opened


@pytest.fixture(scope="session")
def site(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
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
