"""Takes from a journal what a plot needs. It draws nothing.

Plots of a million records have to be quick, so they are given arrays of numbers and not rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import Any

import numpy as np
import pandas as pd

from kitlib.errors import KitError
from kitlib.journal import KINDS, Journal, Row, expect_journal
from kitlib.journal.naming import listed

_AT_ONCE = 4096


def rows(journal: Journal, kinds: Sequence[str] = KINDS) -> list[Row]:
    """The rows of these kinds, in the order of their times. Raises KitError for no journal."""
    rows, wanted = expect_journal(journal).since(0), frozenset(kinds)
    return sorted([row for row in rows if row.kind in wanted], key=attrgetter("time"))


def one_of(found: set[str], group: str | None) -> str | None:
    """The group that a plot is about. Raises KitError if there are several and none was chosen."""
    groups = sorted(found)
    if group is None and len(groups) > 1:
        raise KitError(
            what=f"This journal is about the groups {listed(groups)}, and a plot shows only one.",
            fix=f'Choose it with group="{groups[-1]}".',
        )
    return group if group is not None else groups[0] if groups else None


@dataclass(frozen=True)
class Records:
    """Records that are stored, were acknowledged or were consumed (`kind`); each place counts once.

    lanes: topic and partition of each lane, also of those without records. lane (its index in
    lanes), offset (-1 if unknown) and time are arrays with one element per record; time is empty if
    only records with an offset were asked for.
    """

    kind: str
    lanes: list[tuple[str, int]]
    lane: np.ndarray
    offset: np.ndarray
    time: np.ndarray

    @property
    def counts(self) -> list[int]:
        return [int(n) for n in np.bincount(self.lane, minlength=len(self.lanes))]


def records(journal: Journal, topic: str | None, placed: bool) -> Records:
    """The stored records, or if there are none those acknowledged, or else those consumed.

    placed: only records with an offset, and no times, which take as long to read as the offsets.
    """
    fields = ("kind", "topic", "partition", "offset") + (() if placed else ("time",))
    table, texts = _columns(expect_journal(journal).since(0), fields)
    kind_of, topic_of, partition, offset = map(table.__getitem__, fields[:4])
    kinds, topics = texts["kind"], texts["topic"]
    known = (topic_of >= 0) & (partition >= 0)
    if topic is not None:
        known &= topic_of == (topics.index(topic) if topic in topics else -2)
    for kind in ("stored", "acked", "consumed"):
        chosen = known & (kind_of == (kinds.index(kind) if kind in kinds else -2))
        if placed:
            chosen &= offset >= 0
        if chosen.any():
            break
    lanes: list[tuple[str, int]] = []
    lane = np.zeros(len(partition), np.int64)
    for number in sorted(np.flatnonzero(np.bincount(topic_of[chosen])), key=lambda n: topics[n]):
        here = known & (topic_of == number)
        lane[here] = len(lanes) + partition[here]
        lanes += [(topics[number], n) for n in range(partition[here].max() + 1)]
    lane, offset = lane[chosen], offset[chosen]
    place = np.where(offset >= 0, lane * 2**44 + offset, -1 - np.arange(len(offset)))
    once: Any = slice(None)  # `read` of a broker gives each place once, in order
    if not (np.diff(place) > 0).all():
        once = ~pd.Series(place).duplicated().to_numpy()
    time = np.zeros(0) if placed else table["time"][chosen][once]
    return Records(kind, lanes, lane[once], offset[once], time)


def lags(journal: Journal, group: str | None) -> tuple[str | None, dict[Any, Any], list[Row]]:
    """The group, (times, lags) of each (topic, partition), and rows of who came, went or owned.

    Each in order of time. Raises KitError if there are several groups and none was chosen.
    """
    fields = ("group", "topic", "partition", "time", "detail")
    rest: list[Row] = []
    table, texts = _columns(expect_journal(journal).since(0), fields, rest)
    group_of, topic_of, partition, time, lag = map(table.__getitem__, fields)
    groups, topics = [*texts["group"], ""], [*texts["topic"], ""]  # -1 is the last
    group = one_of({groups[number] for number in pd.unique(group_of)}, group)
    wanted = np.array([name == group for name in groups])
    chosen = np.flatnonzero(wanted[group_of] & ~np.isnan(lag))
    if (np.diff(time[chosen]) < 0).any():
        chosen = chosen[np.argsort(time[chosen], kind="stable")]
    place = (topic_of % len(topics) * 2**32 + np.maximum(partition, 0))[chosen]
    lines = {}
    for number in pd.unique(place):
        here = chosen[place == number]
        lane = (topics[number >> 32], int(number & 2**32 - 1))
        lines[lane] = time[here], lag[here].astype(np.int64)
    changes = [row for row in rest if row.kind in ("assigned", "revoked", "closed", "killed")]
    return group, lines, sorted(changes, key=attrgetter("time"))


def _columns(rows: list[Row], fields: Sequence[str], rest: Any = None) -> tuple[Any, Any]:
    """Fields of rows as arrays, by name, and the texts that some stand for.

    time, and the lag in a detail: float, nan for None. partition, offset: int, -1 for None. Any
    other: the number of each row's text, -1 for None. rest: a list for rows that are no "lag".
    """
    numbers: dict[str, Any] = {name: {None: -1} for name in ("kind", "topic", "group")}
    pieces: dict[str, list[np.ndarray]] = {name: [] for name in fields}
    # All fields of some rows, then of the next: these are in the processor's cache by then.
    for start in range(0, max(len(rows), 1), _AT_ONCE):
        some = rows[start : start + _AT_ONCE]
        if rest is not None:
            kept = [row for row in some if row.kind == "lag"]
            rest += (row for row in some if row.kind != "lag") if len(kept) < len(some) else ()
            some = kept
        for name in fields:
            pieces[name].append(_piece(some, name, numbers.get(name)))
    texts = {name: list(known)[1:] for name, known in numbers.items()}
    return {name: np.concatenate(each) for name, each in pieces.items()}, texts


def _piece(rows: list[Row], name: str, numbers: dict[str | None, int] | None) -> np.ndarray:
    field, count, whole = attrgetter(name), len(rows), name in ("partition", "offset")
    if numbers is not None:
        here = set(map(field, rows))
        for text in here - numbers.keys():
            numbers[text] = len(numbers) - 1
        if len(here) == 1:  # as most often
            return np.full(count, numbers[here.pop()])
        return np.fromiter(map(numbers.__getitem__, map(field, rows)), np.int64, count)
    try:
        values = map(itemgetter("lag"), map(field, rows)) if name == "detail" else map(field, rows)
        return np.fromiter(values, np.int64 if whole else float, count)
    except (KeyError, TypeError):  # None among them, or a detail without a lag
        floats = np.array([x.get("lag") if type(x) is dict else x for x in map(field, rows)], float)
        return np.nan_to_num(floats, nan=-1).astype(np.int64) if whole else floats
