"""The command line: `kit lab, run, test, soak, docs, bundle, broker, doctor, bench, reset`.

Each command parses its options, calls the module that does the work and prints the outcome. The
set-up of the environment is not done here: the launcher `kit` does it before it hands over.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from kitlib.broker import _parts as parts
from kitlib.broker import _prepare as prepare
from kitlib.broker import _sweep as sweep
from kitlib.errors import KitError
from kittools.bench import _lab
from kittools.bench._table import COLUMNS, machine

ROOT = Path(__file__).parent.parent
console = Console(highlight=False)

_PASS_ON = {
    "ignore_unknown_options": True,
    "allow_extra_args": True,
    "help_option_names": ["--help"],
}
_AT_LEAST_1 = click.IntRange(min=1)
_MORE_THAN_0 = click.FloatRange(min=0, min_open=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Learn Apache Kafka on a real broker, in notebooks."""


def _print(line: str) -> None:
    """Print a line as it is: long paths stay whole, and brackets are no markup."""
    console.print(line, soft_wrap=True, markup=False)


@contextlib.contextmanager
def _progress() -> Iterator[parts.Progress]:
    """Progress bars in a terminal, plain lines elsewhere."""
    if not console.is_terminal:
        yield prepare.print_step
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console) as bars:
        tasks = {}

        def show(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=total)
            bars.update(tasks[step], completed=done, total=total)

        yield show


def _prepare() -> None:
    try:
        with _progress() as show:
            prepare.prepare(show)
        sweep.sweep()
    except KeyboardInterrupt:
        click.echo(
            "kit: The preparation was interrupted.\nWhat was fetched and made already is kept.\n"
            "Run the same command again: it continues from there.", err=True,
        )  # fmt: skip
        sys.stdout.flush()
        os._exit(1)  # an ordinary exit would wait for the servers that a fetch waits for


@cli.command(context_settings=_PASS_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def lab(arguments: tuple[str, ...]) -> None:
    """Open JupyterLab with the lessons; further arguments go to JupyterLab."""
    _prepare()
    settings = Path(sys.prefix) / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    # By default JupyterLab asks the network for news and updates at every start.
    news = {"fetchNews": "false", "checkForUpdates": False}
    settings.write_text(json.dumps({"@jupyterlab/apputils-extension:notification": news}), "utf-8")
    command = [sys.executable, "-m", "jupyterlab", "--LabApp.extension_manager=readonly"]
    command.append("--ServerApp.ip=127.0.0.1")
    ours = {
        "--ServerApp.root_dir": str(ROOT),
        "--LabApp.default_url": "/lab/tree/notebooks/00_start_here.ipynb",
    }
    # JupyterLab refuses a setting that is given twice, so the user's replaces ours.
    given = {argument.split("=")[0] for argument in arguments}
    command += [f"{name}={value}" for name, value in ours.items() if name not in given]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")  # in a container root is often the only user
    command += arguments
    if sys.platform == "win32":
        raise SystemExit(subprocess.call(command))
    os.execv(sys.executable, command)


@cli.command()
@click.argument("lessons", nargs=-1)
@click.option("--output", type=click.Path(path_type=Path), help="Keep the executed notebooks here.")
@click.option("--solutions", is_flag=True, help="Fill in the solutions of the exercises first.")
def run(lessons: tuple[str, ...], output: Path | None, solutions: bool) -> None:
    """Execute lessons (all, or those whose numbers are given) and sum up."""
    from kittools import course

    _prepare()
    results = []
    for path in course.find(lessons):
        console.print(f"{path.stem} ...")
        results.append(course.execute(path, output=output, solutions=solutions))
        _print(results[-1].line())
    table = Table("lesson", "cells", "claims asserted", "exercises", "seconds", "result")
    for result in results:
        table.add_row(*result.cells_of_table())
    console.print(table)
    raise SystemExit(0 if all(result.passed for result in results) else 1)


@cli.command()
@click.argument("lessons", nargs=-1)
@click.option("--rounds", default=20, type=_AT_LEAST_1, show_default=True, help="Of all lessons.")
@click.option("--hours", type=_MORE_THAN_0, help="Instead of rounds: begin lessons for so long.")
@click.option("--at-once", default=1, type=_AT_LEAST_1, show_default=True, help="Lessons at once.")
@click.option("--no-faults", is_flag=True, help="Only the lessons.")
@click.option("--no-lessons", is_flag=True, help="Only the faults.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=ROOT / "build" / "soak",
    help="Folder for the counts, and for lessons that failed.  [default: build/soak]",
)
def soak(
    lessons: tuple[str, ...],
    rounds: int,
    hours: float | None,
    at_once: int,
    no_faults: bool,
    no_lessons: bool,
    output: Path,
) -> None:
    """Try to break the kit for hours: every fault at full length, then the lessons in rounds."""
    from kittools import soak as soaking

    if no_faults and no_lessons:
        raise click.UsageError("--no-faults and --no-lessons together leave nothing to run.")
    _prepare()
    count = soaking.Count()
    begin = time.monotonic()
    status = 0 if no_faults else soaking.faults(count, output)
    if not no_lessons:
        if hours is not None:
            rounds = sys.maxsize
        until = float("inf") if hours is None else begin + 3600 * hours
        with contextlib.suppress(KeyboardInterrupt):  # the counts so far are still reported
            soaking.lessons(
                count, output, rounds, numbers=lessons, until=until, at_once=at_once,
                progress=_print,
            )  # fmt: skip
    table = Table("what", "runs", "failures")
    for row in count.rows():
        table.add_row(*map(str, row))
    console.print(table)
    for what, lines in [*count.skipped.items(), *count.failures.items()]:
        for line in lines:
            _print(f"{what}: {line}")
    output.mkdir(parents=True, exist_ok=True)
    (output / "soak.json").write_text(json.dumps(count.to_json(), indent=2) + "\n", "utf-8")
    if not count.runs:
        raise KitError(
            "Nothing was tested",
            "The soak ended before the first lesson did",
            "Give it more hours, and do not interrupt it.",
        )
    raise SystemExit(1 if status or count.failures else 0)


@cli.command(context_settings=_PASS_ON)
@click.option("--fast", is_flag=True, help="Leave out the slow tests: lessons, faults, browser.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def test(fast: bool, arguments: tuple[str, ...]) -> None:
    """Run all tests; further arguments go to pytest."""
    _prepare()
    status = 0
    if not arguments:
        for tool in (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]):
            console.print(" ".join(tool))
            status |= subprocess.call([sys.executable, "-m", *tool], cwd=ROOT)
    # Most tests wait for a broker, a session timeout or a kernel: two at once for each core.
    at_once = str(min(2 * (os.cpu_count() or 1), 8))
    several = () if arguments else ("-n", at_once, "--dist", "worksteal")
    options = [*several, *(["--fast"] if fast else []), *arguments]
    status |= subprocess.call([sys.executable, "-m", "pytest", *options], cwd=ROOT)
    raise SystemExit(status)


@cli.command()
@click.option("--serve", is_flag=True, help="Show the pages on this machine until Ctrl-C.")
@click.option("--check", is_flag=True, help="Look at every page in a browser (Chromium).")
@click.option("--again", is_flag=True, help="Take the lessons as last executed; for work on pages.")
def docs(serve: bool, check: bool, again: bool) -> None:
    """Build the site from lessons executed now, into build/site."""
    from kittools.site import build as site

    if check:
        _lab.required_chromium()  # before the minutes that the lessons take
    _prepare()
    folder = site.build(_print, again=again)
    _print(f"{folder / 'index.html'}: {site.megabytes(folder):.1f} MB")
    status = site.check(folder) if check else 0
    if serve:
        site.serve(folder, _print)
    raise SystemExit(status)


@cli.command()
def bundle() -> None:
    """Make an archive for machines of this kind without a network."""
    from kittools import bundle as archive

    _prepare()
    made = archive.make(_print)
    megabytes = made.stat().st_size / 1e6
    _print(f"{made}: {megabytes:.0f} MB. Unpack it on the other machine and run ./kit lab there.")


@cli.command()
def broker() -> None:
    """Run a broker in the foreground for other tools; Ctrl-C ends it."""
    from kitlib.broker import Broker

    _prepare()
    with Broker() as running, contextlib.suppress(KeyboardInterrupt):
        _print(f"Apache Kafka {running.version} at {running.bootstrap_servers}")
        _print(f"log: {running.log}\nCtrl-C ends it and deletes its topics.")
        status = running.node.process.wait()
        raise KitError(f"The broker has ended with status {status}", running.node.reason())
    console.print("The broker has ended.")


@cli.command()
def postgres() -> None:
    """Run a PostgreSQL in the foreground for the lessons' database; Ctrl-C ends it."""
    from kittools import postgres as server

    url = server.fresh_database()
    console.print(f"PostgreSQL at {url}", soft_wrap=True)
    console.print(
        f"Lessons use it with KIT_DATABASE_URL='{url}', or write kit.Database(...) with that "
        "address. Ctrl-C ends the server; its tables go with it.", soft_wrap=True,
    )  # fmt: skip
    with contextlib.suppress(KeyboardInterrupt):
        server.wait()
        raise KitError("PostgreSQL has ended", "", "Run `./kit postgres` again.")
    console.print("PostgreSQL has ended.")


@cli.command()
def doctor() -> None:
    """Check what a lesson needs: a line for each check, and a fix for each failure."""
    from kittools import doctor as checks

    status = 0
    for check in checks.run():
        _print(f"{'ok  ' if check.ok else 'FAIL'} {check.name}: {check.result}")
        if not check.ok:
            status = 1
            _print(f"     -> {check.fix}")
    raise SystemExit(status)


@cli.group()
def bench() -> None:
    """Measure the kit."""


def _benchmark(name: str, runs: int, text: str, *options: click.Option) -> None:
    """Add the command that measures with the function `name` of the module `kittools.bench.name`.

    runs: how often it measures by default. options: what that function takes besides runs.
    """

    def measure(runs: int, as_json: bool, **more: int) -> None:
        module = importlib.import_module(f"kittools.bench.{name}")
        if as_json:
            prepare.prepare(lambda step, done, total: None)
        else:
            _prepare()
        report = getattr(module, name)(runs, **more)
        if as_json:
            click.echo(json.dumps(report.to_json(), indent=2))
            return
        table = Table(*COLUMNS)
        for figure in report.figures:
            table.add_row(*figure.cells())
        console.print(table)
        _print(f"{report.how}; {machine()}")

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


@cli.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset(yes: bool) -> None:
    """Remove the kit's caches, logs and stale runs; the next command makes them anew."""
    folder = parts.cache_folder()
    swept = sweep.sweep()
    console.print(f"Stale runs removed: {len(swept)}")
    if not folder.exists():
        console.print("Nothing to remove: the cache is empty.")
        return
    megabytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) // 10**6
    if running := list((folder / "runs").glob("*")):
        raise KitError(
            f"Brokers of this kit are running: {len(running)}",
            "Their data lies in the folder that would be removed",
            "Close the notebooks first, then run `./kit reset` again.",
        )
    if yes or click.confirm(f"Remove {folder} ({megabytes} MB)?"):
        shutil.rmtree(folder)
        console.print("Removed. The next `./kit lab` fetches and makes the parts again.")


def main() -> None:
    """Run the command line; print a `KitError` as its sentences, without a trace."""
    try:
        cli(prog_name="kit")
    except KitError as error:
        click.echo(f"kit: {error}", err=True)
        raise SystemExit(1) from None
