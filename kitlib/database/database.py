"""The database downstream of Kafka, in three designs that differ in their key.

A consumer that crashes and resumes reads some records again, and a producer that sends again may
leave two records on the log for one event. What becomes of them in the database depends on its key:

- "insert": no key and a plain INSERT. Each record read becomes a row: both kinds of duplicate show.
- "offset": the key is the place on the log (topic, partition, offset). Reading a record again
  changes nothing; two records of one event become two rows.
- "business": the key is what the row means (student, course), with an UPSERT that keeps the latest
  timestamp. Neither kind of duplicate changes anything, nor does an event that arrives late.

The SQL, in `designs.sql`, is the same on SQLite and PostgreSQL except for how it marks parameters;
`sql()` returns the text that is executed. Nothing here talks to Kafka: a lesson polls, writes and
commits itself.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from kitlib.database._url import checked, connect, masked
from kitlib.errors import KitError
from kitlib.events import BadEvent, EnrollmentEvent

if TYPE_CHECKING:
    import pandas as pd

_FILE = Path(__file__).with_name("designs.sql")
_SECTIONS = [part.partition("\n") for part in _FILE.read_text("utf-8").split("-- design: ")[1:]]
# {design: its CREATE TABLE and its INSERT}
_SQL = {name: [sql.strip() for sql in text.split(";")][:2] for name, _, text in _SECTIONS}
DESIGNS = tuple(_SQL)
# The columns, in their order, with their types in pandas.
_PLACE = {"topic": "str", "partition": "int64", "offset": "int64"}
_EVENT = {"student_id": "str", "course_code": "str", "timestamp": "datetime64[us, UTC]"}


class Database:
    """A database with one table for each design. Missing tables are created, existing ones kept.

    url: str, `sqlite:///relative.db`, `sqlite:////absolute.db` (Windows: `sqlite:///C:/absolute.db`)
    or `postgresql://user:password@host/name`. By default the URL in the environment variable
    KIT_DATABASE_URL or, if that is not set, a new SQLite file that is deleted with this object.

    To use the same database in another process, open its `.url` there or send the object itself.
    Several threads may share one object. Raises KitError for a URL of another form, for a database
    that cannot be opened or reached and, in every method, for what the database refuses.
    """

    def __init__(self, url: str | None = None) -> None:
        folder = None
        url = url or os.environ.get("KIT_DATABASE_URL")
        if not url:
            folder = Path(tempfile.mkdtemp(prefix="kit-database-"))
            url = f"sqlite:///{(folder / 'enrollments.db').as_posix()}"
        self.url = checked(url)
        self._is_postgres = not self.url.startswith("sqlite:")
        self._lock = threading.RLock()
        self._in_transaction = False
        self._connection = connect(self.url)
        # Runs when the object is gone or the process exits, whichever comes first.
        self._release = weakref.finalize(self, _release, self._connection, folder, os.getpid())
        with self.transaction():
            if self._is_postgres:
                # CREATE TABLE IF NOT EXISTS fails when two sessions run it at the same moment.
                self._run("SELECT pg_advisory_xact_lock(20260901)")
            for create, _ in _SQL.values():
                self._run(create)

    def write(self, design: str, record: Any) -> bool:
        """Write one enrolment with the statement of `design`.

        record: a ConsumerRecord of kafka-python, whose value is JSON (bytes) or an EnrollmentEvent,
        or an EnrollmentEvent on its own, which has no place on the log for the design "offset".
        Returns True if a row was added or changed. Raises BadEvent, and writes nothing, when the
        value is not an enrolment event, and KitError when the place is needed and missing.
        """
        _, statement = _SQL[_known(design)]
        place = {name: getattr(record, name, None) for name in _PLACE}
        event = _event_of(getattr(record, "value", record), place)
        if design == "offset" and None in place.values():
            raise KitError(
                "The offset design needs the place of the event on the log, which is its key",
                fix="Write the record that the consumer handed out",
            )
        # SQLite has no type for times: in UTC and of one length, their text sorts by time, too.
        time = {"timestamp": event.timestamp.isoformat(timespec="microseconds")}
        values = place | msgspec.structs.asdict(event) | time
        return bool(self._run(statement, **values).rowcount)

    def rows(self, design: str) -> pd.DataFrame:
        """Return the table of `design` as a frame, in the order of its columns.

        They are student_id and course_code (str) and timestamp (UTC); the design "offset" has topic
        (str), partition and offset (int) before them.
        """
        import pandas as pd

        dtypes = _PLACE | _EVENT if _known(design) == "offset" else _EVENT
        names = ", ".join(f'"{name}"' for name in dtypes)
        rows = self.execute(f"SELECT {names} FROM enrollments_{design} ORDER BY {names}")
        frame = pd.DataFrame(rows, columns=list(dtypes))
        frame["timestamp"] = pd.to_datetime(frame["timestamp"], utc=True, format="ISO8601")
        return frame.astype(dtypes)

    def count(self, design: str) -> int:
        """Return how many rows the table of `design` has."""
        return int(self.execute(f"SELECT count(*) FROM enrollments_{_known(design)}")[0][0])

    def clear(self, design: str | None = None) -> None:
        """Delete the rows of one table or, without a design, of all three."""
        for name in DESIGNS if design is None else (design,):
            self._run(f"DELETE FROM enrollments_{_known(name)}")

    def sql(self, design: str) -> str:
        """Return the SQL of a design: its CREATE TABLE and the statement that `write` executes."""
        create, insert = _SQL[_known(design)]
        return f"{create};\n\n{self._marked(insert)};"

    def execute(self, sql: str, /, **values: Any) -> list[tuple[Any, ...]]:
        """Execute a statement of your own, with `:name` for each of `values`; return its rows."""
        with self._lock:
            cursor = self._run(sql, **values)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def transaction(self) -> Iterator[Database]:
        """Commit all that is written in a `with` block at its end, or nothing on an exception.

        Meanwhile other threads wait, and other processes do not see the rows. Raises KitError when
        a transaction is already open, and when PostgreSQL rolled back because a statement failed.
        """
        with self._lock:
            if self._in_transaction:
                raise KitError("A transaction is already open", fix="Use one `with` block for all")
            self._run("BEGIN" if self._is_postgres else "BEGIN IMMEDIATE")
            self._in_transaction = True
            try:
                yield self
                committed = self._run("COMMIT")
                # PostgreSQL reports this without an error if a statement in the block has failed.
                if getattr(committed, "statusmessage", "") == "ROLLBACK":
                    raise KitError(
                        "The transaction was rolled back and nothing was written",
                        why="One of its statements had failed",
                    )
            except BaseException:
                # The connection may be gone, and the transaction with it.
                with suppress(self._connection.Error):
                    self._connection.execute("ROLLBACK")
                raise
            finally:
                self._in_transaction = False

    def close(self) -> None:
        """Close the connection and delete the database if it is a temporary file."""
        self._release()

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[type[Database], tuple[str]]:
        return Database, (self.url,)

    def __repr__(self) -> str:
        return f"<Database {masked(self.url)}{'' if self._release.alive else ', closed'}>"

    def _marked(self, sql: str) -> str:
        """The statement with its parameters marked as the driver expects them."""
        if not self._is_postgres:
            return sql
        return re.sub(r"(?<!:):([A-Za-z_]\w*)", r"%(\1)s", sql.replace("%", "%%"))

    def _run(self, sql: str, /, **values: Any) -> Any:
        """Execute a statement and return the driver's cursor."""
        if not self._release.alive:
            raise KitError("The database is closed", fix="Open another with kit.Database()")
        with self._lock:
            try:
                return self._connection.execute(self._marked(sql), values)
            except self._connection.Error as error:
                locked = "Another process has kept its transaction open for too long: end it"
                raise KitError(
                    "The database refused a statement",
                    why=f"{type(error).__name__}: {masked(str(error))}",
                    fix=locked if "lock" in str(error) else "",
                ) from error


def _release(connection: Any, folder: Path | None, owner: int) -> None:
    if os.getpid() != owner:
        return  # a forked child must not touch what its parent uses
    connection.close()
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)


def _known(design: str) -> str:
    """Return the name of a design. Raises KitError when it is unknown."""
    if design not in DESIGNS:
        raise KitError(f"Unknown design {design!r}", fix="Choose insert, offset or business")
    return design


def _event_of(value: Any, place: dict[str, Any]) -> EnrollmentEvent:
    if isinstance(value, EnrollmentEvent):
        return value
    try:
        return EnrollmentEvent.from_json(value)
    except BadEvent as error:
        if place["offset"] is None:
            raise
        raise BadEvent(
            f"The record at offset {place['offset']} of partition {place['partition']} of "
            f"{place['topic']} is not an enrolment event",
            why=error.reason,
            fix="Nothing was written. Send the record to the dead letter queue, or skip it",
        ) from None
