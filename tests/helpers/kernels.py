"""A Jupyter kernel of a test's own, on sockets in a folder, so that no port can be lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from kittools import course


@contextmanager
def started_kernel(**how: Any) -> Iterator[tuple[KernelManager, BlockingKernelClient]]:
    """A kernel that is ready, with its client. `how` goes to KernelManager.start_kernel."""
    with TemporaryDirectory(prefix="kit-kernel-", ignore_cleanup_errors=True) as folder:
        manager = KernelManager(kernel_name="python3", config=course.kernel_config(folder))
        manager.start_kernel(**how)
        client = manager.client()
        client.start_channels()
        try:
            client.wait_for_ready(60)
            yield manager, client
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
