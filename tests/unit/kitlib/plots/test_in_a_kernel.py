"""In a notebook every plot shows, also those after a first one that the kit drew."""

from __future__ import annotations

from pathlib import Path

import nbformat

from kittools import course

CELLS = (
    "import kitlib as kit\n"
    "rows = [kit.Journal().add('stored', topic='t', partition=p, offset=0) for p in (0, 1)]\n"
    "journal = kit.Journal(rows)",
    "kit.plot_shares(journal);",
    "kit.plot_order(journal);",
)


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
