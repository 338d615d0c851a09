"""The errors of the kit, written for the person who meets them.

A `KitError` says what happened, why, and what to do about it, in plain sentences. Every error that
the kit raises on purpose is one. Kafka's errors are not: kafka-python raises its own, and the
lessons show them unchanged.
"""

from collections.abc import Iterable
from pathlib import Path

# The way to the commands: in a clone the launcher, elsewhere what the package has installed.
COMMAND = "./kit" if Path(__file__).parent.with_name("kit").is_file() else "kit"


class KitError(Exception):
    """An error with a reason and a way out.

    what, why, fix: str, one or more plain sentences each; `why` and `fix` may be empty. A subclass
    may set defaults for them as class attributes. `str(error)` gives the parts that are not empty,
    each on its own line. A fix names a command as in a clone, `./kit lab`.
    """

    what: str = ""
    why: str = ""
    fix: str = ""

    def __init__(self, what: str = "", why: str = "", fix: str = "") -> None:
        self.what = what or type(self).what
        self.why = why or type(self).why
        self.fix = (fix or type(self).fix).replace("./kit ", f"{COMMAND} ")
        # args hold all three, so that the error survives pickling on its way out of a worker.
        super().__init__(self.what, self.why, self.fix)

    def __str__(self) -> str:
        return "\n".join(_sentence(part) for part in self.args if part.strip())


def wrong_type(expected: str, value: object, fix: str = "") -> KitError:
    """The error for a value of another type: "Expected a journal, got list"."""
    return KitError(f"Expected {expected}, got {type(value).__name__}", fix=fix)


def unknown(kind: str, name: object, known: Iterable[str], fix: str = "") -> KitError:
    """The error for a name that does not exist: "Unknown design 'x'. Known are a, b"."""
    return KitError(f"Unknown {kind} {name!r}", f"Known are {', '.join(known) or 'none'}", fix)


def _sentence(text: str) -> str:
    """The text with a full stop, unless it already ends with a punctuation mark."""
    text = text.strip()
    return text if text.endswith((".", "!", "?", ":")) else text + "."
