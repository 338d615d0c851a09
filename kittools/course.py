"""Executes lessons: finds the notebooks, fills in solutions, runs them headless, counts claims.

A lesson fails when a cell raises, and when an exercise is not right with its solution; a line says
why. Nothing else is judged here: the claims are the assertions in the lessons themselves.
"""

from __future__ import annotations

import ast
import atexit
import os
import re
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
from traitlets.config import Config

from kitlib.errors import KitError
from kittools.handout import NOTEBOOKS

_CELL_TIMEOUT_S = 600  # a cell that hangs; on a busy machine some take a minute or two
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_AT = re.compile(r"^-+> *\d+ (.*)$", re.MULTILINE)
_OUTCOME = re.compile(r"Exercise (\d\d\.\d+): (Right|Not yet|Open)\.")
_EXERCISE = re.compile(r"#\s*Exercise (\d\d\.\d+)")
_SOLUTION = re.compile(r"<summary>\s*Solution (\d\d\.\d+).*?```python\n(.*?)```", re.DOTALL)


@dataclass(frozen=True)
class Result:
    """The outcome of a lesson.

    cells, claims, exercises: how many code cells, assert statements and exercises it has. seconds:
    for all of it, the start and end of the kernel included. problem: "" if it passed. outcomes: the
    number and answer ("Right", "Not yet", "Open") of each check of an exercise that was executed.
    """

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
        """A line for the terminal."""
        outcome = "passed" if self.passed else f"failed: {self.problem}"
        return f"{self.lesson}: {outcome} ({self.seconds:.1f} s)"

    def cells_of_table(self) -> tuple[str, ...]:
        """The row of this lesson in the summary of `kit run`."""
        numbers = (str(self.cells), str(self.claims), str(self.exercises), f"{self.seconds:.1f}")
        return (self.lesson, *numbers, "passed" if self.passed else "failed")


def find(numbers: Iterable[str] = ()) -> list[Path]:
    """The notebooks of the lessons with these numbers ("06" or "6"), or of all, in order.

    Raises KitError for a number without a lesson, and if there is no lesson at all.
    """
    lessons = {path.name[:2]: path for path in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))}
    if not lessons:
        raise KitError("No lessons to execute", f"{NOTEBOOKS} holds none", "Install the kit again.")
    wanted = [number.zfill(2) for number in numbers] or list(lessons)
    if unknown := [number for number in wanted if number not in lessons]:
        raise KitError(
            f"No lesson has the number {', '.join(unknown)}",
            "",
            f"The lessons are {', '.join(lessons)}.",
        )
    return [lessons[number] for number in wanted]


def with_solutions(notebook: Any) -> Any:
    """Replace the cells of a notebook's exercises by its folded solutions; returns the notebook.

    Raises KitError for an exercise without a solution.
    """
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
    """Execute a lesson in a kernel of its own; keep it with its outputs in the folder `output`.

    solutions: fill them in first; an exercise whose check then does not answer "Right", or does not
    answer at all, is a problem. hooks: functions that nbclient calls on the way, by its names for
    them, such as on_cell_executed. A lesson that fails raises nothing: see `Result.problem`.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError

    notebook = nbformat.read(path, as_version=4)
    if solutions:
        with_solutions(notebook)
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    begin = time.perf_counter()
    problem = ""
    with TemporaryDirectory(prefix="kit-kernel-", ignore_cleanup_errors=True) as folder:
        client = NotebookClient(
            notebook,
            timeout=_CELL_TIMEOUT_S,
            kernel_name="python3",
            config=kernel_config(folder),
            # Warnings of the kernel itself are not the lesson's.
            extra_arguments=["--IPKernelApp.log_level=40"],
            resources={"metadata": {"path": str(path.parent)}},
            **(hooks or {}),
        )
        try:
            client.execute()
        except CellExecutionError as error:
            problem = f"{error.ename}: {error.evalue or _line(error.traceback)}{_told(notebook)}"
        except CellTimeoutError as error:
            problem = str(error).splitlines()[0]
        except RuntimeError as error:  # the kernel died, before it was ready or in a cell
            problem = str(error)
            # At exit nbclient would look for the dead kernel once more, and print a trace.
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
        if wrong:
            problem = f"with its solution {', '.join(wrong)}"
        elif len(outcomes) < exercises:
            problem = f"with its solutions only {len(outcomes)} of {exercises} exercises answered"
    return Result(path.stem, len(code), claims, exercises, seconds, problem, outcomes)


def kernel_config(folder: str) -> Config:
    """Have the kernel listen on sockets in a folder of its own, where the system has such sockets.

    Jupyter chooses ports by trying which are free. Until the kernel listens, a broker or another
    kernel may have taken one of them, and the kernel then hangs.
    """
    # The path of a socket has at most some hundred bytes.
    if sys.platform == "win32" or len(os.fsencode(folder)) > 80:
        return Config()
    place = {"transport": "ipc", "connection_file": os.path.join(folder, "kernel.json")}
    return Config(ConnectionFileMixin=place)


def _outcomes(notebook: Any) -> Iterable[tuple[str, str]]:
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            yield from _OUTCOME.findall(output.get("data", {}).get("text/plain", ""))


def _told(notebook: Any) -> str:
    """What the kit said of the broker below the error, in a line of its own."""
    texts = [
        output.text
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if output.output_type == "stream" and output.name == "stderr"
    ]
    return "\n" + texts[-1].strip() if texts and texts[-1].startswith("The broker") else ""


def _line(traceback: str) -> str:
    """The line of the lesson that a traceback points to, for a bare assert has no message."""
    at = _AT.search(_COLOURS.sub("", traceback))
    return at[1].strip() if at else ""


def _nodes(source: str) -> Iterable[ast.AST]:
    try:
        return ast.walk(ast.parse(source))
    except SyntaxError:  # a cell with a magic
        return ()
