"""Pictures of a journal: functions that take a journal and a matplotlib Axes and return the Axes.

In all of them colour means the partition and nothing else. They take a `Journal`, do not
change it and ask no broker. `describe(ax)` puts a picture into words.
"""

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
