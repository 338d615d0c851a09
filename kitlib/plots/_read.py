"""Takes out of a journal, or its DataFrame, what a plot needs. It draws nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np
import pandas as pd

from kitlib._identity import listed
from kitlib.errors import KitError
from kitlib.journal import FIELDS, KINDS, Journal, Row


def rows(journal: Journal | pd.DataFrame, kinds: Sequence[str] = KINDS) -> list[Row]:
    """The rows of these kinds, in the order of their times."""
    _check(journal)
    if isinstance(journal, pd.DataFrame):
        journal = Journal.from_frame(journal[journal["kind"].isin(kinds)])
    return sorted((row for row in journal if row.kind in kinds), key=attrgetter("time"))


def only_group(found: list[Row], kinds: Sequence[str], group: str | None) -> str | None:
    """The group that a plot is about. Raises KitError if nobody chose one of several."""
    groups = sorted({row.group or "" for row in found if row.kind in kinds})
    if group is None and len(groups) > 1:
        raise KitError(
            what=f"This journal tells of the groups {listed(groups)}, and a plot shows one.",
            fix=f'Choose it with group="{groups[-1]}".',
        )
    return group if group is not None else groups[0] if groups else None


@dataclass(frozen=True)
class Records:
    """Records that are on the log, were acknowledged or were consumed; each place counts once.

    lanes: topic and partition of each lane, also of those without records. lane (its number),
    offset (-1 if unknown) and time are arrays with one element a record.
    """

    kind: str
    lanes: list[tuple[str, int]]
    lane: np.ndarray
    offset: np.ndarray
    time: np.ndarray

    @property
    def counts(self) -> list[int]:
        return [int(n) for n in np.bincount(self.lane, minlength=len(self.lanes))]


def records(journal: Journal | pd.DataFrame, topic: str | None, placed: bool) -> Records:
    """What is stored, otherwise acknowledged, or consumed. placed: only what has an offset."""
    _check(journal)
    kind_of, kinds = pd.factorize(_column(journal, "kind", object))
    topic_of, topics = pd.factorize(_column(journal, "topic", object))  # -1 where there is none
    partition, offset = (_column(journal, name, np.int64) for name in ("partition", "offset"))
    known = (topic_of >= 0) & (partition >= 0)
    if topic is not None:
        known &= topic_of == (list(topics).index(topic) if topic in topics else -2)
    for kind in ("stored", "acked", "consumed"):
        chosen = known & (kind_of == (list(kinds).index(kind) if kind in kinds else -2))
        if placed:
            chosen &= offset >= 0
        if chosen.any():
            break
    lanes: list[tuple[str, int]] = []
    lane = np.zeros(len(partition), np.int64)
    for one in sorted(np.unique(topic_of[chosen]), key=lambda code: topics[code]):
        here = known & (topic_of == one)
        lane[here] = len(lanes) + partition[here]
        lanes += [(str(topics[one]), n) for n in range(partition[here].max() + 1)]
    lane, offset, time = lane[chosen], offset[chosen], _column(journal, "time", float)[chosen]
    place = np.where(offset >= 0, lane * 2**44 + offset, -1 - np.arange(len(offset)))
    once = ~pd.Series(place).duplicated().to_numpy()
    return Records(kind, lanes, lane[once], offset[once], time[once])


def _column(journal: Journal | pd.DataFrame, name: str, dtype: type) -> np.ndarray:
    """One field of all rows; a whole number that is missing is -1."""
    if isinstance(journal, pd.DataFrame):
        column = journal[name]
        if dtype is np.int64:
            return column.astype("Int64").to_numpy(np.int64, na_value=-1)
        return column.to_numpy(dtype)
    found = journal.since(0)
    values = map(attrgetter(name), found)
    if dtype is np.int64:
        values = (-1 if value is None else value for value in values)  # type: ignore[assignment]
    return np.fromiter(values, dtype, len(found))


def _check(journal: object) -> None:
    why = f"It was given something of the type {type(journal).__name__}."
    if isinstance(journal, pd.DataFrame):
        missing = [name for name in FIELDS if name not in journal.columns]
        why = f"This DataFrame has no column {missing[0]!r}." if missing else ""
    if why and not isinstance(journal, Journal):
        raise KitError(
            what="A plot is drawn from a journal or its DataFrame.",
            why=why,
            fix="Give it the journal, or rows of journal.to_frame() with all their columns.",
        )
