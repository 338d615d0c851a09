"""A real Apache Kafka for the lessons: an embedded broker, or a cluster run by somebody else.

`connect` chooses between the two, `handle` is what a lesson holds, `embedded` the broker of this
process, and `settings` lists every setting that differs from Kafka's defaults. `_parts` fetches and
verifies the jars, `_prepare` makes the rest, `_node` runs the process. Nothing here knows of
lessons. Names are imported when they are first used: a worker needs only `Connection`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kitlib.broker._connection import Connection
    from kitlib.broker.embedded import Broker
    from kitlib.broker.handle import Kafka

__all__ = ["Broker", "Connection", "Kafka"]
_HOME = {"Broker": "embedded", "Connection": "_connection", "Kafka": "handle"}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
