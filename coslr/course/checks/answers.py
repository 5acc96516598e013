"""What the exercise checkers share: the feedback they give, and how they read any answer."""

import math
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

# The article's example, on which several exercises stand.
ETA_MAX, ETA_MIN, EPOCHS = 0.1, 0.0001, 50


@dataclass(frozen=True)
class Feedback:
    """What a checker says of an answer.

    Attributes:
        is_right: True or False, or None as long as nothing was attempted.
        message: what is wrong with the answer; or, of a right one, what is worth knowing.

    Example:
        >>> wrong("The floor is missing.")
        ✗ Not yet. The floor is missing.
    """

    is_right: bool | None
    message: str

    def __repr__(self) -> str:
        sign = {True: "✓ Right.", False: "✗ Not yet.", None: "… Not attempted yet."}[self.is_right]
        return f"{sign} {self.message}".strip()


NOT_ATTEMPTED = Feedback(None, "Put your answer in place of the dots, and run the cell again.")
RETURNS_NOTHING = Feedback(
    None,
    "The function returns nothing. Replace the dots, if they are still there, and return your "
    "answer.",
)
TRAINS_NOTHING = Feedback(
    None,
    "The optimizer that your function is given makes no update yet: put your answer in place of "
    "the dots, and train with that optimizer.",
)


def correct(message: str = "") -> Feedback:
    """The answer is right; the message adds what is worth knowing."""
    return Feedback(True, message)


def wrong(message: str) -> Feedback:
    """The answer is wrong, and the message says what is wrong with it."""
    return Feedback(False, message)


def failed_with(error: Exception) -> Feedback:
    """The answer is a function, and calling it raised this error."""
    return wrong(f"It fails: {type(error).__name__}: {error}")


def not_attempted(*answers: object) -> bool:
    """Whether at least one of the answers is still the exercise's dots, or None."""
    return any(answer is None or answer is ... for answer in answers)


def check_number(
    answer: object, expected: float, hints: Mapping[str, float], digits: int, note: str = ""
) -> Feedback:
    """Feedback on a number, which is right to one unit of its last significant digit.

    Args:
        answer: the learner's.
        expected: the right number, not 0.
        hints: what to say of a usual mistake -> the number that it gives, not 0. Of these and the
            right number, the nearest counts.
        digits: how many significant digits count.
        note: what is worth knowing once the answer is right.

    Example:
        >>> check_number(0.25, 0.5, {"That is the square.": 0.25}, digits=2)
        ✗ Not yet. That is the square.
        >>> check_number(0.5, 0.5, {}, digits=2, note="So it is a half.")
        ✓ Right. So it is a half.
    """
    if not_attempted(answer):
        return NOT_ATTEMPTED
    value = number_or_nan(answer)
    if math.isnan(value):
        return wrong(f"The answer must be a number, not {reprlib.repr(answer)}.")

    def near(number: float) -> bool:
        unit = 10.0 ** (math.floor(math.log10(abs(number))) + 1 - digits)
        return abs(value - number) <= unit

    distance = {hint: abs(value - number) for hint, number in hints.items() if near(number)}
    if near(expected) and all(abs(value - expected) <= other for other in distance.values()):
        return correct(note)
    if distance:
        return wrong(min(distance, key=distance.__getitem__))
    if math.isclose(value, expected, rel_tol=0.01):
        return wrong(f"{value:.6g} is close, but not right to {digits} digits.")
    return wrong(f"{value:.6g} is too {'small' if value < expected else 'large'}.")


def check_choice(answer: object, expected: str, hints: Mapping[str, str]) -> Feedback:
    """Feedback on one of several words, such as "a" to "d".

    Args:
        answer: the learner's; capitals and spaces around it do not matter.
        expected: the right word.
        hints: each wrong word -> what speaks against it.

    Example:
        >>> check_choice("B ", "a", {"b": "It rises."})
        ✗ Not yet. It rises.
    """
    if not_attempted(answer):
        return NOT_ATTEMPTED
    options = sorted({expected, *hints})
    word = answer.strip().lower() if isinstance(answer, str) else ""
    if word not in options:
        listed = ", ".join(map(repr, options))
        return wrong(f"The answer must be one of {listed}, not {answer!r}.")
    return correct() if word == expected else wrong(hints[word])


def floats(answer: object) -> NDArray[np.float64]:
    """The answer as an array of floats.

    Raises:
        TypeError: it is made of something else, such as the text "0.9", which numpy alone would
            take for a number.
    """
    array = np.asarray(answer)
    if array.dtype.kind in "USbc":  # texts, bytes, truth values, complex numbers
        raise TypeError(f"{answer!r} is not made of real numbers")
    return array.astype(float)


def floats_or_nan(answer: object) -> NDArray[np.float64]:
    """The answer as an array of floats, or a single NaN if it is made of something else.

    >>> floats_or_nan([1, 2]).tolist(), float(floats_or_nan("0.9"))
    ([1.0, 2.0], nan)
    """
    try:
        return floats(answer)
    except Exception:  # numpy and the answer's own methods raise what they like
        return np.array(math.nan)


def number_or_nan(answer: object) -> float:
    """The answer as a number, or NaN if it is something else.

    >>> number_or_nan(2), number_or_nan([1, 2]), number_or_nan("0.9")
    (2.0, nan, nan)
    """
    array = floats_or_nan(answer)
    return float(array) if array.shape == () else math.nan


def values(answer: object, cases: Sequence[tuple[float, ...]]) -> NDArray[np.float64] | Feedback:
    """What the learner's function returns for each case, or the feedback if that is no number.

    Args:
        answer: the function, if it is one.
        cases: the arguments of each call.
    """
    if not_attempted(answer):
        return NOT_ATTEMPTED
    if not callable(answer):
        return wrong(f"The answer must be a function, not {answer!r}.")
    try:
        returned = [answer(*case) for case in cases]
        if not_attempted(*returned):
            return RETURNS_NOTHING
        found = floats(returned)
    except Exception as error:
        return failed_with(error)
    if found.shape != (len(cases),):
        return wrong("Called once, it must return one number.")
    return found


def rates_of_a_run(answer: object, updates: int) -> NDArray[np.float64] | Feedback:
    """The answer as one learning rate for each update, or the feedback if it is no such list.

    Args:
        answer: the learner's list or array.
        updates: how many rates there must be.

    Example:
        >>> rates_of_a_run([0.1, -0.1], updates=2)
        ✗ Not yet. Every rate must be a finite number and at least 0, and not all of them 0.
    """
    if not_attempted(answer) or (isinstance(answer, list | tuple) and not_attempted(*answer)):
        return NOT_ATTEMPTED
    if callable(answer):
        return wrong(
            f"The answer must be the {updates:,} rates themselves. If you have a schedule, call "
            f"it: schedule(np.arange({updates}))."
        )
    try:
        rates = floats(answer)
    except Exception:  # numpy and the answer's own methods raise what they like
        return wrong(f"The answer must be a list or an array of {updates:,} numbers.")
    if rates.shape != (updates,):
        return wrong(f"The answer must be {updates:,} rates, one for each update.")
    if not (np.isfinite(rates).all() and (rates >= 0).all() and rates.max() > 0):
        return wrong("Every rate must be a finite number and at least 0, and not all of them 0.")
    return rates


def first_difference(found: ArrayLike, right: ArrayLike, rtol: float = 1e-9) -> int | None:
    """The first index at which two rows of rates differ by more than rounding, or None.

    NaN differs from everything. For rates in float32 give an `rtol` of 1e-6.
    """
    differ = ~np.isclose(found, right, rtol=rtol, atol=1e-12)
    return int(np.argmax(differ)) if differ.any() else None


def same(found: ArrayLike, right: ArrayLike, rtol: float = 1e-9) -> bool:
    """Whether two rows of numbers are equal up to rounding; `rtol` as in `first_difference`."""
    return first_difference(found, right, rtol) is None


def known_mistake(
    found: NDArray[np.float64], mistakes: Iterable[tuple[str, ArrayLike]]
) -> Feedback | None:
    """The hint to the first mistake that gives just these numbers, or None.

    Args:
        found: what the learner's answer gives.
        mistakes: pairs of a hint and what the mistake gives.

    Example:
        >>> known_mistake(np.array([2.0, 4.0]), {"Halve it.": [2, 4], "Add one.": [0, 1]}.items())
        ✗ Not yet. Halve it.
        >>> known_mistake(np.array([2.0]), [("Halve it.", [2, 4])]) is None
        True
    """
    for hint, mistake in mistakes:
        if found.shape == np.shape(mistake) and same(found, mistake):
            return wrong(hint)
    return None
