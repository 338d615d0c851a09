"""The plan of the house holds: no import circle, and every import points the right way.

The imports are read by `kittools.house`, those inside functions and under TYPE_CHECKING too.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from kittools import house

# Each room may import from the layers before its own, never from its own or a later one. Data flows
# the same way: what the broker did becomes rows, and rows become verdicts and pictures.
LAYERS = (
    ("_look", "errors"),
    ("_notebook", "_wait", "events", "process"),
    ("journal",),
    ("checks", "database", "faults", "lag", "plots"),
    ("broker",),
    ("workers",),
    ("widgets",),
    ("kitlib",),
    ("exercises",),
    ("kittools",),
)
# What judges or draws knows rows and events, and no way to touch a broker.
PURE = {
    "checks": {"journal"},
    "plots": {"_look", "journal"},
    "exercises": {"checks", "events", "journal"},
}
GRAPH = house.imports()


def test_no_imports_form_a_circle() -> None:
    assert house.circle(GRAPH) == []
    assert house.circle(house.rooms(GRAPH)) == []


def test_a_circle_is_found_wherever_the_import_stands(tmp_path: Path) -> None:
    folder = tmp_path / "kitlib"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "a.py").write_text("from kitlib.b import x")
    (folder / "b.py").write_text("if TYPE_CHECKING:\n    from kitlib import c")
    (folder / "c.py").write_text("def f():\n    import kitlib.a")
    assert set(house.circle(house.imports(tmp_path))) == {"kitlib.a", "kitlib.b", "kitlib.c"}
    (folder / "c.py").write_text("")
    assert house.circle(house.imports(tmp_path)) == []


def test_every_room_has_its_layer_and_imports_from_lower_ones_only() -> None:
    layer = {room: number for number, rooms in enumerate(LAYERS) for room in rooms}
    plan = house.rooms(GRAPH)
    assert set(plan) == set(layer)
    wrong = [(r, t) for r, targets in plan.items() for t in targets if layer[t] >= layer[r]]
    assert wrong == []


def test_kitlib_imports_neither_exercises_nor_the_makers_tools() -> None:
    for name, targets in GRAPH.items():
        if name.split(".")[0] == "kitlib":
            assert {target.split(".")[0] for target in targets} <= {"kitlib"}, name


@pytest.mark.parametrize("room", PURE)
def test_what_judges_or_draws_does_not_reach_the_broker(room: str) -> None:
    assert house.rooms(GRAPH)[room] <= PURE[room] | set(house.FLOOR)


def test_kitlib_stays_small() -> None:
    """Lines of Python that are not blank, in all, in one module, and the files at its root."""
    lines = {
        name: sum(1 for line in path.read_text("utf-8").splitlines() if line.strip())
        for name, path in house.modules().items()
        if name.split(".")[0] == "kitlib"
    }
    assert sum(lines.values()) <= 6_500
    assert [name for name, count in lines.items() if count > 300] == []
    assert len(list((house.ROOT / "kitlib").glob("*.py"))) <= 8


def test_the_picture_is_drawn_from_todays_imports() -> None:
    drawn = house.PICTURE.read_text("utf-8")
    assert drawn == house.picture(), "draw it anew: .venv/bin/python -m kittools.house"
