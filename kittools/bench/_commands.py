"""The commands of `kit bench`: one for each benchmark, and one that writes them all down."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import click
from rich.table import Table

from kitlib.broker import _prepare
from kitlib.errors import KitError
from kittools._terminal import console, prepare, print_line
from kittools.bench._table import COLUMNS, machine

ROOT = Path(__file__).parents[2]
_AT_LEAST_1 = click.IntRange(min=1)


@click.group()
def bench() -> None:
    """Measure the kit."""


def _benchmark(name: str, runs: int, text: str, *options: click.Option) -> None:
    """Add the command that measures with the function `name` of the module `kittools.bench.name`.

    runs: how often it measures by default. options: what that function takes besides runs.
    """

    def measure(runs: int, as_json: bool, **more: int) -> None:
        module = importlib.import_module(f"kittools.bench.{name}")
        if as_json:
            _prepare.prepare(lambda step, done, total: None)
        else:
            prepare()
        report = getattr(module, name)(runs, **more)
        if as_json:
            click.echo(json.dumps(report.to_json(), indent=2))
            return
        table = Table(*COLUMNS)
        for figure in report.figures:
            table.add_row(*figure.cells())
        console.print(table)
        print_line(f"{report.how}; {machine()}")

    how_often = click.Option(
        ["--runs"], default=runs, type=_AT_LEAST_1, show_default=True, help="How often to measure."
    )
    as_json = click.Option(["--json", "as_json"], is_flag=True, help="Print JSON, not a table.")
    bench.add_command(
        click.Command(name, callback=measure, params=[how_often, as_json, *options], help=text)
    )


_COLD = click.Option(
    ["--cold"], default=0, type=click.IntRange(min=0),
    help="Measure this many fresh clones with empty caches, too; needs a network.",
)  # fmt: skip
_benchmark("start", 10, "Time to the first acknowledged record, against the stock way.", _COLD)
_benchmark("proxy", 10, "Latency and throughput through the fault proxy, and without it.")
_benchmark("clients", 5, "Records a second of kafka-python, confluent-kafka and aiokafka.")
_benchmark("journal", 10, "What recording costs a client, and rows a second.")
_benchmark("plots", 5, "Seconds and memory for pictures of up to a million records.")
_benchmark("live", 3, "Frames a second of a live view, in JupyterLab in Chromium.")
_benchmark("course", 1, "Seconds that each lesson takes to execute.")


@bench.command(name="all")
@click.argument("names", nargs=-1)
@click.option("--runs", type=_AT_LEAST_1, help="How often each measures.")
def all_(names: tuple[str, ...], runs: int | None) -> None:
    """Write all benchmarks, or those named, into docs/measured, for the page on performance."""
    folder = ROOT / "docs" / "measured"
    folder.mkdir(exist_ok=True)
    known = [name for name in bench.commands if name != "all"]
    if unknown := [name for name in names if name not in known]:
        raise KitError(
            f"No benchmark is called {unknown[0]}", "", f"The benchmarks are {', '.join(known)}."
        )
    for name in names or known:
        console.print(f"kit bench {name} --json ...")
        command = [sys.executable, "-m", "kittools", "bench", name, "--json"]
        command += [] if runs is None else ["--runs", str(runs)]
        command += ["--cold", "3"] if name == "start" else []
        ran = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        if ran.returncode:
            raise KitError(
                f"kit bench {name} failed",
                "It says why above",
                "What was measured before it is kept.",
            )
        (folder / f"{name}.json").write_text(ran.stdout, "utf-8")
