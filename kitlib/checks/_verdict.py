"""What a check starts from and what it ends with: the rows it needs, a verdict and its sentence.

How each guarantee is judged is in `guarantees`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from html import escape

from kitlib.errors import KitError
from kitlib.journal import Journal, Row, expect_journal
from kitlib.journal.naming import event_numbers, name_of, places


@dataclass(frozen=True)
class Verdict:
    """What a check found; true as a bool if the guarantee holds.

    ok: whether it holds. claim: the guarantee, as a sentence. sentence: what the check found.
    rows: the rows that break the guarantee; empty if it holds.
    """

    ok: bool
    claim: str
    sentence: str
    rows: list[Row] = field(default_factory=list)

    def __bool__(self) -> bool:
        return self.ok

    def __repr__(self) -> str:
        return f"{'Holds' if self.ok else 'Broken'}: {self.claim}\n{self.sentence}"

    def _repr_html_(self) -> str:
        word, colour = ("Holds", "#1b6e3c") if self.ok else ("Broken", "#a32a1d")
        return html_box(repr(self), word, colour)


def html_box(text: str, word: str, colour: str) -> str:
    """The text as HTML, marked by a colour; `word` is bold where it stands first."""
    bold = f'<b style="color:{colour}">{word}</b>'
    html = escape(text).replace(word, bold, 1).replace("\n", "<br>")
    return f'<div style="border-left:4px solid {colour};padding-left:.7em">{html}</div>'


def rows_of(
    journal: Journal, kind: str | tuple[str, ...], needed: bool = True, **narrow: str | None
) -> list[Row]:
    """The rows of these kinds in the journal, of this topic and group where they are given.

    narrow: topic and group. Raises KitError for something else than a journal, and if it has none
    of the rows `needed`.
    """
    equals = {name: value for name, value in narrow.items() if value}
    rows = expect_journal(journal).rows(kind, **equals)
    if needed and not rows:
        kinds = kind if isinstance(kind, str) else " or ".join(kind)
        narrowed = "".join(f" of {name} {value!r}" for name, value in equals.items())
        fixes = {
            "stored": "Add the log to it: journal + kafka.read(topic).",
            "processed": "Let the worker write them: me.note('processed', record).",
        }
        raise KitError(
            what=f"The journal holds no {kinds} rows{narrowed}, so there is nothing to judge.",
            fix=fixes.get(kinds, "Let journal.record(client) record the client before it works."),
        )
    return rows


def namer(journal: Journal) -> Callable[..., str]:
    """A function that names the event of a row of this journal, such as "student S17, event 4,"."""
    numbers = cache(lambda: event_numbers(journal))  # only a broken guarantee needs them
    return lambda row, place="": name_of(row, numbers(), place)


def at(row: Row) -> str:
    """The place of a row in brackets, to follow its name; empty if it has none."""
    return "" if row.offset is None else f" ({places([row])})"


def verdict(claim: str, fine: str, faults: list[tuple[str, list[Row]]]) -> Verdict:
    """The verdict on a claim: `fine` if there are no faults, else the first one in words.

    faults: what is wrong, as the beginning of a sentence, with the rows that show it.
    """
    if not faults:
        return Verdict(True, claim, fine)
    text, more = faults[0][0], len(faults) - 1
    if more:
        text += f"; and {more:,} more like this"
    rows = [row for _, rows in faults for row in rows]
    return Verdict(False, claim, text[0].upper() + text[1:] + ".", rows)
