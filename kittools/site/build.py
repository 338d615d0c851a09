"""Builds the site: executes every lesson on a real broker, and makes pages of the result.

The words around the lessons are in `docs/`. A build executes the notebooks, lays out what Sphinx
reads, with the facts of that very run (see `pages`), and runs Sphinx with warnings as errors. The
folder it makes needs no server and no network. How a page looks is not decided here: that is
`docs/conf.py` and `docs/_static`.
"""

from __future__ import annotations

import datetime
import functools
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import nbformat

from kitlib.errors import KitError
from kittools import course
from kittools.site import pages

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build"
LESSONS = BUILD / "lessons"
SITE = BUILD / "site"
_KAFKA = re.compile(r"version +Apache Kafka (\d[\d.]*)")

Progress = Callable[[str], object]


def build(
    progress: Progress, *, again: bool = False, lessons: Path = LESSONS, target: Path = SITE
) -> Path:
    """Execute the lessons, build the site into `target`, and return that folder.

    progress: is given a line for each step. again: take the lessons that lie executed, with their
    facts, in the folder `lessons`, if it is complete; for work on the pages. Raises KitError for a
    lesson that fails or a warning of Sphinx.
    """
    source = BUILD / "pages"
    if not again or not (lessons / "facts.json").exists():
        shutil.rmtree(lessons, ignore_errors=True)
        execute(lessons, progress)
    progress("Making the pages ...")
    assemble(lessons, source)
    shutil.rmtree(target, ignore_errors=True)
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-q", "-W", "--keep-going", "-E"]
    ran = subprocess.run(
        [*command, "-j", "2", "-d", str(BUILD / "doctrees"), str(source), str(target)],
        capture_output=True, text=True, errors="replace", env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip
    if ran.returncode:
        raise KitError(
            "Sphinx could not make the pages", ran.stderr.strip()[-4000:], "Correct them in docs/."
        )
    spare = ("objects.inv", ".buildinfo", "_static/**/*.html", "_static/**/*.map")
    for path in [path for pattern in spare for path in target.glob(pattern)]:
        path.unlink()
    return target


def execute(folder: Path, progress: Progress) -> None:
    """Execute all lessons, two at a time; keep them with their outputs, and the facts, in `folder`.

    Raises KitError if a lesson fails, and as `keep_facts` does.
    """
    with ThreadPoolExecutor(2) as pool:
        results = []
        for result in pool.map(functools.partial(course.execute, output=folder), course.find()):
            progress(result.line())
            results.append(result)
    if failed := [result.line() for result in results if not result.passed]:
        raise KitError("A lesson failed", "\n".join(failed), "Run it alone: ./kit run NN.")
    keep_facts(folder, results)


def keep_facts(folder: Path, results: list[course.Result]) -> None:
    """Write the facts that the pages give about this run, beside the executed notebooks.

    Raises KitError if the brokers of the lessons do not agree on the version of Kafka.
    """
    executed = [path.read_text("utf-8") for path in sorted(folder.glob("*.ipynb"))]
    versions = {number for text in executed for number in _KAFKA.findall(text)}
    if len(versions) != 1:
        raise KitError(
            "The pages cannot say with which Kafka they were verified",
            f"The lessons show these versions: {', '.join(sorted(versions)) or 'none'}",
            "End the first cell of each lesson on `kafka`, which shows the version.",
        )
    day = datetime.datetime.now(datetime.UTC)
    facts = {
        "kafka": versions.pop(),
        "client": version("kafka-python"),
        "day": f"{day.day} {day:%B %Y}",
        "cores": os.cpu_count(),
        "lessons": {result.lesson: asdict(result) for result in results},
    }
    (folder / "facts.json").write_text(json.dumps(facts, indent=1), "utf-8")


def assemble(lessons: Path, source: Path) -> None:
    """Lay out in `source` what Sphinx reads: docs/, the lessons, the player and the facts."""
    facts = json.loads((lessons / "facts.json").read_text("utf-8"))
    facts["repository"] = _repository()
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(ROOT / "docs", source, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in ("_parts", "_notebooks"):
        (source / folder).mkdir()
    for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"):
        shutil.copy(ROOT / name, source / "_parts" / name)
    widgets, static = ROOT / "kitlib" / "widgets", source / "_static"
    shutil.copy(widgets / "timeline.css", static / "timeline.css")
    glue, component = static / "replay.js", widgets / "timeline.js"
    glue.write_text(player(component.read_text("utf-8"), glue.read_text("utf-8")), "utf-8")
    for path in course.find():
        shutil.copy(path, source / "_notebooks" / path.name)
        notebook = nbformat.read(lessons / path.name, as_version=4)
        facts["lessons"][path.stem] |= pages.facts_of(notebook)
        nbformat.write(pages.page(notebook, path.stem, facts), source / "lessons" / path.name)
    (source / "facts.json").write_text(json.dumps(facts), "utf-8")


def player(component: str, glue: str) -> str:
    """The live views' component as a classic script, for browsers load no module from disk."""
    body, exported = component.rsplit("export default", 1)
    return f"(() => {{\n{body}\nconst component = {exported.strip()}\n{glue}}})();\n"


def megabytes(folder: Path) -> float:
    """The size of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def _repository() -> str:
    """The address that this clone came from; "" if it is unknown."""
    command = ["git", "remote", "get-url", "origin"]
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""


def serve(folder: Path, progress: Progress) -> None:
    """Serve the site on loopback until Ctrl-C. progress: is given its address."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        progress(f"http://127.0.0.1:{server.server_port}/ (Ctrl-C ends it)")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            progress("Ended.")


def check(folder: Path) -> int:
    """Run `tests/browser/test_site.py` on every page; returns the exit status of pytest."""
    command = [sys.executable, "-m", "pytest", "-q", "tests/browser/test_site.py"]
    return subprocess.call(command, cwd=ROOT, env={**os.environ, "KIT_SITE": str(folder)})
