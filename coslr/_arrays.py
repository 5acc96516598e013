"""Checks of arrays of learning rates, in the wording of `_arguments`."""

from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coslr._arguments import require, require_type

Array: TypeAlias = NDArray[np.float64]


def floats(name: str, value: ArrayLike) -> Array:
    """The value as an array of floats, of any shape.

    >>> floats("noise", [1, 2]).tolist()
    [1.0, 2.0]
    """
    try:
        return np.asarray(value, dtype=float)
    except (TypeError, ValueError):  # numpy's own message does not name the argument
        require_type(False, name, value, "a number or an array of numbers")
        raise


def checked_rates(name: str, rates: ArrayLike) -> Array:
    """Learning rates, one per update along the last axis: finite and at least 0.

    >>> checked_rates("rates", [0.1, -0.1])
    Traceback (most recent call last):
    ...
    ValueError: rates=[0.1, -0.1]: must be finite and at least 0
    """
    result = floats(name, rates)
    require(result.ndim >= 1 and result.shape[-1] > 0, name, rates, "one rate per update")
    right = "finite and at least 0"
    require(np.isfinite(result).all() and (result >= 0).all(), name, rates, right)
    return result


def rates_of_one_run(name: str, rates: ArrayLike) -> Array:
    """Learning rates of one run, one per update, of which at least one is above 0.

    >>> rates_of_one_run("rates", [[0.1], [0.2]])
    Traceback (most recent call last):
    ...
    ValueError: rates=[[0.1], [0.2]]: must be the rates of one run, one above 0 among them
    """
    result = checked_rates(name, rates)
    right = "the rates of one run, one above 0 among them"
    require(result.ndim == 1 and result.max() > 0, name, rates, right)
    return result
