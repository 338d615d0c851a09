"""What the recorders of producers and consumers share: hooks in one client object.

A hook replaces a method of the one object that is recorded, never of its class. It stands between
the learner's call and the client, which behaves as before (`kitlib._notebook` keeps these frames in
a learner's traces). This module does not know what a producer or a consumer does.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from kafka.errors import RetriableError

from kitlib.journal._tape import Tape


def wrap(owner: Any, name: str, make: Callable[[Any], Callable[..., Any]]) -> None:
    """Replace a method of this one object by what `make(method)` returns."""
    original = getattr(owner, name)
    setattr(owner, name, functools.wraps(original)(make(original)))


def wrap_close(tape: Tape, client: Any, identity: Callable[[], dict[str, Any]]) -> None:
    """Write a "closed" row when the client closes. identity: the fields of who it is by then."""

    def make_close(original: Any) -> Any:
        def close(*args: Any, **kwargs: Any) -> Any:
            was_open, fields = not client._closed, identity()
            try:
                return original(*args, **kwargs)
            finally:
                if was_open:
                    tape.add("closed", **fields)

        return close

    wrap(client, "close", make_close)


def error_detail(error: BaseException) -> dict[str, Any]:
    """The detail of a "failed" row: which error, its text, and whether Kafka would try again."""
    return {
        "error": type(error).__name__,
        "message": str(error),
        "retriable": isinstance(error, RetriableError),
    }
