"""Chromium for the tests that look at pages, and the built site.

The browser is the system's (Debian's package `chromium`); playwright only drives it. Without one
these tests fail; `./kit test --fast` leaves them out. `KIT_SITE` names a site that lies ready.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from executed import as_found, shared_folder
from filelock import FileLock

from kitlib.broker import _prepare as prepare
from kittools import course
from kittools.bench import _lab
from kittools.site import build as builder


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A Chromium without a window; `browser.new_page()` is a page of its own."""
    if _lab.chromium() is None:
        pytest.fail(
            "This machine has no Chromium. Install it (on Debian: apt install chromium), or run "
            "./kit test --fast, which leaves out what needs a browser."
        )
    with _lab.browser() as opened:
        yield opened


@pytest.fixture(scope="session")
def site(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the site, built once in a run, from the lessons as this run executed them."""
    if named := os.environ.get("KIT_SITE"):
        return Path(named)
    shared = shared_folder(tmp_path_factory)
    lessons, target, built = shared / "lessons", shared / "site", shared / "site-is-built"
    with FileLock(shared / "site.lock"):
        if not built.exists():
            prepare.prepare()
            results = [as_found(path, lessons) for path in course.find()]
            assert [result.line() for result in results if not result.passed] == []
            builder.keep_facts(lessons, results)
            builder.build(print, again=True, lessons=lessons, target=target)
            built.touch()
    return target
