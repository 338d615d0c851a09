"""The mechanism of the exercises: a prediction, a check on evidence, one of three outcomes.

`predict` keeps what the learner expects before the run. `exercise` calls the check of that number
with the prediction and the evidence (offsets, rows, verdicts; never the text of a cell) and returns
an `Outcome`: right; wrong, naming the misconception and where to look; or open, while something is
missing. It never raises for what a learner gave it. This module does not know what a right answer
is: the checks are in `exercises.lesson_NN`, found by that name when the first exercise of a lesson
is checked.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from kitlib.checks._verdict import html_box
from kitlib.errors import KitError

__all__ = ["Outcome", "exercise", "exercise_check", "open_", "predict", "right", "wrong"]

_PACKAGE = "exercises"  # by its name only: kitlib works without it, and does not depend on it
_STATES = {
    "right": ("Right", "#1b6e3c"),
    "wrong": ("Not yet", "#a32a1d"),
    "open": ("Open", "#6b5a00"),
}


@dataclass(frozen=True)
class Outcome:
    """The answer to one attempt at an exercise; true as a bool if it is right.

    state: "right", "wrong" or "open". message: what the evidence shows, which misconception is
    behind it ("wrong"), or what is missing ("open"). look_at: where to look; only with "wrong".
    exercise: its number, such as "02.1". prediction: what `predict` was given, `...` if nothing.
    """

    state: str
    message: str
    look_at: str = ""
    exercise: str = ""
    prediction: Any = None

    def __bool__(self) -> bool:
        return self.state == "right"

    def __repr__(self) -> str:
        look = f"\nLook at: {self.look_at}" if self.look_at else ""
        return f"Exercise {self.exercise}: {_STATES[self.state][0]}. {self.message}{look}"

    def _repr_html_(self) -> str:
        return html_box(repr(self), *_STATES[self.state])


def right(message: str) -> Outcome:
    """An Outcome for evidence that shows what it should; `message` says what that is."""
    return Outcome("right", message)


def wrong(misconception: str, look_at: str) -> Outcome:
    """An Outcome for evidence that contradicts the answer.

    misconception: what it shows and which belief explains that. look_at: where, in a few words.
    """
    return Outcome("wrong", misconception, look_at)


def open_(message: str) -> Outcome:
    """An Outcome while something is missing; `message` says what to do first."""
    return Outcome("open", message)


@dataclass(frozen=True)
class Prediction:
    """What the learner expects of an exercise.

    exercise: its number, such as "02.1". answer: any value, `...` while there is none.
    """

    exercise: str
    answer: Any

    def __repr__(self) -> str:
        if _blank(self.answer):
            return f"Exercise {self.exercise}: put your prediction in place of the three dots."
        return f"Exercise {self.exercise}: you predict {self.answer!r}. Now run it."


Check = Callable[..., Outcome]
_checks: dict[str, Check] = {}
_predictions: dict[str, Any] = {}  # the answers, by exercise


def predict(number: str, answer: Any = ...) -> Prediction:
    """Record what you expect of an exercise, before you run it; the last prediction counts.

    number: such as "02.1". answer: what the exercise asks for; `...` means not answered yet.
    Returns the Prediction, which says in words what was recorded. Raises nothing.
    """
    _predictions[str(number)] = answer
    return Prediction(str(number), answer)


def exercise_check(number: str) -> Callable[[Check], Check]:
    """Register a function `check(prediction, *evidence) -> Outcome` for exercise `number`.

    The check may raise a KitError for evidence that shows nothing yet: the outcome is then open.
    """

    def register(check: Check) -> Check:
        _checks[number] = check
        return check

    return register


def exercise(number: str, *evidence: Any, **named_evidence: Any) -> Outcome:
    """Check an exercise on what happened when you ran it.

    number: such as "02.1". evidence: what the exercise's check asks for; see its cell. Returns an
    Outcome. Evidence that is missing or cannot be judged raises nothing; the outcome is then open.
    """
    number = str(number)
    answer = _predictions.get(number, ...)
    outcome = _outcome(number, answer, evidence, named_evidence)
    return replace(outcome, exercise=number, prediction=answer)


def _outcome(number: str, answer: Any, evidence: Any, named: dict[str, Any]) -> Outcome:
    check = _find(number)
    if check is None:
        no_such = f"There is no exercise {number!r}. Its number is in the title of its cell."
        return open_(_not_installed() or no_such)
    if _blank(answer):
        return open_(f'Make your prediction first: kit.predict("{number}", ...), with your answer.')
    pieces = (*evidence, *named.values())
    if any(map(_blank, pieces)):
        return open_("Not attempted yet: the exercise cell still holds three dots.")
    try:
        outcome = check(answer, *evidence, **named)
        if not isinstance(outcome, Outcome):
            raise TypeError(f"the check of {number} returned no Outcome")
        return outcome
    except KitError as error:
        return open_(f"This cannot be judged yet. {error}")
    except Exception as error:
        logging.getLogger(__name__).debug("Exercise %s could not be checked", number, exc_info=True)
        types = ", ".join(type(piece).__name__ for piece in pieces)
        return open_(
            "This cannot be judged, because it is not what the check expects. The check was given "
            f"{types or 'nothing'} and met {type(error).__name__} ({error}). Run the cells of the "
            "exercise again, from its first one."
        )


def _find(number: str) -> Check | None:
    """The check of an exercise, or None. Raises what the import of its lesson's checks raises."""
    lesson = f"{_PACKAGE}.lesson_{number.split('.')[0]}"
    try:
        import_module(lesson)
    except ModuleNotFoundError as error:
        if error.name not in (lesson, _PACKAGE):  # the checks exist, and import what does not
            raise
    return _checks.get(number)


def _not_installed() -> str:
    """What keeps Python from finding the package of the checks; empty if it is there."""
    spec = find_spec(_PACKAGE)
    if spec is None:
        return (
            "The checks of the lessons are not installed: Python finds no package named "
            f"{_PACKAGE}. Open the notebook with ./kit lab, from the folder of the kit."
        )
    if spec.submodule_search_locations is None:
        return f"{spec.origin} hides the checks of the lessons. Rename it and restart the kernel."
    return ""


def _blank(value: Any) -> bool:
    """Whether three dots still stand where an answer belongs, alone or in a collection."""
    if isinstance(value, dict):
        return any(_blank(part) for part in value.values())
    if isinstance(value, list | tuple | set):
        return any(part is ... for part in value)
    return value is ...
