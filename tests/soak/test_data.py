"""The capstone's pipeline on hard data, with the code that lesson 08 shows.

Every line of the file is on the log or in the dead letter queue, with its number, its reason and
its bytes as they came; and the table has one row for each pair, whatever was sent or read twice.
What a line is was decided when it was made, not by the code under test.
"""

from __future__ import annotations

import ast
import logging
import random
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pandas as pd
import psutil
import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import MessageSizeTooLargeError

from kitlib import events
from kitlib._wait import wait_until
from kitlib.broker import Broker
from kitlib.broker import connect as _kafka
from kitlib.journal import Journal
from kittools import course

Times = Callable[[int, int], int]
Line = tuple[bytes, "tuple[str, str, datetime] | str"]  # the bytes; what they say, or why refused
SCENE = re.compile(r"\(?[A-Z]{2}|numbered = ")
START = datetime(2026, 9, 1, 8, tzinfo=UTC)


# -- the lesson ----------------------------------------------------------------------------------


def defines(cell: Any) -> bool:
    """Whether a cell sets the scene: imports, functions, constants, and what the file holds."""
    return cell.cell_type == "code" and any(
        isinstance(node, ast.Import | ast.FunctionDef)
        or (isinstance(node, ast.Assign) and SCENE.match(ast.unparse(node)))
        for node in ast.parse(cell.source).body
    )


@pytest.fixture
def lesson(kafka: Broker, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The names of lesson 08 after its definitions were run, on the broker of the tests."""
    monkeypatch.setattr(_kafka, "_current", kafka)
    level, width = logging.getLogger("kafka").level, pd.get_option("display.max_colwidth")
    notebook = course.with_solutions(nbformat.read(course.find(["08"])[0], as_version=4))
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in filter(defines, notebook.cells):
        if "exercise" not in cell.metadata.get("tags", ()):
            exec(compile(cell.source, "lesson 08", "exec"), names)
    yield names
    names["database"].close()
    names["faults"].stop()
    logging.getLogger("kafka").setLevel(level)
    pd.set_option("display.max_colwidth", width)


def first_look(names: dict[str, Any]) -> None:
    """Runs the cell that reads the file; what it asserts is only true of the lesson's own file."""
    notebook = nbformat.read(course.find(["08"])[0], as_version=4)
    [source] = [c.source for c in notebook.cells if c.source.startswith("numbered = ")]
    tree = ast.parse(source)
    tree.body = [node for node in tree.body if not isinstance(node, ast.Assert)]
    exec(compile(tree, "lesson 08", "exec"), names)


# -- the data ------------------------------------------------------------------------------------

ZONES = ["Z", "z", "+00:00", "+02:00", "-05:30", "+0545", "+23:59"]
SIMPLE = b'{"student_id":"S1","course_code":"C1","timestamp":"2026-09-01T08:00:03Z"}'


def changed(old: str, new: str, encoding: str = "utf-8") -> bytes:
    return SIMPLE.decode().replace(old, new).encode(encoding)


BAD: list[tuple[bytes, str]] = [
    (b"", "line is empty"),
    (b" \t ", "line is empty"),
    (b"\r", "line is empty"),
    (b"\0", "not JSON"),
    (SIMPLE[:-20], "cut off"),
    (SIMPLE + SIMPLE, "not JSON"),
    (b"[" * 4000, "not JSON"),
    (b"<event/>", "not JSON"),
    (b"[%s]" % SIMPLE, "this is an array"),
    (b'"%s"' % (b"x" * 50), "this is text"),
    (changed('"S1"', "17"), "student_id must be text, not the number 17"),
    (changed('"S1"', "null"), "student_id must be text, not null"),
    (changed("S1", "S 1"), "student_id must be 1 to 32"),
    (changed("S1", "S" * 33), "student_id must be 1 to 32"),
    (changed("S1", "<b>S1</b>"), "student_id must be 1 to 32"),
    (changed("S1", "S\0"), "not JSON"),
    (changed("S1", r"S\u0000"), "student_id must be 1 to 32"),
    (changed("S1", r"\ud800"), "not JSON"),
    (changed('"course_code":"C1",', ""), "course_code is missing"),
    (changed("{", '{"room":"A1",'), "'room' does not belong"),
    (changed("{", '{"student_id":"S2",'), "field appears twice"),
    (changed("{", r'{"student\u005fid":"S2",'), "field appears twice"),
    (changed("S1", "Zo\u00e9", "latin-1"), "student_id is not UTF-8: byte 0xE9"),
    (changed("", "", "utf-16"), "not UTF-8: byte 0xF[EF] at position 0"),
    (changed("", "", "utf-16-le"), "not JSON"),
    (changed("", "", "utf-8-sig"), "byte order mark .BOM. comes first"),
    (changed("03Z", "03"), "no time zone"),
    (changed("03Z", "03+25:00"), "not a date and time"),
    (changed("03Z", "03 CEST"), "not a date and time"),
    (changed("03Z", "03[Europe/Berlin]"), "not a date and time"),
    (changed("-09-01", "-02-30"), "not a date and time"),
    (changed("2026-09-01T08:00:03Z", "1788249603"), "not a date and time"),
    (changed("2026-09-01T08:00:03Z", "9999-12-31T23:30:00-01:00"), "outside the years"),
    (SIMPLE + b" " * 4096, "value has 4,1[67]. bytes"),
]
# More than a topic takes (max.message.bytes) and than a producer sends (max_request_size).
HUGE = [(bytes(byte) * size, "an event has at most") for byte, size in ((1, 2**20), (1, 3_000_000))]


def good(rng: random.Random, number: int) -> Line:
    """An event in one of the many forms in which the same may be written."""
    student, course_code = f"S{rng.randrange(2000):04}", f"C{rng.randrange(5)}"
    time = START + timedelta(milliseconds=number)
    zone = rng.choice(ZONES)
    sign, hours, minutes = re.fullmatch(r"([Zz+-])(\d\d)?:?(\d\d)?", zone).groups("0")  # type: ignore[union-attr]
    shift = timedelta(hours=int(hours), minutes=int(minutes)) * (-1 if sign == "-" else 1)
    local = time.astimezone(timezone(shift)).strftime("%Y-%m-%dT%H:%M:%S.%f")
    said = {"student_id": student, "course_code": course_code, "timestamp": local + zone}
    fields = list(said.items())
    rng.shuffle(fields)
    space = rng.choice(["", " ", "\t"])
    text = ",".join(f'{space}"{name}"{space}:{space}"{value}"' for name, value in fields)
    line = f"{space}{{{text}}}{space}".encode() + rng.choice([b"", b"\r"])
    return line, (student, course_code, time)


def hard_lines(seed: int, count: int, share: float) -> Iterator[Line]:
    """Lines of which `share` are malformed, and every tenth of the others was there before."""
    rng = random.Random(seed)
    recent: list[Line] = []
    for number in range(count):
        if rng.random() < share:
            yield rng.choice(BAD)
        elif recent and rng.random() < 0.1:
            yield rng.choice(recent)
        else:
            recent = [*recent[-99:], good(rng, number)]
            yield recent[-1]


def latest(lines: Iterable[Line]) -> dict[tuple[str, str], datetime]:
    newest: dict[tuple[str, str], datetime] = {}
    for _, said in lines:
        if not isinstance(said, str):
            student, course_code, time = said
            newest[student, course_code] = max(time, newest.get((student, course_code), time))
    return newest


def table_is(database: Any, wanted: dict[tuple[str, str], datetime]) -> None:
    rows = [tuple(row) for row in database.rows("business").itertuples(index=False, name=None)]
    assert len(rows) == len(wanted)
    assert {(s, c): t.to_pydatetime() for s, c, t in rows} == wanted


# -- the tests -----------------------------------------------------------------------------------


def test_every_kind_of_hard_line(
    lesson: dict[str, Any],
    kafka: Broker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    times: Times,
) -> None:
    """Through faults and a power cut; the five guarantees of the lesson hold, and ours as well."""
    for seed in range(times(1, 10)):
        rng = random.Random(seed)
        lines = [*BAD, *HUGE, *hard_lines(seed, 1000, 0.1)]
        rng.shuffle(lines)
        lines = [*lines[:850], good(rng, 2000), *lines[850:], BAD[4]]  # the last: cut off
        data = b"\n".join(line for line, _ in lines) + b"\n" * (seed % 2)
        (tmp_path / "enrollments.jsonl").write_bytes(data)
        monkeypatch.setattr(events, "DATA", tmp_path)
        first_look(lesson)
        refused = {n: said for n, (_, said) in enumerate(lines, 1) if isinstance(said, str)}
        # What the learner sees: the number of each line that no event could be made of, and why.
        assert sorted(lesson["malformed"]) == sorted(refused), f"seed {seed}"
        for number, reason in refused.items():
            assert re.search(reason, lesson["malformed"][number]), (seed, number)
        journal = lesson["morning"](lesson["publish"], lesson["registrar"])
        assert {row.detail["fault"] for row in journal.rows("fault")} >= {"drop_ack", "disconnect"}
        assert len(journal.rows("killed")) == 1

        letters: dict[int, tuple[bytes, str]] = {}
        for letter in lesson["dead_letters"]():
            origin = lesson["header"](letter, "origin")
            letters[int(origin.removeprefix("front-end:"))] = (
                letter.value, lesson["header"](letter, "reason"),
            )  # fmt: skip
        expected = {n: (lines[n - 1][0], lesson["malformed"][n]) for n in refused}
        assert letters == expected, f"seed {seed}"
        log = kafka.read(lesson["TOPIC"]).rows("stored")
        said = [said for _, said in lines if not isinstance(said, str)]
        again = sum(not isinstance(said, str) for _, said in lines[700:800])
        assert len(log) == len(said) + again
    # The next thing: a plain morning's table, as the design for the capstone wants it.
    lesson["clean_start"]()
    with lesson["kit"].Workers(
        kafka, lesson["registrar"], database=lesson["database"], designs=["business"]
    ) as team:
        lesson["publish"](kafka.connection, lesson["numbered"], Journal())
        lesson["publish"](kafka.connection, lesson["numbered"][-300:], Journal())
        team.start("ada")
        wait_until(lambda: lesson["caught_up"](team), "the group has caught up", 60)
    table_is(lesson["database"], latest(lines))


def test_a_line_larger_than_any_letter_stops_the_front_end(lesson: dict[str, Any]) -> None:
    """It says so, and what was sent before is there; without that line all goes through."""
    lesson["clean_start"]()
    connection = lesson["kafka"].connection
    lines = [(1, SIMPLE), (2, b"x" * 11_000_000), (3, b"")]
    with pytest.raises(MessageSizeTooLargeError):
        lesson["publish"](connection, lines, Journal())
    assert len(lesson["kafka"].read(lesson["TOPIC"])) == 1
    lesson["publish"](connection, [lines[0], lines[2]], Journal())
    [letter] = lesson["dead_letters"]()
    assert (letter.value, lesson["header"](letter, "origin")) == (b"", "front-end:3")


def test_a_long_file_is_streamed(
    lesson: dict[str, Any], kafka: Broker, tmp_path: Path, times: Times
) -> None:
    """Front end and worker hold a part of the file and of the log at a time, never all of it."""
    count, seed = times(4_000, 400_000), 8
    path, part = tmp_path / "enrollments.jsonl", max(500, count // 50)
    with path.open("wb") as file:
        file.writelines(line + b"\n" for line, _ in hard_lines(seed, count, 0.02))
    lesson["clean_start"]()
    stored = threading.Event()
    database = lesson["database"]
    me = SimpleNamespace(
        name="ada", connection=kafka.connection, stopping=False, database=database,
        designs=["business"], record=lambda client: None, note=lambda kind, record: None,
    )  # fmt: skip
    worker = threading.Thread(target=lesson["registrar"], args=(me,))
    worker.start()
    process, memory = psutil.Process(), []
    try:
        with path.open("rb") as file:
            numbered = ((n, line.removesuffix(b"\n")) for n, line in enumerate(file, 1))
            while lines := list(islice(numbered, part)):
                lesson["publish"](kafka.connection, lines, Journal())
                memory.append(process.memory_info().rss)
        wait_until(lambda: lesson["lag"]() == 0, "the group has caught up", 600)
        stored.set()
    finally:
        me.stopping = True
        worker.join(60)
    assert stored.is_set() and not worker.is_alive()
    assert max(memory) - memory[len(memory) // 4] < 50e6, [m >> 20 for m in memory]

    refused = enumerate(hard_lines(seed, count, 0.02), 1)
    consumer = KafkaConsumer(lesson["DLQ"], **kafka.connection, auto_offset_reset="earliest")
    buried = 0
    for number, (line, said) in refused:
        if isinstance(said, str):
            letter, buried = next(consumer), buried + 1
            assert letter.value == line, number
            assert lesson["header"](letter, "origin") == f"front-end:{number}"
            assert re.search(said, lesson["header"](letter, "reason")), number
    consumer.close()
    places = [*lesson["PARTS"], TopicPartition(lesson["DLQ"], 0)]
    found = kafka.admin().list_partition_offsets(dict.fromkeys(places, OffsetSpec.LATEST))
    assert found.pop(places[-1]).offset == buried
    assert sum(end.offset for end in found.values()) == count - buried
    table_is(database, latest(hard_lines(seed, count, 0.02)))
