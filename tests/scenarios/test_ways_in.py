"""The ways in beside the launcher: a wheel, as pip, pipx and uvx install it, and `environment.yml`.

Each is taken in a copy of the repository, with the packages in the versions of the lock, from the
caches of earlier set-ups where these have them. conda itself is not run: what is tested of it is
that its pip section gives an empty environment in which `jupyter lab notebooks` works.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import nbformat
import pytest
import yaml
from clones import ROOT, base_python, clone, plain
from jupyter_client.blocking.client import BlockingKernelClient
from labs import kernel, server

from kittools import course, handout

HIDDEN = re.compile(r"[\\/](__pycache__|\.\w+)")
BIN = "Scripts" if os.name == "nt" else "bin"
UV = str(Path(sys.executable).with_name("uv"))
PROJECT = "kitlib"
PACKAGES = ("kitlib", "exercises", "kittools")
MOVED = {"notebooks": "kittools/notebooks", "data": "kitlib/data"}
FOREIGN = ("PYTHONPATH", "VIRTUAL_ENV", "JUPYTER_PATH")
# In each kernel: which Python it is, and that it finds the lessons' helper, checks and data.
CELL = """
import sys, os
import kitlib as kit, exercises
assert len(kit.load_events()) == 1500
print(sys.prefix, kit.__file__, os.getcwd(), sep="|")
"""


def repository(folder: Path) -> Path:
    """A copy of the repository, as far as an installer looks at it, in a new folder."""
    clone(folder)
    for name in ("LICENSE", "README.md", "environment.yml", "pyproject.toml", ".gitignore"):
        shutil.copy(ROOT / name, folder / name)
    for room in ("notebooks", "data"):
        shutil.copytree(ROOT / room, folder / room)
    return folder


def environment() -> dict[str, str]:
    """The environment of an installer, in which pip's index serves uv as well."""
    env = inherited()
    for ours, theirs in (("UV_DEFAULT_INDEX", "PIP_INDEX_URL"), ("SSL_CERT_FILE", "PIP_CERT")):
        if theirs in env:
            env.setdefault(ours, env[theirs])
    return env


def install(into: Path, *what: str, cwd: Path) -> None:
    """Install with the versions of the lock; without a network if the caches have all it needs."""
    lock = str(ROOT / "requirements-dev.lock")
    pinned = ["--constraints", lock, "--build-constraints", lock]
    again = ["--reinstall-package", PROJECT]  # a copy of the same version is another one
    for source in (["--offline"], []):
        ran = subprocess.run(
            [UV, "pip", "install", "--python", str(into), *pinned, *again, *source, *what],
            cwd=cwd, env=environment(), capture_output=True, text=True, timeout=600,
        )  # fmt: skip
        if ran.returncode == 0:
            return
    raise AssertionError(ran.stdout + ran.stderr)


def run(*command: str | Path, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command of an environment, knowing nothing of this clone."""
    return subprocess.run(
        list(map(str, command)), cwd=cwd, env={**inherited(), "COLUMNS": "200", **env},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def inherited() -> dict[str, str]:
    """The environment of the tests without what leads back to this clone."""
    return {name: value for name, value in os.environ.items() if name not in FOREIGN}


@contextmanager
def lab(folder: Path, *command: str | Path) -> Iterator[BlockingKernelClient]:
    """A kernel for the first lesson, in the JupyterLab that this command starts in a folder."""
    runtime = folder / "runtime"
    with (folder / "lab.log").open("wb") as log:
        process = subprocess.Popen(
            [*map(str, command), "--no-browser", "--port=0"], cwd=folder,
            env={**inherited(), "JUPYTER_RUNTIME_DIR": str(runtime)},
            stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        with kernel(server(runtime, 240), runtime, handout.FIRST) as client:
            yield client
    finally:
        process.terminate()
        process.wait(60)


def answer(client: BlockingKernelClient, code: str) -> str:
    """What a cell printed. An error of the cell is one of the test."""
    printed: list[str] = []

    def hear(message: dict[str, Any]) -> None:
        if message["msg_type"] == "stream":
            printed.append(message["content"]["text"])

    reply = client.execute_interactive(code, output_hook=hear, timeout=240)
    assert reply["content"]["status"] == "ok", reply["content"]
    return "".join(printed).strip()


def test_a_wheel_has_the_lessons_and_just_what_the_commands_need(tmp_path: Path) -> None:
    command = ["-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    ran = run(sys.executable, *command, cwd=repository(tmp_path / "a clone"))
    assert ran.returncode == 0, ran.stderr
    wanted = {
        f"{MOVED.get(room, room)}/{path.relative_to(ROOT / room).as_posix()}"
        for room in (*PACKAGES, *MOVED)
        for path in (ROOT / room).rglob("*")
        if path.is_file() and not HIDDEN.search(str(path.relative_to(ROOT)))
    }
    with ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        held = {name for name in wheel.namelist() if ".dist-info/" not in name}
        [entries] = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
        assert "kit = kittools.cli:main" in wheel.read(entries).decode()
    assert held == wanted


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a clone and an environment `env`, which has what `environment.yml` asks for."""
    base = tmp_path_factory.mktemp("ways")
    copy = repository(base / "a clone")
    environment = yaml.safe_load((copy / "environment.yml").read_text("utf-8"))
    [pip] = [one["pip"] for one in environment["dependencies"] if isinstance(one, dict)]
    (copy / "requirements.txt").write_text("\n".join(pip))
    made = run(UV, "venv", "--offline", "--python", base_python(), base / "env", cwd=base)
    assert made.returncode == 0, made.stderr
    install(base / "env", "-r", "requirements.txt", cwd=copy)
    return base


@pytest.fixture
def in_place(folder: Path) -> Path:
    """The environment when `environment.yml` has been taken."""
    install(folder / "env", "-r", "requirements.txt", cwd=folder / "a clone")
    return folder / "env"


@pytest.fixture
def installed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The environment when the kit was installed from a clone that is gone."""
    copy = repository(tmp_path_factory.mktemp("built") / "a clone")
    install(folder / "env", ".", cwd=copy)
    shutil.rmtree(copy)
    return folder / "env"


def test_what_conda_makes_opens_the_lessons_in_place(in_place: Path, folder: Path) -> None:
    root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    clone = folder / "a clone"
    with lab(clone, in_place / BIN / "jupyter", "lab", "notebooks", *root) as client:
        prefix, package, where = answer(client, CELL).split("|")
        assert Path(prefix) == in_place and Path(package).is_relative_to(clone)
        assert Path(where) == clone / "notebooks"
        lesson = nbformat.read(clone / "notebooks" / handout.FIRST, as_version=4)
        for cell in lesson.cells:
            if cell.cell_type == "code":
                answer(client, cell.source)


def test_an_installed_kit_executes_its_lessons_and_names_itself(
    installed: Path, tmp_path: Path
) -> None:
    kit = installed / BIN / "kit"
    ran = run(kit, "run", "00", cwd=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "00_start_here: passed" in ran.stdout
    refused = run(kit, "test", cwd=tmp_path)
    assert refused.returncode == 1
    assert "`kit test` works in a clone of the repository only" in refused.stderr
    plain(refused.stderr)
    say = "from kitlib.errors import KitError; print(KitError(fix='Run `./kit doctor`'))"
    assert run(installed / BIN / "python", "-c", say, cwd=tmp_path).stdout == "Run `kit doctor`.\n"
    assert list(tmp_path.iterdir()) == [], "only `kit lab` puts something into the folder"


def test_an_installed_kit_opens_the_learner_s_copies(installed: Path, tmp_path: Path) -> None:
    kit = installed / BIN / "kit"
    with lab(tmp_path, kit, "lab") as client:
        prefix, package, where = answer(client, CELL).split("|")
        assert Path(prefix) == installed and installed in Path(package).parents
        mine = tmp_path / handout.FOLDER
        assert Path(where) == mine
        assert {path.name for path in course.find()} <= {path.name for path in mine.iterdir()}
    (mine / handout.FIRST).write_text("my answers")
    again = run(kit, "lab", "--version", cwd=mine)  # that of JupyterLab, which then ends
    assert again.returncode == 0 and f"The lessons are in {mine}." in again.stdout, again.stderr
    assert (mine / handout.FIRST).read_text() == "my answers"
    assert not (mine / handout.FOLDER).exists()
