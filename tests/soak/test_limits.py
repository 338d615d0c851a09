"""Little memory, few open files, little address space, no execution: one message, or it works."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from clones import ROOT
from kafka import KafkaProducer
from kafka.errors import UnknownError

import kitlib as kit
from kitlib.broker import Broker, connect
from kitlib.broker._node import Node
from kitlib.process import memory

KIT = [sys.executable, "-P", "-m", "kittools"]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")


def within(limits: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a shell that has set these limits."""
    return subprocess.run(
        ["sh", "-c", f'{limits} && exec "$@"', "sh", *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )


# -- ulimit ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "limit", "says"),
    [
        ("lab", "ulimit -n 64", "few open files (ulimit -n).\nThe kit needs 256; the limit is 64."),
        (
            "run",
            f"ulimit -v {2**21}",
            "little virtual memory (ulimit -v).\n"
            "The kit needs 4,194,304 KiB; the limit is 2,097,152 KiB.",
        ),
    ],
)
def test_a_limit_that_is_too_low_is_told(command: str, limit: str, says: str) -> None:
    ran = within(limit, *KIT, command)
    assert ran.returncode == 1 and ran.stdout == ""
    assert ran.stderr.startswith("kit: This shell, service or container allows too ")
    assert says in ran.stderr and len(ran.stderr.splitlines()) == 3, ran.stderr


def test_a_limit_that_may_be_raised_is_raised(kafka: Broker) -> None:
    ran = within("ulimit -S -n 64", *KIT, "doctor")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "sent, stored, read back" in ran.stdout


START = """
import kitlib as kit
try:
    kit.connect()
except kit.KitError as error:
    print(error)
"""


@pytest.mark.parametrize("limit", ["ulimit -n 50", f"ulimit -v {2 * 2**20}"])
def test_a_broker_that_lacks_something_says_what(kafka: Broker, limit: str) -> None:
    """In a notebook that was opened without the command line, which would have looked."""
    ran = within(limit, sys.executable, "-c", START)
    assert ran.returncode == 0, ran.stderr
    assert "A limit is too low for a broker: `ulimit -a` shows" in ran.stdout
    assert len(ran.stdout.splitlines()) == 4, ran.stdout


# -- memory ----------------------------------------------------------------------------------------


@contextmanager
def little_memory(megabytes: int) -> Iterator[Path | None]:
    """A cgroup with so much memory, of version 1 or 2; None where nobody lets us make one."""
    mine = next(memory.cgroups(), Path("nowhere"))
    group = mine.parent / f"kit-test-{os.getpid()}"
    try:
        group.mkdir()
        files = [group / name for name in ("memory.max", "memory.limit_in_bytes")]
        [limit] = [file for file in files if file.exists()]
        limit.write_text(str(megabytes * 10**6))
        with suppress(FileNotFoundError):
            (group / "memory.swap.max").write_text("0")  # or the kernel swaps and kills nobody
    except (OSError, ValueError):
        with suppress(OSError):
            group.rmdir()
        group = Path("nowhere")
    try:
        yield group if group.name != "nowhere" else None
    finally:
        if group.exists():
            kit.wait_until(lambda: not (group / "cgroup.procs").read_text(), "the end of all", 60)
            group.rmdir()


CELLS = """
import sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_cell("import kitlib as kit; kafka = kit.connect(); print(kafka.node.process.pid)")
sys.stdout.flush()
sys.stdin.readline()
shell.run_cell("kit.wait_until(lambda: not kafka.running, 'its end', 60); 1 / 0")
"""
# Where no cgroup can be made, a file of the test counts, and the test kills.
COUNTED = """
from pathlib import Path
from kitlib.process import memory
memory.cgroups = lambda: iter([Path.cwd()])
Path("memory.events").write_text("oom_kill 0\\n")
"""
HOG = """
import sys
open(sys.argv[1] + "/cgroup.procs", "w").write("0")
held = [b"x" * 10**6 for _ in range(700)]
"""


def test_a_broker_that_the_kernel_killed_for_memory(kafka: Broker, tmp_path: Path) -> None:
    """The error of the cell is somebody else's; below it stands what became of the broker."""
    with little_memory(500) as group, (tmp_path / "errors").open("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", ("" if group else COUNTED) + CELLS],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            preexec_fn=lambda: group and (group / "cgroup.procs").write_text("0"),
        )
        assert process.stdin and process.stdout
        pid = int(process.stdout.readline())
        if group:
            Path(f"/proc/{pid}/oom_score_adj").write_text("1000")  # whom the kernel is to choose
            subprocess.run([sys.executable, "-c", HOG, str(group)])
        else:
            (tmp_path / "memory.events").write_text("oom_kill 1\n")
            os.kill(pid, signal.SIGKILL)
        out, _ = process.communicate("\n", timeout=120)
        errors.seek(0)
        told = errors.read()
    assert "ZeroDivisionError" in out + told
    assert "The broker has ended.\nERROR its process was ended by signal 9: the kernel" in told
    assert "because the memory allowed here was used up" in told and "kit.connect()" in told


# -- no execution ----------------------------------------------------------------------------------


def compressed(broker: Broker, codec: str) -> list[str | None]:
    """Have the broker compress a record; the codecs of its records on the log."""
    broker.fresh_topic(codec, compression_type=codec)
    with KafkaProducer(**broker.connection) as producer:
        producer.send(codec, b"x" * 500).get(60)
    return [(row.detail or {})["compression"] for row in broker.read(codec)]


def test_libraries_are_unpacked_where_they_may_be_executed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kafka: Broker
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_flag=os.ST_NOEXEC))
    with Broker() as broker:
        assert compressed(broker, "zstd") == ["zstd"]
        loaded = Path(f"/proc/{broker.node.process.pid}/maps").read_text("utf-8")
        assert f"{tmp_path}/libzstd" in loaded
    assert list(tmp_path.iterdir()) == []


def test_what_only_the_log_knows_is_told_after_the_cell(
    kafka: Broker, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As where nothing anywhere may be executed; these are lines of a log from such a place."""
    broker, node = Broker(), Node()
    broker._node, node._process = node, SimpleNamespace(running=True)  # type: ignore[assignment]
    monkeypatch.setattr(connect, "_current", broker)
    node.log.write_text(
        "04:03:42.251 ERROR [ReplicaManager broker=1] Error processing append operation\n"
        "java.lang.UnsatisfiedLinkError: /x/libzstd.so: failed to map segment from shared object\n"
        "\tat java.base/jdk.internal.loader.NativeLibraries.load(Native Method)\n"
    )
    connect._after_cell(SimpleNamespace(error_in_exec=ZeroDivisionError()))
    assert capsys.readouterr().err == ""
    connect._after_cell(SimpleNamespace(error_in_exec=UnknownError()))
    told = capsys.readouterr().err
    assert told.startswith("The broker's log says more.\nLibraries cannot be loaded from a folder")
    assert "KIT_CACHE_DIR" in told and str(node.log) in told
    assert len(told.splitlines()) == 3
    node.log.unlink()
