"""Learning rates: how a schedule gives them, and when two count as the same."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from coslr._arguments import number, positive, require, require_type
from coslr.schedules import Schedule

RateFunction = Callable[[Any], Any]  # from t to a rate, as every schedule is
Schedules = RateFunction | Sequence[RateFunction]  # one for all param groups, or one for each
Array: TypeAlias = NDArray[Any]

STRICT = 1e-9  # relative difference that two rates of a float64 loop may have
FLOAT32 = 1e-6  # the same in float32, which adds up a few roundings of 6e-8


def require_schedule(name: str, value: object) -> None:
    """Raise a ``TypeError`` unless the value is a schedule or another function of t.

    >>> require_schedule("schedule", 0.1)
    Traceback (most recent call last):
    ...
    TypeError: schedule=0.1: must be a schedule such as Cosine(50, eta_max=0.1), not float
    """
    # A class is callable too, but calling it with t would build a schedule.
    is_function = callable(value) and not isinstance(value, type)
    require_type(is_function, name, value, "a schedule such as Cosine(50, eta_max=0.1)")


def checked_tolerance(tolerance: float) -> float:
    """The largest relative difference that passes, if it does not let everything pass."""
    must_be = "a relative difference from 0 to 0.1"
    result = number("tolerance", tolerance, must_be)
    require(0 <= result <= 0.1, "tolerance", result, must_be)
    return result


def checked_steps_per_unit(steps_per_unit: float) -> float:
    """Updates in one unit of the schedule, if they are a number above 0."""
    must_be = "a number above 0, such as len(loader)"
    return positive("steps_per_unit", steps_per_unit, must_be)


def at_updates(schedule: RateFunction, steps_per_unit: float = 1) -> RateFunction:
    """The schedule as a function of the update index.

    Args:
        schedule: a schedule, or any function of t.
        steps_per_unit: optimizer updates in one unit of the schedule; ``len(loader)`` for epochs.

    Returns:
        A function of the update index. A `Schedule` is stretched, so that boundaries in epochs lie
        at whole updates; another function is called with the update divided by `steps_per_unit`.

    Example:
        >>> from coslr import Linear
        >>> at_updates(Linear(T_max=4, eta_max=0.4), steps_per_unit=100)(300)
        0.1
    """
    units = checked_steps_per_unit(steps_per_unit)
    if units == 1:
        return schedule
    if isinstance(schedule, Schedule):
        return schedule.stretch(units)
    return lambda update: schedule(update / units)


def stretched_twice(steps_per_unit: float, hold: int) -> str:
    """What to warn of if an epoch's updates are given twice; "" if they are not."""
    if not hold == steps_per_unit > 1:
        return ""
    return (
        f"steps_per_unit and hold are both {hold}, so one unit of the schedule lasts {hold} * "
        f"{hold} updates. For one rate an epoch, pass hold alone."
    )


def held(schedule: RateFunction, hold: int) -> RateFunction:
    """The rates of a loop that steps once in `hold` updates: update k has the rate at k // hold."""
    return schedule if hold == 1 else lambda update: schedule(update // hold)


def on_arrays(schedule: RateFunction) -> Callable[[Any], Array]:
    """The schedule as a function of arrays of times; NaN where it cannot be computed."""

    def one(t: float) -> float:
        try:
            return float(schedule(int(t) if t == int(t) else t))
        except Exception:  # a reader's own function may take whole updates only, or have an end
            return math.nan

    def each(times: Any) -> Array:
        times = np.maximum(np.asarray(times, dtype=float), 0.0)
        if isinstance(schedule, Schedule):
            try:
                return np.asarray(schedule(times), dtype=float)
            except Exception:  # a reader's own schedule may take numbers only
                pass
        different, where = np.unique(times, return_inverse=True)
        return np.array([one(t) for t in different.tolist()])[where].reshape(times.shape)

    return each


def largest_until(schedule: RateFunction, update: int, others: Iterable[float]) -> float:
    """The largest of some rates and, roughly, of the schedule from update 0 to this one."""
    scheduled = on_arrays(schedule)(np.linspace(0, update, 65).astype(int))
    rates = np.abs([*scheduled, *others])
    return float(rates[np.isfinite(rates)].max(initial=0.0))


def margin(largest: float, tolerance: float) -> float:
    """The absolute difference that two equal rates may have.

    A rate near 0, such as the last of a cosine, has the rounding errors of the largest rate that it
    was computed from. They are those of float32 at most, however coarse the tolerance.
    """
    return largest * min(max(tolerance, 1e-14), FLOAT32) or 1e-15


def agree(a: Any, b: Any, tolerance: float, largest: float) -> Any:
    """Where two arrays of rates are the same but for rounding; for `largest` see `margin`."""
    difference, size = np.abs(np.subtract(a, b)), np.maximum(np.abs(a), np.abs(b))
    allowed = np.maximum(tolerance * size, margin(largest, tolerance))
    return (difference <= allowed) & np.isfinite(size)


def written_precision(rates: Array) -> float:
    """The relative difference that the rounding of these rates can make.

    Rates that all fit into float32, or into six to nine digits, have been rounded to that, as some
    logs do. People write numbers with fewer digits themselves, so those are taken as exact.

    Example:
        >>> written_precision(np.array([0.1, 0.05])), written_precision(np.array([0.1, 0.0123457]))
        (1e-09, 2e-05)
    """
    size = np.abs(np.unique(rates[np.isfinite(rates) & (rates != 0)]))
    if not len(size):
        return STRICT
    mantissa = size / 10.0 ** np.floor(np.log10(size))  # from 1 to 10
    for digits in range(5, 10):
        shifted = mantissa * 10 ** (digits - 1)
        if (np.abs(shifted - np.rint(shifted)) < 1e-12 * shifted).all():
            # Rounding errs by half a unit of the last digit, and so does what is computed from it.
            return STRICT if digits == 5 else float(2 * 10.0 ** (1 - digits))
    return FLOAT32 if (size.astype(np.float32) == size).all() else STRICT
