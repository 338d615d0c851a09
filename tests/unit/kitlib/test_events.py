"""The event, its one canonical JSON, what is refused and why, and the sample data."""

import pickle
import re
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path

import msgspec
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitlib import events
from kitlib.errors import KitError
from kitlib.events import BadEvent, EnrollmentEvent, load_events, load_lines
from kittools import sample_data as _sample_data

EIGHT = datetime(2026, 9, 1, 8, 0, 3, 250_000, tzinfo=UTC)
GOOD = b'{"student_id":"S0017","course_code":"CS101","timestamp":"2026-09-01T08:00:03.250000Z"}'
IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}", fullmatch=True)
ZONES = st.integers(-12 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))


def wire(**changes: object) -> bytes:
    """The JSON of a good event with some fields changed; `...` takes a field away."""
    fields = {**msgspec.json.decode(GOOD), **changes}
    return msgspec.json.encode({k: v for k, v in fields.items() if v is not ...})


def reason(data: bytes) -> str:
    with pytest.raises(BadEvent) as caught:
        EnrollmentEvent.from_json(data)
    return caught.value.reason


def test_canonical_json_and_key() -> None:
    event = EnrollmentEvent("S0017", "CS101", EIGHT)
    assert event.to_json() == GOOD
    assert EnrollmentEvent.from_json(GOOD) == event
    assert event.key == b"S0017"
    assert EnrollmentEvent.from_json(memoryview(GOOD)) == event


@given(IDS, IDS, st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=ZONES))
def test_round_trip_is_exact(student: str, course: str, moment: datetime) -> None:
    event = EnrollmentEvent(student, course, moment)
    assert event.timestamp == moment and event.timestamp.tzinfo is UTC
    assert EnrollmentEvent.from_json(event.to_json()) == event
    assert EnrollmentEvent.from_json(event.to_json()).to_json() == event.to_json()
    assert pickle.loads(pickle.dumps(event)) == event


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_bad_event(data: bytes) -> None:
    assert reason(data).endswith(".")


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_one_damaged_byte_gives_an_event_or_a_reason(place: int, byte: int) -> None:
    data = GOOD[:place] + bytes([byte]) + GOOD[place + 1 :]
    try:
        EnrollmentEvent.from_json(data)
    except BadEvent as error:
        assert re.fullmatch(r"[^\n]+\.", error.reason)


def test_other_offsets_mean_the_same_moment() -> None:
    event = EnrollmentEvent.from_json(wire(timestamp="2026-09-01T10:00:03.25+02:00"))
    assert event.to_json() == GOOD
    stamp = pd.Timestamp("2026-09-01T10:00:03.250", tz="Europe/Berlin")
    assert EnrollmentEvent("S0017", "CS101", stamp).to_json() == GOOD


@pytest.mark.parametrize("name", ["student_id", "course_code", "timestamp"])
def test_immutable(name: str) -> None:
    with pytest.raises(AttributeError):
        setattr(EnrollmentEvent("S1", "C1", EIGHT), name, "x")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "The line is empty."),
        (b" \t\r\n", "The line is empty."),
        (b"S1,CS101", "This is not JSON: 'S1,CS101'."),
        (GOOD + GOOD, "This is not JSON: "),
        (GOOD[:41], "The JSON is cut off after 41 bytes."),
        (b"[" * 3000, "This is not JSON: "),
        (b"[1]", "An event is a JSON object, and this is an array."),
        (b"null", "An event is a JSON object, and this is null."),
        (wire(student_id=...), "The field student_id is missing."),
        (wire(course_code=...), "The field course_code is missing."),
        (wire(timestamp=...), "The field timestamp is missing."),
        (wire(note="x"), "The field 'note' does not belong to an event."),
        (
            GOOD.replace(b"{", b'{"student_id":"S2",'),
            "A field appears twice, and nothing says",
        ),
        (wire(student_id=17), "The field student_id must be text, not the number 17."),
        (wire(course_code=None), "The field course_code must be text, not null."),
        (
            wire(timestamp=1788249780),
            "The field timestamp must be text, not the number 1788249780.",
        ),
        (wire(student_id=True), "The field student_id must be text, not true or false."),
        (wire(student_id=""), "The field student_id must be 1 to 32 letters"),
        (wire(student_id="S1\n"), "The field student_id must be 1 to 32 letters"),
        (wire(course_code="C" * 33), "The field course_code must be 1 to 32 letters"),
        (wire(course_code="MÚ1"), "The field course_code must be 1 to 32 letters"),
        (wire(timestamp="2026-09-01T08:00:03"), "The field timestamp has no time zone: 2026-09-01"),
        (wire(timestamp="2026-02-30T08:00:00Z"), "The field timestamp is not a date and time"),
        (wire(timestamp="soon"), "The field timestamp is not a date and time"),
        (wire(timestamp="0001-01-01T00:00:00+14:00"), "The field timestamp is outside the years"),
        (wire(course_code="MÚ1").decode().encode("latin-1"), "The field course_code is not UTF-8"),
        (b"\xff{", "The bytes are not UTF-8: byte 0xFF at position 0."),
        (
            b"\xef\xbb\xbf" + GOOD,
            "A byte order mark (BOM) comes first, and JSON must be",
        ),
        (b"\xef\xbb\xbf", "A byte order mark (BOM) comes first"),
        (b"\xef\xbb\xbf" + GOOD[:-20], "A byte order mark (BOM) comes first"),
        (wire(student_id="S" * 5000), "The value has 5,081 bytes, and an event has at most 4,096."),
    ],
)
def test_reason_names_what_is_wrong(data: bytes, expected: str) -> None:
    assert reason(data).startswith(expected)
    assert re.fullmatch(r"[^\n]{1,250}\.", reason(data)), "one sentence that fits into a header"


@pytest.mark.parametrize("data", [None, "text", 5])
def test_a_value_that_is_not_bytes(data: bytes) -> None:
    assert reason(data).startswith("The value must be bytes, not ")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("", "CS101", EIGHT), "The field student_id must be 1 to 32"),
        ((17, "CS101", EIGHT), "The field student_id must be text, not the number 17."),
        (("S1", None, EIGHT), "The field course_code must be text, not null."),
        (("S1", "C1", EIGHT.replace(tzinfo=None)), "The field timestamp has no time zone: 2026-"),
        (("S1", "C1", "2026-09-01T08:00:00Z"), "The field timestamp must be a datetime, not text."),
        (("S1", "C1", pd.NaT), "The field timestamp is outside the years"),
        (("S1", "C1", datetime.min.replace(tzinfo=timezone(timedelta(hours=1)))), "The field time"),
    ],
)
def test_the_constructor_refuses_the_same(
    arguments: tuple[str, str, datetime], expected: str
) -> None:
    with pytest.raises(BadEvent) as caught:
        EnrollmentEvent(*arguments)
    assert caught.value.reason.startswith(expected)
    assert str(caught.value) == f"This is not an enrolment event.\n{caught.value.reason}"
    assert pickle.loads(pickle.dumps(caught.value)).reason == caught.value.reason


def test_sample_data_is_made_byte_for_byte(tmp_path: Path) -> None:
    _sample_data.write(tmp_path)
    for path in sorted(tmp_path.iterdir()):
        assert path.read_bytes() == (events.DATA / path.name).read_bytes(), path.name
    assert {path.name for path in tmp_path.iterdir()} == {
        path.name for path in events.DATA.iterdir() if path.suffix in (".csv", ".jsonl")
    }
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 300_000


def test_sample_events() -> None:
    rush, lines = load_events(), load_lines()
    assert (len(rush), len(lines)) == (1500, 1525)
    assert all(a.timestamp < b.timestamp for a, b in pairwise(rush))
    assert rush[0].timestamp >= datetime(2026, 9, 1, 8, tzinfo=UTC)
    students = pd.read_csv(events.DATA / "students.csv")
    courses = pd.read_csv(events.DATA / "courses.csv")
    assert (len(students), len(courses)) == (200, 24)
    assert set(students.student_id) == {event.student_id for event in rush}
    assert set(courses.course_code) == {event.course_code for event in rush}
    assert students.name.is_unique and not students.name.str.isascii().all()
    # The canonical form is what the file holds, so a line that passes through is unchanged.
    assert [event.to_json() for event in rush] == [line for line in lines if is_good(line)]


def test_sample_data_is_skewed_and_has_changed_requests() -> None:
    rush = load_events()
    per_student = Counter(event.student_id for event in rush)
    assert per_student.most_common(1) == [("S0017", 251)]
    pairs = Counter((event.student_id, event.course_code) for event in rush)
    assert len(pairs) == 878
    assert sum(count > 1 for count in pairs.values()) == 272


def test_malformed_lines_are_those_of_the_readme() -> None:
    readme = (events.DATA / "README.md").read_text(encoding="utf-8")
    told: dict[int, str] = {}
    for kind, places, count in re.findall(r"^\| (.+?) \| ([\d, ]+) \| (\d+) \|$", readme, re.M):
        numbers = [int(place) for place in places.split(",")]
        assert len(numbers) == int(count), kind
        told |= dict.fromkeys(numbers, kind)
    lines = load_lines()
    assert sorted(told) == [n for n, line in enumerate(lines, 1) if not is_good(line)]
    assert len({kind for n, kind in told.items() if n <= 100}) == 5
    assert len(told) == 25


def test_limits() -> None:
    assert load_events(limit=3) == load_events()[:3]
    assert load_lines(limit=3) == load_lines()[:3]
    assert not is_good(load_lines(limit=3)[2]) and len(load_events(limit=3)) == 3
    assert load_lines(limit=0) == [] and load_events(limit=0) == []
    for limit in (-1, 1.5, "3", True):
        with pytest.raises(KitError, match="limit must be a whole number"):
            load_lines(limit)  # type: ignore[arg-type]


def test_missing_data_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "DATA", tmp_path)
    for read in (load_events, load_lines):
        with pytest.raises(KitError, match=r"cannot be read.*\n.*\n.*kittools\.sample_data"):
            read()


def is_good(line: bytes) -> bool:
    try:
        EnrollmentEvent.from_json(line)
    except BadEvent:
        return False
    return True
