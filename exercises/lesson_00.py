"""The checks of lesson 00: the third offset, and one key in one partition.

The evidence is the journal of a topic's log (`kafka.read`). Nothing here asks the broker.
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
        return open_(f"The topic is empty. Send three events of {STUDENT}.")
    keys = {row.key for row in stored}
    if keys == {None}:
        return wrong(
            "The records have no key. The producer does not take one from the value: you pass it.",
            "key=event.key in the call of send()",
        )
    if keys != {STUDENT}:
        others = ", ".join(sorted(str(key) for key in keys - {STUDENT}))
        return wrong(
            f"The log also holds records of {others}. All three should be of {STUDENT}.",
            "the event that the cell makes",
        )
    if len(stored) != 3:
        return wrong(
            f"The log should hold three records, and holds {len(stored)}. Call send() once for "
            "each; a record is stored when its future has an answer.",
            "how often send() is called, and flush() or get() after it",
        )
    offset = stored[2].offset
    if prediction != offset:
        return wrong(
            f"You predicted {prediction}, but the log says {offset}. Offsets count from 0, in each "
            "partition separately.",
            "the column offset in kafka.read(mine)",
        )
    return right(f"The three records are at offsets 0, 1 and 2, so the third is at {offset}.")


@exercise_check("00.2")
def one_partition(prediction: Any, log: Journal) -> Outcome:
    """All events of two students with their keys. prediction: int, the partitions of S0017."""
    stored = log.rows("stored")
    if not stored:
        return open_("The topic is empty. Send the events of both students, each with its key.")
    if any(row.key is None for row in stored):
        return wrong(
            "Some records have no key. Without one, a record may land in any partition.",
            "key=event.key in the call of send()",
        )
    for row in stored:
        if f'"student_id":"{row.key}"' not in (row.value or ""):
            return wrong(
                f"The record at offset {row.offset} of partition {row.partition} has the key "
                f"{row.key}, but its event is of another student. The key must come from the event "
                "itself.",
                "key=event.key in the call of send()",
            )
    wanted = [event.to_json().decode() for event in load_events() if event.student_id in PAIR]
    if sorted(str(row.value) for row in stored) != sorted(wanted):
        return wrong(
            f"The log holds {len(stored)} records, and rush has {len(wanted)} events. Each event "
            "should be there exactly once.",
            "the loop over rush, and flush() after it",
        )
    number = len({row.partition for row in stored if row.key == PAIR[0]})
    if prediction != number:
        return wrong(
            f"You predicted {prediction}, but it is {number}. Records with a key are not dealt out "
            "in turn: the key chooses the partition, and equal keys choose the same one.",
            f"kafka.read(both).rows(key={PAIR[0]!r}), the column partition",
        )
    count = sum(row.key == PAIR[0] for row in stored)
    return right(f"All {count} events of {PAIR[0]} are in {number} partition.")
