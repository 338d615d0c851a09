"""What the pages are made from: facts, tables, paths, defaults.

The pages themselves are looked at in tests/browser.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import jinja2
import nbformat
import pytest
from kafka import KafkaConsumer, KafkaProducer

from kitlib.broker import _parts as parts
from kitlib.errors import KitError
from kittools import course
from kittools.bench._table import Figure, Report
from kittools.cli import bench
from kittools.site import pages

ROOT = Path(__file__).parents[4]
FACTS = {
    "kafka": "4.4.0", "client": "3.0.12", "day": "1 May 2026", "cores": 2, "repository": "",
    "lessons": {
        "00_start": {"title": "00 Start", "minutes": 15, "seconds": 4.6, "cells": 9, "claims": 3,
                     "exercises": 2, "replays": []},
        "06_twice": {"title": "06 Twice", "minutes": 40, "seconds": 21.2, "cells": 30, "claims": 20,
                     "exercises": 3, "replays": ['<div class="kit-replay"><p>x</p></div>']},
    },
}  # fmt: skip


def filled(text: str) -> str:
    """A text with what its double braces stand for."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    return environment.from_string(text).render(pages.substitutions(FACTS))


def test_a_page_has_facts_and_tables() -> None:
    claims = '{{ facts.lessons.values() | sum(attribute="claims") }}'
    assert filled(f"{{{{ facts.kafka }}}} {claims}") == "4.4.0 23"
    assert "| [06 Twice](/lessons/06_twice.ipynb) | 40 | 21 | 30 | 20 | 3 |" in filled(
        "{{ timings() }}"
    )
    assert filled('{{ replay("06_twice") }}').startswith('<div class="kit-replay" data-')
    day = filled('{{ schedule("set-up:15 00 break:15 06") }}')
    assert "| 09:45 | [06 Twice](/lessons/06_twice.ipynb) | 40 |" in day
    assert day.endswith("| 10:25 | end | |")


def test_the_page_on_performance_shows_the_files_of_the_benchmarks() -> None:
    text = (ROOT / "docs" / "performance.md").read_text("utf-8")
    asked = set(re.findall(r'\{\{ measured\("(\w+)"', text))
    assert asked == {name for name in bench.commands if name != "all"}
    assert all(f"`./kit bench {name}" in text for name in asked)
    shown = filled(text)
    for path in pages.MEASURED.glob("*.json"):
        report = json.loads(path.read_text("utf-8"))
        assert path.stem in asked and f"{report['machine']}; {report['day']}" in shown
        rows = [row for row in report["rows"] if path.stem != "course" or "whole" in row["what"]]
        assert rows and all(f"| {row['what']} | " in shown for row in rows)
        assert all(row["values"] for row in report["rows"])
    lessons = [path.stem for path in course.find()]
    assert [name for name in lessons if f"\n| {name} | " not in shown] == []


def test_a_measured_table_has_median_spread_and_target(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pages, "MEASURED", tmp_path)
    report = Report([Figure("fast", "s", [3.0, 1.0, 2.0], 2.5), Figure("big", "MB", [200.0])], "3")
    (tmp_path / "start.json").write_text(json.dumps(report.to_json()), "utf-8")
    shown = pages.measured("start").splitlines()
    assert shown[2] == "| fast | 2.00 s | 1.00 to 3.00 | at most 2.50 s | yes |"
    assert shown[3] == "| big | 200 MB | 200 to 200 |  |  |"
    assert len(pages.measured("start", "bi").splitlines()) == 5
    for wrong in (("proxy",), ("start", "small")):
        with pytest.raises(KitError):
            pages.measured(*wrong)


CONF = """
import json, pathlib
from kittools.site import pages
extensions = ["myst_parser"]
myst_enable_extensions = ["substitution"]
myst_substitutions = pages.substitutions(json.loads(pathlib.Path("facts.json").read_text()))
"""


def test_substitutions_that_mean_nothing_end_the_build(tmp_path: Path) -> None:
    wrong = {
        "{{ nothing }}": "'nothing' is undefined",
        '{{ replay("00_start") }}': "The lesson 00_start shows no replay",
        '{{ replay("99_none") }}': "The lesson 99_none shows no replay",
    }
    (tmp_path / "conf.py").write_text(CONF, "utf-8")
    (tmp_path / "facts.json").write_text(json.dumps(FACTS), "utf-8")
    (tmp_path / "index.md").write_text("\n\n".join(["# A page", *wrong]), "utf-8")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-q",
        "-W",
        "--keep-going",
        "-b",
        "html",
        ".",
        "site",
    ]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 1
    for number, message in enumerate(wrong.values()):
        assert re.search(rf"index\.md:{3 + 2 * number}: .*{message}", ran.stderr), ran.stderr


@pytest.mark.parametrize(
    ("repository", "begins"),
    [
        ("https://github.com/some/kit.git", "https://mybinder.org/v2/gh/some/kit/HEAD?labpath="),
        ("https://github.com/some/kit", "https://mybinder.org/v2/gh/some/kit/HEAD?labpath="),
        ("git@github.com:some/k.it.git", "https://mybinder.org/v2/gh/some/k.it/HEAD?labpath="),
        ("https://example.edu/some/kit.git", ""),
        ("", ""),
    ],
)
def test_binder_s_address_comes_from_the_clone_s(repository: str, begins: str) -> None:
    address = pages.binder(repository, "notebooks/00_a.ipynb")
    assert address == (begins and f"{begins}notebooks%2F00_a.ipynb")


def test_a_page_names_no_place_of_this_machine() -> None:
    log = parts.cache_folder() / "logs" / "a.log"
    text = f"log {log}, in {ROOT / 'x'} and {Path(tempfile.gettempdir()) / 'y'}; {Path.home()}."
    shown = pages.scrubbed(text)
    assert shown.startswith("log ~/.cache/kafka-notebook-kit/logs/a.log, in ~/kafka-notebook-kit/x")
    assert str(Path.home()) not in shown and tempfile.gettempdir() not in shown
    assert pages.scrubbed(f"/mnt{Path.home()}-2/x") == f"/mnt{Path.home()}-2/x"


def test_a_page_keeps_what_was_shown_and_drops_what_needs_a_kernel() -> None:
    player = '<div class="kit-replay"><p>words</p></div>'
    data = {"text/html": player, "application/vnd.jupyter.widget-view+json": {"model_id": "x"}}
    cells = [
        nbformat.v4.new_markdown_cell("# 00 Start\n\nAbout 15 minutes."),
        nbformat.v4.new_code_cell("1", outputs=[nbformat.v4.new_output("display_data", data=data)]),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"widgets": {}})
    facts = pages.facts_of(notebook)
    assert facts == {"title": "00 Start", "minutes": 15, "replays": [player]}
    page = pages.page(notebook, "00_start", FACTS)
    assert "widgets" not in page.metadata
    assert page.cells[-1].outputs[0].data == {"text/html": player}
    assert page.cells[-1].metadata["anchor"] == page.cells[-1].id
    assert "took 5 s, as measured" in page.cells[1].source


def test_the_cheat_sheet_s_defaults_are_the_client_s() -> None:
    text = (ROOT / "docs" / "cheat-sheet.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| `?([^|`]+?)`? \|", text, re.MULTILINE)
    units = {"": 1, "s": 1000, "minute": 60_000, "minutes": 60_000}
    assert len(rows) >= 10
    known = {**KafkaConsumer.DEFAULT_CONFIG, **KafkaProducer.DEFAULT_CONFIG}
    words = {"on": True, '"all"': -1, '"latest"': "latest"}
    for name, shown in rows:
        number, _, unit = shown.partition(" ")
        expected = words[shown] if shown in words else int(number) * units[unit]
        assert known[name] == expected, name


def test_each_lesson_says_how_long_it_takes() -> None:
    for path in course.find():
        assert 10 <= pages.facts_of(nbformat.read(path, as_version=4))["minutes"] <= 60, path.name
