"""Every lesson runs as a learner finds it, and solved, three times in one kernel."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

from kitlib import course

LESSONS = course.find()
_OUTCOME = re.compile(r"Exercise (\d\d\.\d+): (Right|Not yet|Open)\.")


def outcomes(path: Path) -> list[tuple[str, str]]:
    """The exercises' outcomes as the executed notebook shows them."""
    found = []
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", ()):
            found += _OUTCOME.findall(output.get("data", {}).get("text/plain", ""))
    return found


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_as_a_learner_finds_it(path: Path, tmp_path: Path) -> None:
    result = course.execute(path, output=tmp_path)
    assert result.passed, result.problem
    assert result.claims >= 1
    found = outcomes(tmp_path / path.name)
    assert len(found) == result.exercises >= 2
    assert {state for _, state in found} == {"Open"}, found


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_with_its_solutions_each_cell_twice_and_once_more(
    path: Path, tmp_path: Path
) -> None:
    """A learner runs each cell twice, and then the lesson from the top in the same kernel."""
    notebook = course.with_solutions(nbformat.read(path, as_version=4))
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    notebook.cells = [cell for one in code for cell in (one, one.copy())] + [
        one.copy() for one in code
    ]
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"run-{number}"
    twice = tmp_path / path.name
    nbformat.write(notebook, twice)
    executed = tmp_path / "executed"
    result = course.execute(twice, output=executed)
    assert result.passed, result.problem
    found = outcomes(executed / path.name)
    assert len(found) == result.exercises
    assert {state for _, state in found} == {"Right"}, found
