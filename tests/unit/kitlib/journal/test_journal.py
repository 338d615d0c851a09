"""The journal on its own: searching, waiting, showing, and to and from frames."""

from __future__ import annotations

import operator
import threading
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitlib.errors import KitError
from kitlib.journal import FIELDS, KINDS, Journal, Row, encode, parse

words = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
numbers = st.none() | st.integers(0, 2**53)
rows = st.builds(
    Row,
    time=st.floats(0, 4e9),
    actor=st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    kind=st.sampled_from(KINDS),
    topic=words,
    partition=numbers,
    offset=numbers,
    key=words,
    value=words,
    group=words,
    member=words,
    detail=st.none() | st.dictionaries(st.text("ab"), st.integers(-9, 9), max_size=2),
)


def test_rows_are_found_by_kind_and_field() -> None:
    journal = Journal()
    journal.add("sent", key=b"S17", value=b"\xff", topic="t")
    journal.add("acked", key="S17", topic="t", partition=0, offset=3)
    journal.add("sent", key="S18", topic="t")
    assert [row.key for row in journal.rows("sent")] == ["S17", "S18"]
    assert len(journal.rows(("sent", "acked"), key="S17")) == 2
    assert journal.rows(key=b"S17") == journal.rows(key="S17")
    assert journal.rows("sent")[0].value == "\\xff"
    assert journal.rows()[1].offset == 3
    assert [row.kind for row in journal] == ["sent", "acked", "sent"]
    assert len(journal) == 3 and journal.rows("stored") == []
    assert repr(journal) == "Journal(2 sent, 1 acked)" and repr(Journal()) == "Journal(no rows yet)"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda j: j.rows("stord"), "'stord'"),
        (lambda j: j.rows("sent", keys="S17"), "'keys'"),
        (lambda j: j.record("a producer"), "str"),
        (lambda j: j.record(None), "NoneType"),
        (lambda j: Journal.from_frame(pd.DataFrame({"kind": ["sent"]})), "actor|time"),
    ],
)
def test_what_does_not_fit_is_refused(call: Any, words: str) -> None:
    with pytest.raises(KitError, match=words):
        call(Journal())


@given(st.lists(rows, max_size=5))
def test_a_frame_and_back(wanted: list[Row]) -> None:
    frame = Journal(wanted).to_frame()
    assert list(frame.columns) == list(FIELDS)
    assert list(Journal.from_frame(frame)) == wanted


@given(rows)
def test_a_line_and_back(row: Row) -> None:
    assert parse(encode(row)) == row
    with pytest.raises(KitError, match="The line is not a row"):
        parse(encode(row)[:-1], "The line")


def test_a_file_and_back(tmp_path: Path) -> None:
    """As the reference says, by way of a frame."""
    journal, path = Journal([Row(1.5, "ana", "acked", "t", 0, 3, "k", "v")]), tmp_path / "j.jsonl"
    journal.add("fault", actor="proxy", detail={"fault": "delay", "delay_ms": 5})
    journal.to_frame().to_json(path, orient="records", lines=True, double_precision=15)
    assert list(Journal.from_frame(pd.read_json(path, lines=True))) == list(journal)


def test_a_sum_is_in_the_order_of_time() -> None:
    late, early = Journal([Row(2.0, "b", "sent")]), Journal([Row(1.0, "a", "sent")])
    assert [row.actor for row in late + early] == ["a", "b"]
    assert len(late) == len(early) == 1
    with pytest.raises(TypeError):
        operator.add(late, [1])


def test_wait_returns_the_rows_that_came() -> None:
    journal = Journal()
    journal.add("sent", key="S17")
    timer = threading.Timer(0.1, lambda: [journal.add("sent", key="S17"), journal.add("acked")])
    timer.start()
    assert len(journal.wait("sent", 2, key=b"S17")) == 2
    timer.join()


def test_wait_says_what_it_saw_instead() -> None:
    journal = Journal()
    journal.add("acked")
    with pytest.raises(KitError, match=r"2 rows 'sent' key='S17', and saw 0") as error:
        journal.wait("sent", 2, timeout_s=0.05, key="S17")
    assert "1 acked" in error.value.why
    with pytest.raises(KitError, match="stord"):
        journal.wait("stord")


def test_values_are_shown_as_text() -> None:
    journal = Journal()
    for n in range(12):
        journal.add("sent", key="<script>alert(1)</script>", partition=n, actor="<b>")
    html = journal._repr_html_()
    assert "<script>" not in html and "&lt;script&gt;" in html and "<b>" not in html
    assert html.count("<td>11</td>") == 1 and "<td>1</td>" not in html
    assert "no rows yet" in Journal()._repr_html_()
