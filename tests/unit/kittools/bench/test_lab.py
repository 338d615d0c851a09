"""A browser that is not installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from kitlib.errors import KitError
from kittools.bench import _lab


def test_a_missing_chromium_is_an_error_that_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert _lab.chromium() is None
    with pytest.raises(KitError) as error, _lab.browser():
        pass
    assert "apt install chromium" in error.value.fix
