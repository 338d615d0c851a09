"""The checks of lesson 04: a bag that loses nothing, a batch half done, and how many are repeated.

Evidence are journals of a worker that was killed and came back, together with the log (`journal +
kafka.read(topic)`), and a group's committed offsets. Nothing here asks the broker.
"""

from __future__ import annotations

from typing import Any

from kitlib.checks.exercise import Outcome, exercise_check, open_, right, wrong
from kitlib.checks.guarantees import check_commits
from kitlib.journal import Journal

BAG, BAG_LOST = 60, 27
HANDED_OUT, EACH = 20, 10
EVENTS, REPEATED, MOST, COMMITS = 40, 7, 3, 20


@exercise_check("04.1")
def large_bag(prediction: Any, journal: Journal) -> Outcome:
    """A worker that gathers before it processes. prediction: int, lost as it stands."""
    if (fault := _not_run(journal, BAG)) is not None:
        return fault
    lost, repeated = _lost_and_repeated(journal)
    if prediction != BAG_LOST:
        return wrong(
            f"You predicted {prediction}; as it stood, {BAG_LOST} were lost. Three polls fill the "
            "bag, and commit() after each of them commits all that was handed out.",
            "what was committed when the third event was processed",
        )
    if lost == BAG_LOST:
        return open_(f"{lost} are lost, as you predicted. Now change bag() so that none is.")
    if not journal.rows("committed"):
        return wrong(
            "Nothing is committed at all: each restart begins at offset 0 and repeats everything.",
            "consumer.commit(), at a place where the bag is empty",
        )
    if lost or not check_commits(journal):
        return wrong(
            f"{lost} events are lost{'' if lost else ', by luck'}: commit() commits the position, "
            "and what waits in the bag lies before it.",
            "what is in the bag when commit() is called",
        )
    return right(f"Nothing is lost, and {repeated} of {BAG} are repeated: at-least-once.")


@exercise_check("04.2")
def closing_time(prediction: Any, done: Any, offsets: Any) -> Outcome:
    """A batch half done. prediction: int, lost as it stands; offsets: as the broker has them."""
    last = {record.partition: record.offset for record in sorted(done, key=lambda one: one.offset)}
    found = {place.partition: at.offset for place, at in offsets.items()}
    if not last:
        return open_("`done` is empty: take it from half_a_day().")
    lost, as_found = HANDED_OUT - len(done), set(found.values()) == {EACH}
    if prediction != lost:
        return wrong(
            f"You predicted {prediction}; as it stood, {lost} were lost. commit() commits the "
            f"position, which is all {HANDED_OUT} that were handed out, and {len(done)} are done.",
            "what commit() commits when it is given nothing",
        )
    if as_found:
        return open_(f"{lost} are lost, as you predicted. Now commit what is right for `done`.")
    for number, offset in sorted(last.items()):
        at = found.get(number)
        if at is None:
            return wrong(
                f"Nothing is committed for partition {number}. Each has an offset of its own.",
                "the keys of the dictionary for commit()",
            )
        if at != offset + 1:
            why = "what lies between is lost" if at > offset else "that repeats what is done"
            if at == offset:
                why = "the committed offset is the next one to read, so this one is repeated"
            return wrong(
                f"Partition {number}: {at} is committed and {offset} is the last one done; {why}.",
                "the last record of this partition in `done`, and one more than its offset",
            )
    told = " and ".join(f"{at + 1} in partition {number}" for number, at in sorted(last.items()))
    return right(f"The next one begins at offset {told}: nothing is lost and nothing repeated.")


@exercise_check("04.3")
def thrifty_one(prediction: Any, journal: Journal) -> Outcome:
    """A worker that commits now and then. prediction: int, repeated as it stands."""
    if (fault := _not_run(journal, EVENTS)) is not None:
        return fault
    lost, repeated = _lost_and_repeated(journal)
    worst, commits = _worst(journal), len(journal.rows("committed"))
    if prediction != REPEATED:
        return wrong(
            f"You predicted {prediction}; as it stood, {REPEATED} were repeated: two tens were "
            f"committed, and {REPEATED} of the third were processed when the kill came.",
            "what was committed when the worker was killed",
        )
    if lost or (commits and not check_commits(journal)):
        return wrong(
            "An offset is committed before the event below it is processed: to repeat less is "
            "easy for a worker that loses events.",
            "the order of me.note() and commit()",
        )
    if (repeated, worst) == (REPEATED, 10):
        return open_(f"{REPEATED} are repeated, as you predicted. Now see to at most {MOST}.")
    if worst > MOST:
        return wrong(
            f"{repeated} were repeated, and {worst} could have been: so many were processed "
            "without a commit. The moment of a kill is not yours to choose.",
            "how many events are processed before each commit",
        )
    if commits > COMMITS:
        return wrong(
            f"{commits} commits, and {COMMITS} are allowed: a commit after each event costs most.",
            "how many events can share a commit",
        )
    return right(f"{repeated} repeated, at most {worst} at any moment, with {commits} commits.")


# -- what the journal says -------------------------------------------------------------------------


def _not_run(journal: Journal, events: int) -> Outcome | None:
    """What is missing if this is no journal of a worker that was killed and came back."""
    if len(journal.rows("stored")) != events:
        return open_(f"The log is to hold {events} events: leave the check's cell as it is.")
    if not journal.rows("killed"):
        return open_('The worker was not killed: me.note("processed", record) is what kills it.')
    return None


def _lost_and_repeated(journal: Journal) -> tuple[int, int]:
    processed = [row.offset for row in journal.rows("processed")]
    stored = {row.offset for row in journal.rows("stored")}
    return len(stored - set(processed)), len(processed) - len(set(processed))


def _worst(journal: Journal) -> int:
    """The most events that were processed and not yet committed, at any moment."""
    waiting: set[int] = set()
    worst = 0
    for row in journal.rows(("processed", "committed")):
        if row.kind == "processed":
            waiting.add(row.offset or 0)
        else:
            waiting = {offset for offset in waiting if offset >= (row.offset or 0)}
        worst = max(worst, len(waiting))
    return worst
