"""The fault panel, with its buttons clicked: real faults, real members."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ipywidgets
import pytest
from kafka import KafkaProducer

import kitlib as kit
from kitlib.broker import Broker


def buttons(panel: Any) -> dict[str, ipywidgets.Button]:
    rows = [row for row in panel.children if isinstance(row, ipywidgets.HBox)]
    found = [one for row in rows for one in row.children if isinstance(one, ipywidgets.Button)]
    return {button.description: button for button in found}


def loop(me: Any) -> None:
    while not me.stopping:
        pass


@pytest.fixture
def team(kafka: Broker) -> Iterator[kit.Workers]:
    with kit.Workers(kafka, loop) as workers:
        yield workers


def test_members_are_added_closed_and_killed(team: kit.Workers) -> None:
    panel = kit.FaultPanel(team=team)
    click = buttons(panel)
    assert "Drop one acknowledgement" not in click
    click["Kill it"].click()
    assert "add one first" in panel._status.value
    click["Add a member"].click()
    click["Add a member"].click()
    assert panel._who.options == ("member-1", "member-2")
    panel._who.value = "member-2"
    click["Kill it"].click()
    assert "member-2 was killed" in panel._status.value
    click["Close it"].click()
    states = dict(zip(*team.states()[["worker", "state"]].to_numpy().T, strict=True))
    assert states == {"member-1": "closed", "member-2": "killed"}
    assert panel._who.options == ()


def test_one_acknowledgement_is_dropped_and_delays_come_and_go(kafka: Broker) -> None:
    kafka.fresh_topic("panel")
    with kit.Faults() as faults:
        panel = kit.FaultPanel(faults)
        click = buttons(panel)
        click["Drop one acknowledgement"].click()
        assert "no proxy" in panel._status.value, "a sentence in place of a stack trace"
        settings = {"enable_idempotence": False, "acks": "all"}
        with KafkaProducer(**kafka.behind(faults), **settings) as producer:
            click["Drop one acknowledgement"].click()
            panel._delay.value = 20
            click["Delay answers by (ms)"].click()
            assert [one["fault"] for one in faults.armed()] == ["drop_ack", "delay"]
            producer.send("panel", b"x").get(30)
            click["Clear faults"].click()
            assert faults.armed() == []
    assert len(kafka.read("panel")) == 2


def test_values_are_shown_as_text(team: kit.Workers) -> None:
    panel = kit.FaultPanel(team=team)
    panel._report("<img src=x onerror=alert(1)>")
    assert "<img" not in panel._status.value


@pytest.mark.parametrize("given", [(), (None, None), ("faults",), (None, "team")])
def test_what_it_cannot_act_on_is_refused(given: tuple[Any, ...]) -> None:
    with pytest.raises(kit.KitError):
        kit.FaultPanel(*given)


def test_a_panel_holds_a_live_view_and_a_page_without_a_kernel_gets_words(
    team: kit.Workers,
) -> None:
    view = kit.LiveLag(team.journal)
    panel = kit.FaultPanel(team=team, view=view)
    view.stop()
    assert panel.children[-1] is view
    page = panel._repr_mimebundle_()["text/html"]
    assert repr(panel) in page and "records each partition is behind" in page
    with pytest.raises(kit.KitError, match="live view, got Journal"):
        kit.FaultPanel(team=team, view=team.journal)  # type: ignore[arg-type]
