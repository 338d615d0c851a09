"""How all pictures look: their style, their axes, direct labels, and the words for each.

Nothing here is set for the whole of matplotlib: a picture leaves the settings of the notebook as
they were. This module reads no journal. Colours and shapes, which the views share, are in `_look`.
"""

import copy
import functools
import textwrap
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, ParamSpec
from weakref import WeakKeyDictionary

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import allow_rasterization
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, StrMethodFormatter
from matplotlib.transforms import Transform
from numpy.typing import ArrayLike

from kitlib.errors import KitError

INK, QUIET, BAND, PAPER = "#222222", "#666666", "#EFEFEC", "#FDFDFC"
STYLE: Any = {
    "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"], "font.size": 10,
    "figure.dpi": 100, "figure.facecolor": PAPER, "text.color": INK,
    "text.parse_math": False,  # a key may hold a dollar sign
}  # fmt: skip
P = ParamSpec("P")
_words: WeakKeyDictionary[Axes, str] = WeakKeyDictionary()


def styled(draw: Callable[P, Axes]) -> Callable[P, Axes]:
    """Let a function draw in the kit's style, and restore the notebook's own afterwards."""

    @functools.wraps(draw)
    def draw_styled(*args: P.args, **kwargs: P.kwargs) -> Axes:
        # A notebook's backend is chosen with the first figure and switches "interactive" on. Inside
        # the context this would be undone at its end, and later pictures would not show.
        plt.install_repl_displayhook()
        with plt.rc_context(STYLE):
            return draw(*args, **kwargs)

    return draw_styled


def describe(ax: Axes) -> str:
    """What a picture of the kit shows, in a sentence or two, for those who cannot see it.

    ax: the matplotlib Axes that a plot function returned. Raises KitError for any other Axes.
    """
    if ax not in _words:
        raise KitError(
            what="The kit has no words for this picture.",
            why="It was not drawn by one of the kit's plot functions.",
            fix="Write ax = kit.plot_order(journal) and then kit.describe(ax).",
        )
    return _words[ax]


def described(ax: Axes, words: str) -> Axes:
    """Keep the words that `describe` returns for these axes; returns the axes."""
    _words[ax] = words
    return ax


def plain(text: object, limit: int = 24) -> str:
    """Text for a label: on one line, and with its middle left out if it is long."""
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(text))
    half = (limit - 1) // 2
    return shown if len(shown) <= limit else f"{shown[:half]}…{shown[-half:]}"


def canvas(ax: Axes | None, height: float) -> Axes:
    """The axes to draw on, by default new ones, 800 pixels wide and `height` inches high."""
    if ax is None:
        _, ax = plt.subplots(figsize=(8, min(max(height, 2), 14)), layout="constrained")
    ax.set_facecolor(PAPER)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.spines["bottom"].set_color(QUIET)
    ax.tick_params(labelsize=9, labelcolor=INK, color=QUIET)
    ax.tick_params(axis="y", length=0)
    return ax


def title(ax: Axes, text: str, levels: int = 0) -> None:
    """A title on the left, above so many levels of texts."""
    # Not with wrap=True, which would make matplotlib read dollar signs as formulas.
    most = max(int(room(ax)[0] / 5.4), 20)
    lines = "\n".join(textwrap.fill(line, most) for line in text.split("\n"))
    ax.set_title(lines, loc="left", fontsize=11, color=INK, pad=8 + 13 * levels, parse_math=False)


def note(
    ax: Axes, text: str, xy: tuple[float, float], shift: tuple[float, float],
    within: Transform | str = "data", **how: Any,
) -> None:  # fmt: skip
    """A text beside the point `xy`, shifted by so many typographic points."""
    how = {"fontsize": 9, "va": "center", "zorder": 5, "color": INK, **how}
    ax.annotate(text, xy, shift, within, "offset points", annotation_clip=False, **how)


class _Dense(Line2D):
    """A line that draws only those of its points that can be seen, however many it has.

    Of the points that share a column of pixels it draws the first, the last, the lowest and the
    highest: the line through these fills the same pixels, apart from a softer edge (M4, Jugel et
    al., VLDB 2014). It keeps all points and chooses again when it is drawn larger or in part.
    """

    @allow_rasterization
    def draw(self, renderer: Any) -> None:
        x, y = np.asarray(self.get_xdata(), float), np.asarray(self.get_ydata(), float)
        keep = visible(self.get_transform().transform(np.column_stack([x, y]))[:, 0], y)
        thinned = copy.copy(self)
        thinned.stale_callback = None  # nothing has changed
        thinned.set_data(x[keep], y[keep])
        Line2D.draw(thinned, renderer)


def visible(pixels: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The indices of the points that are first, last, lowest or highest in their pixel column."""
    if not len(y):
        return np.arange(0)
    changes = np.flatnonzero(np.diff(np.floor(pixels))) + 1
    starts, ends = np.r_[0, changes], np.r_[changes, len(y)]
    column = np.repeat(np.arange(len(starts)), ends - starts)
    keep = np.zeros(len(y), bool)
    keep[starts] = keep[ends - 1] = True
    for extreme in (np.minimum, np.maximum):
        at = np.flatnonzero(y == extreme.reduceat(y, starts)[column])
        keep[at[np.r_[True, np.diff(column[at]) > 0]]] = True
    return np.flatnonzero(keep)


def dense(ax: Axes, x: np.ndarray, y: np.ndarray, **how: Any) -> None:
    """Dots, perhaps a million, and with ls="-" a line through them."""
    ax.add_artist(_Dense(x, y, marker="o", rasterized=True, **how))
    if len(x):  # add_line would make a path of all points for this
        ax.update_datalim([(x.min(), np.min(y)), (x.max(), np.max(y))])
    ax.autoscale_view()


def lanes(ax: Axes, labels: Sequence[str]) -> None:
    """One lane for each label, the first at the top."""
    ax.set_ylim(len(labels) - 0.4, -0.6)
    ax.set_yticks(range(len(labels)), labels, parse_math=False)


def partition_labels(partitions: Sequence[tuple[str, int]]) -> list[str]:
    """What to call each topic and partition; topics are named only if they differ."""
    same = len({topic for topic, _ in partitions}) == 1
    return [f"partition {n}" if same else f"{plain(topic)} {n}" for topic, n in partitions]


def empty(ax: Axes, sentence: str) -> Axes:
    """A picture without data: the sentence in its place."""
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines["bottom"].set_visible(False)
    words = textwrap.fill(sentence, 70)
    ax.text(0.5, 0.5, words, transform=ax.transAxes, ha="center", va="center", color=INK)
    return described(ax, sentence)


def whole_numbers(axis: Axis, label: str, most: int = 8) -> None:
    """Ticks at so many whole numbers at most, with commas, and a label."""
    axis.set_major_locator(MaxNLocator(integer=True, nbins=most))
    axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axis.set_label_text(label, fontsize=9, color=QUIET)


class Clock:
    """Makes the x axis one of time, in a unit that fits, and converts times to its numbers."""

    def __init__(self, ax: Axes, times: Sequence[float] | np.ndarray) -> None:
        self.start, self.end = float(np.min(times)), float(np.max(times))
        self.span_s = self.end - self.start
        units = ((2, 1000, "milliseconds"), (300, 1, "seconds"), (18000, 1 / 60, "minutes"))
        fits = [(scale, unit) for limit, scale, unit in units if self.span_s < limit]
        self.scale, self.unit = fits[0] if fits else (1 / 3600, "hours")
        width = self.span_s * self.scale or 1.0
        ax.set_xlim(-0.02 * width, 1.02 * width)
        since = f"{self.unit} since {datetime.fromtimestamp(self.start, UTC):%H:%M:%S} UTC"
        ax.set_xlabel(since, fontsize=9, color=QUIET)

    def __call__(self, times: ArrayLike) -> np.ndarray:
        return (np.asarray(times, float) - self.start) * self.scale


def room(ax: Axes) -> tuple[float, float]:
    """About how wide and high the axes are, in points."""
    box, dpi = ax.get_window_extent(), ax.figure.dpi
    return max(float(box.width) / dpi * 72, 1.0), max(float(box.height) / dpi * 72, 1.0)


def points(ax: Axes, length: float) -> float:
    """About how many points a length on the x axis is."""
    return length / float(np.ptp(ax.get_xlim())) * room(ax)[0]


def width(text: str) -> float:
    """About how wide a label is, in points."""
    return 5.6 * len(text)


def lines(ax: Axes, clock: Clock, labelled: Sequence[tuple[float, str]]) -> tuple[str, int]:
    """A vertical line at each time, its text above the axes.

    Returns a sentence for each line, and how many levels the texts take.
    """
    ends: list[float] = []  # where the last text on each level ends, in points
    words = ""
    for time, text in sorted(labelled):
        if clock.start <= time <= clock.end:
            x = float(clock(time))
            words += f" {text[0].upper()}{text[1:]} at {x:.1f} {clock.unit}."
            at = points(ax, x)
            level = next((n for n, end in enumerate(ends) if end < at), len(ends))
            ends[level : level + 1] = [at + width(text) + 8]
            ax.axvline(x, color=INK, lw=1, ls=(0, (2, 2)), zorder=1)
            note(ax, text, (x, 1), (-2, 3 + 13 * level), ax.get_xaxis_transform(), va="bottom")
    return words, len(ends)


def spread(values: Sequence[float], gap: float) -> np.ndarray:
    """The values, moved up as little as needed so that they are at least `gap` apart."""
    moved, last = np.asarray(values, float).copy(), -np.inf
    for index in np.argsort(values, kind="stable"):
        last = moved[index] = max(moved[index], last + gap)
    return moved
