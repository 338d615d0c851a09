"""The launcher, from a copy of the repository in a folder with a space and letters beyond ASCII."""

from __future__ import annotations

import ast
import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
from clones import ROOT, base_python, clone, kit, unreachable
from serving import serve

from kitlib.broker import _parts as parts


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of what the launcher needs."""
    return clone(tmp_path / "Kurs für Kafka")


def test_it_sets_up_once_and_then_needs_no_network(copy: Path) -> None:
    first = kit(copy, "--help")
    assert first.returncode == 0, first.stderr
    assert "Setting up" in first.stderr
    assert "Run all tests" in first.stdout
    second = kit(copy, "--help", **unreachable(copy))
    assert second.returncode == 0, second.stderr
    assert second.stderr == ""
    assert second.stdout == first.stdout


def test_another_clone_sets_up_from_the_caches_without_a_network(copy: Path) -> None:
    # The index keeps its name, as on a train: uv caches what it fetched under that name.
    proxies = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    names = [*proxies, *map(str.lower, proxies)]
    cut_off = dict.fromkeys(names, "http://127.0.0.1:1")
    done = kit(copy, "--help", NO_PROXY="", no_proxy="", **cut_off)
    assert done.returncode == 0, done.stderr
    assert "[2/3]" not in done.stderr
    assert "[3/3]" not in done.stderr


def test_without_a_network_it_says_so_and_works_once_there_is_one(copy: Path) -> None:
    refused = kit(copy, "--help", **unreachable(copy))
    assert refused.returncode == 1
    assert "The package index cannot be reached" in refused.stderr
    assert "->" in refused.stderr
    assert "Traceback" not in refused.stderr
    mended = kit(copy, "--help")
    assert mended.returncode == 0, mended.stderr


def test_a_package_that_is_not_the_locked_one_is_refused(copy: Path) -> None:
    """A real index on loopback, with the real wheels, and a lock that names others."""
    lock = copy / "requirements-tools.lock"
    text = lock.read_text("utf-8")
    real = [word for word in text.split() if word.startswith("--hash=sha256:")]
    for number, digest in enumerate(real):
        false = hashlib.sha256(b"%d" % number).hexdigest()
        text = text.replace(digest, f"--hash=sha256:{false}")
    lock.write_text(text, "utf-8")
    index = copy / "index"
    for wheel in (parts.cache_folder() / "tools").glob("*.whl"):
        name = wheel.name.split("-")[0]
        (index / name).mkdir(parents=True, exist_ok=True)
        shutil.copy(wheel, index / name / wheel.name)
    with serve(index) as url:
        refused = kit(copy, "--help", **{**unreachable(copy), "PIP_INDEX_URL": url})
    assert refused.returncode == 1
    assert "not what this kit was made with" in refused.stderr
    shutil.copy(ROOT / lock.name, lock)
    assert kit(copy, "--help").returncode == 0


def test_where_venv_is_missing_the_message_says_what_to_install(copy: Path) -> None:
    # Debian without python3-venv ends like this; on other systems the message has to be made up.
    text = "The virtual environment was not created successfully because ensurepip is not available"
    (copy / "venv.py").write_text(f"raise SystemExit({text!r})\n")
    refused = kit(copy, "--help")
    assert refused.returncode == 1
    assert "python3-venv" in refused.stderr
    assert "Traceback" not in refused.stderr
    (copy / "venv.py").unlink()
    assert kit(copy, "--help").returncode == 0


def test_an_interrupted_set_up_is_begun_again_and_an_editors_folder_stays(copy: Path) -> None:
    for name in (".venv", ".venv-run-half"):
        (copy / name / "bin").mkdir(parents=True)
        (copy / name / "bin" / "python").write_text("half written")
    done = kit(copy, "--help")
    assert done.returncode == 0, done.stderr
    assert (copy / ".venv" / "bin" / "python").read_text() == "half written"
    assert not (copy / ".venv-run-half").exists()


def test_two_set_ups_at_once_take_turns(copy: Path) -> None:
    both = [
        subprocess.Popen(
            [base_python(), "kit", "--help"],
            cwd=copy,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=600) for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert sum("Setting up" in error for _, error in outputs) == 1


def test_the_launcher_explains_itself_to_an_older_python(copy: Path) -> None:
    """An older Python can read the whole file, and so reaches the message that it is too old."""
    source = (ROOT / "kit").read_text("utf-8")
    ast.parse(source, feature_version=(3, 7))
    patched = source.replace("sys.version_info < (3, 11)", "sys.version_info < (9, 0)")
    assert patched != source
    (copy / "kit").write_text(patched, "utf-8")
    refused = kit(copy, "lab")
    assert refused.returncode == 1
    assert "too old" in refused.stderr
    assert not list(copy.glob(".venv*"))
