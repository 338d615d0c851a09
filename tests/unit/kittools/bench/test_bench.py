"""The benchmarks, with few records: each measures what it says on a real broker.

No figure is judged: a slow machine fails nothing.
"""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner

from kitlib.errors import KitError
from kittools import cli, course
from kittools.bench import plots as pictures
from kittools.bench._alone import ask
from kittools.bench._table import Figure, Report
from kittools.bench.clients import WAYS, clients
from kittools.bench.course import PARTS
from kittools.bench.course import course as lessons
from kittools.bench.journal import costs, journal
from kittools.bench.plots import plots


def figures(report: Report) -> dict[str, Figure]:
    assert len({one.what for one in report.figures}) == len(report.figures)
    return {one.what: one for one in report.figures}


def test_clients_measures_each_way_and_compares_within_a_run() -> None:
    report = clients(1, {1000: 300})
    found = figures(report)
    assert len(found) == 2 * (4 + 3)
    for what in ("produce", "consume"):
        slow = found[f"{what}, 1,000 bytes: kafka-python"]
        for way in WAYS[1:]:
            name = f"{what}, 1,000 bytes: {way}"
            rates, times = found[name], found[f"{name}, against kafka-python"]
            assert len(rates.values) == 1 and rates.median > 0
            assert times.median == pytest.approx(rates.median / slow.median)
    assert "aiokafka" in report.how and "confluent-kafka" in report.how


def test_clients_that_are_not_installed_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kittools.bench.clients.find_spec", lambda name: None)
    with pytest.raises(KitError, match="confluent_kafka and aiokafka") as error:
        clients(1)
    assert "installs" in error.value.fix


def test_journal_compares_recorded_clients_with_bare_ones() -> None:
    found = figures(journal(2, 400))
    for what in ("producer", "consumer"):
        for name in ("bare", "recorded"):
            rates = found[f"{what}, {name}"].values
            assert len(rates) == 2 and min(rates) > 0
        assert len(found[f"{what}: share of the bare throughput"].values) == 2
        assert len(found[f"{what}: processor time that recording adds"].values) == 2
    assert found["rows made of what a producer left"].unit == "rows/s"
    assert found["rows in memory"].median > 200, "a row of 100 bytes is heavier than its text"
    assert 150 < found["rows in a file"].median < 400


def test_a_turn_that_something_else_slowed_does_not_count() -> None:
    usual = {False: (1.0, 0.8), True: (1.25, 1.0)}
    slow = {False: (9.0, 0.8), True: (1.25, 1.0)}
    bare, recorded, share, adds = costs(
        "producer", [[usual, slow, usual], [slow, usual, usual]], 1000
    )
    assert bare.values == pytest.approx([1000, 1000])
    assert recorded.values == pytest.approx([800, 800])
    assert share.values == pytest.approx([80, 80])
    assert share.target == 95.0 and share.at_least
    assert adds.values == pytest.approx([200, 200]) and adds.unit == "µs/record"


def test_plots_measures_each_picture_from_both_sources() -> None:
    found = figures(plots(1, (60, 600)))
    seconds = [one for one in found.values() if one.unit == "s"]
    assert len(seconds) == 2 * 2 * 2 and all(one.median > 0 for one in seconds)
    assert found["plot_lag, 600 of a DataFrame"].target is None


def test_the_target_is_for_the_largest_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kittools.bench.plots.ask", lambda *_, **__: {"seconds": 0.4})
    found = figures(plots(1))
    assert {name for name, one in found.items() if one.target == 0.5} == {
        f"{plot}, 1,000,000 of a {source}" for plot in pictures.PLOTS for source in pictures.SOURCES
    }
    assert all(one.met for one in found.values() if one.target)


def test_a_measurement_that_fails_says_why() -> None:
    with pytest.raises(KitError, match="plot_nothing"):
        ask("plots", plot="plot_nothing", size=1, source="journal")


def test_course_says_what_the_seconds_were_spent_on(tmp_path: Path) -> None:
    cells = (
        "import threading, time",
        "end = time.process_time() + 0.3\nwhile time.process_time() < end: pass",
        "threading.Event().wait(0.5);",
    )
    path = tmp_path / "90_slow.ipynb"
    nbformat.write(
        nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells]), path
    )
    found = figures(lessons(1, lambda line: None, [path]))
    parts = {part: found[f"90_slow: {part}"].median for part in PARTS}
    whole = found["90_slow"].median
    assert parts["processor"] >= 0.2 and parts["waiting"] >= 0.4
    assert min(parts.values()) >= 0 and sum(parts.values()) <= whole
    assert found["the whole course"].median == whole
    bad = tmp_path / "91_bad.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")]), bad)
    with pytest.raises(KitError, match="91_bad"):
        lessons(1, lambda line: None, [bad])


def test_lessons_are_executed_as_before_without_hooks(tmp_path: Path) -> None:
    path = tmp_path / "90_good.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x = 1")]), path)
    seen: list[int] = []
    hook = {"on_cell_executed": lambda cell_index, **_: seen.append(cell_index)}
    assert course.execute(path).passed and course.execute(path, hooks=hook).passed
    assert seen == [0]


def test_all_writes_the_file_of_each_benchmark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "kittools").symlink_to(Path(cli.__file__).parent)
    monkeypatch.setattr(cli, "ROOT", tmp_path)
    done = CliRunner().invoke(cli.cli, ["bench", "all", "proxy", "--runs", "1"])
    assert done.exit_code == 0, done.output
    told = json.loads((tmp_path / "docs" / "measured" / "proxy.json").read_text("utf-8"))
    assert [Figure.from_json(row).median for row in told["rows"]] == [
        row["median"] for row in told["rows"]
    ]
    assert told["day"] and "Kafka" in told["machine"]
    wrong = CliRunner().invoke(cli.cli, ["bench", "all", "speed"])
    assert isinstance(wrong.exception, KitError) and "speed" in str(wrong.exception)
