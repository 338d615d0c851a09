"""The files around the code: metadata, locks, environments, exports, and the notebooks' form.

What a notebook teaches and whether it runs is not looked at here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import kitlib as kit
from kitlib.broker import _parts as parts
from kittools import course
from kittools.cli import cli

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
NEEDED: list[str] = PROJECT["dependencies"]
EXTRAS = [one for extra in PROJECT["optional-dependencies"].values() for one in extra]
LOCKS = sorted(path.name for path in ROOT.glob("requirements*.lock"))
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NAME_COMMANDS = (
    ".ci/run", ".devcontainer/devcontainer.json", ".pre-commit-config.yaml", "CONTRIBUTING.md",
    "README.md", "SECURITY.md", "binder/postBuild", "docker-compose.yml",
)  # fmt: skip
PINNED = re.compile(r"([\w.-]+)(?:\[[\w,.-]+\])?==([\w.!+-]+)(?: ; .+)?")


def tracked() -> list[Path]:
    """The files of the repository."""
    if not (ROOT / ".git").exists():
        pytest.skip("this copy has no list of the repository's files")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    names = listed.stdout.decode().split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def requirements(lock: str) -> list[str]:
    """The requirements of a lock, each with its hashes and the note on who asked for it."""
    return re.split(r"\n(?=[^\s#])", (ROOT / lock).read_text("utf-8").strip())


def versions(lock: str, asked_by: str = "") -> dict[str, set[str]]:
    """{package: versions}; a universal lock may pin one for each Python or system."""
    found: dict[str, set[str]] = {}
    for requirement in requirements(lock):
        if (pin := PINNED.match(requirement)) and asked_by in requirement:
            found.setdefault(canonicalize_name(pin[1]), set()).add(pin[2])
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_is_pinned_with_hashes_and_no_index(lock: str) -> None:
    for requirement in requirements(lock):
        text = re.sub(r"^\s*#.*", "", requirement, flags=re.MULTILINE).replace("\\\n", "")
        pin, *hashes = re.split(r"\s+--hash=", text.strip())
        assert PINNED.fullmatch(pin), pin
        assert hashes and all(re.fullmatch("sha256:[0-9a-f]{64}", one) for one in hashes), pin


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [("requirements.lock", NEEDED), ("requirements-dev.lock", NEEDED + EXTRAS)],
)
def test_locks_hold_just_what_the_project_asks_for(lock: str, wanted: list[str]) -> None:
    asked = {canonicalize_name(one.name): one.specifier for one in map(Requirement, wanted)}
    locked = versions(lock, asked_by="kitlib (pyproject.toml)")
    assert set(locked) == set(asked), "CONTRIBUTING.md says how to make the locks anew"
    for name, specifier in asked.items():
        assert all(specifier.contains(version) for version in locked[name]), name


def test_the_tests_run_on_the_versions_of_the_lessons() -> None:
    lessons, development = versions("requirements.lock"), versions("requirements-dev.lock")
    assert {name: development.get(name) for name in lessons} == lessons


@pytest.mark.parametrize(("folder", "packages"), [("", ["-e ."]), ("binder", NEEDED)])
def test_environments_for_conda_have_what_the_project_asks_for(
    folder: str, packages: list[str]
) -> None:
    """In place, as `tests/scenarios/test_ways_in.py` tries; or, for Binder, as a list."""
    environment = yaml.safe_load((ROOT / folder / "environment.yml").read_text("utf-8"))
    python, pip, named = environment["dependencies"]
    assert SpecifierSet(PROJECT["requires-python"]).contains(python.removeprefix("python="))
    assert (pip, named) == ("pip", {"pip": packages})
    assert environment["channels"] == ["conda-forge"]
    assert os.name == "nt" or os.access(ROOT / "binder" / "postBuild", os.X_OK)


def test_the_readme_and_the_install_page_name_the_same_ways_in() -> None:
    """Each way on a line of its own, with whether it was tried."""
    ways = [
        re.findall(
            r"^\| (\S[^|]*) \| [^|]+ \| ((?:tested|tried|untried)[^|]*) \|$",
            (ROOT / page).read_text("utf-8"),
            re.MULTILINE,
        )
        for page in ("README.md", "docs/install.md")
    ]
    assert ways[0] == ways[1]
    text = " ".join(way for way, _ in ways[0])
    for way in ("launcher", "pip", "pipx", "uvx", "conda", "bundle", "Docker", "own", "Binder"):
        assert way in text, way
    assert "development container" in text


def test_the_development_container_is_pinned_and_new_enough() -> None:
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text("utf-8"))
    image = re.fullmatch(r"[\w./-]+/python:\d+-(3\.\d+)-[a-z]+", container["image"])
    assert image and SpecifierSet(PROJECT["requires-python"]).contains(image[1])
    assert (ROOT / container["postCreateCommand"].split()[0]).is_file()


def test_hooks_come_from_the_environment_and_strip_outputs(tmp_path: Path) -> None:
    config = ROOT / ".pre-commit-config.yaml"
    repositories = yaml.safe_load(config.read_text("utf-8"))["repos"]
    assert [repository["repo"] for repository in repositories] == ["local"]
    assert {hook["language"] for hook in repositories[0]["hooks"]} == {"system"}
    shutil.copy(config, tmp_path)
    output = nbformat.v4.new_output("stream", text="seen")
    cell = nbformat.v4.new_code_cell("1 + 1\n", outputs=[output], execution_count=3)
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "lesson.ipynb")
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PRE_COMMIT_HOME": str(tmp_path / "hooks"),
    }

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True
        )

    assert run("git", "init", "--quiet").returncode == 0
    assert run("git", "add", "lesson.ipynb", config.name).returncode == 0
    hook = (sys.executable, "-m", "pre_commit", "run", "nbstripout", "--all-files")
    assert run(*hook).returncode == 1
    [stripped] = nbformat.read(tmp_path / "lesson.ipynb", as_version=4).cells
    assert (stripped.source, stripped.outputs, stripped.execution_count) == ("1 + 1\n", [], None)
    assert stripped.id == cell.id, "links into a lesson name its cells by their ids"
    assert run("git", "add", "lesson.ipynb").returncode == 0
    again = run(*hook)
    assert again.returncode == 0, again.stdout + again.stderr


def test_each_jar_has_one_version_and_a_digest() -> None:
    lines = (ROOT / "kitlib" / "broker" / "jars.lock").read_text("utf-8").splitlines()
    jars = [line for line in lines if not line.startswith("#")]
    form = r"[\w.-]+:[\w.-]+:[\w.-]+ [0-9a-f]{64}"
    assert [line for line in jars if not re.fullmatch(form, line)] == []
    artifacts = [line.rsplit(":", 1)[0] for line in jars]
    assert artifacts and len(set(artifacts)) == len(artifacts)
    assert f"org.apache.kafka:kafka_2.13:{parts.KAFKA_VERSION}" in parts.locked_jars()


def test_every_jar_was_looked_up_for_advisories() -> None:
    page = (ROOT / "docs" / "jars.md").read_text("utf-8")
    named = re.findall(r"^\| `(\S+)` \| \S", page, re.MULTILINE)
    assert named == list(parts.locked_jars()), "docs/jars.md says what a new version needs"


def test_exports_are_sorted_and_distinct() -> None:
    assert kit.__all__ == sorted(set(kit.__all__))
    assert set(kit.__all__) <= set(dir(kit))


@pytest.mark.parametrize("name", kit.__all__)
def test_each_export_can_be_imported_and_is_described(name: str) -> None:
    described = vars(getattr(kit, name)).get("__doc__") or getattr(kit, name).__doc__ or ""
    assert len(described.split()) >= 3
    assert not described.startswith(f"{name}("), "a description made by a decorator says nothing"


@pytest.mark.parametrize(
    ("kind", "pattern"),
    [
        ("a path of one machine", r"(?<![\w.])/(?:home|Users|root|work|tmp)/\w|[A-Z]:\\Users\\"),
        (
            "the host of a package registry",
            r"pypi\.org|pythonhosted\.org|maven\.org|maven\.apache\.org|registry\.npmjs|"
            r"npmjs\.com|anaconda\.(?:org|com)",
        ),
    ],
    ids=["paths", "registries"],
)
def test_the_repository_names_neither_machines_nor_registries(kind: str, pattern: str) -> None:
    found = []
    for path in tracked():
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        lines = enumerate(text.splitlines(), 1)
        found += [f"{path.name}:{number}" for number, line in lines if re.search(pattern, line)]
    assert found == [], f"{kind} in {found}"


@pytest.mark.parametrize("name", NAME_COMMANDS)
def test_the_commands_that_are_named_exist(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    named = set(re.findall(r"(?:\./kit|py kit|-m kittools) ([a-z]+)", text))
    assert named <= set(cli.commands)


def code_cells(path: Path, *, solved: bool) -> list[Any]:
    notebook = nbformat.read(path, as_version=4)
    if solved:
        course.with_solutions(notebook)
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def code_lines(source: str) -> int:
    """Lines that hold code: neither blank nor only a comment."""
    lines = [line.strip() for line in source.splitlines()]
    return sum(bool(line) and not line.startswith("#") for line in lines)


@pytest.mark.parametrize("solved", [False, True], ids=["as found", "solved"])
@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_cells_are_short(path: Path, solved: bool) -> None:
    """Half of a lesson's cells have at most 4 lines of code, nine in ten at most 12.

    No cell has more than 20 lines of any kind: comments and blank lines are read as well.
    """
    cells = code_cells(path, solved=solved)
    counts = sorted(code_lines(cell.source) for cell in cells)
    assert statistics.median(counts) <= 4
    assert sum(count <= 12 for count in counts) >= 0.9 * len(counts)
    assert [cell.source for cell in cells if len(cell.source.splitlines()) > 20] == []


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_notebooks_hold_no_outputs_and_install_nothing(path: Path) -> None:
    nbformat.validate(nbformat.read(path, as_version=4))
    for cell in code_cells(path, solved=False):
        assert (cell.outputs, cell.execution_count) == ([], None)
        assert not re.search(r"^\s*[%!]|import \*", cell.source, re.MULTILINE)


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_no_member_of_a_lesson_is_taken_for_dead_because_the_machine_is_busy(path: Path) -> None:
    for cell in nbformat.read(path, as_version=4).cells:
        for number in re.findall(r"session_timeout_ms\"?[=:] ?([\d_]+)", cell.source):
            assert int(number) >= 4000, cell.source
