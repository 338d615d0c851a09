"""Starts the process of a worker; on Linux in milliseconds, forked from one that knows Kafka.

Importing kafka-python takes most of a second of a processor, and a lesson starts a dozen workers.
So each notebook has one process, its nursery, that imports what workers need, makes no client and
no thread, and forks: first a guard, with a session and pipes of its own, and from the guard the
worker. A forked worker ends with its owner just like any other guarded process (`kitlib.process`),
and gets the owner's environment and working directory of that moment. Elsewhere, and when the
nursery fails, a worker starts as a program of its own. What it runs is up to `_main`.

multiprocessing's forkserver would not do: it needs the same guard, takes twice as long to start a
worker, runs a script's main module again in each, and leaves files when its owner is killed.
"""

import contextlib
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
from typing import IO, Any, NoReturn

from kitlib.process import Guarded, _guard
from kitlib.workers import _main

_ROOT = str(Path(__file__).parents[2])
_MOST_BYTES = 128 * 1024  # of a request

_lock = threading.Lock()
_nurseries: dict[int, socket.socket] = {}  # by the owner's process id: a fork has its own


def warm() -> None:
    """Start the nursery, if this system can have one; it imports while the caller goes on."""
    with _lock, contextlib.suppress(OSError):
        _connect()


def launch(on_line: Callable[[str], None], grace_s: float) -> Guarded:
    """Start a worker's process, by a fork if possible. The arguments are those of `Guarded`."""
    with _lock:
        try:
            return Forked(_connect(), on_line, grace_s)
        except (OSError, ValueError):
            if nursery := _nurseries.pop(os.getpid(), None):
                nursery.close()
    return Guarded(_command("kitlib.workers._main"), on_line=on_line, grace_s=grace_s)


def _command(module: str, *arguments: str) -> list[str]:
    """Runs `main` of this module with these arguments."""
    code = (
        # Collecting garbage during the imports costs a tenth of the start.
        "import gc, sys; gc.disable(); sys.path.insert(0, sys.argv[1]); "
        f"from {module} import main; sys.exit(main(*sys.argv[2:]))"
    )
    return [sys.executable, "-u", "-c", code, _ROOT, *arguments]


def _connect() -> socket.socket:
    """The socket to the nursery, started if need be. Raises OSError where there cannot be one."""
    if sys.platform != "linux":
        raise OSError("only Linux forks safely enough")
    if os.getpid() not in _nurseries:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            subprocess.Popen(
                _command("kitlib.workers._nursery", str(theirs.fileno())),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        _nurseries[os.getpid()] = ours
    return _nurseries[os.getpid()]


class Forked(Guarded):
    """A worker forked from the nursery, in all else a `Guarded`.

    Raises OSError if the nursery is gone, and ValueError if it cannot serve this request.
    """

    def __init__(
        self, nursery: socket.socket, on_line: Callable[[str], None], grace_s: float
    ) -> None:
        request = {"environment": dict(os.environ), "folder": os.getcwd(), "grace_s": grace_s}
        data = json.dumps(request).encode()
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
        self._ended = threading.Event()
        threading.Thread(target=self._await_status, args=(status[0],), daemon=True).start()
        # Raises ValueError if the nursery ended before it had a guard.
        self._attach(os.fdopen(stdin[1], "wb"), os.fdopen(stdout[0], "rb"), on_line)

    def _await_status(self, fd: int) -> None:
        with os.fdopen(fd, "rb") as pipe:
            # It ends with the guard, and is empty if the guard was killed.
            self._status = int(pipe.read() or 128 + signal.SIGKILL)
        self._ended.set()

    @property
    def running(self) -> bool:
        """Whether the worker still runs."""
        return not self._ended.is_set()

    def _await(self, timeout_s: float | None) -> int:
        if not self._ended.wait(timeout_s):
            raise subprocess.TimeoutExpired("worker", timeout_s or 0)
        return self._status


# -- The nursery's process, and what is forked from it: a guard, and from that a worker ------------


def main(control_fd: str) -> None:
    """The nursery: fork a guard for each request, until the owner is gone."""
    import kafka.admin  # noqa: F401

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the guards
    gc.freeze()
    with socket.socket(fileno=int(control_fd)) as control:
        while True:
            request, fds, _, _ = socket.recv_fds(control, _MOST_BYTES, 3)
            if not request:
                return
            if os.fork() == 0:
                control.close()
                _be_guard(json.loads(request), *fds)
            for fd in fds:
                os.close(fd)


def _be_guard(request: dict[str, Any], stdin: int, stdout: int, status: int) -> NoReturn:
    """Fork the worker, serve the owner until the worker has ended, and report its status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.setsid()
    _move(stdin, 0)
    _move(stdout, 1)
    os.environ.clear()
    os.environ.update(request["environment"])
    with contextlib.suppress(OSError):  # it may have been removed
        os.chdir(request["folder"])
    guard_pid, (worker_stdin, to_worker) = os.getpid(), os.pipe()
    worker_pid = os.fork()
    if worker_pid == 0:
        _guard.die_with(guard_pid)
        os.close(status)
        os.close(to_worker)
        _move(worker_stdin, 0)
        sys.exit(_main.main())  # an orderly exit: clients flush in it
    os.close(worker_stdin)

    def finish(code: int) -> NoReturn:
        with contextlib.suppress(OSError):  # the owner may be gone
            os.write(status, b"%d" % code)
        os._exit(0)

    _guard.serve(_Child(worker_pid, os.fdopen(to_worker, "wb")), request["grace_s"], finish)


def _move(fd: int, place: int) -> None:
    os.dup2(fd, place)
    os.close(fd)


class _Child:
    """The worker as its guard sees it: what `_guard` uses of a subprocess.Popen."""

    def __init__(self, pid: int, stdin: IO[bytes]) -> None:
        self.pid = pid
        self.stdin = stdin
        self._ended = False

    def wait(self) -> int:
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self._ended = True
        return status

    def send_signal(self, number: int) -> None:
        if not self._ended:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)
