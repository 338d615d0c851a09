"""The journal: one table of what happened, and the recorders that fill it.

All other rooms share one thing, the row (`_row`). Recorders of Kafka clients (`_producer`,
`_consumer`), workers, faults and the reader of the log write rows to a tape (`_tape`); a journal
(`journal`) is a tape that can also be searched, shown and saved. `naming` tells which rows are
about the same event. Nothing in this room judges or draws.
"""

from kitlib.journal._row import FIELDS, KINDS, Row, encode, parse, text
from kitlib.journal._tape import Tape
from kitlib.journal.journal import Journal, expect_journal

__all__ = ["FIELDS", "KINDS", "Journal", "Row", "Tape", "encode", "expect_journal", "parse", "text"]
