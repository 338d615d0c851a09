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
_TEXTS = ("kind", "topic", "group")


def rows(journal: Journal, kinds: Sequence[str] = KINDS) -> list[Row]:
    """The rows of these kinds, in the order of their times. Raises KitError for no journal."""
    rows, wanted = expect_journal(journal).since(0), frozenset(kinds)
    return sorted([row for row in rows if row.kind in wanted], key=attrgetter("time"))


def only_group(rows: list[Row], kinds: Sequence[str], group: str | None) -> str | None:
    """The group that a plot is about. Raises KitError if there are several and none was chosen."""
    return _one_of(sorted({row.group or "" for row in rows if row.kind in kinds}), group)


def _one_of(groups: list[str], group: str | None) -> str | None:
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
    table = _Columns(expect_journal(journal).since(0), fields)
    (kind_of, kinds), (topic_of, topics) = table.names("kind"), table.names("topic")
    partition, offset = table["partition"], table["offset"]
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


def lags(
    journal: Journal, group: str | None
) -> tuple[str | None, dict[tuple[str, int], tuple[np.ndarray, np.ndarray]]]:
    """The group, and the times and lags of each topic and partition that has any, in order of time.

    Raises KitError if there are several groups and none was chosen.
    """
    fields = ("group", "topic", "partition", "time", "detail")
    table = _Columns(expect_journal(journal).since(0), fields, "lag")
    (group_of, groups), (topic_of, topics) = table.names("group"), table.names("topic")
    group = _one_of(sorted({*groups, ""} if (group_of < 0).any() else {*groups}), group)
    groups, topics = [*groups, ""], [*topics, ""]  # -1 is the last
    lag, time = table["detail"], table["time"]
    wanted = np.array([name == group for name in groups])
    chosen = np.flatnonzero(wanted[group_of] & ~np.isnan(lag))
    if (np.diff(time[chosen]) < 0).any():
        chosen = chosen[np.argsort(time[chosen], kind="stable")]
    place = (topic_of % len(topics) * 2**32 + np.maximum(table["partition"], 0))[chosen]
    lines = {}
    for number in pd.unique(place):
        here = chosen[place == number]
        lane = (topics[number >> 32], int(number & 2**32 - 1))
        lines[lane] = time[here], lag[here].astype(np.int64)
    return group, lines


class _Columns(dict[str, np.ndarray]):
    """Fields of rows as arrays, by name. kind: only of such rows.

    time, and the lag in a detail: float, nan for None. partition, offset: int, -1 for None. Any
    other: the number of each row's text, -1 for None; see `names`.
    """

    def __init__(self, rows: list[Row], fields: Sequence[str], kind: str | None = None) -> None:
        self.numbers: dict[str, dict[str | None, int]] = {name: {None: -1} for name in fields}
        pieces: dict[str, list[np.ndarray]] = {name: [] for name in fields}
        # All fields of some rows, then of the next: these are in the processor's cache by then.
        for start in range(0, max(len(rows), 1), _AT_ONCE):
            some = rows[start : start + _AT_ONCE]
            if kind is not None:
                some = [row for row in some if row.kind == kind]
            for name in fields:
                read = self._texts if name in _TEXTS else _numbers
                pieces[name].append(read(name, some))
        super().__init__({name: np.concatenate(each) for name, each in pieces.items()})

    def names(self, name: str) -> tuple[np.ndarray, list[str]]:
        """The number of each row's text, and the texts."""
        return self[name], [text for text in self.numbers[name] if text is not None]

    def _texts(self, name: str, rows: list[Row]) -> np.ndarray:
        field, numbers = attrgetter(name), self.numbers[name]
        known = set(map(field, rows))
        for text in known - numbers.keys():
            numbers[text] = len(numbers) - 1
        if len(known) == 1:  # as most often
            return np.full(len(rows), numbers[known.pop()])
        return np.fromiter(map(numbers.__getitem__, map(field, rows)), np.int64, len(rows))


def _numbers(name: str, rows: list[Row]) -> np.ndarray:
    values, whole = map(attrgetter(name), rows), name in ("partition", "offset")
    try:
        values = map(itemgetter("lag"), values) if name == "detail" else values
        return np.fromiter(values, np.int64 if whole else float, len(rows))
    except (KeyError, TypeError):  # None among them, or a detail without a lag
        found = list(map(attrgetter(name), rows))
        floats = np.array([x.get("lag") if isinstance(x, dict) else x for x in found], float)
        return np.nan_to_num(floats, nan=-1).astype(np.int64) if whole else floats
