"""What the pages are made from: facts, marks, paths, defaults. The pages themselves are looked at
in tests/browser."""

from __future__ import annotations

import json
import queue
import re
import tempfile
import threading
import urllib.request
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner
from kafka import KafkaConsumer, KafkaProducer

from kitlib.broker import _parts as parts
from kitlib.errors import KitError
from kittools import bundle, course
from kittools.bench._table import Figure, Report
from kittools.cli import bench, cli
from kittools.site import build as site
from kittools.site import pages as _pages

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


def test_marks_are_replaced_by_facts() -> None:
    assert _pages.filled("{{fact kafka}} {{total claims}}", FACTS) == "4.4.0 23"
    assert "| [06 Twice](/lessons/06_twice.ipynb) | 40 | 21 | 30 | 20 | 3 |" in _pages.filled(
        "{{timings}}", FACTS
    )
    assert _pages.filled("{{replay 06_twice}}", FACTS).startswith('<div class="kit-replay" data-')
    day = _pages.filled("{{schedule set-up:15 00 break:15 06}}", FACTS)
    assert "| 09:45 | [06 Twice](/lessons/06_twice.ipynb) | 40 |" in day
    assert day.endswith("| 10:25 | end | |")


def test_the_page_on_performance_shows_the_files_of_the_benchmarks() -> None:
    text = (ROOT / "docs" / "performance.md").read_text("utf-8")
    asked = set(re.findall(r"\{\{measured (\w+)", text))
    assert asked == {name for name in bench.commands if name != "all"}
    assert all(f"`./kit bench {name}" in text for name in asked)
    shown = _pages.filled(text, FACTS)
    for path in _pages.MEASURED.glob("*.json"):
        told = json.loads(path.read_text("utf-8"))
        assert path.stem in asked and f"{told['machine']}; {told['day']}" in shown
        rows = [row for row in told["rows"] if path.stem != "course" or "whole" in row["what"]]
        assert rows and all(f"| {row['what']} | " in shown for row in rows)
        assert all(row["values"] for row in told["rows"])
    lessons = [path.stem for path in course.find()]
    assert [name for name in lessons if f"\n| {name} | " not in shown] == []


def test_a_measured_table_has_median_spread_and_target(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(_pages, "MEASURED", tmp_path)
    report = Report([Figure("fast", "s", [3.0, 1.0, 2.0], 2.5), Figure("big", "MB", [200.0])], "3")
    (tmp_path / "start.json").write_text(json.dumps(report.to_json()), "utf-8")
    shown = _pages.filled("{{measured start}}", FACTS).splitlines()
    assert shown[2] == "| fast | 2.00 s | 1.00 to 3.00 | at most 2.50 s | yes |"
    assert shown[3] == "| big | 200 MB | 200 to 200 |  |  |"
    assert len(_pages.filled("{{measured start: bi}}", FACTS).splitlines()) == 5
    for wrong in ("{{measured proxy}}", "{{measured start: small}}"):
        with pytest.raises(KitError):
            _pages.filled(wrong, FACTS)


@pytest.mark.parametrize("text", ["{{nothing}}", "{{replay 00_start}}", "{{replay 99_none}}"])
def test_a_mark_that_means_nothing_ends_the_build(text: str) -> None:
    with pytest.raises(KitError):
        _pages.filled(text, FACTS)


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
    address = _pages.binder(repository, "notebooks/00_a.ipynb")
    assert address == (begins and f"{begins}notebooks%2F00_a.ipynb")


def test_a_page_names_no_place_of_this_machine() -> None:
    log = parts.cache_folder() / "logs" / "a.log"
    text = f"log {log}, in {ROOT / 'x'} and {Path(tempfile.gettempdir()) / 'y'}; {Path.home()}."
    shown = _pages.scrubbed(text)
    assert shown.startswith("log ~/.cache/kafka-notebook-kit/logs/a.log, in ~/kafka-notebook-kit/x")
    assert str(Path.home()) not in shown and tempfile.gettempdir() not in shown
    assert _pages.scrubbed(f"/mnt{Path.home()}-2/x") == f"/mnt{Path.home()}-2/x"


def test_a_page_keeps_what_was_shown_and_drops_what_needs_a_kernel() -> None:
    player = '<div class="kit-replay"><p>words</p></div>'
    data = {"text/html": player, "application/vnd.jupyter.widget-view+json": {"model_id": "x"}}
    cells = [
        nbformat.v4.new_markdown_cell("# 00 Start\n\nAbout 15 minutes."),
        nbformat.v4.new_code_cell("1", outputs=[nbformat.v4.new_output("display_data", data=data)]),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"widgets": {}})
    told = _pages.facts_of(notebook)
    assert told == {"title": "00 Start", "minutes": 15, "replays": [player]}
    page = _pages.page(notebook, "00_start", FACTS)
    assert "widgets" not in page.metadata
    assert page.cells[-1].outputs[0].data == {"text/html": player}
    assert page.cells[-1].metadata["anchor"] == page.cells[-1].id
    assert "took 5 s, as measured" in page.cells[1].source


def test_the_player_is_a_classic_script_around_the_component_of_the_live_views() -> None:
    component = (ROOT / "kitlib" / "widgets" / "timeline.js").read_text("utf-8")
    script = site.player(component, "mount(component);\n")
    assert not re.search(r"^\s*(?:export|import)\b", script, re.MULTILINE)
    assert "const component = { initialize, render };" in script


def test_the_cheat_sheet_s_defaults_are_the_client_s() -> None:
    text = (ROOT / "docs" / "cheat-sheet.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| `?([^|`]+?)`? \|", text, re.MULTILINE)
    units = {"": 1, "s": 1000, "minute": 60_000, "minutes": 60_000}
    assert len(rows) >= 10
    known = {**KafkaConsumer.DEFAULT_CONFIG, **KafkaProducer.DEFAULT_CONFIG}
    words = {"on": True, '"all"': -1, '"latest"': "latest"}
    for name, said in rows:
        number, _, unit = said.partition(" ")
        expected = words[said] if said in words else int(number) * units[unit]
        assert known[name] == expected, name


def test_each_lesson_says_how_long_it_takes() -> None:
    for path in course.find():
        assert 10 <= _pages.facts_of(nbformat.read(path, as_version=4))["minutes"] <= 60, path.name


def test_a_bundle_holds_the_packages_of_every_patch_version() -> None:
    locked = "\n".join(
        [
            "one==1.0 \\\n    --hash=sha256:aa\n    # via kit",
            "two==1.0 ; python_full_version < '3.0' \\\n    --hash=sha256:bb",
            "old==1.0 ; python_full_version < '3.99.5' \\\n    --hash=sha256:cc",
            "new==1.0 ; python_full_version >= '3.1' \\\n    --hash=sha256:dd",
            "new==2.0 ; python_full_version >= '3.2' \\\n    --hash=sha256:ee",
        ]
    )
    first, second = bundle.wanted(locked)
    assert re.findall(r"^(\w+==\S+) \\$", first, re.MULTILINE) == [
        "one==1.0",
        "old==1.0",
        "new==1.0",
    ]
    assert second == "new==2.0 \\\n    --hash=sha256:ee"


def test_kit_docs_builds_then_checks_and_tells_what_the_check_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "index.html").write_bytes(b"x" * 2_500_000)
    asked = []

    def build(say: site.Say, *, again: bool) -> Path:
        asked.append(again)
        return tmp_path

    monkeypatch.setattr(site, "build", build)
    monkeypatch.setattr(site, "check", lambda folder: 3)
    done = CliRunner().invoke(cli, ["docs", "--again", "--check"])
    assert (done.exit_code, asked) == (3, [True])
    assert "2.5 MB" in done.output
    assert CliRunner().invoke(cli, ["docs"]).exit_code == 0


def test_the_site_is_served_on_loopback(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("hello")
    said: queue.Queue[str] = queue.Queue()
    threading.Thread(target=site.serve, args=(tmp_path, said.put), daemon=True).start()
    address = said.get(timeout=10).split()[0]
    assert address.startswith("http://127.0.0.1:")
    with urllib.request.urlopen(address) as reply:
        assert reply.read() == b"hello"
