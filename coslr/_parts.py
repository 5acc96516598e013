"""A schedule taken apart, and put together again with one part or one length changed."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from coslr._rates import on_arrays
from coslr.schedules import WSD, Cosine, CosineWarmRestarts, Cyclical, Join, OneCycle, Warmup

Values: TypeAlias = Any  # numbers and arrays of them, as formulas mix them
Curve: TypeAlias = Callable[..., Values]  # from update indices to rates
Family: TypeAlias = Callable[..., Values]  # from update indices and a number n to rates
Times: TypeAlias = list[Any]


@dataclass(frozen=True)
class Piece:
    """A part of the schedule: it has a clock of its own, which starts at update `begin`."""

    part: Any
    begin: float
    end: float

    @property
    def curve(self) -> Curve:
        return on_arrays(self.part)


def pieces_of(part: Any, begin: float, end: float) -> list[Piece]:
    """The schedule, the schedules that it consists of, and so on."""
    inner: list[tuple[Any, float, float]] = []
    if isinstance(part, Warmup):
        inner = [(part.inner, begin + part.updates, end)]
    elif isinstance(part, Join):
        starts = [begin, *(begin + joint for joint in part.joints)]
        inner = list(zip(part.schedules, starts, [*starts[1:], end], strict=True))
    pieces = [Piece(part, begin, end)]
    for one, start, stop in inner:
        if start < end:
            pieces += pieces_of(one, start, min(stop, end))
    return pieces


def rebuilt(schedule: Any, change: Callable[[Any], Any]) -> Curve:
    """The schedule with `change` applied to its parts; NaN if it refuses the change."""

    def inside(part: Any) -> Any:
        if isinstance(part, Warmup):
            return change(replace(part, inner=inside(part.inner)))
        if isinstance(part, Join):
            return replace(part, schedules=[inside(one) for one in part.schedules])
        return change(part)

    try:
        return on_arrays(inside(schedule))
    except Exception:  # the schedule checks its arguments, and a reader's own may check anything
        return lambda updates: np.full(np.shape(updates), math.nan)


_CYCLES = CosineWarmRestarts | Cyclical


class _Wave(Cosine):
    """PyTorch's cosine, which goes up again after T_max as it came down."""

    def formula(self, t: Any, xp: Any) -> Any:
        return super().formula(self.T_max * (1 - abs(t / self.T_max % 2 - 1)), xp)


def wave_of(cosine: Cosine) -> _Wave:
    return _Wave(cosine.T_max, cosine.eta_max, cosine.eta_min)


def goes_on(schedule: Any) -> Curve | None:
    """The schedule with PyTorch's endless waves and cycles in the place of ours, which end."""

    def endless(part: Any) -> Any:
        if type(part) is Cosine:
            return wave_of(part)
        return replace(part, cycles=None) if isinstance(part, _CYCLES) else part

    parts = [piece.part for piece in pieces_of(schedule, 0, math.inf)]
    ends = any(type(p) is Cosine or (isinstance(p, _CYCLES) and p.cycles) for p in parts)
    return rebuilt(schedule, endless) if ends else None


# ---------------------------------------------------------------------- with another length


def lengths_of(part: Any) -> Iterator[tuple[str, float, Times, Callable[[Any], Times]]]:
    """Each length of a part: its name, its value, and times which it moves if it becomes n."""
    names = ("T_0", "step_size", "half_cycle", "timescale")
    name = next((name for name in names if hasattr(part, name)), "length")
    length = getattr(part, name, math.inf)
    if hasattr(part, "T_max"):
        name = "T_max"
    if isinstance(length, int | float) and 0 < length < math.inf:
        yield name, length, [0, length], lambda n: [0, n]  # the whole of it is stretched
    if isinstance(part, Warmup):
        W, end = part.updates, part.length
        # What follows comes in its own length, or it ends when it should.
        yield "warmup", W, [W, W + 1], lambda n: [n, n + 1]
        if end < math.inf:
            yield "warmup", W, [W, end], lambda n: [n, end]
    if isinstance(part, WSD):
        W, T, decay = part.warmup, part.T_max, part.decay
        old = [W, T - decay, T]
        yield "T_max", T, old, lambda n: [W, n - decay, n]
        yield "decay", decay, old, lambda n: [W, T - n, T]
        if W > 0:
            yield "warmup", W, old, lambda n: [n, T - decay, T]
    if isinstance(part, OneCycle):
        peak, T = part._peak, part.T_max
        yield "T_max", T, [0, peak, T], lambda n: [0, peak, n]
        yield "peak", peak, [0, peak, T], lambda n: [0, n, T]


def stretched(curve: Curve, length: float, since: Values, n: Any) -> Values:
    return curve(since * length / n)


def at_moved_times(
    curve: Curve,
    old: Times,
    new: Callable[[Any], Times],
    since: Values,
    n: Any,
    rise: Family | None = None,
) -> Values:
    """The curve with the times `old` moved to ``new(n)``, and the times between in proportion.

    Before the first of these times is the rise, if there is one. NaN where the times would not
    follow each other.
    """
    times = new(n)
    time, possible = since, np.asarray(True)
    for a, b, was_a, was_b in zip(times, times[1:], old, old[1:], strict=False):
        time = np.where(since < a, time, was_a + (since - a) * (was_b - was_a) / (b - a))
        possible = possible & (b >= a)
    possible = possible & np.isfinite(time)
    rates = np.where(possible, curve(np.where(possible, time, 0.0)), math.nan)
    return rates if rise is None else np.where(since < times[0], rise(since, times[0]), rates)


def rise_of(part: Any, start: float | None = None) -> tuple[float, Family]:
    """The updates of a part's warm-up, and its rates after `since` of n updates; 0 if it has none.

    The rise begins at `start`, or where the part's own does.
    """
    if isinstance(part, Warmup):
        updates, first = part.updates, float(part.inner(0))
        start = part.start if start is None else start
    elif isinstance(part, WSD):
        updates, first = part.warmup, part.eta_max
    else:
        updates, first = 0, math.nan
    if start is None:
        return updates, lambda since, n: first * ((since + 1) / (n + 1))
    return updates, lambda since, n: start + (first - start) * (since / n)
