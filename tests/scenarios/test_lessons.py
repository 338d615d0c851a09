"""Every lesson runs as a learner finds it, and solved, three times in one kernel."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from executed import as_found, shared_folder

from kittools import course

LESSONS = course.find()


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_as_a_learner_finds_it(
    path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    result = as_found(path, shared_folder(tmp_path_factory) / "lessons")
    assert result.passed, result.problem
    assert result.claims >= 1
    assert len(result.outcomes) == result.exercises >= 2
    assert {state for _, state in result.outcomes} == {"Open"}, result.outcomes


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
    result = course.execute(twice)
    assert result.passed, result.problem
    assert len(result.outcomes) == result.exercises
    assert {state for _, state in result.outcomes} == {"Right"}, result.outcomes
