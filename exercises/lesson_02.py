"""The checks of lesson 02: a key for courses, a hot student split, and a topic that grew.

The evidence is journals of topics' logs (`kafka.read`). Which student and course a record is about
is read from its value, because the exercises are about the choice of the key. Nothing here asks the
broker.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from functools import cache
from typing import Any

from kitlib.checks.exercise import Outcome, exercise_check, open_, right, wrong
from kitlib.events import BadEvent, EnrollmentEvent, load_events
from kitlib.journal import Journal, Row
from kitlib.journal.naming import listed

COURSE, STUDENT = "CS101", "S0101"
HOT_LIMIT, HOT_PARTITIONS, NEW_PARTITIONS = 15, 12, 6  # the limit in percent

Group = tuple[str, ...]


@exercise_check("02.1")
def fair_courses(prediction: Any, by_student: Journal, log: Journal) -> Outcome:
    """All requests, ordered course by course. prediction: int, CS101's partitions by student."""
    if (fault := _not_all(log)) is not None:
        return fault
    stored = log.rows("stored")
    spread = len(_places(by_student.rows("stored"), _course)[(COURSE,)])
    if not spread:
        return open_("by_student holds no events. Run the lesson's first cells again.")
    if len({row.partition for row in stored}) == 1:
        return wrong(
            "Everything is in one partition. That keeps the order, but at a price: only one "
            "consumer of a group can read it, so the work cannot be shared.",
            "a key that differs from course to course",
        )
    if len(_places(stored, _course)[(COURSE,)]) > 1:
        keys = {row.key for row in stored}
        if None in keys:
            why = "Some records have no key, so any partition may get them."
        elif keys == {event.student_id for event in load_events()}:
            why = "The key is the student. That keeps each student in order, but no course."
        else:
            why = "The key is not the same for all requests of a course."
        return wrong(
            f"{why} The requests for {COURSE} lie in "
            f"{len(_places(stored, _course)[(COURSE,)])} partitions, with no order between them.",
            "key= in the call of send(): what must stay in order must share a key",
        )
    if (fault := _disorder(stored, _course, "the order of the requests for")) is not None:
        return fault
    if prediction != spread:
        return wrong(
            f"Your key is right, but your prediction of {prediction} is not: keyed by student, "
            f"the requests for {COURSE} were in {spread} partitions. A key keeps the order among "
            "events that share it, and not among those that have something else in common.",
            f"the partitions of the rows in by_student whose value names {COURSE}",
        )
    courses = len(_places(stored, _course))
    return right(
        f"Each of the {courses} courses is in one partition, in the order of its requests. The "
        "students no longer are: an event has only one key, so choose what needs the order."
    )


@exercise_check("02.2")
def cooler(prediction: Any, log: Journal) -> Outcome:
    """No hot partition, and each pair in order. prediction: int, the events that cannot be split.

    The prediction is of the hottest partition by student, however many partitions there are: it
    holds at least the events of the student who has most.
    """
    if (fault := _not_all(log)) is not None:
        return fault
    stored = log.rows("stored")
    split = _first_split(stored, _pair)
    if split:
        pair, parts = split
        why = (
            "Some records have no key. That spreads the load evenly, but keeps nothing in order:"
            if any(row.key is None for row in stored)
            else "The load is spread, but not along the pairs:"
        )
        return wrong(
            f"{why} the requests of {pair[0]} for {pair[1]} are in partitions {listed(parts)}, so "
            "the one that counts may be read before an older one.",
            "a key that is equal for equal pairs of student and course",
        )
    if (fault := _disorder(stored, _pair, "the order of the pair")) is not None:
        return fault
    partition, events = Counter(row.partition for row in stored).most_common(1)[0]
    share = 100 * events / len(stored)
    used = len({row.partition for row in stored})
    if used < HOT_PARTITIONS // 2:
        return wrong(
            f"Everything is in {used} of the partitions. The topic should have {HOT_PARTITIONS}, "
            "and the key should be fine enough to use them.",
            "partitions= in the call of fresh_topic(), and key=",
        )
    if share > HOT_LIMIT:
        most = Counter(row.key for row in stored).most_common(1)[0]
        return wrong(
            f"Partition {partition} holds {share:.1f} % of the records. A key is never divided, "
            f"and {most[0]} alone has {most[1]} records; more partitions do not help against that.",
            "a key that is finer than the student, or than the course",
        )
    if used > HOT_PARTITIONS:
        return wrong(
            f"The topic has more than {HOT_PARTITIONS} partitions. Leave their number as it was: "
            "what helps is the key.",
            "partitions= in the call of fresh_topic()",
        )
    hottest = Counter(_student(row) for row in stored).most_common(1)[0]
    if prediction != hottest[1]:
        return wrong(
            f"Your key is right, but your prediction of {prediction} is not. With the student as "
            f"the key, all {hottest[1]} events of {hottest[0][0]} share a partition, however many "
            "the topic has.",
            f"how many events {hottest[0][0]} has",
        )
    places = _places(stored, _student)[hottest[0]]
    return right(
        f"The hottest partition holds {share:.1f} % of the records. {hottest[0][0]} is spread over "
        f"{len(places)} partitions, and each pair of student and course is still in order."
    )


@exercise_check("02.3")
def grown(prediction: Any, log: Journal) -> Outcome:
    """Old and new events in a topic of six partitions. prediction: int, where S0101 is of six."""
    stored = log.rows("stored")
    if any(row.key is None for row in stored):
        return wrong(
            "Some records have no key, so nothing keeps the events of a student together.",
            "key=record.key for the old events, key=event.key for the new ones",
        )
    if (fault := _not_all(log)) is not None:
        if stored and not _values(stored) & set(_wanted()[: len(_wanted()) // 2]):
            return wrong(
                "Only the new events are there. A new topic starts empty, and old records do not "
                "move by themselves.",
                "read_back(SMALL), and a send() of each of its records to the new topic",
            )
        return fault
    split = _first_split(stored, _student)
    if split:
        (student,), parts = split
        return wrong(
            f"{student} is in partitions {listed(parts)}. Adding partitions to a topic moves no "
            "record: the old records stay where they are, and new ones may go elsewhere.",
            f"fresh_topic(..., partitions={NEW_PARTITIONS}), before the first event is sent",
        )
    if len({row.partition for row in stored}) != NEW_PARTITIONS:
        return wrong(
            f"The records are in {len({row.partition for row in stored})} partitions, and the new "
            f"topic should have {NEW_PARTITIONS}.",
            "partitions= in the call of fresh_topic()",
        )
    if (fault := _disorder(stored, _student, "the order of the events of")) is not None:
        return fault
    place = next(row.partition for row in stored if _student(row) == (STUDENT,))
    if prediction != place:
        return wrong(
            f"The topic is right, but your prediction of {prediction} is not: {STUDENT} is in "
            f"partition {place}. The hash of a key stays the same; the remainder, when it is "
            "divided by the number of partitions, does not.",
            "java_partition(b'S0101', 6) in section 3",
        )
    return right(
        f"All {len(stored):,} events are there, each student in one of {NEW_PARTITIONS} partitions "
        f"and in order. {STUDENT} is in partition {place}."
    )


# -- what the log says -----------------------------------------------------------------------------


@cache
def _event(value: str | None) -> EnrollmentEvent | None:
    try:
        return EnrollmentEvent.from_json((value or "").encode())
    except BadEvent:
        return None


@cache
def _wanted() -> list[str]:
    """The events of the sample data in their order, as they are on the log."""
    return [event.to_json().decode() for event in load_events()]


def _values(rows: list[Row]) -> set[str]:
    return {str(row.value) for row in rows}


def _student(row: Row) -> Group:
    event = _event(row.value)
    return (event.student_id,) if event else ("an unknown student",)


def _course(row: Row) -> Group:
    event = _event(row.value)
    return (event.course_code,) if event else ("an unknown course",)


def _pair(row: Row) -> Group:
    return _student(row) + _course(row)


def _places(rows: list[Row], group_of: Callable[[Row], Group]) -> dict[Group, set[int]]:
    """The partitions of each group of records."""
    places: dict[Group, set[int]] = defaultdict(set)
    for row in rows:
        places[group_of(row)].add(row.partition or 0)
    return places


def _first_split(
    rows: list[Row], group_of: Callable[[Row], Group]
) -> tuple[Group, list[str]] | None:
    """The largest group that lies in several partitions, and the numbers of these, as text."""
    places = _places(rows, group_of)
    for group, _ in Counter(map(group_of, rows)).most_common():
        if len(places[group]) > 1:
            return group, [str(number) for number in sorted(places[group])]
    return None


def _not_all(log: Journal) -> Outcome | None:
    """What to say if the log does not hold each event of the sample data exactly once."""
    stored = Counter(str(row.value) for row in log.rows("stored"))
    wanted = Counter(_wanted())
    if not stored:
        return open_("The topic is empty. Send the events.")
    if strange := stored.keys() - wanted.keys():
        return wrong(
            f"Some values on the log ({len(strange)}) are not events of the sample data.",
            "value=event.to_json() in the call of send()",
        )
    if missing := wanted - stored:
        return wrong(
            f"{missing.total():,} of {wanted.total():,} events are missing from the log. "
            "send() fills a buffer; flush() or close() empties it.",
            "which events are sent, and what stands after the last send()",
        )
    if doubled := stored - wanted:
        return wrong(
            f"{doubled.total():,} events are on the log more than once. The topic should be empty "
            "at the beginning.",
            "fresh_topic() in the exercise's cell, and how often the events are sent",
        )
    return None


def _disorder(rows: list[Row], group_of: Callable[[Row], Group], order_of: str) -> Outcome | None:
    """What to say if a group, which lies in one partition, is not in the order of its times."""
    last: dict[Group, Row] = {}
    for row in sorted(rows, key=lambda row: (row.partition or 0, row.offset or 0)):
        event, group = _event(row.value), group_of(row)
        before = _event(last[group].value) if group in last else None
        if event and before and event.timestamp < before.timestamp:
            return wrong(
                f"In partition {row.partition}, {order_of} {' and '.join(group)} is broken at "
                f"offset {row.offset}: an earlier event comes after a later one. A partition keeps "
                "the order in which records are sent to it; it does not sort them.",
                "the order of the calls of send()",
            )
        last[group] = row
    return None
