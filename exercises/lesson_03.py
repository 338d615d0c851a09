"""The checks of lesson 03: a group that shares three topics, and a member that is slow, then dies.

The evidence is the journals of the groups' members. Nothing here asks the broker.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from kitlib.checks.exercise import Outcome, exercise_check, open_, right, wrong
from kitlib.journal import Journal, Row

PARTITIONS, CLERKS = 6, 3
# A takeover after a crash takes the session timeout and a rebalance. The colleague's 20 s are too
# long however fast the rebalance is; this limit leaves a busy machine time for one.
QUICK_S = 10


@exercise_check("03.1")
def third_clerk(prediction: Any, journal: Journal) -> Outcome:
    """Three clerks read three topics of two partitions. prediction: int, the third's with range."""
    owners = _owners(journal.rows(("assigned", "revoked")))
    shares = Counter(owners.values())
    if not owners:
        return open_("Nobody owns a partition yet. Run the exercise's cell.")
    if len({row.group for row in journal.rows("assigned")}) > 1:
        return wrong(
            "The clerks are in several groups, and only members of the same group share the work.",
            'settings["group_id"] in share_terms()',
        )
    shown = ", ".join(f"{name} {count}" for name, count in sorted(shares.items()))
    if len(owners) != PARTITIONS:
        return open_(f"{len(owners)} of {PARTITIONS} partitions have an owner. Run the cell again.")
    if prediction != 0:
        return wrong(
            f"You predicted {prediction}, but with range the third clerk gets 0. range shares out "
            "each topic by itself, and its two partitions are enough for the first two members "
            "only: three times in a row.",
            "share_terms(RangePartitionAssignor): who has which partition of each topic",
        )
    if _by_topic(owners):
        return wrong(
            f"{shown}: six partitions are enough for three clerks, and yet one is idle, as you "
            "predicted. An assignor that shares out each topic by itself cannot do better.",
            "the other assignors of section 4: which of them look at all topics together?",
        )
    if len(shares) < CLERKS or max(shares.values()) > PARTITIONS // CLERKS:
        return wrong(
            f"The shares are {shown}, but each of the three clerks should have two.",
            "who is started in share_terms(), and which assignor",
        )
    return right(f"{shown}. This assignor looks at all topics together.")


@exercise_check("03.2")
def slow_but_steady(prediction: Any, journal: Journal) -> Outcome:
    """A slow member commits and is then killed. prediction: bool, accepted as it stands."""
    done = [row for row in journal.rows("processed") if row.actor == "anna"]
    if not done:
        return open_("anna has not processed an event yet. Run the exercise's cell.")
    if prediction is not False:
        return wrong(
            f"You predicted {prediction}, but as it stands, anna's commit is refused. Her "
            "heartbeats go on while she works, so the session timeout of 20 s never matters. What "
            "she exceeds is the time allowed between two calls of poll().",
            "the table of the two clocks in section 6",
        )
    refused = [row for row in journal.rows("failed", actor="anna") if _is_commit(row)]
    if refused:
        return wrong(
            f"anna's commit is refused ({(refused[0].detail or {}).get('error')}): she was away "
            "from poll() for too long and is no longer a member. More time between heartbeats does "
            "not help her, because she sends them all the time.",
            "max_poll_interval_ms, which must be longer than her work on one event",
        )
    first, killed = done[0], journal.rows("killed", actor="anna")
    if not journal.rows("committed", actor="anna") or not killed:
        return open_("anna should commit first and then be killed: leave night() as it was.")
    if any(_place(row) == _place(first) for row in journal.rows("processed") if row is not first):
        return wrong(
            f"The event at offset {first.offset} was processed twice: the group took the partition "
            "away from anna while she worked.",
            "max_poll_interval_ms",
        )
    after = [row for row in journal.rows("assigned") if row.time > killed[0].time]
    taken = next((row for row in after if row.actor != "anna"), None)
    if taken is None:
        return open_("Nobody has taken over after anna's crash yet. Run the cell again.")
    gap = taken.time - killed[0].time
    if gap > QUICK_S:
        return wrong(
            f"anna keeps her partition, but after her crash nobody read for {gap:.1f} s. The "
            "broker waits for heartbeats as long as the session timeout says, which has nothing to "
            "do with how slow the work is.",
            "session_timeout_ms",
        )
    return right(
        f"anna's commit is accepted, the event is processed once, and {taken.actor} took over "
        f"{gap:.1f} s after the crash."
    )


# -- what the journal says -------------------------------------------------------------------------


def _owners(rows: list[Row]) -> dict[tuple[Any, ...], str]:
    """Who owns which partition after these rows."""
    owners: dict[tuple[Any, ...], str] = {}
    for row in rows:
        place = (row.group, row.topic, row.partition)
        if row.kind == "assigned":
            owners[place] = row.actor
        elif owners.get(place) == row.actor:
            del owners[place]
    return owners


def _by_topic(owners: dict[tuple[Any, ...], str]) -> bool:
    """Whether each topic is shared out in the same way, so that somebody is left out."""
    topics = {topic for _, topic, _ in owners}
    ways = {
        tuple(owner for (_, name, _), owner in sorted(owners.items()) if name == topic)
        for topic in topics
    }
    return len(topics) > 1 and len(ways) == 1 and len(set(owners.values())) < CLERKS


def _is_commit(row: Row) -> bool:
    return (row.detail or {}).get("what") == "commit"


def _place(row: Row) -> tuple[Any, ...]:
    return row.topic, row.partition, row.offset
