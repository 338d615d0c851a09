"""The limits of this process (ulimit) that a broker and a lesson cannot live with.

Commands raise them first, as far as they may, and what they start inherits that. This module knows
no other limits: `kit doctor` looks at memory and disk.
"""

from __future__ import annotations

import sys

from kitlib.errors import KitError

# Tried: a broker ends with 64 files or 2 GiB of addresses; lessons work with 128, and with 4 GiB.
_NEEDED = (("RLIMIT_NOFILE", "-n", 256, "open files"), ("RLIMIT_AS", "-v", 2**32, "addresses"))


def expect_enough() -> None:
    """Raise limits of this process (ulimit) that are too low; KitError if they cannot be raised."""
    if sys.platform == "win32":
        return
    import resource

    for name, option, needed, what in _NEEDED:
        limit = getattr(resource, name)
        soft, hard = resource.getrlimit(limit)
        if 0 <= soft < needed:  # below 0: unlimited
            try:
                resource.setrlimit(limit, (needed, hard))
            except (OSError, ValueError):
                raise KitError(
                    f"This shell, service or container allows too few {what} (ulimit {option})",
                    f"The kit needs {needed:,} and may have {soft:,}",
                    f"Start it where the limit is higher; `ulimit {option}` shows it.",
                ) from None
