"""The arguments that a kafka-python client needs, with secrets that do not show.

Handles and workers hand such arguments out, and a notebook, a trace, a log or a "printed" row may
show them, even after they were copied into a plain dict. Nothing is encrypted: a client reads the
secret as any other text.
"""

from typing import Any

_SECRET = ("password", "token", "secret")
_HIDDEN = "***"


class Secret(str):
    """A string that works like any other, but print, repr and f-strings show three stars."""

    def __repr__(self) -> str:
        return repr(_HIDDEN)

    def __str__(self) -> str:
        return _HIDDEN

    def __format__(self, spec: str) -> str:
        return format(_HIDDEN, spec)


class Connection(dict[str, Any]):
    """The arguments that a kafka-python client needs; those that are secret are a `Secret`."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        for name, value in self.items():
            # Not twice: str(secret) is the stars.
            if type(value) is str and any(word in name for word in _SECRET):
                self[name] = Secret(value)
