"""The journal: one table of what happened, and the recorders that fill it.

`_row` is the row, the one thing that all other rooms share. Rows are written to a tape (`_tape`) by
the recorders of Kafka clients (`_producer`, `_consumer`), by workers, faults and the reader of the
log; the journal (`journal`) is the tape together with everything that reads it. `naming` says which
rows are about the same event. Nothing in this room judges or draws.
"""

from kitlib.journal._row import FIELDS, KINDS, Row, encoder, parse, text
from kitlib.journal.journal import Journal

__all__ = ["FIELDS", "KINDS", "Journal", "Row", "encoder", "parse", "text"]
