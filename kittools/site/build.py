"""Builds the site: runs every lesson on a real broker, and makes pages of what came out.

The words around the lessons are in `docs/`. A build executes the notebooks, puts facts of that very
run into the pages (`_pages`), and hands all to Sphinx, for which a warning is an error. The folder
that comes out needs no server and no network. How a page looks is not decided here: that is
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
from kittools.site import pages as _pages

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build"
LESSONS = BUILD / "lessons"
SITE = BUILD / "site"
_KAFKA = re.compile(r"version +Apache Kafka (\d[\d.]*)")

Say = Callable[[str], None]


def build(say: Say, *, again: bool = False, lessons: Path = LESSONS, target: Path = SITE) -> Path:
    """Execute the lessons, build the site into `target`, and return that folder.

    again: take the lessons as they lie executed in the folder `lessons`, with their facts, where
    that is complete; for work on the pages. Raises KitError for a lesson that fails and for a
    warning of Sphinx.
    """
    source = BUILD / "pages"
    if not again or not (lessons / "facts.json").exists():
        shutil.rmtree(lessons, ignore_errors=True)
        execute(lessons, say)
    say("Making the pages ...")
    assemble(lessons, source)
    shutil.rmtree(target, ignore_errors=True)
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-q", "-W", "--keep-going", "-E"]
    ran = subprocess.run(
        [*command, "-j", "2", "-d", str(BUILD / "doctrees"), str(source), str(target)],
        capture_output=True, text=True, errors="replace", env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip
    if ran.returncode:
        raise KitError("The pages cannot be made", ran.stderr.strip()[-4000:], "Mend docs/.")
    spare = ("objects.inv", ".buildinfo", "_static/**/*.html", "_static/**/*.map")
    for path in [path for pattern in spare for path in target.glob(pattern)]:
        path.unlink()
    return target


def execute(folder: Path, say: Say) -> None:
    """Run all lessons, two at a time, and keep what they showed and what was measured.

    Raises KitError when one fails, and as `keep_facts` does.
    """
    with ThreadPoolExecutor(2) as pool:
        results = []
        for result in pool.map(functools.partial(course.execute, output=folder), course.find()):
            say(result.line())
            results.append(result)
    if failed := [result.line() for result in results if not result.passed]:
        raise KitError("A lesson does not run", "\n".join(failed), "`./kit run NN` shows more.")
    keep_facts(folder, results)


def keep_facts(folder: Path, results: list[course.Result]) -> None:
    """Write down what the pages say of this run of the lessons, beside the executed notebooks.

    Raises KitError when the brokers of the lessons do not agree on Kafka's version.
    """
    told = [path.read_text("utf-8") for path in sorted(folder.glob("*.ipynb"))]
    found = {number for text in told for number in _KAFKA.findall(text)}
    if len(found) != 1:
        raise KitError(
            "The pages cannot say with which Kafka they were verified",
            f"The brokers of the lessons said {sorted(found) or 'nothing'}",
            "A lesson ends its first cell on `kafka`, which shows the version.",
        )
    day = datetime.datetime.now(datetime.UTC)
    facts = {
        "kafka": found.pop(),
        "client": version("kafka-python"),
        "day": f"{day.day} {day:%B %Y}",
        "cores": os.cpu_count(),
        "lessons": {result.lesson: asdict(result) for result in results},
    }
    (folder / "facts.json").write_text(json.dumps(facts, indent=1), "utf-8")


def assemble(lessons: Path, source: Path) -> None:
    """Lay out what Sphinx reads: docs/, the executed lessons, the player, and the facts."""
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
        facts["lessons"][path.stem] |= _pages.facts_of(notebook)
        nbformat.write(_pages.page(notebook, path.stem, facts), source / "lessons" / path.name)
    (source / "facts.json").write_text(json.dumps(facts), "utf-8")
    for path in source.rglob("*.md"):
        path.write_text(_pages.filled(path.read_text("utf-8"), facts), "utf-8")


def player(component: str, glue: str) -> str:
    """The component of the live views as a classic script: a browser takes no module from disk."""
    body, exported = component.rsplit("export default", 1)
    return f"(() => {{\n{body}\nconst component = {exported.strip()}\n{glue}}})();\n"


def megabytes(folder: Path) -> float:
    """The size of all files of a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def _repository() -> str:
    """Where this clone came from; "" when it does not say."""
    asked = ["git", "remote", "get-url", "origin"]
    try:
        return subprocess.run(asked, cwd=ROOT, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""


def serve(folder: Path, say: Say) -> None:
    """Show the site on this machine until Ctrl-C."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        say(f"http://127.0.0.1:{server.server_port}/ (Ctrl-C ends it)")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("Ended.")


def check(folder: Path) -> int:
    """Look at every page in a browser, as `tests/browser/test_site.py` does; the exit status."""
    command = [sys.executable, "-m", "pytest", "-q", "tests/browser/test_site.py"]
    return subprocess.call(command, cwd=ROOT, env={**os.environ, "KIT_SITE": str(folder)})
