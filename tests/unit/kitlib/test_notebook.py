"""How errors look in a notebook."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat

from kittools import course


def test_an_error_of_the_kit_is_shown_without_a_trace(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("import kitlib as kit\nkit.connect()")]
    )
    path = tmp_path / "99_wrong.ipynb"
    nbformat.write(notebook, path)
    os.environ["KIT_SECURITY_COLOUR"] = "<b>red</b>"
    os.environ["KIT_BOOTSTRAP_SERVERS"] = "127.0.0.1:1"
    try:
        result = course.execute(path, output=tmp_path / "out")
    finally:
        del os.environ["KIT_SECURITY_COLOUR"], os.environ["KIT_BOOTSTRAP_SERVERS"]
    assert "Unknown setting 'KIT_SECURITY_COLOUR'" in result.problem
    text = (tmp_path / "out" / path.name).read_text("utf-8")
    assert "Unknown setting 'KIT_SECURITY_COLOUR'" in text
    assert "external_connection" not in text
