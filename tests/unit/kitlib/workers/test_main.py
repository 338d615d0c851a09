"""Inside a worker: what it prints, notes and raises comes back as rows and plain sentences."""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer

from kitlib.broker import Broker
from kitlib.errors import KitError
from kitlib.workers import Workers


def test_an_error_becomes_one_plain_sentence(
    kafka: Broker, capsys: pytest.CaptureFixture[str]
) -> None:
    def helper(number: int) -> float:
        return 1 / number

    def careless(me: Any) -> None:
        print("before", end="")
        helper(0)

    team = Workers(kafka, careless).start("ana")
    with pytest.raises(KitError, match="ana failed in line"):
        team.wait(20)
    (row,) = team.journal.rows("failed")
    detail = row.detail or {}
    line = helper.__code__.co_firstlineno + 1
    assert row.value == (
        f"ana failed in line {line} of {Path(__file__).name}, `return 1 / number`: "
        "ZeroDivisionError: division by zero"
    )
    assert (detail["what"], detail["error"], detail["line"]) == (
        "worker",
        "ZeroDivisionError",
        line,
    )
    assert str(Path("workers", "_main.py")) not in detail["traceback"]
    assert team.states()["state"][0] == "failed"
    assert row.value in capsys.readouterr().err
    assert [row.value for row in team.journal.rows("printed")] == ["before"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
def test_a_late_request_to_end_is_no_crash(kafka: Broker) -> None:
    """It may come while Python itself ends, which restores SIGTERM's default."""

    def brief(me: Any) -> None:
        atexit.register(lambda: print(signal.getsignal(signal.SIGTERM).name))  # type: ignore[union-attr]

    team = Workers(kafka, brief).start("ana")
    team.wait(20)
    assert [row.value for row in team.journal.rows("printed")] == ["SIG_IGN"]


def test_prints_become_rows_and_never_mix_with_them(kafka: Broker) -> None:
    def chatty(me: Any) -> None:
        print("one\ntwo", "three", sep=" ")
        print("half", end="")
        print(" and half")
        print("aside", file=sys.stderr)
        print('!kill\n{"not": "a row"}')
        os.write(1, b"straight to the descriptor\n")
        subprocess.run([sys.executable, "-c", "print('a child')"], check=True)

    team = Workers(kafka, chatty).start("ana")
    team.wait(20)
    assert [row.value for row in team.journal.rows("printed")] == [
        "one",
        "two three",
        "half and half",
        "aside",
        "!kill",
        '{"not": "a row"}',
    ]
    assert team.states()["state"].tolist() == ["closed"]
    assert team.states()["reason"].tolist() == ["its function returned"]
    assert "<td>closed</td>" in team._repr_html_()


def test_a_missing_parameter_says_so(kafka: Broker) -> None:
    def member(me: Any) -> None:
        print(me.group)

    team = Workers(kafka, member).start("ana")
    with pytest.raises(KitError, match="no parameter 'group'"):
        team.wait(20)


def test_an_error_of_kafka_is_named_once(kafka: Broker) -> None:
    def impossible(me: Any) -> None:
        KafkaConsumer(**me.connection, group_id="g", session_timeout_ms=2000)

    team = Workers(kafka, impossible).start("ana")
    with pytest.raises(KitError, match="`: KafkaConfigurationError: Heartbeat interval must"):
        team.wait(20)


def test_a_list_in_place_of_a_record_says_so(kafka: Broker) -> None:
    def wrong(me: Any) -> None:
        me.note("processed", [])

    team = Workers(kafka, wrong).start("ana")
    with pytest.raises(KitError, match=r"needs one record.*It got a list"):
        team.wait(20)
