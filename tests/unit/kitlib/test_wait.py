"""Waiting: as long as needed, at least one look, and an error that says what was waited for."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest

from kitlib import _wait
from kitlib._wait import wait_until
from kitlib.errors import KitError


def test_it_returns_the_first_true_answer() -> None:
    answers = iter([0, "", [], "there"])
    assert wait_until(lambda: next(answers), "an answer") == "there"


def test_it_looks_at_least_once() -> None:
    assert wait_until(lambda: True, "nothing", timeout_s=0) is True


def test_the_error_names_what_was_waited_for_and_the_last_answer() -> None:
    with pytest.raises(KitError) as late:
        wait_until(lambda: [], "both members own partitions", timeout_s=0.05)
    assert "both members own partitions" in late.value.what and "0.05 s" in late.value.what
    assert "[]" in late.value.why and "timeout_s=" in late.value.fix


def test_an_error_of_the_condition_is_passed_on() -> None:
    looks = itertools.count()
    with pytest.raises(ZeroDivisionError):
        wait_until(lambda: 0 if next(looks) < 2 else 1 / 0, "a division", timeout_s=5)


def test_a_look_that_takes_long_does_not_use_up_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine that is busy, or asleep: ten seconds pass between two looks."""
    clock = itertools.count(step=10)
    slow = SimpleNamespace(monotonic=lambda: next(clock), sleep=lambda _: None)
    monkeypatch.setattr(_wait, "time", slow)
    looks = iter([False] * 5 + [True])
    assert wait_until(lambda: next(looks), "a sixth look", timeout_s=1)
