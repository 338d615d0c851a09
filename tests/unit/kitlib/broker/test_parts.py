"""The jars are what the lock says, or they are fetched again."""

from __future__ import annotations

from pathlib import Path

import pytest
from serving import serve_jars

from kitlib.broker import Broker
from kitlib.broker import _parts as parts


def test_jars_are_fetched_and_a_damaged_one_is_found_and_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kafka: Broker
) -> None:
    jars = parts.cache_folder() / "jars"
    with serve_jars(jars, list(parts.locked_jars()), tmp_path / "maven") as url:
        monkeypatch.setenv("KIT_MAVEN_URL", url)
        monkeypatch.setenv("KIT_CACHE_DIR", str(tmp_path / "cache"))
        steps: list[tuple[str, int, int]] = []
        parts.fetch_jars(lambda *step: steps.append(step))
        assert [done for _, done, _ in steps] == list(range(len(parts.locked_jars()) + 1))
        assert parts.unsound_jars() == []
        victim = tmp_path / "cache" / "jars" / "re2j-1.8.jar"
        data = bytearray(victim.read_bytes())
        data[100] ^= 1
        victim.write_bytes(data)
        assert parts.unsound_jars() == ["com.google.re2j:re2j:1.8"]
        parts.fetch_jars(lambda *step: None)
        assert parts.unsound_jars() == []


def test_the_cache_lies_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KIT_CACHE_DIR", str(tmp_path))
    assert parts.cache_folder() == tmp_path
    assert all(tmp_path in jar.parents for jar in parts.parts().jars)
