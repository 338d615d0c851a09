"""Workers that start in milliseconds: forked from one process that has imported Kafka already.

Importing kafka-python takes most of a second of a processor, and a lesson starts a dozen workers.
The nursery is one process for each notebook. It imports what workers need, makes no client and no
thread, and forks: first a guard, with a session and pipes of its own, and from that the worker. So
a forked worker ends with its owner just like one that was started (`kitlib.process`), and is
given the owner's environment and folder of this moment. Linux only; elsewhere, and when the nursery
fails, `hatch` says so and the caller starts a process the usual way.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kitlib.process import Guarded, _guard

_ROOT = str(Path(__file__).parents[2])
# Collecting garbage during the imports costs a tenth of the start.
_CODE = (
    "import gc, sys; gc.disable(); sys.path.insert(0, sys.argv[1]); "
    "from kitlib.workers._nursery import main; sys.exit(main(int(sys.argv[2])))"
)
_MOST_BYTES = 128 * 1024  # of a request

_lock = threading.Lock()
_control: socket.socket | None = None  # to the nursery of this process
_owner = 0  # whose nursery it is: a fork of the notebook has none


def warm() -> None:
    """Start the nursery, if this system can have one; it imports while the caller goes on."""
    with _lock, contextlib.suppress(OSError):
        _started()


def hatch(on_line: Callable[[str], None], grace_s: float) -> Guarded | None:
    """Fork a worker; None if that is not possible here. The arguments are those of `Guarded`."""
    with _lock:
        try:
            return Hatched(_started(), on_line, grace_s)
        except (OSError, ValueError):
            _drop()
            return None


def _started() -> socket.socket:
    """The socket to the nursery. Raises OSError where there cannot be one."""
    global _control, _owner
    if sys.platform != "linux":
        raise OSError("only Linux forks safely enough")
    if _control is None or _owner != os.getpid():
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        subprocess.Popen(
            [sys.executable, "-u", "-c", _CODE, _ROOT, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        theirs.close()
        _control, _owner = ours, os.getpid()
    return _control


def _drop() -> None:
    global _control
    if _control is not None:
        _control.close()
    _control = None


class Hatched(Guarded):
    """A worker that was forked from the nursery; in all else a `Guarded`."""

    def __init__(
        self, nursery: socket.socket, on_line: Callable[[str], None], grace_s: float
    ) -> None:
        request = {"env": dict(os.environ), "cwd": os.getcwd(), "grace": grace_s}
        data = json.dumps(request).encode("utf-8", "surrogateescape")
        if len(data) > _MOST_BYTES:
            raise ValueError("too large for one message")
        stdin, stdout, status = os.pipe(), os.pipe(), os.pipe()
        theirs = (stdin[0], stdout[1], status[1])
        try:
            socket.send_fds(nursery, [data], theirs)
        except OSError:
            for fd in (stdin[1], stdout[0], status[0]):
                os.close(fd)
            raise
        finally:
            for fd in theirs:
                os.close(fd)
        self._status: int | None = None
        self._over = threading.Event()
        threading.Thread(target=self._hear_status, args=(status[0],), daemon=True).start()
        # Raises ValueError if the nursery ended before it had a guard.
        self._attach(os.fdopen(stdin[1], "wb"), os.fdopen(stdout[0], "rb"), on_line)

    def _hear_status(self, fd: int) -> None:
        with os.fdopen(fd, "rb") as status:
            said = status.read()  # until the guard has ended
        self._status = int(said) if said else 128 + signal.SIGKILL
        self._over.set()

    @property
    def running(self) -> bool:
        """Whether the worker still runs."""
        return not self._over.is_set()

    def _await(self, timeout_s: float | None) -> int:
        if not self._over.wait(timeout_s):
            raise subprocess.TimeoutExpired("worker", timeout_s or 0)
        assert self._status is not None
        return self._status


# -- in the nursery's process, and in what is forked from it ---------------------------------------


def main(fd: int) -> int:
    """Serve the owner until it is gone. Returns once in the nursery, each guard and each worker."""
    import kafka
    import kafka.admin  # noqa: F401

    from kitlib.workers import _main as _worker_main

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the guards
    gc.freeze()
    control = socket.socket(fileno=fd)
    with control:
        request, fds = _next(control)
    if not request:
        return 0
    stdin, stdout, status = fds
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    os.dup2(stdin, 0)
    os.dup2(stdout, 1)
    os.close(stdin)
    os.close(stdout)
    os.environ.clear()
    os.environ.update(request["env"])
    with contextlib.suppress(OSError):
        os.chdir(request["cwd"])
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    child = _Child()
    if child.pid == 0:
        os.close(status)
        return _worker_main.main()

    def over(code: int) -> None:
        with contextlib.suppress(OSError):  # the owner may be gone
            os.write(status, b"%d" % code)
        os._exit(0)

    return _guard.keep(child, request["grace"], over)


def _next(control: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """In the nursery: serve on, and return nothing at the end. In a fork: what it is to be."""
    while True:
        data, fds, _, _ = socket.recv_fds(control, _MOST_BYTES, 3)
        if not data:
            return {}, []
        if os.fork() == 0:
            return json.loads(data.decode("utf-8", "surrogateescape")), fds
        for fd in fds:
            os.close(fd)


class _Child:
    """The worker as its guard sees it: what `_guard` uses of a subprocess.Popen. pid: 0 in it."""

    def __init__(self) -> None:
        guard, (end, start) = os.getpid(), os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            ctypes.CDLL(None).prctl(_guard.PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != guard:
                os._exit(128 + signal.SIGKILL)
            os.dup2(end, 0)
            os.close(end)
            os.close(start)
            return
        os.close(end)
        self.stdin = os.fdopen(start, "wb")
        self._status = 0
        self._over = threading.Event()
        threading.Thread(target=self._reap, daemon=True).start()

    def _reap(self) -> None:
        self._status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self._over.set()

    def wait(self, timeout: float | None = None) -> int:
        if not self._over.wait(timeout):
            raise subprocess.TimeoutExpired("worker", timeout or 0)
        return self._status

    def send_signal(self, number: int) -> None:
        if not self._over.is_set():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)
