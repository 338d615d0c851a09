"""The plan of the house, read from the imports: who imports whom, circles, and one picture.

`python -m kittools.house` draws `docs/house.svg` anew. The tests use the same functions to keep the
plan: no import circle, nothing that points the wrong way. Imports are read as text, also those
inside functions and under TYPE_CHECKING; no module of the project is executed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from html import escape
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("kitlib", "exercises", "kittools")
PICTURE = ROOT / "docs" / "house.svg"
# Small modules that many rooms share; their arrows would hide all others.
FLOOR = ("errors", "_wait", "_notebook", "_look")

Graph = dict[str, set[str]]


def modules(root: Path = ROOT) -> dict[str, Path]:
    """The modules of the three packages: {dotted name: file}."""
    paths = [path for name in PACKAGES for path in sorted((root / name).rglob("*.py"))]
    return {
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path
        for path in paths
    }


def imports(root: Path = ROOT) -> Graph:
    """Which modules each module imports: {name: names}. A package stands for its `__init__`."""
    known = modules(root)
    return {
        name: set(_imported(ast.parse(path.read_text("utf-8")), known)) - {name}
        for name, path in known.items()
    }


def _imported(tree: ast.AST, known: Iterable[str]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                target = inner if inner in known else node.module
                if target in known:
                    yield target


def circle(graph: Graph) -> list[str]:
    """The names along one circle of the graph, the first again at the end; empty without one."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def room(module: str) -> str:
    """The room of a module: `kitlib.journal._row` lies in "journal", `kittools.cli` in "kittools".

    A module at the root of kitlib is a room of its own; `kitlib` itself is "kitlib".
    """
    package, _, rest = module.partition(".")
    return rest.split(".")[0] if package == "kitlib" and rest else package


def rooms(graph: Graph) -> Graph:
    """The same for rooms: {room: rooms it imports from}, without itself."""
    plan: Graph = {}
    for name, targets in graph.items():
        plan.setdefault(room(name), set()).update(map(room, targets))
    return {name: targets - {name} for name, targets in plan.items()}


# -- the picture -----------------------------------------------------------------------------------

_BOX_W, _BOX_H, _GAP_X, _GAP_Y, _BAR_H, _EDGE = 136, 50, 54, 20, 42, 20  # pixels


def picture(root: Path = ROOT) -> str:
    """The plan as SVG: rooms from left to right, an arrow from a room to each that imports it.

    Left out are the small modules that many share, which form the floor, the notebooks, which use
    all and form the roof, and arrows that follow from others.
    """
    plan = {
        name: targets - {*FLOOR, "kitlib"}
        for name, targets in rooms(imports(root)).items()
        if name not in (*FLOOR, "kitlib")
    }
    plan = _reduced(plan)
    columns = _columns(plan)
    width = len(columns) * (_BOX_W + _GAP_X) - _GAP_X + 2 * _EDGE
    tallest = max(map(len, columns)) * (_BOX_H + _GAP_Y) - _GAP_Y
    top = _EDGE + _BAR_H + _GAP_Y
    places = {
        name: (
            _EDGE + x * (_BOX_W + _GAP_X),
            top + (tallest - len(column) * (_BOX_H + _GAP_Y) + _GAP_Y) // 2 + y * (_BOX_H + _GAP_Y),
        )
        for x, column in enumerate(columns)
        for y, name in enumerate(column)
    }  # fmt: skip
    height = top + tallest + _GAP_Y + _BAR_H + _EDGE
    roof = "notebooks/: the lessons, which call kitlib"
    floor = f"the floor of kitlib: {', '.join(FLOOR)}"
    arrows = [
        _arrow(places[target], places[name])
        for name in sorted(plan)
        for target in sorted(plan[name])
    ]
    boxes = [_box(name, *places[name]) for name in sorted(places)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
            'font-family="system-ui, sans-serif">',
            "<title>The rooms of the project and what each builds on</title>",
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
            'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="#5b6b82"/></marker>'
            "</defs>",
            f'<rect width="{width}" height="{height}" rx="10" fill="#ffffff"/>',
            *arrows,
            *boxes,
            _bar(roof, width, _EDGE, "#fff3d6"),
            _bar(floor, width, height - _EDGE - _BAR_H, "#f2f4f7"),
            "</svg>",
            "",
        ]
    )


def _reduced(plan: Graph) -> Graph:
    """Without the arrows that follow from others."""

    def reach(name: str) -> set[str]:
        return plan[name].union(*map(reach, plan[name])) if plan[name] else set()

    return {
        name: targets - set().union(*(reach(target) for target in targets))
        for name, targets in plan.items()
    }


def _columns(plan: Graph) -> list[list[str]]:
    """The rooms by how much lies beneath them; in a column near the rooms that they build on."""
    level: dict[str, int] = {}
    for name in TopologicalSorter(plan).static_order():
        level[name] = max((level[target] + 1 for target in plan[name]), default=0)
    columns: list[list[str]] = [[] for _ in range(max(level.values()) + 1)]
    for name in sorted(level):
        columns[level[name]].append(name)
    height: dict[str, float] = {}
    for column in columns:
        column.sort(
            key=lambda name: (
                sum(height[t] for t in plan[name]) / len(plan[name]) if plan[name] else 0.5
            )
        )
        height |= {name: (y + 0.5) / len(column) for y, name in enumerate(column)}
    return columns


def _box(name: str, x: int, y: int) -> str:
    fill = {"exercises": "#e3f1e4", "kittools": "#eee8f6"}.get(name, "#e7eefb")
    return (
        f'<rect x="{x}" y="{y}" width="{_BOX_W}" height="{_BOX_H}" rx="6" fill="{fill}" '
        f'stroke="#5b6b82"/><text x="{x + _BOX_W // 2}" y="{y + 32}" font-size="21" '
        f'text-anchor="middle" fill="#1b2330">{name}</text>'
    )


def _arrow(start: tuple[int, int], end: tuple[int, int]) -> str:
    x1, y1, x2, y2 = start[0] + _BOX_W, start[1] + _BOX_H // 2, end[0] - 2, end[1] + _BOX_H // 2
    bend = (x2 - x1) // 2
    return (
        f'<path d="M{x1} {y1} C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}" fill="none" '
        'stroke="#5b6b82" stroke-width="1.3" marker-end="url(#tip)"/>'
    )


def _bar(words: str, width: int, y: int, fill: str) -> str:
    return (
        f'<rect x="{_EDGE}" y="{y}" width="{width - 2 * _EDGE}" height="{_BAR_H}" rx="6" '
        f'fill="{fill}" stroke="#5b6b82"/><text x="{width // 2}" y="{y + 27}" font-size="18" '
        f'text-anchor="middle" fill="#1b2330">{escape(words)}</text>'
    )


if __name__ == "__main__":
    PICTURE.write_text(picture(), "utf-8")
    print(PICTURE.relative_to(ROOT))
