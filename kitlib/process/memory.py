"""Whether the kernel killed for want of memory: it does so without a word, but it counts.

The counts are in the files of a process's control group (cgroup), which for a container is its own.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

OWN, ALL = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def cgroups() -> Iterator[Path]:
    """The folders of this process's cgroup and of those around it; a container sees the last."""
    with suppress(OSError):
        for line in OWN.read_text("utf-8", "replace").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers in ("", "memory"):  # version 2 names none
                inner = ALL / controllers / path.lstrip("/")
                yield from (at for at in (inner, *inner.parents) if at.is_relative_to(ALL))


def kills() -> int:
    """How many processes of this cgroup the kernel has killed for want of memory, if it tells."""
    for folder in cgroups():
        for file in ("memory.events", "memory.oom_control"):  # of version 2, of version 1
            with suppress(OSError, IndexError):
                return int(re.findall(r"^oom_kill (\d+)", (folder / file).read_text(), re.M)[0])
    return 0
