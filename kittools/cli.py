"""The command line, `kit`: lab, run, test, soak, docs, bundle, broker, postgres, doctor and reset.

Each command parses its options, calls the module that does the work and prints the outcome. The
set-up of the environment is not done here: the launcher `kit` does it before it hands over, or an
installer that put the kit among its packages. The commands of `kit bench` are in `bench/_commands`.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import click
from rich.table import Table

from kitlib.broker import _parts as parts
from kitlib.broker import _sweep as sweep
from kitlib.errors import COMMAND, KitError
from kittools import handout, limits
from kittools._surroundings import settle
from kittools._terminal import console, prepare, print_line
from kittools.bench import _lab
from kittools.bench._commands import bench

ROOT = Path(__file__).parent.parent
# What these work with, the tests, the pages and the locks, is in a clone only.
_NEED_CLONE = {"bench", "bundle", "docs", "soak", "test"}
_NOT_WRITTEN = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC)
_PASS_ON = {
    "ignore_unknown_options": True,
    "allow_extra_args": True,
    "help_option_names": ["--help"],
}
_AT_LEAST_1 = click.IntRange(min=1)
_MORE_THAN_0 = click.FloatRange(min=0, min_open=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.pass_context
def cli(context: click.Context) -> None:
    """Learn Apache Kafka on a real broker, in notebooks."""
    limits.expect_enough()
    name = context.invoked_subcommand
    if name in _NEED_CLONE and not handout.IN_CLONE:
        raise KitError(
            f"`kit {name}` works in a clone of the repository only",
            "The kit was installed here as a package, which has the lessons and what they need, "
            "but not the tests, pages and locks that this command works with",
            "Run it in a clone, with the launcher in that folder, `./kit`.",
        )
    if name in _NEED_CLONE - {"bundle"} and find_spec("pytest") is None:
        raise KitError(
            f"`kit {name}` needs packages that are not installed",
            "Tests, pages and measurements need more packages than the lessons do",
            "Run it with the launcher of the clone, `./kit`, which installs them.",
        )
    if os.environ.get("KIT_CACHE_DIR"):  # a kernel runs in another folder
        os.environ["KIT_CACHE_DIR"] = str(parts.cache_folder())


@cli.command(context_settings=_PASS_ON)
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    help="Work on copies of the lessons in this folder; what you changed there is kept.  [default: "
    f"in a clone its own notebooks, elsewhere {handout.FOLDER} in the current folder]",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def lab(folder: Path | None, arguments: tuple[str, ...]) -> None:
    """Open JupyterLab with the lessons; further arguments go to JupyterLab."""
    root, first = ROOT, f"notebooks/{handout.FIRST}"
    if folder or not handout.IN_CLONE:
        root, first = (folder or handout.folder()).expanduser().absolute(), handout.FIRST
        handout.hand_out(root, print_line)
        print_line(f"The lessons are in {root}.")
    prepare()
    if root == ROOT and not os.access(ROOT / "notebooks", os.W_OK):
        print_line(
            f"{ROOT} cannot be written, so changes to the lessons cannot be saved there. To keep"
            f" your work, run {COMMAND} lab --folder FOLDER with a folder that you can write to."
        )
    command = [sys.executable, "-m", "jupyterlab", "--LabApp.extension_manager=readonly"]
    command.append("--ServerApp.ip=127.0.0.1")
    ours = {
        "--ServerApp.root_dir": str(root),
        "--LabApp.default_url": f"/lab/tree/{first}",
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

    prepare()
    results = []
    for path in course.find(lessons):
        console.print(f"{path.stem} ...")
        results.append(course.execute(path, output=output, solutions=solutions))
        print_line(results[-1].line())
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
@click.option("--machines", is_flag=True, help="Only the machines of tests/helpers/machines.py.")
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
    machines: bool,
    output: Path,
) -> None:
    """Try to break the kit for hours: every fault at full length, then the lessons in rounds."""
    from kittools import soak as soaking

    if no_faults and no_lessons:
        raise click.UsageError("--no-faults and --no-lessons together leave nothing to run.")
    if machines and (no_faults or lessons):
        raise click.UsageError("--machines tries machines only, not lessons, and no other faults.")
    prepare()
    count = soaking.Count()
    begin = time.monotonic()
    tests = soaking.MACHINES if machines else soaking.FAULTS
    status = 0 if no_faults else soaking.faults(count, output, tests)
    if not no_lessons and not machines:
        if hours is not None:
            rounds = sys.maxsize
        until = float("inf") if hours is None else begin + 3600 * hours
        with contextlib.suppress(KeyboardInterrupt):  # the counts so far are still reported
            soaking.lessons(
                count, output, rounds, numbers=lessons, until=until, at_once=at_once,
                progress=print_line,
            )  # fmt: skip
    table = Table("what", "runs", "failures")
    for row in count.rows():
        table.add_row(*map(str, row))
    console.print(table)
    for what, lines in [*count.skipped.items(), *count.failures.items()]:
        for line in lines:
            print_line(f"{what}: {line}")
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
    prepare()
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
    prepare()
    folder = site.build(print_line, again=again)
    print_line(f"{folder / 'index.html'}: {site.megabytes(folder):.1f} MB")
    status = site.check(folder) if check else 0
    if serve:
        site.serve(folder, print_line)
    raise SystemExit(status)


@cli.command()
def bundle() -> None:
    """Make an archive for machines of this kind without a network."""
    from kittools import bundle as archive

    prepare()
    made = archive.make(print_line)
    megabytes = made.stat().st_size / 1e6
    print_line(
        f"{made}: {megabytes:.0f} MB. Unpack it on the other machine and run ./kit lab there."
    )


@cli.command()
def broker() -> None:
    """Run a broker in the foreground for other tools; Ctrl-C ends it."""
    from kitlib.broker import Broker

    prepare()
    with Broker() as running, contextlib.suppress(KeyboardInterrupt):
        print_line(f"Apache Kafka {running.version} at {running.bootstrap_servers}")
        print_line(f"log: {running.log}\nCtrl-C ends it and deletes its topics.")
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
        print_line(f"{'ok  ' if check.ok else 'FAIL'} {check.name}: {check.result}")
        if not check.ok:
            status = 1
            print_line(f"     -> {check.fix}")
    raise SystemExit(status)


cli.add_command(bench)


@cli.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset(yes: bool) -> None:
    """Remove the kit's caches, logs and stale runs; the next command makes them anew."""
    folder = parts.cache_folder()
    for kept in (Path.home(), ROOT, Path(sys.prefix)):
        if kept.resolve().is_relative_to(folder.resolve()):
            raise KitError(
                f"The cache folder {folder} holds more than a cache",
                f"{kept} is in it and would be removed with it",
                "Name a folder of the kit's own in KIT_CACHE_DIR, and remove the cache by hand.",
            )
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
        for path in list(folder.iterdir()):
            parts.remove(path)
        with contextlib.suppress(OSError):  # a link to another disk stays
            folder.rmdir()
        console.print(f"Removed. The next `{COMMAND} lab` fetches and makes the parts again.")


def main() -> None:
    """Run the command line; print a `KitError` as its sentences, without a trace."""
    try:
        settle()
        cli(prog_name="kit")
    except KitError as error:
        click.echo(f"kit: {error}", err=True)
    except OSError as error:
        if error.errno not in _NOT_WRITTEN:
            raise
        click.echo(
            f"kit: A file or folder cannot be written.\n{error}\nMake it writable, or copy the"
            " kit's folder to a place of your own, and run it again.",
            err=True,
        )
    raise SystemExit(1)
