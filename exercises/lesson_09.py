"""The checks of lesson 09: batches within a budget, bytes on a log, and the size of fetches.

The evidence is "stored" rows of a log, which tell how it was batched and compressed, and the
proxy's "fault" rows, one for each answer to a fetch. Nothing here asks the broker or looks at a
clock: an event that must not wait long must not have much company in its batch.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from kitlib.checks.exercise import Outcome, exercise_check, open_, right, wrong
from kitlib.events import load_events
from kitlib.journal import Journal, Row

EVENTS, MOST_BATCHES, MOST_COMPANY = 300, 30, 60
BACKLOG, LEAST_FETCHES = 500, 10


def _batches(log: Journal) -> dict[tuple[Any, ...], list[Row]]:
    """The records of each batch, by the partition and the offset at which it begins."""
    batches: dict[tuple[Any, ...], list[Row]] = {}
    for row in log.rows("stored"):
        at = (row.topic, row.partition, (row.detail or {})["batch"])
        batches.setdefault(at, []).append(row)
    return batches


def _bytes(log: Journal) -> int:
    return sum((rows[0].detail or {})["batch_bytes"] for rows in _batches(log).values())


def _complete(log: Journal) -> str:
    """What is wrong with the events on this log; empty if it holds each of the 300 once."""
    wanted = Counter(event.to_json().decode() for event in load_events(limit=EVENTS))
    there = Counter(row.value or "" for row in log.rows("stored"))
    if missing := sum((wanted - there).values()):
        return f"{missing} of the {EVENTS} events are not on the log."
    if more := sum((there - wanted).values()):
        return f"Some records on the log ({more}) were not asked for, or are there twice."
    return ""


@exercise_check("09.1")
def budget(prediction: Any, log: Journal) -> Outcome:
    """At most MOST_BATCHES batches of at most MOST_COMPANY records; prediction: EVENTS."""
    if problem := _complete(log):
        return wrong(f"{problem} Losing events does not save a budget.", "kafka.read, front_desk()")
    sizes = [len(rows) for rows in _batches(log).values()]
    count, largest = len(sizes), max(sizes)
    if count == EVENTS:
        if prediction == EVENTS:
            return open_(f"{count} batches, as you predicted. Now change the two settings.")
        return wrong(
            f"Each of the {EVENTS} events has a batch of its own, although linger_ms lets it wait: "
            "with batch_size=0 a batch is full when it holds one event, and a full batch leaves at "
            "once.",
            "the column of batch_size 0 in section 5",
        )
    if largest > MOST_COMPANY:
        return wrong(
            f"{count} batches, but {largest} events share one: its first event waited for "
            f"{largest - 1} others. Large batches are good for the broker, but their price is "
            "latency.",
            "how many events arrive during linger_ms, and how many fit into batch_size",
        )
    if count > MOST_BATCHES:
        return wrong(
            f"The latency is within the budget, but there are {count} batches, and {MOST_BATCHES} "
            "is the limit. A batch that need not wait leaves as soon as the one before it is "
            "answered.",
            "linger_ms for the wait, and batch_size: about 100 bytes an event",
        )
    if prediction != EVENTS:
        return wrong(
            f"{count} batches, the largest of {largest} events: that is within the budget. But "
            f"your prediction of {prediction} is not right: with batch_size=0 there were {EVENTS}.",
            "why linger_ms does nothing for a batch that is full",
        )
    return right(f"{count} batches, the largest of {largest} events: that is within the budget.")


@exercise_check("09.2")
def full_disk(prediction: Any, packed: Journal, plain: Journal) -> Outcome:
    """A third of the bytes of `plain`; prediction: False, gzip does not help a batch of one."""
    if problem := _complete(packed):
        return wrong(f"{problem} Leaving events out saves nothing.", 'kafka.read("archive")')
    before, after, batches = _bytes(plain), _bytes(packed), _batches(packed)
    codecs = {(rows[0].detail or {})["compression"] for rows in batches.values()}
    if 3 * after <= before:
        # Large batches alone save only their headers: getting to a third takes a codec as well.
        if prediction is not False:
            return wrong(
                f"{after:,} bytes instead of {before:,}: your change is right, but your "
                "prediction is not. As it stood, gzip saved nothing, because no batch held more "
                "than one event.",
                "the codec in the detail of the rows, with get() after each send()",
            )
        return right(f"{after:,} bytes instead of {before:,}, in {len(batches)} batches.")
    if len(batches) == EVENTS:
        if prediction is False:
            return open_(f"{after:,} bytes: gzip saves nothing, as you predicted. Now change it.")
        return wrong(
            f"{after:,} bytes, and {before:,} without gzip. A codec alone is not enough: it finds "
            f"what repeats inside a batch, and each of these {EVENTS} batches holds one event.",
            "what get() after each send() does to batches",
        )
    if codecs == {"none"}:
        return wrong(
            f"{after:,} bytes instead of {before:,}: larger batches save headers, but their events "
            "are not compressed.",
            "compression_type, and the codec in the detail of the rows",
        )
    return wrong(
        f"{after:,} bytes instead of {before:,}, in {len(batches)} batches of "
        f"{EVENTS / len(batches):.0f} events on average. With more events in a batch, more "
        "repeats.",
        "linger_ms, batch_size, and when the program waits for its futures",
    )


@exercise_check("09.3")
def small_consumer(prediction: Any, journal: Journal) -> Outcome:
    """BACKLOG records in at least LEAST_FETCHES answers; prediction: 1, as it stands."""
    read = journal.rows("consumed")
    if len({(row.partition, row.offset) for row in read}) < BACKLOG:
        return open_(f"The consumer has read {len(read)} of {BACKLOG} events. Run the cells again.")
    answers = [row for row in journal.rows("fault") if (row.detail or {}).get("api") == "Fetch"]
    fetched = sum(row.time < read[-1].time for row in answers)
    if not fetched:
        return open_("No fetch was counted. Let the consumer read through read_backlog().")
    if fetched < LEAST_FETCHES:
        if prediction == fetched:
            return open_(f"It took {fetched}, as you predicted. Now change the setting.")
        return wrong(
            f"{BACKLOG} events came in {fetched} fetch{'es' * (fetched > 1)}. max_poll_records "
            "says how much poll() hands out of what the consumer already has; it does not make the "
            "consumer ask the broker for less.",
            "the settings of a consumer that are counted in bytes",
        )
    if prediction != 1:
        return wrong(
            f"{fetched} fetches: your change is right, but your prediction of {prediction} is "
            "not. With max_poll_records=50, one fetch brought all events, and ten polls handed "
            "them out.",
            "the numbers of polls and of fetches in section 7",
        )
    return right(f"{fetched} fetches of {BACKLOG / fetched:.0f} events each, on average.")
