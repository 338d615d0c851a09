"""The checks of lesson 09, on logs and fetches as a learner may leave them."""

from __future__ import annotations

from typing import Any

import pytest

from kitlib import Journal, load_events
from kitlib.checks.exercise import Outcome, exercise, predict

EVENTS = load_events(limit=300)


def checked(number: str, prediction: object, *evidence: object) -> Outcome:
    predict(number, prediction)
    return exercise(number, *evidence)


def log(each: int, codec: str = "none", bytes_each: int = 100, count: int = 300) -> Journal:
    """The events on a log, `each` to a batch; a batch takes 61 bytes and `bytes_each` an event."""
    journal = Journal()
    for offset, event in enumerate(EVENTS[:count]):
        begins = offset - offset % each
        size = 61 + bytes_each * min(each, count - begins)
        detail = {"batch": begins, "batch_bytes": size, "compression": codec}
        journal.add("stored", topic="t", partition=0, offset=offset, value=event.to_json(),
                    detail=detail)  # fmt: skip
    return journal


@pytest.mark.parametrize("each", [10, 40, 60])
def test_budget(each: int) -> None:
    assert checked("09.1", 300, log(each)).state == "right"
    assert checked("09.1", ..., log(each)).state == "open"
    outcome = checked("09.1", 3, log(each))
    assert outcome.state == "wrong" and "prediction of 3" in outcome.message


def test_budget_of_several_partitions() -> None:
    """Batches of two partitions begin at equal offsets, and are two."""
    two = Journal()
    for partition, name in enumerate(("even", "odd")):
        for offset, event in enumerate(EVENTS[partition::2]):
            detail = {"batch": offset - offset % 50, "batch_bytes": 1, "compression": "none"}
            two.add("stored", topic=name, partition=partition, offset=offset,
                    value=event.to_json(), detail=detail)  # fmt: skip
    outcome = checked("09.1", 300, two)
    assert outcome.state == "right" and "6 batches, the largest of 50" in outcome.message


@pytest.mark.parametrize(
    ("prediction", "evidence", "state", "says"),
    [
        (300, log(1), "open", "as you predicted"),
        (3, log(1), "wrong", "a batch is full when it holds one event"),
        (300, log(150), "wrong", "waited for 149 others"),
        (300, log(61), "wrong", "61 events share one"),
        (300, log(5), "wrong", "there are 60 batches"),
        (300, log(9), "wrong", "there are 34 batches"),
        (300, log(40, count=290), "wrong", "10 of the 300 events are not on the log"),
        (300, Journal([*log(40), *log(1, count=1)]), "wrong", "(1) were not asked for, or are"),
        (300, Journal(), "wrong", "300 of the 300 events are not"),
        (300, "a text", "open", "not what the check expects"),
    ],
    ids=[
        "as it stands", "surprised", "one large", "just over", "small", "just too many", "lost",
        "twice", "nothing", "no log",
    ],
)  # fmt: skip
def test_budget_done_wrong(prediction: Any, evidence: Any, state: str, says: str) -> None:
    outcome = checked("09.1", prediction, evidence)
    assert outcome.state == state and says in outcome.message, outcome


def test_full_disk() -> None:
    plain, packed = log(1), log(150, "gzip", 14)
    assert checked("09.2", False, packed, plain).state == "right"
    assert checked("09.2", ..., packed, plain).state == "open"
    outcome = checked("09.2", True, packed, plain)
    assert outcome.state == "wrong" and "your prediction is not" in outcome.message
    # 48,300 bytes are plain, and a third of them is 16,100: 30 heads and 300 events of 47 fit.
    assert checked("09.2", False, log(10, "gzip", 47), plain).state == "right"
    assert checked("09.2", False, log(10, "gzip", 48), plain).state == "wrong"


@pytest.mark.parametrize(
    ("prediction", "packed", "state", "says"),
    [
        (False, log(1), "open", "as you predicted"),
        (True, log(1), "wrong", "each of these 300 batches holds one event"),
        (False, log(150), "wrong", "larger batches save headers"),
        (False, log(5, "gzip", 60), "wrong", "60 batches of 5 events on average"),
        (False, log(150, "gzip", 14, count=100), "wrong", "200 of the 300 events are not"),
    ],
    ids=["as it stands", "surprised", "no codec", "small batches", "lost"],
)
def test_full_disk_done_wrong(prediction: bool, packed: Journal, state: str, says: str) -> None:
    outcome = checked("09.2", prediction, packed, log(1))
    assert outcome.state == state and says in outcome.message, outcome


def fetched(each: int, records: int = 500, api: str = "Fetch") -> Journal:
    """What proxy and consumer saw: an answer, then its records, and so on. The last is empty."""
    journal, clock = Journal(), 0.0
    for begins in range(0, records, each):
        journal.add("fault", actor="proxy", time=(clock := clock + 1), detail={"api": api})
        for offset in range(begins, min(begins + each, records)):
            journal.add("consumed", actor="consumer", time=(clock := clock + 1), topic="backlog",
                        partition=0, offset=offset)  # fmt: skip
    journal.add("fault", actor="proxy", time=clock + 1, detail={"api": api})
    return journal


def test_small_consumer() -> None:
    assert checked("09.3", 1, fetched(36)).state == "right"
    assert checked("09.3", 1, fetched(50)).state == "right"
    assert checked("09.3", ..., fetched(36)).state == "open"
    assert checked("09.3", 1, fetched(36, records=400)).state == "open"
    assert checked("09.3", 1, fetched(36, api="Produce")).state == "open"
    outcome = checked("09.3", 10, fetched(36))
    assert outcome.state == "wrong" and "prediction of 10" in outcome.message
    assert checked("09.3", 1, fetched(500)).state == "open"
    outcome = checked("09.3", 10, fetched(500))
    assert outcome.state == "wrong" and "came in 1 fetch." in outcome.message
    outcome = checked("09.3", 1, fetched(56))
    assert outcome.state == "wrong" and "came in 9 fetches." in outcome.message
