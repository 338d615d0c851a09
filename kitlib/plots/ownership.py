"""Who owned which partition, and when nobody did: a Gantt chart of a consumer group.

A bar begins with an "assigned" row and ends with "revoked", or when its owner closed or was killed.
A killed member says nothing, so its bar ends when it was killed: from then on nobody reads.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from kitlib.journal import Journal, Row
from kitlib.journal.naming import listed
from kitlib.plots import _read, _style
from kitlib.plots._style import BAND, INK, PAPER, colour, note, plain, styled, tint

_TURNS = ("closed", "killed", "paused", "resumed")


@dataclass
class Bar:
    """A time in which a member owned a partition; ending is the kind of the row that ended it."""

    lane: tuple[str, int]
    actor: str
    member: str | None
    start: float
    end: float
    ending: str = ""
    level: int = 0  # above 0 if the partition had an owner already


@styled
def plot_ownership(
    journal: Journal | pd.DataFrame, ax: Axes | None = None, group: str | None = None
) -> Axes:
    """Draw a lane for each partition, with a bar, and a name, for each time somebody owned it.

    Dashes, with their length in seconds, are times without an owner. group: needed if there are
    several. Raises KitError if it is missing then.
    """
    # A stored record bears its own time, which may be any.
    rows = [row for row in _read.rows(journal) if row.kind != "stored"]
    group = _read.only_group(rows, ("assigned",), group)
    bars = owned(rows, group)
    highest = {topic: n for topic, n in sorted(bar.lane for bar in bars)}
    lanes = [(topic, n) for topic, top in highest.items() for n in range(top + 1)]
    ax = _style.canvas(ax, 1.3 + 0.5 * len(lanes))
    if not bars:
        where = f" in group {plain(group)}" if group else ""
        return _style.empty(ax, f"This journal shows nobody who owned a partition{where}.")
    clock = _style.Clock(ax, [time for bar in bars for time in (bar.start, bar.end)])
    labels = _style.partition_labels(lanes)
    _style.lanes(ax, labels)
    gaps, story = [], []
    for y, (lane, label) in enumerate(zip(lanes, labels, strict=True)):
        ax.axhspan(y - 0.36, y + 0.36, color=BAND, lw=0, zorder=0)
        here = [bar for bar in bars if bar.lane == lane]
        height = 0.72 / (1 + max((bar.level for bar in here), default=0))
        for bar in here:
            _draw(ax, clock, bar, y - 0.36 + height * (bar.level + 0.5), height, _name(bar, bars))
        for start, end in _unowned(here, clock.end):
            gaps.append((end - start, label))
            _draw_gap(ax, clock, y, start, end)
        spans = [f"{plain(b.actor)} {clock(b.start):.1f} to {clock(b.end):.1f}" for b in here]
        story.append(f"{label}: {listed(spans, 8) or 'nobody'}")
    turns = departures(rows, {bar.actor for bar in bars}, _TURNS)
    marked, levels = _style.marks(ax, clock, turns)
    headline = f"Who owns which partition in group {plain(group or 'none')}"
    twice = [label for lane, label in zip(lanes, labels, strict=True)
             if any(bar.level for bar in bars if bar.lane == lane)]  # fmt: skip
    longest = max((gap for gap, _ in gaps), default=0.0)
    affected = dict.fromkeys(label for gap, label in gaps if gap > longest - 0.05)
    ending = f"Longest time without an owner: {longest:.2f} s, {listed([*affected], 4)}"
    if twice:
        ending = f"Two owners at the same time: {listed(twice)}"
    ending = ending if gaps or twice else "Never without an owner"
    _style.title(ax, f"{headline}\n{ending}", levels)
    words = f"{headline}, in {clock.unit}. {'; '.join(story)}.{marked}"
    return _style.say(ax, f"{words} {ending}.")


def owned(rows: Iterable[Row], group: str | None) -> list[Bar]:
    """The bars of rows that are in the order of their times; open ones last to the last row."""
    bars: list[Bar] = []
    open_: list[Bar] = []
    last = 0.0
    for row in rows:
        last, over = row.time, []
        mine = [bar for bar in open_ if bar.actor == row.actor]
        exactly = [bar for bar in mine if bar.member == row.member]
        if row.kind in ("assigned", "revoked") and (row.group or "") == group:
            lane = (row.topic or "", row.partition or 0)
            exactly = [bar for bar in exactly if bar.lane == lane]
            if row.kind == "revoked":  # a member's id may have changed, so its name is enough
                over = exactly or [bar for bar in mine if bar.lane == lane]
            elif not exactly:
                level = sum(bar.lane == lane for bar in open_)
                open_.append(Bar(lane, row.actor, row.member, last, last, level=level))
                bars.append(open_[-1])
        elif row.kind in ("closed", "killed"):
            over = mine if row.member is None else exactly
        for bar in over:
            bar.end, bar.ending = last, row.kind
            open_.remove(bar)
    for bar in open_:
        bar.end = last
    return bars


def moments(times: Iterable[float], apart: float) -> list[float]:
    """The first of each run of times that are less than `apart` seconds from one another."""
    order = np.sort(np.fromiter(times, float))
    return [float(time) for time in order[np.diff(order, prepend=-np.inf) >= apart]]


def departures(
    rows: Iterable[Row], actors: Collection[str], kinds: Collection[str]
) -> list[tuple[float, str]]:
    """When who was closed, killed ...: a client and its process both say so, and count once."""
    times: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        if row.kind in kinds and row.actor in actors:
            times.setdefault((row.actor, row.kind), []).append(row.time)
    return [(time, f"{plain(actor, 18)} {kind}")
            for (actor, kind), found in times.items() for time in moments(found, 2)]  # fmt: skip


def _name(bar: Bar, bars: list[Bar]) -> str:
    """Its actor; and the end of its id, where the actor was several members."""
    members = {other.member for other in bars if other.actor == bar.actor}
    return f"{bar.actor} {(bar.member or '')[-4:]}" if len(members) > 1 else bar.actor


def _draw(ax: Axes, clock: _style.Clock, bar: Bar, y: float, height: float, name: str) -> None:
    left, right = float(clock(bar.start)), float(clock(bar.end))
    ax.barh(y, right - left, left=left, height=height, color=tint(bar.lane[1]), lw=1.4, zorder=2,
            edgecolor=colour(bar.lane[1]))  # fmt: skip
    fits = int((_style.points(ax, right - left) - 8) / _style.width("x"))
    if fits >= min(3, len(name)):
        note(ax, plain(name, fits), (left, y), (5, 0))
    if bar.ending in ("closed", "killed"):
        shape, fill = ("o", PAPER) if bar.ending == "closed" else ("X", INK)
        ax.plot([right], [y], shape, color=fill, mec=INK, ms=8, zorder=4, label=bar.ending)


def _unowned(bars: list[Bar], end: float) -> list[tuple[float, float]]:
    """The times without an owner, after the first."""
    found, reached = [], bars[0].end if bars else end
    for start, until in [*((bar.start, bar.end) for bar in bars), (end, end)]:
        if start > reached:
            found.append((reached, start))
        reached = max(reached, until)
    return found


def _draw_gap(ax: Axes, clock: _style.Clock, y: int, start: float, end: float) -> None:
    left, right, text = float(clock(start)), float(clock(end)), f"{end - start:.1f} s"
    ax.plot([left, right], [y, y], ls=(0, (2, 2)), color=INK, lw=1.4, zorder=1, label="gap")
    if _style.points(ax, right - left) > _style.width(text) + 14:
        box = {"facecolor": BAND, "edgecolor": "none", "pad": 1.5}
        note(ax, text, ((left + right) / 2, y), (0, 0), ha="center", bbox=box)
