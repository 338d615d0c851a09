"""The five guarantees of delivery: nothing lost, nothing twice, all in order, nothing skipped, and
nothing committed before it was processed.

Every check can be narrowed to one topic (by its name) and one consumer group (by its id), and
raises a `KitError` for something else than a journal. `kitlib.journal.naming` says what "event 4"
means. The guarantees are those of "Message Delivery Semantics" in Kafka's documentation (chapter
Design) and of KIP-98 for retries.
"""

from collections import defaultdict

from kitlib.checks._verdict import Verdict, at, namer, rows_of, verdict
from kitlib.errors import KitError
from kitlib.journal import Journal, Row
from kitlib.journal.naming import (
    Event,
    event_of,
    first_of_each,
    in_log_order,
    in_time_order,
    listed,
    place_of,
    places,
    timestamp_of,
    who,
)

Reader = tuple[str | None, str | None, int | None]  # a group in a topic's partition


def check_lost(
    journal: Journal,
    of: str = "acked",
    among: str = "stored",
    group: str | None = None,
    topic: str | None = None,
) -> Verdict:
    """Is every event that was `of` also `among`? By default: is what was acknowledged on the log?

    of, among: kinds of rows, such as "sent" and "stored", or "stored" and "processed". An event
    is there when a row among them has its key and value, or its place on the log. topic: judge
    only its events. group: look only among its rows.

    Returns a Verdict with a row for each missing event. Raises KitError without `of` rows,
    and for a kind that does not exist.
    """
    wanted = first_of_each(rows_of(journal, of, topic=topic), _in_group).values()
    candidates = rows_of(journal, among, needed=False, topic=topic, group=group)
    events, taken = set(map(event_of, candidates)), set(map(place_of, candidates))
    missing = [
        row
        for row in wanted
        if event_of(row) not in events and (row.offset is None or place_of(row) not in taken)
    ]
    name = namer(journal)
    return verdict(
        f"Every {of} event is {among}.",
        f"All {len(wanted):,} {of} events are {among}.",
        [(f"{name(row)} was {of}{at(row)} and is not {among}", [row]) for row in missing],
    )


def check_duplicates(
    journal: Journal, among: str = "stored", group: str | None = None, topic: str | None = None
) -> Verdict:
    """Is every event there once? On the log: at one offset. Otherwise: in one row of each group.

    among: "stored", "processed" or "consumed". A record that the journal read from the log twice
    counts once. topic, group: judge only their rows.

    Returns a Verdict with all rows of each event that is there more than once. Raises KitError
    without `among` rows, and for a kind that does not exist.
    """
    copies: dict[Event, dict[object, Row]] = defaultdict(dict)
    for number, row in enumerate(rows_of(journal, among, topic=topic, group=group)):
        copy = place_of(row) if among == "stored" else number
        copies[_in_group(row)].setdefault(copy, row)
    name, faults = namer(journal), []
    for rows in (list(rows.values()) for rows in copies.values() if len(rows) > 1):
        if among == "stored":
            what = f"is at {places(rows)}"
        else:
            times = listed([f"by {row.actor}{at(row)}" for row in rows])
            what = f"was {among} {len(rows)} times, {times}"
        faults.append((f"{name(rows[0])} {what}", rows))
    return verdict(
        f"Every {among} event is there once.",
        f"All {len(copies):,} {among} events are there once.",
        faults,
    )


def check_order(
    journal: Journal, among: str = "stored", group: str | None = None, topic: str | None = None
) -> Verdict:
    """Are the events of each key in the order in which they were first sent?

    among: "stored", "processed" or "consumed". Stored events are compared by offset, the others by
    time. Kafka keeps order only within a partition, so a key stored in two partitions breaks the
    guarantee. If nothing was sent in this journal, the timestamps in the values give the order. An
    event that is there twice counts where it comes first. Events without a key are left out,
    because nothing promises an order for them. topic, group: judge only their rows.

    Returns a Verdict with the two rows of each pair out of order, or all rows of a key in several
    partitions. Raises KitError without `among` rows, when none of them can be compared, and for a
    kind that does not exist.
    """
    rows = [row for row in rows_of(journal, among, topic=topic, group=group) if row.key is not None]
    rows = in_log_order(rows) if among == "stored" else in_time_order(rows)
    sent = first_of_each(in_time_order(journal.rows("sent")))
    rank: dict[Event, float] = {event: number for number, event in enumerate(sent)}
    if not rank:
        stamps = ((event_of(row), timestamp_of(row.value)) for row in rows)
        rank = {event: stamp.timestamp() for event, stamp in stamps if stamp}
    by_key: dict[tuple[str | None, ...], list[Row]] = defaultdict(list)
    for row in first_of_each(rows, _in_group).values():
        if event_of(row) in rank:
            by_key[(row.topic, row.key, row.group)].append(row)
    if not by_key:
        raise KitError(
            what=f"The journal does not tell in which order its {among} events were sent.",
            why="It can compare events that have a key and were sent in this journal, or, if "
            "nothing was sent in it, have a timestamp.",
            fix="Record the producer, with journal.record(producer), before it sends.",
        )
    name, faults = namer(journal), []
    for (_, key, _), events in by_key.items():
        parts = sorted({row.partition for row in events if row.partition is not None})
        if among == "stored" and len(parts) > 1:
            where = listed([str(part) for part in parts])
            text = f"{who(key)} is in partitions {where}, which have no order between them"
            faults.append((text, events))
            continue
        last = events[0]
        for row in events[1:]:
            if rank[event_of(row)] < rank[event_of(last)]:
                text = f"{name(row, at(row))} comes after a later one{at(last)}"
                faults.append((text, [last, row]))
            else:
                last = row
    return verdict(
        f"The {among} events of each key are in the order in which they were sent.",
        f"All {sum(map(len, by_key.values())):,} events of {len(by_key):,} keys are in order.",
        faults,
    )


def check_skipped(journal: Journal, group: str | None = None, topic: str | None = None) -> Verdict:
    """Has each group processed every record on the log that lies before its position?

    The position in a partition is the last committed offset, or the one after the last processed
    record, whichever is higher: the group will not read again what lies before it. topic, group:
    judge only their rows.

    Returns a Verdict with a row for each record passed over. Raises KitError without "stored" rows,
    and without "processed" and "committed" ones.
    """
    stored = in_log_order(rows_of(journal, "stored", topic=topic))
    committed: dict[Reader, int] = {}
    processed: dict[Reader, set[int]] = defaultdict(set)
    rows = rows_of(journal, ("processed", "committed"), topic=topic, group=group)
    for row in in_time_order(rows):
        if row.offset is None:
            continue
        done = processed[_reader(row)]
        if row.kind == "processed":
            done.add(row.offset)
        else:
            committed[_reader(row)] = row.offset
    faults = []
    for reader, done in processed.items():
        position = max(committed.get(reader, 0), max(done, default=-1) + 1)
        passed = [
            row
            for row in stored
            if (row.topic, row.partition) == reader[1:]
            and (row.offset or 0) < position
            and row.offset not in done
        ]
        if passed:
            text = f"group {reader[0]} moved on and left {places(passed)} unprocessed"
            faults.append((text, passed))
    noun = "partition" if len(processed) == 1 else "partitions"
    return verdict(
        "A group processes every record before its position.",
        f"Nothing on the log was passed over, in {len(processed)} {noun}.",
        faults,
    )


def check_commits(journal: Journal, group: str | None = None, topic: str | None = None) -> Verdict:
    """Was every record processed before an offset beyond it was committed?

    A crash right after an early commit would lose the record for the group. A commit is judged at
    the moment when the client asked for it, if its row says so (detail "asked", seconds since the
    epoch). It covers what the group was given ("consumed") and, from the first of these records
    on, everything on the log ("stored"). topic, group: judge only their rows.

    Returns a Verdict with the row of each early commit and those of the records that it
    covers too soon. Raises KitError without "committed" rows.
    """
    rows_of(journal, "committed", topic=topic, group=group)
    rows = rows_of(journal, ("consumed", "processed", "committed"), topic=topic, group=group)
    log: dict[tuple[object, ...], dict[int, Row]] = defaultdict(dict)
    for row in journal.rows("stored"):
        log[(row.topic, row.partition)][row.offset or 0] = row
    readings: dict[Reader, _Reading] = {}
    faults, name = [], namer(journal)
    for row in sorted(rows, key=_asked):
        reader, offset = _reader(row), row.offset
        if offset is None or (row.kind == "committed" and reader not in readings):
            continue  # the group was given nothing here yet: such a commit is a reset
        reading = readings.setdefault(reader, _Reading(log[reader[1:]], offset))
        if row.kind == "consumed":
            reading.consume(offset, row)
        elif row.kind == "processed":
            reading.process(offset)
        elif early := reading.commit(offset):
            more = f" and {len(early) - 1} more were" if len(early) > 1 else " was"
            text = f"{name(early[0], at(early[0]))}{more} not processed"
            text += f" when group {row.group} committed offset {offset}"
            faults.append((text, [row, *early]))
    return verdict(
        "Nothing is committed before it is processed.",
        "Every record was processed before an offset beyond it was committed.",
        faults,
    )


class _Reading:
    """How one group works through one partition, and which records wait to be processed.

    log: the stored rows of the partition, by offset. start: the offset of the first record that
    the group was given or has processed; older records on the log do not concern it.
    """

    def __init__(self, log: dict[int, Row], start: int) -> None:
        self.log, self.start = log, start
        self.waiting: dict[int, Row] = {}
        self.processed: set[int] = set()

    def consume(self, offset: int, row: Row) -> None:
        if offset not in self.processed:
            self.waiting[offset] = row

    def process(self, offset: int) -> None:
        self.processed.add(offset)
        self.waiting.pop(offset, None)

    def commit(self, offset: int) -> list[Row]:
        """The rows of the records before this offset that still wait; each is returned once."""
        for passed in range(self.start, offset):
            if passed in self.log and passed not in self.processed:
                self.waiting.setdefault(passed, self.log[passed])
        self.start = max(self.start, offset)
        return [self.waiting.pop(early) for early in sorted(self.waiting) if early < offset]


def _reader(row: Row) -> Reader:
    return (row.group, row.topic, row.partition)


def _asked(row: Row) -> float:
    """When a commit was asked for; for every other row, when it happened."""
    detail = row.detail or {}
    return float(detail["asked"]) if row.kind == "committed" and "asked" in detail else row.time


def _in_group(row: Row) -> Event:
    """What identifies the event of a row within its group."""
    return (row.group, event_of(row))
