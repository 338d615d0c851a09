"""What everybody did, along time: a lane for each actor, a row in it for each kind of thing.

The shape of a mark is its kind, its colour is its partition; without one, or with several at
once, it is grey.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from kitlib.journal import KINDS, Journal, Row
from kitlib.journal.naming import listed
from kitlib.plots import _read, _style
from kitlib.plots._style import BAND, QUIET, colour, note, plain, styled

_SHAPES = dict(zip(KINDS, ">oXs<DP^v*.|oX_|.", strict=True))
_LIFE = ("started", "paused", "resumed", "closed", "killed")
# A stored record bears its own time, which may be any; lag and what was printed are no deeds.
_SHOWN = tuple(kind for kind in KINDS if kind not in ("stored", "lag", "printed"))


@styled
def plot_timeline(
    journal: Journal | pd.DataFrame, ax: Axes | None = None, kinds: Sequence[str] = _SHOWN
) -> Axes:
    """Draw a mark for each row, in the lane of its actor; faults, starts and ends are labelled.

    kinds: only these, by default all but "stored", "lag" and "printed".
    """
    rows = _read.rows(journal, kinds)
    table: dict[str, dict[str, list[Row]]] = {}
    for row in rows:
        name = "life" if row.kind in _LIFE else row.kind
        deeds = table.setdefault(row.actor, {}).setdefault(name, [])
        # A client and its process both say that they closed: that is one end.
        if not (row.kind == "closed" and deeds and deeds[-1].kind == "closed"):
            deeds.append(row)
    ax = _style.canvas(ax, 1.3 + 0.24 * sum(map(len, table.values())) + 0.12 * len(table))
    if not rows:
        return _style.empty(ax, "This journal holds nothing that somebody did.")
    clock = _style.Clock(ax, [row.time for row in rows])
    y, ticks, story = 0.0, {}, []
    for number, (actor, deeds_of) in enumerate(table.items()):
        shade = "none" if number % 2 else BAND
        ax.axhspan(y - 0.6, y + len(deeds_of) - 0.4, color=shade, lw=0, zorder=0)
        note(ax, plain(actor, 18), (0, y), (-66, 0), ax.get_yaxis_transform(), ha="right",
             weight="bold")  # fmt: skip
        for name in sorted(deeds_of, key=(*KINDS, "life").index):
            ticks[y] = name
            _draw(ax, clock, y, deeds_of[name])
            y += 1
        y += 0.5
        told = [f"{len(found):,} {name}" for name, found in deeds_of.items() if name != "life"]
        told += [row.kind for row in deeds_of.get("life", [])]
        story.append(f"{plain(actor)}: {listed(told, 12)}")
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
    return _style.say(ax, f"{headline}. {'; '.join(story)}.")


def _draw(ax: Axes, clock: _style.Clock, y: float, rows: list[Row]) -> None:
    """One row of the plot: the marks of each kind and partition, and texts where there is room."""
    groups: dict[tuple[str, int | None], list[float]] = {}
    together: dict[float, list[Row]] = {}
    for row in rows:
        together.setdefault(float(clock(row.time)), []).append(row)
    for at, found_then in together.items():
        for row in found_then:
            # Several partitions at once are no partition's colour; the text names them.
            several = row.kind in ("assigned", "revoked") and len(found_then) > 1
            groups.setdefault((row.kind, None if several else row.partition), []).append(at)
    texts = {at: _text(found) for at, found in together.items()}
    for (kind, partition), found in groups.items():
        ax.plot(found, [y] * len(found), _SHAPES[kind], ms=9 if kind == "fault" else 6, mew=1.2,
                color=QUIET if partition is None else colour(partition), label=kind,
                rasterized=len(found) > 1000, zorder=3)  # fmt: skip
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
    """What stands beside a mark; partitions that came or went together stand there together."""
    row = rows[-1]
    if row.kind in _LIFE:
        return row.kind
    if row.kind in ("assigned", "revoked"):
        numbers = sorted({row.partition or 0 for row in rows})
        if len(numbers) > 2 and numbers[-1] - numbers[0] == len(numbers) - 1:
            return f"{numbers[0]}-{numbers[-1]}"
        return ", ".join(map(str, numbers))
    told = {"fault": "fault", "failed": "error"}.get(row.kind, "")
    return plain((row.detail or {}).get(told, ""))
