"""One row of the journal: its fields, its kinds, and how it is parsed, made and matched.

Who writes which kind, with which fields and detail, is a table in `docs/reference.md`. A row that
does not fit raises a `KitError` that names it. This module keeps no rows.
"""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from kitlib.errors import KitError, unknown

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
encode = msgspec.json.Encoder(enc_hook=repr).encode  # a row as a line of JSON, without a newline
_decode = msgspec.json.Decoder(Row).decode


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


def parse(line: bytes, name: str = "This") -> Row:
    """The row in one line of JSON. Raises a KitError that starts with `name`."""
    return _checked(_decode, line, name)


def make_row(fields: dict[Any, Any], name: str = "This") -> Row:
    """The row with these fields. Raises a KitError that starts with `name`."""
    _expect_known("field", fields, FIELDS, "Put anything else into detail={...}")
    return _checked(lambda cells: msgspec.convert(cells, Row), fields, name)


def _checked(convert: Callable[[Any], Row], data: Any, name: str) -> Row:
    try:
        row = convert(data)
        _expect_known("kind", (row.kind,), KINDS)
    except (msgspec.MsgspecError, UnicodeDecodeError, KitError) as error:
        raise KitError(f"{name} is not a row of a journal", str(error)) from None
    return row


def _expect_known(what: str, names: Iterable[str], known: tuple[str, ...], fix: str = "") -> None:
    for name in names:
        if name not in known:
            raise unknown(what, name, known, fix)


def matcher(kind: str | tuple[str, ...] | None, equals: dict[str, Any]) -> Callable[[Row], bool]:
    """A function that tells whether a row is of such a kind and has these values in its fields.

    Raises KitError for a kind or a field that does not exist.
    """
    kinds = KINDS if kind is None else (kind,) if isinstance(kind, str) else tuple(kind)
    _expect_known("kind", kinds, KINDS)
    _expect_known("field", equals, FIELDS)
    tests = [(n, text(v) if n in ("key", "value") else v) for n, v in equals.items()]
    return lambda row: row.kind in kinds and all(getattr(row, n) == v for n, v in tests)
