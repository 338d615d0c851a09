"""The timeline: lanes, marks and words; looks are for eyes to judge."""

from __future__ import annotations

from pictures import drawn, lanes, texts

import kitlib as kit
from kitlib._look import PALETTE
from kitlib.journal import Journal


def test_timeline_has_a_lane_for_each_actor_and_a_row_for_each_kind(crash: Journal) -> None:
    journal = Journal()
    journal.add("sent", actor="producer", time=99, topic="t", partition=1, key="a")
    journal.add("sent", actor="producer", time=101, topic="t", partition=1, key="b")
    journal.add("fault", actor="proxy", time=101, partition=1, detail={"fault": "drop_ack"})
    journal.add("failed", actor="producer", time=102, detail={"error": "KafkaTimeoutError"})
    for source in (journal + crash, Journal.from_frame((journal + crash).to_frame())):
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
