"""`python -m kitlib`: the command line, as the launcher `kit` starts it."""

from .cli import main

main()
