"""`python -m kitlib`: the command line, as the launcher `kit` starts it."""

import sys

try:
    from .cli import main
except ImportError as error:
    sys.stderr.write(
        f"kit: The environment of the kit is damaged.\n{error}.\n"
        f"Remove the folder {sys.prefix} and run the same command again: it is made anew.\n"
    )
    raise SystemExit(1) from None

main()
