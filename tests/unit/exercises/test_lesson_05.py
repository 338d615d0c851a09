"""The checks of lesson 05, on committed offsets and journals made by hand."""

from __future__ import annotations

import pytest

from exercises.lesson_05 import BEGINS, ENDS, SHIFTED, SINCE, WAS
from kitlib import Journal
from kitlib.checks.exercise import Outcome, exercise, predict

# Two partitions: the offsets 0 to 3 and 0 to 5; the first since 08:00:10 are 2 and 1.
FIRST, LAST = {0: 2, 1: 1}, {0: 4, 1: 6}


def log() -> Journal:
    journal = Journal()
    for partition, end in LAST.items():
        for offset in range(end):
            time = SINCE + offset - FIRST[partition]
            journal.add("stored", time=time, topic="office", partition=partition, offset=offset)
    return journal


def read(places: dict[int, int], ends: dict[int, int]) -> Journal:
    """What a member reads that begins at these places."""
    journal = Journal()
    for partition, end in ends.items():
        for offset in range(max(places.get(partition, end), 0), end):
            journal.add("consumed", topic="office", partition=partition, offset=offset)
    return journal


def checked(number: str, prediction: object, *evidence: object, **named: object) -> Outcome:
    predict(number, prediction)
    return exercise(number, *evidence, **named)


@pytest.mark.parametrize(
    ("prediction", "place", "state", "says"),
    [
        (0, {0: 12}, "right", "at 12 before the first"),
        (0, {}, "open", "Now give audit its place"),
        (3, {}, "wrong", "audit reads none of the three"),
        (3, {0: 12}, "wrong", "audit reads none of the three"),
        (0, {0: 0}, "wrong", "reads old events again"),
        (0, {0: 11}, "wrong", "The next one to come gets the offset 12"),
        (0, {0: 15}, "wrong", "beyond events that were still to come"),
        (..., {0: 12}, "open", "prediction first"),
    ],
)
def test_from_now_on(prediction: object, place: dict[int, int], state: str, says: str) -> None:
    outcome = checked("05.1", prediction, place, read(place, {0: 15}), first_new=12)
    assert (outcome.state, says in outcome.message) == (state, True), outcome


def test_a_place_from_which_nobody_has_read() -> None:
    assert checked("05.1", 0, {0: 12}, Journal(), first_new=12).state == "open"


@pytest.mark.parametrize(
    ("prediction", "places", "state", "says"),
    [
        (7, FIRST, "right", "7 events are read again, in 2 partitions"),
        (10, FIRST, "wrong", "your prediction of 10 is wrong: 7 events"),
        (7, LAST, "open", "still at the end"),
        (7, {0: 0, 1: 0}, "wrong", "Kafka counts milliseconds"),
        (7, {0: 2, 1: 6}, "wrong", "Partition 1 has not moved"),
        (7, {0: 2, 1: 2}, "wrong", "the group is at 2; the first event since 08:00:10 UTC is at 1"),
        (7, {0: 2}, "wrong", "no committed offset in some partition"),
        (7, {0: -1, 1: 1}, "wrong", "no committed offset in some partition"),
        (..., FIRST, "open", "prediction first"),
    ],
)
def test_since_a_time(prediction: object, places: dict[int, int], state: str, says: str) -> None:
    outcome = checked("05.2", prediction, places, read(places, LAST), log())
    assert (outcome.state, says in outcome.message) == (state, True), outcome


def test_nothing_was_read_or_stored() -> None:
    assert checked("05.2", 7, FIRST, Journal(), log()).state == "open"
    assert checked("05.2", 7, {}, Journal(), Journal()).state == "open"


@pytest.mark.parametrize(
    ("prediction", "places", "state", "says"),
    [
        (SHIFTED, SHIFTED, "right", "five back where there are five"),
        (SHIFTED, WAS, "open", "is where it was"),
        ({0: 0, 1: 1, 2: 4}, SHIFTED, "wrong", "which is deleted"),
        ({0: -2, 1: 1, 2: 4}, WAS, "wrong", "before the first record"),
        (SHIFTED, {0: -2, 1: 1, 2: 4}, "wrong", "as good as no commit"),
        (SHIFTED, {}, "wrong", "no committed offset"),
        (SHIFTED, {0: ENDS, 1: 4, 2: 4}, "wrong", "would skip what is left"),
        (SHIFTED, {0: 0, 1: 1, 2: 4}, "wrong", "0 is not always the beginning"),
        (SHIFTED, BEGINS, "wrong", "that is nine back"),
        (SHIFTED, {0: 0, 1: 4, 2: 9}, "wrong", "In partition 2 the group is at 9"),
        ({0: ...}, SHIFTED, "open", "prediction first"),
    ],
)
def test_five_back(prediction: object, places: dict[int, int], state: str, says: str) -> None:
    outcome = checked("05.3", prediction, places)
    assert (outcome.state, says in outcome.message) == (state, True), outcome


@pytest.mark.parametrize("number", ["05.1", "05.2", "05.3"])
@pytest.mark.parametrize("odd", [(), (None,), (..., ...), ("a", 3)])
def test_odd_evidence_stays_open(number: str, odd: tuple[object, ...]) -> None:
    assert checked(number, 0, *odd).state == "open"
