"""Where the records are: in which order in which partition, and how many in each.

Both plots show what is on the log ("stored" rows). From a journal without such rows they draw what
was acknowledged, or else what was consumed. They judge nothing: that is for the checks.
"""

from collections import Counter
from typing import Literal

import numpy as np
from matplotlib.axes import Axes

from kitlib._look import colour
from kitlib.errors import KitError
from kitlib.journal import Journal, Row, text
from kitlib.journal.naming import event_numbers, event_of, listed, place_of
from kitlib.plots import _read, _style
from kitlib.plots._read import Records
from kitlib.plots._style import BAND, INK, note, plain, styled

_EXACT = 100_000  # in longer journals a key's events are numbered without looking at other keys
_NOTHING = "This journal holds no stored, acknowledged or consumed records"


@styled
def plot_order(
    journal: Journal,
    ax: Axes | None = None,
    highlight: str | bytes | None = None,
    x: Literal["offset", "time"] = "offset",
    topic: str | None = None,
) -> Axes:
    """Draw each record as a dot: a lane for each partition, along the offsets or along time.

    Along x: with "offset" the offset in the partition; with "time" milliseconds, seconds, minutes
    or hours since the first record, whichever fits. At the right end of a lane stands its number of
    records.

    journal: a Journal. ax: the matplotlib Axes to draw on; None makes a new figure. highlight: a
    key, as text or bytes; its records are outlined, with the numbers of their events (those that
    the checks use). topic: draw only this one. Returns the Axes. Raises KitError for another x, and
    for anything that is no journal.
    """
    if x not in ("offset", "time"):
        raise KitError(what=f"x is {x!r}.", fix='Choose x="offset" or x="time".')
    records = _read.records(journal, topic, placed=x == "offset")
    ax = _style.canvas(ax, 1.3 + 0.5 * len(records.lanes))
    if not records.lanes:
        return _style.empty(ax, _NOTHING + (" with an offset." if x == "offset" else "."))
    along = records.offset.astype(float)
    if x == "time":
        clock = _style.Clock(ax, records.time)
        along = clock(records.time)
    else:
        _style.whole_numbers(ax.xaxis, "offset in the partition")
    smallest = 4 if len(along) < 100_000 else 3  # more pixels take longer
    size = float(np.clip(350 / max(records.counts), smallest, 7))
    labels, headline = _style.partition_labels(records.lanes), _headline(records)
    for lane, (_, partition) in enumerate(records.lanes):
        ax.axhline(lane, color=BAND, lw=14, zorder=0)
        here = along[records.lane == lane]
        _style.dense(ax, here, np.full(len(here), lane), ls="", color=colour(partition), ms=size,
                     mew=0, label=labels[lane])  # fmt: skip
        note(ax, _count(len(here)), (1, lane), (6, 0), ax.get_yaxis_transform())
    _style.lanes(ax, labels)
    _style.title(ax, headline)
    words = f"{headline}, a lane each, along their {x}: {_shares(records)}."
    if highlight is not None:
        key = text(highlight) or ""
        chosen = _numbered(journal, records, key)
        where = [float(clock(row.time)) if x == "time" else row.offset or 0 for row, *_ in chosen]
        _outline(ax, where, chosen, size)
        legend = "Outlined: key {}, with the numbers of its events" if chosen else "No key is {}"
        _style.title(ax, f"{headline}\n{legend.format(plain(key))}")
        words += " " + _key_sentence(key, chosen, labels)
    return _style.described(ax, words)


@styled
def plot_shares(journal: Journal, ax: Axes | None = None, topic: str | None = None) -> Axes:
    """Draw how many records each partition has: a bar each, with the count and the percentage.

    Along x: records.

    journal: a Journal. ax: the matplotlib Axes to draw on; None makes a new figure. topic: draw
    only this one. Returns the Axes. Raises KitError for anything that is no journal.
    """
    records = _read.records(journal, topic, placed=False)
    ax = _style.canvas(ax, 1.0 + 0.42 * len(records.lanes))
    if not records.lanes:
        return _style.empty(ax, f"{_NOTHING}.")
    counts = records.counts
    colours = [colour(partition) for _, partition in records.lanes]
    ax.barh(range(len(counts)), counts, height=0.62, color=colours)
    for lane, count in enumerate(counts):
        share = f"{count:,}  ({count / sum(counts):.1%})"
        most = count == max(counts) > min(counts)
        note(ax, share, (count, lane), (6, 0), fontsize=10, weight="bold" if most else "normal")
    _style.lanes(ax, _style.partition_labels(records.lanes))
    ax.set_xlim(0, max(counts) * 1.2)
    _style.whole_numbers(ax.xaxis, "records")
    _style.title(ax, _headline(records))
    return _style.described(ax, f"{_headline(records)}, a bar each: {_shares(records)}.")


def _numbered(journal: Journal, records: Records, key: str) -> list[tuple[Row, int, int]]:
    """The drawn records of a key, each with its lane and the number of its event."""
    many = len(journal) > _EXACT
    rows = [row for row in _read.rows(journal) if row.key == key or not many]
    numbers = event_numbers(rows)
    lanes = {place: lane for lane, place in enumerate(records.lanes)}
    chosen = {}
    for row in rows:
        lane = lanes.get((row.topic or "", -1 if row.partition is None else row.partition))
        if row.key == key and row.kind == records.kind and lane is not None:
            chosen[place_of(row)] = (row, lane, numbers[event_of(row)])
    return list(chosen.values())


def _outline(ax: Axes, where: list[float], chosen: list[tuple[Row, int, int]], size: float) -> None:
    """Outline records and label those that leave room for it; repeated events come first."""
    points = [(x, lane, number) for x, (_, lane, number) in zip(where, chosen, strict=True)]
    scale = _style.points(ax, 1)
    crowded = len(points) * (size + 3) > _style.room(ax)[0] / 3
    ax.plot(where, [lane for _, lane, _ in points], "o", color="none", mec=INK, ms=size + 3,
            mew=0.9 if crowded else 1.6, zorder=4, label="highlight")  # fmt: skip
    times = Counter(number for *_, number in points)
    taken: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for x, lane, number in sorted(points, key=lambda point: (times[point[2]] < 2, point[0])):
        half = _style.width(str(number)) / 2 + (4 if crowded else 1)
        for side, edge in ((1, "bottom"), (-1, "top")):
            texts = taken.setdefault((lane, side), [])
            if all(abs(x * scale - other) > half + wide for other, wide in texts):
                texts.append((x * scale, half))
                note(ax, str(number), (x, lane), (0, side * (size / 2 + 3)), weight="bold",
                     ha="center", va=edge)  # fmt: skip
                break


def _count(number: int, kind: str = "") -> str:
    return " ".join(filter(None, [f"{number:,}", kind, "record" if number == 1 else "records"]))


def _headline(records: Records) -> str:
    where = listed([plain(topic, 36) for topic in dict.fromkeys(t for t, _ in records.lanes)], 3)
    many = "s" * (len(records.lanes) != 1)
    count = _count(len(records.lane), records.kind)
    return f"{count} in {len(records.lanes)} partition{many} of {where}"


def _shares(records: Records) -> str:
    each = zip(_style.partition_labels(records.lanes), records.counts, strict=True)
    total = len(records.lane)
    return listed([f"{label} holds {n:,} ({n / total:.1%})" for label, n in each], 16)


def _key_sentence(key: str, chosen: list[tuple[Row, int, int]], labels: list[str]) -> str:
    if not chosen:
        return f"No record has the key {plain(key)}."
    where = listed([labels[lane] for lane in sorted({lane for _, lane, _ in chosen})])
    times = Counter(number for *_, number in chosen)
    twice = [str(number) for number, count in sorted(times.items()) if count > 1]
    more = f"; there more than once: event {listed(twice)}" if twice else ""
    return f"Outlined are {_count(len(chosen))} of the key {plain(key)}, in {where}{more}."
