"""Learning-rate schedules as plain values: pure, frozen, comparable, and needing numpy alone.

A schedule is called with the update index ``t`` and returns the learning rate in force at that
update. N updates use t = 0 ... N-1. What every schedule here shares:

* ``t`` is a Python number, a numpy array of any shape, or a JAX tracer; the result has its shape.
* Units are whatever the caller counts in. ``Cosine(T_max=50, ...)`` lasts 50 updates, or 50 epochs
  where it is called with epochs; nothing converts behind your back.
* Before t = 0 a schedule holds its first value and after ``.length`` its last. It never climbs
  again by itself.
* Ends are exact: ``Cosine(T_max, eta_max, eta_min)(T_max) == eta_min``, to the last bit.
* A bad argument is a ``TypeError`` (wrong kind of thing) or a ``ValueError`` (wrong value) that
  names the argument, its value, and what would be right.

The file reads from top to bottom: the formula, what all schedules share, cosine and its restarts,
the other families, and last the two ways to put schedules together.
"""

import dataclasses
import math
import numbers
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import cos, pi
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

# Endless schedules count their cycles; beyond a quintillion updates they stop counting.
HORIZON = 1e18

# ------------------------------------------------------------------------------- the formula


def cosine(t: Any, T_max: float, eta_max: float, eta_min: float = 0.0) -> Any:
    r"""The cosine annealing formula: half a cosine wave from `eta_max` down to `eta_min`.

    .. math:: \eta_t = \eta_{min} + \tfrac12 (\eta_{max}-\eta_{min})
              \left(1 + \cos\frac{\pi\,t}{T_{max}}\right)

    computed as ``eta_max * w + eta_min * (1 - w)`` with ``w = (1 + cos(pi * t / T_max)) / 2``. On
    paper this is the same. In floating point the form above can miss `eta_max` by a rounding
    error at t = 0, while this one is exact at both ends.

    Args:
        t: update index (or epoch, in the unit of `T_max`): number, numpy array or JAX tracer.
        T_max: where the floor is reached, above 0, in the unit of `t`.
        eta_max: learning rate at t = 0, above 0.
        eta_min: learning rate from t = `T_max` on, from 0 to `eta_max`.

    Returns:
        The learning rate, in the shape of `t`: `eta_max` for t <= 0, `eta_min` for t >= `T_max`.

    Raises:
        ValueError, TypeError: the argument, its value, and what would be right.

    Example:
        The article's numbers, 0.1 to 0.0001 over 50 epochs: the start, the middle, the end, and
        after.

        >>> [round(cosine(t, 50, 0.1, 0.0001), 6) for t in (0, 25, 50, 60)]
        [0.1, 0.05005, 0.0001, 0.0001]

    Source: Loshchilov & Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017,
    equation 5.
    """
    return Cosine(T_max, eta_max, eta_min)(t)


def _cosine_weight(t: Any, T_max: Any, xp: Any) -> Any:
    """The falling half wave, from 1 at t <= 0 to 0 at t >= T_max.

    The clip comes before the division, so that T_max / T_max is exactly 1 and no t is too large.
    """
    return 0.5 + 0.5 * xp.cos(math.pi * (xp.clip(t, 0, T_max) / T_max))


def _linear_weight(t: Any, T_max: Any, xp: Any) -> Any:
    """The falling straight line, from 1 at t <= 0 to 0 at t >= T_max.

    Not 1 - t / T_max: a compiler may divide by multiplying, miss 1 at the end, and go below 0.
    """
    return (T_max - xp.clip(t, 0, T_max)) / T_max


def _sqrt_weight(t: Any, T_max: Any, xp: Any) -> Any:
    """One minus a square root, from 1 to 0: steep at first (Hägele et al. 2024).

    The second clip keeps the slope finite at 0, for automatic differentiation; 1 - 1e-17 is 1.
    """
    return 1.0 - xp.sqrt(xp.clip(xp.clip(t, 0, T_max) / T_max, 1e-34, 1.0))


_SHAPES = {"linear": _linear_weight, "cosine": _cosine_weight, "sqrt": _sqrt_weight}


def _between(low: Any, high: Any, w: Any) -> Any:
    """`high` at w = 1 and `low` at w = 0, both exact."""
    return high * w + low * (1.0 - w)


class _Scalars:
    """`math` under the array API's names: a formula is written once, for numbers and arrays."""

    cos, exp, sqrt = math.cos, math.exp, math.sqrt

    @staticmethod
    def clip(t: Any, low: Any, high: Any) -> Any:
        return low if t < low else high if t > high else t

    @staticmethod
    def where(condition: Any, yes: Any, no: Any) -> Any:
        return yes if condition else no


# ---------------------------------------------------------------------- checks of arguments


def _number(name: str, value: Any, right: str) -> Any:
    """`value` as a plain finite Python number; bools, strings and arrays are refused."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name}={value!r}: must be {right}, not {type(value).__name__}")
    if not isinstance(value, int):
        value = float(value)
    try:
        finite = math.isfinite(value)
    except OverflowError:  # an int beyond every float
        finite = False
    if not finite:
        raise ValueError(f"{name}={value!r}: must be {right}, and finite")
    return value


def _require(condition: Any, name: str, value: Any, right: str) -> None:
    if not condition:
        raise ValueError(f"{name}={value!r}: must be {right}")


def _duration(name: str, value: Any) -> Any:
    right = "a number of updates (or epochs) above 0"
    value = _number(name, value, right)
    _require(value > 1e-100, name, value, right)  # dividing by less would overflow
    _require(value < 1e300, name, value, "below 1e300")  # and so would a few times as much
    return value


def _from_zero(name: str, value: Any, right: str) -> Any:
    value = _number(name, value, right)
    _require(value >= 0, name, value, right)
    return value


def _fraction(name: str, value: Any) -> Any:
    right = "a factor above 0 and at most 1"
    value = _number(name, value, right)
    _require(0 < value <= 1, name, value, right)
    return value


def _count_or_none(name: str, value: Any) -> int | None:
    if value is None:
        return None
    right = "a whole number of cycles from 1, or None for no end"
    value = _number(name, value, right)
    _require(value >= 1 and value == int(value), name, value, right)
    return int(value)


def _sequence(name: str, values: Any, right: str) -> tuple[Any, ...]:
    try:
        result = tuple(values)
    except TypeError:  # np.array(3.0) has __iter__, and refuses all the same
        result = None
    if result is None or isinstance(values, str):
        raise TypeError(f"{name}={values!r}: must be {right}")
    return result


def _increasing(name: str, values: Any) -> tuple[float, ...]:
    """A tuple of durations, each above the one before."""
    right = "a sequence of increasing update indices above 0"
    values = _sequence(name, values, right)
    result = tuple(_duration(f"{name}[{i}]", value) for i, value in enumerate(values))
    _require(all(a < b for a, b in pairwise(result)), name, values, right)
    return result


# ---------------------------------------------------------------- what all schedules share


class Schedule:
    """A learning rate for every update: the base of all schedules, called with ``t``.

    A schedule of your own is a frozen dataclass that inherits from this class and defines
    ``formula(t, xp)``, where `xp` is numpy, jax.numpy, or a stand-in for plain numbers.
    """

    @property
    def length(self) -> float:
        """Updates to the end, math.inf where there is none."""
        return math.inf

    @overload
    def __call__(self, t: float) -> float: ...

    @overload
    def __call__(self, t: NDArray[Any]) -> NDArray[np.float64]: ...

    @overload
    def __call__(self, t: Any) -> Any: ...

    def __call__(self, t: Any) -> Any:
        """The learning rate at update `t`, in the shape of `t`.

        Raises:
            ValueError: `t` is or holds NaN.  TypeError : `t` is no real number and no array of
                them.
        """
        if (type(t) is int or type(t) is float) and t == t:
            try:
                return self.formula(t, _Scalars)
            except OverflowError:  # an int beyond every float, and so beyond every end
                return self.formula(math.copysign(1e300, t > 0 or -1), _Scalars)
        return self._general(t)

    def _general(self, t: Any) -> Any:
        if hasattr(t, "__array_namespace__") and not isinstance(t, np.ndarray | np.generic):
            return self.formula(t, t.__array_namespace__())  # a JAX array or tracer
        if isinstance(t, numbers.Real) and not isinstance(t, bool):  # numpy's numbers among them
            t = int(t) if isinstance(t, numbers.Integral) else float(t)
            _require(t == t, "t", t, "an update index, not NaN")
            return self(t)
        array = np.asarray(t)
        if array.dtype.kind not in "iuf" or isinstance(t, str | bytes):
            raise TypeError(f"t={t!r}: must be a real number or an array of real numbers")
        return self._curve(array)

    def _curve(self, t: NDArray[Any]) -> NDArray[np.float64]:
        """In blocks that stay in the processor's cache: memory, not the cosine, is what is slow."""
        flat = t.reshape(-1)
        rates = np.empty(flat.shape)
        for start in range(0, flat.size, 8192):
            block = flat[start : start + 8192].astype(float)
            if math.isnan(block.min()):
                raise ValueError("t holds NaN: must be an array of update indices")
            rates[start : start + 8192] = self.formula(block, np)
        return rates.reshape(t.shape)

    def formula(self, t: Any, xp: Any) -> Any:
        raise NotImplementedError

    def boundaries_before(self, t: float) -> tuple[float, ...]:
        """Where new phases (cycles, steps, pieces) begin, after 0 and before `t`.

        >>> CosineWarmRestarts(T_0=10, eta_max=0.1, T_mult=2).boundaries_before(100)
        (10, 30, 70)
        """
        return tuple(b for b in self._boundaries(t) if b < t)

    def _boundaries(self, t: float) -> Iterable[float]:
        return ()

    def to_dict(self) -> dict[str, Any]:
        """The schedule as plain JSON values, for an experiment's config file.

        >>> Cosine(T_max=50, eta_max=0.1).to_dict()
        {'schedule': 'Cosine', 'T_max': 50, 'eta_max': 0.1, 'eta_min': 0.0}
        """
        fields = {name: _plain(getattr(self, name)) for name in _names(self)}
        return {"schedule": type(self).__name__} | fields

    def __reduce__(self) -> tuple[Any, ...]:
        # Only the arguments are pickled: tables are made again, checks are run again.
        return type(self), tuple(getattr(self, name) for name in _names(self))


def _names(schedule: Any) -> list[str]:
    """What a schedule's arguments are called."""
    return [field.name for field in dataclasses.fields(schedule)]


def _plain(value: Any) -> Any:
    if isinstance(value, Schedule):
        return value.to_dict()
    return [_plain(v) for v in value] if isinstance(value, tuple) else value


def from_dict(config: dict[str, Any]) -> Schedule:
    """The schedule that ``to_dict`` described; the result is equal to the original.

    Raises:
        ValueError, TypeError: `config` names no schedule, or arguments that it does not take.

    >>> schedule = warmup(Cosine(T_max=50, eta_max=0.1), updates=5)
    >>> from_dict(schedule.to_dict()) == schedule
    True
    """
    if not isinstance(config, dict):
        raise TypeError(f"config={config!r}: must be a dict as made by Schedule.to_dict")
    known: dict[Any, type[Schedule]] = {kind.__name__: kind for kind in Schedule.__subclasses__()}
    name = config.get("schedule")
    _require(name in known, "config['schedule']", name, f"one of {', '.join(sorted(known))}")
    arguments = {key: _revive(value) for key, value in config.items() if key != "schedule"}
    names = _names(known[name])
    wrong = set(arguments) - set(names)
    _require(not wrong, f"config for {name}", sorted(wrong), f"arguments among {', '.join(names)}")
    return known[name](**arguments)


def _revive(value: Any) -> Any:
    if isinstance(value, dict):
        return from_dict(value)
    return [_revive(v) for v in value] if isinstance(value, list) else value


def _normalise(schedule: Schedule, **checked: Any) -> None:
    for name, value in checked.items():
        object.__setattr__(schedule, name, value)


def _rates(schedule: Any) -> dict[str, float]:
    """`eta_max` and `eta_min`, checked the same way for every schedule that has them."""
    right = "a learning rate above 0"
    eta_max = _number("eta_max", schedule.eta_max, right)
    _require(eta_max > 0, "eta_max", eta_max, right)
    right = f"a learning rate from 0 to eta_max={eta_max!r}"
    eta_min = _number("eta_min", schedule.eta_min, right)
    _require(0 <= eta_min <= eta_max, "eta_min", eta_min, right)
    return {"eta_max": eta_max, "eta_min": eta_min}


# ------------------------------------------------------------------- cosine and its restarts


@dataclass(frozen=True)
class Constant(Schedule):
    r"""The same learning rate at every update: :math:`\eta_t = \eta`.

    Args:
        eta: the learning rate, from 0.

    Before and after: `eta`. ``.length`` is infinite.

    >>> Constant(0.1)(12345)
    0.1

    Source: Robbins & Monro, "A Stochastic Approximation Method", 1951, showed what it lacks.
    """

    eta: float

    def __post_init__(self) -> None:
        _normalise(self, eta=_from_zero("eta", self.eta, "a learning rate from 0"))

    def formula(self, t: Any, xp: Any) -> Any:
        return self.eta + 0.0 * xp.clip(t, 0, 1)  # in the shape of t, with inf * 0 kept away


@dataclass(frozen=True)
class Cosine(Schedule):
    r"""Half a cosine wave from `eta_max` to `eta_min` (see :func:`cosine` for the formula).

    Args:
        T_max: updates (or epochs) from `eta_max` to `eta_min`, above 0.
        eta_max: learning rate at t = 0, above 0.
        eta_min: learning rate from t = `T_max` on, from 0 to `eta_max`.

    Before 0: `eta_max`. From `T_max` on: `eta_min`, where PyTorch's CosineAnnealingLR climbs again.
    ``.length`` is `T_max`.

    >>> schedule = Cosine(T_max=50, eta_max=0.1, eta_min=0.0001)
    >>> schedule(np.array([0, 25, 49, 50, 100])).round(6)
    array([0.1     , 0.05005 , 0.000199, 0.0001  , 0.0001  ])

    Source: Loshchilov & Hutter, "SGDR", ICLR 2017.
    """

    T_max: float
    eta_max: float
    eta_min: float = 0.0

    def __post_init__(self) -> None:
        _normalise(self, T_max=_duration("T_max", self.T_max), **_rates(self))
        half = (self.eta_max - self.eta_min) / 2
        if self.eta_min + 2 * half > self.eta_max:  # rounded up: no rate shall be above eta_max
            half = math.nextafter(half, 0)
        _normalise(self, _half=half)

    @property
    def length(self) -> float:
        return self.T_max

    if not TYPE_CHECKING:  # its types are those of Schedule.__call__

        def __init_subclass__(cls):
            if "formula" in vars(cls):  # another formula, for which the short cut below is wrong
                cls.__call__ = Schedule.__call__

        def __call__(self, t):
            # For the call that a training loop makes, the formula without its layers. Strictly
            # between the ends the textbook form serves: it is quicker, and equal but for rounding.
            if (type(t) is int or type(t) is float) and 0 < t < self.T_max:
                return self.eta_min + self._half * (1.0 + cos(pi * (t / self.T_max)))
            return Schedule.__call__(self, t)

    def formula(self, t: Any, xp: Any) -> Any:
        return _between(self.eta_min, self.eta_max, _cosine_weight(t, self.T_max, xp))


@dataclass(frozen=True)
class CosineWarmRestarts(Schedule):
    r"""A cosine that starts anew: cycle i lasts :math:`T_i = T_0\,T_{mult}^i` updates.

    .. math:: \eta_t = \eta_{min} + \tfrac12 (\eta_{max} d^i - \eta_{min})
              \left(1 + \cos\frac{\pi\,(t - b_i)}{T_i}\right)

    where cycle i begins at the boundary :math:`b_i = T_0 (1 + T_{mult} + ... + T_{mult}^{i-1})`.
    Boundaries come from a table and a search in it; a logarithm is wrong at some of them.

    Args:
        T_0: updates (or epochs) in the first cycle, above 0.
        eta_max: peak of the first cycle, above 0.
        eta_min: floor of every cycle, from 0 to `eta_max`.
        T_mult: each cycle is so many times as long as the one before, from 1, fractions allowed.
        decay: each peak is so many times the one before, above 0 and at most 1, never below
            `eta_min`.
        cycles: how many cycles there are, or None for no end.

    A restart belongs to the new cycle: ``schedule(T_0) == eta_max`` (times `decay`). Before 0:
    `eta_max`. After the last cycle: `eta_min`. ``.length`` is the sum of the cycles, infinite with
    ``cycles=None``; ``.boundaries`` are the restarts.

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

    def __post_init__(self) -> None:
        right = "a number from 1 (each cycle as long as the one before, or longer)"
        T_mult = _number("T_mult", self.T_mult, right)
        _require(T_mult >= 1, "T_mult", T_mult, right)
        _normalise(
            self,
            T_0=_duration("T_0", self.T_0),
            **_rates(self),
            T_mult=T_mult,
            decay=_fraction("decay", self.decay),
            cycles=_count_or_none("cycles", self.cycles),
        )
        if T_mult > 1:
            _ = self._starts  # so that a table that cannot be made is an error now, not later

    @cached_property
    def _starts(self) -> tuple[float, ...]:
        """Where each cycle begins, for T_mult > 1, and last where the last one ends."""
        starts: list[float] = [0]
        T_i = self.T_0
        whole = isinstance(self.T_0, int) and self.T_mult == int(self.T_mult)
        T_mult = int(self.T_mult) if whole else self.T_mult  # integers stay exact at any size
        while len(starts) <= self.cycles if self.cycles else starts[-1] < HORIZON:
            starts.append(starts[-1] + T_i)
            T_i *= T_mult
            if len(starts) > 100_000 or starts[-1] > 1e300:
                raise ValueError(
                    f"T_0={self.T_0!r}, T_mult={self.T_mult!r}, cycles={self.cycles!r}: must give "
                    "at most 100000 cycles and 1e300 updates; give fewer cycles, or T_mult of 1, "
                    "or above 1.001"
                )
        return tuple(starts)

    @property
    def length(self) -> float:
        if self.cycles is None:
            return math.inf
        return self.T_0 * self.cycles if self.T_mult == 1 else self._starts[-1]

    @property
    def boundaries(self) -> tuple[float, ...]:
        """The restarts: where each cycle after the first begins. Needs `cycles`."""
        return _all_boundaries(self)

    def _boundaries(self, t: float) -> Iterable[float]:
        t = min(t, self.length)
        if self.T_mult == 1:
            return _multiples(self.T_0, t)
        return (start for start in self._starts[1:] if start < t)

    def formula(self, t: Any, xp: Any) -> Any:
        if self.T_mult == 1:
            i, since, T_i = _periodic(t, self.T_0, self.cycles, xp)
        else:
            i, since, T_i = _cycle(t, self._starts, xp)
        peak = self.eta_max
        if self.decay < 1:
            peak = xp.clip(peak * self.decay**i, self.eta_min, peak)
        return _between(self.eta_min, peak, _cosine_weight(since, T_i, xp))


def _periodic(t: Any, period: float, cycles: int | None, xp: Any) -> tuple[Any, Any, Any]:
    """Cycle number, time since it began and its length, for cycles of one length.

    Past the last cycle, time runs on within the last one, so that a clip holds its end.
    """
    i, since = _divided(xp.clip(t, 0, HORIZON), period, xp)
    if cycles is not None:
        over = i >= cycles
        i = xp.where(over, cycles - 1, i)
        since = xp.where(over, period, since)
    return i, since, period


def _divided(t: Any, period: float, xp: Any) -> tuple[Any, Any]:
    """How many periods are over, and the time since; i * period is exactly i of them.

    Division alone falls short of some by a rounding error: 1.0 // 0.1 is 9, though 10 * 0.1 is 1.0.
    """
    i = t // period
    i = xp.where((i + 1) * period <= t, i + 1, i)
    return i, xp.where(t <= i * period, 0.0, t % period)


def _cycle(t: Any, starts: tuple[float, ...], xp: Any) -> tuple[Any, Any, Any]:
    """The same for cycles of growing length, found by a search in the table of their starts."""
    if xp is _Scalars:
        i = min(max(bisect_right(starts, t) - 1, 0), len(starts) - 2)
        return i, t - starts[i], starts[i + 1] - starts[i]
    table = xp.asarray(starts, dtype=float)
    i = xp.clip(xp.searchsorted(table, t, side="right") - 1, 0, len(starts) - 2)
    return i, t - table[i], table[i + 1] - table[i]


def _multiples(period: float, t: float) -> Iterable[float]:
    """period, 2 period, ... below t, one by one."""
    _require(t < math.inf, "t", t, "finite: this schedule has no last boundary")
    return (i * period for i in range(1, math.ceil(t / period) + 1) if i * period < t)


def _all_boundaries(schedule: Schedule) -> tuple[float, ...]:
    if schedule.length == math.inf:
        raise ValueError(
            f"{schedule!r} has no end and so no last boundary: ask boundaries_before(t), or give "
            "cycles where the schedule takes them"
        )
    return schedule.boundaries_before(schedule.length)


# ------------------------------------------------------------------------ the other families


@dataclass(frozen=True)
class Linear(Schedule):
    r"""A straight line: :math:`\eta_t = \eta_{max} - (\eta_{max}-\eta_{min})\,t/T_{max}`.

    Args:
        T_max: updates (or epochs) from `eta_max` to `eta_min`, above 0.
        eta_max: learning rate at t = 0, above 0.
        eta_min: learning rate from t = `T_max` on, from 0 to `eta_max`.

    Before 0: `eta_max`. From `T_max` on: `eta_min`. ``.length`` is `T_max`.

    >>> [round(Linear(T_max=50, eta_max=0.1)(t), 6) for t in (0, 25, 40, 50)]
    [0.1, 0.05, 0.02, 0.0]

    Source: Li, Yumer & Ramanan, "Budgeted Training", ICLR 2020; Defazio et al., "Optimal Linear
    Decay Learning Rate Schedules and Further Refinements", 2023.
    """

    T_max: float
    eta_max: float
    eta_min: float = 0.0

    def __post_init__(self) -> None:
        _normalise(self, T_max=_duration("T_max", self.T_max), **_rates(self))

    @property
    def length(self) -> float:
        return self.T_max

    def formula(self, t: Any, xp: Any) -> Any:
        return _between(self.eta_min, self.eta_max, _linear_weight(t, self.T_max, xp))


@dataclass(frozen=True)
class Polynomial(Schedule):
    r"""A power of the time left: :math:`\eta_{min} + (\eta_{max}-\eta_{min})(1-t/T_{max})^p`.

    Args:
        T_max: updates (or epochs) from `eta_max` to `eta_min`, above 0.
        eta_max: learning rate at t = 0, above 0.
        eta_min: learning rate from t = `T_max` on, from 0 to `eta_max`.
        power: the exponent p, above 0; 1 is :class:`Linear`, 2 has the cosine's kind of tail.

    Before 0: `eta_max`. From `T_max` on: `eta_min`. ``.length`` is `T_max`.

    >>> [round(Polynomial(T_max=50, eta_max=0.1)(t), 6) for t in (0, 25, 40, 50)]
    [0.1, 0.025, 0.004, 0.0]

    Source: Chen et al., "DeepLab", TPAMI 2018, who call it "poly" (p = 0.9).
    """

    T_max: float
    eta_max: float
    eta_min: float = 0.0
    power: float = 2.0

    def __post_init__(self) -> None:
        power = _number("power", self.power, "an exponent above 0")
        _require(power > 0, "power", power, "an exponent above 0")
        _normalise(self, T_max=_duration("T_max", self.T_max), **_rates(self), power=float(power))

    @property
    def length(self) -> float:
        return self.T_max

    def formula(self, t: Any, xp: Any) -> Any:
        w = _linear_weight(t, self.T_max, xp)
        # A power below 1 has no slope at 0, and automatic differentiation would see it from afar.
        w = xp.where(w > 0, xp.where(w > 0, w, 1.0) ** self.power, 0.0)
        return _between(self.eta_min, self.eta_max, w)


@dataclass(frozen=True)
class Exponential(Schedule):
    r"""The same ratio at every update.

    .. math:: \eta_t = \eta_{max} (\eta_{min}/\eta_{max})^{t/T_{max}}

    Stated by its ends, as all schedules here; PyTorch's `gamma` is
    ``(eta_min / eta_max) ** (1 / T_max)``.

    Args:
        T_max: updates (or epochs) from `eta_max` to `eta_min`, above 0.
        eta_max: learning rate at t = 0, above 0.
        eta_min: learning rate from t = `T_max` on, above 0 (no ratio leads to 0), to `eta_max`.

    Before 0: `eta_max`. From `T_max` on: `eta_min`. ``.length`` is `T_max`.

    >>> [round(Exponential(T_max=50, eta_max=0.1, eta_min=0.001)(t), 6) for t in (0, 25, 50, 60)]
    [0.1, 0.01, 0.001, 0.001]

    Source: compared with others by Li & Arora, "An Exponential Learning Rate Schedule for Deep
    Learning", ICLR 2020.
    """

    T_max: float
    eta_max: float
    eta_min: float

    def __post_init__(self) -> None:
        _normalise(self, T_max=_duration("T_max", self.T_max), **_rates(self))
        right = "a learning rate above 0: an exponential never reaches 0"
        _require(self.eta_min > 0, "eta_min", self.eta_min, right)

    @property
    def length(self) -> float:
        return self.T_max

    def formula(self, t: Any, xp: Any) -> Any:
        s = xp.clip(t, 0, self.T_max) / self.T_max
        rate = self.eta_max * xp.exp(s * (math.log(self.eta_min) - math.log(self.eta_max)))
        return xp.where(s == 1, float(self.eta_min), xp.clip(rate, self.eta_min, self.eta_max))


@dataclass(frozen=True)
class InverseSqrt(Schedule):
    r"""Falls with the root of time.

    .. math:: \eta_t = \eta_{min} + (\eta_{max}-\eta_{min}) \sqrt{\tau/(\tau+t)}

    Args:
        timescale: the constant tau, above 0: at t = 3 tau half of the way down is done.
        eta_max: learning rate at t = 0, above 0.
        eta_min: the value approached but not reached, from 0 to `eta_max`.

    Before 0: `eta_max`. It has no end: ``.length`` is infinite. With
    ``warmup(..., updates=w, start=0.0)`` and ``timescale=w`` it is the Transformer's schedule up to
    that one's factor.

    >>> [round(InverseSqrt(timescale=100, eta_max=0.1)(t), 6) for t in (0, 300, 9900)]
    [0.1, 0.05, 0.01]

    Source: Vaswani et al., "Attention Is All You Need", NeurIPS 2017, section 5.3.
    """

    timescale: float
    eta_max: float
    eta_min: float = 0.0

    def __post_init__(self) -> None:
        _normalise(self, timescale=_duration("timescale", self.timescale), **_rates(self))

    def formula(self, t: Any, xp: Any) -> Any:
        w = xp.sqrt(self.timescale / (self.timescale + xp.clip(t, 0, HORIZON)))
        return _between(self.eta_min, self.eta_max, w)


@dataclass(frozen=True)
class Step(Schedule):
    r"""A staircase: :math:`\eta_t = \max(\eta_{min},\ \eta_{max}\,\gamma^{\lfloor t/S\rfloor})`.

    Args:
        step_size: updates (or epochs) on each stair, S, above 0.
        eta_max: learning rate at t = 0, above 0.
        eta_min: never below this, from 0 to `eta_max`.
        gamma: each stair is so many times the one before, above 0 and at most 1.

    The stair's first update has the new rate. Before 0: `eta_max`. It has no end: ``.length`` is
    infinite; the stairs are given by ``boundaries_before(t)``.

    >>> [round(Step(step_size=30, eta_max=0.1)(t), 6) for t in (0, 29, 30, 60)]
    [0.1, 0.1, 0.01, 0.001]

    Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, is how it became
    the standard that cosine replaced.
    """

    step_size: float
    eta_max: float
    eta_min: float = 0.0
    gamma: float = 0.1

    def __post_init__(self) -> None:
        _normalise(
            self,
            step_size=_duration("step_size", self.step_size),
            **_rates(self),
            gamma=_fraction("gamma", self.gamma),
        )

    @property
    def boundaries(self) -> tuple[float, ...]:
        """Endless: an error that points to ``boundaries_before``."""
        return _all_boundaries(self)

    def _boundaries(self, t: float) -> Iterable[float]:
        return _multiples(self.step_size, t)

    def formula(self, t: Any, xp: Any) -> Any:
        stair, _ = _divided(xp.clip(t, 0, HORIZON), self.step_size, xp)
        return _stair(self, stair, xp)


@dataclass(frozen=True)
class MultiStep(Schedule):
    r"""A staircase with stairs where you say: :math:`\max(\eta_{min},\ \eta_{max}\,\gamma^{i})`.

    i is the number of milestones at or before t.

    Args:
        milestones: update indices (or epochs) of the drops, increasing, above 0.
        eta_max: learning rate at t = 0, above 0.
        eta_min: never below this, from 0 to `eta_max`.
        gamma: each stair is so many times the one before, above 0 and at most 1.

    The update at a milestone has the new rate. Before 0: `eta_max`. From the last milestone on: the
    last stair. ``.length`` is the last milestone, ``.boundaries`` all of them.

    >>> [round(MultiStep(milestones=[30, 45], eta_max=0.1)(t), 6) for t in (0, 29, 30, 45, 99)]
    [0.1, 0.1, 0.01, 0.001, 0.001]

    Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016.
    """

    milestones: Sequence[float]
    eta_max: float
    eta_min: float = 0.0
    gamma: float = 0.1

    def __post_init__(self) -> None:
        milestones = _increasing("milestones", self.milestones)
        _require(len(milestones) > 0, "milestones", milestones, "at least one update index")
        gamma = _fraction("gamma", self.gamma)
        _normalise(self, milestones=milestones, **_rates(self), gamma=gamma)

    @property
    def length(self) -> float:
        return self.milestones[-1]

    @property
    def boundaries(self) -> tuple[float, ...]:
        """The milestones."""
        return tuple(self.milestones)

    def _boundaries(self, t: float) -> Iterable[float]:
        return self.milestones

    def formula(self, t: Any, xp: Any) -> Any:
        if xp is _Scalars:
            stair = bisect_right(self.milestones, t)
        else:
            stair = xp.searchsorted(xp.asarray(self.milestones, dtype=float), t, side="right")
        return _stair(self, stair, xp)


def _stair(schedule: Step | MultiStep, stair: Any, xp: Any) -> Any:
    rate = schedule.eta_max * float(schedule.gamma) ** stair
    return xp.clip(rate, float(schedule.eta_min), float(schedule.eta_max))


@dataclass(frozen=True)
class Cyclical(Schedule):
    r"""Triangles: `half_cycle` updates up from `eta_min` to `eta_max`, as many down again.

    .. math:: \eta_t = \eta_{min} + (\eta_{max} d^i - \eta_{min})\,(1 - |x - 1|),
              \qquad x = (t \bmod 2H)/H, \quad i = \lfloor t/2H \rfloor

    Args:
        half_cycle: updates (or epochs) from floor to peak, H, above 0.
        eta_max: first peak, above 0.
        eta_min: floor, from 0 to `eta_max`.
        decay: each peak is so many times the one before, never below `eta_min`; 0.5 is Smith's
            "triangular2" where `eta_min` is 0.
        cycles: how many triangles there are, or None for no end.

    Before 0 and after the last cycle: `eta_min`. ``.length`` is 2 H `cycles`, infinite with
    ``cycles=None``; ``.boundaries`` are where cycles begin.

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

    def __post_init__(self) -> None:
        _normalise(
            self,
            half_cycle=_duration("half_cycle", self.half_cycle),
            **_rates(self),
            decay=_fraction("decay", self.decay),
            cycles=_count_or_none("cycles", self.cycles),
        )

    @property
    def length(self) -> float:
        return math.inf if self.cycles is None else 2 * self.half_cycle * self.cycles

    @property
    def boundaries(self) -> tuple[float, ...]:
        """Where each triangle after the first begins. Needs `cycles`."""
        return _all_boundaries(self)

    def _boundaries(self, t: float) -> Iterable[float]:
        return _multiples(2 * self.half_cycle, min(t, self.length))

    def formula(self, t: Any, xp: Any) -> Any:
        i, since, _ = _periodic(t, 2 * self.half_cycle, self.cycles, xp)
        peak = xp.clip(self.eta_max * self.decay**i, self.eta_min, self.eta_max)
        return _between(self.eta_min, peak, 1.0 - abs(since / self.half_cycle - 1.0))


@dataclass(frozen=True)
class OneCycle(Schedule):
    r"""One climb and one long descent: from `eta_start` to `eta_max` to `eta_min`.

    With `w` falling from 1 to 0 (see `shape`), and P the peak's update:

    .. math:: \eta_t = \eta_{start} w(t, P) + \eta_{max} (1 - w(t, P)) \quad (t < P), \qquad
              \eta_{max} w(t-P, T-P) + \eta_{min} (1 - w(t-P, T-P)) \quad (t \ge P)

    Args:
        T_max: updates (or epochs) in all, above 0.
        eta_max: the peak, above 0.
        eta_min: learning rate from t = `T_max` on, from 0 to `eta_max`.
        eta_start: learning rate at t = 0, from 0 to `eta_max`; None is `eta_max` / 25.
        peak: update at which `eta_max` is reached, above 0 and below `T_max`; None is 0.3 `T_max`.
        shape: "cosine" or "linear", for both ways.

    Before 0: `eta_start`. From `T_max` on: `eta_min`. ``.length`` is `T_max`, ``.boundaries`` the
    peak. PyTorch's OneCycleLR over N updates is ``T_max=N-1, peak=0.3*N-1, eta_min=eta_start/1e4``.

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

    def __post_init__(self) -> None:
        T_max, rates = _duration("T_max", self.T_max), _rates(self)
        _normalise(self, T_max=T_max, **rates)
        if self.eta_start is not None:
            right = f"a learning rate from 0 to eta_max={self.eta_max!r}, or None"
            eta_start = _from_zero("eta_start", self.eta_start, right)
            _require(eta_start <= self.eta_max, "eta_start", eta_start, right)
            _normalise(self, eta_start=eta_start)
        if self.peak is not None:
            right = f"an update above 0 and below T_max={T_max!r}, or None"
            peak = _number("peak", self.peak, right)
            _require(0 < peak < T_max, "peak", peak, right)
            _normalise(self, peak=peak)
        shapes = ("cosine", "linear")
        _require(self.shape in shapes, "shape", self.shape, " or ".join(map(repr, shapes)))

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

    def formula(self, t: Any, xp: Any) -> Any:
        weight, peak = _SHAPES[self.shape], self._peak
        start = self.eta_max / 25 if self.eta_start is None else self.eta_start
        up = _between(self.eta_max, start, weight(t, peak, xp))
        down = _between(self.eta_min, self.eta_max, weight(t - peak, self.T_max - peak, xp))
        return xp.where(t < peak, up, xp.where(t < self.T_max, down, float(self.eta_min)))


@dataclass(frozen=True)
class WSD(Schedule):
    r"""Warm-up, stable, decay: a plateau at `eta_max` that ends in a cooldown.

    .. math:: \eta_t = \eta_{max} \tfrac{t+1}{W+1} \; (t < W), \quad \eta_{max} \; (t < T-D), \quad
              \eta_{min} + (\eta_{max}-\eta_{min})\,w(t-T+D,\,D) \; (t < T)

    The decay can start at any time, so that a run is prolonged or several lengths share one
    plateau; a cosine has to know its end from the start.

    Args:
        T_max: updates (or epochs) in all, T, above 0.
        decay: updates of the cooldown at the end, D, above 0.
        eta_max: the plateau, above 0.
        eta_min: learning rate from t = `T_max` on, from 0 to `eta_max`.
        warmup: updates of the rise at the beginning, W, from 0; as in :func:`warmup`.
        shape: of the cooldown: "linear", "sqrt" (1 - sqrt) or "cosine".

    Before 0: the first value. From `T_max` on: `eta_min`. ``.length`` is `T_max`, ``.boundaries``
    are where plateau and cooldown begin.

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

    def __post_init__(self) -> None:
        T_max, decay = _duration("T_max", self.T_max), _duration("decay", self.decay)
        warmup = _from_zero("warmup", self.warmup, "a number of updates (or epochs) from 0")
        right = f"at most T_max - warmup = {T_max - warmup!r}"
        _require(decay + warmup <= T_max, "decay", decay, right)
        _require(self.shape in list(_SHAPES), "shape", self.shape, f"one of {', '.join(_SHAPES)}")
        _normalise(self, T_max=T_max, decay=decay, **_rates(self), warmup=warmup)

    @property
    def length(self) -> float:
        return self.T_max

    @property
    def boundaries(self) -> tuple[float, ...]:
        """Where the plateau begins (if there is a warm-up) and where the cooldown begins."""
        return tuple(b for b in (self.warmup, self.T_max - self.decay) if b > 0)

    def _boundaries(self, t: float) -> Iterable[float]:
        return self.boundaries

    def formula(self, t: Any, xp: Any) -> Any:
        cooldown = self.T_max - self.decay
        w = _SHAPES[self.shape](t - cooldown, self.decay, xp)
        rate = xp.where(t < self.T_max, _between(self.eta_min, self.eta_max, w), self.eta_min)
        return xp.where(t < self.warmup, _rise(t, self.warmup, self.eta_max, None, xp), 1.0 * rate)


# ----------------------------------------------------------------------------- composition


def _rise(t: Any, updates: float, first: float, start: float | None, xp: Any) -> Any:
    """Warm-up to `first`: from one (updates + 1)th of it by default, from `start` where given."""
    t = xp.clip(t, 0, updates)
    if start is None:
        return first * ((t + 1) / (updates + 1))
    return _between(start, first, t / updates)


@dataclass(frozen=True, repr=False)
class Warmup(Schedule):
    """What :func:`warmup` returns."""

    inner: Schedule
    updates: float
    start: float | None = None

    def __post_init__(self) -> None:
        _schedule("schedule", self.inner)
        updates = _duration("updates", self.updates)
        start = self.start
        if start is not None:
            first = self.inner(0)
            right = f"a learning rate from 0 to the schedule's first value {first!r}, or None"
            start = _from_zero("start", start, right)
            _require(start <= first, "start", start, right)
        _normalise(self, updates=updates, start=start)

    @property
    def length(self) -> float:
        return self.updates + self.inner.length

    @property
    def boundaries(self) -> tuple[float, ...]:
        """The end of the warm-up, then the schedule's own boundaries."""
        return _known_boundaries(self, self.inner)

    def _boundaries(self, t: float) -> Iterable[float]:
        later = self.inner.boundaries_before(t - self.updates)
        return (self.updates, *(self.updates + b for b in later))

    def formula(self, t: Any, xp: Any) -> Any:
        if xp is _Scalars and t >= self.updates:
            return self.inner(t - self.updates)
        first = self.inner(0)
        rise = _rise(t, self.updates, first, self.start, xp)
        after = first if xp is _Scalars else self.inner.formula(t - self.updates, xp)
        return xp.where(t < self.updates, rise, after)

    def __repr__(self) -> str:
        start = "" if self.start is None else f", start={self.start!r}"
        return f"warmup({self.inner!r}, updates={self.updates!r}{start})"


def warmup(schedule: Schedule, updates: float, start: float | None = None) -> Warmup:
    r"""`updates` of linear rise in front of `schedule`, whose clock starts after them.

    .. math:: \eta_t = f(0)\,\frac{t+1}{W+1} \quad (t < W), \qquad f(t-W) \quad (t \ge W)

    for a schedule f and W updates. No update is wasted at a rate of 0. With `start` the rise is
    ``start + (f(0) - start) * t / W``: ``start=0.0`` is what optax and Transformers do.

    Args:
        schedule: any schedule of this module.
        updates: length of the rise, W, above 0, in the unit of the schedule.
        start: learning rate at t = 0, from 0 to the schedule's first value, or None.

    Before 0: the first value. After: as `schedule`. ``.length`` is W + ``schedule.length``;
    ``.boundaries`` are W and the schedule's, shifted by W.

    >>> schedule = warmup(Cosine(T_max=45, eta_max=0.1), updates=4)
    >>> [round(schedule(t), 6) for t in range(6)], schedule.length
    ([0.02, 0.04, 0.06, 0.08, 0.1, 0.099878], 49)
    >>> [round(warmup(Constant(0.1), updates=4, start=0.0)(t), 6) for t in range(5)]
    [0.0, 0.025, 0.05, 0.075, 0.1]

    Source: Goyal et al., "Accurate, Large Minibatch SGD", 2017.
    """
    return Warmup(schedule, updates, start)


@dataclass(frozen=True, repr=False)
class Join(Schedule):
    """What :func:`join` returns."""

    schedules: Sequence[Schedule]
    joints: Sequence[float]

    def __post_init__(self) -> None:
        schedules = _sequence("schedules", self.schedules, "a sequence of schedules")
        for i, schedule in enumerate(schedules):
            _schedule(f"schedules[{i}]", schedule)
        joints = _increasing("boundaries", self.joints)
        _require(len(schedules) > 0, "schedules", schedules, "at least one schedule")
        right = f"one fewer than the {len(schedules)} schedules"
        _require(len(joints) == len(schedules) - 1, "boundaries", joints, right)
        _normalise(self, schedules=schedules, joints=joints)

    @property
    def length(self) -> float:
        return (0, *self.joints)[-1] + self.schedules[-1].length

    @property
    def boundaries(self) -> tuple[float, ...]:
        """Where each piece after the first begins, with the pieces' own boundaries."""
        return _known_boundaries(self, self.schedules[-1])

    def _boundaries(self, t: float) -> Iterable[float]:
        starts, ends = (0, *self.joints), (*self.joints, math.inf)
        for begin, end, schedule in zip(starts, ends, self.schedules, strict=True):
            if begin > 0:
                yield begin
            if begin < t:
                yield from (begin + b for b in schedule.boundaries_before(min(t, end) - begin))

    def formula(self, t: Any, xp: Any) -> Any:
        if xp is _Scalars:
            i = bisect_right(self.joints, t)
            return self.schedules[i](t - (self.joints[i - 1] if i else 0))
        rate = self.schedules[0].formula(t, xp)
        for joint, schedule in zip(self.joints, self.schedules[1:], strict=True):
            rate = xp.where(t < joint, rate, schedule.formula(t - joint, xp))
        return rate

    def __repr__(self) -> str:
        return f"join({list(self.schedules)!r}, boundaries={list(self.joints)!r})"


def join(schedules: Sequence[Schedule], boundaries: Sequence[float]) -> Join:
    """One schedule after another; each has its own clock, which starts at its boundary.

    Args:
        schedules: the pieces, at least one.
        boundaries: where each piece after the first begins, increasing, above 0, one fewer than
            there are pieces, in the unit of the pieces.

    The update at a boundary belongs to the new piece. A piece shorter than its stretch holds its
    last value; one that is longer is cut off. Before 0: the first value. ``.length`` is the last
    boundary + the last piece's length; ``.boundaries`` are these and the pieces' own.

    >>> schedule = join([Constant(0.1), Linear(T_max=10, eta_max=0.1)], boundaries=[40])
    >>> [round(schedule(t), 6) for t in (0, 39, 40, 45, 50)], schedule.length
    ([0.1, 0.1, 0.1, 0.05, 0.0], 50)

    Source: the semantics of optax's ``join_schedules``.
    """
    return Join(schedules, boundaries)


def _schedule(name: str, value: Any) -> None:
    if not isinstance(value, Schedule):
        raise TypeError(f"{name}={value!r}: must be a schedule such as Cosine(50, eta_max=0.1)")


def _known_boundaries(whole: Schedule, last: Schedule) -> tuple[float, ...]:
    return _all_boundaries(whole) if _endless(last) else whole.boundaries_before(math.inf)


def _endless(schedule: Schedule) -> bool:
    """Whether there is no last boundary: a schedule may be endless and yet have all its phases."""
    if isinstance(schedule, Warmup):
        return _endless(schedule.inner)
    if isinstance(schedule, Join):
        return _endless(schedule.schedules[-1])
    return hasattr(type(schedule), "boundaries") and schedule.length == math.inf
