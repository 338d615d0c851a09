"""The numbers of events: in the order in which they were first sent."""

from __future__ import annotations

from kitlib.journal import Row
from kitlib.journal.naming import event_numbers


def row(time: float, kind: str, value: str, **fields: int) -> Row:
    return Row(time, "rush", kind, "t", key="S17", value=value, **fields)


def test_an_event_that_is_sent_again_keeps_its_number() -> None:
    rows = [row(2, "sent", "b"), row(1, "sent", "a"), row(3, "sent", "a"), row(0, "stored", "c")]
    assert event_numbers(rows) == {("t", "S17", value): n for n, value in enumerate("abc", 1)}


def test_what_nobody_sent_is_numbered_by_its_timestamp_or_else_by_the_log() -> None:
    late, early = (f'{{"timestamp":"2026-09-01T08:00:0{second}Z"}}' for second in (2, 1))
    stored = [row(0, "stored", late, offset=0), row(0, "stored", early, offset=1)]
    assert [value for _, _, value in event_numbers(stored)] == [early, late]
    plain = row(0, "stored", "no stamp", offset=2)
    assert [value for _, _, value in event_numbers([plain, *stored])] == [late, early, "no stamp"]
