"""Pictures without a window, and a journal for them."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
from pictures import owns

from kitlib.journal import Journal


@pytest.fixture(autouse=True)
def no_window() -> Iterator[None]:
    with mpl.rc_context({"backend": "agg"}):
        plt.switch_backend("agg")
        yield
    plt.close("all")


@pytest.fixture
def crash() -> Journal:
    """ana and ben share four partitions; ben is killed, and ana gets his after two seconds."""
    journal = Journal()
    owns(journal, "assigned", 100, "ana", 0, 1)
    owns(journal, "assigned", 100, "ben", 2, 3)
    journal.add("killed", actor="ben", time=104, detail={"what": "worker"})
    owns(journal, "revoked", 106, "ana", 0, 1)
    owns(journal, "assigned", 106, "ana", 0, 1, 2, 3)
    journal.add("closed", actor="ana", time=110, group="registrar", member="id-ana")
    journal.add("closed", actor="ana", time=110.3, detail={"what": "worker"})
    journal.add("stored", topic="requests", partition=0, offset=0, time=9e9)
    return journal
