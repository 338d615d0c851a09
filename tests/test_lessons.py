"""Every lesson runs as a learner finds it, and solved, three times in one kernel."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest

from kitlib import course

LESSONS = pytest.mark.parametrize("path", course.find(), ids=lambda path: path.stem)
Runs = dict[str, "Future[course.Result]"]


@LESSONS
def test_a_lesson_as_a_learner_finds_it(result: course.Result) -> None:
    assert result.passed, result.problem
    assert result.claims >= 1
    assert len(result.outcomes) == result.exercises >= 2
    assert {state for _, state in result.outcomes} == {"Open"}, result.outcomes


@LESSONS
def test_a_lesson_with_its_solutions_each_cell_twice_and_once_more(result: course.Result) -> None:
    """A learner runs each cell twice, and then the lesson from the top in the same kernel."""
    assert result.passed, result.problem
    assert len(result.outcomes) == result.exercises
    assert {state for _, state in result.outcomes} == {"Right"}, result.outcomes


def three_times(path: Path, folder: Path) -> Path:
    notebook = course.with_solutions(nbformat.read(path, as_version=4))
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    notebook.cells = [cell for one in code for cell in (one, one.copy())] + [
        one.copy() for one in code
    ]
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"run-{number}"
    nbformat.write(notebook, folder / path.name)
    return folder / path.name


@pytest.fixture(scope="module")
def runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Runs]:
    """The chosen tests' lessons, by the test's name, two at a time: a lesson mostly waits."""
    folder = tmp_path_factory.mktemp("lessons")
    pool = ThreadPoolExecutor(2)
    found: Runs = {}
    for test in request.session.items:
        if isinstance(test, pytest.Function) and test.module is request.module:
            path = test.callspec.params["path"]
            assert isinstance(path, Path)
            as_found = test.function is test_a_lesson_as_a_learner_finds_it
            found[test.name] = pool.submit(
                course.execute, path if as_found else three_times(path, folder)
            )
    yield found
    pool.shutdown(cancel_futures=True)


@pytest.fixture
def result(request: pytest.FixtureRequest, path: Path, runs: Runs) -> course.Result:
    return runs[request.node.name].result()
