"""Runs one command and ends it when its owner is gone.

Started by `guarded` as a process of its own, in a session of its own, with nothing but the
standard library, so that it starts in milliseconds. Its standard input is a pipe that the owner
holds: a line that starts with "!" is an order, any other line goes on to the command's standard
input, and the end of the pipe means that the owner is gone, however it went. The guard then asks
the command to end, kills it after a grace time, and removes the folder it was given. It knows
nothing of Kafka.

Usage: ``_guard.py SPEC`` with SPEC a JSON object: command (list of str), grace (seconds), log (a
file for the command's output, or null for the owner's pipe), folder (made before the command, which
runs there, and removed after it; or null), hold (whether to say when the folder is there, and to
start the command at the order "!go" only). So there is no moment at which the folder is there and
nobody who would remove it.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

WINDOWS = sys.platform == "win32"
PR_SET_PDEATHSIG = 1
_keeps_folder = threading.Event()  # the owner wants to use it once more


def _die_with_guard() -> None:
    # Linux only: covers a guard that is itself killed. It runs between fork and exec.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _job() -> Any:
    """A Windows job object that kills what is in it when its last handle, ours, is closed."""
    kernel32 = ctypes.windll.kernel32  # type: ignore[attr-defined]
    kernel32.CreateJobObjectW.restype = ctypes.c_void_p
    job = ctypes.c_void_p(kernel32.CreateJobObjectW(None, None))
    # JOBOBJECT_EXTENDED_LIMIT_INFORMATION; LimitFlags at byte 16 = KILL_ON_JOB_CLOSE.
    size = 144 if ctypes.sizeof(ctypes.c_void_p) == 8 else 112
    limits = (ctypes.c_byte * size)()
    ctypes.memmove(ctypes.byref(limits, 16), (0x2000).to_bytes(4, "little"), 4)
    kernel32.SetInformationJobObject(job, 9, ctypes.byref(limits), size)
    return job


def _say(line: str) -> None:
    """Tell the owner, who may be gone already: then the end of its pipe says so next."""
    with contextlib.suppress(OSError):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def _end(child: Any, grace: float) -> None:
    """Ask the child to end, wait `grace` seconds, then kill it. A frozen one is killed as well."""
    if child.stdin:
        with contextlib.suppress(OSError):
            child.stdin.close()
    if not WINDOWS or grace == 0:
        child.terminate()
    try:
        child.wait(grace)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _order(child: Any, order: str, grace: float) -> None:
    if order == "term":
        # On its own thread: the pipe from the owner stays read meanwhile.
        threading.Thread(target=_end, args=(child, grace), daemon=True).start()
    elif order == "kill":
        child.kill()
    elif order == "keep":
        _keeps_folder.set()
    elif order in ("stop", "cont") and not WINDOWS:
        child.send_signal(signal.SIGSTOP if order == "stop" else signal.SIGCONT)


def main(spec: dict[str, Any]) -> int:
    """Run the command until it ends or the owner is gone; the exit status is the command's."""
    if not WINDOWS:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    folder = spec.get("folder")
    ending = threading.Lock()

    def over(status: int) -> None:
        ending.acquire()  # for good: whoever comes second must not end what the first removes
        if folder and not _keeps_folder.is_set():
            shutil.rmtree(folder, ignore_errors=True)
        os._exit(status)

    if folder:
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
        except OSError as error:
            _say(str(error))
            over(1)
    if spec.get("hold"):
        _say("held")
        if sys.stdin.buffer.readline().strip() != b"!go":
            over(0)
    output = open(spec["log"], "ab") if spec.get("log") else None  # noqa: SIM115 - the child's
    try:
        child = subprocess.Popen(
            spec["command"],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT if output else None,
            cwd=folder,
            preexec_fn=_die_with_guard if sys.platform == "linux" else None,
        )
    except OSError as error:
        _say(str(error))
        over(1)
        raise
    if WINDOWS:
        job = _job()
        ctypes.windll.kernel32.AssignProcessToJobObject(job, int(child._handle))  # type: ignore[attr-defined]

    return keep(child, float(spec.get("grace", 2.0)), over)


def keep(child: Any, grace: float, over: Callable[[int], None]) -> int:
    """Serve the owner until the child has ended, or until the owner is gone; then end the child.

    child: a Popen. over: called with the exit status (128 + n for signal n); ends this process.
    """
    _say(json.dumps({"guard": os.getpid(), "child": child.pid}))

    def follow() -> None:
        status = child.wait()
        over(status if status >= 0 else 128 - status)

    threading.Thread(target=follow, daemon=True).start()
    for line in sys.stdin.buffer:
        if line.startswith(b"!"):
            _order(child, line[1:].strip().decode("ascii", "replace"), grace)
            continue
        with contextlib.suppress(OSError, ValueError):
            assert child.stdin is not None
            child.stdin.write(line)
            child.stdin.flush()
    # The owner is gone: whatever the command wants to finish, nobody is there for it.
    _end(child, min(grace, 2.0))
    threading.Event().wait(1.0)  # follow() ends the process; this is for a child that lingers
    over(0)
    return 0


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
