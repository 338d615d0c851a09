"""One row of the journal: its fields, its kinds, and how it is parsed, made and matched.

Who writes which kind, with which fields and detail, is a table in `docs/reference.md`. A row that
does not fit raises a `KitError` that names it. This module keeps no rows.
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
    """One thing that happened. Fields that do not apply are None.

    time: seconds since the epoch (UTC). actor: who did it. kind: one of KINDS. key, value: text;
    bytes were decoded as UTF-8, and what is not UTF-8 is escaped. offset: of the record; in a
    "committed" or "lag" row the committed offset, which is the next one to read. group: the
    consumer group. member: the id that the group gave to a consumer. detail: what else is known,
    by name.
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
    """A key or a value as a row holds it: bytes as UTF-8, other objects as their JSON."""
    if data is None:
        return None
    if isinstance(data, str):
        data = data.encode("utf-8", "backslashreplace")  # no file can hold a lone surrogate
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data).decode("utf-8", "backslashreplace")
    try:
        return msgspec.json.encode(data).decode()
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError):
        return repr(data)


def parse(line: bytes, name: str = "The line") -> Row:
    """The row in one line of JSON. Raises a KitError that starts with `name`."""
    try:
        return _known(_decoder.decode(line), name)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise KitError(what=f"{name} is not a row of a journal.", why=str(error)) from None


def make_row(fields: dict[str, Any], name: str) -> Row:
    """The row with these fields. Raises a KitError that starts with `name`."""
    unknown = [field for field in fields if field not in FIELDS]
    if unknown:
        raise KitError(
            what=f"{name} has an unknown field, {unknown[0]!r}.",
            why=f"The fields are {', '.join(FIELDS)}.",
            fix="Put anything else into detail={...}.",
        )
    try:
        return _known(msgspec.convert(fields, Row), name)
    except msgspec.ValidationError as error:
        raise KitError(what=f"{name} does not fit into a journal.", why=str(error)) from None


def _known(row: Row, name: str) -> Row:
    if row.kind not in KINDS:
        raise KitError(
            what=f"{name} is of an unknown kind, {row.kind!r}.",
            fix=f"The kinds are {', '.join(KINDS)}.",
        )
    return row


def matcher(kind: str | tuple[str, ...] | None, equals: dict[str, Any]) -> Callable[[Row], bool]:
    """A function that tells whether a row is of such a kind and has these values in its fields."""
    kinds = KINDS if kind is None else (kind,) if isinstance(kind, str) else tuple(kind)
    for unknown in [name for name in kinds if name not in KINDS]:
        raise KitError(
            what=f"No rows are of the kind {unknown!r}.", fix=f"The kinds are {', '.join(KINDS)}."
        )
    for unknown in [name for name in equals if name not in FIELDS]:
        raise KitError(
            what=f"A row has no field {unknown!r}.", fix=f"The fields are {', '.join(FIELDS)}."
        )
    tests = [(n, text(v) if n in ("key", "value") else v) for n, v in equals.items()]
    return lambda row: row.kind in kinds and all(getattr(row, n) == v for n, v in tests)
