"""The arguments that a kafka-python client needs, shown without their secrets.

Handles and workers both give such arguments away, and a notebook or a "printed" row may show them.
"""

from __future__ import annotations

from typing import Any

_SECRET = ("password", "token", "secret")


class Connection(dict[str, Any]):
    """The arguments that a kafka-python client needs; its repr shows no secret."""

    def __repr__(self) -> str:
        return repr(
            {k: "***" if any(word in k for word in _SECRET) else v for k, v in self.items()}
        )
