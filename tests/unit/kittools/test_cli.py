"""The commands as a person runs them: broker, doctor, run, bench, reset, lab."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import psutil
import pytest
from clones import plain
from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient
from labs import server

from kitlib.broker import Broker
from kitlib.broker import _parts as parts
from kitlib.broker import _sweep as sweep
from kitlib.errors import KitError
from kittools import course

ROOT = Path(__file__).parents[3]


def kit(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "kittools", *arguments],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200", **env},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_doctor_checks_and_says_how_to_mend(kafka: Broker, tmp_path: Path) -> None:
    well = kit("doctor")
    assert well.returncode == 0, well.stdout
    assert well.stdout.count("ok ") == 6
    assert "sent, stored, read back" in well.stdout
    unwell = kit("doctor", KIT_CACHE_DIR=str(tmp_path), KIT_MAVEN_URL="http://127.0.0.1:1")
    assert unwell.returncode == 1
    assert "FAIL jars" in unwell.stdout
    assert "Check the network" in unwell.stdout
    assert "Traceback" not in unwell.stdout + unwell.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_broker_serves_other_tools_until_ctrl_c(kafka: Broker) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "kittools", "broker"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"Apache Kafka 4\.4\.0 at (\S+)", line):
            break
    admin = KafkaAdminClient(bootstrap_servers=found[1])
    admin.create_topics({"other": {"num_partitions": 1}}, wait_for_metadata=True)
    admin.close()
    with KafkaProducer(bootstrap_servers=found[1]) as producer:
        assert producer.send("other", b"x").get(30).offset == 0
    process.send_signal(signal.SIGINT)
    rest = process.stdout.read()
    assert process.wait(20) == 0
    assert "The broker has ended" in rest


def test_run_counts_claims_and_reports_a_failure(tmp_path: Path) -> None:
    def lesson(name: str, *cells: str) -> Path:
        path = tmp_path / name
        nbformat.write(
            nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells]), path
        )
        return path

    good = course.execute(lesson("90_good.ipynb", "x = 1", "assert x == 1\nassert x"))
    assert (good.passed, good.cells, good.claims) == (True, 2, 2)
    bad = course.execute(lesson("91_bad.ipynb", "assert 1 == 2, 'one is not two'"))
    assert not bad.passed
    assert "one is not two" in bad.problem
    bare = course.execute(lesson("92_bare.ipynb", "x = 1\nassert x == 2"))
    assert bare.problem == "AssertionError: assert x == 2"
    shows = "from kitlib.checks import exercise\nexercise.Outcome('open', 'why', exercise='93.1')"
    as_found = course.execute(lesson("93_open.ipynb", shows))
    assert as_found.passed and as_found.outcomes == (("93.1", "Open"),)
    solved = course.execute(lesson("93_open.ipynb", shows), solutions=True)
    assert solved.problem == "with its solution 93.1 is Open"
    with pytest.raises(KitError, match="no lesson 77"):
        course.find(["77"])


def test_a_kernel_that_dies_is_a_line_whenever_it_dies(tmp_path: Path) -> None:
    cells = [nbformat.v4.new_code_cell("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "94_dies.ipynb")
    at_once = tmp_path / "kernels" / "python3"  # in the place of the real one
    at_once.mkdir(parents=True)
    spec = {"argv": [sys.executable, "-c", "raise SystemExit(1)", "{connection_file}"]}
    (at_once / "kernel.json").write_text(json.dumps({**spec, "display_name": "x", "language": "x"}))
    script = f"""if True:
        from pathlib import Path
        from kittools import course
        print(course.execute(Path({str(tmp_path / "94_dies.ipynb")!r})).line())"""
    for path, said in {"": "Kernel died", str(tmp_path): "Kernel died before replying"}.items():
        ran = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=300,
            env={**os.environ, "JUPYTER_PATH": path, "JUPYTER_PREFER_ENV_PATH": "0"},
        )  # fmt: skip
        assert ran.stdout.startswith(f"94_dies: failed: {said}"), ran.stderr
        assert ran.stderr == ""


def test_bench_start_measures_both_ways(kafka: Broker) -> None:
    ran = kit("bench", "start", "--runs", "1", "--json")
    assert ran.returncode == 0, ran.stderr
    rows = {row["what"]: row for row in json.loads(ran.stdout)["rows"]}
    ours = rows["embedded: start to first ack"]
    assert len(ours["values"]) == 1
    assert ours["median"] > 0
    assert ours["target"] == 1.0
    refused = kit("bench", "start", "--runs", "0")
    assert refused.returncode == 1
    assert "At least one run" in refused.stderr


def test_bench_start_says_why_a_fresh_clone_does_not_start(kafka: Broker) -> None:
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:1/simple", "PIP_RETRIES": "0"}
    ran = kit("bench", "start", "--runs", "1", "--cold", "1", **nowhere)
    assert ran.returncode == 1
    assert "A fresh clone does not start" in ran.stderr
    assert "The package index cannot be reached" in ran.stderr
    assert "Measure without --cold" in ran.stderr
    plain(ran.stderr)


def test_bench_proxy_measures_both_ways_and_says_what_the_proxy_costs() -> None:
    ran = kit("bench", "proxy", "--runs", "1", "--json")
    assert ran.returncode == 0, ran.stderr
    rows = {row["what"]: row for row in json.loads(ran.stdout)["rows"]}
    direct = rows["direct: to the acknowledgement"]["median"]
    behind = rows["through the proxy: the same"]
    assert direct > 0 and behind["values"]
    share = rows["share of the direct throughput"]
    assert share["target"] == 90.0 and share["at_least"]
    assert rows["the proxy adds"]["unit"] == "ms"


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


def test_the_cache_lies_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KIT_CACHE_DIR", str(tmp_path))
    assert parts.cache_folder() == tmp_path
    assert all(tmp_path in jar.parents for jar in parts.parts().jars)
