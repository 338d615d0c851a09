"""The checks of lesson 03, on journals as the members of learners' groups leave them."""

from __future__ import annotations

import pytest

from kitlib import Journal
from kitlib.checks.exercise import Outcome, exercise, predict

TERMS = ("spring", "summer", "autumn")


def checked(number: str, prediction: object, *evidence: object) -> Outcome:
    predict(number, prediction)
    return exercise(number, *evidence)


def terms(*shares: str, groups: tuple[str, ...] = ("terms",)) -> Journal:
    """A group in which anna has had everything, and then these members own a topic's partitions."""
    journal = Journal()
    for group in groups:
        for topic, owners in zip(TERMS, shares, strict=True):
            for partition, owner in enumerate(owners.split()):
                place = {"topic": topic, "partition": partition, "group": group}
                journal.add("assigned", actor="anna", **place)
                journal.add("assigned", actor=owner, **place)
                if owner != "anna":
                    journal.add("revoked", actor="anna", **place)
    return journal


RANGE = ("anna ben", "anna ben", "anna ben")
EVEN = ("anna ben", "carl anna", "ben carl")


@pytest.mark.parametrize(
    ("prediction", "journal", "state", "says"),
    [
        (0, terms(*EVEN), "right", "anna 2, ben 2, carl 2"),
        (0, terms(*RANGE), "wrong", "anna 3, ben 3: six partitions are enough"),
        (2, terms(*RANGE), "wrong", "shares out each topic by itself"),
        (2, terms(*EVEN), "wrong", "with range the third clerk gets 0"),
        (0, terms("anna ben", "carl anna", "anna ben"), "wrong", "should have two"),
        (0, terms("anna anna", "anna anna", "anna anna"), "wrong", "anna 6"),
        (0, terms(*EVEN, groups=("a", "b")), "wrong", "several groups"),
        (0, terms("anna ben", "carl", "ben carl"), "open", "5 of 6 partitions"),
        (0, Journal(), "open", "Nobody owns a partition yet"),
        (..., terms(*RANGE), "open", "prediction first"),
    ],
)
def test_third_clerk(prediction: object, journal: Journal, state: str, says: str) -> None:
    outcome = checked("03.1", prediction, journal)
    assert (outcome.state, says in outcome.message) == (state, True), outcome


def night(
    commit: str = "committed", *, killed: bool = True, gap: float = 1.8, twice: bool = False
) -> Journal:
    """anna works on one event and commits; then she is killed, and ben takes over."""
    place = {"topic": "night", "partition": 0, "group": "night"}
    detail = {"what": "commit", "error": "CommitFailedError"} if commit == "failed" else None
    journal = Journal()
    journal.add("assigned", actor="anna", time=1.0, **place)
    if twice:
        journal.add("processed", actor="ben", time=3.0, offset=0, **place)
    journal.add("processed", actor="anna", time=3.5, offset=0, **place)
    journal.add(commit, actor="anna", time=3.6, offset=1, detail=detail, **place)
    if killed:
        journal.add("killed", actor="anna", time=4.0)
        if gap:
            journal.add("assigned", actor="ben", time=4.0 + gap, **place)
    return journal


@pytest.mark.parametrize(
    ("prediction", "journal", "state", "says"),
    [
        (False, night(), "right", "ben took over 1.8 s after the crash"),
        (False, night(gap=20.1), "wrong", "nobody read for 20.1 s"),
        (False, night("failed", killed=False), "wrong", "refused (CommitFailedError)"),
        (False, night("failed", killed=False, twice=True), "wrong", "away from poll()"),
        (False, night(twice=True), "wrong", "processed twice"),
        (True, night(), "wrong", "between two calls of poll()"),
        (0, night(), "wrong", "You predicted 0"),
        (False, night(killed=False), "open", "leave night() as it was"),
        (False, night(gap=0), "open", "Nobody has taken over"),
        (False, Journal(), "open", "has not processed"),
        (..., night("failed", killed=False), "open", "prediction first"),
    ],
)
def test_slow_but_steady(prediction: object, journal: Journal, state: str, says: str) -> None:
    outcome = checked("03.2", prediction, journal)
    assert (outcome.state, says in outcome.message) == (state, True), outcome


@pytest.mark.parametrize("number", ["03.1", "03.2"])
@pytest.mark.parametrize("odd", [(), (None,), (...,), ("a",), (Journal(), Journal())])
def test_odd_evidence_stays_open(number: str, odd: tuple[object, ...]) -> None:
    assert checked(number, 0 if number == "03.1" else False, *odd).state == "open"
