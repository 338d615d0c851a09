"""The checks of lesson 07: lag by hand, a hot partition among lag rows, and a load well shared.

The evidence is journals: "lag" rows of a meter, "stored" rows of a log and "processed" rows of
workers. Nothing here asks the broker.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from kitlib.checks.exercise import Outcome, exercise_check, open_, right, wrong
from kitlib.events import EnrollmentEvent, load_events
from kitlib.journal import Journal

STUDENTS, LIMIT = 6, 180


@exercise_check("07.1")
def by_hand(prediction: Any, lags: Any, journal: Journal) -> Outcome:
    """lags: {partition: lag}; prediction: that of the partition without a commit (2)."""
    last = {row.partition: row for row in journal.rows("lag")}
    if set(last) != {0, 1, 2} or last[2].offset is not None:
        return open_("The meter saw something else. Run the cells of the exercise again.")
    ends = {n: (row.detail or {})["end"] for n, row in last.items()}
    lag = {n: (row.detail or {})["lag"] for n, row in last.items()}
    if not isinstance(lags, dict) or set(lags) != set(lag):
        return wrong("by_hand should have the partitions 0, 1 and 2.", "the starter cell")
    stored = Counter(row.partition for row in journal.rows("stored"))
    for number in (0, 1):
        given, true = lags[number], lag[number]
        if given == true:
            continue
        if given == last[number].offset:
            why = "That is the committed offset itself: how far the group came, not what is left."
        elif given == stored[number] and given != ends[number]:
            why = (
                "That is how many records are there. Lag is a difference of offsets, and the "
                "offsets of deleted records are not used again."
            )
        elif given == ends[number]:
            why = "That is the end offset. What the group has committed is done, so subtract it."
        elif given == -true:
            why = "The sign is wrong: take the end offset, and subtract the committed one from it."
        elif given in (true - 1, true + 1):
            why = (
                "It is off by one. The committed offset is the next record to read, and the end "
                "offset the next one to be written, so there is nothing to add or take away."
            )
        else:
            why = "Lag is the end offset minus the committed offset."
        return wrong(
            f"Partition {number}: {given} is not its lag. {why}",
            "list_partition_offsets with OffsetSpec.LATEST, and list_group_offsets",
        )
    why = "No number is right: where a consumer would start depends on its auto_offset_reset."
    if lags[2] is not None:
        return wrong(
            f"Partition 2 has no commit, so its lag is not {lags[2]}: it has none. {why}",
            "the group auditors in section 1; None stands for the dash of Kafka's tool",
        )
    if prediction is not None:
        return wrong(
            f"Your three are right, but your prediction of {prediction} for partition 2 is not. "
            f"{why}",
            "the group auditors in section 1",
        )
    return right(
        f"The lags are {lag[0]}, {lag[1]} and none. Partition 1 holds only {stored[1]} records, "
        "but lag counts offsets."
    )


@exercise_check("07.2")
def hot_one(prediction: Any, hot: Any, journal: Journal) -> Outcome:
    """hot: the partition whose lag grows most; prediction: whether the largest lag shows it."""
    lags, ends = defaultdict(list), {}
    for row in journal.rows("lag"):
        detail = row.detail or {}
        if detail.get("lag") is not None:
            lags[row.partition].append(detail["lag"])
            ends[row.partition] = detail["end"]
    if len(lags) < 2 or min(map(len, lags.values())) < 2:
        return open_("The journal holds too few lag rows. Run the cells of the exercise again.")
    growth = {number: levels[-1] - levels[0] for number, levels in lags.items()}
    true = max(growth, key=lambda number: growth[number])
    largest = max(lags, key=lambda number: lags[number][-1])
    if true == largest:
        return open_("This time the old backlog was gone too soon. Run the exercise's cells again.")
    if isinstance(hot, bool) or hot not in growth:
        return wrong(f"{hot!r} is not the number of a partition.", "the column partition")
    change = f"went from {lags[hot][0]} to {lags[hot][-1]}"
    if hot == largest:
        return wrong(
            f"Partition {hot} has the largest lag, but it {change}. That is an old backlog: a high "
            "level is not growth.",
            "the first and the last lag row of each partition",
        )
    if hot == max(ends, key=lambda number: ends[number]):
        return wrong(
            f"Partition {hot} has the highest end offset: most was written there since the topic "
            f"began. In these rows, its lag {change}.",
            "the first and the last lag row of each partition",
        )
    if hot != true:
        return wrong(
            f"The lag of partition {hot} {change}. That of another partition grows faster.",
            "the last lag minus the first, for each partition",
        )
    if prediction is not False:
        return wrong(
            f"Partition {hot} is right, and it disproves your prediction: the largest lag, that of "
            f"partition {largest}, went from {lags[largest][0]} to {lags[largest][-1]}.",
            "kit.plot_lag(puzzle.journal)",
        )
    return right(
        f"The lag of partition {hot} {change}, while the largest lag is that of partition "
        f"{largest}."
    )


@exercise_check("07.3")
def in_time(prediction: Any, journal: Journal) -> Outcome:
    """Nobody handles more than LIMIT events of the busiest students; pairs stay in order."""
    students = [event.student_id for event in load_events()]
    busiest = dict(Counter(students).most_common(STUDENTS))
    rows = {(row.partition, row.offset): row for row in journal.rows("processed")}.values()
    events = [EnrollmentEvent.from_json((row.value or "").encode()) for row in rows]
    if len(events) != sum(busiest.values()):
        return open_("Not all events were processed. Run the cells of the exercise again.")
    places = defaultdict(set)
    for row, event in zip(rows, events, strict=True):
        places[event.student_id, event.course_code].add(row.partition)
    if split := [pair for pair, partitions in places.items() if len(partitions) > 1]:
        return wrong(
            f"{split[0][0]} has requests for {split[0][1]} in several partitions, so nothing keeps "
            "them in order. An even load is not worth that.",
            "a key that is equal for equal pairs of student and course",
        )
    handled = Counter(row.actor for row in rows)
    actor, most = handled.most_common(1)[0]
    if most > LIMIT:
        partitions = {row.partition for row in rows}
        owned = {row.partition for row in rows if row.actor == actor}
        members = {row.actor for row in journal.rows("started")}
        if {row.key for row in rows} == set(busiest):
            if prediction == max(busiest.values()) and most > prediction and len(members) < 3:
                return open_(f"{actor} handled {most}. Now choose members, partitions and key.")
            why = (
                "The key is the student. All events of one student are in one partition, and a "
                "partition has one owner: more members or partitions do not change that."
            )
        elif len(members) > len(partitions):
            why = "With more members than partitions, those without a partition stand idle."
        elif len(owned) > 1:
            why = f"It owned {len(owned)} partitions, which more members could share."
        else:
            why = "It owned one partition. Finer keys and more partitions make each one smaller."
        return wrong(f"{actor} handled {most} events, and {LIMIT} is the limit. {why}", "section 5")
    floor = max(busiest.values())
    if prediction != floor:
        return wrong(
            f"You are in time, but your prediction of {prediction} is not right: with the student "
            f"as the key, somebody has all {floor} events of the busiest student.",
            "how many events each of the six students has",
        )
    return right(
        f"The busiest of {len(handled)} workers handled {most} events, and each pair is in order."
    )
