"""Turns an executed notebook into the source of a page, and has what other pages substitute.

A page shows what the run showed, without what belongs to a kernel or to one machine. What the other
pages have between double braces comes from here, too; MyST puts it in (see `docs/conf.py`). Nothing
is executed or built here: that is `build`.
"""

from __future__ import annotations

import functools
import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat

from kitlib.broker import _parts as parts
from kitlib.errors import KitError
from kittools.bench._table import COLUMNS, Figure
from kittools.bench.course import PARTS

ROOT = Path(__file__).parents[2]
MEASURED = ROOT / "docs" / "measured"
_WIDGET = "application/vnd.jupyter.widget-view+json"
_MINUTES = re.compile(r"About (\d+) minutes")
_REPLAY = '<div class="kit-replay">'
_GITHUB = re.compile(r"(?:https://|ssh://git@|git@)github\.com[:/]([\w.-]+/[\w.-]+?)(?:\.git)?/?")


def facts_of(notebook: Any) -> dict[str, Any]:
    """The "title" of a lesson, the "minutes" it asks for, and its "replays", as in the notebook."""
    first = notebook.cells[0].source
    minutes = _MINUTES.search(first)
    return {
        "title": first.splitlines()[0].lstrip("# "),
        "minutes": int(minutes[1]) if minutes else 0,
        "replays": list(replays(notebook)),
    }


def replays(notebook: Any) -> Iterator[str]:
    """The players among the outputs of an executed notebook, as HTML."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            shown = output.get("data", {}).get("text/html", "")
            if shown.startswith(_REPLAY):
                yield shown


def page(notebook: Any, name: str, facts: dict[str, Any]) -> Any:
    """Make an executed notebook the source of a page, in place: facts and anchors, no widgets."""
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        cell.metadata["anchor"] = cell.id
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            data.pop(_WIDGET, None)
            for holder in (output, data):
                for key, value in holder.items():
                    if (key == "text" or key.startswith("text/")) and isinstance(value, str):
                        holder[key] = scrubbed(value)
    notebook.cells.insert(1, nbformat.v4.new_markdown_cell(_head(name, facts)))
    return notebook


def scrubbed(text: str) -> str:
    """The text with neutral names for the paths of the machine that ran the lessons."""
    for place, name in _places():
        text = re.sub(rf"(?<![\w.~-]){re.escape(place)}(?![\w-]|\.\w)", name, text)
    return text


@functools.cache
def _places() -> list[tuple[str, str]]:
    named = [
        (parts.cache_folder(), "~/.cache/kafka-notebook-kit"),
        (ROOT, "~/kafka-notebook-kit"),
        (Path(tempfile.gettempdir()), "~/scratch"),
        (Path.home(), "~"),
    ]
    return [(str(path).rstrip(os.sep), name) for path, name in named if len(path.parts) > 1]


def _head(name: str, facts: dict[str, Any]) -> str:
    lesson = facts["lessons"][name]
    return f"""```{{container}} kit-facts

**Time.** About {lesson["minutes"]} minutes to read, predict and solve, as we estimate. Executing
all cells took {lesson["seconds"]:.0f} s, as measured. **Needs.** No other lesson; the words are in
the [glossary](../glossary.md). **Verified** with Kafka {facts["kafka"]} and kafka-python
{facts["client"]}, on {facts["day"]}: {lesson["claims"]} claims asserted in {lesson["cells"]} cells.

{{download}}`Download the notebook </_notebooks/{name}.ipynb>` ·
[Open in Binder]({binder(facts["repository"], f"notebooks/{name}.ipynb") or "../install.md#binder"})
```
"""


def binder(repository: str, notebook: str) -> str:
    """The address that opens a notebook of a public repository in Binder; "" if not on GitHub."""
    on_github = _GITHUB.fullmatch(repository)
    path = notebook.replace("/", "%2F")
    return f"https://mybinder.org/v2/gh/{on_github[1]}/HEAD?labpath={path}" if on_github else ""


def substitutions(facts: dict[str, Any]) -> dict[str, Any]:
    """What the pages write between double braces, and MyST hands to Jinja.

    Each function returns Markdown or HTML, and raises KitError for what it does not know.
    """
    return {
        "facts": facts,
        "replay": functools.partial(replay, facts),
        "timings": functools.partial(timings, facts),
        "schedule": functools.partial(schedule, facts),
        "measured": measured,
        "spent": spent,
    }


def replay(facts: dict[str, Any], lesson: str) -> str:
    """The first player of a lesson, which starts by itself."""
    players = facts["lessons"].get(lesson, {}).get("replays")
    if not players:
        raise KitError(f"The lesson {lesson} shows no replay", "", "End a cell on kit.Replay(...).")
    return str(players[0]).replace(_REPLAY, '<div class="kit-replay" data-start="auto">', 1)


def timings(facts: dict[str, Any]) -> str:
    """A table of the lessons, with the minutes that we estimate and the seconds measured."""
    lines = [
        "| lesson | about, minutes | execution, seconds | cells | claims | exercises |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name, lesson in facts["lessons"].items():
        cells = [f"[{lesson['title']}](/lessons/{name}.ipynb)", lesson["minutes"]]
        cells += [f"{lesson['seconds']:.0f}", lesson["cells"], lesson["claims"]]
        lines.append(_row(*cells, lesson["exercises"]))
    return "\n".join(lines)


def _row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def schedule(facts: dict[str, Any], plan: str) -> str:
    """A timetable from nine o'clock on.

    plan: numbers of lessons, which take the minutes they ask for, and anything else as
    what:minutes, with spaces between.
    """
    lines, clock = ["| from | what | minutes |", "|---|---|--:|"], 9 * 60
    lessons = {name[:2]: (name, lesson) for name, lesson in facts["lessons"].items()}
    for part in plan.split():
        if part in lessons:
            name, lesson = lessons[part]
            what, minutes = f"[{lesson['title']}](/lessons/{name}.ipynb)", lesson["minutes"]
        else:
            what, minutes = part.split(":")
        lines.append(_row(f"{clock // 60:02}:{clock % 60:02}", what, minutes))
        clock += int(minutes)
    return "\n".join([*lines, f"| {clock // 60:02}:{clock % 60:02} | end | |"])


def measured(name: str, words: str = "") -> str:
    """The table of a benchmark, from the file that `kit bench all` wrote, and where it was taken.

    words: take only the rows whose names contain them.
    """
    report = _report(name)
    rows = [Figure.from_json(row).cells() for row in report["rows"] if words in row["what"]]
    if not rows:
        raise KitError(f"No figure of {name} has {words!r} in its name", "", f"See {MEASURED}.")
    lines = [_row(*COLUMNS), "|---|--:|--:|--:|---|", *(_row(*cells) for cells in rows)]
    return "\n".join([*lines, "", f"*{report['how']}. {report['machine']}; {report['day']}.*"])


def spent() -> str:
    """A table of the seconds of each lesson, and where they went."""
    medians = {row["what"]: row["median"] for row in _report("course")["rows"]}
    lines = [_row("seconds", *PARTS, "all"), "|---|" + "--:|" * (len(PARTS) + 1)]
    for name in dict.fromkeys(what.split(": ")[0] for what in medians):
        seconds = [medians[f"{name}: {part}"] for part in PARTS] + [medians[name]]
        lines.append(_row(name, *(f"{value:.1f}" for value in seconds)))
    return "\n".join(lines)


def _report(name: str) -> dict[str, Any]:
    path = MEASURED / f"{name}.json"
    if not path.exists():
        raise KitError(f"Nothing was measured as {name}", "", f"Run ./kit bench all {name}.")
    return dict(json.loads(path.read_text("utf-8")))
