"""Packs a worker's function, so that it can run in a process of its own.

The function is pickled by value, with the helpers and values of the notebook that it uses, as they
are at this moment. What belongs to this process (a client, a Kafka handle, a journal) cannot be
sent, and the error names it. This module starts nothing.
"""

import base64
import dis
import inspect
import linecache
import sys
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

import cloudpickle  # type: ignore[import-untyped]

from kitlib.errors import KitError

_CLIENTS = ("KafkaProducer", "KafkaConsumer", "KafkaAdminClient")
_RESERVED = ("name", "connection", "stopping", "record", "note")


def check_function(function: Any, params: dict[str, Any]) -> None:
    """Raise KitError unless a worker can run this function of one argument with these params."""
    if not isinstance(function, FunctionType) or inspect.iscoroutinefunction(function):
        asynchronous = inspect.iscoroutinefunction(function)
        raise KitError(
            f"Expected a plain function, got {'async def' if asynchronous else _type(function)}",
            fix="Write def registrar(me): ... and pass registrar, without brackets",
        )
    try:
        inspect.signature(function).bind(None)
    except TypeError:
        raise KitError(
            f"{function.__name__} cannot be called as {function.__name__}(me)",
            "A worker's function takes one argument, me: its name, connection and parameters",
            f"Write def {function.__name__}(me): ... and use me.limit for a parameter limit",
        ) from None
    for name in params:
        if name in _RESERVED:
            raise KitError(
                f"A parameter cannot be called {name!r}",
                f"me.{name} already has a meaning of its own",
                "Choose another name.",
            )


def pack(function: FunctionType, params: dict[str, Any]) -> dict[str, Any]:
    """What a worker needs of the function, ready for JSON.

    "code": the function and its parameters, pickled, in base64. "lines": the lines (list of str) of
    each source file by its name, for traces. Raises KitError that names what cannot be sent.
    """
    module = sys.modules.get(function.__module__)
    # The worker may be unable to import the function's module; a notebook goes by value anyway.
    if module and module.__name__ in ("__main__", *cloudpickle.list_registry_pickle_by_value()):
        module = None
    if module:
        cloudpickle.register_pickle_by_value(module)
    try:
        code = cloudpickle.dumps((function, params))
    except Exception as error:
        raise _blame(function, params, error) from error
    finally:
        if module:
            cloudpickle.unregister_pickle_by_value(module)
    files = {used.__code__.co_filename for _, used in _functions(function)}
    return {
        "code": base64.b64encode(code).decode("ascii"),
        "lines": {name: linecache.getlines(name) for name in files},
    }


def _global_names(code: CodeType) -> Iterator[str]:
    for instruction in dis.get_instructions(code):
        if instruction.opname == "LOAD_GLOBAL":
            yield instruction.argval
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _global_names(constant)


def _captured(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """The names from outside of the function that it uses, and their values."""
    for name in dict.fromkeys(_global_names(function.__code__)):
        if name in function.__globals__:
            yield name, function.__globals__[name]
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # it has no value yet
            continue
    for parameter in inspect.signature(function).parameters.values():
        if parameter.default is not parameter.empty:
            yield parameter.name, parameter.default


def _functions(function: FunctionType) -> Iterator[tuple[str, FunctionType]]:
    """The function, and the functions next to it that it uses, directly or through another."""
    waiting, seen = [(function.__name__, function)], {id(function)}
    while waiting:
        name, here = waiting.pop()
        yield name, here
        for used, value in _captured(here):
            if (
                isinstance(value, FunctionType)
                and value.__module__ == function.__module__
                and id(value) not in seen
            ):
                seen.add(id(value))
                waiting.append((used, value))


def _blame(function: FunctionType, params: dict[str, Any], error: Exception) -> KitError:
    """An error that names the value that cannot be sent, and what to use in its place."""
    suspects = [(f"The parameter {name!r}", value) for name, value in params.items()]
    suspects += [
        (f"{where} uses {name!r} of the notebook, which", value)
        for where, used in _functions(function)
        for name, value in _captured(used)
        if not isinstance(value, FunctionType | ModuleType)
    ]
    for subject, value in suspects:
        if not _can_be_sent(value):
            return KitError(
                f"{subject} cannot be sent to a worker",
                f"It is a {_type(value)}, which belongs to the process that made it",
                _instead(value),
            )
    return KitError(
        f"{function.__name__} cannot be sent to a worker",
        f"{_type(error)}: {error}",
        "Create what it uses inside the function, or pass plain values as parameters.",
    )


def _type(value: Any) -> str:
    return type(value).__name__


def _can_be_sent(value: Any) -> bool:
    try:
        cloudpickle.dumps(value)
    except Exception:
        return False
    return True


def _instead(value: Any) -> str:
    names = [base.__name__ for base in type(value).__mro__]
    for client in _CLIENTS:
        if client in names:
            return f"Create it inside the function: {client}(**me.connection)."
    if "Kafka" in names:
        return "Use me.connection inside the function."
    if "Journal" in names:
        return "Use me.record(client) and me.note(kind, record): the rows come back to the journal."
    return "Create it inside the function, or pass plain values as parameters."
