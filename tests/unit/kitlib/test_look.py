"""One look: plots and player mean the same by a colour and by a shape."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import to_hex
from matplotlib.markers import MarkerStyle

import kitlib as kit
from kitlib._look import CUTS, GLYPHS, LIFE, PALETTE, SHAPES
from kitlib.journal import KINDS, Journal
from kitlib.widgets import views

PLAYER = (Path(views.__file__).parent / "timeline.js").read_text("utf-8")


def looks() -> list[dict[str, Any]]:
    """What the player is given: by a live view, and on a page without a kernel."""
    view, replay = kit.LiveOrder(Journal()), kit.Replay(Journal())
    view.stop()
    [data] = re.findall(r"<script type=\"application/json\">(.*)</script>", replay.page())
    return [view.get_state()["look"], json.loads(data)["look"]]


def test_the_player_is_given_the_look_of_the_plots() -> None:
    for look in looks():
        assert tuple(look["palette"]) == PALETTE
        assert look["shapes"] == SHAPES
        assert look["glyphs"] == GLYPHS
        assert tuple(look["cuts"]) == CUTS
    assert not any(colour in PLAYER.upper() for colour in PALETTE), "the player repeats no colour"


@pytest.mark.parametrize("partition", [0, 1, len(PALETTE) - 1, len(PALETTE), 40])
def test_a_partition_has_the_colour_that_the_player_gives_it(partition: int) -> None:
    journal = Journal()
    journal.add("acked", topic="t", partition=partition, offset=0)
    with mpl.rc_context({"backend": "agg"}):
        bars = kit.plot_shares(journal).patches
    expected = looks()[1]["palette"][partition % len(PALETTE)]
    assert to_hex(bars[partition].get_facecolor()).upper() == expected
    plt.close("all")
    assert "palette[partition % this.look.palette.length]" in PLAYER


def test_every_kind_has_a_shape_that_both_can_draw_and_a_glyph_for_it() -> None:
    assert set(SHAPES) == set(KINDS)
    assert set(SHAPES.values()) == set(GLYPHS)
    assert len(set(GLYPHS.values())) == len(GLYPHS)
    for shape in GLYPHS:
        assert shape in MarkerStyle.markers
        assert f'case "{shape}":' in PLAYER
    for kind in KINDS:
        assert f'case "{kind}": return' in PLAYER, "the player has a sentence for it"


@pytest.mark.parametrize("kind", KINDS)
def test_the_timeline_draws_each_kind_in_its_shape(kind: str) -> None:
    journal = Journal()
    journal.add(kind, actor="ana", topic="t", partition=1, offset=0)
    with mpl.rc_context({"backend": "agg"}):
        ax = kit.plot_timeline(journal, kinds=KINDS)
    [mark] = [line for line in ax.lines if line.get_label() == kind]
    assert mark.get_marker() == SHAPES[kind]
    assert mark.get_color() == PALETTE[1]
    plt.close("all")


def test_what_happens_to_an_actor_is_named_once() -> None:
    assert set(CUTS) < set(LIFE) < set(KINDS)
