"""Writing to a tape, and following it."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from kitlib.errors import KitError
from kitlib.journal import Row, Tape


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda tape: tape.add("stord"), "'stord'"),
        (lambda tape: tape.add("sent", ofset=1), "'ofset'"),
        (lambda tape: tape.add("sent", offset="nine"), "offset"),
        (lambda tape: tape.add("sent", time="now"), "time"),
        (lambda tape: tape.extend([tape.add("sent"), "x"]), "str"),
    ],
)
def test_what_does_not_fit_is_refused(write: Any, words: str) -> None:
    with pytest.raises(KitError, match=words):
        write(Tape())


def test_a_refused_extension_adds_nothing() -> None:
    tape = Tape()
    row = Row(0.0, "ana", "sent")
    with pytest.raises(KitError):
        tape.extend([row, "x"])  # type: ignore[list-item]
    assert len(tape) == 0


def test_followers_get_every_row_once_in_order() -> None:
    tape = Tape([Row(0.0, "before", "sent")])
    seen: list[Row] = []
    stop = tape.subscribe(seen.extend)
    threads = [
        threading.Thread(target=lambda: [tape.add("sent", partition=n) for n in range(200)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 800 and seen == tape.since(1)
    stop()
    stop()
    tape.add("sent")
    assert len(seen) == 800


def test_an_error_in_a_follower_does_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    tape = Tape()
    seen: list[Row] = []
    tape.subscribe(lambda rows: 1 / 0)
    tape.subscribe(seen.extend)
    tape.add("sent")
    assert len(seen) == len(tape) == 1
    assert "ZeroDivisionError" in caplog.text


def test_since_gives_what_is_new() -> None:
    tape = Tape()
    tape.add("sent")
    count = len(tape)
    tape.add("acked")
    assert [row.kind for row in tape.since(count)] == ["acked"]


def test_what_is_noted_becomes_rows_when_it_is_read() -> None:
    tape, made = Tape(), []

    def make(actor: str, count: int) -> list[Row]:
        made.append(actor)
        return [Row(float(number), actor, "sent") for number in range(count)]

    number = tape.later(make)
    tape.note((number, "ana", 2))
    tape.add("closed", actor="between")
    tape.note((number, "ben", 1))
    assert made == []
    assert [row.actor for row in tape.since(0)] == ["ana", "ana", "between", "ben"]
    assert len(tape) == 4 and made == ["ana", "ben"]


def test_what_is_noted_reaches_followers_at_once() -> None:
    tape, seen = Tape(), []
    make = tape.later(lambda: [Row(1.0, "ana", "sent")])
    tape.subscribe(seen.extend)
    tape.note((make,))
    assert [row.actor for row in seen] == ["ana"]


def test_what_a_reader_meets_reaches_followers_too() -> None:
    tape, seen, over = Tape(), [], threading.Event()
    tape.subscribe(seen.extend)

    def read() -> None:
        while not over.is_set():
            len(tape)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(5000):
        tape.add("sent", partition=number)
    over.set()
    reader.join()
    assert [row.partition for row in seen] == list(range(5000))


def test_an_interrupt_loses_nothing_that_was_noted() -> None:
    tape, interrupts = Tape(), [KeyboardInterrupt()]

    def make() -> list[Row]:
        if interrupts:
            raise interrupts.pop()
        return [Row(1.0, "ana", "sent")]

    tape.note((tape.later(make),))
    with pytest.raises(KeyboardInterrupt):
        tape.since(0)
    assert len(tape) == 1


def test_a_follower_that_has_passed_the_rows_on_lets_the_tape_forget_them() -> None:
    tape, passed_on = Tape(), []

    def pass_on(rows: list[Row]) -> None:
        passed_on.extend(rows)
        tape.forget()

    tape.subscribe(pass_on)
    for number in range(3):
        tape.add("sent", partition=number)
    assert [row.partition for row in passed_on] == [0, 1, 2] and len(tape) == 0
