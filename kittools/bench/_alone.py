"""Runs one measurement in a Python process of its own, so that none warms or loads another.

A module that measures this way calls `answer(function)` when it is run; `ask` runs the module and
returns the answer. What is measured, and how often, is the module's business.
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


def ask(module: str, **arguments: Any) -> dict[str, float]:
    """Run a module of `kittools.bench`; returns what its function measured, by name.

    arguments: of that function, as JSON can hold them. Raises KitError if the process fails.
    """
    command = [sys.executable, "-m", f"kittools.bench.{module}", json.dumps(arguments)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    if ran.returncode:
        raise KitError(f"A measurement of {module} failed", ran.stderr.strip()[-800:])
    return dict(json.loads(ran.stdout.splitlines()[-1]))


def answer(measure: Callable[..., dict[str, float]]) -> None:
    """Call `measure` with the arguments of the command line, and print what it returns."""
    print(json.dumps(measure(**json.loads(sys.argv[1]))))
