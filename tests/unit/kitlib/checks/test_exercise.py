"""The exercises' mechanism: the three outcomes, and that nothing a learner gives makes it raise."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import kitlib
from kitlib.checks import exercise as room
from kitlib.checks.exercise import Outcome, exercise, exercise_check, open_, predict, right, wrong
from kitlib.errors import KitError


@pytest.fixture(autouse=True)
def lesson_77() -> Iterator[None]:
    """A lesson that exists only here, with one exercise: how many partitions does it need?"""
    name = "exercises.lesson_77"
    sys.modules[name] = ModuleType(name)

    @exercise_check("77.1")
    def check(prediction: Any, offsets: list[int], limit: int = 3) -> Outcome:
        if not offsets:
            return open_("Send something first.")
        if len(offsets) > limit:
            return wrong(f"You think that {prediction} is enough.", "offsets <b>9</b>")
        return right(f"{len(offsets)} offsets.")

    yield
    del sys.modules[name]
    del room._checks["77.1"]
    room._predictions.clear()


def test_right_wrong_and_open() -> None:
    predict("77.1", 3)
    assert exercise("77.1", [1, 2])
    outcome = exercise("77.1", [1, 2], limit=1)
    assert (outcome.state, bool(outcome)) == ("wrong", False)
    assert (outcome.message, outcome.prediction) == ("You think that 3 is enough.", 3)
    assert "Look at: offsets <b>9</b>" in repr(outcome)
    assert "&lt;b&gt;9&lt;/b&gt;" in outcome._repr_html_()
    assert exercise("77.1", []).message == "Send something first."


def test_without_a_prediction_it_stays_open() -> None:
    assert "prediction first" in exercise("77.1", [1]).message
    predict("77.1", ...)
    assert exercise("77.1", [1]).state == "open"
    assert "three dots" in repr(predict("77.1"))
    predict("77.1", {"S17": 2, "S18": ...})
    assert exercise("77.1", [1]).state == "open"
    predict("77.1", 0)  # an answer that is falsy is an answer
    assert exercise("77.1", [1])


@pytest.mark.parametrize("odd", [(), (None,), (7,), ("x", "y", "z"), (..., 3), ([1, ...],)])
def test_odd_evidence_stays_open(odd: tuple[Any, ...]) -> None:
    predict("77.1", 3)
    outcome = exercise("77.1", *odd)
    assert outcome.state == "open" and outcome.message
    assert "Traceback" not in outcome.message


def test_an_exercise_that_does_not_exist() -> None:
    numbers: list[Any] = ["77.9", "99.1", "", "a b", 2.5, None, []]
    assert all("no exercise" in exercise(number, 1).message for number in numbers)


def test_errors_of_the_kit_are_passed_on_in_words() -> None:
    @exercise_check("77.1")
    def check(prediction: Any) -> Outcome:
        raise KitError(what="There are no stored rows", fix="Read the log")

    predict("77.1", 1)
    assert "There are no stored rows." in exercise("77.1").message


def test_a_check_must_return_an_outcome() -> None:
    @exercise_check("77.1")
    def check(prediction: Any) -> Any:
        return True

    predict("77.1", 1)
    assert exercise("77.1").state == "open"


def test_a_lesson_whose_own_import_fails_is_not_hidden(tmp_path: Any, monkeypatch: Any) -> None:
    (tmp_path / "lesson_78.py").write_text("import a_module_that_is_not_there\n")
    monkeypatch.setattr("exercises.__path__", [str(tmp_path)])
    with pytest.raises(ModuleNotFoundError, match="a_module_that_is_not_there"):
        exercise("78.1")


KIT = Path(kitlib.__file__).resolve().parents[1]
ASK = "import kitlib as kit; print(kit.exercise('00.1', kit.Journal()).message)"


def ask(code: str, folder: Path, path: Path | None = None) -> str:
    """What `code` prints in a Python of its own that was started in this folder.

    path: a PYTHONPATH. With it no .pth file counts, so Python finds our packages nowhere else.
    """
    options, env = [], {name: os.environ[name] for name in os.environ if name != "PYTHONPATH"}
    if path:
        options, env = ["-S"], env | {"PYTHONPATH": str(path)}
        for name in ("purelib", "platlib"):
            env["PYTHONPATH"] += os.pathsep + sysconfig.get_path(name)
    command = [sys.executable, *options, "-c", code]
    run = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.parametrize("path", [None, KIT], ids=["installed", "PYTHONPATH"])
def test_a_python_in_the_folder_of_the_notebooks_finds_the_checks(path: Path | None) -> None:
    assert "Make your prediction first" in ask(ASK, KIT / "notebooks", path)


def test_where_the_checks_are_not_installed_a_sentence_says_so(tmp_path: Path) -> None:
    shutil.copytree(KIT / "kitlib", tmp_path / "kitlib")
    message = ask(ASK, tmp_path, tmp_path)
    assert message.startswith("The checks of the lessons are not installed: ")
    assert "./kit lab" in message


def test_a_file_of_the_learner_s_that_hides_the_checks_is_named(tmp_path: Path) -> None:
    (tmp_path / "exercises.py").write_text("")
    message = ask(ASK, tmp_path, KIT)
    assert message.startswith(str(tmp_path / "exercises.py") + " hides the checks of the lessons.")
