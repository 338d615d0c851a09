"""The owner's side: starts a command under `_guard`, and gives orders to both.

The command ends with its owner whatever happens to the owner, and the stop button does not reach
it. The broker, the workers and the fault proxy all run this way. This module does not know what
the command does.
"""

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from kitlib.errors import KitError
from kitlib.process import memory

_GUARD = Path(__file__).with_name("_guard.py")


class Guarded:
    """A running command and its guard.

    command: list of str. on_line: called with each line (str) that the command prints, on a thread
    of this object. log: a file that takes the output instead. grace_s: seconds between the request
    to end and the kill. folder: made for the command, readable by this user alone; the command runs
    in it, and it is removed when the command has ended. fill: called when the folder exists, before
    the command starts; only with a folder. env: its environment; by default that of this process.

    Raises KitError or OSError if the command cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        on_line: Callable[[str], None] | None = None,
        log: Path | None = None,
        grace_s: float = 2.0,
        folder: Path | None = None,
        fill: Callable[[], object] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        spec = {"command": command, "log": log, "grace_s": grace_s, "folder": folder}
        flags = 0
        if sys.platform == "win32":
            flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", "-u", str(_GUARD), json.dumps(spec, default=str)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=env,
            start_new_session=True,
            creationflags=flags,
        )
        assert self._guard.stdin is not None and self._guard.stdout is not None
        try:
            if folder is not None:
                answer = self._guard.stdout.readline().decode().strip()
                if answer != "held":
                    raise OSError(answer or "the guard ended at once")
                if fill is not None:
                    fill()
                self._guard.stdin.write(b"!go\n")
                self._guard.stdin.flush()
            self._attach(self._guard.stdin, self._guard.stdout, on_line)
        except (json.JSONDecodeError, UnicodeDecodeError):  # no ids, but at most an error
            raise KitError(
                f"{Path(command[0]).name} could not be started",
                f"The process that guards it ended with status {self._guard.wait()}",
                "Run `./kit doctor`; it checks what a broker needs.",
            ) from None
        except BaseException:
            self._guard.stdin.close()  # nobody holds this object: the guard ends what it started
            raise

    def _attach(
        self, stdin: IO[bytes], stdout: IO[bytes], on_line: Callable[[str], None] | None
    ) -> None:
        """Use these pipes to talk to the guard. Raises ValueError if it has ended."""
        self._kills = memory.kills()
        ids = json.loads(stdout.readline())
        self.pid: int = ids["child"]
        self.guard_pid: int = ids["guard"]
        self._stdin, self._stdout, self._on_line = stdin, stdout, on_line
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._stdout:
            if self._on_line:
                self._on_line(line.decode("utf-8", "backslashreplace").rstrip("\r\n"))

    def send(self, line: str) -> None:
        """Write a line to the command's standard input; does nothing if the command has ended."""
        with contextlib.suppress(OSError, ValueError):
            self._stdin.write(line.encode() + b"\n")
            self._stdin.flush()

    def terminate(self) -> None:
        """Ask the command to end (SIGTERM); it is killed when the grace time is over."""
        self.send("!term")

    def kill(self) -> None:
        """End the command at once (SIGKILL): it runs no clean-up."""
        self.send("!kill")

    def pause(self) -> None:
        """Freeze the command (SIGSTOP). Windows has no such signal: nothing happens there."""
        self.send("!stop")

    def resume(self) -> None:
        """Let a frozen command go on (SIGCONT)."""
        self.send("!cont")

    def keep(self) -> None:
        """Leave the folder when the command ends, because it is about to start again."""
        self.send("!keep")

    @property
    def running(self) -> bool:
        """Whether the command still runs."""
        return self._guard.poll() is None

    def killer(self) -> str:
        """After SIGKILL: what the kernel did it for, in words; "" if the kernel did not do it."""
        short = memory.kills() > self._kills
        return "the kernel killed it, because the memory allowed here was used up" if short else ""

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait for the end; returns the exit status, 128 + n for signal n.

        Raises subprocess.TimeoutExpired after `timeout_s` seconds.
        """
        status = self._await(timeout_s)
        if threading.current_thread() is not self._reader:
            self._reader.join(timeout_s)
        return status

    def _await(self, timeout_s: float | None) -> int:
        return self._guard.wait(timeout_s)
