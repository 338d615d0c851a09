"""What commands write to the terminal, and the preparation that most of them begin with."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from kitlib.broker import _parts as parts
from kitlib.broker import _prepare
from kitlib.broker import _sweep as sweep

console = Console(highlight=False)


def print_line(line: str) -> None:
    """Print a line as it is: long paths stay whole, and brackets are no markup."""
    console.print(line, soft_wrap=True, markup=False)


@contextlib.contextmanager
def _progress() -> Iterator[parts.Progress]:
    """Progress bars in a terminal, plain lines elsewhere."""
    if not console.is_terminal:
        yield _prepare.print_step
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console) as bars:
        tasks = {}

        def show(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=total)
            bars.update(tasks[step], completed=done, total=total)

        yield show


def prepare() -> None:
    """Make what a broker starts from, and remove what ended ones left; exits if interrupted."""
    try:
        with _progress() as show:
            _prepare.prepare(show)
        sweep.sweep()
    except KeyboardInterrupt:
        click.echo(
            "kit: The preparation was interrupted.\nWhat was fetched and made already is kept.\n"
            "Run the same command again: it continues from there.", err=True,
        )  # fmt: skip
        sys.stdout.flush()
        os._exit(1)  # an ordinary exit would wait for the servers that a fetch waits for
