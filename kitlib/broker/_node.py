"""One embedded broker: start it, know its address, end it.

A `Node` is Apache Kafka in KRaft mode under a guard (`kitlib.process`), with its data in a run
folder of its own. What lessons hold is `embedded.Broker`; what a broker is made of is in `_parts`
and `settings`.
"""

import contextlib
import os
import re
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from kitlib.broker import _parts as parts
from kitlib.broker import _sweep as sweep
from kitlib.broker import settings
from kitlib.errors import KitError
from kitlib.process import Guarded

_PORT = re.compile(r"(BROKER|CONTROLLER): resolved ephemeral port to (\d+)")
# Errors of Kafka and of the JVM, without the lines of their traces.
_TELLING = re.compile(r"(?!\s+at )(.*(ERROR|FATAL|Exception|OutOfMemory|No space)|Error|# )")
# What some of them mean, in words.
_MEANINGS = {
    "UnsatisfiedLinkError":
    "Libraries cannot be loaded from a folder mounted noexec: name another in KIT_CACHE_DIR.",
    "Too many open files|Map failed|Not enough space|create native thread|pthread_create failed":
    "A limit is too low for a broker: `ulimit -a` shows open files, virtual memory, processes.",
}  # fmt: skip
_READY = "Kafka Server started"
_KEEP_LOGS = 20


class BrokerError(KitError):
    """The broker could not start, or has ended."""

    fix = (
        "Run `./kit doctor`: it checks what a broker needs. The log named above, if any, says more."
    )


def _new_log(logs: Path) -> Path:
    """Make an empty log in this folder, where only the newest ones stay."""
    with contextlib.suppress(OSError):  # another start may be removing them as well
        for old in sorted(logs.glob("broker-*.log"), key=os.path.getmtime)[: -_KEEP_LOGS + 1]:
            old.unlink()
    log = logs / time.strftime(f"broker-%Y%m%d-%H%M%S-{secrets.token_hex(4)}.log")
    log.touch(0o600)
    return log


class Node:
    """A broker process.

    train: write a start-up cache to `trained` at the end, which takes seconds, instead of using the
    existing one. extra: broker settings that add to those of `settings` or replace them. Raises
    KitError when the cache folder cannot be written.
    """

    def __init__(self, *, train: bool = False, extra: Mapping[str, str] | None = None) -> None:
        self._extra = dict(extra or {})
        self._grace_s = 120.0 if train else 3.0
        self.parts = parts.parts()
        with parts.cache() as folder:
            # The guard makes the run folder, and removes it.
            self.folder = parts.private(folder / "runs") / f"{os.getpid()}-{secrets.token_hex(4)}"
            self.log = _new_log(parts.private(folder / "logs"))
        self.data = self.folder / "data"
        self.trained = self.folder / "broker.aot"
        self._cache = (
            f"-XX:AOTCacheOutput={self.trained}" if train else f"-XX:AOTCache={self.parts.aot}"
        )
        self._ports = settings.ANY_PORTS
        self._process: Guarded | None = None

    @property
    def process(self) -> Guarded:
        """The running process. Raises BrokerError before the start."""
        if self._process is None:
            raise BrokerError("This broker has not been started")
        return self._process

    def launch(self) -> None:
        """Start the process without waiting for it. Raises KitError when that fails."""
        self._from = self.log.stat().st_size
        # Libraries for compression are unpacked, and must be where they can be loaded.
        noexec = hasattr(os, "ST_NOEXEC") and os.statvfs(self.log).f_flag & os.ST_NOEXEC
        command = [
            str(self.parts.java),
            self._cache,
            *settings.JVM,
            f"-Dlog4j2.configurationFile={settings.LOG4J.as_uri()}",
            f"-Djava.io.tmpdir={tempfile.gettempdir() if noexec else self.folder}",
            "-cp",
            self.parts.class_path,
            "kafka.Kafka",
            "server.properties",
        ]
        try:
            self._process = Guarded(
                command,
                log=self.log,
                grace_s=self._grace_s,
                folder=self.folder,
                fill=self._fill,
                env=parts.environment(),
            )
        except OSError as error:
            raise BrokerError("Cannot create the broker's data directory", str(error)) from error
        sweep.note(self.folder, self._process.guard_pid, self._process.pid)

    def _fill(self) -> None:
        """Put into the folder what the broker starts from."""
        if not self.data.exists():
            shutil.copytree(self.parts.template, self.data)
        text = settings.server_properties(self._ports)
        text += "".join(f"{name}={value}\n" for name, value in self._extra.items())
        (self.folder / "server.properties").write_text(text, "utf-8")

    def wait_ready(self, timeout_s: float = 60) -> str:
        """Wait until the broker serves; returns its address. Raises BrokerError with the reason."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            ended = not self.process.running
            text = self.log.read_bytes()[self._from :].decode("utf-8", "replace")
            if _READY in text:
                # A relaunch finds none: it was given its ports.
                self._ports = self._ports | dict(_PORT.findall(text))
                return f"127.0.0.1:{self._ports['BROKER']}"
            if ended:
                raise BrokerError("The broker could not start", self.reason())
            time.sleep(0.01)
        self.stop()
        raise BrokerError(f"The broker did not start within {timeout_s:.0f} s", self.reason())

    def keep(self) -> None:
        """Let the folder outlive the process: from now on it is ours, not the guard's."""
        self.process.keep()
        sweep.note(self.folder, os.getpid(), os.getpid())

    def relaunch(self, *, kill: bool) -> None:
        """End the process, with SIGKILL or in order, and start it again on its data and ports."""
        self.keep()
        if kill:
            self.process.kill()
        else:
            # Not through the guard, which kills what takes longer than its grace.
            psutil.Process(self.process.pid).terminate()
        self.process.wait(60)
        self.launch()

    def reason(self) -> str:
        """The last lines of the log that tell why the broker ended, and where the log is."""
        lines = self.log.read_text("utf-8", "replace").splitlines()
        if not self.process.running and (status := self.process.wait()) > 128:
            why = f": {self.process.killer()}".rstrip(": ") if status == 128 + 9 else ""
            lines = [f"ERROR its process was ended by signal {status - 128}{why}"]
        last = "".join(lines[-100:])
        meant = [said for sign, said in _MEANINGS.items() if re.search(sign, last)][:1]
        telling = [line for line in lines if _TELLING.match(line)] or lines
        return "\n".join([*(meant or telling[-5:]), f"log: {self.log}"])

    def stop(self, timeout_s: float = 10) -> None:
        """End the broker and remove its data. Its log stays."""
        if self._process is not None and self._process.running:
            self._process.terminate()
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:  # a training broker has a long grace
                self._process.kill()
                self._process.wait(timeout_s)
        shutil.rmtree(self.folder, ignore_errors=True)
