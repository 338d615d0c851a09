"""Waiting for a condition, with a deadline and an error that says what was waited for.

Kafka does most things a little later: a group forms, a broker stores, a process ends. A fixed
sleep is either too long or too short; this module waits exactly until the condition holds. It
does not know what the condition means.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from kitlib.errors import KitError

T = TypeVar("T")

POLL_S = 0.02


def wait_until(condition: Callable[[], T], what: str, timeout_s: float = 20) -> T:
    """Call `condition` every 20 ms until it returns something true, and return that.

    what: a phrase that completes "waited for ...", such as "both members own partitions".
    timeout_s: seconds, at least one call is made. Raises KitError when the time is over; an error
    that the condition itself raises is passed on.
    """
    deadline = time.monotonic() + timeout_s
    while not (answer := condition()):
        if time.monotonic() >= deadline:
            raise KitError(
                what=f"Waited {timeout_s:g} s, in vain, for this: {what}.",
                why=f"The last answer of the condition was {_short(answer)}.",
                fix="Look at what should have caused it, or give it more time with timeout_s=.",
            )
        time.sleep(POLL_S)
    return answer


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
