"""Many points: what is left out cannot be seen. Labels keep their distance, every plot shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from matplotlib.axes import Axes

from kitlib.plots import _style
from kittools import course

SIZE = 60_000
WALK = np.random.default_rng(1).integers(-50, 51, SIZE).cumsum().astype(float)
LINE = {"ls": "-", "lw": 2, "ms": 0, "color": "#0072B2"}
DOTS = {"ls": "", "ms": 3, "mew": 0, "color": "#0072B2"}
CELLS = (
    "import kitlib as kit\n"
    "rows = [kit.Journal().add('stored', topic='t', partition=p, offset=0) for p in (0, 1)]\n"
    "journal = kit.Journal(rows)",
    "kit.plot_shares(journal);",
    "kit.plot_order(journal);",
)


def ink(draw: Callable[[Axes], object]) -> np.ndarray:
    """How dark each pixel of a picture is, from 0 to 255."""
    with mpl.rc_context({"backend": "agg"}):
        figure, ax = plt.subplots(figsize=(8, 3))
        ax.axis("off")
        draw(ax)
        figure.canvas.draw()
        pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3]  # type: ignore[attr-defined]
        plt.close(figure)
    return 255 - pixels.min(axis=2).astype(int)


def around(found: np.ndarray) -> np.ndarray:
    """These pixels and their neighbours."""
    shifts = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    return np.any([np.roll(found, shift, (0, 1)) for shift in shifts], axis=0)


@pytest.mark.parametrize(("how", "y"), [(LINE, WALK), (DOTS, np.zeros(SIZE))], ids=["line", "dots"])
def test_the_same_pixels_are_drawn(how: dict[str, Any], y: np.ndarray) -> None:
    x = np.arange(SIZE, dtype=float)
    x[SIZE // 2 :] += SIZE / 4  # a gap
    few = ink(lambda ax: _style.dense(ax, x, y, **how))
    all_ = ink(lambda ax: ax.plot(x, y, marker="o", **how))
    assert (all_ > 145).sum() > 1000
    assert not ((all_ > 145) & ~around(few > 20)).any(), "something is missing"
    assert not ((few > 145) & ~around(all_ > 20)).any(), "something was added"


def test_a_column_keeps_its_first_last_lowest_and_highest_point() -> None:
    pixels = np.array([0.0, 0.2, 0.4, 0.6, 0.8, 1.5, 1.6, 9.0])
    y = np.array([5.0, 1.0, 9.0, 9.0, 4.0, 3.0, 3.0, 0.0])
    assert _style.visible(pixels, y).tolist() == [0, 1, 2, 4, 5, 6, 7]
    assert _style.visible(np.arange(0), np.arange(0)).tolist() == []


def test_a_larger_picture_shows_more() -> None:
    x = np.arange(SIZE, dtype=float)
    seen = []
    with mpl.rc_context({"backend": "agg"}):
        figure, ax = plt.subplots()
        _style.dense(ax, x, WALK, **LINE)
        [line] = ax.lines
        for limits in ((0, SIZE), (0, 100)):
            ax.set_xlim(*limits)
            figure.canvas.draw()
            pixels = line.get_transform().transform(np.column_stack([x, WALK]))[:, 0]
            inside = (x >= 0) & (x < 100)
            kept = _style.visible(pixels, WALK)
            seen.append(int(inside[kept].sum()))
        assert len(line.get_xdata()) == SIZE
        plt.close(figure)
    assert seen[0] < 20 and seen[1] == 100


def test_labels_of_equal_lag_do_not_lie_on_one_another() -> None:
    assert _style.spread([5, 0, 0, 1], 2).tolist() == [6, 0, 2, 4]


def test_the_second_picture_shows_as_the_first_does(tmp_path: Path) -> None:
    path = tmp_path / "90_plots.ipynb"
    nbformat.write(
        nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS]), path
    )
    result = course.execute(path, output=tmp_path)
    assert result.passed, result.problem
    shown = [
        [output for output in cell.outputs if "image/png" in output.get("data", {})]
        for cell in nbformat.read(path, as_version=4).cells
    ]
    assert [len(pictures) for pictures in shown] == [0, 1, 1]
