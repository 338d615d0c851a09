"""Ownership: lanes, bars, marks and words; looks are for eyes to judge."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from pictures import drawn, lanes, owns, texts

import kitlib as kit
from kitlib._look import PALETTE
from kitlib.journal import Journal


def bars(ax: Axes, lane: int) -> list[tuple[float, float]]:
    """From where to where each bar of a lane goes. The bands behind the lanes are no bars."""
    found = [one for container in ax.containers for one in container.patches]
    here = [bar for bar in found if abs(bar.get_y() + bar.get_height() / 2 - lane) < 0.36]
    return [(round(bar.get_x(), 3), round(bar.get_x() + bar.get_width(), 3)) for bar in here]


def test_ownership_has_a_bar_from_the_assignment_to_its_end(crash: Journal) -> None:
    for source in (crash, Journal.from_frame(crash.to_frame())):
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
    owns(journal, "assigned", 0, "ana", 0)
    journal.add("paused", actor="ana", time=2)
    owns(journal, "assigned", 5, "ben", 0)
    owns(journal, "revoked", 8, "ana", 0, detail={"lost": True})
    journal.add("closed", actor="ben", time=9, group="registrar", member="id-ben")
    ax = kit.plot_ownership(journal)
    assert bars(ax, 0) == [(0, 8), (5, 9)]
    first, second = (one.patches[0] for one in ax.containers)
    assert first.get_y() + first.get_height() <= second.get_y() + 1e-9
    assert "Two owners at the same time: partition 0" in kit.describe(ax)
    assert "ana paused" in texts(ax)


def test_a_partition_that_nobody_lost_is_owned_until_the_last_row() -> None:
    journal = Journal()
    owns(journal, "assigned", 0, "ana", 1)
    journal.add("sent", time=3.0, actor="producer")
    ax = kit.plot_ownership(journal)
    assert lanes(ax) == ["partition 0", "partition 1"]
    assert (bars(ax, 0), bars(ax, 1)) == ([], [(0, 3)])
    assert kit.describe(ax).endswith("partition 1: ana 0.0 to 3.0. Never without an owner.")


def test_members_with_the_same_name_are_told_apart() -> None:
    journal = Journal()
    owns(journal, "assigned", 0, "consumer", 0, member="c-1111")
    owns(journal, "assigned", 0, "consumer", 1, member="c-2222")
    owns(journal, "revoked", 4, "consumer", 1, member="c-2222")
    owns(journal, "assigned", 4, "consumer", 1, member="c-1111")
    journal.add("closed", actor="consumer", time=9, group="registrar", member="c-1111")
    ax = kit.plot_ownership(journal)
    assert [bars(ax, 0), bars(ax, 1)] == [[(0, 9)], [(0, 4), (4, 9)]]
    assert texts(ax).count("consumer 1111") == 2 and "consumer 2222" in texts(ax)
