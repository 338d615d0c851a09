"""What a benchmark reports, by name."""

from __future__ import annotations

from kittools.bench._table import Figure, Report


def figures(report: Report) -> dict[str, Figure]:
    assert len({one.what for one in report.figures}) == len(report.figures)
    return {one.what: one for one in report.figures}
