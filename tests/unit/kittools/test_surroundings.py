"""What commands change in their surroundings, and what they leave."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from clones import person
from jupyter_client.kernelspec import KernelSpecManager
from labs import foreign_kernel

from kitlib.errors import KitError
from kittools import _surroundings


def test_the_kits_kernel_comes_before_one_of_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = {"HOME": str(tmp_path), "JUPYTER_PATH": str(foreign_kernel(tmp_path))}
    monkeypatch.setattr(os, "environ", theirs)
    assert KernelSpecManager().get_kernel_spec("python3").display_name == "Theirs"
    for _ in range(2):
        _surroundings.settle()
        assert os.environ["JUPYTER_PATH"].split(os.pathsep)[1:] == [str(tmp_path)]
        where = KernelSpecManager().get_kernel_spec("python3").resource_dir
        assert Path(where).is_relative_to(sys.prefix)
    folder = Path(os.environ["JUPYTER_CONFIG_PATH"])
    assert (folder / "labconfig" / "default_setting_overrides.json").is_file()


def test_one_variable_moves_the_caches_and_a_users_own_choice_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = {"HOME": str(tmp_path), "KIT_CACHE_DIR": str(tmp_path / "cache")}
    monkeypatch.setattr(os, "environ", named)
    _surroundings.settle()
    assert not (tmp_path / "cache").exists()
    (tmp_path / "cache").mkdir()
    del named["MPLCONFIGDIR"]
    _surroundings.settle()
    assert Path(named["MPLCONFIGDIR"]).is_relative_to(tmp_path / "cache")
    assert Path(named["MPLCONFIGDIR"]).stat().st_mode & 0o777 == 0o700
    assert "IPYTHONDIR" not in named and "JUPYTER_RUNTIME_DIR" not in named
    named["MPLCONFIGDIR"] = "theirs"
    _surroundings.settle()
    assert named["MPLCONFIGDIR"] == "theirs"


def test_a_home_that_cannot_even_be_read_is_not_needed(tmp_path: Path) -> None:
    """As after `sudo -u` and `su`, where HOME is still another's."""
    home = tmp_path / "home"
    home.mkdir(0)
    code = "import os; from kittools._surroundings import settle; settle(); print(*os.environ)"
    ran = subprocess.run(
        [*person(), sys.executable, "-c", code],
        env={**os.environ, "HOME": str(home), "KIT_CACHE_DIR": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
    )
    home.chmod(0o700)
    assert ran.returncode == 0, ran.stderr
    assert {"IPYTHONDIR", "JUPYTER_CONFIG_DIR", "MPLCONFIGDIR"} <= set(ran.stdout.split())


def test_without_a_home_the_message_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", unknown)
    with pytest.raises(KitError, match="Set HOME"):
        _surroundings.settle()
