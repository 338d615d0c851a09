"""Runs one command and ends it when its owner is gone.

`guarded` starts it as a process in a session of its own. It imports nothing but the standard
library, so that it starts in milliseconds. Its standard input is a pipe that the owner holds: a
line that starts with "!" is an order, any other line goes on to the command's standard input, and
the end of the pipe means that the owner is gone, for whatever reason. The guard then asks the
command to end, kills it after a grace time, and removes its folder. It knows nothing of Kafka.

Usage: ``_guard.py SPEC``, where SPEC is a JSON object: command (list of str), grace_s (seconds),
log (a file for the command's output, or null for the owner's pipe), folder (or null). The guard
makes the folder itself, so that it never exists without a process that will remove it. It reports
"held" then, starts the command in it at the order "!go", and removes it after the command.
"""

import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

WINDOWS = sys.platform == "win32"
_keeps_folder = threading.Event()  # the owner wants to use it once more


def die_with(parent: int) -> None:
    """Let the kernel kill this process when its parent, the guard, is killed. Linux only."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    if os.getppid() != parent:  # it was killed before the kernel knew
        os._exit(128 + signal.SIGKILL)


def _put_in_job(child: Any) -> None:
    """Put it into a Windows job object, which kills it when the last handle, ours, is closed."""
    kernel32 = ctypes.windll.kernel32  # type: ignore[attr-defined]
    kernel32.CreateJobObjectW.restype = ctypes.c_void_p
    job = ctypes.c_void_p(kernel32.CreateJobObjectW(None, None))
    # JOBOBJECT_EXTENDED_LIMIT_INFORMATION; LimitFlags at byte 16 = KILL_ON_JOB_CLOSE.
    size = 144 if ctypes.sizeof(ctypes.c_void_p) == 8 else 112
    limits = (ctypes.c_byte * size)()
    ctypes.memmove(ctypes.byref(limits, 16), (0x2000).to_bytes(4, "little"), 4)
    kernel32.SetInformationJobObject(job, 9, ctypes.byref(limits), size)
    kernel32.AssignProcessToJobObject(job, int(child._handle))


def _tell_owner(line: str) -> None:
    """Write a line to the owner. If it is gone already, the end of its pipe is read next."""
    with contextlib.suppress(OSError):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def _end(child: Any, grace_s: float) -> None:
    """Ask the child to end, and kill it after `grace_s` seconds, even if it is frozen.

    When the child ends earlier, so does this process; see `await_child`.
    """
    with contextlib.suppress(OSError):
        child.stdin.close()
    if not WINDOWS:
        child.send_signal(signal.SIGTERM)
    time.sleep(grace_s)
    child.kill()


def _obey(order: str, child: Any, grace_s: float) -> None:
    if order == "term":
        # On a thread, so that further orders are read meanwhile.
        threading.Thread(target=_end, args=(child, grace_s), daemon=True).start()
    elif order == "kill":
        child.kill()
    elif order == "keep":
        _keeps_folder.set()
    elif order in ("stop", "cont") and not WINDOWS:
        child.send_signal(signal.SIGSTOP if order == "stop" else signal.SIGCONT)


def main(spec: dict[str, Any]) -> NoReturn:
    """Run the command until it ends or the owner is gone, and exit with the command's status."""
    if not WINDOWS:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    folder = spec["folder"]
    finishing = threading.Lock()

    def finish(status: int) -> NoReturn:
        finishing.acquire()  # never released: a second caller must not exit while the first removes
        if folder and not _keeps_folder.is_set():
            shutil.rmtree(folder, ignore_errors=True)
        os._exit(status)

    try:
        if folder:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            _tell_owner("held")
            if sys.stdin.buffer.readline().strip() != b"!go":
                finish(0)
        output = open(spec["log"], "ab") if spec["log"] else None  # noqa: SIM115 - the child's
        child = subprocess.Popen(
            spec["command"],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT if output else None,
            cwd=folder,
            preexec_fn=partial(die_with, os.getpid()) if sys.platform == "linux" else None,
        )
    except OSError as error:
        _tell_owner(str(error))
        finish(1)
    if WINDOWS:
        _put_in_job(child)
    serve(child, spec["grace_s"], finish)


def serve(child: Any, grace_s: float, finish: Callable[[int], NoReturn]) -> NoReturn:
    """Obey the owner until the child has ended, or until the owner is gone; then end the child.

    child: a Popen. finish: called with the exit status (128 + n for signal n); ends this process.
    """
    _tell_owner(json.dumps({"guard": os.getpid(), "child": child.pid}))

    def await_child() -> None:
        status = child.wait()
        finish(status if status >= 0 else 128 - status)

    threading.Thread(target=await_child, daemon=True).start()
    for line in sys.stdin.buffer:
        if line.startswith(b"!"):
            _obey(line[1:].strip().decode("ascii", "replace"), child, grace_s)
            continue
        with contextlib.suppress(OSError, ValueError):
            child.stdin.write(line)
            child.stdin.flush()
    # The owner is gone, so nobody needs what a long clean-up would finish.
    _end(child, min(grace_s, 2.0))
    time.sleep(1.0)  # await_child ends this process; this is for a child that lingers
    finish(0)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
