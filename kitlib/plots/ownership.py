"""Who owned which partition, and when nobody did: a Gantt chart of a consumer group.

A bar begins with an "assigned" row. It ends with a "revoked" row, or when its owner was closed or
killed. A killed member reports nothing more, so its bar ends at the kill: from then on its
partition has no reader. The plot judges nothing.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from kitlib._look import CUTS, SHAPES, colour
from kitlib.journal import Journal, Row
from kitlib.journal.naming import listed
from kitlib.plots import _read, _style
from kitlib.plots._style import BAND, INK, PAPER, note, plain, styled

_LANE = 0.72  # the height of a lane, where 1 is the distance to the next one
_FILL = {"closed": PAPER, "killed": INK}  # of the mark at the end of a bar
_REPORT_S = 2  # a client and its process both report an end, at most so long after one another


@dataclass
class Bar:
    """A time in which a member owned a partition; ending is the kind of the row that ended it."""

    place: tuple[str, int]  # topic and partition
    actor: str
    member: str | None
    start: float
    end: float
    ending: str = ""
    level: int = 0  # how many owners the partition had already: above 0, two owned it at once


@dataclass
class Lane:
    """All bars of one partition, by their start, and the times between them without an owner."""

    label: str
    bars: list[Bar]
    gaps: list[tuple[float, float]]

    @property
    def levels(self) -> int:
        """How many owners the partition had at once, at most."""
        return 1 + max((bar.level for bar in self.bars), default=0)


@styled
def plot_ownership(journal: Journal, ax: Axes | None = None, group: str | None = None) -> Axes:
    """Draw who owned which partition: a lane for each partition, a bar for each time of ownership.

    Along x: milliseconds, seconds, minutes or hours since the first bar, whichever fits. Dashes are
    times without an owner, with their length in seconds. Vertical lines mark when a member was
    paused, resumed, closed or killed.

    journal: a Journal. ax: the matplotlib Axes to draw on; None makes a new figure. group: whose
    partitions; needed if the journal knows several groups. Returns the Axes. Raises KitError if the
    group is missing then, and for anything that is no journal.
    """
    # A stored record bears its own time, which may be any.
    rows = [row for row in _read.rows(journal) if row.kind != "stored"]
    group = _read.one_of({row.group or "" for row in rows if row.kind == "assigned"}, group)
    bars = owned(rows, group)
    lanes = _lanes(bars)
    ax = _style.canvas(ax, 1.3 + 0.5 * len(lanes))
    if not bars:
        where = f" in group {plain(group)}" if group else ""
        return _style.empty(ax, f"This journal shows nobody who owned a partition{where}.")
    clock = _style.Clock(ax, [time for bar in bars for time in (bar.start, bar.end)])
    _style.lanes(ax, [lane.label for lane in lanes])
    names = _names(bars)
    for y, lane in enumerate(lanes):
        _draw_lane(ax, clock, y, lane, names)
    cut, levels = _style.lines(ax, clock, life_lines(rows, {bar.actor for bar in bars}, CUTS))
    headline = f"Who owns which partition in group {plain(group or 'none')}"
    verdict = _verdict(lanes)
    _style.title(ax, f"{headline}\n{verdict}", levels)
    story = "; ".join(_story(lane, clock) for lane in lanes)
    return _style.described(ax, f"{headline}, in {clock.unit}. {story}.{cut} {verdict}.")


# -- from rows to lanes ----------------------------------------------------------------------------


def owned(rows: Iterable[Row], group: str | None) -> list[Bar]:
    """The bars, by their start, of rows in the order of their times.

    A bar that no row ends lasts until the last row.
    """
    bars: list[Bar] = []
    running: list[Bar] = []
    time = 0.0
    for row in rows:
        time = row.time
        for bar in _ended_by(row, running, group):
            bar.end, bar.ending = time, row.kind
            running.remove(bar)
        if row.kind == "assigned" and (row.group or "") == group:
            others = [bar for bar in running if bar.place == _place(row)]
            if all((bar.actor, bar.member) != (row.actor, row.member) for bar in others):
                bar = Bar(_place(row), row.actor, row.member, time, time, level=len(others))
                bars.append(bar)
                running.append(bar)
    for bar in running:
        bar.end = time
    return bars


def _ended_by(row: Row, running: list[Bar], group: str | None) -> list[Bar]:
    """Those of the running bars that this row ends."""
    own = [bar for bar in running if bar.actor == row.actor]
    if row.kind in ("closed", "killed"):  # a process, which has no member id, ends all of them
        return [bar for bar in own if row.member in (None, bar.member)]
    if row.kind == "revoked" and (row.group or "") == group:
        here = [bar for bar in own if bar.place == _place(row)]
        # The member's id may have changed since, so the actor's name is enough.
        return [bar for bar in here if bar.member == row.member] or here
    return []


def _place(row: Row) -> tuple[str, int]:
    return row.topic or "", row.partition or 0


def _lanes(bars: list[Bar]) -> list[Lane]:
    """A lane for each partition of each topic, up to the highest number that anybody owned."""
    highest = dict(sorted(bar.place for bar in bars))
    places = [(topic, n) for topic, top in highest.items() for n in range(top + 1)]
    end = max((bar.end for bar in bars), default=0.0)
    lanes = []
    for place, label in zip(places, _style.partition_labels(places), strict=True):
        own = [bar for bar in bars if bar.place == place]
        lanes.append(Lane(label, own, _gaps(own, end)))
    return lanes


def _gaps(bars: list[Bar], end: float) -> list[tuple[float, float]]:
    """From when to when a partition had no owner, after its first one and up to the end."""
    gaps = []
    reached = bars[0].end if bars else end
    for start, until in [*((bar.start, bar.end) for bar in bars), (end, end)]:
        if start > reached:
            gaps.append((reached, start))
        reached = max(reached, until)
    return gaps


def moments(times: Iterable[float], apart_s: float) -> list[float]:
    """The first of each run of times that are less than `apart_s` seconds from one another."""
    order = np.sort(np.fromiter(times, float))
    return [float(time) for time in order[np.diff(order, prepend=-np.inf) >= apart_s]]


def life_lines(
    rows: Iterable[Row], actors: Collection[str], kinds: Collection[str]
) -> list[tuple[float, str]]:
    """When which of these actors was closed, killed and so on, each as a time and a label."""
    times: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        if row.kind in kinds and row.actor in actors:
            times.setdefault((row.actor, row.kind), []).append(row.time)
    return [
        (time, f"{plain(actor, 18)} {kind}")
        for (actor, kind), reported in times.items()
        for time in moments(reported, _REPORT_S)
    ]


# -- drawing ---------------------------------------------------------------------------------------


def _draw_lane(
    ax: Axes, clock: _style.Clock, y: int, lane: Lane, names: dict[tuple[str, str | None], str]
) -> None:
    top, height = y - _LANE / 2, _LANE / lane.levels
    ax.axhspan(top, y + _LANE / 2, color=BAND, lw=0, zorder=0)
    for bar in lane.bars:
        middle = top + height * (bar.level + 0.5)
        _draw_bar(ax, clock, bar, middle, height, names[bar.actor, bar.member])
    for start, end in lane.gaps:
        _draw_gap(ax, clock, y, start, end)


def _draw_bar(ax: Axes, clock: _style.Clock, bar: Bar, y: float, height: float, name: str) -> None:
    left, right, own = float(clock(bar.start)), float(clock(bar.end)), colour(bar.place[1])
    ax.barh(y, right - left, left=left, height=height, color=(own, 0.4), edgecolor=own, lw=1.4,
            zorder=2)  # fmt: skip
    fits = int((_style.points(ax, right - left) - 8) / _style.width("x"))
    if fits >= min(3, len(name)):
        note(ax, plain(name, fits), (left, y), (5, 0))
    if bar.ending in _FILL:
        ax.plot([right], [y], SHAPES[bar.ending], color=_FILL[bar.ending], mec=INK, ms=8, zorder=4,
                label=bar.ending)  # fmt: skip


def _draw_gap(ax: Axes, clock: _style.Clock, y: int, start: float, end: float) -> None:
    left, right, text = float(clock(start)), float(clock(end)), f"{end - start:.1f} s"
    ax.plot([left, right], [y, y], ls=(0, (2, 2)), color=INK, lw=1.4, zorder=1, label="gap")
    if _style.points(ax, right - left) > _style.width(text) + 14:
        box = {"facecolor": BAND, "edgecolor": "none", "pad": 1.5}
        note(ax, text, ((left + right) / 2, y), (0, 0), ha="center", bbox=box)


# -- words -----------------------------------------------------------------------------------------


def _names(bars: list[Bar]) -> dict[tuple[str, str | None], str]:
    """What to call each actor and member: the actor, with the end of its id if it had several."""
    owners = {(bar.actor, bar.member) for bar in bars}
    members = Counter(actor for actor, _ in owners)
    return {
        (actor, member): f"{actor} {(member or '')[-4:]}" if members[actor] > 1 else actor
        for actor, member in owners
    }


def _verdict(lanes: list[Lane]) -> str:
    """What matters most: two owners at once, or else the longest time without one."""
    shared = [lane.label for lane in lanes if lane.levels > 1]
    if shared:
        return f"Two owners at the same time: {listed(shared)}"
    gaps = [(end - start, lane.label) for lane in lanes for start, end in lane.gaps]
    if not gaps:
        return "Never without an owner"
    longest_s = max(length_s for length_s, _ in gaps)
    affected = dict.fromkeys(label for length_s, label in gaps if length_s > longest_s - 0.05)
    return f"Longest time without an owner: {longest_s:.2f} s, {listed([*affected], 4)}"


def _story(lane: Lane, clock: _style.Clock) -> str:
    spans = [f"{plain(b.actor)} {clock(b.start):.1f} to {clock(b.end):.1f}" for b in lane.bars]
    return f"{lane.label}: {listed(spans, 8) or 'nobody'}"
