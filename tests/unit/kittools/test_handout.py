"""Handing lessons out: what is new arrives, and what a learner changed is never overwritten."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from clones import plain

from kitlib import __version__
from kitlib.errors import KitError
from kittools import cli, course, handout

NEWER = f"01_one-new-in-{__version__}"


@pytest.fixture
def lessons(tmp_path: Path) -> Path:
    """The lessons of a package: two, and what other programs left beside them."""
    source = tmp_path / "package"
    (source / "programs").mkdir(parents=True)
    (source / "01_one.ipynb").write_text("one")
    (source / "02_two.ipynb").write_text("two")
    (source / "programs" / "send.py").write_text("send")
    for junk in (".ipynb_checkpoints", "__pycache__"):
        (source / junk).mkdir()
        (source / junk / "01_one.ipynb").write_text("junk")
    return source


def handed_out(target: Path, source: Path) -> list[str]:
    """Hand the lessons out; returns the lines that it told."""
    told: list[str] = []
    handout.hand_out(target, told.append, source)
    return told


def held(target: Path) -> dict[str, str]:
    """The files in the learner's folder with their texts, the note aside."""
    files = [path for path in target.rglob("*") if path.is_file() and path.name != handout.NOTE]
    return {path.relative_to(target).as_posix(): path.read_text() for path in files}


def test_the_lessons_arrive_and_a_second_time_nothing_happens(
    tmp_path: Path, lessons: Path
) -> None:
    mine = tmp_path / "made if need be" / "mine"
    arrived = {"01_one.ipynb": "one", "02_two.ipynb": "two", "programs/send.py": "send"}
    for _ in range(2):
        assert handed_out(mine, lessons) == []
        assert held(mine) == arrived


def test_an_upgrade_adds_replaces_what_nobody_changed_and_keeps_the_rest(
    tmp_path: Path, lessons: Path
) -> None:
    mine = tmp_path / "mine"
    handed_out(mine, lessons)
    (mine / "01_one.ipynb").write_text("one, with my answers")
    (mine / "notes.txt").write_text("mine")
    for name, text in {"01_one": "ONE", "02_two": "TWO", "03_three": "three"}.items():
        (lessons / f"{name}.ipynb").write_text(text)
    kept, replaced = handed_out(mine, lessons)
    assert "01_one.ipynb stays as you left it" in kept and NEWER in kept
    assert "02_two.ipynb is now the one from version" in replaced
    after = {
        "01_one.ipynb": "one, with my answers",
        f"{NEWER}.ipynb": "ONE",
        "02_two.ipynb": "TWO",
        "03_three.ipynb": "three",
        "notes.txt": "mine",
        "programs/send.py": "send",
    }
    assert held(mine) == after
    assert handed_out(mine, lessons) == [] and held(mine) == after, "each version is offered once"


def test_the_newer_version_has_a_name_of_its_own_whatever_is_there(
    tmp_path: Path, lessons: Path
) -> None:
    mine = tmp_path / "mine"
    handed_out(mine, lessons)
    (mine / "01_one.ipynb").write_text("my answers")
    (mine / f"{NEWER}.ipynb").write_text("my answers to the last version")
    (lessons / "01_one.ipynb").write_text("ONE")
    handed_out(mine, lessons)
    assert held(mine)["01_one.ipynb"] == "my answers"
    assert held(mine)[f"{NEWER}.ipynb"] == "my answers to the last version"
    assert held(mine)[f"{NEWER}-2.ipynb"] == "ONE"


@pytest.mark.parametrize("note", [None, "", "{", "[1]", '{"01_one.ipynb": 7}'])
def test_without_a_note_that_can_be_read_everything_counts_as_the_learner_s(
    tmp_path: Path, lessons: Path, note: str | None
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "01_one.ipynb").write_text("of unknown origin")
    if note is not None:
        (mine / handout.NOTE).write_text(note)
    [told] = handed_out(mine, lessons)
    assert NEWER in told
    assert held(mine)["01_one.ipynb"] == "of unknown origin"
    assert held(mine)[f"{NEWER}.ipynb"] == "one"


def test_a_lesson_that_was_removed_or_renamed_comes_again(tmp_path: Path, lessons: Path) -> None:
    mine = tmp_path / "mine"
    handed_out(mine, lessons)
    (mine / "01_one.ipynb").rename(mine / "my first try.ipynb")
    assert handed_out(mine, lessons) == []
    assert held(mine)["01_one.ipynb"] == held(mine)["my first try.ipynb"] == "one"


def test_an_interrupted_handout_is_finished_by_the_next(
    tmp_path: Path, lessons: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each of its writes: no file is half written, none counts as changed, nothing is left."""
    mine, replace = tmp_path / "mine", os.replace
    for done in range(4):
        left = iter(range(done, -1, -1))

        def interrupted(part: Path, path: Path, left: Iterator[int] = left) -> None:
            if next(left) == 0:
                raise KeyboardInterrupt
            replace(part, path)

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(os, "replace", interrupted)
            handed_out(mine, lessons)
        assert len(held(mine)) == done
        assert handed_out(mine, lessons) == [] and len(held(mine)) == 3
        shutil.rmtree(mine)


@pytest.mark.parametrize("fault", ["a file in its place", "a folder in place of a lesson"])
def test_what_cannot_be_written_is_one_message(tmp_path: Path, lessons: Path, fault: str) -> None:
    mine = tmp_path / "mine"
    if fault == "a file in its place":
        mine.write_text("a file")
    else:
        (mine / "01_one.ipynb").mkdir(parents=True)
    with pytest.raises(KitError, match="cannot be put into") as refused:
        handed_out(mine, lessons)
    plain(str(refused.value))
    assert "--folder" in refused.value.fix


def test_the_folder_is_found_again_from_inside(
    tmp_path: Path, lessons: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert handout.folder() == tmp_path / handout.FOLDER
    handed_out(handout.folder(), lessons)
    monkeypatch.chdir(handout.folder())
    assert handout.folder() == tmp_path / handout.FOLDER


def test_the_first_lesson_is_there_and_a_clone_is_no_package() -> None:
    assert handout.IN_CLONE and (course.NOTEBOOKS / handout.FIRST).is_file()
    assert not (Path(handout.__file__).parent / "notebooks").exists()


@pytest.mark.parametrize("command", ["bench", "bundle", "docs", "soak", "test"])
def test_what_needs_a_clone_says_so(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handout, "IN_CLONE", False)
    for arguments in ([command], [command, "--help"]):
        refused = CliRunner().invoke(cli.cli, arguments)
        assert isinstance(refused.exception, KitError)
        assert f"`kit {command}` works in a clone" in str(refused.exception)


def test_what_needs_the_makers_packages_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the environment of `environment.yml`, which has a clone but not its tests' packages."""
    monkeypatch.setattr(cli, "find_spec", lambda name: None)
    refused = CliRunner().invoke(cli.cli, ["test"])
    assert isinstance(refused.exception, KitError)
    assert "`kit test` needs packages that are not installed" in str(refused.exception)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot replace a process")
def test_in_a_clone_too_a_learner_may_work_on_copies_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KIT_CACHE_DIR", "cache")
    monkeypatch.setattr(cli, "prepare", lambda: None)
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda path, command: started.append(command))
    done = CliRunner().invoke(cli.cli, ["lab", "--folder", "mine", "--no-browser"])
    assert done.exit_code == 0, done.output
    [command] = started
    assert f"--ServerApp.root_dir={tmp_path / 'mine'}" in command and "--no-browser" in command
    assert f"--LabApp.default_url=/lab/tree/{handout.FIRST}" in command
    assert set(held(tmp_path / "mine")) >= {path.name for path in course.find()}
    assert os.environ["KIT_CACHE_DIR"] == str(tmp_path / "cache"), "kernels run in other folders"


def test_the_note_is_plain(tmp_path: Path, lessons: Path) -> None:
    handed_out(tmp_path / "mine", lessons)
    note = json.loads((tmp_path / "mine" / handout.NOTE).read_text())
    assert set(note) == {"01_one.ipynb", "02_two.ipynb", "programs/send.py"}
