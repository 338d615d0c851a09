"""What a violently ended process leaves behind is found and cleared away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from kitlib.broker import _sweep as sweep


def test_a_stale_run_is_swept_and_its_broker_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KIT_CACHE_DIR", str(tmp_path))
    orphan = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    stale, busy = tmp_path / "runs" / "a", tmp_path / "runs" / "b"
    for folder in (stale, busy):
        folder.mkdir(parents=True)
    sweep.note(busy, os.getpid(), orphan.pid)
    born = psutil.Process(orphan.pid).create_time()
    (stale / "run.json").write_text(json.dumps([[999999999, 1.0], [orphan.pid, born]]))
    try:
        assert sweep.sweep() == [stale]
        assert not psutil.pid_exists(orphan.pid)
        assert busy.exists()
    finally:
        orphan.kill()
        orphan.wait()
