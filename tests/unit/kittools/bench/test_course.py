"""The benchmark of lessons, with short ones."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from reports import figures

from kitlib.errors import KitError
from kittools.bench.course import PARTS, course


def test_course_says_what_the_seconds_were_spent_on(tmp_path: Path) -> None:
    cells = (
        "import threading, time",
        "end = time.process_time() + 0.3\nwhile time.process_time() < end: pass",
        "threading.Event().wait(0.5);",
    )
    path = tmp_path / "90_slow.ipynb"
    nbformat.write(
        nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells]), path
    )
    found = figures(course(1, lambda line: None, [path]))
    parts = {part: found[f"90_slow: {part}"].median for part in PARTS}
    whole = found["90_slow"].median
    assert parts["processor"] >= 0.2 and parts["waiting"] >= 0.4
    assert min(parts.values()) >= 0 and sum(parts.values()) <= whole
    assert found["the whole course"].median == whole
    bad = tmp_path / "91_bad.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")]), bad)
    with pytest.raises(KitError, match="91_bad"):
        course(1, lambda line: None, [bad])
