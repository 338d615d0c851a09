"""How a journal looks wherever it is drawn: the colours of partitions and the shapes of kinds.

The plots and the views take both from here, and the views send them to the page, so that a picture
on paper and the moving one mean the same by a colour and by a shape. This module draws nothing.
"""

# One for each partition. Any two differ by 17 or more (CIE 1976) to the usual and to each of three
# colour-blind eyes.
PALETTE = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#322768", "#631303",
    "#9938FA", "#A34F3E", "#FB60FB", "#682747", "#BCA94E", "#B30505",
)  # fmt: skip

# Matplotlib's letters for its markers. A kind's name is the word for it, on paper and on a page.
SHAPES = {
    "sent": ">", "acked": "o", "failed": "X", "stored": "s", "consumed": "<", "processed": "D",
    "committed": "P", "assigned": "^", "revoked": "v", "fault": "*", "lag": ".", "started": "|",
    "closed": "o", "killed": "X", "paused": "_", "resumed": "|", "printed": ".",
}  # fmt: skip

# How a legend that is text writes each shape.
GLYPHS = {
    ">": "▶", "o": "●", "X": "✖", "s": "■", "<": "◀", "D": "◆", "P": "✚", "^": "▲", "v": "▼",
    "*": "★", ".": "•", "|": "❙", "_": "▬",
}  # fmt: skip

LIFE = ("started", "paused", "resumed", "closed", "killed")  # what happens to a client or a process
CUTS = ("paused", "resumed", "closed", "killed")  # those marked by a line through the whole picture


def colour(partition: int) -> str:
    """The colour of a partition, as "#RRGGBB"; after the last one they repeat, and labels tell."""
    return PALETTE[partition % len(PALETTE)]
