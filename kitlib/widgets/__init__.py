"""Live views in JupyterLab and the player of a recording: thin layers over a journal.

`LiveOrder`, `LiveLag` and `LiveOwnership` follow a journal while it is written, `Replay` plays one
that is complete, and `FaultPanel` has buttons for faults and for members. All four views are drawn
by one component, `timeline.js`, and each has a matplotlib twin in `kitlib.plots`.
"""

from kitlib.widgets.panel import FaultPanel
from kitlib.widgets.views import LiveLag, LiveOrder, LiveOwnership, Replay

__all__ = ["FaultPanel", "LiveLag", "LiveOrder", "LiveOwnership", "Replay"]
