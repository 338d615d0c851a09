"""Makes the sample data of the kit from a seed: `.venv/bin/python -m kittools.sample_data`.

It writes data/students.csv, data/courses.csv and data/enrollments.jsonl, byte for byte the same
each time and on each Python: only `Random.random()` is used, the one method whose sequence Python
promises to keep. data/README.md explains the files. Lessons read the files, never this module.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import TypeVar

from kitlib.events import DATA, EnrollmentEvent

T = TypeVar("T")

SEED = 20260901
STUDENTS, EVENTS = 200, 1500
OPENING = datetime(2026, 9, 1, 8, tzinfo=UTC)
# How often a keen student asks, against 1 for any other; S0017 tries again and again.
KEEN = {"S0017": 60, "S0042": 12, "S0064": 9, "S0101": 9, "S0128": 8, "S0173": 8}

GIVEN = (
    "Amara Zoë Łukasz Siân Jürgen Noor Mateo Chloé Ayşe Björn Priya Tomás Ngozi Elif Søren Ioana "
    "Kwame Inês Dmytro Hana Rafał Leilani Oisín Yuki Anaïs Farid Þóra Minh Γιώργος Олена Émile "
    "Sipho Maja Ravi Grace Iñaki Lin Omar Vera 美咲"
)
FAMILY = (
    "Okafor Müller Nowak O'Brien Nguyễn García Çelik Lindqvist Sharma Ní_Bhriain Costa Ivanova "
    "Haddad Tamm Šimić Papadopoulos Kowalczyk Mbeki Larsen Dubois Van_der_Berg Hughes Sánchez "
    "Tanaka Østergård Popescu Adeyemi Fernández Novák Rossi Kim Weiß Abebe Jónsdóttir Шевченко "
    "Smith-Jones Lee Petrović Öztürk Silva"
)
PROGRAMMES = "Computer Science,Mathematics,Biology,History,Design,Economics"
# Code, title, seats; the most wanted first.
COURSES = """\
CS101,Introduction to Programming,60
DS110,Data and Society,50
CS230,Databases,40
MA120,Linear Algebra,60
DE105,Drawing for Everyone,20
EC101,"Markets, Money and People",80
CS310,Distributed Systems,30
BI101,The Living Cell,45
MA101,Calculus I,80
CS205,Algorithms,40
HI110,A History of Science,35
DE210,Type and Layout,18
EC220,Game Theory,30
BI215,Genetics,30
CS340,Machine Learning,35
MA240,Probability,40
HI205,Trade Routes of the Old World,25
CS270,Operating Systems,30
DS220,Maps and Spatial Data,24
BI230,Ecology of Rivers,20
DE330,Designing with Sound,15
EC310,Public Budgets,25
MA330,Graph Theory,20
HI320,Reading Old Handwriting,12
"""
# One line each; @ stands for a time without a zone. The kinds are mixed, so that even the first few
# lines differ. They are written as Latin-1, which matters for the two that are not ASCII only.
MALFORMED = (
    '{"student_id":"S0009","course_code":"CS101","timestamp":"@"}',  # no time zone
    '{"student_id":"S0023","timestamp":"@Z"}',  # missing field
    "S0031,CS101,@Z",  # not JSON
    '{"student_id":"S0042","course_code":"CS23',  # cut off
    '{"student_id":17,"course_code":"MA120","timestamp":"@Z"}',  # wrong type
    "",  # empty line
    '{"student_id":"S0055","course_code":"MÚ101","timestamp":"@Z"}',  # Latin-1
    '{"student_id":"S0058","course_code":"CS101","timestamp":"@Z","note":"urgent"}',  # extra field
    '{"student_id":"S 0061","course_code":"DE105","timestamp":"@Z"}',  # bad id
    '{"student_id":"S0070","course_code":"EC101","timestamp":"2026-02-30T08:00:00Z"}',  # bad time
    '{"student_id":"' + "S" * 20_000 + '","course_code":"CS101","timestamp":"@Z"}',  # huge
    '{"student_id":"S0077","course_code":"CS310"}',  # missing field
    '{"student_id":"S0081","course_code":"BI101","timestamp":"@"}',  # no time zone
    '{"student_id":"S0086","course_code":"DS110","timestamp":"@Z',  # cut off
    "<enrol student='S0090' course='MA101'/>",  # not JSON
    '{"student_id":"S0093","course_code":null,"timestamp":"@Z"}',  # wrong type
    "   ",  # empty line
    '{"student_id":"S0102","course_code":"HI110","timestamp":"tomorrow at eight"}',  # bad time
    '{"course_code":"CS205","timestamp":"@Z"}',  # missing field
    '{"student_id":"","course_code":"DE210","timestamp":"@Z"}',  # bad id
    '{"student_id":"S0119","course_code":"CS340","timestamp":1788249780}',  # wrong type
    '{"student_id":"Sé0120","course_code":"EC220","timestamp":"@Z"}',  # Latin-1
    '{"student_id',  # cut off
    '{"student_id":"S0133","course_code":"MA240","timestamp":"@"}',  # no time zone
    "please enrol me in CS101, thanks! S0140",  # not JSON
)


def build() -> dict[str, bytes]:
    """{name: content} of the three files."""
    random = Random(SEED)
    codes = [row[0] for row in csv.reader(io.StringIO(COURSES))]
    events = _events(random, codes)
    lines = [event.to_json() for event in events]
    for n, template in enumerate(MALFORMED):
        # Denser at the start: a lesson that reads only the first lines meets several, too.
        place = int(EVENTS * ((n + 0.3 + 0.4 * random.random()) / len(MALFORMED)) ** 1.6)
        time = events[place].timestamp.isoformat(timespec="milliseconds").removesuffix("+00:00")
        lines.insert(place + n, template.replace("@", time).encode("latin-1"))
    return {
        "students.csv": _students(random).encode(),
        "courses.csv": ("course_code,title,seats\n" + COURSES).encode(),
        "enrollments.jsonl": b"".join(line + b"\n" for line in lines),
    }


def _students(random: Random) -> str:
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["student_id", "name", "programme", "year"])
    given, family, programmes = GIVEN.split(), FAMILY.split(), PROGRAMMES.split(",")
    names: set[str] = set()
    while len(names) < STUDENTS:
        name = f"{_pick(random, given)} {_pick(random, family).replace('_', ' ')}"
        if name in names:
            continue
        names.add(name)
        year = 1 + int(4 * random.random())
        table.writerow([f"S{len(names):04d}", name, _pick(random, programmes), year])
    return out.getvalue()


def _events(random: Random, codes: list[str]) -> list[EnrollmentEvent]:
    """Requests in order of arrival, no two in the same millisecond."""
    students = [f"S{n:04d}" for n in range(1, STUDENTS + 1)]
    eagerness = [KEEN.get(student, 1) for student in students]
    popularity = {code: 1000 // rank for rank, code in enumerate(codes, 1)}
    asked: dict[str, list[str]] = {}
    events = []
    # Everybody asks at least once; the eager send the rest.
    arrivals = students + [
        _pick(random, students, eagerness) for _ in range(EVENTS - len(students))
    ]
    _shuffle(random, arrivals)
    for student, moment in zip(arrivals, _moments(random), strict=True):
        mine = asked.setdefault(student, [])
        wishes = 12 if student in KEEN else 5
        if mine and (len(mine) >= wishes or random.random() < 0.15):
            code = _pick(random, mine)  # asks again for the same course
        else:
            others = [code for code in codes if code not in mine]
            code = _pick(random, others, [popularity[code] for code in others])
            mine.append(code)
        events.append(EnrollmentEvent(student, code, moment))
    return events


def _moments(random: Random) -> list[datetime]:
    """EVENTS rising times: a burst when registration opens, a slope, and a thin tail."""
    spans_s = (20.0, 240.0, 1800.0)  # mean wait after the opening
    waits_ms: list[int] = []
    for _ in range(EVENTS):
        span_s = _pick(random, spans_s, (45, 40, 15))
        waits_ms.append(int(-1000 * span_s * math.log(1 - random.random())))
    waits_ms.sort()
    for n in range(1, EVENTS):
        waits_ms[n] = max(waits_ms[n], waits_ms[n - 1] + 1)
    return [OPENING + timedelta(milliseconds=wait) for wait in waits_ms]


def _pick(random: Random, items: Sequence[T], weights: Sequence[int] | None = None) -> T:
    """One of `items`. Weights are whole numbers, so their sum is the same on each Python."""
    weights = weights or [1] * len(items)
    rest = sum(weights) * random.random()
    for item, weight in zip(items, weights, strict=True):
        rest -= weight
        if rest < 0:
            return item
    return items[-1]


def _shuffle(random: Random, items: list[str]) -> None:
    """Shuffle in place (Fisher-Yates)."""
    for n in range(len(items) - 1, 0, -1):
        other = int((n + 1) * random.random())
        items[n], items[other] = items[other], items[n]


def write(folder: Path = DATA) -> None:
    """Write the three files to `folder`, over those in it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in build().items():
        (folder / name).write_bytes(content)


if __name__ == "__main__":
    write()
