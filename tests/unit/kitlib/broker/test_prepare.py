"""The start-up cache is made once, by one process at a time, and replaced when it is damaged."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from serving import serve_jars

from kitlib.broker import Broker
from kitlib.broker import _parts as parts
from kitlib.broker import _prepare as prepare
from kitlib.errors import KitError


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kafka: Broker) -> Path:
    """A cache of its own that has the jars already."""
    shutil.copytree(parts.cache_folder() / "jars", tmp_path / "jars")
    monkeypatch.setenv("KIT_CACHE_DIR", str(tmp_path))
    return tmp_path


def test_two_set_ups_at_once_and_then_a_damaged_cache(cache: Path) -> None:
    code = "from kitlib.broker._prepare import prepare; prepare()"
    both = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum("Training" in output for output in outputs) == 1
    found = parts.parts()
    assert prepare.damaged(found) == []
    assert prepare.sound(found.aot)
    data = bytearray(found.aot.read_bytes())
    data[len(data) // 2] ^= 0xFF
    found.aot.write_bytes(data)
    assert not prepare.sound(found.aot)
    prepare.prepare()
    assert prepare.sound(found.aot)
    made = ["broker.aot", "broker.aot.sha256", "template", "template.sha256"]
    assert sorted(path.name for path in found.aot.parent.iterdir()) == made
    with Broker() as broker:
        assert broker.topics() == []


def test_a_jar_that_is_damaged_under_a_ready_cache_is_mended(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare.prepare()
    sound = cache / "sound"
    shutil.copytree(cache / "jars", sound)
    victim = cache / "jars" / "re2j-1.8.jar"
    victim.write_bytes(victim.read_bytes()[:-7])
    with serve_jars(sound, list(parts.locked_jars()), cache / "maven") as url:
        monkeypatch.setenv("KIT_MAVEN_URL", url)
        with Broker() as broker:
            assert broker.topics() == []
    assert parts.unsound_jars() == []


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="POSIX permissions")
def test_a_cache_folder_that_is_a_file_is_refused_with_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("KIT_CACHE_DIR", str(blocked / "cache"))
    with pytest.raises(KitError, match="KIT_CACHE_DIR"):
        prepare.prepare()


def test_a_repository_that_sends_something_else_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real server on loopback answers every request with the same wrong bytes."""
    import http.server
    import threading

    class Wrong(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"not a jar")

        def log_message(self, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Wrong) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("KIT_MAVEN_URL", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("KIT_CACHE_DIR", str(tmp_path))
        with pytest.raises(KitError, match="does not match its SHA-256, even when fetched again"):
            prepare.prepare()
        server.shutdown()
    assert not list((tmp_path / "jars").glob("*.jar"))
