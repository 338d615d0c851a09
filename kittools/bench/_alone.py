"""Runs one measurement in a Python process of its own, so that none warms or loads another.

A module that measures so ends on `answer(function)`; `ask` runs it and gives what it answered.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kitlib.errors import KitError

ROOT = Path(__file__).parent.parent.parent


def ask(module: str, **what: Any) -> dict[str, float]:
    """Run a module of `kittools.bench` and return its figures. Raises KitError if it fails."""
    command = [sys.executable, "-m", f"kittools.bench.{module}", json.dumps(what)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    if ran.returncode:
        raise KitError(f"A measurement of {module} failed", ran.stderr.strip()[-800:])
    return dict(json.loads(ran.stdout.splitlines()[-1]))


def answer(measure: Callable[..., dict[str, float]]) -> None:
    """Measure what the command line asks for, and print the figures."""
    print(json.dumps(measure(**json.loads(sys.argv[1]))))
