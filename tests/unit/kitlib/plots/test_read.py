"""What plots take from a journal does not depend on how many rows are read at once."""

from __future__ import annotations

from typing import Any

import pytest
from pictures import lags, owns

from kitlib.journal import Journal
from kitlib.plots import _read


def mixed() -> Journal:
    """Rows of several kinds, topics and groups, with and without what they may lack."""
    journal = Journal()
    for step in range(7):
        lags(journal, 10.0 + step, step % 2, None if step == 3 else 5 * step, "g")
        lags(journal, 10.0 - step, 0, step, "other")
        journal.add("lag", time=9.5, topic="u", partition=None, group="g", detail={"lag": step})
        journal.add("acked", topic="tu"[step % 2], partition=step % 3, offset=step)
        journal.add("acked", topic=None if step == 2 else "t", partition=None, offset=None)
    owns(journal, "assigned", 12.0, "ana", 0, group="g")
    owns(journal, "revoked", 11.0, "ana", 0, group="g")
    return journal


def plain(lines: dict[Any, Any]) -> dict[Any, Any]:
    return {lane: [each.tolist() for each in line] for lane, line in lines.items()}


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_rows_may_be_read_in_any_portions(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = mixed()
    group, lines, changes = _read.lags(journal, "g")
    records = _read.records(journal, None, placed=False)
    assert plain(lines)["t", 1] == [[11.0, 15.0], [5, 25]], "a lag of None is left out"
    assert [row.kind for row in changes] == ["revoked", "assigned"], "in order of time"
    assert records.lanes == [("t", 0), ("t", 1), ("t", 2), ("u", 0), ("u", 1), ("u", 2)]
    assert records.offset.tolist() == [0, 1, 2, 3, 4, 5, 6]
    monkeypatch.setattr(_read, "_AT_ONCE", at_once)
    again = _read.lags(journal, "g")
    assert (again[0], plain(again[1]), again[2]) == (group, plain(lines), changes)
    for name in ("kind", "lanes", "counts"):
        assert getattr(_read.records(journal, None, placed=False), name) == getattr(records, name)


def test_a_journal_without_rows_has_no_lines() -> None:
    assert _read.lags(Journal(), None) == (None, {}, [])
    assert _read.records(Journal(), None, placed=True).lanes == []
