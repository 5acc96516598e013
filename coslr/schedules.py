"""Learning-rate schedules as plain values: pure, frozen, comparable, and needing numpy alone.

A schedule is called with the update index ``t`` and returns the learning rate of that update. All
schedules here share these rules:

* N updates use t = 0 ... N-1.
* ``t`` is a Python number, a numpy array of any shape, or a JAX tracer. The result has its shape.
* The unit is yours. ``Cosine(T_max=50, ...)`` lasts 50 updates if you call it with updates, and 50
  epochs if you call it with epochs. ``schedule.stretch(updates_per_epoch)`` turns a schedule in
  epochs into the same schedule in updates.
* Before t = 0 a schedule holds its first value, and after ``.length`` its last value.
* Both ends are exact: ``Cosine(T_max, eta_max, eta_min)(T_max)`` is `eta_min`, to the last bit.
* A wrong argument raises a ``TypeError`` (wrong kind) or a ``ValueError`` (wrong value), whose
  message names the argument, its value, and what would be right.

The file reads from top to bottom: the formula, the checks of arguments, what all schedules share,
the cosine and its restarts, the other families, and last the two ways to combine schedules.
"""

import math
import numbers
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import cos, pi
from typing import Any, Literal, Protocol, TypeAlias, cast, overload

import numpy as np
from numpy.typing import NDArray

from coslr._arguments import (
    increasing,
    not_negative,
    number,
    positive,
    require,
    require_type,
    sequence,
)
from coslr._configs import arguments_of, from_config, rebuilt, to_config

# Endless schedules count their cycles (or steps) only up to this update.
HORIZON = 1e18

# Formulas take numbers and arrays alike. A JAX array counts as an array here.
Values: TypeAlias = float | NDArray[np.float64]
Time: TypeAlias = Values
Rate: TypeAlias = Values
Condition: TypeAlias = bool | NDArray[np.bool_]
Side: TypeAlias = Literal["left", "right"]

# ------------------------------------------------------------------------------- the formula


def cosine(t: Any, T_max: float, eta_max: float, eta_min: float = 0.0) -> Any:
    r"""The cosine annealing formula: half a cosine wave from `eta_max` down to `eta_min`.

    .. math:: \eta_t = \eta_{min} + \tfrac12 (\eta_{max}-\eta_{min})
              \left(1 + \cos\frac{\pi\,t}{T_{max}}\right)

    In floating point this form can miss `eta_max` by a rounding error at t = 0. So arrays, and
    numbers at the ends, are computed as ``eta_max * w + eta_min * (1 - w)`` with
    ``w = (1 + cos(pi * t / T_max)) / 2``, which is the same on paper and exact at both ends.

    Args:
        t: update index (or epoch, in the unit of `T_max`): number, numpy array or JAX tracer.
        T_max: where the rate reaches `eta_min`, above 0, in the unit of `t`.
        eta_max: learning rate at t = 0, above 0.
        eta_min: learning rate from t = `T_max` on, from 0 to `eta_max`.

    Returns:
        The learning rate in the shape of `t`, `eta_max` for t <= 0 and `eta_min` for t >= `T_max`.

    Raises:
        ValueError, TypeError: an argument is wrong; the message names it and says what is right.

    Example:
        The article's numbers, 0.1 to 0.0001 over 50 epochs: the start, the middle, the end, and
        after the end.

        >>> [round(cosine(t, 50, 0.1, 0.0001), 6) for t in (0, 25, 50, 60)]
        [0.1, 0.05005, 0.0001, 0.0001]

    Source: Loshchilov & Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017,
    equation 5.
    """
    return Cosine(T_max, eta_max, eta_min)(t)


class ArrayNamespace(Protocol):
    """What a formula may use of `xp`, for numbers, numpy and JAX alike.

    These functions of numpy: abs, asarray, clip, cos, exp, floor, log, maximum, minimum,
    searchsorted, sin, sqrt, tanh and where.
    """

    def abs(self, x: Values, /) -> Values: ...
    def asarray(self, values: Sequence[float], /, *, dtype: type[float]) -> Any: ...
    def clip(self, x: Values, low: Values, high: Values, /) -> Values: ...
    def cos(self, x: Values, /) -> Values: ...
    def exp(self, x: Values, /) -> Values: ...
    def floor(self, x: Values, /) -> Values: ...
    def log(self, x: Values, /) -> Values: ...
    def maximum(self, x: Values, y: Values, /) -> Values: ...
    def minimum(self, x: Values, y: Values, /) -> Values: ...
    def searchsorted(self, table: Any, x: Values, /, *, side: Side) -> Any: ...
    def sin(self, x: Values, /) -> Values: ...
    def sqrt(self, x: Values, /) -> Values: ...
    def tanh(self, x: Values, /) -> Values: ...
    def where(self, condition: Condition, yes: Values, no: Values, /) -> Values: ...


class _Numbers:
    """Stands in for numpy where t is a Python number, so that each formula is written once.

    On one number, `math` is many times faster than numpy.
    """

    abs, cos, exp, floor, log = math.fabs, math.cos, math.exp, math.floor, math.log
    maximum, minimum = max, min
    sin, sqrt, tanh = math.sin, math.sqrt, math.tanh

    @staticmethod
    def asarray(values: Sequence[float], dtype: type[float]) -> Sequence[float]:
        return values

    @staticmethod
    def clip(x: float, low: float, high: float) -> float:
        return low if x < low else high if x > high else x

    @staticmethod
    def searchsorted(table: Sequence[float], x: float, side: Side) -> int:
        return bisect_left(table, x) if side == "left" else bisect_right(table, x)

    @staticmethod
    def where(condition: bool, yes: float, no: float) -> float:
        return yes if condition else no


_NUMBERS = cast(ArrayNamespace, _Numbers)
_NUMPY: ArrayNamespace = np


def _cosine_weight(t: Time, T_max: Values, xp: ArrayNamespace) -> Values:
    """The falling half wave, from 1 at t <= 0 to 0 at t >= T_max.

    Clip before dividing: T_max / T_max is exactly 1, and no t is too large.
    """
    return 0.5 + 0.5 * xp.cos(math.pi * (xp.clip(t, 0, T_max) / T_max))


def _linear_weight(t: Time, T_max: Values, xp: ArrayNamespace) -> Values:
    """The falling straight line, from 1 at t <= 0 to 0 at t >= T_max.

    1 - t / T_max would be wrong at the end: JAX's compiler replaces the division by a
    multiplication with 1 / T_max, whose rounding error can make the weight negative.
    """
    return (T_max - xp.clip(t, 0, T_max)) / T_max


def _sqrt_weight(t: Time, T_max: Values, xp: ArrayNamespace) -> Values:
    """One minus a square root, from 1 to 0: steep at first (Hägele et al. 2024).

    The square root has an infinite slope at 0, which would break automatic differentiation. The
    second clip avoids it and changes no value, because 1 - 1e-17 is 1 in floating point.
    """
    return 1.0 - xp.sqrt(xp.clip(xp.clip(t, 0, T_max) / T_max, 1e-34, 1.0))


_SHAPES = {"linear": _linear_weight, "cosine": _cosine_weight, "sqrt": _sqrt_weight}


def _interpolate(low: Rate, high: Rate, w: Values) -> Rate:
    """`high` at w = 1 and `low` at w = 0, both exact."""
    return high * w + low * (1.0 - w)


def _whole(t: float) -> float:
    """The whole number that `t` misses by rounding errors alone, else `t`.

    10 * 1.1 is 11.000000000000002 in floating point. A boundary there would come one update late.
    """
    if isinstance(t, int) or not math.isfinite(t):
        return t
    nearest = round(t)
    return nearest if abs(t - nearest) <= 8 * math.ulp(t) else t


def _early(t: float) -> float:
    """The same, and a fraction becomes a few rounding errors smaller.

    Two fractions may add up to a whole update, as a warm-up of 46.9 updates and a drop 2298.1
    updates later do. With both a little early, no rounding error can make that update miss the
    drop.
    """
    t = _whole(t)
    return t if isinstance(t, int) else t * (1 - 2**-51)


# ---------------------------------------------------------------------- checks of arguments


def _duration(name: str, value: object) -> float:
    """A number of updates (or epochs) above 0, within limits that keep all products finite."""
    result = positive(name, value, "a number of updates (or epochs) above 0")
    right = "a number of updates (or epochs) between 1e-100 and 1e300"
    require(1e-100 < result < 1e300, name, result, right)
    return _within_int32(result)


def _within_int32(t: float) -> float:
    """The same time, as a float where it is beyond JAX's integers, which have 32 bits."""
    return float(t) if t >= 2**31 else t


def _increasing_times(name: str, values: object) -> tuple[float, ...]:
    """A tuple of durations, each above the one before."""
    times = increasing(name, values, "increasing update indices above 0")
    return tuple(_duration(f"{name}[{i}]", time) for i, time in enumerate(times))


def _rates(eta_max: object, eta_min: object) -> dict[str, float]:
    """`eta_max` and `eta_min`, checked in the same way for every schedule that has them."""
    high = positive("eta_max", eta_max, "a learning rate above 0")
    right = f"a learning rate from 0 to eta_max={high!r}"
    low = not_negative("eta_min", eta_min, right)
    require(low <= high, "eta_min", low, right)
    return {"eta_max": high, "eta_min": low}


def _factor(name: str, value: object) -> float:
    right = "a factor above 0 and at most 1"
    result = positive(name, value, right)
    require(result <= 1, name, result, right)
    return result


def _cycles_or_none(value: object) -> int | None:
    if value is None:
        return None
    right = "a whole number of cycles from 1, or None for no end"
    result = number("cycles", value, right)
    require(result >= 1 and result == int(result), "cycles", result, right)
    return int(result)


def _require_schedule(name: str, value: object) -> None:
    right = "a schedule such as Cosine(50, eta_max=0.1)"
    require_type(isinstance(value, Schedule), name, value, right)


def _store(schedule: "Schedule", **values: object) -> None:
    """Write checked values into a schedule, which is frozen for everybody else."""
    for name, value in values.items():
        object.__setattr__(schedule, name, value)


# ---------------------------------------------------------------- what all schedules share


class Schedule:
    """A learning rate for every update: the base of all schedules, called with ``t``.

    A schedule of your own is a frozen dataclass that inherits from this class and defines
    ``formula(t, xp)``. You write the formula once. It is called with numbers and with arrays, and
    `xp` computes on them: numpy for its arrays, ``jax.numpy`` for JAX's, and for a Python number a
    fast stand-in, which has the functions that :class:`ArrayNamespace` lists. To choose between two
    expressions, write ``xp.where(condition, yes, no)``, because an ``if`` cannot choose for each
    element of an array.

    If your schedule ends, define ``length`` too, and clip `t` so that the last value holds
    afterwards. If it restarts at boundaries, it may define ``_boundaries(t)`` for pictures.

    Example:
        A quarter of a cosine wave, flat at first and steep at the end:

        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True)
        ... class Quarter(Schedule):
        ...     T_max: float
        ...     eta_max: float
        ...
        ...     @property
        ...     def length(self):
        ...         return self.T_max
        ...
        ...     def formula(self, t, xp):
        ...         angle = math.pi / 2 * xp.clip(t, 0, self.T_max) / self.T_max
        ...         return self.eta_max * xp.cos(angle)
        >>> schedule = Quarter(T_max=50, eta_max=0.1)
        >>> round(schedule(25), 6), schedule(np.array([0, 25, 40])).round(6).tolist()
        (0.070711, [0.1, 0.070711, 0.030902])
        >>> round(warmup(schedule, updates=4)(29), 6)
        0.070711
    """

    @property
    def length(self) -> float:
        """Number of updates (or epochs) to the end; ``math.inf`` if there is no end."""
        return math.inf

    @overload
    def __call__(self, t: float) -> float: ...

    @overload
    def __call__(self, t: NDArray[Any]) -> NDArray[np.float64]: ...

    @overload
    def __call__(self, t: Any) -> Any: ...

    def __call__(self, t: Any) -> Any:
        """The learning rate at update `t`, in the shape of `t`.

        Args:
            t: update index (or epoch): a number, a numpy array, a JAX array or tracer, or
                whatever numpy makes an array of, such as a list of numbers or a torch tensor that
                needs no gradient.

        Raises:
            ValueError: `t` is NaN, or holds NaN. The values of a JAX array are not checked, because
                a tracer has none: NaN gives NaN there.
            TypeError: `t` is neither a real number nor an array of real numbers.
        """
        if (type(t) is int or type(t) is float) and t == t:
            return self._at_number(t)
        if hasattr(t, "__array_namespace__") and not isinstance(t, np.ndarray | np.generic):
            return self.formula(t, t.__array_namespace__())  # a JAX array or tracer
        if isinstance(t, numbers.Real) and not isinstance(t, bool):  # numpy's numbers, fractions
            plain = int(t) if isinstance(t, numbers.Integral) else float(t)
            require(plain == plain, "t", plain, "an update index, not NaN")
            return self._at_number(plain)
        needs_gradient = getattr(t, "requires_grad", False)
        require_type(not needs_gradient, "t", t, "a tensor without gradient, as t.detach() gives")
        array = np.asarray(t)
        is_real = array.dtype.kind in "iuf" and not isinstance(t, str | bytes)
        require_type(is_real, "t", t, "a real number or an array of real numbers")
        return self._at_array(array)

    def _at_number(self, t: float) -> Rate:
        try:
            return self.formula(t, _NUMBERS)
        except OverflowError:  # t is an int beyond every float, and so beyond every end
            return self.formula(1e300 if t > 0 else -1e300, _NUMBERS)
        except AttributeError as error:
            if error.obj is _NUMBERS:
                names = ", ".join(name for name in vars(_Numbers) if not name.startswith("_"))
                error.add_note(f"For a Python number, xp has only these functions: {names}.")
            raise

    def _at_array(self, t: NDArray[Any]) -> NDArray[np.float64]:
        """Compute in blocks that fit into the processor's cache, because memory is what is slow."""
        flat = t.reshape(-1)
        rates = np.empty(flat.shape)
        for start in range(0, flat.size, 8192):
            block = flat[start : start + 8192].astype(float)
            require(not math.isnan(block.min()), "t", t, "an array of update indices without NaN")
            rates[start : start + 8192] = self.formula(block, _NUMPY)
        return rates.reshape(t.shape)

    def formula(self, t: Time, xp: ArrayNamespace) -> Rate:
        """The learning rate at `t`; every schedule defines this, and callers use ``schedule(t)``.

        Args:
            t: update index (or epoch): a number, a numpy array of floats, or a JAX array of
                integers or floats, as it was passed.
            xp: what computes on `t`; see the class.

        Raises:
            NotImplementedError: the class defines no formula.
        """
        name = type(self).__name__
        raise NotImplementedError(
            f"{name} has no formula: define {name}.formula(self, t, xp), which returns the "
            "learning rate at update t (see coslr.Schedule)"
        )

    def boundaries_before(self, t: float) -> tuple[float, ...]:
        """Where new phases (cycles, steps, pieces) begin, after 0 and before `t`.

        Args:
            t: update (or epoch); finite where the phases never end.

        Raises:
            ValueError: `t` is infinite, and phases of equal length never end. (Of cycles that grow
                without an end, those up to at least update 1e18 are returned.)

        Example:
            >>> CosineWarmRestarts(T_0=10, eta_max=0.1, T_mult=2).boundaries_before(100)
            (10, 30, 70)
        """
        return tuple(self._boundaries_before(t))

    def _boundaries_before(self, t: float) -> Iterator[float]:
        """The same one by one, for schedules that may have millions of them."""
        return (boundary for boundary in self._boundaries(t) if boundary < t)

    def _boundaries(self, t: float) -> Iterable[float]:
        """At least the boundaries after 0 and before `t`, in order; a schedule may override it."""
        return ()

    def stretch(self, factor: float) -> "Schedule":
        """The same curve on a time axis multiplied by `factor`: f(t) becomes f(t / factor).

        This turns a schedule in epochs into one in updates, with the number of updates in an epoch
        as `factor`. The division ``schedule(update / factor)`` may miss a boundary, because
        30 / 100 is less than 3 * 0.1 in floating point. ``stretch`` multiplies the lengths instead,
        and a boundary that is a whole update on paper is one here.

        Args:
            factor: the new length of one unit of time, above 0, such as ``len(loader)``.

        Returns:
            A schedule with the same rates. ``length`` and boundaries are `factor` times as large.

        Raises:
            ValueError, TypeError: `factor` is no number above 0, or makes a length too large.

        Example:
            >>> Cosine(T_max=50, eta_max=0.1).stretch(100)
            Cosine(T_max=5000, eta_max=0.1, eta_min=0.0)
            >>> restarts = CosineWarmRestarts(T_0=0.1, eta_max=0.1)  # ten restarts in an epoch
            >>> restarts.stretch(100).boundaries_before(40)
            (10, 20, 30)
        """
        factor = positive("factor", factor, "a number above 0, such as len(loader)")
        if factor == 1:
            return self
        # A subclass may change the formula or hold other times, so `_times` is not inherited.
        if "_times" not in vars(type(self)):
            return Stretched(self, factor)
        return self._stretched(factor)

    def _stretched(self, factor: float) -> "Schedule":
        """A copy whose times, which the class lists in `_times`, are `factor` times as long."""
        times = {name: getattr(self, name) for name in vars(type(self))["_times"]}
        longer = {n: _product(time, factor) for n, time in times.items() if time is not None}
        return cast(Schedule, replace(cast(Any, self), **longer))

    def to_dict(self) -> dict[str, Any]:
        """The schedule as plain JSON values, for an experiment's config file.

        ``from_dict`` makes it a schedule again, one of your own too. A tuple becomes a list on the
        way, and a tuple again; an array becomes a list, and a tuple.

        Example:
            >>> Cosine(T_max=50, eta_max=0.1).to_dict()
            {'schedule': 'Cosine', 'T_max': 50, 'eta_max': 0.1, 'eta_min': 0.0}
        """
        return to_config(self, Schedule)

    def __reduce__(self) -> tuple[Any, ...]:
        # Pickle only the arguments. Unpickling checks them again, and makes the tables again.
        return rebuilt, (type(self), arguments_of(self))

    def _repr_html_(self) -> str | None:
        """What a notebook shows: the repr and a picture of the curve (see ``coslr/_picture.py``).

        None makes the notebook fall back to the repr. That is right for whatever goes wrong in a
        schedule of the reader's own: showing a value must never break a cell.
        """
        from coslr._picture import notebook_html  # imported late: most programs never draw

        try:
            return notebook_html(self, self._picture_end())
        except Exception:
            return None

    def _picture_end(self) -> float | None:
        """Where a picture ends; None for a schedule with neither an end nor a scale of time."""
        return self.length if self.length < math.inf else None


@overload
def _product(time: float, factor: float) -> float: ...


@overload
def _product(time: Sequence[float], factor: float) -> Sequence[float]: ...


def _product(time: float | Sequence[float], factor: float) -> float | Sequence[float]:
    if isinstance(time, Sequence):  # of boundaries
        return tuple(_early(one * factor) for one in time)
    return _whole(time * factor)


def from_dict(config: dict[str, Any]) -> Schedule:
    """The schedule that ``to_dict`` described; it is equal to the original.

    Args:
        config: what ``schedule.to_dict()`` returned, perhaps after a trip through a JSON file. A
            class of your own must be defined before the call.

    Raises:
        ValueError, TypeError: `config` names no schedule that this program knows, or lacks
            arguments, or has others; the message names what is wrong. Nothing in `config` is run
            as code, so it may come from a stranger.

    Example:
        >>> schedule = warmup(Cosine(T_max=50, eta_max=0.1), updates=5)
        >>> from_dict(schedule.to_dict()) == schedule
        True
    """
    return from_config(config, Schedule)


def _all_boundaries(schedule: Schedule) -> tuple[float, ...]:
    if _begins_phases_forever(schedule):
        raise ValueError(
            f"{schedule!r} has no end and so no last boundary: call boundaries_before(t), or give "
            "cycles where the schedule takes them"
        )
    return schedule.boundaries_before(math.inf)


def _begins_phases_forever(schedule: Schedule) -> bool:
    """Whether there is no last boundary. InverseSqrt has no end, and yet begins no phase."""
    if isinstance(schedule, Warmup | Stretched):
        return _begins_phases_forever(schedule.inner)
    if isinstance(schedule, Join):
        return _begins_phases_forever(schedule.schedules[-1])
    return hasattr(type(schedule), "boundaries") and schedule.length == math.inf


# ------------------------------------------------------------------- cosine and its restarts


@dataclass(frozen=True)
class Constant(Schedule):
    r"""The same learning rate at every update: :math:`\eta_t = \eta`.

    Args:
        eta: learning rate, from 0.

    Before 0 and ever after: `eta`. ``.length`` is infinite.

    Example:
        >>> Constant(0.1)(12345)
        0.1

    Source: Robbins & Monro, "A Stochastic Approximation Method", 1951, showed why it is not enough:
    with noisy gradients, a constant rate does not converge.
    """

    eta: float
    _times = ()

    def __post_init__(self) -> None:
        _store(self, eta=not_negative("eta", self.eta, "a learning rate from 0"))

    def formula(self, t: Time, xp: ArrayNamespace) -> Rate:
        # The second term gives the result the shape of t. The clip keeps out inf * 0, which is NaN.
        return self.eta + 0.0 * xp.clip(t, 0, 1)


@dataclass(frozen=True)
class Cosine(Schedule):
    r"""Half a cosine wave from `eta_max` to `eta_min` (see :func:`cosine` for the formula).

    Args:
        T_max: number of updates (or epochs) from `eta_max` to `eta_min`, above 0.
        eta_max: learning rate at t = 0, above 0.
        eta_min: learning rate from t = `T_max` on, from 0 to `eta_max`.

    Before 0: `eta_max`. From `T_max` on: `eta_min`, where PyTorch's CosineAnnealingLR climbs again.
    ``.length`` is `T_max`.

    Example:
        >>> schedule = Cosine(T_max=50, eta_max=0.1, eta_min=0.0001)
        >>> schedule(np.array([0, 25, 49, 50, 100])).round(6)
        array([0.1     , 0.05005 , 0.000199, 0.0001  , 0.0001  ])

    Source: Loshchilov & Hutter, "SGDR", ICLR 2017.
    """

    T_max: float
    eta_max: float
    eta_min: float = 0.0
    _times = ("T_max",)
    # Computed from the arguments. Without annotations, they are no arguments themselves.
    _amplitude = 0.0
    _shortcut_end = 0.0

    def __post_init__(self) -> None:
        _store(self, T_max=_duration("T_max", self.T_max), **_rates(self.eta_max, self.eta_min))
        amplitude = (self.eta_max - self.eta_min) / 2
        if self.eta_min + 2 * amplitude > self.eta_max:  # rounded up: no rate may be above eta_max
            amplitude = math.nextafter(amplitude, 0)
        _store(
            self, _amplitude=amplitude, _shortcut_end=self.T_max if self._is_unchanged() else 0.0
        )

    def _is_unchanged(self) -> bool:
        """Whether no subclass or mixin has a formula or a ``__call__`` of its own."""
        others = set(type(self).__mro__) - {Cosine, Schedule, object}
        return not any({"formula", "__call__"} & vars(kind).keys() for kind in others)

    @property
    def length(self) -> float:
        return self.T_max

    def formula(self, t: Time, xp: ArrayNamespace) -> Rate:
        if xp is _NUMBERS and 0 < t < self.T_max:
            # On a number strictly between the ends, the textbook form is quicker and as accurate.
            return self.eta_min + self._amplitude * (1.0 + cos(pi * (t / self.T_max)))
        return _interpolate(self.eta_min, self.eta_max, _cosine_weight(t, self.T_max, xp))

    @overload
    def __call__(self, t: float) -> float: ...

    @overload
    def __call__(self, t: NDArray[Any]) -> NDArray[np.float64]: ...

    @overload
    def __call__(self, t: Any) -> Any: ...

    def __call__(self, t: Any) -> Any:
        # The call that a training loop makes: the line from `formula`, without the calls that lead
        # to it, which would add a third to its time (benchmarks/schedules.py).
        if (type(t) is int or type(t) is float) and 0 < t < self._shortcut_end:
            return self.eta_min + self._amplitude * (1.0 + cos(pi * (t / self.T_max)))
        return super().__call__(t)


@dataclass(frozen=True)
class CosineWarmRestarts(Schedule):
    r"""A cosine that restarts: cycle i lasts :math:`T_i = T_0\,T_{mult}^i` updates.

    .. math:: \eta_t = \eta_{min} + \tfrac12 (\eta_{max} d^i - \eta_{min})
              \left(1 + \cos\frac{\pi\,(t - b_i)}{T_i}\right)

    where cycle i begins at the boundary :math:`b_i = T_0 (1 + T_{mult} + ... + T_{mult}^{i-1})`.
    We search i in a table of the boundaries. The logarithm that others use for it rounds some
    boundaries into the cycle before.

    Args:
        T_0: number of updates (or epochs) in the first cycle, above 0.
        eta_max: peak of the first cycle, above 0.
        eta_min: lowest rate of every cycle, from 0 to `eta_max`.
        T_mult: growth factor of the cycle length, 1 or more; may be fractional. There may be at
            most 100,000 cycles of growing length, so without `cycles` a factor just above 1 (below
            about 1.001) is refused.
        decay: factor from each peak to the next, d, above 0 and at most 1. No peak is below
            `eta_min`.
        cycles: number of cycles, or None for no end.

    A restart belongs to the new cycle: ``schedule(T_0)`` is `eta_max` times `decay`. Before 0:
    `eta_max`. After the last cycle: `eta_min`. ``.length`` is the sum of all cycles, and infinite
    with ``cycles=None``. ``.boundaries`` are the restarts.

    Example:
        >>> schedule = CosineWarmRestarts(T_0=10, eta_max=0.1, T_mult=2, cycles=3)
        >>> schedule.length, schedule.boundaries
        (70, (10, 30))
        >>> [round(schedule(t), 6) for t in (0, 5, 9, 10, 20, 30, 70)]
        [0.1, 0.05, 0.002447, 0.1, 0.05, 0.1, 0.0]

    Source: Loshchilov & Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017.
    """

    T_0: float
    eta_max: float
    eta_min: float = 0.0
    T_mult: float = 1
    decay: float = 1.0
    cycles: int | None = None
    _times = ("T_0",)

    def __post_init__(self) -> None:
        right = "a growth factor of the cycle length, at least 1"
        T_mult = number("T_mult", self.T_mult, right)
        require(T_mult >= 1, "T_mult", T_mult, right)
        _store(
            self,
            T_0=_duration("T_0", self.T_0),
            **_rates(self.eta_max, self.eta_min),
            T_mult=T_mult,
            decay=_factor("decay", self.decay),
            cycles=_cycles_or_none(self.cycles),
        )
        if T_mult > 1:
            _ = self._starts  # make the table now, so that an impossible one is an error now

    @cached_property
    def _starts(self) -> tuple[float, ...]:
        """For T_mult > 1: where each cycle begins, and then where the last one ends."""
        starts: list[float] = [0]
        T_i = self.T_0
        whole = isinstance(self.T_0, int) and self.T_mult == int(self.T_mult)
        T_mult = int(self.T_mult) if whole else self.T_mult  # integers stay exact at any size
        while len(starts) <= self.cycles if self.cycles else starts[-1] < _horizon(self.T_0):
            starts.append(_whole(starts[-1] + T_i))
            T_i *= T_mult
            if len(starts) > 100_000 or starts[-1] > 1e300:
                raise ValueError(
                    f"T_0={self.T_0!r}, T_mult={self.T_mult!r}, cycles={self.cycles!r}: must give "
                    "at most 100000 cycles and 1e300 updates; give fewer cycles, or T_mult of 1, "
                    "or above 1.001"
                )
        return tuple(starts)

    @cached_property
    def _early_starts(self) -> tuple[float, ...]:
        return tuple(_early(start) for start in self._starts)

    @property
    def length(self) -> float:
        if self.cycles is None:
            return math.inf
        return _whole(self.T_0 * self.cycles) if self.T_mult == 1 else self._starts[-1]

    @property
    def boundaries(self) -> tuple[float, ...]:
        """The restarts, where each cycle after the first begins. Needs `cycles`."""
        return _all_boundaries(self)

    def _boundaries(self, t: float) -> Iterable[float]:
        t = min(t, self.length)
        if self.T_mult == 1:
            return _multiples(self.T_0, t)
        return (start for start in self._starts[1:] if start < t)

    def _picture_end(self) -> float:
        if self.cycles is not None:
            return self.length
        return 4 * self.T_0 if self.T_mult == 1 else self._starts[min(4, len(self._starts) - 1)]

    def formula(self, t: Time, xp: ArrayNamespace) -> Rate:
        if self.T_mult == 1:
            i, since, T_i = _place_in_equal_cycles(t, self.T_0, self.cycles, xp)
        else:
            i, since, T_i = _place_in_growing_cycles(t, self._starts, self._early_starts, xp)
        peak: Rate = self.eta_max
        if self.decay < 1:
            peak = xp.clip(peak * self.decay**i, self.eta_min, peak)
        return _interpolate(self.eta_min, peak, _cosine_weight(since, T_i, xp))


Place: TypeAlias = tuple[Values, Values, Values]  # the cycle's number, the time in it, its length


def _horizon(period: float) -> float:
    """Up to where cycles or steps are counted: 1e18, or 1e18 periods if these are above 1."""
    return min(HORIZON * max(period, 1.0), 1e300)


def _place_in_equal_cycles(t: Time, period: float, cycles: int | None, xp: ArrayNamespace) -> Place:
    """The cycle that `t` is in, the time since it began, and its length, for equal cycles.

    After the last cycle, return its index and its full length, so that the rate stays at its final
    value.
    """
    i, since = _whole_periods(xp.clip(t, 0, _horizon(period)), period, xp)
    if cycles is not None:
        over = i >= cycles
        i = xp.where(over, cycles - 1, i)
        since = xp.where(over, period, since)
    return i, since, period


def _whole_periods(t: Time, period: float, xp: ArrayNamespace) -> tuple[Values, Values]:
    """How many periods are over, and the time since the last one; t = i * period is exactly i.

    A division alone is sometimes one short, by a rounding error: 1.0 // 0.1 is 9, although
    10 * 0.1 is 1.0.
    """
    if xp is _NUMBERS:
        i, since = divmod(t, period)  # exact, and quicker than the lines below
        if period == int(period):
            return i, since
        if since >= period - (1e-10 * period + 2**-50 * t):  # _slack
            return i + 1, 0.0
        return i, since if i * period < t else 0.0
    i = t // period
    i = xp.where((i + 1) * period <= t + _slack(t, period), i + 1, i)
    return i, xp.where(t <= i * period, 0.0, t % period)


def _slack(t: Time, period: float) -> Time:
    """How little before a boundary a time counts as on it: nothing for a whole period.

    Multiples of a fraction have rounding errors: 3 * 0.1 is more than 0.3, and 10 * 1.1 is more
    than 11. A time that misses a boundary by such an error belongs to the new cycle. The second
    term covers these errors, and the first those of a time that a warm-up or a join has shifted.
    """
    return 0.0 if period == int(period) else 1e-10 * period + 2**-50 * t


def _place_in_growing_cycles(
    t: Time, starts: tuple[float, ...], early_starts: tuple[float, ...], xp: ArrayNamespace
) -> Place:
    """The same for cycles of growing length, found by a search in the table of their starts."""
    table, early = xp.asarray(starts, dtype=float), xp.asarray(early_starts, dtype=float)
    i = xp.clip(xp.searchsorted(early, t, side="right") - 1, 0, len(starts) - 2)
    return i, t - table[i], table[i + 1] - table[i]


def _multiples(period: float, t: float) -> Iterable[float]:
    """period, 2 period, ... below t, one by one."""
    require(t < math.inf, "t", t, "finite: this schedule has no last boundary")
    multiples = (_whole(i * period) for i in range(1, math.ceil(t / period) + 1))
    return (multiple for multiple in multiples if multiple < t)


# ------------------------------------------------------------------------ the other families


@dataclass(frozen=True)
class Linear(Schedule):
    r"""A straight line: :math:`\eta_t = \eta_{max} - (\eta_{max}-\eta_{min})\,t/T_{max}`.

    Args:
        T_max: number of updates (or epochs) from `eta_max` to `eta_min`, above 0.
        eta_max: learning rate at t = 0, above 0.
        eta_min: learning rate from t = `T_max` on, from 0 to `eta_max`.

    Before 0: `eta_max`. From `T_max` on: `eta_min`. ``.length`` is `T_max`.

    Example:
        >>> [round(Linear(T_max=50, eta_max=0.1)(t), 6) for t in (0, 25, 40, 50)]
        [0.1, 0.05, 0.02, 0.0]

    Source: Li, Yumer & Ramanan, "Budgeted Training", ICLR 2020; Defazio et al., "Optimal Linear
    Decay Learning Rate Schedules and Further Refinements", 2023.
    """

    T_max: float
    eta_max: float
    eta_min: float = 0.0
    _times = ("T_max",)

    def __post_init__(self) -> None:
        _store(self, T_max=_duration("T_max", self.T_max), **_rates(self.eta_max, self.eta_min))

    @property
    def length(self) -> float:
        return self.T_max

    def formula(self, t: Time, xp: ArrayNamespace) -> Rate:
        return _interpolate(self.eta_min, self.eta_max, _linear_weight(t, self.T_max, xp))


@dataclass(frozen=True)
class Polynomial(Schedule):
    r"""A power of the time left: :math:`\eta_{min} + (\eta_{max}-\eta_{min})(1-t/T_{max})^p`.

    Args:
        T_max: number of updates (or epochs) from `eta_max` to `eta_min`, above 0.
        eta_max: learning rate at t = 0, above 0.
        eta_min: learning rate from t = `T_max` on, from 0 to `eta_max`.
        power: the exponent p, above 0. With 1 this is :class:`Linear`; with 2 the end is flat, as
            that of a cosine.

    Before 0: `eta_max`. From `T_max` on: `eta_min`. ``.length`` is `T_max`.

    Example:
        >>> [round(Polynomial(T_max=50, eta_max=0.1)(t), 6) for t in (0, 25, 40, 50)]
        [0.1, 0.025, 0.004, 0.0]

    Source: Chen et al., "DeepLab", TPAMI 2018, who call it "poly" (p = 0.9).
    """

    T_max: float
    eta_max: float
    eta_min: float = 0.0
    power: float = 2.0
    _times = ("T_max",)

    def __post_init__(self) -> None:
        power = float(positive("power", self.power, "an exponent above 0"))
        T_max = _duration("T_max", self.T_max)
        _store(self, T_max=T_max, **_rates(self.eta_max, self.eta_min), power=power)

    @property
    def length(self) -> float:
        return self.T_max

    def formula(self, t: Time, xp: ArrayNamespace) -> Rate:
        w = _linear_weight(t, self.T_max, xp)
        # A power below 1 has an infinite slope at 0. Automatic differentiation would let it into
        # the result through either branch of one `where`, so there are two.
        w = xp.where(w > 0, xp.where(w > 0, w, 1.0) ** self.power, 0.0)
        return _interpolate(self.eta_min, self.eta_max, w)


@dataclass(frozen=True)
class Exponential(Schedule):
    r"""The same factor from each update to the next.

    .. math:: \eta_t = \eta_{max} (\eta_{min}/\eta_{max})^{t/T_{max}}

    Like all schedules here, it takes both ends. PyTorch's ExponentialLR takes the factor, `gamma`,
    which is ``(eta_min / eta_max) ** (1 / T_max)``.

    Args:
        T_max: number of updates (or epochs) from `eta_max` to `eta_min`, above 0.
        eta_max: learning rate at t = 0, above 0.
        eta_min: learning rate from t = `T_max` on, up to `eta_max`, and above 0, because no factor
            leads to 0.

    Before 0: `eta_max`. From `T_max` on: `eta_min`. ``.length`` is `T_max`.

    Example:
        >>> schedule = Exponential(T_max=50, eta_max=0.1, eta_min=0.001)
        >>> [round(schedule(t), 6) for t in (0, 25, 50, 60)]
        [0.1, 0.01, 0.001, 0.001]

    Source: Li, Zhuang & Orabona, "A Second Look at Exponential and Cosine Step Sizes: Simplicity,
    Adaptivity, and Performance", ICML 2021.
    """

    T_max: float
    eta_max: float
    eta_min: float
    _times = ("T_max",)

    def __post_init__(self) -> None:
        _store(self, T_max=_duration("T_max", self.T_max), **_rates(self.eta_max, self.eta_min))
        right = "a learning rate above 0: an exponential never reaches 0"
        require(self.eta_min > 0, "eta_min", self.eta_min, right)

    @property
    def length(self) -> float:
        return self.T_max

    def formula(self, t: Time, xp: ArrayNamespace) -> Rate:
        s = xp.clip(t, 0, self.T_max) / self.T_max
        rate = self.eta_max * xp.exp(s * (math.log(self.eta_min) - math.log(self.eta_max)))
        return xp.where(s == 1, float(self.eta_min), xp.clip(rate, self.eta_min, self.eta_max))


@dataclass(frozen=True)
class InverseSqrt(Schedule):
    r"""Falls as one over the square root of time.

    .. math:: \eta_t = \eta_{min} + (\eta_{max}-\eta_{min}) \sqrt{\tau/(\tau+t)}

    Args:
        timescale: the constant :math:`\tau`, in updates (or epochs), above 0. At t = 3 `timescale`
            the rate is halfway between `eta_max` and `eta_min`.
        eta_max: learning rate at t = 0, above 0.
        eta_min: the value that the rate approaches and never reaches, from 0 to `eta_max`.

    Before 0: `eta_max`. It has no end: ``.length`` is infinite. The Transformer's schedule is, up
    to its own factor, ``warmup(InverseSqrt(timescale=w, ...), updates=w, start=0.0)``.

    Example:
        >>> [round(InverseSqrt(timescale=100, eta_max=0.1)(t), 6) for t in (0, 300, 9900)]
        [0.1, 0.05, 0.01]

    Source: Vaswani et al., "Attention Is All You Need", NeurIPS 2017, section 5.3.
    """

    timescale: float
    eta_max: float
    eta_min: float = 0.0
    _times = ("timescale",)

    def __post_init__(self) -> None:
        timescale = _duration("timescale", self.timescale)
        _store(self, timescale=timescale, **_rates(self.eta_max, self.eta_min))

    def _picture_end(self) -> float:
        return 10 * self.timescale

    def formula(self, t: Time, xp: ArrayNamespace) -> Rate:
        w = xp.sqrt(self.timescale / (self.timescale + xp.clip(t, 0, _horizon(self.timescale))))
        return _interpolate(self.eta_min, self.eta_max, w)


@dataclass(frozen=True)
class Step(Schedule):
    r"""A staircase: :math:`\eta_t = \max(\eta_{min},\ \eta_{max}\,\gamma^{\lfloor t/S\rfloor})`.

    Args:
        step_size: number of updates (or epochs) on each stair, S, above 0.
        eta_max: learning rate at t = 0, above 0.
        eta_min: lowest learning rate, from 0 to `eta_max`.
        gamma: factor from each stair to the next, above 0 and at most 1.

    The first update of a stair has the new rate. Before 0: `eta_max`. It has no end: ``.length`` is
    infinite, and ``boundaries_before(t)`` says where stairs begin.

    Example:
        >>> [round(Step(step_size=30, eta_max=0.1)(t), 6) for t in (0, 29, 30, 60)]
        [0.1, 0.1, 0.01, 0.001]

    Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, made it the
    standard that the cosine later replaced.
    """

    step_size: float
    eta_max: float
    eta_min: float = 0.0
    gamma: float = 0.1
    _times = ("step_size",)

    def __post_init__(self) -> None:
        _store(
            self,
            step_size=_duration("step_size", self.step_size),
            **_rates(self.eta_max, self.eta_min),
            gamma=_factor("gamma", self.gamma),
        )

    @property
    def boundaries(self) -> tuple[float, ...]:
        """An error that points to ``boundaries_before``, because there is no last boundary."""
        return _all_boundaries(self)

    def _boundaries(self, t: float) -> Iterable[float]:
        return _multiples(self.step_size, t)

    def _picture_end(self) -> float:
        return 4 * self.step_size

    def formula(self, t: Time, xp: ArrayNamespace) -> Rate:
        stair, _ = _whole_periods(xp.clip(t, 0, _horizon(self.step_size)), self.step_size, xp)
        return _rate_on_stair(self, stair, xp)


@dataclass(frozen=True)
class MultiStep(Schedule):
    r"""A staircase with stairs where you say: :math:`\max(\eta_{min},\ \eta_{max}\,\gamma^{i})`.

    i is the number of milestones at or before t.

    Args:
        milestones: update indices (or epochs) of the drops, increasing, above 0.
        eta_max: learning rate at t = 0, above 0.
        eta_min: lowest learning rate, from 0 to `eta_max`.
        gamma: factor from each stair to the next, above 0 and at most 1.

    The update at a milestone has the new rate. Before 0: `eta_max`. From the last milestone on: the
    last stair's rate. ``.length`` is the last milestone, ``.boundaries`` are all of them.

    Example:
        >>> schedule = MultiStep(milestones=[30, 45], eta_max=0.1)
        >>> [round(schedule(t), 6) for t in (0, 29, 30, 45, 99)]
        [0.1, 0.1, 0.01, 0.001, 0.001]

    Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016.
    """

    milestones: Sequence[float]
    eta_max: float
    eta_min: float = 0.0
    gamma: float = 0.1
    _times = ("milestones",)

    def __post_init__(self) -> None:
        milestones = _increasing_times("milestones", self.milestones)
        require(len(milestones) > 0, "milestones", milestones, "at least one update index")
        gamma = _factor("gamma", self.gamma)
        _store(self, milestones=milestones, **_rates(self.eta_max, self.eta_min), gamma=gamma)

    @property
    def length(self) -> float:
        return self.milestones[-1]

    @property
    def boundaries(self) -> tuple[float, ...]:
        """The milestones."""
        return tuple(self.milestones)

    def _boundaries(self, t: float) -> Iterable[float]:
        return self.milestones

    def formula(self, t: Time, xp: ArrayNamespace) -> Rate:
        table = xp.asarray(self.milestones, dtype=float)
        return _rate_on_stair(self, xp.searchsorted(table, t, side="right"), xp)


def _rate_on_stair(schedule: Step | MultiStep, stair: Values, xp: ArrayNamespace) -> Rate:
    rate = schedule.eta_max * float(schedule.gamma) ** stair
    return xp.clip(rate, float(schedule.eta_min), float(schedule.eta_max))


@dataclass(frozen=True)
class Cyclical(Schedule):
    r"""Triangles: `half_cycle` updates up from `eta_min` to `eta_max`, and as many down again.

    .. math:: \eta_t = \eta_{min} + (\eta_{max} d^i - \eta_{min})\,(1 - |x - 1|),
              \qquad x = (t \bmod 2H)/H, \quad i = \lfloor t/2H \rfloor

    Args:
        half_cycle: number of updates (or epochs) from the lowest rate to the peak, H, above 0.
        eta_max: first peak, above 0.
        eta_min: lowest rate, from 0 to `eta_max`.
        decay: factor from each peak to the next, d, above 0 and at most 1. No peak is below
            `eta_min`. Smith's "triangular2" is 0.5 with `eta_min` 0.
        cycles: number of triangles, or None for no end.

    Before 0 and after the last cycle: `eta_min`. ``.length`` is 2 H `cycles`, and infinite with
    ``cycles=None``. ``.boundaries`` are where cycles begin.

    Example:
        >>> schedule = Cyclical(half_cycle=10, eta_max=0.1, eta_min=0.02, cycles=2)
        >>> [round(schedule(t), 6) for t in (0, 5, 10, 15, 20, 30, 40, 45)]
        [0.02, 0.06, 0.1, 0.06, 0.02, 0.1, 0.02, 0.02]

    Source: Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017.
    """

    half_cycle: float
    eta_max: float
    eta_min: float = 0.0
    decay: float = 1.0
    cycles: int | None = None
    _times = ("half_cycle",)

    def __post_init__(self) -> None:
        _store(
            self,
            half_cycle=_duration("half_cycle", self.half_cycle),
            **_rates(self.eta_max, self.eta_min),
            decay=_factor("decay", self.decay),
            cycles=_cycles_or_none(self.cycles),
        )

    @property
    def length(self) -> float:
        return math.inf if self.cycles is None else _whole(2 * self.half_cycle * self.cycles)

    @property
    def boundaries(self) -> tuple[float, ...]:
        """Where each triangle after the first begins. Needs `cycles`."""
        return _all_boundaries(self)

    def _boundaries(self, t: float) -> Iterable[float]:
        return _multiples(2 * self.half_cycle, min(t, self.length))

    def _picture_end(self) -> float:
        return 8 * self.half_cycle if self.cycles is None else self.length

    def formula(self, t: Time, xp: ArrayNamespace) -> Rate:
        i, since, _ = _place_in_equal_cycles(t, _within_int32(2 * self.half_cycle), self.cycles, xp)
        peak = xp.clip(self.eta_max * self.decay**i, self.eta_min, self.eta_max)
        return _interpolate(self.eta_min, peak, 1.0 - xp.abs(since / self.half_cycle - 1.0))


@dataclass(frozen=True)
class OneCycle(Schedule):
    r"""One climb and one long descent: from `eta_start` to `eta_max` to `eta_min`.

    With a weight w that falls from 1 to 0 (see `shape`), and the update P of the peak:

    .. math:: \eta_t = \eta_{start} w(t, P) + \eta_{max} (1 - w(t, P)) \quad (t < P), \qquad
              \eta_{max} w(t-P, T-P) + \eta_{min} (1 - w(t-P, T-P)) \quad (t \ge P)

    Args:
        T_max: number of updates (or epochs) in all, T, above 0.
        eta_max: the peak, above 0.
        eta_min: learning rate from t = `T_max` on, from 0 to `eta_max`.
        eta_start: learning rate at t = 0, from 0 to `eta_max`; None is `eta_max` / 25.
        peak: update of the peak, P, above 0 and below `T_max`; None is 0.3 `T_max`.
        shape: "cosine" or "linear", for the climb and the descent.

    Before 0: `eta_start`. From `T_max` on: `eta_min`. ``.length`` is `T_max`, ``.boundaries`` holds
    the peak. PyTorch's OneCycleLR over N updates is ``T_max=N-1, peak=0.3*N-1,
    eta_min=eta_start/1e4``.

    Example:
        >>> schedule = OneCycle(T_max=100, eta_max=0.1)
        >>> [round(schedule(t), 6) for t in (0, 15, 30, 65, 100)]
        [0.004, 0.052, 0.1, 0.05, 0.0]

    Source: Smith & Topin, "Super-Convergence", 2018; the cosine shape is fastai's.
    """

    T_max: float
    eta_max: float
    eta_min: float = 0.0
    eta_start: float | None = None
    peak: float | None = None
    shape: str = "cosine"
    _times = ("T_max", "peak")

    def __post_init__(self) -> None:
        T_max = _duration("T_max", self.T_max)
        _store(self, T_max=T_max, **_rates(self.eta_max, self.eta_min))
        if self.eta_start is not None:
            right = f"a learning rate from 0 to eta_max={self.eta_max!r}, or None"
            eta_start = not_negative("eta_start", self.eta_start, right)
            require(eta_start <= self.eta_max, "eta_start", eta_start, right)
            _store(self, eta_start=eta_start)
        if self.peak is not None:
            right = f"an update above 0 and below T_max={T_max!r}, or None"
            peak = positive("peak", self.peak, right)
            require(peak < T_max, "peak", peak, right)
            _store(self, peak=_within_int32(peak))
        require(self.shape in ("cosine", "linear"), "shape", self.shape, "'cosine' or 'linear'")

    @property
    def length(self) -> float:
        return self.T_max

    @property
    def boundaries(self) -> tuple[float, ...]:
        """The peak, where the climb ends."""
        return (self._peak,)

    @property
    def _peak(self) -> float:
        return 0.3 * self.T_max if self.peak is None else self.peak

    def _boundaries(self, t: float) -> Iterable[float]:
        return self.boundaries

    def formula(self, t: Time, xp: ArrayNamespace) -> Rate:
        weight, peak = _SHAPES[self.shape], self._peak
        start = self.eta_max / 25 if self.eta_start is None else self.eta_start
        up = _interpolate(self.eta_max, start, weight(t, peak, xp))
        down = _interpolate(self.eta_min, self.eta_max, weight(t - peak, self.T_max - peak, xp))
        return xp.where(t < peak, up, xp.where(t < self.T_max, down, float(self.eta_min)))


@dataclass(frozen=True)
class WSD(Schedule):
    r"""Warm-up, stable, decay: a plateau at `eta_max` that ends in a cooldown.

    .. math:: \eta_t = \eta_{max} \tfrac{t+1}{W+1} \; (t < W), \quad \eta_{max} \; (t < T-D), \quad
              \eta_{min} + (\eta_{max}-\eta_{min})\,w(t-T+D,\,D) \; (t < T)

    The cooldown can start at any time. So you can prolong a run, and runs of several lengths can
    share one plateau. A cosine has to know its end from the start.

    Args:
        T_max: number of updates (or epochs) in all, T, above 0.
        decay: number of updates (or epochs) in the cooldown at the end, D, above 0 and at most
            `T_max` - `warmup`.
        eta_max: rate of the plateau, above 0.
        eta_min: learning rate from t = `T_max` on, from 0 to `eta_max`.
        warmup: number of updates (or epochs) in the rise at the beginning, W, from 0 and below
            `T_max`; as in :func:`warmup`, which also says what to mind in epochs.
        shape: of the cooldown: "linear", "sqrt" (1 - sqrt) or "cosine".

    Before 0: the first value. From `T_max` on: `eta_min`. ``.length`` is `T_max`, ``.boundaries``
    are where plateau and cooldown begin.

    Example:
        >>> schedule = WSD(T_max=100, decay=20, eta_max=0.1, warmup=4)
        >>> [round(schedule(t), 6) for t in (0, 4, 80, 90, 100)], schedule.boundaries
        ([0.02, 0.1, 0.1, 0.05, 0.0], (4, 80))

    Source: Hu et al., "MiniCPM", 2024; Hägele et al., "Scaling Laws and Compute-Optimal Training
    Beyond Fixed Training Durations", NeurIPS 2024, for lengths and the "sqrt" shape.
    """

    T_max: float
    decay: float
    eta_max: float
    eta_min: float = 0.0
    warmup: float = 0
    shape: str = "linear"
    _times = ("T_max", "decay", "warmup")
    _cooldown = 0.0  # where it begins; computed from the arguments

    def __post_init__(self) -> None:
        T_max, decay = _duration("T_max", self.T_max), _duration("decay", self.decay)
        warmup = not_negative("warmup", self.warmup, "a number of updates (or epochs) from 0")
        require(warmup < T_max, "warmup", warmup, f"below T_max = {T_max!r}")
        right = f"at most T_max - warmup = {T_max - warmup!r}"
        require(decay <= _whole(T_max - warmup), "decay", decay, right)
        require(self.shape in list(_SHAPES), "shape", self.shape, f"one of {', '.join(_SHAPES)}")
        rates = _rates(self.eta_max, self.eta_min)
        _store(self, T_max=T_max, decay=decay, **rates, warmup=_within_int32(warmup))
        _store(self, _cooldown=_within_int32(_whole(T_max - decay)))

    def _stretched(self, factor: float) -> Schedule:
        T_max, decay, rise = (_product(t, factor) for t in (self.T_max, self.decay, self.warmup))
        rise = _early(rise)
        decay = min(decay, _whole(T_max - rise))  # a rounding error must not make it too long
        if rise == 0:
            return replace(self, T_max=T_max, decay=decay)
        plateau = replace(self, T_max=_whole(T_max - rise), decay=decay, warmup=0)
        return Warmup(plateau, rise, start=self(0))  # why `start`: see Warmup._stretched

    @property
    def length(self) -> float:
        return self.T_max

    @property
    def boundaries(self) -> tuple[float, ...]:
        """Where the plateau begins (if there is a warm-up) and where the cooldown begins."""
        return tuple(b for b in dict.fromkeys((self.warmup, self._cooldown)) if b > 0)

    def _boundaries(self, t: float) -> Iterable[float]:
        return self.boundaries

    def formula(self, t: Time, xp: ArrayNamespace) -> Rate:
        w = _SHAPES[self.shape](t - self._cooldown, self.decay, xp)
        after = xp.where(t < self.T_max, _interpolate(self.eta_min, self.eta_max, w), self.eta_min)
        rise = _rate_of_warmup(t, self.warmup, self.eta_max, None, xp)
        return xp.where(t < self.warmup, rise, 1.0 * after)


# ----------------------------------------------------------------------------- composition


def _rate_of_warmup(
    t: Time, updates: float, first: float, start: float | None, xp: ArrayNamespace
) -> Rate:
    """A rise to `first`: from `start`, or by default from one (updates + 1)th of `first`."""
    t = xp.clip(t, 0, updates)
    if start is None:
        return first * ((t + 1) / (updates + 1))
    return _interpolate(start, first, t / updates)


@dataclass(frozen=True, repr=False)
class Warmup(Schedule):
    """What :func:`warmup` returns."""

    inner: Schedule
    updates: float
    start: float | None = None
    _times = ("updates",)

    def __post_init__(self) -> None:
        _require_schedule("schedule", self.inner)
        updates = _duration("updates", self.updates)
        start = self.start
        if start is not None:
            first = self.inner(0)
            right = f"a learning rate from 0 to the schedule's first value {first!r}, or None"
            start = not_negative("start", start, right)
            require(start <= first, "start", start, right)
        _store(self, updates=updates, start=start)

    @property
    def length(self) -> float:
        return _whole(self.updates + self.inner.length)

    @property
    def boundaries(self) -> tuple[float, ...]:
        """The end of the warm-up, then the schedule's own boundaries."""
        return _all_boundaries(self)

    def _boundaries(self, t: float) -> Iterable[float]:
        yield self.updates
        for boundary in self.inner._boundaries_before(t - self.updates):
            yield _whole(self.updates + boundary)

    def _stretched(self, factor: float) -> Schedule:
        # By default a rise begins at 1 / (updates + 1) of its end. In another unit of time that
        # would be another rate, so name the rate with which this rise begins.
        updates = _early(self.updates * factor)
        return Warmup(self.inner.stretch(factor), updates, start=self(0))

    def _picture_end(self) -> float:
        inner = self.inner._picture_end()
        return self.updates + (4 * self.updates if inner is None else inner)

    def formula(self, t: Time, xp: ArrayNamespace) -> Rate:
        # Call the schedule, not its formula: its class may have a __call__ of its own.
        if xp is _NUMBERS and t >= self.updates:
            return self.inner(t - self.updates)
        rise = _rate_of_warmup(t, self.updates, self.inner(0), self.start, xp)
        if xp is _NUMBERS:
            return rise
        return xp.where(t < self.updates, rise, self.inner(t - self.updates))

    def __repr__(self) -> str:
        start = "" if self.start is None else f", start={self.start!r}"
        return f"warmup({self.inner!r}, updates={self.updates!r}{start})"


def warmup(schedule: Schedule, updates: float, start: float | None = None) -> Schedule:
    r"""A linear rise of `updates` in front of `schedule`, whose own time starts after the rise.

    .. math:: \eta_t = f(0)\,\frac{t+1}{W+1} \quad (t < W), \qquad f(t-W) \quad (t \ge W)

    for a schedule f and W updates. So no update is wasted at a rate of 0. With `start` the rise is
    ``start + (f(0) - start) * t / W``: ``start=0.0`` is what optax and Transformers do.

    Args:
        schedule: any schedule of this module, or your own.
        updates: length of the rise, W, from 0, in the unit of the schedule. 0 is no warm-up.
        start: learning rate at t = 0, from 0 to the schedule's first value. None is f(0) / (W + 1).
            In a schedule that counts epochs this is high: half the peak, if the warm-up is one
            epoch. So give `start` there, or count updates:
            ``warmup(schedule.stretch(n), updates=n)`` for an epoch of n updates.

    Returns:
        A schedule; with W = 0 it is `schedule` itself. Before 0: its first value. After W: as
        `schedule`. ``.length`` is W + ``schedule.length``; ``.boundaries`` are W and the
        schedule's own, shifted by W.

    Raises:
        ValueError, TypeError: an argument is wrong; the message names it and says what is right.

    Example:
        >>> schedule = warmup(Cosine(T_max=45, eta_max=0.1), updates=4)
        >>> [round(schedule(t), 6) for t in range(6)], schedule.length
        ([0.02, 0.04, 0.06, 0.08, 0.1, 0.099878], 49)
        >>> [round(warmup(Constant(0.1), updates=4, start=0.0)(t), 6) for t in range(5)]
        [0.0, 0.025, 0.05, 0.075, 0.1]

    Source: Goyal et al., "Accurate, Large Minibatch SGD", 2017.
    """
    _require_schedule("schedule", schedule)
    if not_negative("updates", updates, "a number of updates (or epochs) from 0") == 0:
        return schedule
    return Warmup(schedule, updates, start)


@dataclass(frozen=True, repr=False)
class Join(Schedule):
    """What :func:`join` returns."""

    schedules: Sequence[Schedule]
    joints: Sequence[float]
    _times = ("joints",)

    def __post_init__(self) -> None:
        schedules = sequence("schedules", self.schedules, "a sequence of schedules")
        for i, schedule in enumerate(schedules):
            _require_schedule(f"schedules[{i}]", schedule)
        joints = _increasing_times("boundaries", self.joints)
        require(len(schedules) > 0, "schedules", schedules, "at least one schedule")
        right = f"one fewer than the {len(schedules)} schedules"
        require(len(joints) == len(schedules) - 1, "boundaries", joints, right)
        _store(self, schedules=schedules, joints=joints)

    @property
    def _starts(self) -> tuple[float, ...]:
        return (0, *self.joints)

    @property
    def length(self) -> float:
        return _whole(self._starts[-1] + self.schedules[-1].length)

    @property
    def boundaries(self) -> tuple[float, ...]:
        """Where each piece after the first begins, with the pieces' own boundaries."""
        return _all_boundaries(self)

    def _boundaries(self, t: float) -> Iterable[float]:
        ends = (*self.joints, math.inf)
        for begin, end, schedule in zip(self._starts, ends, self.schedules, strict=True):
            if begin > 0:
                yield begin
            if begin < t:
                for boundary in schedule._boundaries_before(min(t, end) - begin):
                    yield _whole(begin + boundary)

    def _stretched(self, factor: float) -> Schedule:
        schedules = [schedule.stretch(factor) for schedule in self.schedules]
        return Join(schedules, _product(self.joints, factor))

    def _picture_end(self) -> float | None:
        last = self.schedules[-1]._picture_end()
        if not self.joints:
            return last
        return self.joints[-1] + (self.joints[-1] if last is None else last)

    def formula(self, t: Time, xp: ArrayNamespace) -> Rate:
        # Call the pieces, not their formulas: a class may have a __call__ of its own.
        if xp is _NUMBERS:
            i = bisect_right(self.joints, t)
            return self.schedules[i](t - (self.joints[i - 1] if i else 0))
        rate = self.schedules[0](t)
        for joint, schedule in zip(self.joints, self.schedules[1:], strict=True):
            rate = xp.where(t < joint, rate, schedule(t - joint))
        return rate

    def __repr__(self) -> str:
        return f"join({list(self.schedules)!r}, boundaries={list(self.joints)!r})"


def join(schedules: Sequence[Schedule], boundaries: Sequence[float]) -> Join:
    """One schedule after another; the time of each piece starts at 0 where the piece begins.

    Args:
        schedules: the pieces, at least one.
        boundaries: where each piece after the first begins, increasing, above 0, one fewer than
            there are pieces, in the unit of the pieces.

    Returns:
        A schedule. The update at a boundary belongs to the new piece. A piece that ends before the
        next one begins holds its last value; a piece that is too long is cut off. Before 0: the
        first value. ``.length`` is the last boundary + the last piece's length; ``.boundaries``
        are these and the pieces' own.

    Raises:
        ValueError, TypeError: an argument is wrong; the message names it and says what is right.

    Example:
        >>> schedule = join([Constant(0.1), Linear(T_max=10, eta_max=0.1)], boundaries=[40])
        >>> [round(schedule(t), 6) for t in (0, 39, 40, 45, 50)], schedule.length
        ([0.1, 0.1, 0.1, 0.05, 0.0], 50)

    Source: the semantics of optax's ``join_schedules``.
    """
    return Join(schedules, boundaries)


# ---------------------------------------------------------- another unit of time, for any class


@dataclass(frozen=True, repr=False)
class Stretched(Schedule):
    """What :meth:`Schedule.stretch` returns for a schedule of the reader's own.

    Only the class knows which of its arguments are times, so this divides `t` instead.
    """

    inner: Schedule
    factor: float
    _times = ("factor",)

    def __post_init__(self) -> None:
        _require_schedule("schedule", self.inner)
        _store(self, factor=positive("factor", self.factor))

    @property
    def length(self) -> float:
        return _whole(self.inner.length * self.factor)

    @property
    def boundaries(self) -> tuple[float, ...]:
        """The schedule's own boundaries, times `factor`."""
        return _all_boundaries(self)

    def _boundaries(self, t: float) -> Iterable[float]:
        before = self.inner._boundaries_before(self._inner_time(t))
        return (_product(boundary, self.factor) for boundary in before)

    def _inner_time(self, t: Any) -> Any:
        # A division may fall short of a boundary by a rounding error. Go on by a few of them, so
        # that the update at a boundary belongs to the new phase, and no other update does.
        return t / self.factor * (1 + 2**-50)

    def _stretched(self, factor: float) -> Schedule:
        return self.inner.stretch(_product(self.factor, factor))

    def _picture_end(self) -> float | None:
        end = self.inner._picture_end()
        return None if end is None else end * self.factor

    def formula(self, t: Time, xp: ArrayNamespace) -> Rate:
        return cast(Rate, self.inner(self._inner_time(t)))

    def __repr__(self) -> str:
        return f"{self.inner!r}.stretch({self.factor!r})"
