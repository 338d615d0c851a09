"""One worker that ends in a way that nobody planned: its state and its rows say what happened."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest

from kitlib.broker import Broker
from kitlib.errors import KitError
from kitlib.workers import Workers, _member


def test_an_end_without_a_word_is_a_failure(kafka: Broker) -> None:
    def vanish(me: Any) -> None:
        os._exit(3)

    team = Workers(kafka, vanish).start("ana")
    with pytest.raises(KitError, match="status 3"):
        team.wait(20)
    assert len(team.journal.rows("failed")) == 1


def test_a_worker_that_does_not_listen_is_killed(
    kafka: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_member, "GRACE_S", 0.3)

    def deaf(me: Any) -> None:
        while True:
            threading.Event().wait(0.1)

    team = Workers(kafka, deaf).start("ana")
    with pytest.raises(KitError, match=r"Waited .* for workers to end: ana is running"):
        team.wait(0.1)
    team.close("ana")
    assert team.states()["state"][0] == "killed"
    assert "me.stopping" in team.states()["reason"][0]
