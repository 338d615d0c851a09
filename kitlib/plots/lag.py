"""How far each partition of a group is behind, over time, and when the group was rebalanced.

It is drawn from "lag" rows, such as `kit.LagMeter` measures; the lines join the measurements, and
nothing between two of them is known.
"""

import numpy as np
from matplotlib.axes import Axes

from kitlib._look import colour
from kitlib.journal import Journal
from kitlib.journal.naming import listed
from kitlib.plots import _read, _style
from kitlib.plots._style import BAND, plain, styled
from kitlib.plots.ownership import life_lines, moments

_SEPARATE = 300  # with more measurements of a partition, their dots would merge to a thick line


@styled
def plot_lag(journal: Journal, ax: Axes | None = None, group: str | None = None) -> Axes:
    """Draw the lag of each partition of a group over time, and when the group was rebalanced.

    Along x: milliseconds, seconds, minutes or hours since the first measurement, whichever fits.
    Along y: records behind (end offset minus committed offset). Each line is labelled with its last
    value. Vertical lines mark rebalances, and when a member was closed or killed.

    journal: a Journal. ax: the matplotlib Axes to draw on; None makes a new figure. group: whose
    lag; needed if the journal has that of several groups. Returns the Axes. Raises KitError if the
    group is missing then, and for anything that is no journal.
    """
    group, lines, rows = _read.lags(journal, group)
    ax = _style.canvas(ax, 3.8)
    if not lines:
        of = f" of group {plain(group)}" if group else ""
        return _style.empty(ax, f"This journal holds no measurements of lag{of}.")
    clock = _style.Clock(ax, np.concatenate([times for times, _ in lines.values()]))
    peaks = {lane: int(lags.max()) for lane, (_, lags) in lines.items()}
    ax.set_ylim(0, max(peaks.values()) * 1.08 or 1)
    ax.grid(axis="y", color=BAND)
    ax.set_axisbelow(True)
    _style.whole_numbers(ax.yaxis, "records behind", 6)
    lanes = sorted(lines)
    labels = _style.partition_labels(lanes)
    gap = ax.get_ylim()[1] * 13 / _style.room(ax)[1]
    heights = _style.spread([lines[lane][1][-1] for lane in lanes], gap)
    story = []
    for lane, label, height in zip(lanes, labels, heights, strict=True):
        times, lags = lines[lane]
        size = 3 if len(times) <= _SEPARATE else 0
        _style.dense(ax, clock(times), lags, ls="-", color=colour(lane[1]), lw=2, ms=size,
                     label=label)  # fmt: skip
        ax.annotate(f"{label}: {lags[-1]:,}", (float(clock(times[-1])), lags[-1]), (1.03, height),
            textcoords=ax.get_yaxis_transform(), va="center", fontsize=9, annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour(lane[1]), "relpos": (0, 0.5),
                        "shrinkA": 1, "shrinkB": 2})  # fmt: skip
        story.append(f"{label} goes from {lags[0]:,} to {lags[-1]:,} (at most {peaks[lane]:,})")
    changes = [r for r in rows if r.kind in ("assigned", "revoked") and (r.group or "") == group]
    rebalances = moments([row.time for row in changes], max(0.5, clock.span_s / 50))
    ends = life_lines(rows, {row.actor for row in changes}, ("closed", "killed"))
    events, levels = _style.lines(ax, clock, [(time, "rebalance") for time in rebalances] + ends)
    headline = f"Lag of group {plain(group)}"
    highest = max(lanes, key=lambda lane: peaks[lane])
    where = f"at most {peaks[highest]:,}, in {labels[lanes.index(highest)]}"
    _style.title(ax, f"{headline}: {where}", levels)
    words = f"{headline} over {clock.span_s:.1f} s, in records: {listed(story, 16)}.{events}"
    return _style.described(ax, words)
