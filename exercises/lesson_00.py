"""The checks of lesson 00: the third offset, and one key in one partition.

Evidence is the journal of a topic's log (`kafka.read`). Nothing here asks the broker.
"""

from __future__ import annotations

from typing import Any

from kitlib.checks.exercise import Outcome, exercise_check, open_, right, wrong
from kitlib.events import load_events
from kitlib.journal import Journal

STUDENT = "S9001"
PAIR = ("S0017", "S0042")


@exercise_check("00.1")
def third_offset(prediction: Any, log: Journal) -> Outcome:
    """The third record of S9001 in a topic with one partition. prediction: int, its offset."""
    stored = log.rows("stored")
    if not stored:
        return open_(f"The topic is empty: send three events of {STUDENT}.")
    keys = {row.key for row in stored}
    if keys == {None}:
        return wrong(
            "The records have no key. What is in the value does not become the key by itself.",
            "key=event.key in the call of send()",
        )
    if keys != {STUDENT}:
        others = ", ".join(sorted(str(key) for key in keys - {STUDENT}))
        return wrong(
            f"The log also holds records of {others}. All three are to be of {STUDENT}.",
            "the event that the cell made",
        )
    if len(stored) != 3:
        return wrong(
            f"The log holds {len(stored)} of the three records. send() is called once a record, "
            "and a record is stored when its future has an answer.",
            "how often send() is called, and flush() or get() after it",
        )
    offset = stored[2].offset
    if prediction != offset:
        return wrong(
            f"You predicted {prediction}, and the log says {offset}. Offsets count from 0, in "
            "each partition anew.",
            "the column offset in kafka.read(mine)",
        )
    return right(f"Three records, at the offsets 0, 1 and 2: the third is at {offset}.")


@exercise_check("00.2")
def one_partition(prediction: Any, log: Journal) -> Outcome:
    """All events of two students with their keys. prediction: int, the partitions of S0017."""
    stored = log.rows("stored")
    if not stored:
        return open_("The topic is empty: send the events of both students, each with its key.")
    if any(row.key is None for row in stored):
        return wrong(
            "Some records have no key. Without one the producer may put each into any partition.",
            "key=event.key in the call of send()",
        )
    for row in stored:
        if f'"student_id":"{row.key}"' not in (row.value or ""):
            return wrong(
                f"At partition {row.partition}, offset {row.offset} the key is {row.key}, and the "
                "event is of another student. The key must come from the event itself.",
                "key=event.key in the call of send()",
            )
    wanted = [event.to_json().decode() for event in load_events() if event.student_id in PAIR]
    found = [row.value for row in stored]
    if sorted(map(str, found)) != sorted(wanted):
        return wrong(
            f"The log holds {len(found)} records, and rush has {len(wanted)} events. Each is to "
            "be there once.",
            "the loop over rush, and flush() after it",
        )
    number = len({row.partition for row in stored if row.key == PAIR[0]})
    if prediction != number:
        return wrong(
            f"You predicted {prediction}, and it is {number}. Records are not dealt out in turn: "
            "the key chooses the partition, and an equal key chooses the same one.",
            f"kafka.read(both).rows(key={PAIR[0]!r}), the column partition",
        )
    count = sum(row.key == PAIR[0] for row in stored)
    return right(f"All {count} events of {PAIR[0]} are in {number} partition.")
