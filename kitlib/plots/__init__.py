"""Pictures of a journal: pure functions that take a journal and an `ax` and return the `ax`.

In all of them colour means the partition, and nothing else. They take a `Journal` or its DataFrame
(`to_frame`), change neither, and ask no broker. `describe(ax)` says in words what a picture shows.
"""

from __future__ import annotations

from kitlib.plots._style import describe
from kitlib.plots.lag import plot_lag
from kitlib.plots.order import plot_order, plot_shares
from kitlib.plots.ownership import plot_ownership
from kitlib.plots.timeline import plot_timeline

__all__ = [
    "describe",
    "plot_lag",
    "plot_order",
    "plot_ownership",
    "plot_shares",
    "plot_timeline",
]
