"""`python -m kittools`: the command line, as the launcher `kit` starts it."""

import sys
from pathlib import Path

try:
    from kittools.cli import main
except ImportError as error:
    environment = Path(sys.executable).parent.parent.resolve()
    fix = "Install the kit again, with all that it needs."
    if (environment / "kit-stamp").exists():  # the launcher made it
        fix = f"Remove the folder {environment} and run the same command again: it is made again."
    sys.stderr.write(f"kit: The environment of the kit is damaged.\n{error}.\n{fix}\n")
    raise SystemExit(1) from None

main()
