"""The checks of lesson 08, on logs, letters, journals and tables as learners' parts leave them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from kitlib import BadEvent, EnrollmentEvent, Journal, load_events, load_lines
from kitlib.checks.exercise import Outcome, exercise, predict
from kitlib.database import Database
from kitlib.journal import Row

LINES = load_lines()
EVENTS: dict[int, EnrollmentEvent] = {}
BAD: list[int] = []
for number, line in enumerate(LINES, start=1):
    try:
        EVENTS[number] = EnrollmentEvent.from_json(line)
    except BadEvent:
        BAD.append(number)
RUSH = [n for n in EVENTS if n <= 800] + [n for n in EVENTS if n > 700]  # the last hundred again


@dataclass
class Letter:
    """What the check needs of a consumer's record."""

    value: bytes
    headers: list[tuple[str, bytes]] = field(default_factory=list)


def letter(number: int, value: bytes | None = None, **changed: bytes) -> Letter:
    headers = {"reason": b"The line is empty.", "origin": b"front-end:%d" % number} | changed
    return Letter(LINES[number - 1] if value is None else value, list(headers.items()))


LETTERS = [letter(number) for number in BAD]


def log(values: Iterable[tuple[str | None, bytes]]) -> Journal:
    """A log of one partition with these keys and values."""
    return Journal(
        Row(float(n), "broker", "stored", "enrollment-requests", 0, n, key, value.decode())
        for n, (key, value) in enumerate(values)
    )


def of(numbers: Iterable[int]) -> Journal:
    return log((EVENTS[n].student_id, EVENTS[n].to_json()) for n in numbers)


def checked(number: str, prediction: object, *evidence: Any) -> Outcome:
    predict(number, prediction)
    return exercise(number, *evidence)


@pytest.mark.parametrize(
    ("prediction", "stored", "letters", "state", "says"),
    [
        (1598, of(RUSH), LETTERS, "right", "98 of them twice"),
        (1598, of(RUSH), [*LETTERS, letter(719)], "right", "25 lines as letters"),
        (1500, of(RUSH), LETTERS, "wrong", "After a restart it is a new producer"),
        (1598, of([*RUSH, *RUSH[-50:]]), LETTERS, "wrong", "50 records are copies"),
        (1598, of(RUSH[1:]), LETTERS, "wrong", "1 of 1,500 events are not on the log"),
        (1598, of(EVENTS), LETTERS, "wrong", "it has forgotten what it sent"),
        (1598, of([RUSH[30], *RUSH[:30], *RUSH[31:]]), LETTERS, "wrong", "order of students"),
        (1598, log([*[("S0017", b"{}")]]), LETTERS, "wrong", "not events of the file"),
        (1598, log((None, EVENTS[n].to_json()) for n in RUSH), LETTERS, "wrong", "as the key"),
        (1598, of(RUSH), [], "wrong", "To skip a line is to lose it"),
        (1598, of(RUSH), LETTERS[1:], "wrong", "Line 3 is malformed, but in no letter"),
        (1598, of(RUSH), [*LETTERS, letter(1)], "wrong", "Line 1 is a good event"),
        (1598, of(RUSH), [*LETTERS, letter(3, b"{}")], "wrong", "as it came"),
        (1598, of(RUSH), [letter(3, reason=b"")], "wrong", "lacks its reason"),
        (1598, of(RUSH), [letter(3, origin=b"3")], "wrong", "lacks its reason or its origin"),
        (1598, of(RUSH), [Letter(b"x")], "wrong", "lacks its reason or its origin"),
        (..., of(RUSH), LETTERS, "open", "prediction first"),
        (1598, Journal(), LETTERS, "open", "log is empty"),
    ],
)
def test_front_end(
    prediction: object, stored: Journal, letters: list[Letter], state: str, says: str
) -> None:
    outcome = checked("08.1", prediction, stored, letters)
    assert (outcome.state, says in outcome.message) == (state, True), outcome


def one(time: float, kind: str, offset: int | None = None, **fields: Any) -> Row:
    known = {"topic": "t", "partition": 0, "group": "g"} | fields
    return Row(time, "ben", kind, offset=offset, key="S1", value=f"event {offset}", **known)


def ended(kind: str, **fields: Any) -> Row:
    return Row(300.0, "ben", kind, detail={"what": "worker"}, **fields)


def worked(first_commit: bool, closed: bool = True) -> Journal:
    """Ben polls fifty records, is killed with his 20th, starts again, and does the rest."""
    rows = [Row(0.0, "broker", "stored", "t", 0, n, "S1", f"event {n}") for n in range(60)]
    rows += [one(1.0, "consumed", n) for n in range(50)]
    rows += [one(1.5, "committed", 50)] if first_commit else []
    rows += [one(2.0 + n / 100, "processed", n) for n in range(20)]
    rows += [Row(3.0, "ben", "killed", detail={"what": "worker"})]
    rest = range(50 if first_commit else 0, 60)
    rows += [one(4.0, "consumed", n) for n in rest]
    rows += [one(4.1, "committed", 60)] if first_commit else []
    rows += [one(5.0 + n / 100, "processed", n) for n in rest]
    rows += [] if first_commit else [one(6.0, "committed", 60)]
    rows += [one(299.0, "closed", None, topic=None, partition=None)] if closed else []
    return Journal([*rows, ended("closed"), Row(200.0, "front end", "closed")])


def without(journal: Journal, kind: str) -> Journal:
    return Journal(row for row in journal if row.kind != kind)


@pytest.mark.parametrize(
    ("prediction", "journal", "state", "says"),
    [
        (30, worked(first_commit=False), "right", "20 of them twice"),
        (20, worked(first_commit=False), "wrong", "30 were never processed"),
        (30, worked(first_commit=True), "wrong", "passed over 30 records"),
        (30, worked(first_commit=False, closed=False), "wrong", "was not closed"),
        (30, without(worked(first_commit=False), "killed"), "wrong", "was not killed"),
        (30, without(worked(first_commit=False), "committed"), "wrong", "Nobody commits"),
        (30, Journal([ended("failed", value="ben failed: KeyError")]), "wrong", "KeyError"),
        (..., worked(first_commit=True), "open", "prediction first"),
    ],
)
def test_registrar(prediction: object, journal: Journal, state: str, says: str) -> None:
    outcome = checked("08.2", prediction, journal)
    assert (outcome.state, says in outcome.message) == (state, True), outcome


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    """The tables after the whole rush, with twenty records read twice."""
    with Database() as database, database.transaction():
        places = list(enumerate(RUSH))
        for offset, number in places[:20] + places:
            for design in ("insert", "offset", "business"):
                record = SimpleNamespace(
                    value=EVENTS[number], topic="t", partition=0, offset=offset
                )
                database.write(design, record)
        found = {d: database.rows(d) for d in ("insert", "offset", "business")}
    late = found["business"].assign(timestamp=pd.Timestamp(load_events(1)[0].timestamp))
    return found | {"late": late, "empty": found["insert"][:0]}


@pytest.mark.parametrize(
    ("prediction", "design", "state", "says"),
    [
        (1598, "business", "right", "878 rows"),
        (878, "business", "wrong", "1,598 places"),
        (1598, "offset", "wrong", "an offset of its own"),
        (1598, "insert", "wrong", "98 events were sent twice, 20 records read twice"),
        (1598, "late", "wrong", "latest request"),
        (1598, "empty", "open", "table is empty"),
        (..., "insert", "open", "prediction first"),
    ],
)
def test_key(
    tables: dict[str, pd.DataFrame], prediction: object, design: str, state: str, says: str
) -> None:
    order = [*range(20), *range(len(RUSH))]
    journal = Journal(one(float(n), "processed", offset) for n, offset in enumerate(order))
    outcome = checked("08.3", prediction, journal, of(RUSH), tables[design])
    assert (outcome.state, says in outcome.message) == (state, True), outcome
