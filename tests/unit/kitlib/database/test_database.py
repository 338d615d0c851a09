"""The three designs on SQLite and on a real PostgreSQL server, from one and several processes."""

import os
import pickle
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from kafka.consumer.fetcher import ConsumerRecord

from kitlib.database import DESIGNS, Database
from kitlib.errors import KitError
from kitlib.events import BadEvent, EnrollmentEvent, load_events
from kittools.postgres import fresh_database

ROOT = Path(__file__).parents[4]
EIGHT = datetime(2026, 9, 1, 8, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgres"])
def db(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.delenv("KIT_DATABASE_URL", raising=False)
    with Database(fresh_database() if request.param == "postgres" else None) as database:
        yield database


def event(student: str = "S17", course: str = "CS101", second: float = 0) -> EnrollmentEvent:
    return EnrollmentEvent(student, course, EIGHT + timedelta(seconds=second))


def record(value: Any, offset: int = 0, partition: int = 0) -> Any:
    """A record as a consumer gets it."""
    fields = dict.fromkeys(ConsumerRecord._fields)
    place = {"topic": "enrollment-requests", "partition": partition, "offset": offset}
    return ConsumerRecord(**{**fields, **place, "key": b"S17", "value": value, "headers": []})


def write_all(db: Database, *records: Any) -> dict[str, int]:
    for each in records:
        for design in DESIGNS:
            db.write(design, each)
    return {design: db.count(design) for design in DESIGNS}


def test_two_kinds_of_duplicate(db: Database) -> None:
    first, second = record(event().to_json(), 4), record(event(course="MA101").to_json(), 5)
    assert write_all(db, first, second) == {"insert": 2, "offset": 2, "business": 2}
    # A consumer that reads a record again, as after a crash.
    assert write_all(db, first) == {"insert": 3, "offset": 2, "business": 2}
    # A producer that retried: the same event at another offset.
    assert write_all(db, record(event().to_json(), 9)) == {"insert": 4, "offset": 3, "business": 2}


def test_write_returns_whether_a_row_was_added_or_changed(db: Database) -> None:
    changed = {d: [db.write(d, record(event().to_json(), 4)) for _ in range(2)] for d in DESIGNS}
    assert changed == {"insert": [True, True], "offset": [True, False], "business": [True, False]}
    assert db.write("business", event(second=1))
    assert not db.write("business", event(second=0.5))


def test_the_order_of_arrival_does_not_matter_to_the_business_key(db: Database) -> None:
    events = [event("S17", course, s / 7) for course in ("CS101", "MA101") for s in range(8)]
    events *= 2
    random.Random(7).shuffle(events)
    for late_or_not in events:
        db.write("business", late_or_not)
    rows = db.rows("business")
    assert rows.values.tolist() == [
        ["S17", "CS101", event(second=1).timestamp],
        ["S17", "MA101", event(second=1).timestamp],
    ]


def test_rows_are_typed_and_ordered(db: Database) -> None:
    for design in DESIGNS:
        columns = ["student_id", "course_code", "timestamp"]
        place = ["topic", "partition", "offset"] if design == "offset" else []
        assert list(db.rows(design).columns) == place + columns
        assert str(db.rows(design)["timestamp"].dtype) == "datetime64[us, UTC]"
    empty = {design: db.rows(design).dtypes for design in DESIGNS}
    write_all(db, *(record(event("S2", "C1", n + 0.000001).to_json(), n, n % 2) for n in (3, 2, 1)))
    rows = db.rows("offset")
    assert rows[["partition", "offset"]].values.tolist() == [[0, 2], [1, 1], [1, 3]]
    assert rows["offset"].dtype == "int64" and set(rows["topic"]) == {"enrollment-requests"}
    assert rows["timestamp"][0] == EIGHT + timedelta(seconds=2, microseconds=1)
    assert db.rows("insert")["timestamp"].is_monotonic_increasing
    for design in DESIGNS:
        pd.testing.assert_series_equal(db.rows(design).dtypes, empty[design])


def test_times_of_the_far_past_and_future_are_kept(db: Database) -> None:
    times = [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)]
    for moment in times:
        db.write("business", EnrollmentEvent("S1", "C1", moment))
        db.write("insert", EnrollmentEvent("S1", "C1", moment))
    assert db.rows("business")["timestamp"].tolist() == times[1:]
    assert db.rows("insert")["timestamp"].tolist() == times


def test_value_that_is_an_event_already(db: Database) -> None:
    assert db.write("offset", record(event(), 3))
    assert db.write("insert", event())
    assert db.rows("offset")["offset"].tolist() == [3]


def test_a_bad_record_is_refused_with_its_place(db: Database) -> None:
    for design in DESIGNS:
        with pytest.raises(BadEvent) as caught:
            db.write(design, record(b'{"student_id":"S1","course_code":"C1"}', 9, 2))
        assert caught.value.reason == "The field timestamp is missing."
        assert "offset 9 of partition 2 of enrollment-requests" in str(caught.value)
        with pytest.raises(BadEvent):
            db.write(design, record(None))
        with pytest.raises(BadEvent):
            db.write(design, {"student_id": "S1"})
    assert [db.count(design) for design in DESIGNS] == [0, 0, 0]


@pytest.mark.parametrize("place", [{}, {"topic": "t", "partition": 0, "offset": None}])
def test_the_offset_design_needs_a_place(db: Database, place: dict[str, Any]) -> None:
    with pytest.raises(KitError, match="offset design needs the place"):
        db.write("offset", SimpleNamespace(value=event(), **place))
    assert db.count("offset") == 0


def test_unknown_design(db: Database) -> None:
    for use in (db.count, db.rows, db.clear, db.sql, lambda design: db.write(design, event())):
        with pytest.raises(KitError, match="Unknown design 'upsert'") as caught:
            use("upsert")
        assert "insert, offset or business" in caught.value.fix


def test_sql_is_what_is_executed(db: Database) -> None:
    for design in DESIGNS:
        create, insert, rest = db.sql(design).split(";")
        assert not rest
        table = f"enrollments_{design}"
        db.execute(f"DROP TABLE {table}")
        db.execute(create)
        mark = "%({})s" if "postgres" in db.url else ":{}"
        for name in ("student_id", "course_code", "timestamp"):
            assert mark.format(name) in insert
        assert db.write(design, record(event().to_json()))
        assert db.count(design) == 1
    assert "PRIMARY KEY (student_id, course_code)" in db.sql("business")
    assert "PRIMARY KEY" not in db.sql("insert")


def test_clear(db: Database) -> None:
    write_all(db, record(event().to_json()))
    db.clear("insert")
    assert [db.count(design) for design in DESIGNS] == [0, 1, 1]
    db.clear()
    assert [db.count(design) for design in DESIGNS] == [0, 0, 0]


def test_row_and_offset_are_committed_together(db: Database) -> None:
    db.execute('CREATE TABLE progress (partition INTEGER PRIMARY KEY, "offset" BIGINT)')
    move = (
        "INSERT INTO progress VALUES (:partition, :offset) "
        'ON CONFLICT (partition) DO UPDATE SET "offset" = excluded."offset"'
    )
    with db.transaction():
        db.write("insert", record(event().to_json(), 0))
        db.execute(move, partition=0, offset=1)
    with pytest.raises(ZeroDivisionError), db.transaction():
        db.write("insert", record(event().to_json(), 1))
        db.execute(move, partition=0, offset=2)
        raise ZeroDivisionError
    assert db.count("insert") == 1
    assert db.execute('SELECT "offset" FROM progress') == [(1,)]
    with db.transaction():  # usable after a rollback
        db.write("insert", record(event().to_json(), 1))
    assert db.count("insert") == 2


def test_rows_show_to_others_only_after_the_commit(db: Database) -> None:
    with Database(db.url) as other:
        with db.transaction():
            db.write("insert", event())
            assert (db.count("insert"), other.count("insert")) == (1, 0)
        assert other.count("insert") == 1


def test_a_transaction_is_not_nested_and_never_commits_half(db: Database) -> None:
    with pytest.raises(KitError, match="already open"), db.transaction(), db.transaction():
        pass
    refused = 0
    try:
        with db.transaction():
            db.write("insert", event())
            try:
                db.execute("INSERT INTO no_such_table VALUES (1)")
            except KitError:
                refused += 1
    except KitError as error:  # PostgreSQL gives up the whole transaction, and says so
        assert "rolled back" in str(error)
        refused += 1
    assert db.count("insert") == {1: 1, 2: 0}[refused]


def test_the_database_says_why_it_refuses(db: Database) -> None:
    with pytest.raises(KitError, match=r"refused a statement.*\n.*no_such_table"):
        db.execute("SELECT * FROM no_such_table")
    assert db.count("insert") == 0, "it goes on after that"


def test_own_statements_may_hold_percent_and_colons(db: Database) -> None:
    db.write("insert", event())
    like = "SELECT student_id FROM enrollments_insert WHERE student_id LIKE 'S%' AND :one = 1"
    assert db.execute(like, one=1) == [("S17",)]
    assert db.execute("SELECT '08:00' WHERE 1 = 1") == [("08:00",)]


WORKER = """
import sys
from types import SimpleNamespace
from kitlib.events import EnrollmentEvent, load_events
from kitlib.database import Database
number = int(sys.argv[2])
with Database(sys.argv[1]) as db:
    for offset, event in enumerate(load_events(limit=150)):
        db.write("insert", event)
        place = {"topic": "t", "partition": number % 2, "offset": offset}
        db.write("offset", SimpleNamespace(value=event, **place))
        db.write("business", event)
    with db.transaction():
        for event in load_events(limit=20):
            db.write("insert", event)
"""


def test_several_processes_write_at_once(db: Database) -> None:
    command = [sys.executable, "-c", WORKER, db.url]
    workers = [
        subprocess.Popen([*command, str(n)], cwd=ROOT, stderr=subprocess.PIPE) for n in range(4)
    ]
    complaints = [worker.communicate(timeout=60)[1].decode() for worker in workers]
    assert complaints == [""] * 4
    assert [db.count(d) for d in DESIGNS[:2]] == [4 * 170, 2 * 150]
    expected = {(e.student_id, e.course_code): e.timestamp for e in load_events(limit=150)}
    written = {(s, c): t for s, c, t in db.rows("business").itertuples(index=False)}
    assert written == expected


def test_several_processes_open_a_new_database_at_once(db: Database, tmp_path: Path) -> None:
    for design in DESIGNS:
        db.execute(f"DROP TABLE enrollments_{design}")
    url = db.url if "postgres" in db.url else f"sqlite:///{(tmp_path / 'new.db').as_posix()}"
    script = (
        "import sys; from kitlib.database import Database; sys.stdin.read(1); Database(sys.argv[1])"
    )
    command = [sys.executable, "-c", script, url]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE, "cwd": ROOT}
    workers = [subprocess.Popen(command, **pipes) for _ in range(4)]
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write(b"x")
        worker.stdin.flush()
    assert [worker.communicate(timeout=60)[1].decode() for worker in workers] == [""] * 4


def test_several_threads_share_one(db: Database) -> None:
    def run() -> None:
        for n in range(50):
            with db.transaction():
                db.write("insert", event(second=n))
                db.write("business", event(second=n))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (db.count("insert"), db.count("business")) == (200, 1)


def test_sent_to_another_process_it_opens_the_same(db: Database) -> None:
    db.write("insert", event())
    with pickle.loads(pickle.dumps(db)) as copy:
        assert copy.url == db.url and copy.count("insert") == 1
    assert db.count("insert") == 1, "the copy takes nothing away"


FORKS = """
import os, sys
from kitlib.database import Database
from kitlib.events import load_events
from kittools.postgres import fresh_database
with Database(fresh_database() if sys.argv[1] == "postgres" else None) as db:
    if os.fork() == 0:
        db.close()
        sys.exit(0)
    assert os.wait()[1] == 0
    for event in load_events(limit=3):
        db.write("insert", event)
    print(db.count("insert"))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows does not fork")
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_forked_child_takes_nothing_away(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KIT_DATABASE_URL", raising=False)
    command = [sys.executable, "-c", FORKS, kind]
    parent = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (parent.stdout, parent.stderr) == ("3\n", "")


def test_closed(db: Database) -> None:
    db.close()
    db.close()
    assert repr(db).endswith(", closed>")
    for use in (lambda: db.write("insert", event()), lambda: db.rows("insert"), db.clear):
        with pytest.raises(KitError, match="The database is closed"):
            use()


def test_a_temporary_file_goes_with_its_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KIT_DATABASE_URL", raising=False)
    one, two = Database(), Database()
    assert one.url != two.url
    one.write("insert", event())
    assert (one.count("insert"), two.count("insert")) == (1, 0)
    folder = Path(one.url.removeprefix("sqlite:///")).parent
    del one
    assert not folder.exists()
    folder = Path(two.url.removeprefix("sqlite:///")).parent
    two.close()
    assert not folder.exists()
    with pytest.raises(KitError, match="gone once its owner has closed it"):
        Database(two.url)


def test_repr_hides_the_password() -> None:
    with Database(fresh_database()) as server:
        url = server.url.replace("postgres@", "postgres:secret@") + "&password=secret"
        with Database(url) as db:
            assert db.url == url and "secret" not in repr(db) and "***" in repr(db)
