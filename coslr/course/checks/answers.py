"""What the exercise checkers share: the verdict, and how to read an answer of any kind."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# The article's example, on which several exercises stand.
ETA_MAX, ETA_MIN, EPOCHS = 0.1, 0.0001, 50


@dataclass(frozen=True)
class Feedback:
    """What a checker says: `right` is True, False, or None where nothing was attempted."""

    right: bool | None
    message: str

    def __repr__(self) -> str:
        sign = {True: "✓ Right.", False: "✗ Not yet.", None: "… Not attempted yet."}[self.right]
        return f"{sign} {self.message}".strip()


def yes(message: str = "") -> Feedback:
    """The answer is right; what there is to add."""
    return Feedback(True, message)


def no(message: str) -> Feedback:
    """The answer is wrong, and this is what is wrong with it."""
    return Feedback(False, message)


def untouched(*answers: Any) -> bool:
    """Whether the dots still stand in one of these places."""
    return any(answer is None or answer is ... for answer in answers)


NOT_YET = Feedback(None, "Put your answer in place of the dots, and run the cell again.")


def check_number(answer: Any, expected: float, hints: Mapping[str, float], digits: int) -> Feedback:
    """Right to one unit of so many significant digits; `hints`: mistake -> the number it gives."""
    if untouched(answer):
        return NOT_YET
    try:
        value = floats(answer)
    except Exception:
        value = np.array(math.nan)
    if value.shape != () or np.isnan(value):
        return no(f"The answer must be a number, not {answer!r}.")
    value = float(value)

    def near(number: float) -> bool:
        unit = 10.0 ** (math.floor(math.log10(abs(number))) + 1 - digits)
        return abs(value - number) <= unit

    if near(expected):
        return yes()
    for hint, number in hints.items():
        if near(number):
            return no(hint)
    if math.isclose(value, expected, rel_tol=0.01):
        return no(f"{value:.6g} is close, but not right to {digits} digits.")
    return no(f"{value:.6g} is too {'small' if value < expected else 'large'}.")


def choice(answer: Any, right: str, why: Mapping[str, str]) -> Feedback:
    """One of several words, such as "a" to "d"; `why`: each wrong one -> what speaks against it.

    >>> choice("B ", "a", {"b": "It rises."})
    ✗ Not yet. It rises.
    """
    if untouched(answer):
        return NOT_YET
    options = sorted({right, *why})
    word = answer.strip().lower() if isinstance(answer, str) else None
    if word not in options:
        return no(f"The answer must be one of {', '.join(map(repr, options))}, not {answer!r}.")
    return yes() if word == right else no(why[word])


def floats(answer: Any) -> np.ndarray:
    """`answer` as floats; numpy would take the text "0.9" for a number, and learners would too."""
    array = np.asarray(answer)
    if array.dtype.kind in "USbc":
        raise TypeError(f"{answer!r} is not made of real numbers")
    return array.astype(float)


def values(answer: Callable, arguments: Sequence[tuple]) -> np.ndarray | Feedback:
    """What the function `answer` gives for each of `arguments`, or a verdict where it cannot."""
    if untouched(answer):
        return NOT_YET
    if not callable(answer):
        return no(f"The answer must be a function, not {answer!r}.")
    try:
        found = [answer(*one) for one in arguments]
        if untouched(*found):
            return NOT_YET
        found = floats(found)
    except Exception as error:
        return fails(error)
    if found.shape != (len(arguments),):
        return no("Called once, it must return one number.")
    return found


def fails(error: Exception) -> Feedback:
    """The answer is a function, and raises."""
    return no(f"It fails: {type(error).__name__}: {error}")


def first_difference(found: np.ndarray, right: np.ndarray) -> int | None:
    """Where two rows of rates first differ; None where they do not. NaN always differs."""
    differ = ~np.isclose(found, right, rtol=1e-9, atol=1e-12)
    return int(np.argmax(differ)) if differ.any() else None


def same(found: np.ndarray, right: np.ndarray) -> bool:
    """Whether two rows of rates are equal up to rounding."""
    return first_difference(found, right) is None
