"""`python -m kittools`: the command line, as the launcher `kit` starts it."""

import sys
from pathlib import Path

try:
    from kittools.cli import main
except ImportError as error:
    venv = Path(__file__).parent.parent / ".venv"
    fix = f"Remove the folder {venv} and run the same command again: it is made again."
    if not venv.is_dir():
        fix = "Install the kit again, with all that it needs."
    sys.stderr.write(f"kit: The environment of the kit is damaged.\n{error}.\n{fix}\n")
    raise SystemExit(1) from None

main()
