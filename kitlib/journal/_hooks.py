"""What the recorders of producers and consumers share: hooks in one client object.

A hook replaces a method of the one object that is recorded, never of its class. It stands between
the learner's call and the client, which behaves as before (`kitlib._notebook` keeps these frames in
a learner's traces). This module does not know what a producer or a consumer does.
"""

import functools
from collections.abc import Callable
from typing import Any

from kafka.errors import RetriableError

from kitlib.journal._tape import Tape


def wrap(owner: Any, name: str, hook: Callable[..., Any]) -> None:
    """From now on `owner.name(...)` calls `hook(method, ...)`, where `method` is the original."""
    method = getattr(owner, name)
    setattr(owner, name, functools.update_wrapper(functools.partial(hook, method), method))


class Recorder:
    """The recorder of one client, which writes "closed"; the client's hooks keep it alive."""

    def __init__(self, tape: Tape, client: Any, actor: str) -> None:
        self.tape = tape
        self.client = client
        self.actor = actor
        wrap(client, "close", self.on_close)

    def identity(self) -> dict[str, Any]:
        """Who this is by now, as the fields of a row."""
        return {"actor": self.actor}

    def on_close(self, close: Any, *args: Any, **kwargs: Any) -> Any:
        was_open, identity = not self.client._closed, self.identity()
        try:
            return close(*args, **kwargs)
        finally:
            if was_open:
                self.tape.add("closed", **identity)


def error_detail(error: BaseException) -> dict[str, Any]:
    """The detail of a "failed" row: which error, its text, and whether Kafka would try again."""
    return {
        "error": type(error).__name__,
        "message": str(error),
        "retriable": isinstance(error, RetriableError),
    }
