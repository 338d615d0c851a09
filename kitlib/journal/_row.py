"""One row of the journal: its fields, its kinds, and how it is read, written and refused.

What is refused is refused with a `KitError` that names the row. This module keeps no rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from kitlib.errors import KitError

KINDS = (
    "sent", "acked", "failed", "stored", "consumed", "processed", "committed",
    "assigned", "revoked", "fault", "lag", "started", "closed", "killed",
    "paused", "resumed", "printed",
)  # fmt: skip


class Row(msgspec.Struct, frozen=True, gc=False):
    """One thing that happened.

    time: seconds since the epoch (UTC). actor: who did it. kind: one of KINDS. key, value: text;
    bytes were decoded as UTF-8 with backslashreplace. offset: of the record; in a "committed" or
    "lag" row the committed offset, which is the next one to read. detail: what else is known.
    """

    time: float
    actor: str
    kind: str
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    key: str | None = None
    value: str | None = None
    group: str | None = None
    member: str | None = None
    detail: dict[str, Any] | None = None


FIELDS = Row.__struct_fields__
encoder = msgspec.json.Encoder(enc_hook=repr)
_decoder = msgspec.json.Decoder(Row)


def text(data: Any) -> str | None:
    """How a key or a value is written in a row: bytes as UTF-8, other objects as their JSON."""
    if data is None:
        return None
    if isinstance(data, str):
        data = data.encode("utf-8", "backslashreplace")  # a lone surrogate fits in no file
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data).decode("utf-8", "backslashreplace")
    try:
        return msgspec.json.encode(data).decode()
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError):
        return repr(data)


def parse(line: bytes, name: str = "The line") -> Row:
    """The row of one line of JSON. Raises KitError that starts with `name`."""
    try:
        return _known(_decoder.decode(line), name)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise KitError(what=f"{name} is not a row of a journal.", why=str(error)) from None


def make_row(fields: dict[str, Any], name: str) -> Row:
    unknown = [field for field in fields if field not in FIELDS]
    if unknown:
        raise KitError(
            what=f"{name} has a field {unknown[0]!r} that a journal does not know.",
            why=f"The fields are {', '.join(FIELDS)}.",
            fix="Put what else there is to say into detail={...}.",
        )
    try:
        return _known(msgspec.convert(fields, Row), name)
    except msgspec.ValidationError as error:
        raise KitError(what=f"{name} does not fit into a journal.", why=str(error)) from None


def _known(row: Row, name: str) -> Row:
    if row.kind not in KINDS:
        raise KitError(
            what=f"{name} is of the kind {row.kind!r}, and there is none of that name.",
            fix=f"The kinds are {', '.join(KINDS)}.",
        )
    return row


def matcher(kind: str | tuple[str, ...] | None, equals: dict[str, Any]) -> Callable[[Row], bool]:
    """The test whether a row is of one of these kinds and has these values in its fields."""
    kinds = KINDS if kind is None else (kind,) if isinstance(kind, str) else tuple(kind)
    for wrong in [name for name in kinds if name not in KINDS]:
        raise KitError(
            what=f"There are no rows of the kind {wrong!r}.", fix=f"Kinds: {', '.join(KINDS)}."
        )
    for wrong in [name for name in equals if name not in FIELDS]:
        raise KitError(what=f"A row has no field {wrong!r}.", fix=f"Fields: {', '.join(FIELDS)}.")
    tests = [(n, text(v) if n in ("key", "value") else v) for n, v in equals.items()]
    return lambda row: row.kind in kinds and all(getattr(row, n) == v for n, v in tests)
