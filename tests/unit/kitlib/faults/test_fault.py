"""What every fault has: refused options, and the page on new ones, whose example works.

The page's code runs in a real proxy; the page names every member of `Link`, and no other.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer

from kitlib.broker import Broker
from kitlib.errors import KitError
from kitlib.faults import Faults, _control
from kitlib.faults._fault import FAULTS, Fault, Link

PAGE = (Path(__file__).parents[4] / "docs" / "creating-a-fault.md").read_text("utf-8")

WRONG = [
    ("drop_ack", {"times": 0}, "whole number of at least 1"),
    ("drop_ack", {"times": True}, "whole number of at least 1"),
    ("drop_ack", {"topic": ""}, "name of a topic"),
    ("drop_ack", {"topic": b"t"}, "name of a topic"),
    ("drop_ack", {"partition": -1}, "at least 0"),
    ("drop_ack", {"partition": 1.5}, "at least 0"),
    ("delay", {"delay_ms": -1}, "above 0"),
    ("delay", {"delay_ms": float("nan")}, "above 0"),
    ("delay", {"delay_ms": "50"}, "above 0"),
    ("delay", {"direction": "up"}, "'request' or 'response'"),
    ("delay", {"api": "produce"}, "'Produce'"),
    ("disconnect", {"api": "joingroup"}, "'JoinGroup'"),
    ("blackhole", {"api": 0}, "'Produce'"),
    ("blackhole", {"api": ["Fetch"]}, "'Fetch'"),
    ("blackhole", {"times": "2"}, "whole number"),
    ("delay", {"delay_ms": 0}, "above 0"),
]


@pytest.mark.parametrize(("fault", "options", "fix"), WRONG)
def test_wrong_options_are_refused(fault: str, options: dict[str, Any], fix: str) -> None:
    with pytest.raises(KitError) as refused:
        getattr(Faults(), fault)(**options)
    assert fix in refused.value.fix
    assert next(iter(options)) in refused.value.what


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Fault]]:
    """The class of the page, known to this process and to the proxies that it starts."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "break_every.py").write_text(code, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    register = f"sys.path.insert(0, {str(tmp_path)!r}); import break_every; "
    start, name, end = _control._CODE.rpartition("from kitlib")
    monkeypatch.setattr(_control, "_CODE", start + register + name + end)
    from break_every import BreakEvery

    yield BreakEvery
    del sys.modules["break_every"], FAULTS["break_every"]


def test_the_example_works(kafka: Broker, faults: Faults, example: Any) -> None:
    kafka.fresh_topic("example")
    with pytest.raises(KitError, match="whole number of at least 1"):
        example(every=0)
    producer = KafkaProducer(**kafka.behind(faults), enable_idempotence=False)
    producer.send("example", b"x").get(20)
    faults._arm(example(every=2, api="Produce", times=2))
    for _ in range(6):
        producer.send("example", b"x").get(20)
    producer.close()
    details = [row.detail for row in faults.journal.rows("fault")]
    assert [d["every"] for d in details if d] == [2, 2]
    assert len(kafka.read("example")) == 7


def test_the_page_names_all_that_a_fault_may_do() -> None:
    members = {*vars(Link), *inspect.get_annotations(Link)}
    public = {name for name in members if not name.startswith("_")}
    table = re.findall(r"^\| `link\.(\w+)(\(.*?\))?`", PAGE, re.MULTILINE)
    assert {name for name, _ in table} == public
    for name, arguments in table:
        if arguments:
            parameters = list(inspect.signature(getattr(Link, name)).parameters)[1:]
            assert re.findall(r"\w+", arguments) == parameters
    assert set(re.findall(r"\blink\.(\w+)", PAGE)) == public


def test_every_fault_has_a_method_of_its_own_and_a_file_of_its_own() -> None:
    assert len(FAULTS) == 4
    for name, fault in FAULTS.items():
        assert callable(getattr(Faults, name))
        assert fault.__module__ == f"kitlib.faults.{name}"
