"""The commands that have no module of their own, as a person runs them, and what each refuses."""

from __future__ import annotations

import importlib
import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner
from clones import plain
from commands import kit
from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient
from labs import server

from kitlib.broker import Broker
from kitlib.broker import _sweep as sweep
from kitlib.errors import KitError
from kittools import cli
from kittools.bench import _commands, _lab
from kittools.bench._table import Figure
from kittools.site import build

ROOT = Path(__file__).parents[3]


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_broker_serves_other_tools_until_ctrl_c(kafka: Broker) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "kittools", "broker"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if shown := re.search(r"Apache Kafka 4\.4\.0 at (\S+)", line):
            break
    admin = KafkaAdminClient(bootstrap_servers=shown[1])
    admin.create_topics({"other": {"num_partitions": 1}}, wait_for_metadata=True)
    admin.close()
    with KafkaProducer(bootstrap_servers=shown[1]) as producer:
        assert producer.send("other", b"x").get(30).offset == 0
    process.send_signal(signal.SIGINT)
    rest = process.stdout.read()
    assert process.wait(20) == 0
    assert "The broker has ended" in rest


def test_reset_asks_refuses_while_a_broker_runs_and_removes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kafka: Broker
) -> None:
    cache = tmp_path / "cache"
    (cache / "jars").mkdir(parents=True)
    (cache / "jars" / "x.jar").write_bytes(b"x")
    (cache / "runs" / "1-busy").mkdir(parents=True)
    sweep_note = cache / "runs" / "1-busy"
    sweep.note(sweep_note, os.getpid(), os.getpid())
    refused = kit("reset", "--yes", KIT_CACHE_DIR=str(cache))
    assert refused.returncode == 1
    assert "Close the notebooks first" in refused.stderr
    (sweep_note / "run.json").write_text("[[999999999, 1.0], [999999999, 1.0]]")
    unsure = kit("reset", KIT_CACHE_DIR=str(cache))
    assert unsure.returncode == 1
    assert (cache / "jars" / "x.jar").exists()
    assert not sweep_note.exists()
    done = kit("reset", "--yes", KIT_CACHE_DIR=str(cache))
    assert done.returncode == 0
    assert not cache.exists()


def test_reset_empties_what_a_link_leads_to_and_keeps_a_home(tmp_path: Path) -> None:
    disk, cache = tmp_path / "disk", tmp_path / "cache"
    (disk / "jars").mkdir(parents=True)
    cache.symlink_to(disk)
    done = kit("reset", "--yes", KIT_CACHE_DIR=str(cache))
    assert done.returncode == 0, done.stderr
    assert cache.exists() and not list(disk.iterdir())
    (disk / "home").mkdir()
    refused = kit("reset", "--yes", KIT_CACHE_DIR=str(cache), HOME=str(disk / "home"))
    assert refused.returncode == 1 and (disk / "home").exists()
    assert "holds more than a cache" in refused.stderr
    plain(refused.stderr)


def test_lab_serves_with_a_token_and_ends(kafka: Broker, tmp_path: Path) -> None:
    log = (tmp_path / "lab.log").open("w+")
    process = subprocess.Popen(
        [sys.executable, "-m", "kittools", "lab", "--no-browser", "--port", "0"],
        cwd=ROOT,
        stdout=log,
        stderr=subprocess.STDOUT,
        env={**os.environ, "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime")},
    )
    try:
        lab = server(tmp_path / "runtime")
        assert lab["token"]
        assert Path(lab["root_dir"]) == ROOT
        with urllib.request.urlopen(f"{lab['url']}api/status?token={lab['token']}") as reply:
            assert json.load(reply)["kernels"] == 0
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(f"{lab['url']}api/contents")
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def test_kit_docs_builds_then_checks_and_tells_what_the_check_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "index.html").write_bytes(b"x" * 2_500_000)
    asked = []

    def built(progress: build.Progress, *, again: bool) -> Path:
        asked.append(again)
        return tmp_path

    monkeypatch.setattr(build, "build", built)
    monkeypatch.setattr(build, "check", lambda folder: 3)
    monkeypatch.setattr(_lab, "chromium", lambda: "chromium")
    done = CliRunner().invoke(cli.cli, ["docs", "--again", "--check"])
    assert (done.exit_code, asked) == (3, [True])
    assert "2.5 MB" in done.output
    assert CliRunner().invoke(cli.cli, ["docs"]).exit_code == 0


def test_kit_docs_check_without_a_browser_fails_before_it_executes_a_lesson(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    refused = kit("docs", "--check", PATH=str(tmp_path), KIT_CACHE_DIR=str(cache))
    assert refused.returncode == 1
    assert "apt install chromium" in refused.stderr
    plain(refused.stderr)
    assert "passed" not in refused.stdout and not cache.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("bench", "start", "--runs", "0"), "'--runs': 0 is not in the range x>=1"),
        (("bench", "live", "--runs", "0"), "'--runs': 0 is not in the range x>=1"),
        (("bench", "start", "--cold", "-1"), "'--cold': -1 is not in the range x>=0"),
        (("bench", "all", "--runs", "0"), "'--runs': 0 is not in the range x>=1"),
        (("soak", "--rounds", "0"), "'--rounds': 0 is not in the range x>=1"),
        (("soak", "--at-once", "0"), "'--at-once': 0 is not in the range x>=1"),
        (("soak", "--hours", "0"), "'--hours': 0.0 is not in the range x>0"),
        (("soak", "--no-faults", "--no-lessons"), "leave nothing to run"),
        (("soak", "--machines", "--no-faults"), "machines only"),
        (("soak", "--machines", "05"), "machines only"),
    ],
)
def test_a_command_refuses_to_do_nothing(arguments: tuple[str, ...], said: str) -> None:
    refused = CliRunner().invoke(cli.cli, arguments)
    assert refused.exit_code == 2
    assert said in refused.output


def test_each_benchmark_is_a_command_with_the_function_that_it_calls() -> None:
    modules = {path.stem for path in (ROOT / "kittools" / "bench").glob("[a-z]*.py")}
    assert {name for name in cli.bench.commands if name != "all"} == modules
    for name in modules:
        assert callable(getattr(importlib.import_module(f"kittools.bench.{name}"), name))


def test_all_writes_the_file_of_each_benchmark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "kittools").symlink_to(Path(cli.__file__).parent)
    monkeypatch.setattr(_commands, "ROOT", tmp_path)
    done = CliRunner().invoke(cli.cli, ["bench", "all", "proxy", "--runs", "1"])
    assert done.exit_code == 0, done.output
    told = json.loads((tmp_path / "docs" / "measured" / "proxy.json").read_text("utf-8"))
    assert [Figure.from_json(row).median for row in told["rows"]] == [
        row["median"] for row in told["rows"]
    ]
    assert told["day"] and "Kafka" in told["machine"]
    wrong = CliRunner().invoke(cli.cli, ["bench", "all", "speed"])
    assert isinstance(wrong.exception, KitError) and "speed" in str(wrong.exception)
