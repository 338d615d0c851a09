"""The checks of lesson 05: a place pinned before the news, a reset by time, a shift in range.

The evidence is committed offsets by partition, and journals: of what a member of the group then
read, and of the log (`kafka.read`). Nothing here asks the broker.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from kitlib.checks.exercise import Outcome, exercise_check, open_, right, wrong
from kitlib.journal import Journal

SINCE = datetime(2026, 9, 1, 8, 0, 10, tzinfo=UTC).timestamp()
ENDS, WAS, BEGINS = 10, {0: 3, 1: 6, 2: 9}, {0: 0, 1: 4, 2: 0}
SHIFTED = {n: max(WAS[n] - 5, BEGINS[n]) for n in WAS}


@exercise_check("05.1")
def from_now_on(
    prediction: Any, place: Mapping[int, int], read: Journal, first_new: int
) -> Outcome:
    """A group that is to read from `first_new` on. place: committed before the new events came."""
    offsets = [row.offset for row in read.rows("consumed")]
    if prediction != 0:
        return wrong(
            f"You predicted {prediction}, but as it stands, audit reads none of the three. "
            "`latest` begins where the log ends when a position is first needed, and the three "
            "were sent before that.",
            "the offsets that bell missed, in section 3",
        )
    if not place:
        return open_("None of the three is read, as you predicted. Now give audit its place.")
    if place[0] < first_new:
        return wrong(
            f"audit has its place at {place[0]}, so it reads old events again. The next one to "
            f"come gets the offset {first_new}.",
            "OffsetSpec.LATEST, or position() of a consumer with `latest`",
        )
    if place[0] > first_new:
        return wrong(
            f"audit has its place at {place[0]}, beyond events that were still to come. The "
            f"committed offset is the next one to read, which is {first_new}.",
            "limits() before anything new is sent",
        )
    if first_new not in offsets:
        return open_("audit has its place, but has read nothing. Run the cell of the check again.")
    return right(f"audit had its place at {first_new} before the first of the new events came.")


@exercise_check("05.2")
def since_a_time(
    prediction: Any, places: Mapping[int, int], read: Journal, log: Journal
) -> Outcome:
    """A reset to 08:00:10. places: committed offsets, which the group was given; read: its rows."""
    ends: dict[int, int] = {}
    wanted: dict[int, int] = defaultdict(int)
    count = 0
    for row in log.rows("stored"):
        partition, offset = row.partition or 0, row.offset or 0
        ends[partition] = offset + 1
        late = row.time >= SINCE
        wanted[partition] = wanted[partition] if late else offset + 1
        count += late
    here = {partition: places.get(partition, -1) for partition in ends}
    if not ends or here == ends:
        return open_(
            "reporting is still at the end of each partition. (If you did move it: were its "
            "members gone, and is the time in UTC and in milliseconds?)"
        )
    if any(at < 0 for at in here.values()):
        return wrong(
            "reporting has no committed offset in some partition, so its auto_offset_reset decides "
            "where it begins there.",
            "the answer of reset_group_offsets(), which names each partition",
        )
    if not any(here.values()):
        return wrong(
            "reporting is at the beginning, so it reads everything again. The cause is `earliest`, "
            "or a time in seconds: Kafka counts milliseconds, so to Kafka that is early in 1970.",
            "ms(TEN_PAST), and OffsetTimestamp",
        )
    if behind := [n for n in ends if here[n] == ends[n] > wanted[n]]:
        return wrong(
            f"Partition {behind[0]} has not moved. A group has a committed offset for each "
            "partition, and a reset moves only those that it names.",
            "the keys of the dict: all of OFFICE",
        )
    if here != wanted:
        n = next(n for n in ends if here[n] != wanted[n])
        return wrong(
            f"In partition {n} the group is at {here[n]}; the first event since 08:00:10 UTC is at "
            f"{wanted[n]}. The same time has another offset in each partition.",
            "OffsetTimestamp, which the broker looks up in each partition",
        )
    again = len({(row.partition, row.offset) for row in read.rows("consumed")})
    if again != count:
        return open_(f"{again} of {count} events were read again. Run the check once more.")
    if prediction != count:
        return wrong(
            f"The group is in the right place, but your prediction of {prediction} is wrong: "
            f"{count} events have a time of 08:00:10 or later.",
            "the timestamps in `everything`",
        )
    return right(f"{count} events are read again, in {len(ends)} partitions, and no others.")


@exercise_check("05.3")
def five_back(prediction: Any, places: Mapping[int, int]) -> Outcome:
    """A shift by five that would leave the log in two partitions. prediction: as places."""
    if places.keys() != WAS.keys():
        return wrong(
            "Some partition has no committed offset, so auto_offset_reset decides.",
            "the cell before the exercise; run it again",
        )
    if min(places.values()) < 0:
        return wrong(
            "A negative offset was committed. The broker takes it without a word, but to a "
            "consumer it is as good as no commit: auto_offset_reset decides.",
            "max(), with the first offset of the partition",
        )
    if prediction != SHIFTED:
        return wrong(
            f"Your prediction of {prediction} does not fit. Five back from 3 is before the first "
            "record, and five back from 6 is 1, which is deleted: partition 1 begins at 4.",
            "the first offset of each partition: list_partition_offsets(), OffsetSpec.EARLIEST",
        )
    if places == WAS:
        return open_("cautious is where it was. Now move it.")
    if places[0] == ENDS:
        return wrong(
            "In partition 0 the group is at the end, so it would skip what is left: "
            "reset_group_offsets() takes a negative offset to mean the end.",
            "max(), with the first offset of the partition",
        )
    if places[1] < BEGINS[1]:
        return wrong(
            f"In partition 1 the group is at {places[1]}, but that record is deleted. The log "
            f"begins at {BEGINS[1]}; 0 is not always the beginning.",
            "list_partition_offsets(), OffsetSpec.EARLIEST",
        )
    if places == BEGINS:
        return wrong(
            "The group is at the beginning of each partition. In partition 2 that is nine back, "
            "not five.",
            "max(committed - 5, first)",
        )
    if places != SHIFTED:
        n = next(n for n in SHIFTED if places[n] != SHIFTED[n])
        return wrong(
            f"In partition {n} the group is at {places[n]}, and should be at {SHIFTED[n]}. Each "
            "partition is shifted on its own, once, and from where it was.",
            "the committed offsets, which were 3, 6 and 9; run the cell before the exercise again",
        )
    return right(
        "The group is five back where there are five, and otherwise at the first record left."
    )
