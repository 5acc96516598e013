"""Checks of arguments, in one wording for the whole package: name, value, and what would be right.

    eta_max=-0.1: must be a learning rate above 0

A value of the wrong kind is a ``TypeError``, a wrong value of the right kind a ``ValueError``.
Each check takes the argument's name, its value, and `right`, which completes "must be ...".
"""

import math
import numbers
import operator
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np

LONGEST_REPR = 300  # an error that prints a whole array or model hides its own message


def shown(value: object) -> str:
    """The value as an error prints it; a long one loses its middle.

    >>> len(shown(list(range(1000))))
    305
    """
    try:
        text = repr(value)
    except Exception:  # an int of more than 4,300 digits, or an object whose repr is broken
        return f"<{type(value).__name__}>"
    if len(text) <= LONGEST_REPR:
        return text
    half = LONGEST_REPR // 2
    return f"{text[:half]} ... {text[-half:]}"


def require(condition: object, name: str, value: object, right: str) -> None:
    """Raise a ``ValueError`` unless the condition holds.

    >>> require(0.2 < 0.1, "eta_min", 0.2, "at most eta_max=0.1")
    Traceback (most recent call last):
    ...
    ValueError: eta_min=0.2: must be at most eta_max=0.1
    """
    if not condition:
        raise ValueError(f"{name}={shown(value)}: must be {right}")


def require_type(condition: object, name: str, value: object, right: str) -> None:
    """Raise a ``TypeError``, which also names the value's type, unless the condition holds.

    >>> require_type(callable(3), "schedule", 3, "a function of the update")
    Traceback (most recent call last):
    ...
    TypeError: schedule=3: must be a function of the update, not int
    """
    if not condition:
        raise TypeError(f"{name}={shown(value)}: must be {right}, not {type(value).__name__}")


def number(name: str, value: object, right: str = "a number") -> float:
    """The value as a finite Python int or float; bools, strings and arrays are refused.

    >>> number("eta_max", np.float32(0.5)), number("T_max", 50)
    (0.5, 50)
    >>> number("eta_max", math.nan)
    Traceback (most recent call last):
    ...
    ValueError: eta_max=nan: must be a number, and finite
    """
    if isinstance(value, np.generic):
        value = value.item()
    is_real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    require_type(is_real, name, value, right)
    try:
        result = value if isinstance(value, int) else float(value)  # type: ignore[arg-type]
        finite = math.isfinite(result)
    except OverflowError:  # an int or a fraction beyond every float
        finite = False
    require(finite, name, value, f"{right}, and finite")
    return result


def positive(name: str, value: object, right: str = "a number above 0") -> float:
    """A finite number above 0.

    >>> positive("D", 0)
    Traceback (most recent call last):
    ...
    ValueError: D=0: must be a number above 0
    """
    result = number(name, value, right)
    require(result > 0, name, result, right)
    return result


def not_negative(name: str, value: object, right: str = "a number from 0") -> float:
    """A finite number from 0.

    >>> not_negative("eta", 0)
    0
    """
    result = number(name, value, right)
    require(result >= 0, name, result, right)
    return result


def whole(name: str, value: object, right: str = "", *, least: int = 1) -> int:
    """A whole number from `least`, as an int: Python's integers and numpy's, no bools, no floats.

    >>> whole("epochs", np.int64(5))
    5
    >>> whole("epochs", 0)
    Traceback (most recent call last):
    ...
    ValueError: epochs=0: must be a whole number from 1
    """
    right = right or f"a whole number from {least}"
    is_integer = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    require_type(is_integer, name, value, right)
    result = operator.index(value)  # type: ignore[arg-type]
    require(result >= least, name, result, right)
    return result


def sequence(name: str, values: object, right: str) -> tuple[Any, ...]:
    """The values as a tuple; a string is no sequence here. The values themselves stay unchecked.

    >>> sequence("seeds", range(3), "a sequence of seeds")
    (0, 1, 2)
    """
    result: tuple[Any, ...] | None = None
    if isinstance(values, Iterable) and not isinstance(values, str | bytes):
        try:
            result = tuple(values)
        except TypeError:  # np.array(3.0) has an __iter__ that fails
            result = None
    require_type(result is not None, name, values, right)
    return result or ()


def increasing(name: str, values: object, right: str) -> tuple[float, ...]:
    """A tuple of finite numbers above 0, each above the one before.

    >>> increasing("milestones", [30, 45], "increasing update indices above 0")
    (30, 45)
    """
    result = tuple(
        positive(f"{name}[{i}]", value, f"one of {right}")
        for i, value in enumerate(sequence(name, values, right))
    )
    require(all(a < b for a, b in pairwise(result)), name, result, right)
    return result
