"""The limits of this process (ulimit) that a broker and a lesson cannot live with.

Commands raise them first, as far as they may, and what they start inherits that. This module knows
no other limits: `kit doctor` looks at memory and disk.
"""

from __future__ import annotations

import sys

from kitlib.errors import KitError

# Tried: a broker ends with 64 files or 2 GiB of addresses; lessons work with 128, and with 4 GiB.
# The last two: what `ulimit` counts in, in bytes or files, and its name.
_NEEDED = (
    ("RLIMIT_NOFILE", "-n", 256, "too few open files", 1, ""),
    ("RLIMIT_AS", "-v", 2**32, "too little virtual memory", 1024, " KiB"),
)


def expect_enough() -> None:
    """Raise limits of this process (ulimit) that are too low; KitError if they cannot be raised."""
    if sys.platform == "win32":
        return
    import resource

    for name, option, needed, what, size, unit in _NEEDED:
        limit = getattr(resource, name)
        soft, hard = resource.getrlimit(limit)
        if 0 <= soft < needed:  # below 0: unlimited
            try:
                resource.setrlimit(limit, (needed, hard))
            except (OSError, ValueError):
                raise KitError(
                    f"This shell, service or container allows {what} (ulimit {option})",
                    f"The kit needs {needed // size:,}{unit}; the limit is {soft // size:,}{unit}",
                    f"Start the kit where the limit is higher; `ulimit {option}` shows it.",
                ) from None
