"""Every lesson is executed as a learner finds it, with the solutions, and twice in one kernel."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

from kitlib import course
from kitlib.broker.handle import Broker

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
@pytest.mark.parametrize("solutions", [False, True], ids=["as found", "with solutions"])
def test_a_lesson(path: Path, solutions: bool, tmp_path: Path, kafka: Broker) -> None:
    result = course.execute(path, output=tmp_path, solutions=solutions)
    assert result.passed, result.problem
    assert result.claims >= 1
    found = outcomes(tmp_path / path.name)
    assert len(found) == result.exercises >= 2
    states = {state for _, state in found}
    assert states == ({"Right"} if solutions else {"Open"}), found


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_every_cell_can_run_again(path: Path, tmp_path: Path, kafka: Broker) -> None:
    """A learner runs each cell twice, and then the lesson from the top in the same kernel."""
    notebook = course.with_solutions(nbformat.read(path, as_version=4))
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    notebook.cells = [cell for one in code for cell in (one, one.copy())] + [
        one.copy() for one in code
    ]
    for cell in notebook.cells:
        cell.pop("id", None)
    twice = tmp_path / path.name
    nbformat.write(nbformat.v4.upgrade(notebook), twice)
    result = course.execute(twice)
    assert result.passed, result.problem
