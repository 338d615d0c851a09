"""JupyterLab in Chromium, used as a person would: the live views move, the panel's buttons act, and
a restarted kernel leaves no broker behind."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import kitlib as kit
from kitlib.broker import Broker
from kitlib.broker import _parts as parts
from kittools import course
from kittools.bench import _lab

PICTURES = Path(__file__).parents[2] / "build" / "pictures"
START = """\
import os
from kafka import KafkaConsumer, KafkaProducer
import kitlib as kit
kafka = kit.connect()
kafka.fresh_topic("requests", partitions=3)
journal = kit.Journal()
faults = kit.Faults(journal)
producer = KafkaProducer(**kafka.behind(faults), enable_idempotence=False)
journal.record(producer, "front end")
print("kernel", os.getpid())"""
TEAM = """\
def member(me):
    consumer = KafkaConsumer(
        "requests", **me.connection, group_id="seats", auto_offset_reset="earliest",
        session_timeout_ms=2000, heartbeat_interval_ms=300,
    )
    me.record(consumer)
    try:
        while not me.stopping:
            for records in consumer.poll(100).values():
                for record in records:
                    me.note("processed", record)
    finally:
        consumer.close()


team = kit.Workers(kafka, member, journal=journal).start("ana", "ben")
meter = kit.LagMeter(kafka, "seats", journal).start()
journal.wait("assigned", 3)"""
VIEWS = (
    "order = kit.LiveOrder(journal, highlight='S0017'); order",
    "ownership = kit.LiveOwnership(journal, group='seats'); ownership",
    "lag = kit.LiveLag(journal, group='seats'); lag",
    "kit.FaultPanel(faults, team)",
)
SEND = """\
for event in kit.load_events(limit=150):
    producer.send("requests", key=event.key, value=event.to_json())
producer.flush()
print("all", "sent")"""
TAKEN_OVER = """\
died = journal.rows("killed")[0].time


def taken_over():
    rows = journal.rows("assigned", actor="ben")
    return {row.partition for row in rows if row.time > died} == {0, 1, 2}


kit.wait_until(taken_over, "ben has what ana had", timeout_s=60)
print("ben has", "all")"""
REPLAY = """\
for view in (order, ownership, lag):
    view.stop()
meter.stop()
team.stop()
rows = [row for row in journal if row.kind != "lag"]
kit.Replay(kit.Journal(rows), title="<b>What happened</b>")"""


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    page = browser.new_page(viewport={"width": 1440, "height": 2400})
    page.set_default_timeout(120_000)
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    yield page
    page.close()


def view(number: int) -> str:
    return f"document.querySelectorAll('.kit-timeline')[{number}]"


def shown(page: Any, number: int, name: str) -> int:
    return int(page.evaluate(f"Number({view(number)}.dataset.{name} ?? -1)"))


def click_cell(page: Any, number: int) -> None:
    """Select a cell and run it, by mouse and keyboard."""
    page.click(f".jp-CodeCell >> nth={number} >> .cm-content")
    page.keyboard.press("Shift+Enter")


def test_live_views_move_faults_come_by_button_and_a_restart_leaves_no_broker(
    page: Any, tmp_path: Path, kafka: Broker
) -> None:
    runs = parts.cache_folder() / "runs"
    _lab.write(tmp_path / "live.ipynb", START, TEAM, *VIEWS, SEND, SEND + "#", TAKEN_OVER, REPLAY)
    with _lab.lab(tmp_path) as url:
        page.goto(url.format("live.ipynb"))
        page.wait_for_selector("text=(ipykernel) | Idle")
        for number in range(7):
            click_cell(page, number)
        page.wait_for_selector("text=all sent")
        page.wait_for_function(f"Number({view(0)}?.dataset.rows) >= 300")
        page.wait_for_function(f"Number({view(1)}?.dataset.rows) >= 3")
        page.wait_for_function(f"Number({view(2)}?.dataset.rows) >= 3")

        frames, lags = shown(page, 0, "frames"), shown(page, 2, "rows")
        page.click("text=Drop one acknowledgement")
        page.wait_for_selector("text=Armed: the next acknowledgement")
        page.click("text=Kill it")
        page.wait_for_selector("text=ana was killed")
        click_cell(page, 7)
        page.wait_for_selector("text=all sent >> nth=1")
        owners = shown(page, 1, "rows")
        click_cell(page, 8)
        page.wait_for_selector("text=ben has all")
        page.wait_for_function(f"Number({view(1)}.dataset.rows) >= {owners}")
        page.wait_for_function(f"Number({view(0)}.dataset.frames) > {frames + 5}")
        page.wait_for_function(f"Number({view(2)}.dataset.rows) > {lags + 3}")
        page.screenshot(path=PICTURES / "jupyterlab-live.png")

        click_cell(page, 9)
        page.wait_for_function("document.querySelectorAll('.kit-timeline').length === 4")
        assert page.inner_text(".kit-title") == "<b>What happened</b>", "a title is text"
        end = shown(page, 3, "index")
        page.focus(".kit-timeline >> nth=3 >> canvas")
        page.keyboard.press("Home")
        assert shown(page, 3, "index") == 0 < end
        page.keyboard.press("ArrowRight")
        assert shown(page, 3, "index") == 1
        page.keyboard.press("End")
        assert shown(page, 3, "index") == end
        stopped = shown(page, 0, "rows")
        page.screenshot(path=PICTURES / "jupyterlab-replay.png")
        assert "stopped" in page.inner_text(".kit-timeline >> nth=0 >> .kit-status")
        assert shown(page, 0, "rows") == stopped

        kernel = page.inner_text("text=/^kernel \\d+/").split()[1]
        [mine] = runs.glob(f"{kernel}-*")
        page.click(".lm-MenuBar-itemLabel:text-is('Kernel')")
        page.click("text=/^Restart Kernel…$/")
        page.click(".jp-Dialog button:has-text('Restart')")
        kit.wait_until(lambda: not mine.exists(), "its broker is gone", 30)
        # A server that is asked to end while a kernel is being restarted waits for it for ever.
        page.wait_for_selector("text=(ipykernel) | Idle")
    assert page.errors == []


def test_lesson_06_runs_by_clicking_and_its_player_plays(page: Any, tmp_path: Path) -> None:
    lesson = "06_duplicates.ipynb"
    shutil.copy(course.NOTEBOOKS / lesson, tmp_path)
    with _lab.lab(tmp_path) as url:
        _lab.run_all(page, url.format(lesson))
        # The last cell with a check: nobody has solved the exercise yet.
        error = ".jp-OutputArea [data-mime-type$=error]"  # nothing would come after one
        last = page.get_by_text("Exercise 06.3: Open").or_(page.locator(error))
        last.first.wait_for(state="attached", timeout=600_000)
        assert page.locator(error).all_inner_texts() == []
        page.wait_for_function(f"Number({view(0)}?.dataset.index) > 0")
        end = shown(page, 0, "index")
        page.click(".kit-timeline >> nth=0 >> button:has-text('Play')")
        page.wait_for_function(f"Number({view(0)}.dataset.index) < {end}")
        frames = shown(page, 0, "frames")
        page.wait_for_function(f"Number({view(0)}.dataset.frames) > {frames + 10}")
        page.wait_for_function(f"Number({view(0)}.dataset.index) === {end}")
        page.screenshot(path=PICTURES / "jupyterlab-lesson-06.png")
    assert page.errors == []
