"""Machines of all kinds: the set-up works there, or says in one message what to do.

The table is in tests/helpers/machines.py. `kit soak --machines` tries all of it, `kit test` the
entries that stand for several others. What Jupyter finds on odd machines is tried at the end.
"""

from __future__ import annotations

import fcntl
import importlib.machinery
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from clones import ROOT, base_python, clone, person, plain
from labs import foreign_kernel, kernel, server
from machines import LOGIN, MACHINES, PASSWORD, Machine, Surroundings, surroundings

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="modes of files")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "machine" in metafunc.fixturenames:
        chosen = [one for one in MACHINES if one.short or metafunc.config.getoption("--long")]
        metafunc.parametrize("machine", chosen, ids=[one.name for one in chosen])


@pytest.fixture
def around(tmp_path: Path) -> Iterator[Surroundings]:
    with surroundings(tmp_path) as made:
        yield made


def test_machine(
    machine: Machine, around: Surroundings, record_property: Callable[[str, object], None]
) -> None:
    record_property("what", " ".join(filter(None, [machine.name, machine.report])))
    if not machine.fresh:
        around.keep_tools()
    around.apply(machine)
    told = around.kit("--help")
    assert not any(secret in told.shown for secret in (LOGIN, PASSWORD, PASSWORD[::-1])), told
    if machine.says:
        assert told.status == 1, told
        plain(told.shown)
        missing = [part for part in map(around.filled, machine.says) if part not in told.shown]
        assert not missing, told.shown
        return
    assert told.status == 0, told.shown
    # It has what the locks name, in its place, and hands over a Python that checks assertions.
    (made,) = around.environments()
    assert Path(told.seen["prefix"]) == made and told.seen["debug"], told
    assert len(list(made.glob("lib/python*/site-packages/ballast.py"))) == 1
    assert not (around.folder / "elsewhere").exists()
    assert [name for name in told.seen["environ"] if name.startswith(("PIP_", "UV_"))] == [
        name for name in around.environ if name.startswith(("PIP_", "UV_"))
    ]
    if "KIT_CACHE_DIR" in around.environ:
        assert {path.name for path in (around.folder / "cache").iterdir()} >= {"tools", "uv"}
        assert not list(around.home.rglob("*"))


def test_files_of_a_clone_that_became_anothers_are_named_or_do_no_harm(
    around: Surroundings,
) -> None:
    """uv's hard links share a file's owner and rights with its cache, and so with other clones."""
    around.keep_tools()
    around.environ["PIP_INDEX_URL"] = around.addresses["index"]
    assert around.kit("--help").status == 0
    (made,) = around.environments()
    (package,) = made.glob("lib/python*/site-packages/ballast.py")
    package.chmod(0)  # as another's private file
    made.rename(around.folder / "moved away")
    again = around.kit("--help")
    if again.status:  # where files are cloned, it passes
        plain(again.shown)
        assert f"{around.home}/.cache/uv yours again" in again.shown, again.shown


def test_one_clone_has_one_environment_by_whatever_name_and_whoever_made_it(
    around: Surroundings,
) -> None:
    around.keep_tools()
    around.environ["PIP_INDEX_URL"] = around.addresses["index"]
    first = around.kit("--help")
    assert first.status == 0, first.shown
    other = around.folder / "by another name"
    other.symlink_to(around.clone)
    again = around.kit("--help", clone=other)
    assert (again.shown, again.seen["prefix"]) == ("", first.seen["prefix"])
    # As if another Python had made it, in a folder that somebody else looks after.
    (made,) = around.environments()
    made.rename(made.with_name(".venv-run-theirs"))
    around.clone.chmod(0o555)
    shared = around.kit("--help")
    assert shared.status == 0, shared.shown
    assert shared.shown == "" and shared.seen["prefix"].endswith(".venv-run-theirs")


_WAIT = """
import sys
print("ready", flush=True)
sys.stdin.readline()
import ballast
print(ballast.NAME)
"""


def test_a_set_up_leaves_an_environment_that_is_in_use(around: Surroundings) -> None:
    around.keep_tools()
    around.environ["PIP_INDEX_URL"] = around.addresses["index"]
    program = around.clone / "kittools" / "__main__.py"
    tells = program.read_text("utf-8")
    assert around.kit("--help").status == 0
    (first,) = around.environments()
    program.write_text(_WAIT, "utf-8")
    with subprocess.Popen(
        [base_python(), "kit", "lab"], cwd=around.clone, env=around.environ, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as lesson:  # fmt: skip
        assert lesson.stdin is not None and lesson.stdout is not None
        assert lesson.stdout.readline() == "ready\n"
        program.write_text(tells, "utf-8")
        around.lock("gravel")
        second = around.kit("--help")
        assert second.status == 0, second.shown
        assert set(around.environments()) == {first, Path(second.seen["prefix"])}
        assert (around.clone / ".venv").resolve() == Path(second.seen["prefix"])
        lesson.stdin.write("\n")
        lesson.stdin.flush()
        assert lesson.stdout.readline() == "ballast\n"


@pytest.fixture
def launcher(tmp_path: Path) -> ModuleType:
    """The launcher as a module, for a folder of this test's own."""
    loader = importlib.machinery.SourceFileLoader("launcher", str(ROOT / "kit"))
    spec = importlib.util.spec_from_loader("launcher", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    was, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    loader.exec_module(module)
    sys.dont_write_bytecode = was
    module.ROOT, module.LINK = str(tmp_path), str(tmp_path / ".venv")  # type: ignore[attr-defined]
    return module


def test_certificates_for_all_programs_serve_both_installers(
    launcher: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a module, because pip's own `cert`, which this machine may have, comes before them."""
    bundle = tmp_path / "authority.pem"
    bundle.touch()
    for name in ("SSL_CERT_FILE", "PIP_CERT", "CURL_CA_BUNDLE", "UV_SYSTEM_CERTS", "UV_NATIVE_TLS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    environ = launcher.environment()
    assert environ["PIP_CERT"] == environ["SSL_CERT_FILE"] == str(bundle)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    monkeypatch.setattr(launcher, "has_certificates", lambda: True)
    assert launcher.environment()["UV_SYSTEM_CERTS"] == "1"
    launcher.configured["cert"] = "company.pem"
    assert launcher.environment()["SSL_CERT_FILE"] == "company.pem"


def test_what_nobody_uses_is_removed_and_what_is_not_the_kits_stays(
    launcher: ModuleType, tmp_path: Path
) -> None:
    for name in ("new", "used", "old", "half"):
        (tmp_path / f".venv-run-{name}").mkdir()
        if name != "half":
            (tmp_path / f".venv-run-{name}" / "kit-stamp").write_text("run 1")
    (tmp_path / ".venv-mine").mkdir()  # a person made it
    (tmp_path / ".venv").mkdir()  # an editor made it
    with (tmp_path / ".venv-run-used" / "kit-stamp").open() as user:
        fcntl.flock(user, fcntl.LOCK_SH)
        launcher.settle(str(tmp_path / ".venv-run-new"))
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {".venv", ".venv-mine", ".venv-run-new", ".venv-run-used"}
    (tmp_path / ".venv" / "kit-stamp").touch()  # an earlier version of the kit made it
    launcher.settle(str(tmp_path / ".venv-run-new"))
    assert (tmp_path / ".venv").readlink() == Path(".venv-run-new")
    assert {path.name for path in tmp_path.iterdir()} == {".venv", ".venv-mine", ".venv-run-new"}


@pytest.mark.parametrize("link", [True, False])
def test_a_link_or_a_file_of_somebodys_own_stays(
    launcher: ModuleType, tmp_path: Path, link: bool
) -> None:
    (tmp_path / ".venv-run-new").mkdir()
    (tmp_path / "theirs").mkdir()
    if link:
        (tmp_path / ".venv").symlink_to("theirs")
    else:
        (tmp_path / ".venv").write_text("theirs")  # some tools keep an environment's name so
    launcher.settle(str(tmp_path / ".venv-run-new"))
    assert (tmp_path / ".venv").resolve().name == ("theirs" if link else ".venv")
    assert link or (tmp_path / ".venv").read_text() == "theirs"


def test_no_part_of_a_password_is_shown(
    launcher: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it has a character that should have been encoded, which pip copes with."""
    monkeypatch.setenv("HTTPS_PROXY", "http://ana:p4ss@word@proxy.example:80")
    told = launcher.hidden("http://ana:p4ss@word@proxy.example:80/x refuses ana and p4ss@word")
    assert told == "http://***@proxy.example:80/x refuses ana and ***"


def test_without_a_home_the_launcher_says_so(
    launcher: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As for a user without an entry: nothing is made in a folder whose name is a tilde."""
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    with pytest.raises(SystemExit):
        launcher.main()
    told = capsys.readouterr().err
    plain(told)
    assert "home folder is not known" in told and "Set HOME" in told


# -- what Jupyter finds ----------------------------------------------------------------------------


def test_a_lab_in_a_folder_that_cannot_be_written_has_the_kits_own_kernel(tmp_path: Path) -> None:
    """A course folder that an instructor has set up, a home that is closed, and other kernels."""
    folder, home = clone(tmp_path / "clone"), tmp_path / "home"
    (folder / "notebooks").mkdir()
    (folder / "notebooks" / "00_start_here.ipynb").write_text(
        (ROOT / "notebooks" / "00_start_here.ipynb").read_text("utf-8"), "utf-8"
    )
    data = foreign_kernel(home / ".local" / "share" / "jupyter")
    environ = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "JUPYTER"))},
        "HOME": str(home),
        "JUPYTER_PATH": str(foreign_kernel(tmp_path / "foreign")),
        "JUPYTER_PREFER_ENV_PATH": "0",
        "KIT_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONPATH": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    code = "import sys; from kittools import cli; cli.prepare = lambda: None; cli.main()"
    log = tmp_path / "lab.log"
    closed = [folder, folder / "notebooks", home, data]
    for path in closed:
        path.chmod(0o555)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*person(), sys.executable, "-P", "-c", code, "lab", "--no-browser", "--port=0"],
            cwd=tmp_path, env=environ, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    runtime = tmp_path / "cache" / "jupyter_runtime_dir"
    try:
        lab = server(runtime, 120)
        with kernel(lab, runtime) as client:
            reply = client.execute("import ipykernel", reply=True, timeout=120)
            assert reply["content"]["status"] == "ok", reply
        assert f"{folder} cannot be written" in log.read_text("utf-8")
        assert not list(folder.rglob("*.pyc"))
    finally:
        for path in closed:
            path.chmod(0o755)
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    assert "Traceback" not in log.read_text("utf-8"), log.read_text("utf-8")
