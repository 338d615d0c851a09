"""What `kit soak` counts, keeps and answers."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner

from kitlib.errors import KitError
from kittools import cli, course, soak

OPTION = "def pytest_addoption(parser):\n    parser.addoption('--long', action='store_true')\n"
FAULTS = """\
import pytest

def test_it_is_killed(record_property, pytestconfig):
    record_property("times", 30 if pytestconfig.getoption("--long") else 1)

@pytest.mark.parametrize("where", ["at home", "at work"])
def test_it_is_filled(where):
    assert where == "at home", "it was full"

def test_it_is_odd(record_property):
    record_property("what", "an odd machine")

@pytest.mark.skip(reason="another system")
def test_it_is_elsewhere():
    pass
"""


@pytest.fixture
def two_lessons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One that passes and one that does not, in place of the course; a folder for what is kept."""
    for name, source in {"90_good": "assert True", "91_bad": "x = 1\nassert x == 2"}.items():
        cells = [nbformat.v4.new_code_cell(source)]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / f"{name}.ipynb")
    monkeypatch.setattr(course, "NOTEBOOKS", tmp_path)
    return tmp_path / "kept"


def test_lessons_are_counted_in_rounds_and_one_that_failed_is_kept(two_lessons: Path) -> None:
    count, lines = soak.Count(), list[str]()
    soak.lessons(count, two_lessons, 2, at_once=2, progress=lines.append)
    assert sorted(count.rows()) == [
        ("90_good, as found", 2, 0), ("90_good, solved", 2, 0),
        ("91_bad, as found", 2, 2), ("91_bad, solved", 2, 2),
    ]  # fmt: skip
    assert set(count.failures["91_bad, solved"]) == {"AssertionError: assert x == 2"}
    assert len(lines) == 8
    kept = sorted(path.name for path in two_lessons.iterdir())
    assert kept == [f"91_bad-{form}-{n}" for form in ("as-found", "solved") for n in (1, 2)]
    assert "AssertionError" in (two_lessons / kept[0] / "91_bad.ipynb").read_text("utf-8")


def test_no_lesson_is_begun_after_the_hours_are_over(two_lessons: Path) -> None:
    count = soak.Count()
    soak.lessons(count, two_lessons, sys.maxsize, until=0)
    assert count.rows() == []


def test_faults_are_counted_as_often_as_they_were_met(tmp_path: Path) -> None:
    tests, count = tmp_path / "faults", soak.Count()
    tests.mkdir()
    (tests / "conftest.py").write_text(OPTION, "utf-8")
    (tests / "test_it.py").write_text(FAULTS, "utf-8")
    assert soak.faults(count, tmp_path / "report", tests) == 1
    expected = [("it is killed", 30, 0), ("it is filled", 2, 1), ("an odd machine", 1, 0)]
    assert count.rows() == expected
    assert "it was full" in count.failures["it is filled"][0]
    assert count.skipped == {"it is elsewhere": ["skipped: another system"]}
    with pytest.raises(KitError, match="did not run to their end"):
        soak.faults(count, tmp_path / "report", tmp_path / "nowhere")


def test_faults_that_are_all_skipped_are_a_failure(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(OPTION, "utf-8")
    skipped = "import pytest\npytestmark = pytest.mark.skip('another system')\n"
    (tmp_path / "test_it.py").write_text(f"{skipped}def test_it():\n    pass\n", "utf-8")
    with pytest.raises(KitError, match="Every fault was skipped") as error:
        soak.faults(soak.Count(), tmp_path / "report", tmp_path)
    assert error.value.why == "skipped: another system"
    assert "--no-faults" in error.value.fix


def test_the_command_shows_the_counts_writes_them_and_answers(two_lessons: Path) -> None:
    command = ["soak", "--no-faults", "--rounds", "1", "--output", str(two_lessons)]
    ran = CliRunner().invoke(cli.cli, [*command, "91"])
    assert ran.exit_code == 1
    assert "91_bad, solved: AssertionError: assert x == 2" in ran.output
    written = json.loads((two_lessons / "soak.json").read_text("utf-8"))
    counts = {row["what"]: (row["runs"], row["failures"]) for row in written["rows"]}
    assert counts == {"91_bad, as found": (1, 1), "91_bad, solved": (1, 1)}
    assert CliRunner().invoke(cli.cli, [*command, "90"]).exit_code == 0


def test_a_soak_that_ends_before_its_first_lesson_has_failed(two_lessons: Path) -> None:
    command = ["soak", "--no-faults", "--hours", "1e-9", "--output", str(two_lessons)]
    ran = CliRunner().invoke(cli.cli, command)
    assert isinstance(ran.exception, KitError) and "Nothing was tested" in str(ran.exception)


def test_machines_alone_are_tried_without_a_lesson(
    two_lessons: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def faults(count: soak.Count, output: Path, tests: Path) -> int:
        tried.append(tests)
        count.add("a machine")
        return 0

    monkeypatch.setattr(soak, "faults", faults)
    ran = CliRunner().invoke(cli.cli, ["soak", "--machines", "--output", str(two_lessons)])
    assert ran.exit_code == 0, ran.output
    assert tried == [soak.MACHINES] and soak.MACHINES.exists()
    assert "90_good" not in ran.output
