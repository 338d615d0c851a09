"""The mechanism of the exercises: a prediction, a check on evidence, one of three outcomes.

`predict` keeps what the learner expects before the run. `exercise` calls the check of that number
with the prediction and the evidence (offsets, rows, verdicts; never the text of a cell) and returns
an `Outcome`: right; wrong, naming the misconception and where to look; or open, while something is
missing. It never raises for what a learner gave it. The checks are in `exercises.lesson_NN`,
imported when the first exercise of their lesson is checked.
"""

from __future__ import annotations

import importlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any

from kitlib.errors import KitError

__all__ = [
    "Outcome",
    "exercise",
    "exercise_check",
    "open_",
    "predict",
    "right",
    "wrong",
]

_STATES = {
    "right": ("Right", "#1b6e3c"),
    "wrong": ("Not yet", "#a32a1d"),
    "open": ("Open", "#6b5a00"),
}


@dataclass(frozen=True)
class Outcome:
    """The answer to one attempt at an exercise.

    state: "right", "wrong" or "open". message: what was found; for "wrong" the misconception.
    look_at: where to look. time: seconds since the epoch.
    """

    state: str
    message: str
    look_at: str = ""
    exercise: str = ""
    prediction: Any = None
    time: float = field(default_factory=time.time)

    @property
    def right(self) -> bool:
        return self.state == "right"

    def __bool__(self) -> bool:
        return self.right

    def __repr__(self) -> str:
        look = f"\nLook at: {self.look_at}" if self.look_at else ""
        return f"Exercise {self.exercise}: {_STATES[self.state][0]}. {self.message}{look}"

    def _repr_html_(self) -> str:
        word, colour = _STATES[self.state]
        look = f"<br><i>Look at:</i> {escape(self.look_at)}" if self.look_at else ""
        return (
            f'<div style="border-left:4px solid {colour};padding-left:.7em">Exercise '
            f'{escape(self.exercise)}: <b style="color:{colour}">{word}.</b> '
            f"{escape(self.message)}{look}</div>"
        )


def right(message: str) -> Outcome:
    """The evidence shows it; `message` says what it shows."""
    return Outcome("right", message)


def wrong(misconception: str, look_at: str) -> Outcome:
    """The evidence contradicts it; says which belief is behind that, and where to look."""
    return Outcome("wrong", misconception, look_at)


def open_(message: str) -> Outcome:
    """Not attempted yet; `message` says what to do first."""
    return Outcome("open", message)


@dataclass(frozen=True)
class Prediction:
    """What the learner expects, and when (seconds since the epoch) that was written down."""

    exercise: str
    answer: Any
    time: float = field(default_factory=time.time)

    def __repr__(self) -> str:
        if _blank(self.answer):
            return f"Exercise {self.exercise}: put your prediction in place of the three dots."
        return f"Exercise {self.exercise}: you predict {self.answer!r}. Now run it."


Check = Callable[..., Outcome]
_checks: dict[str, Check] = {}
_predictions: dict[str, Prediction] = {}


def predict(number: str, answer: Any = ...) -> Prediction:
    """Record what you expect of exercise `number`, such as "02.1"; `...` means not answered yet."""
    prediction = _predictions[str(number)] = Prediction(str(number), answer)
    return prediction


def exercise_check(number: str) -> Callable[[Check], Check]:
    """Register a function `check(prediction, *evidence) -> Outcome` for an exercise."""

    def register(check: Check) -> Check:
        _checks[number] = check
        return check

    return register


def exercise(number: str, *evidence: Any, **named_evidence: Any) -> Outcome:
    """Check an exercise on its evidence. Never raises; a missing piece gives an open outcome."""
    number = str(number)
    given = _predictions.get(number)
    answer = ... if given is None else given.answer
    outcome = _outcome(number, answer, evidence, named_evidence)
    return replace(outcome, exercise=number, prediction=answer)


def _outcome(number: str, answer: Any, evidence: Any, named: dict[str, Any]) -> Outcome:
    check = _find(number)
    if check is None:
        return open_(f"There is no exercise {number!r}. Its number is in the title of its cell.")
    if _blank(answer):
        return open_(f'Make the prediction first: kit.predict("{number}", ...) with your answer.')
    if any(_blank(piece) for piece in (*evidence, *named.values())):
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
        pieces = ", ".join(type(piece).__name__ for piece in (*evidence, *named.values()))
        return open_(
            "This cannot be judged, because it is not what the check expects: it was given "
            f"{pieces or 'nothing'}, and met {type(error).__name__} ({error}). Run the exercise's "
            "cells again from its first one."
        )


def _find(number: str) -> Check | None:
    lesson = f"exercises.lesson_{number.split('.')[0]}"
    try:
        importlib.import_module(lesson)
    except ModuleNotFoundError as error:
        if error.name != lesson:  # the lesson's checks are there, and need what is not
            raise
    return _checks.get(number)


def _blank(value: Any) -> bool:
    """Whether three dots still stand where an answer belongs, alone or inside a collection."""
    if isinstance(value, dict):
        return any(_blank(part) for part in value.values())
    if isinstance(value, list | tuple | set):
        return any(part is ... for part in value)
    return value is ...
