"""The page on new faults: its example works in a real proxy, and it names what a link can do."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer

from kitlib.broker.handle import Broker
from kitlib.errors import KitError
from kitlib.faults import Faults, _control
from kitlib.faults import _main as _proxy
from kitlib.faults._link import Link

PAGE = (Path(__file__).parents[4] / "docs" / "creating-a-fault.md").read_text("utf-8")


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The class of the page, known to this process and to the proxies that it starts."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "break_every.py").write_text(code, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    register = (
        f"sys.path.insert(0, {str(tmp_path)!r}); from break_every import BreakEvery; "
        "from kitlib.faults._proxy import KINDS; KINDS[BreakEvery.name] = BreakEvery; "
    )
    start, found, end = _control._CODE.rpartition("from kitlib")
    monkeypatch.setattr(_control, "_CODE", start + register + found + end)
    from break_every import BreakEvery

    monkeypatch.setitem(_proxy.KINDS, BreakEvery.name, BreakEvery)
    yield BreakEvery
    sys.modules.pop("break_every")


def test_the_example_works(kafka: Broker, faults: Faults, example: Any) -> None:
    kafka.fresh_topic("example")
    with pytest.raises(KitError, match="whole number from 1"):
        example(every=0)
    producer = KafkaProducer(**kafka.behind(faults), enable_idempotence=False)
    producer.send("example", b"x").get(20)
    faults._arm("break_every", every=2, api="Produce", times=2)
    for _ in range(6):
        producer.send("example", b"x").get(20)
    producer.close()
    details = [row.detail for row in faults.journal.rows("fault")]
    assert [d["every"] for d in details if d] == [2, 2]
    assert len(kafka.read("example")) == 7


def test_the_page_names_all_that_a_link_can_do() -> None:
    source = inspect.getsource(Link)
    part = source.split("# -- what a fault can do")[1].split("# -- what the flows ask")[0]
    methods = re.findall(r"def (\w+)", part)
    assert sorted(methods) == sorted(set(re.findall(r"`link\.(\w+)\(", PAGE)))
    assert all(name in dir(Faults) for name in _proxy.KINDS)
