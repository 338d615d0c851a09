"""The Python side of the views: which rows they show, send and record. A browser shows the rest."""

from __future__ import annotations

import json
import re
import threading
from html import unescape
from typing import Any

import msgspec
import pytest

import kitlib as kit
from kitlib.widgets.views import MOST_RECORDED, MOST_ROWS, Live, compact

LIVE: list[Any] = [kit.LiveOrder, kit.LiveLag, kit.LiveOwnership]


def acked(journal: kit.Journal, count: int = 1, **fields: Any) -> None:
    for _ in range(count):
        place = {"topic": "t", "partition": 0, "offset": len(journal), "key": "S0017"} | fields
        journal.add("acked", actor="front end", value=f"{len(journal)}", **place)


class Page:
    """Stands where the browser is: keeps the messages that a view sends."""

    def __init__(self, view: Live) -> None:
        self.rows: list[Any] = []
        self.view = view
        self.listening = True
        view.send = self.hear  # type: ignore[method-assign]

    def hear(self, message: dict[str, Any], buffers: list[bytes]) -> None:
        assert message["type"] == "rows"
        new = msgspec.json.decode(buffers[0])
        if not self.listening:
            return
        if message["from"] > len(self.rows):
            ask = {"type": "need", "from": len(self.rows)}
            # The kernel hears it on another thread than the one that is sending.
            threading.Thread(target=self.view._answer, args=(self.view, ask, [])).start()
            return
        self.rows += new[len(self.rows) - message["from"] :]


def test_rows_come_once_and_in_order_while_the_journal_is_written() -> None:
    journal = kit.Journal()
    view = kit.LiveOrder(journal)
    page = Page(view)
    acked(journal, 500)
    kit.wait_until(lambda: len(page.rows) == 500, "the first rows are there")
    acked(journal, 500)
    view.stop()
    assert [row[5] for row in page.rows] == list(range(1000))
    assert list(view.frame()["offset"]) == list(range(1000))


def test_a_page_that_listens_late_gets_what_it_missed() -> None:
    journal = kit.Journal()
    view = kit.LiveOrder(journal)
    page = Page(view)
    page.listening = False
    acked(journal, 300)
    kit.wait_until(lambda: view._sent == 300, "the rows were sent to nobody")
    page.listening = True
    acked(journal, 1)
    kit.wait_until(lambda: len(page.rows) == 301, "the page has all rows")
    view.stop()
    assert [row[5] for row in page.rows] == list(range(301))


def test_a_page_that_is_opened_after_the_end_gets_everything() -> None:
    journal = kit.Journal()
    view = kit.LiveOrder(journal)
    acked(journal, MOST_ROWS + 5)
    view.stop()
    page = Page(view)
    view._answer(view, {"type": "need", "from": 0}, [])
    assert len(page.rows) == MOST_ROWS + 5


@pytest.mark.parametrize("rubbish", [None, 3, {"type": "rows"}, {"type": "need", "from": -7}])
def test_rubbish_from_a_page_does_no_harm(rubbish: Any) -> None:
    journal = kit.Journal()
    view = kit.LiveOrder(journal)
    page = Page(view)
    acked(journal, 3)
    view._answer(view, rubbish, [])
    view.stop()
    assert len(page.rows) == 3


@pytest.mark.parametrize("kind", LIVE)
def test_a_cell_that_runs_again_ends_the_earlier_view(kind: Any) -> None:
    journal = kit.Journal()
    first, second = kind(journal), kind(journal)
    assert not first._thread.is_alive()
    assert not first.running
    assert second._thread.is_alive()
    second.stop()
    second.stop()
    assert not second._thread.is_alive()


def test_views_show_their_group_or_topic_and_what_belongs_to_all() -> None:
    journal = kit.Journal()
    for group in ("a", "b"):
        journal.add("lag", group=group, topic="t", partition=0, offset=1, detail={"lag": 4})
        journal.add("assigned", actor=group, group=group, topic="t", partition=0)
    journal.add("killed", actor="a")
    acked(journal)
    acked(journal, topic="other")
    lag, owners = kit.LiveLag(journal, group="a"), kit.LiveOwnership(journal, group="b")
    order = kit.LiveOrder(journal, topic="t")
    assert list(lag.frame()["kind"]) == ["lag", "assigned", "killed"]
    assert list(owners.frame()["kind"]) == ["assigned", "killed"]
    assert list(order.frame()["kind"]) == ["killed", "acked"]
    for view in (lag, owners, order):
        view.stop()


def test_what_a_page_is_told_of_a_row() -> None:
    journal = kit.Journal()
    journal.add("fault", actor="proxy", time=10.0, topic="t", partition=2, offset=9,
                detail={"fault": "drop_ack"})  # fmt: skip
    journal.add("lag", actor="m", time=10.5, group="g", topic="t", partition=0, detail={"lag": 7})
    journal.add("killed", actor="ana", time=11.25)
    assert list(compact(journal, 10.0)) == [
        [0.0, "fault", "proxy", "t", 2, 9, None, None, "drop_ack"],
        [500.0, "lag", "m", "t", 0, None, None, None, 7],
        [1250.0, "killed", "ana"],
    ]


def page_of(view: Any) -> dict[str, Any]:
    """What a page without a kernel is given."""
    html = view._repr_mimebundle_()[0]["text/html"]
    found = re.search(r'<script type="application/json">(.*?)</script>', html, re.DOTALL)
    assert found, html
    traits: dict[str, Any] = json.loads(found[1])
    return traits


def test_a_recording_names_events_and_the_record_whose_acknowledgement_was_lost() -> None:
    journal = kit.Journal()
    event = {"topic": "t", "partition": 0, "key": "S0017", "value": "x"}
    journal.add("sent", actor="front end", **event)
    journal.add("fault", actor="proxy", topic="t", partition=0, offset=0,
                detail={"fault": "drop_ack"})  # fmt: skip
    journal.add("acked", actor="front end", offset=1, **event)
    for offset in (0, 1):
        journal.add("stored", actor="broker", offset=offset, **event)
    replay = kit.Replay(journal, title="Lost")
    rows = json.loads(page_of(replay)["recording"])
    assert [row[1] for row in rows] == ["sent", "fault", "acked"]
    assert [row[6:8] for row in rows] == [["S0017", 1]] * 3
    assert len(replay.frame()) == 5
    assert "3 rows" in repr(replay)


def test_values_from_records_are_text_on_a_page() -> None:
    journal = kit.Journal()
    acked(journal, key="</script><script>alert(1)</script>", topic="<!--<img src=x onerror=1>")
    replay = kit.Replay(journal, title="<b>bold</b>")
    html = replay._repr_mimebundle_()[0]["text/html"]
    assert html.count("<script") == html.count("</script>") == 1
    assert "<!--" not in html and "<b>" not in html and "<img" not in html
    rows = json.loads(page_of(replay)["recording"])
    assert rows[0][6].startswith("</script>") and rows[0][3].startswith("<!--")
    assert unescape(page_of(replay)["title"]) == "<b>bold</b>"


def test_a_recording_that_nobody_would_watch_is_refused() -> None:
    journal = kit.Journal()
    acked(journal, MOST_RECORDED + 1)
    with pytest.raises(kit.KitError, match="too long to watch"):
        kit.Replay(journal)
    assert kit.Replay(kit.Journal()).recording == "[]"


@pytest.mark.parametrize("kind", [*LIVE, kit.Replay])
def test_what_is_no_journal_is_refused(kind: Any) -> None:
    with pytest.raises(kit.KitError, match="Expected a journal"):
        kind([1, 2])
