"""What everybody did, along time: a lane for each actor, and in it a line for each kind of row.

The shape of a mark is its kind and its colour is its partition; a mark of no partition, or of
several at once, is grey. The plot judges nothing.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from kitlib._look import LIFE, SHAPES, colour
from kitlib.journal import KINDS, Journal, Row
from kitlib.journal.naming import listed
from kitlib.plots import _read, _style
from kitlib.plots._style import BAND, QUIET, note, plain, styled

# A stored record bears its own time, which may be any. Nobody does anything in the other two.
_SHOWN = tuple(kind for kind in KINDS if kind not in ("stored", "lag", "printed"))


@styled
def plot_timeline(journal: Journal, ax: Axes | None = None, kinds: Sequence[str] = _SHOWN) -> Axes:
    """Draw a mark for each row, in the lane of its actor; faults, starts and ends are labelled.

    Along x: milliseconds, seconds, minutes or hours since the first row, whichever fits. What
    happened to an actor itself (started, paused, resumed, closed, killed) shares the line "life".

    journal: a Journal. ax: the matplotlib Axes to draw on; None makes a new figure. kinds: of rows;
    by default all but "stored", "lag" and "printed". Returns the Axes. Raises KitError for anything
    that is no journal.
    """
    rows = _read.rows(journal, kinds)
    table: dict[str, dict[str, list[Row]]] = {}
    for row in rows:
        name = "life" if row.kind in LIFE else row.kind
        line = table.setdefault(row.actor, {}).setdefault(name, [])
        # A client and its process both report that they closed: that is one end.
        if not (row.kind == "closed" and line and line[-1].kind == "closed"):
            line.append(row)
    ax = _style.canvas(ax, 1.3 + 0.24 * sum(map(len, table.values())) + 0.12 * len(table))
    if not rows:
        return _style.empty(ax, "This journal holds nothing that somebody did.")
    clock = _style.Clock(ax, [row.time for row in rows])
    y, ticks, story = 0.0, {}, []
    for number, (actor, lines) in enumerate(table.items()):
        shade = "none" if number % 2 else BAND
        ax.axhspan(y - 0.6, y + len(lines) - 0.4, color=shade, lw=0, zorder=0)
        note(ax, plain(actor, 18), (0, y), (-66, 0), ax.get_yaxis_transform(), ha="right",
             weight="bold")  # fmt: skip
        for name in sorted(lines, key=(*KINDS, "life").index):
            ticks[y] = name
            _draw(ax, clock, y, lines[name])
            y += 1
        y += 0.5
        counts = [f"{len(line):,} {name}" for name, line in lines.items() if name != "life"]
        life = [row.kind for row in lines.get("life", [])]
        story.append(f"{plain(actor)}: {listed([*counts, *life], 12)}")
    ax.set_ylim(y - 0.8, -0.8)
    ax.set_yticks(list(ticks), list(ticks.values()), parse_math=False)
    partitions = sorted({row.partition for row in rows if row.partition is not None})
    dots = [Line2D([], [], ls="", marker="o", color=colour(n), label=f"{n}") for n in partitions]
    if dots:
        dots[0].set_label(f"partition {partitions[0]}")
        ax.legend(
            handles=dots, ncols=len(dots), loc="lower left", bbox_to_anchor=(0, 1), fontsize=9,
            frameon=False, handlelength=1, handletextpad=0.1, columnspacing=0.8, borderpad=0,
        ).set_in_layout(False)  # fmt: skip
    headline = f"What {len(table)} actor{'s' * (len(table) != 1)} did in {clock.span_s:.1f} seconds"
    _style.title(ax, headline, bool(dots))
    return _style.described(ax, f"{headline}. {'; '.join(story)}.")


def _draw(ax: Axes, clock: _style.Clock, y: float, rows: list[Row]) -> None:
    """A line of the plot: the marks of each kind and partition, and texts that have room."""
    groups: dict[tuple[str, int | None], list[float]] = {}
    together: dict[float, list[Row]] = {}
    for row in rows:
        together.setdefault(float(clock(row.time)), []).append(row)
    for at, rows_then in together.items():
        for row in rows_then:
            # Several partitions at once are no partition's colour; the text names them.
            several = row.kind in ("assigned", "revoked") and len(rows_then) > 1
            groups.setdefault((row.kind, None if several else row.partition), []).append(at)
    texts = {at: _text(rows_then) for at, rows_then in together.items()}
    for (kind, partition), places in groups.items():
        ax.plot(places, [y] * len(places), SHAPES[kind], ms=9 if kind == "fault" else 6, mew=1.2,
                color=QUIET if partition is None else colour(partition), label=kind,
                rasterized=len(places) > 1000, zorder=3)  # fmt: skip
    free = -np.inf  # where the last text ends
    for at, until in zip(texts, [*list(texts)[1:], None], strict=True):
        text, room = texts[at], _style.points(ax, 1)
        length = (_style.width(text) + 10) / room
        if text and at + length < (ax.get_xlim()[1] if until is None else until):
            note(ax, text, (at, y), (7, 0))
            free = at + length
        elif text and until is None and at - length > free:
            note(ax, text, (at, y), (-7, 0), ha="right")


def _text(rows: list[Row]) -> str:
    """The text beside a mark; partitions that came or went together share one."""
    row = rows[-1]
    if row.kind in LIFE:
        return row.kind
    if row.kind in ("assigned", "revoked"):
        numbers = sorted({row.partition or 0 for row in rows})
        if len(numbers) > 2 and numbers[-1] - numbers[0] == len(numbers) - 1:
            return f"{numbers[0]}-{numbers[-1]}"
        return ", ".join(map(str, numbers))
    key = {"fault": "fault", "failed": "error"}.get(row.kind, "")
    return plain((row.detail or {}).get(key, ""))
