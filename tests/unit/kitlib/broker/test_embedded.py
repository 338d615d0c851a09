"""The embedded broker ends with its owner, however that ends; only its log stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from kernels import started_kernel

from kitlib.broker import Broker
from kitlib.errors import KitError

ROOT = Path(__file__).parents[4]
OWNER = """
import os, signal, sys, time
from kitlib.broker import Broker
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
broker = Broker().start()
process = broker.node.process
print(process.pid, process.guard_pid, broker.node.folder, flush=True)
"""
ENDS = {
    "sigkill": "time.sleep(600)",
    "sigterm": "time.sleep(600)",
    "ctrl-c": "time.sleep(600)",
    "exception": "raise RuntimeError('the owner fails')",
    "end": "",
    "hard exit": "os._exit(3)",
}
SIGNALS = {"sigkill": signal.SIGKILL, "sigterm": signal.SIGTERM, "ctrl-c": signal.SIGINT}


def all_gone(pids: list[int], folder: str, seconds: float = 5) -> bool:
    """Whether the processes and the folder go within `seconds`."""

    def there(pid: int) -> bool:
        try:
            return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not any(map(there, pids)) and not os.path.exists(folder):
            return True
        time.sleep(0.02)
    return False


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("how", ENDS)
def test_nothing_is_left_however_the_owner_ends(how: str) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER + ENDS[how]],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert owner.stdout is not None
    broker, guard, folder = owner.stdout.readline().split(maxsplit=2)
    if how in SIGNALS:
        assert psutil.pid_exists(int(broker))
        owner.send_signal(SIGNALS[how])
    owner.wait(20)
    assert all_gone([int(broker), int(guard)], folder.strip())


def test_in_a_kernel_the_stop_button_leaves_it_and_a_restart_ends_it() -> None:
    def ask(code: str) -> str:
        """What the last expression shows."""
        client.execute_interactive(f"shown = repr({code})", timeout=60)
        reply = client.execute("", user_expressions={"shown": "shown"}, reply=True, timeout=60)
        return reply["content"]["user_expressions"]["shown"]["data"]["text/plain"].strip("\"'")

    with started_kernel(cwd=str(ROOT)) as (manager, client):
        client.execute_interactive("import time, kitlib as kit; kafka = kit.connect()", timeout=60)
        pids = [int(ask(f"kafka.node.process.{name}")) for name in ("pid", "guard_pid")]
        folder = ask("str(kafka.node.folder)").strip("\"'")
        assert os.path.isdir(folder)
        client.execute("print('asleep', flush=True); time.sleep(600)")
        # An interrupt that comes before the learner's code runs would be lost.
        while client.get_iopub_msg(timeout=60)["msg_type"] != "stream":
            pass
        manager.interrupt_kernel()
        client.wait_for_ready(60)
        assert ask("kafka.running") == "True"
        assert ask("kafka.topics()") == "[]"
        manager.restart_kernel(now=True)
        assert all_gone(pids, folder)


def test_a_broker_that_was_killed_says_so_and_the_next_start_works() -> None:
    with Broker() as broker:
        broker.node.process.kill()
        broker.node.process.wait(10)
        with pytest.raises(KitError, match="ended by signal 9"):
            broker.topics()
        assert "ended" in repr(broker)
        broker.start()
        assert broker.topics() == []
