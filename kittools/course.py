"""Executes lessons: finds the notebooks, fills in solutions, runs them headless, counts claims.

`kit run` and the tests use it. A lesson that raises has failed; one line says in which cell and
why. It judges nothing else: the claims are the assertions in the lessons themselves.
"""

from __future__ import annotations

import ast
import atexit
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from kitlib.errors import KitError

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
_CELL_TIMEOUT_S = 120
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_AT = re.compile(r"^-+> *\d+ (.*)$", re.MULTILINE)
_OUTCOME = re.compile(r"Exercise (\d\d\.\d+): (Right|Not yet|Open)\.")
_EXERCISE = re.compile(r"#\s*Exercise (\d\d\.\d+)")
_SOLUTION = re.compile(r"<summary>\s*Solution (\d\d\.\d+).*?```python\n(.*?)```", re.DOTALL)


@dataclass(frozen=True)
class Result:
    """What became of a lesson. claims: assert statements executed; problem: "" if it passed;
    outcomes: number and answer ("Right", "Not yet", "Open") of each check of an exercise."""

    lesson: str
    cells: int
    claims: int
    exercises: int
    seconds: float
    problem: str = ""
    outcomes: tuple[tuple[str, str], ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every cell ran."""
        return not self.problem

    def line(self) -> str:
        """One line for the terminal."""
        said = "passed" if self.passed else f"failed: {self.problem}"
        return f"{self.lesson}: {said} ({self.seconds:.1f} s)"

    def cells_of_table(self) -> tuple[str, ...]:
        """The row of the summary table."""
        numbers = (str(self.cells), str(self.claims), str(self.exercises), f"{self.seconds:.1f}")
        return (self.lesson, *numbers, "passed" if self.passed else "failed")


def find(numbers: Iterable[str] = ()) -> list[Path]:
    """The lessons' notebooks in order; only those whose two-digit numbers are given, if any.

    Raises KitError for a number without a lesson.
    """
    found = {path.name[:2]: path for path in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))}
    wanted = [number.zfill(2) for number in numbers] or list(found)
    if unknown := [number for number in wanted if number not in found]:
        raise KitError(
            f"There is no lesson {', '.join(unknown)}",
            "",
            f"The lessons are {', '.join(found)}.",
        )
    return [found[number] for number in wanted]


def with_solutions(notebook: Any) -> Any:
    """Put the folded solutions of a notebook in the place of its exercises' cells."""
    solutions = {
        number: code
        for cell in notebook.cells
        if cell.cell_type == "markdown" and "solution" in cell.metadata.get("tags", ())
        for number, code in _SOLUTION.findall(cell.source)
    }
    for cell in notebook.cells:
        if "exercise" in cell.metadata.get("tags", ()):
            number = _EXERCISE.match(cell.source)
            if number is None or number[1] not in solutions:
                raise KitError(f"An exercise has no solution: {cell.source.splitlines()[0]}")
            cell.source = solutions[number[1]].strip()
    return notebook


def execute(
    path: Path,
    *,
    output: Path | None = None,
    solutions: bool = False,
    hooks: Mapping[str, Any] | None = None,
) -> Result:
    """Execute one lesson in a kernel of its own; keep it with its outputs in `output`, if given.

    With solutions, an exercise that is not answered "Right" is a problem like any other.
    hooks: functions that nbclient calls on the way, by its names, such as on_cell_executed.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError

    notebook = nbformat.read(path, as_version=4)
    if solutions:
        with_solutions(notebook)
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    client = NotebookClient(
        notebook,
        timeout=_CELL_TIMEOUT_S,
        kernel_name="python3",
        # Warnings of the kernel itself are not the lesson's.
        extra_arguments=["--IPKernelApp.log_level=40"],
        resources={"metadata": {"path": str(path.parent)}},
        **(hooks or {}),
    )
    begin = time.perf_counter()
    problem = ""
    try:
        client.execute()
    except CellExecutionError as error:
        problem = f"{error.ename}: {error.evalue or _line(error.traceback)}"
    except CellTimeoutError as error:
        problem = str(error).splitlines()[0]
    except RuntimeError as error:  # the kernel died: before it was ready, or in a cell
        problem = str(error)
        # nbclient would look for the kernel once more at the end of Python, and stumble.
        atexit.unregister(client._cleanup_kernel)
    seconds = time.perf_counter() - begin
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, output / path.name)
    claims = sum(isinstance(node, ast.Assert) for cell in code for node in _nodes(cell))
    exercises = sum("exercise" in cell.metadata.get("tags", ()) for cell in notebook.cells)
    outcomes = tuple(_outcomes(notebook))
    if solutions and not problem:
        wrong = [f"{number} is {state}" for number, state in outcomes if state != "Right"]
        problem = ", ".join(wrong) and f"with its solution {', '.join(wrong)}"
    return Result(path.stem, len(code), claims, exercises, seconds, problem, outcomes)


def _outcomes(notebook: Any) -> Iterable[tuple[str, str]]:
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            yield from _OUTCOME.findall(output.get("data", {}).get("text/plain", ""))


def _line(traceback: str) -> str:
    """The line of the lesson that a traceback points to: a bare assert says nothing else."""
    at = _AT.search(_COLOURS.sub("", traceback))
    return at[1].strip() if at else ""


def _nodes(source: str) -> Iterable[ast.AST]:
    try:
        return ast.walk(ast.parse(source))
    except SyntaxError:  # a cell with a magic
        return ()
