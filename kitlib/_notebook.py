"""Makes errors readable in a notebook: a `KitError` is shown as its sentences, without a trace.

Installed when kitlib is imported inside IPython. Errors of the learner's own code and of Kafka keep
their traces.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from html import escape
from typing import Any

from .errors import KitError


def _show(shell: Any, kind: Any, error: KitError, trace: Any, tb_offset: Any = None) -> list[str]:
    from IPython.display import publish_display_data

    style = "border-left:4px solid #b3261e;padding:.4em .8em;white-space:pre-wrap"
    html = f'<div role="alert" style="{style}">{escape(str(error))}</div>'
    publish_display_data({"text/plain": str(error), "text/html": html})
    # What a runner of notebooks is told; the cell still counts as failed.
    return [f"{kind.__name__}: {error}"]


def install() -> None:
    """Install the handler in the running IPython, if there is one."""
    if "IPython" not in sys.modules:
        return
    from IPython.core.getipython import get_ipython

    if shell := get_ipython():
        shell.set_custom_exc((KitError,), _show)


def after_each_cell(call: Callable[[Any], None]) -> None:
    """In a notebook: call this with the result of each cell from now on; twice is harmless."""
    if "IPython" in sys.modules:
        from IPython.core.getipython import get_ipython

        if shell := get_ipython():
            shell.events.register("post_run_cell", call)
