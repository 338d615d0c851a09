"""What runs in a worker's process: it unpacks a function, calls it with `me`, reports what happens.

The first line of the standard input is the task, a JSON object: name, code and lines (see `_ship`),
connection, path and kill_at. The end of the input, or SIGTERM, asks the function to end. The rows
of the journal go to the standard output, one JSON object a line, each written before the program
goes on, so that a SIGKILL loses none. Two other lines exist: "!ready TIME" before the call, and
"!kill" before the process kills itself at its `kill_at`. Only the rest of this room starts it.
"""

import base64
import gc
import io
import linecache
import os
import pickle
import signal
import sys
import threading
import traceback
from functools import partial
from time import time as now
from typing import Any

import msgspec

from kitlib.broker import _client_fix
from kitlib.broker._connection import Connection
from kitlib.errors import KitError
from kitlib.journal import Journal, Row, Tape, encode

_RECORD = ("topic", "partition", "offset", "key", "value")


class MissingParameter(KitError, AttributeError):
    """The function asked `me` for a parameter it was not given. `getattr(me, name, 0)` works."""


class Me:
    """What a worker's function gets: its name, its connection, its parameters.

    stopping: bool, whether the worker was asked to end: the function should return soon.
    """

    def __init__(
        self, name: str, connection: dict[str, Any], params: dict[str, Any], journal: Journal
    ) -> None:
        self.__dict__.update(params)
        self.name = name
        self.connection = Connection(connection)
        self._params = params
        self._journal = journal
        self._group: str | None = None
        self.stopping = False

    def record(self, client: Any) -> None:
        """Write down what this client does from now on; see `Journal.record`."""
        self._journal.record(client, self.name)
        # A member that joins before it knows its topics' partitions owns nothing, and joins again.
        for topic in getattr(client, "subscription", set)() or ():
            client.partitions_for_topic(topic)
        self._group = client.config.get("group_id") or self._group

    def note(self, kind: str, record: Any = None, **fields: Any) -> None:
        """Write one row of this kind, such as "processed", about this record.

        record: what a consumer returned, or what a producer's future gave. fields: of `Row`.
        Raises KitError for a kind or a field that a row does not have.
        """
        known: dict[str, Any] = {"group": self._group}
        if record is not None:
            if not hasattr(record, "topic"):
                raise KitError(
                    f"me.note({kind!r}, ...) needs one record",
                    f"It got a {type(record).__name__}",
                    "consumer.poll() returns a dict with a list of records for each partition.",
                )
            known |= {name: getattr(record, name, None) for name in _RECORD}
        self._journal.add(kind, actor=self.name, **(known | fields))

    def __getattr__(self, name: str) -> Any:
        known = vars(self)
        raise MissingParameter(
            f"me.{name}: this worker has no parameter {name!r}",
            f"Its parameters: {', '.join(known.get('_params', ())) or 'none'}",
            f'Write team.start("{known.get("name")}", {name}=...).',
        )


class Wire:
    """Sends the rows of a tape to the notebook, on what the standard output was until now.

    kill_at: the kind and the count of the row with which the process dies, or None.
    """

    def __init__(self, tape: Tape, kill_at: tuple[str, int] | None) -> None:
        self._fd = os.dup(1)
        os.dup2(2, 1)  # keeps what a subprocess or a C library prints apart from the rows
        self._tape = tape
        self._kind, self._left = kill_at or ("", 0)
        tape.subscribe(self._relay)

    def send(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError:
            pass  # the notebook is gone; the guard ends this process soon

    def _relay(self, rows: list[Row]) -> None:
        lines = []
        for row in rows:
            lines.append(encode(row) + b"\n")
            if row.kind == self._kind:
                self._left -= 1
                if self._left == 0:
                    self.send(b"".join(lines) + b"!kill\n")
                    # SIGKILL, from within: no thread runs another instruction. On Windows this
                    # is TerminateProcess.
                    os.kill(os.getpid(), 9)
        self.send(b"".join(lines))
        self._tape.forget()  # they are in the notebook now; an endless worker stays small


class Printed(io.TextIOBase):
    """Stands in for sys.stdout and sys.stderr: each line becomes a "printed" row."""

    def __init__(self, tape: Tape, actor: str, stream: str) -> None:
        self._add_row = partial(tape.add, "printed", actor=actor, detail={"stream": stream})
        self._text = ""
        self._lock = threading.RLock()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        with self._lock:
            *lines, self._text = (self._text + text).split("\n")
            for line in lines:
                self._add_row(value=line)
        return len(text)

    def finish(self) -> None:
        """Write the row of what was printed without an end of line."""
        with self._lock:
            if self._text:
                self._add_row(value=self._text)
            self._text = ""


def failure(name: str, error: BaseException, lines: dict[str, list[str]]) -> dict[str, Any]:
    """The fields of a "failed" row: one plain sentence, with the learner's own line if known."""
    trace = error.__traceback__
    while trace and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    own_frames = [frame for frame in traceback.extract_tb(trace) if frame.filename in lines]
    detail: dict[str, Any] = {
        "what": "worker",
        "error": type(error).__name__,
        "message": str(error),
        "traceback": "".join(traceback.format_exception(type(error), error, trace)),
    }
    where = ""
    if own_frames:
        last = own_frames[-1]
        file = os.path.basename(last.filename) if os.path.exists(last.filename) else "its cell"
        detail |= {"line": last.lineno, "code": last.line}
        where = f" in line {last.lineno} of {file}" + (f", `{last.line}`" if last.line else "")
    if isinstance(error, KitError):
        problem = " ".join(str(error).splitlines())
    elif isinstance(error, SystemExit):
        problem = f"it called sys.exit({error.code!r})"
    else:
        kind = type(error).__name__  # the text of Kafka's errors starts with it already
        problem = str(error) if str(error).startswith(kind) else f"{kind}: {error}".rstrip(": ")
    return {"actor": name, "value": f"{name} failed{where}: {problem}", "detail": detail}


def main() -> int:
    """Run one worker; the exit status is 0 if its function returned and 1 if it failed."""
    _client_fix.apply()
    task = msgspec.json.decode(sys.stdin.buffer.readline())
    name, lines = task["name"], task["lines"]
    journal = Journal()
    wire = Wire(journal, task["kill_at"])
    sys.path[:] = task["path"]
    out, err = (Printed(journal, name, stream) for stream in ("stdout", "stderr"))
    sys.stdout, sys.stderr = out, err
    for file, text in lines.items():  # so that a trace shows the lines of a cell
        linecache.cache[file] = (sum(map(len, text)), None, text, file)
    try:
        function, params = pickle.loads(base64.b64decode(task["code"]))
        me = Me(name, task["connection"], params, journal)

        def ask_to_end(*_: object) -> None:
            me.stopping = True

        def ask_at_end_of_input() -> None:
            while os.read(0, 4096):
                pass
            ask_to_end()

        signal.signal(signal.SIGTERM, ask_to_end)
        threading.Thread(target=ask_at_end_of_input, daemon=True).start()
        gc.freeze()  # what is imported by now stays: not worth looking through
        gc.enable()
        wire.send(f"!ready {now()!r}\n".encode())
        function(me)
    except BaseException as error:
        if not (isinstance(error, SystemExit) and error.code in (None, 0)):
            out.finish()
            journal.add("failed", **failure(name, error, lines))
            return 1
    finally:
        # Python restores the default at its exit, and a late request to end would be a crash.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        out.finish()
        err.finish()
    return 0
