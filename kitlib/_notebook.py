"""Makes errors readable in a notebook.

A `KitError` is shown as its sentences, without a trace. Any other error, and an interrupt, keeps
its trace without the kit's frames: a learner sees lines of the notebook and of the libraries that
it calls. `sys.last_value` still has the whole trace. All this applies inside IPython only, from the
moment kitlib is imported; outside it nothing changes.
"""

import os
import sys
from collections.abc import Callable
from html import escape
from traceback import walk_tb
from types import TracebackType
from typing import Any

from kitlib.errors import KitError

_KITLIB = os.path.dirname(__file__) + os.sep
# They sit between a learner's call and the Kafka client that the learner meant to call.
_RECORDERS = ("_hooks.py", "_producer.py", "_consumer.py")
_BETWEEN = (
    *(os.path.join(_KITLIB, "journal", name) for name in _RECORDERS),
    os.path.join(_KITLIB, "broker", "_client_fix.py"),
)

_HALF_LOADED = (
    "This cell was interrupted while it loaded a library, and Python may have kept half of it. If "
    "the library fails from now on, restart the kernel and run the lesson from its first cell."
)


def _show(shell: Any, kind: Any, error: Any, trace: Any, tb_offset: Any = None) -> list[str]:
    from IPython.display import publish_display_data

    if not isinstance(error, KitError):
        _trim_chain(error, shell.user_ns)
        shown = _trimmed(trace, shell.user_ns)
        shell.showtraceback((kind, error, shown), tb_offset=tb_offset, running_compiled_code=True)
        if isinstance(error, KeyboardInterrupt) and _importing(trace, shell.user_ns):
            print(_HALF_LOADED, file=sys.stderr)
        return []
    sys.last_type, sys.last_value, sys.last_traceback = kind, error, trace
    style = "border-left:4px solid #b3261e;padding:.4em .8em;white-space:pre-wrap"
    html = f'<div role="alert" style="{style}">{escape(str(error))}</div>'
    publish_display_data({"text/plain": str(error), "text/html": html})
    # For programs that execute notebooks: to them the cell has failed.
    shell._last_traceback = [f"{kind.__name__}: {error}"]
    return []


def _importing(trace: TracebackType | None, notebook: dict[str, Any]) -> bool:
    """Whether a module was being imported: a frame other than a cell's runs or looks for one."""
    return any(
        frame.f_code.co_name == "<module>"
        or frame.f_code.co_filename.startswith("<frozen importlib")
        for frame, _ in walk_tb(trace)
        if frame.f_globals is not notebook
    )


def _trimmed(trace: TracebackType | None, notebook: dict[str, Any]) -> TracebackType | None:
    """The trace without the kit's frames and those that they or IPython's display call."""
    import IPython

    display = os.path.dirname(IPython.__file__) + os.sep
    kept: list[TracebackType] = []
    ours = False
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        between = file.startswith(_BETWEEN)
        if trace.tb_frame.f_globals is notebook:
            ours = False
        elif file.startswith(_KITLIB):
            ours = ours or not between
        elif kept and file.startswith(display):  # the first frame of all is IPython's own
            ours = True
        if not ours and not between:
            kept.append(trace)
        trace = trace.tb_next
    short: TracebackType | None = None
    for entry in reversed(kept):
        short = TracebackType(short, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return short


def _trim_chain(error: BaseException, notebook: dict[str, Any]) -> None:
    """Trim the errors behind this error too, and drop one that never left the kit."""
    while (before := error.__cause__ or error.__context__) is not None:
        before.__traceback__ = _trimmed(before.__traceback__, notebook)
        if before.__traceback__ is None:
            error.__cause__, error.__suppress_context__ = None, True
            return
        error = before


def _shell() -> Any:
    """The running IPython, or None."""
    if "IPython" not in sys.modules:
        return None
    from IPython.core.getipython import get_ipython

    return get_ipython()


def install() -> None:
    """Install the handler in the running IPython, if there is one."""
    if shell := _shell():
        shell.set_custom_exc((Exception, KeyboardInterrupt), _show)


def after_each_cell(call: Callable[[Any], None]) -> None:
    """In a notebook, call this with the result of every cell from now on; twice is harmless."""
    if shell := _shell():
        shell.events.register("post_run_cell", call)
