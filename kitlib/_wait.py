"""Waits for a condition, with a deadline and an error that says what was waited for.

In Kafka most things happen a little later: a group forms, a broker stores, a process ends. A fixed
sleep is either too long or too short; this module waits just until the condition holds. It does not
know what the condition means.
"""

import reprlib
import time
from collections.abc import Callable
from typing import TypeVar

from kitlib.errors import KitError

T = TypeVar("T")

_POLL_S = 0.02


def wait_until(condition: Callable[[], T], what: str, timeout_s: float = 60) -> T:
    """Call `condition` every 20 ms until it returns something true, and return that.

    what: a few words for the error, such as "both members own partitions". timeout_s: seconds, of
    which a call uses up 40 ms at most, so a busy machine has more; at least one call is made.
    Raises KitError when the time is up; an error that the condition itself raises is passed on.
    """
    left, looked = timeout_s, time.monotonic()
    while not (answer := condition()):
        if left <= 0:
            raise KitError(
                what=f"Waited {timeout_s:g} s, and this did not happen: {what}",
                why=f"The condition last returned {reprlib.repr(answer)}",
                fix="Look at what should have caused it, or allow more time with timeout_s=",
            )
        time.sleep(_POLL_S)
        now = time.monotonic()
        left, looked = left - min(now - looked, 2 * _POLL_S), now  # a busy machine gets more time
    return answer
