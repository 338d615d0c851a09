"""Checks: pure functions from a journal to a verdict, and the mechanism of the exercises.

Each check (`guarantees`) looks for what breaks one guarantee and says in a sentence what it found,
with the rows that show it. It never asks the broker: what is not in the journal did not happen, so
add the log to it first (`journal + kafka.read(topic)`). If a journal holds nothing to judge, the
check raises a `KitError`, because silence is not a proof.

`exercise` is the mechanism of the exercises. What a right answer is, is in the package `exercises`,
one file a lesson, which nothing here imports.
"""

from kitlib.checks._verdict import Verdict
from kitlib.checks.guarantees import (
    check_commits,
    check_duplicates,
    check_lost,
    check_order,
    check_skipped,
)

__all__ = [
    "Verdict",
    "check_commits",
    "check_duplicates",
    "check_lost",
    "check_order",
    "check_skipped",
]
