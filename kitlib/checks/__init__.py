"""Checks: pure functions from a journal to a verdict, and the mechanism of the exercises.

Each check takes one guarantee, looks for what breaks it, and says so in one sentence with the rows
that show it. A check never asks the broker: what is not in the journal did not happen, so put the
log into it first (`journal + kafka.read(topic)`). Where a journal holds nothing that a check could
judge, the check raises a `KitError`: silence is not a proof.

`kitlib.checks.exercise` holds the mechanism of the exercises; their checks lie in `exercises/`, one
file a lesson.
"""

from kitlib.checks.guarantees import (
    Verdict,
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
