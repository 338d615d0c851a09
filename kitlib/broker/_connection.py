"""The arguments that a kafka-python client needs, with secrets that do not show.

Handles and workers give such arguments away, and a notebook, a trace, a log or a "printed" row may
show them, also after they were copied into a plain dict.
"""

from __future__ import annotations

from typing import Any

_SECRET = ("password", "token", "secret")
_HIDDEN = "***"


class Secret(str):
    """A text that is used as any other, and shown as three stars: by print, repr and f-strings."""

    def __repr__(self) -> str:
        return repr(_HIDDEN)

    def __str__(self) -> str:
        return _HIDDEN

    def __format__(self, spec: str) -> str:
        return format(_HIDDEN, spec)


class Connection(dict[str, Any]):
    """The arguments that a kafka-python client needs; what is secret among them is a `Secret`."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        for name, value in self.items():
            # Not twice: str(secret) is the stars.
            if type(value) is str and any(word in name for word in _SECRET):
                self[name] = Secret(value)
