"""What a matplotlib picture shows, read from its Axes, and rows to draw pictures of."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes

from kitlib.journal import Journal


def texts(ax: Axes) -> list[str]:
    """The texts inside and beside the axes, without title and tick labels."""
    return [text.get_text() for text in ax.texts]


def lanes(ax: Axes) -> list[str]:
    """The labels along the y axis."""
    return [label.get_text() for label in ax.get_yticklabels()]


def drawn(ax: Axes, label: str) -> list[tuple[list[float], list[float]]]:
    """The x and the y of each line with this label."""
    lines = [line for line in ax.lines if line.get_label() == label]
    return [([*map(float, x)], [*map(float, y)]) for x, y in (line.get_data() for line in lines)]


def owns(journal: Journal, kind: str, time: float, who: str, *partitions: int, **more: Any) -> None:
    """Add a row "assigned" or "revoked" for each partition, of the group "registrar"."""
    facts = {"topic": "requests", "group": "registrar", "member": f"id-{who}"} | more
    for partition in partitions:
        journal.add(kind, actor=who, time=time, partition=partition, **facts)


def lags(journal: Journal, time: float, partition: int, lag: int | None, group: str = "g") -> None:
    """Add a row "lag"; None if nothing is committed."""
    detail = {"end": 100} if lag is None else {"end": 100, "lag": lag}
    journal.add("lag", time=time, topic="t", partition=partition, group=group, detail=detail)
