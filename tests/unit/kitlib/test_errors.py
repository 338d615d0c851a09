"""Errors read as sentences and survive the way out of a worker process."""

import pickle

import pytest

from kitlib import errors
from kitlib.errors import KitError


def test_each_part_is_a_sentence_on_its_own_line() -> None:
    error = KitError("No broker", why="The port is closed.", fix="Is it running?")
    assert str(error) == "No broker.\nThe port is closed.\nIs it running?"
    assert str(KitError(what="Only this")) == "Only this."


def test_a_subclass_sets_defaults() -> None:
    class Closed(KitError):
        what = "The producer is closed"
        fix = "Make a new one"

    assert str(Closed()) == "The producer is closed.\nMake a new one."
    assert str(Closed(why="close() was called", fix="x")).splitlines()[1:] == [
        "close() was called.",
        "x.",
    ]
    assert Closed(fix="x").fix == "x" and Closed.fix == "Make a new one"


def test_a_fix_names_the_command_that_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    fix = "Run `./kit doctor`, or ./kit reset."
    assert KitError(fix=fix).fix == fix, "in a clone the launcher"
    monkeypatch.setattr(errors, "COMMAND", "kit")
    assert KitError(fix=fix).fix == "Run `kit doctor`, or kit reset."


def test_it_survives_pickling() -> None:
    copy = pickle.loads(pickle.dumps(KitError("a", why="b", fix="c")))
    assert (copy.what, copy.why, copy.fix) == ("a", "b", "c")
