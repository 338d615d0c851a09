"""`kit doctor`: what it checks, what it says of a machine that is not well, and how it ends."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import kit

from kitlib.broker import Broker
from kitlib.journal import Journal
from kittools import doctor


def test_doctor_checks_and_says_how_to_mend(kafka: Broker, tmp_path: Path) -> None:
    well = kit("doctor")
    assert well.returncode == 0, well.stdout
    assert well.stdout.count("ok ") == 6
    assert "sent, stored, read back" in well.stdout
    unwell = kit("doctor", KIT_CACHE_DIR=str(tmp_path), KIT_MAVEN_URL="http://127.0.0.1:1")
    assert unwell.returncode == 1
    assert "FAIL jars" in unwell.stdout
    assert "Check the network" in unwell.stdout
    assert "Traceback" not in unwell.stdout + unwell.stderr


def test_a_record_that_does_not_come_back_is_a_failure_with_a_fix(
    monkeypatch: pytest.MonkeyPatch, kafka: Broker
) -> None:
    monkeypatch.setattr(Broker, "read", lambda *_: Journal())
    *_, last = doctor.run()
    assert not last.ok
    assert last.result == "sent 'ping', read back []"
    assert last.fix
