"""The helper package of the notebook kit: it starts, breaks, records, judges and draws.

Kafka code stays in the notebooks: nothing here wraps it. Names are imported when they are first
used, so that a worker process that needs two of them starts fast.
"""

from importlib import import_module
from typing import Any

from kitlib._notebook import install as _install

_HOME = {
    "BadEvent": "events",
    "Broker": "broker",
    "Database": "database",
    "EnrollmentEvent": "events",
    "FaultPanel": "widgets",
    "Faults": "faults",
    "Journal": "journal",
    "KitError": "errors",
    "LagMeter": "lag",
    "LiveLag": "widgets",
    "LiveOrder": "widgets",
    "LiveOwnership": "widgets",
    "Replay": "widgets",
    "Workers": "workers",
    "check_commits": "checks",
    "check_duplicates": "checks",
    "check_lost": "checks",
    "check_order": "checks",
    "check_skipped": "checks",
    "connect": "broker.connect",
    "describe": "plots",
    "exercise": "checks.exercise",
    "load_events": "events",
    "load_lines": "events",
    "plot_lag": "plots",
    "plot_order": "plots",
    "plot_ownership": "plots",
    "plot_shares": "plots",
    "plot_timeline": "plots",
    "predict": "checks.exercise",
    "wait_until": "_wait",
}

__all__ = sorted(_HOME)
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"kitlib has no {name!r}; it has {', '.join(__all__)}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


_install()
