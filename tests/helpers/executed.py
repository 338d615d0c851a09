"""Each lesson executed once as a learner finds it, for all tests of a run that look at what it did.

The tests of the lessons judge the result, and the site is built from the same notebooks. Several
workers of pytest-xdist share them: the first that needs a lesson executes it, the others wait.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest
from filelock import FileLock

from kittools import course


def shared_folder(factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this run have in common."""
    own = factory.getbasetemp()
    return own.parent if os.environ.get("PYTEST_XDIST_WORKER") else own


def as_found(path: Path, folder: Path) -> course.Result:
    """What became of a lesson, executed in this run into the folder `folder`."""
    folder.mkdir(exist_ok=True)
    kept = folder / f"{path.stem}.json"
    with FileLock(folder / f"{path.stem}.lock"):
        if not kept.exists():
            result = course.execute(path, output=folder)
            kept.write_text(json.dumps(asdict(result)), "utf-8")
    fields = json.loads(kept.read_text("utf-8"))
    fields["outcomes"] = tuple(map(tuple, fields["outcomes"]))
    return course.Result(**fields)
