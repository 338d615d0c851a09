"""Lag, ownership and timeline: lanes, bars, marks and words; looks are for eyes to judge."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import matplotlib.pyplot as plt
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

import kitlib as kit
from kitlib.journal import Journal
from kitlib.plots._style import PALETTE, spread

PLOTS = [kit.plot_lag, kit.plot_ownership, kit.plot_timeline]


@pytest.fixture(autouse=True)
def no_window() -> Iterator[None]:
    plt.switch_backend("agg")
    yield
    plt.close("all")


def turn(journal: Journal, kind: str, time: float, who: str, *partitions: int, **more: Any) -> None:
    facts = {"topic": "requests", "group": "registrar", "member": f"id-{who}"} | more
    for partition in partitions:
        journal.add(kind, actor=who, time=time, partition=partition, **facts)


@pytest.fixture
def crash() -> Journal:
    """ana and ben share four partitions; ben is killed, and ana gets his after two seconds."""
    journal = Journal()
    turn(journal, "assigned", 100, "ana", 0, 1)
    turn(journal, "assigned", 100, "ben", 2, 3)
    journal.add("killed", actor="ben", time=104, detail={"what": "worker"})
    turn(journal, "revoked", 106, "ana", 0, 1)
    turn(journal, "assigned", 106, "ana", 0, 1, 2, 3)
    journal.add("closed", actor="ana", time=110, group="registrar", member="id-ana")
    journal.add("closed", actor="ana", time=110.3, detail={"what": "worker"})
    journal.add("stored", topic="requests", partition=0, offset=0, time=9e9)
    return journal


def texts(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def lanes(ax: Axes) -> list[str]:
    return [label.get_text() for label in ax.get_yticklabels()]


def bars(ax: Axes, lane: int) -> list[tuple[float, float]]:
    """From where to where each bar of a lane goes. The bands behind the lanes are no bars."""
    found = [one for container in ax.containers for one in container.patches]
    here = [bar for bar in found if abs(bar.get_y() + bar.get_height() / 2 - lane) < 0.36]
    return [(round(bar.get_x(), 3), round(bar.get_x() + bar.get_width(), 3)) for bar in here]


def drawn(ax: Axes, label: str) -> list[tuple[list[float], list[float]]]:
    lines = [line for line in ax.lines if line.get_label() == label]
    return [([*map(float, x)], [*map(float, y)]) for x, y in (line.get_data() for line in lines)]


def test_ownership_has_a_bar_from_the_assignment_to_its_end(crash: Journal) -> None:
    for source in (crash, crash.to_frame()):
        ax = kit.plot_ownership(source)
        assert lanes(ax) == [f"partition {n}" for n in range(4)]
        assert bars(ax, 0) == bars(ax, 1) == [(0, 6), (6, 10)]
        assert bars(ax, 2) == bars(ax, 3) == [(0, 4), (6, 10)]
        assert drawn(ax, "gap") == [([4, 6], [2, 2]), ([4, 6], [3, 3])]
        assert drawn(ax, "killed") == [([4], [2]), ([4], [3])]
        assert drawn(ax, "closed") == [([10], [n]) for n in range(4)]
        found = texts(ax)
        assert (found.count("ana"), found.count("ben"), found.count("2.0 s")) == (6, 2, 2)
        assert (found.count("ben killed"), found.count("ana closed")) == (1, 1)
        assert "2.00 s, partition 2 and partition 3" in ax.get_title(loc="left")
        assert "partition 2: ben 0.0 to 4.0 and ana 6.0 to 10.0" in kit.describe(ax)


def test_bars_have_the_colour_of_their_partition(crash: Journal) -> None:
    ax = kit.plot_ownership(crash)
    edges = {to_hex(one.patches[0].get_edgecolor()).upper() for one in ax.containers}
    assert edges == set(PALETTE[:4])


def test_two_owners_at_the_same_time_are_both_seen() -> None:
    journal = Journal()
    turn(journal, "assigned", 0, "ana", 0)
    journal.add("paused", actor="ana", time=2)
    turn(journal, "assigned", 5, "ben", 0)
    turn(journal, "revoked", 8, "ana", 0, detail={"lost": True})
    journal.add("closed", actor="ben", time=9, group="registrar", member="id-ben")
    ax = kit.plot_ownership(journal)
    assert bars(ax, 0) == [(0, 8), (5, 9)]
    first, second = (one.patches[0] for one in ax.containers)
    assert first.get_y() + first.get_height() <= second.get_y() + 1e-9
    assert "Two owners at the same time: partition 0" in kit.describe(ax)
    assert "ana paused" in texts(ax)


def test_a_partition_that_nobody_lost_is_owned_until_the_last_row() -> None:
    journal = Journal()
    turn(journal, "assigned", 0, "ana", 1)
    journal.add("sent", time=3.0, actor="producer")
    ax = kit.plot_ownership(journal)
    assert lanes(ax) == ["partition 0", "partition 1"]
    assert (bars(ax, 0), bars(ax, 1)) == ([], [(0, 3)])
    assert kit.describe(ax).endswith("partition 1: ana 0.0 to 3.0. Never without an owner.")


def test_members_with_the_same_name_are_told_apart() -> None:
    journal = Journal()
    turn(journal, "assigned", 0, "consumer", 0, member="c-1111")
    turn(journal, "assigned", 0, "consumer", 1, member="c-2222")
    turn(journal, "revoked", 4, "consumer", 1, member="c-2222")
    turn(journal, "assigned", 4, "consumer", 1, member="c-1111")
    journal.add("closed", actor="consumer", time=9, group="registrar", member="c-1111")
    ax = kit.plot_ownership(journal)
    assert [bars(ax, 0), bars(ax, 1)] == [[(0, 9)], [(0, 4), (4, 9)]]
    assert texts(ax).count("consumer 1111") == 2 and "consumer 2222" in texts(ax)


def lag(journal: Journal, time: float, partition: int, lag: int | None, group: str = "g") -> None:
    detail = {"end": 100} if lag is None else {"end": 100, "lag": lag}
    journal.add("lag", time=time, topic="t", partition=partition, group=group, detail=detail)


def test_lag_has_a_line_for_each_partition_with_its_last_value() -> None:
    journal = Journal()
    for time in range(5):
        lag(journal, 10.0 + time, 0, 4 - time)
        lag(journal, 10.0 + time, 1, 1000 * time)
        lag(journal, 10.0 + time, 2, None)
    turn(journal, "revoked", 12.0, "ana", 0, group="g")
    turn(journal, "assigned", 12.1, "ana", 0, 1, group="g")
    turn(journal, "assigned", 11.0, "zoe", 0, group="other")
    journal.add("killed", actor="ana", time=13, detail={"what": "worker"})
    journal.add("closed", actor="producer", time=13)
    for source in (journal, journal.to_frame()):
        ax = kit.plot_lag(source)
        assert drawn(ax, "partition 0") == [([0, 1, 2, 3, 4], [4, 3, 2, 1, 0])]
        assert drawn(ax, "partition 1") == [([0, 1, 2, 3, 4], [0, 1000, 2000, 3000, 4000])]
        assert drawn(ax, "partition 2") == []
        assert texts(ax)[:2] == ["partition 0: 0", "partition 1: 4,000"]
        assert texts(ax)[2:] == ["rebalance", "ana killed"]
        assert "partition 1 goes from 0 to 4,000 (at most 4,000)" in kit.describe(ax)
        assert "Ana killed at 3.0 seconds." in kit.describe(ax)


def test_labels_of_equal_lag_do_not_lie_on_one_another() -> None:
    assert spread([5, 0, 0, 1], 2).tolist() == [6, 0, 2, 4]


def test_one_of_several_groups_must_be_chosen() -> None:
    journal = Journal()
    lag(journal, 1.0, 0, 7, "a")
    lag(journal, 1.0, 0, 9, "b")
    with pytest.raises(kit.KitError, match="a and b"):
        kit.plot_lag(journal)
    assert texts(kit.plot_lag(journal, group="b")) == ["partition 0: 9"]
    turn(journal, "assigned", 1, "ana", 0)
    turn(journal, "assigned", 1, "zoe", 1, group="audit")
    with pytest.raises(kit.KitError, match="audit and registrar"):
        kit.plot_ownership(journal)
    assert lanes(kit.plot_ownership(journal, group="registrar")) == ["partition 0"]


def test_timeline_has_a_lane_for_each_actor_and_a_row_for_each_kind(crash: Journal) -> None:
    journal = Journal()
    journal.add("sent", actor="producer", time=99, topic="t", partition=1, key="a")
    journal.add("sent", actor="producer", time=101, topic="t", partition=1, key="b")
    journal.add("fault", actor="proxy", time=101, partition=1, detail={"fault": "drop_ack"})
    journal.add("failed", actor="producer", time=102, detail={"error": "KafkaTimeoutError"})
    for source in (journal + crash, (journal + crash).to_frame()):
        ax = kit.plot_timeline(source)
        assert lanes(ax) == [
            "sent", "failed", "assigned", "revoked", "life", "assigned", "life", "fault"
        ]  # fmt: skip
        found = texts(ax)
        actors = [text for text in found if text in ("producer", "ana", "ben", "proxy")]
        assert actors == ["producer", "ana", "ben", "proxy"]
        assert {"drop_ack", "KafkaTimeoutError", "0, 1", "2, 3", "0-3", "killed"} <= set(found)
        assert found.count("closed") == 1, "a client and its process close once"
        assert drawn(ax, "sent") == [([0, 2], [0, 0])]
        colours = {line.get_color() for line in ax.lines if line.get_label() == "sent"}
        assert colours == {PALETTE[1]}
        several = {line.get_color() for line in ax.lines if line.get_label() == "assigned"}
        assert several.isdisjoint(PALETTE), "several partitions at once have no colour"
        legend = ax.get_legend()
        assert legend is not None
        assert [text.get_text() for text in legend.get_texts()] == ["partition 0", "1", "2", "3"]
        assert "producer: 2 sent and 1 failed" in kit.describe(ax)


def test_timeline_of_chosen_kinds(crash: Journal) -> None:
    ax = kit.plot_timeline(crash, kinds=("killed", "closed"))
    assert lanes(ax) == ["life", "life"]
    assert ax.get_legend() is None


@pytest.mark.parametrize("plot", PLOTS)
@pytest.mark.parametrize("empty", [Journal(), Journal().to_frame()])
def test_an_empty_journal_gives_a_sentence(plot: Callable[..., Axes], empty: Any) -> None:
    ax = plot(empty)
    assert kit.describe(ax).startswith("This journal")
    assert texts(ax) == [kit.describe(ax)]


@pytest.mark.parametrize("plot", PLOTS)
def test_any_name_is_text_and_the_given_axes_are_used(
    plot: Callable[..., Axes], crash: Journal
) -> None:
    turn(crash, "assigned", 107, "$\\frac{$ " * 9, 11, topic="$t$", member=None)
    lag(crash, 107.0, 0, 0, "registrar")
    _, mine = plt.subplots()
    before = list(crash)
    assert plot(crash, mine) is mine
    mine.figure.canvas.draw()  # would raise if a name were taken for a formula
    assert list(crash) == before
