"""Executing lessons: what is counted, what fails, and what is said of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from kitlib.errors import KitError
from kittools import course

ROOT = Path(__file__).parents[3]


def test_run_counts_claims_and_reports_a_failure(tmp_path: Path) -> None:
    def lesson(name: str, *cells: str) -> Path:
        path = tmp_path / name
        nbformat.write(
            nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells]), path
        )
        return path

    good = course.execute(lesson("90_good.ipynb", "x = 1", "assert x == 1\nassert x"))
    assert (good.passed, good.cells, good.claims) == (True, 2, 2)
    bad = course.execute(lesson("91_bad.ipynb", "assert 1 == 2, 'one is not two'"))
    assert not bad.passed
    assert "one is not two" in bad.problem
    bare = course.execute(lesson("92_bare.ipynb", "x = 1\nassert x == 2"))
    assert bare.problem == "AssertionError: assert x == 2"
    shows = "from kitlib.checks import exercise\nexercise.Outcome('open', 'why', exercise='93.1')"
    as_found = course.execute(lesson("93_open.ipynb", shows))
    assert as_found.passed and as_found.outcomes == (("93.1", "Open"),)
    solved = course.execute(lesson("93_open.ipynb", shows), solutions=True)
    assert solved.problem == "with its solution 93.1 is Open"
    with pytest.raises(KitError, match="No lesson has the number 77"):
        course.find(["77"])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such sockets")
def test_a_kernel_takes_no_port_that_another_program_may_take(tmp_path: Path) -> None:
    cells = ["import json\nfrom ipykernel.connect import get_connection_file",
             "json.load(open(get_connection_file()))['transport']"]  # fmt: skip
    path = tmp_path / "95_sockets.ipynb"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    nbformat.write(notebook, path)
    assert course.execute(path, output=tmp_path / "kept").passed
    kept = nbformat.read(tmp_path / "kept" / path.name, as_version=4)
    assert kept.cells[1].outputs[0]["data"]["text/plain"] == "'ipc'"
    long = course.kernel_config("/" + "x" * 100)
    assert not long, "the path of a socket would be too long"


def test_a_folder_without_lessons_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course, "NOTEBOOKS", tmp_path)
    with pytest.raises(KitError, match="No lessons to execute"):
        course.find()


def test_an_exercise_that_nothing_checks_is_a_problem_with_solutions(tmp_path: Path) -> None:
    starter = nbformat.v4.new_code_cell("# Exercise 95.1: add", metadata={"tags": ["exercise"]})
    block = "<details><summary>Solution 95.1</summary>\n\n```python\n1 + 1\n```\n</details>"
    solution = nbformat.v4.new_markdown_cell(block, metadata={"tags": ["solution"]})
    path = tmp_path / "95_unchecked.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[starter, solution]), path)
    assert course.execute(path).passed
    solved = course.execute(path, solutions=True)
    assert solved.problem == "with its solutions only 0 of 1 exercises answered"


def test_a_kernel_that_dies_is_a_line_whenever_it_dies(tmp_path: Path) -> None:
    cells = [nbformat.v4.new_code_cell("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "94_dies.ipynb")
    at_once = tmp_path / "kernels" / "python3"  # in the place of the real one
    at_once.mkdir(parents=True)
    spec = {"argv": [sys.executable, "-c", "raise SystemExit(1)", "{connection_file}"]}
    (at_once / "kernel.json").write_text(json.dumps({**spec, "display_name": "x", "language": "x"}))
    script = f"""if True:
        from pathlib import Path
        from kittools import course
        print(course.execute(Path({str(tmp_path / "94_dies.ipynb")!r})).line())"""
    for path, said in {"": "Kernel died", str(tmp_path): "Kernel died before replying"}.items():
        ran = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=300,
            env={**os.environ, "JUPYTER_PATH": path, "JUPYTER_PREFER_ENV_PATH": "0"},
        )  # fmt: skip
        assert ran.stdout.startswith(f"94_dies: failed: {said}"), ran.stderr
        assert ran.stderr == ""


def test_lessons_are_executed_as_before_without_hooks(tmp_path: Path) -> None:
    path = tmp_path / "90_good.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x = 1")]), path)
    seen: list[int] = []
    hook = {"on_cell_executed": lambda cell_index, **_: seen.append(cell_index)}
    assert course.execute(path).passed and course.execute(path, hooks=hook).passed
    assert seen == [0]
