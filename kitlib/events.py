"""The enrolment event, its JSON on the wire, and the readers of the sample data.

An `EnrollmentEvent` says that a student asked for a place in a course, and when. It is immutable
and always valid: the constructor and `from_json` refuse the same input with the same `BadEvent`,
whose `reason` is one sentence that fits into the header of a dead letter.

On the wire an event is one JSON object in UTF-8 in one canonical form, so that every event has
exactly one sequence of bytes and survives the round trip unchanged:

    {"student_id":"S0017","course_code":"CS101","timestamp":"2026-09-01T08:00:03.250000Z"}

The time is written in UTC with a `Z`; the fraction has six digits or is absent. Any other offset
is accepted and converted, and digits beyond the microsecond are rounded. An unknown field is
refused, not ignored: events that are read here are written again later, so an ignored field would
vanish without a trace, while a refused event stays whole in the dead letter queue.

This module knows nothing of Kafka. `data/README.md` describes the sample data.
"""

import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from kitlib.errors import KitError

_HERE = Path(__file__).resolve().parent
# An installed package has the sample data among its files, and a clone has it beside them.
DATA = _HERE / "data" if (_HERE / "data").is_dir() else _HERE.parent / "data"
MAX_BYTES = 4096  # an event has about 90; anything this long is not one

# \Z and not $, which would let a newline through at the end.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}\Z")
_JSON_NAMES = {dict: "an object", list: "an array", str: "text", bool: "true or false"}


class BadEvent(KitError):
    """The input is not an enrolment event; `reason` says why in one sentence."""

    what = "This is not an enrolment event."

    @property
    def reason(self) -> str:
        """One plain sentence that says what is wrong, and in which field if in one."""
        return self.why


class EnrollmentEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A student's request for a place in a course.

    student_id, course_code: str, 1 to 32 letters (A-Z, a-z), digits, '.', '_' or '-', the first
    a letter or a digit.
    timestamp: datetime with a time zone; kept in UTC.

    A later event of the same student for the same course is a changed request: it replaces the
    earlier one. Two events are equal when all three fields are. Raises BadEvent for other values.
    """

    student_id: str
    course_code: str
    timestamp: datetime

    def __post_init__(self) -> None:
        for name in ("student_id", "course_code"):
            value = getattr(self, name)
            if not isinstance(value, str):
                raise BadEvent(why=f"The field {name} must be text, not {_kind(value)}.")
            if not _ID.match(value):
                raise BadEvent(
                    why=f"The field {name} must be 1 to 32 letters, digits, '.', '_' or '-', "
                    f"starting with a letter or a digit, and is {_short(value)}."
                )
        # A frozen msgspec struct has no setter; this is msgspec's way to set a field here.
        msgspec.structs.force_setattr(self, "timestamp", _to_utc(self.timestamp))

    @property
    def key(self) -> bytes:
        """The key of the Kafka record: the student id, so that a student stays in one partition."""
        return self.student_id.encode()

    def to_json(self) -> bytes:
        """The canonical JSON of the event, in UTF-8, without a newline."""
        return msgspec.json.encode(self)

    @classmethod
    def from_json(cls, data: bytes | bytearray | memoryview) -> "EnrollmentEvent":
        """The event in `data`, JSON in UTF-8. Raises BadEvent, whatever the bytes are."""
        if not isinstance(data, bytes | bytearray | memoryview):
            raise BadEvent(why=f"The value must be bytes, not {_kind(data)}.")
        data = bytes(data)
        if len(data) > MAX_BYTES:
            raise BadEvent(
                why=f"The value has {len(data):,} bytes, and an event has at most {MAX_BYTES:,}."
            )
        try:
            event = _decoder.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise BadEvent(why=_explain(data)) from None
        # Of a repeated field the decoder takes the last. Three names and three values, all quoted:
        if data.count(b'"') != 12:
            raise BadEvent(why="A field appears twice, and nothing says which one counts.")
        return event


_decoder = msgspec.json.Decoder(EnrollmentEvent)


def load_lines(limit: int | None = None) -> list[bytes]:
    """The lines of `data/enrollments.jsonl`, good and malformed, in the order of arrival.

    They come without their newline. limit: how many lines, counted from the first; by default all.
    Raises KitError when the file is missing or the limit is negative.
    """
    _check_limit(limit)
    path = DATA / "enrollments.jsonl"
    try:
        return path.read_bytes().removesuffix(b"\n").split(b"\n")[:limit]
    except OSError as error:
        raise KitError(
            what=f"The sample data cannot be read: {path}",
            why=str(error.strerror),
            fix="Run `python -m kittools.sample_data`, which writes it again",
        ) from None


def load_events(limit: int | None = None) -> list[EnrollmentEvent]:
    """The well-formed events of `data/enrollments.jsonl`, in the order of arrival.

    limit: how many events, counted from the first; by default all. Raises KitError as `load_lines`
    does.
    """
    _check_limit(limit)
    events: list[EnrollmentEvent] = []
    for line in load_lines():
        if len(events) == limit:
            break
        with suppress(BadEvent):
            events.append(EnrollmentEvent.from_json(line))
    return events


def _check_limit(limit: int | None) -> None:
    if limit is not None and (type(limit) is not int or limit < 0):
        raise KitError(
            what=f"limit must be a whole number, 0 or more, not {limit!r}",
            fix="Leave it out to read everything",
        )


def _to_utc(value: object) -> datetime:
    if not isinstance(value, datetime):
        raise BadEvent(why=f"The field timestamp must be a datetime, not {_kind(value)}.")
    try:
        if value.utcoffset() is None:
            raise BadEvent(why=f"The field timestamp has no time zone: {value.isoformat()}.")
        value = value.astimezone(UTC)
        # Makes a plain datetime of a pandas Timestamp, which the encoder does not know.
        return datetime.combine(value.date(), value.time(), UTC)
    except (OverflowError, ValueError):  # ValueError: the NaT of pandas
        raise BadEvent(
            why=f"The field timestamp is outside the years 1 to 9999 in UTC: {value}."
        ) from None


def _explain(data: bytes) -> str:
    """Why the decoder refused `data`, in one sentence; slow, so only for bad input."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        names = re.findall(rb'"(\w+)"\s*:', data[: error.start])
        field = f"The field {names[-1].decode()} is" if names else "The bytes are"
        return f"{field} not UTF-8: byte 0x{data[error.start]:02X} at position {error.start}."
    if not text.strip():
        return "The line is empty."
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        if text.startswith("\ufeff"):
            return "A byte order mark (BOM) comes first, and JSON must begin without one."
        if "truncated" in str(error):
            return f"The JSON is cut off after {len(data)} bytes."
        return f"This is not JSON: {_short(text)}."
    if not isinstance(value, dict):
        return f"An event is a JSON object, and this is {_kind(value)}."
    fields = EnrollmentEvent.__struct_fields__
    if missing := [name for name in fields if name not in value]:
        return f"The field {missing[0]} is missing."
    if unknown := [name for name in value if name not in fields]:
        return f"The field {_short(unknown[0])} does not belong to an event."
    if wrong := [name for name in fields if not isinstance(value[name], str)]:
        return f"The field {wrong[0]} must be text, not {_kind(value[wrong[0]])}."
    return (
        f"The field timestamp is not a date and time as in 2026-09-01T08:00:03Z: "
        f"{_short(value['timestamp'])}."
    )


def _kind(value: Any) -> str:
    """What the value is, in the words of JSON."""
    if value is None:
        return "null"
    if type(value) in (int, float):
        return f"the number {_short(value)}"
    return _JSON_NAMES.get(type(value), type(value).__name__)


def _short(value: object) -> str:
    """The value as Python code, cut to 40 characters."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:36]}..."
