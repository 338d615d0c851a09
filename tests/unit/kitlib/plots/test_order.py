"""What is drawn: lanes, points, labels and words; how it looks is for eyes to judge."""

from __future__ import annotations

import json

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from pictures import lanes, texts

import kitlib as kit
from kitlib._look import PALETTE
from kitlib.journal import Journal, Row


def log(*parts: str, topic: str = "requests") -> Journal:
    """A log with one partition for each text, whose letters are the keys."""
    journal = Journal()
    for partition, keys in enumerate(parts):
        for offset, key in enumerate(keys):
            journal.add(
                "stored", actor="broker", time=100.0 + 10 * offset + partition, topic=topic,
                partition=partition, offset=offset, key=key, value=json.dumps({"n": offset}),
            )  # fmt: skip
    return journal


def points(ax: Axes, label: str) -> list[tuple[float, float]]:
    [line] = [line for line in ax.lines if line.get_label() == label]
    data = np.column_stack([np.asarray(line.get_xdata()), np.asarray(line.get_ydata())])
    return [(float(x), float(y)) for x, y in data]


def test_order_has_a_lane_for_each_partition_and_a_point_for_each_record() -> None:
    ax = kit.plot_order(log("aab", "", "b"))
    assert lanes(ax) == ["partition 0", "partition 1", "partition 2"]
    assert points(ax, "partition 0") == [(0, 0), (1, 0), (2, 0)]
    assert points(ax, "partition 1") == []
    assert points(ax, "partition 2") == [(0, 2)]
    assert texts(ax) == ["3 records", "0 records", "1 record"]
    ax.figure.canvas.draw()
    assert ax.get_ylim()[0] > ax.get_ylim()[1], "partition 0 is at the top"


def test_colour_is_the_partition_in_every_picture() -> None:
    journal = log("aab", "c", "b")
    drawn = [line.get_color() for line in kit.plot_order(journal).lines if len(line.get_xdata())]
    bars = [
        mpl.colors.to_hex(bar.get_facecolor()).upper() for bar in kit.plot_shares(journal).patches
    ]
    assert [colour for colour in drawn if str(colour).upper() in PALETTE] != []
    assert bars == list(PALETTE[:3])
    assert {str(colour).upper() for colour in drawn} >= set(bars)


def test_order_along_time_starts_at_the_first_record() -> None:
    ax = kit.plot_order(log("aab"), x="time")
    assert [x for x, _ in points(ax, "partition 0")] == [0, 10, 20]
    assert ax.get_xlabel() == "seconds since 00:01:40 UTC"


def test_a_highlighted_key_bears_the_numbers_of_its_events() -> None:
    journal = log("aba", "b")
    first = journal.rows(key="a")[0]
    journal.add("stored", topic="requests", partition=0, offset=9, key="a", value=first.value)
    for source in (journal, Journal.from_frame(journal.to_frame())):
        ax = kit.plot_order(source, highlight=b"a")
        assert points(ax, "highlight") == [(0, 0), (2, 0), (9, 0)]
        assert sorted(texts(ax)[2:]) == ["1", "1", "2"]
        assert "there more than once: event 1" in kit.describe(ax)
    assert "No record has the key z." in kit.describe(kit.plot_order(journal, highlight="z"))


def test_the_events_of_a_crowded_key_are_all_outlined_and_labelled_where_there_is_room() -> None:
    ax = kit.plot_order(log("a" * 400), highlight="a")
    assert len(points(ax, "highlight")) == 400
    assert 10 < len(texts(ax)) < 200


def test_a_record_that_was_read_twice_counts_once() -> None:
    journal = log("aab", "b") + log("aab", "b")
    assert len(points(kit.plot_order(journal), "partition 0")) == 3
    assert "3  (75.0%)" in texts(kit.plot_shares(journal))


@pytest.mark.parametrize("kind", ["acked", "consumed"])
def test_without_a_log_the_best_that_is_known_is_drawn(kind: str) -> None:
    journal = Journal()
    journal.add("sent", topic="t", partition=4, key="a")
    journal.add(kind, topic="t", partition=1, offset=7, key="a")
    ax = kit.plot_order(journal)
    assert points(ax, "partition 1") == [(7, 1)]
    assert lanes(ax) == [f"partition {n}" for n in range(5)]
    assert f"1 {kind} record in 5 partitions of t" in kit.describe(ax)


def test_records_without_an_offset_are_counted_and_drawn_only_along_time() -> None:
    journal = Journal()
    journal.add("acked", topic="t", partition=0, detail={"acks": 0})
    assert kit.describe(kit.plot_order(journal)).endswith("consumed records with an offset.")
    assert len(points(kit.plot_order(journal, x="time"), "partition 0")) == 1
    assert texts(kit.plot_shares(journal)) == ["1  (100.0%)"]


def test_shares_are_labelled_with_counts_and_percentages() -> None:
    ax = kit.plot_shares(log("aaaaaa", "bb", "", "cc"))
    assert [bar.get_width() for bar in ax.patches] == [6, 2, 0, 2]
    assert texts(ax) == ["6  (60.0%)", "2  (20.0%)", "0  (0.0%)", "2  (20.0%)"]
    assert "partition 0 holds 6 (60.0%)" in kit.describe(ax)


def test_topics_do_not_mix() -> None:
    journal = log("aa", "b") + log("ccc", topic="dead")
    assert lanes(kit.plot_shares(journal)) == ["dead 0", "requests 0", "requests 1"]
    assert lanes(kit.plot_order(journal, topic="requests")) == ["partition 0", "partition 1"]
    assert "no stored" in kit.describe(kit.plot_order(journal, topic="other"))


@pytest.mark.parametrize("plot", [kit.plot_order, kit.plot_shares])
def test_an_empty_journal_gives_a_sentence(plot: object) -> None:
    ax = plot(Journal())  # type: ignore[operator]
    assert kit.describe(ax).startswith("This journal holds no stored, acknowledged or consumed")
    assert " ".join(texts(ax)).split() == kit.describe(ax).split()


def test_dollars_and_newlines_stay_text() -> None:
    journal = Journal()
    journal.add("stored", topic="t$x$", partition=0, offset=0, key="$\\frac{1}{0$\n", value="")
    ax = kit.plot_order(journal + log("a"), highlight="$\\frac{1}{0$\n")
    assert "t$x$ 0" in lanes(ax)
    assert "$\\frac{1}{0$\\n" in ax.get_title(loc="left")
    ax.figure.canvas.draw()  # would raise if it were taken for a formula


def test_it_draws_on_the_axes_it_is_given_and_leaves_settings_and_journal_alone() -> None:
    _, mine = plt.subplots()
    before, journal = dict(mpl.rcParams), log("ab")
    copy = list(journal)
    assert kit.plot_order(journal, mine) is mine
    assert kit.plot_shares(journal).figure is not mine.figure
    assert dict(mpl.rcParams) == before
    assert list(journal) == copy


def test_what_cannot_be_drawn_is_refused_in_words() -> None:
    with pytest.raises(kit.KitError, match="Expected a journal, got list"):
        kit.plot_order([1, 2])  # type: ignore[arg-type]
    with pytest.raises(kit.KitError, match=r"Expected a journal, got DataFrame.*\n.*from_frame"):
        kit.plot_shares(log("a").to_frame())  # type: ignore[arg-type]
    with pytest.raises(kit.KitError, match="x is 'key'"):
        kit.plot_order(log("a"), x="key")  # type: ignore[arg-type]
    with pytest.raises(kit.KitError, match="not drawn"):
        kit.describe(plt.subplots()[1])


def test_a_million_records_are_all_drawn() -> None:
    size = 1_000_000
    ax = kit.plot_order(
        Journal(Row(1.0, "broker", "stored", "t", n % 4, n // 4, "a", "v") for n in range(size))
    )
    assert [len(points(ax, f"partition {lane}")) for lane in range(4)] == [size // 4] * 4
    assert all(line.get_rasterized() for line in ax.lines if len(line.get_xdata()) > 2)
