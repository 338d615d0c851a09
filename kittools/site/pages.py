"""Turns an executed notebook into the source of a page, and fills facts into the other pages.

A page shows what the run showed, without what belongs to a kernel or to one machine. It does not
execute and does not build: that is `site`.
"""

from __future__ import annotations

import functools
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator
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
_MARK = re.compile(r"\{\{(\w+)(?: ([\w.:, -]+))?\}\}")
_GITHUB = re.compile(r"(?:https://|ssh://git@|git@)github\.com[:/]([\w.-]+/[\w.-]+?)(?:\.git)?/?")


def facts_of(notebook: Any) -> dict[str, Any]:
    """What a lesson says of itself: its title, the minutes it asks for, and its players."""
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
    """An executed notebook as the source of a page: with facts and anchors, without widgets."""
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
    """A text without the paths of the machine that ran the lessons."""
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
    found = _GITHUB.fullmatch(repository)
    place = notebook.replace("/", "%2F")
    return f"https://mybinder.org/v2/gh/{found[1]}/HEAD?labpath={place}" if found else ""


def filled(text: str, facts: dict[str, Any]) -> str:
    """A page with its marks, such as {{timings}} or {{replay 06_duplicates}}, replaced."""

    def fill(mark: re.Match[str]) -> str:
        if mark[1] not in _FILL:
            raise KitError(f"Nothing is known as {mark[0]}", "", f"There are {', '.join(_FILL)}.")
        return _FILL[mark[1]](facts, mark[2] or "")

    return _MARK.sub(fill, text)


def _replay(facts: dict[str, Any], lesson: str) -> str:
    """The first player of a lesson."""
    found = facts["lessons"].get(lesson, {}).get("replays")
    if not found:
        raise KitError(f"The lesson {lesson} shows no replay", "", "End a cell on kit.Replay(...).")
    return str(found[0]).replace(_REPLAY, '<div class="kit-replay" data-start="auto">', 1)


def _timings(facts: dict[str, Any], _: str) -> str:
    """A table of the lessons with their measured and estimated times."""
    lines = [
        "| lesson | about, minutes | execution, seconds | cells | claims | exercises |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name, one in facts["lessons"].items():
        numbers = (
            one["minutes"], f"{one['seconds']:.0f}", one["cells"], one["claims"], one["exercises"]
        )  # fmt: skip
        linked = f"[{one['title']}](/lessons/{name}.ipynb)"
        lines.append(f"| {linked} | " + " | ".join(map(str, numbers)) + " |")
    return "\n".join(lines)


def _schedule(facts: dict[str, Any], plan: str) -> str:
    """A timetable: numbers of lessons, which take the minutes they claim, and other:minutes."""
    lines, clock = ["| from | what | minutes |", "|---|---|--:|"], 9 * 60
    for part in plan.split():
        what, _, given = part.partition(":")
        name = next((name for name in facts["lessons"] if name.startswith(f"{part}_")), "")
        minutes = int(given) if given else facts["lessons"][name]["minutes"]
        shown = what if given else f"[{facts['lessons'][name]['title']}](/lessons/{name}.ipynb)"
        lines.append(f"| {clock // 60:02}:{clock % 60:02} | {shown} | {minutes} |")
        clock += minutes
    return "\n".join([*lines, f"| {clock // 60:02}:{clock % 60:02} | end | |"])


def _measured(_: dict[str, Any], wanted: str) -> str:
    """The table of a benchmark, from the file that `kit bench all` wrote, and where it came from.

    "name: words" gives only the rows whose names contain these words.
    """
    name, words = (*wanted.split(": "), "")[:2]
    told = _told(name)
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---|--:|--:|--:|---|"]
    for row in told["rows"]:
        if words in row["what"]:
            lines.append("| " + " | ".join(Figure.from_json(row).cells()) + " |")
    if len(lines) == 2:
        raise KitError(
            f"The figures of {name} hold none with {words!r}", "", "Look into docs/measured."
        )
    return "\n".join([*lines, "", f"*{told['how']}. {told['machine']}; {told['day']}.*"])


def _told(name: str) -> dict[str, Any]:
    """What `kit bench all` wrote of a benchmark. Raises KitError if it did not."""
    path = MEASURED / f"{name}.json"
    if not path.exists():
        raise KitError(f"Nothing is measured as {name}", "", f"Run ./kit bench all {name}.")
    return dict(json.loads(path.read_text("utf-8")))


def _spent(*_: object) -> str:
    """A table of the seconds of each lesson, and what they were spent on."""
    medians = {row["what"]: row["median"] for row in _told("course")["rows"]}
    names = list(dict.fromkeys(name.split(": ")[0] for name in medians))
    lines = [f"| seconds | {' | '.join(PARTS)} | all |", "|---|" + "--:|" * (len(PARTS) + 1)]
    for name in names:
        cells = [medians[f"{name}: {part}"] for part in PARTS] + [medians[name]]
        lines.append(f"| {name} | " + " | ".join(f"{cell:.1f}" for cell in cells) + " |")
    return "\n".join(lines)


def _total(facts: dict[str, Any], what: str) -> str:
    return f"{sum(one[what] for one in facts['lessons'].values()):.0f}"


_FILL: dict[str, Callable[[dict[str, Any], str], str]] = {
    "replay": _replay,
    "timings": _timings,
    "schedule": _schedule,
    "total": _total,
    "measured": _measured,
    "spent": _spent,
    "fact": lambda facts, name: str(facts[name]),
}
