"""The checks of lesson 04: a bag that loses nothing, a batch half done, and how many are repeated.

The evidence is journals of a worker that was killed and came back, together with the log (`journal
+ kafka.read(topic)`), and a group's committed offsets. Nothing here asks the broker.
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
            f"You predicted {prediction}, but as it stood, {BAG_LOST} were lost. Three polls fill "
            "the bag, and the commit() after each of them commits all that was handed out.",
            "what was committed when the third event was processed",
        )
    if lost == BAG_LOST:
        return open_(f"{lost} are lost, as you predicted. Now change bag() so that none is.")
    if not journal.rows("committed"):
        return wrong(
            "Nothing is committed at all, so each restart begins at offset 0 and repeats "
            "everything.",
            "consumer.commit(), at a place where the bag is empty",
        )
    if lost or not check_commits(journal):
        how_many = f"{lost} events are lost" if lost else "No event is lost, but only by luck"
        return wrong(
            f"{how_many}: commit() commits the position, and what waits in the bag lies before it.",
            "what is in the bag when commit() is called",
        )
    return right(f"Nothing is lost, and {repeated} of {BAG} are repeated: that is at-least-once.")


@exercise_check("04.2")
def closing_time(prediction: Any, done: Any, offsets: Any) -> Outcome:
    """A batch half done. prediction: int, lost as it stands; offsets: as the broker has them."""
    in_order = sorted(done, key=lambda record: record.offset)
    last = {record.partition: record.offset for record in in_order}
    committed = {place.partition: at.offset for place, at in offsets.items()}
    if not last:
        return open_("`done` is empty: take it from half_a_day().")
    lost, as_found = HANDED_OUT - len(done), set(committed.values()) == {EACH}
    if prediction != lost:
        return wrong(
            f"You predicted {prediction}, but as it stood, {lost} were lost. commit() commits the "
            f"position, and with it all {HANDED_OUT} that were handed out, but only {len(done)} "
            "are done.",
            "what commit() commits when it is given nothing",
        )
    if as_found:
        return open_(f"{lost} are lost, as you predicted. Now commit what is right for `done`.")
    for number, offset in sorted(last.items()):
        at = committed.get(number)
        if at is None:
            return wrong(
                f"Nothing is committed for partition {number}. Each one has an offset of its own.",
                "the keys of the dictionary for commit()",
            )
        if at != offset + 1:
            why = "what lies between is lost" if at > offset else "that repeats what is done"
            if at == offset:
                why = "the committed offset is the next one to read, so this one is repeated"
            return wrong(
                f"Partition {number}: {at} is committed, and {offset} is the last one done; {why}.",
                "the last record of this partition in `done`, and one more than its offset",
            )
    places = " and ".join(f"{at + 1} in partition {number}" for number, at in sorted(last.items()))
    return right(f"Reading goes on at offset {places}: nothing is lost and nothing is repeated.")


@exercise_check("04.3")
def thrifty_one(prediction: Any, journal: Journal) -> Outcome:
    """A worker that commits now and then. prediction: int, repeated as it stands."""
    if (fault := _not_run(journal, EVENTS)) is not None:
        return fault
    lost, repeated = _lost_and_repeated(journal)
    worst, commits = _worst(journal), len(journal.rows("committed"))
    if prediction != REPEATED:
        return wrong(
            f"You predicted {prediction}, but as it stood, {REPEATED} were repeated: two tens "
            f"were committed, and {REPEATED} of the third had been processed when the worker was "
            "killed.",
            "what was committed when the worker was killed",
        )
    if lost or (commits and not check_commits(journal)):
        return wrong(
            "An offset is committed before the event below it is processed. It is easy to repeat "
            "less if you may lose events.",
            "the order of me.note() and commit()",
        )
    if (repeated, worst) == (REPEATED, 10):
        return open_(f"{REPEATED} are repeated, as you predicted. Now make that at most {MOST}.")
    if worst > MOST:
        return wrong(
            f"{repeated} were repeated, and {worst} could have been: that many were processed "
            "without a commit. You cannot choose the moment of a crash.",
            "how many events are processed before each commit",
        )
    if commits > COMMITS:
        return wrong(
            f"{commits} commits, and {COMMITS} are allowed: a commit after each event costs the "
            "most.",
            "how many events can share a commit",
        )
    return right(
        f"{repeated} were repeated, at most {worst} could have been, and it took {commits} commits."
    )


# -- what the journal says -------------------------------------------------------------------------


def _not_run(journal: Journal, events: int) -> Outcome | None:
    """What to say if this is not the journal of a worker that was killed and came back."""
    if len(journal.rows("stored")) != events:
        return open_(f"The log should hold {events} events. Leave the check's cell as it is.")
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
