"""Which known mistake explains a trace of learning rates.

Each cause is a function that proposes what the rates would be under one mistake, with the numbers
that belong to it: "the schedule at 4 k", "the schedule from update 50 on, times 2". The common code
compares each guess with the trace. A cause explains a trace only if the whole of it fits.

The file reads from top to bottom: the public part, the trace and the guesses as one object, then
the causes in the order in which they are preferred, and last the table that lists them.
"""

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from coslr._arguments import not_negative, positive, require, require_type, sequence, whole
from coslr.schedules import (
    WSD,
    Cosine,
    CosineWarmRestarts,
    Cyclical,
    Join,
    OneCycle,
    Schedule,
    Warmup,
)

RateFunction = Callable[[Any], Any]  # from t to a rate, as every schedule is
Array: TypeAlias = NDArray[Any]
Values: TypeAlias = Any  # numbers and arrays of them, as formulas mix them
Curve: TypeAlias = Callable[..., Values]  # from update indices to rates
Family: TypeAlias = Callable[..., Values]  # from update indices and a number to rates

STRICT = 1e-9  # relative difference that two rates of a float64 loop may have
MOST = 4096  # whole numbers up to this one are tried as the number of a mistake
SHORT = 3  # in a trace of so few updates, the end of a stair need not be in sight


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
    stretch = getattr(schedule, "stretch", None)
    if isinstance(schedule, Schedule) and stretch is not None:
        stretched: RateFunction = stretch(units)
        return stretched
    return lambda update: schedule(update / units)


@dataclass(frozen=True)
class Diagnosis:
    """One cause that explains a whole trace.

    Attributes:
        cause: a stable word, one of `CAUSES`.
        parameters: the numbers of the mistake by name, such as ``{"times": 4}``. Lengths and
            positions are in updates.
        says: one sentence with the likely cause in a training loop, and the remedy.
        updates: the recorded updates whose rate is not the schedule's.
    """

    cause: str
    parameters: dict[str, Any]
    says: str
    updates: tuple[int, ...] = field(default=(), repr=False)


def diagnose(
    rates: Sequence[float] | Array,
    schedule: RateFunction,
    *,
    steps_per_unit: float = 1,
    first_update: int = 0,
    updates: Sequence[int] | None = None,
    tolerance: float | None = None,
) -> list[Diagnosis]:
    """The known mistakes that explain a trace of learning rates, best first.

    Args:
        rates: the learning rates that were in force, one for each recorded update.
        schedule: the rates that were meant: a schedule, or any function of t.
        steps_per_unit: optimizer updates in one unit of the schedule; ``len(loader)`` for epochs.
        first_update: index of the first update of the recorded part, above 0 if the run went on
            from a checkpoint.
        updates: index of each recorded update, increasing, where a log kept only some. None means
            every update from `first_update` on.
        tolerance: largest relative difference between equal rates. None takes 1e-9 or, if nothing
            explains the trace then, the precision in which the rates seem to be written (float32,
            or six to nine digits).

    Returns:
        The causes that explain every recorded rate, in the order of `CAUSES`; a cause with a number
        that could be any other (a rate that never moves from 0.07) comes last. Only ``right`` if
        the rates are the schedule's, and an empty list if nothing explains them. A trace of one or
        two wrong updates has several causes; a longer one decides between them.

    Raises:
        ValueError, TypeError: an argument is wrong; the message names it and says what is right.

    Example:
        >>> from coslr import Cosine
        >>> schedule = Cosine(T_max=100, eta_max=0.1)
        >>> found = diagnose([schedule(4 * k) for k in range(50)], schedule)
        >>> found[0].cause, found[0].parameters
        ('too_fast', {'times': 4})
        >>> diagnose([0.1, 0.07, 0.09, 0.03], schedule)
        []
    """
    is_function = callable(schedule) and not isinstance(schedule, type)
    require_type(is_function, "schedule", schedule, "a schedule such as Cosine(50, eta_max=0.1)")
    found = np.array([float(rate) for rate in sequence("rates", rates, "learning rates")])
    first_update = whole("first_update", first_update, least=0)
    if updates is None:
        recorded = first_update + np.arange(len(found))
    else:
        recorded = np.array(sequence("updates", updates, "increasing update indices"), dtype=int)
        right = f"{len(found)} increasing update indices from first_update={first_update}"
        increases = bool((np.diff(recorded) > 0).all()) and (recorded[:1] >= first_update).all()
        require(len(recorded) == len(found) and increases, "updates", updates, right)
    if not len(found):
        return []
    if tolerance is None:
        tolerances = [STRICT, _written_precision(found)]
    else:
        tolerances = [not_negative("tolerance", tolerance)]
    meant = at_updates(schedule, steps_per_unit)
    with np.errstate(all="ignore"):
        for relative in tolerances:
            if relative is not None:
                diagnoses = _Seen(found, recorded, meant, first_update, relative).diagnoses()
                if diagnoses:
                    return diagnoses
    return []


def _written_precision(rates: Array) -> float | None:
    """The relative difference that rounding to float32, or to six to nine digits, can make.

    None if the rates are not rounded, or have fewer digits, because people write those themselves.
    """
    size = np.abs(np.unique(rates[rates != 0]))
    if not len(size) or not np.isfinite(size).all():
        return None
    mantissa = size / 10.0 ** np.floor(np.log10(size))  # from 1 to 10
    for digits in range(5, 10):
        shifted = mantissa * 10 ** (digits - 1)
        if (np.abs(shifted - np.rint(shifted)) < 1e-12 * shifted).all():
            # Rounding errs by half a unit of the last digit, and so does what is computed from it.
            return None if digits == 5 else float(2 * 10.0 ** (1 - digits))
    return 1e-6 if (size.astype(np.float32) == size).all() else None


# ------------------------------------------------------------------ the trace, and guesses at it


@dataclass(frozen=True)
class _Guess:
    """What the rates would be under one mistake.

    Attributes:
        parameters: the numbers of the mistake.
        expected: the rates, as a function of an array of update indices.
        fitted: whether one of the numbers was computed from the rates and could be any. This takes
            the evidence of one wrong update, so there must be another one, and such a guess stands
            behind those without.
        at_least: the name of a number that could as well be larger, because the run was too short
            to tell; "" if there is none. Such a guess stands last.
    """

    parameters: dict[str, Any]
    expected: Curve
    fitted: bool = False
    at_least: str = ""


Guesses: TypeAlias = Iterator[_Guess]


def _with_number(at: Family, number: float, updates: Values) -> Values:
    return at(updates, number)


@dataclass(frozen=True)
class _Piece:
    """A part of the schedule with a clock of its own, which starts at update `begin`."""

    schedule: Curve
    begin: float = 0.0
    end: float = math.inf
    rises: bool = False  # whether it is the rise of a Warmup


def _pieces(schedule: Curve, begin: float = 0.0, end: float = math.inf) -> list[_Piece]:
    if begin >= end:
        return []
    if isinstance(schedule, Warmup):
        top = begin + schedule.updates
        rise = _Piece(schedule, begin, min(top, end), rises=True)
        return [rise, *_pieces(schedule.inner, top, end)]
    if isinstance(schedule, Join):
        starts = [begin + start for start in (0, *schedule.joints)]
        ends = [min(start, end) for start in (*starts[1:], math.inf)]
        return [
            piece
            for part, start, stop in zip(schedule.schedules, starts, ends, strict=True)
            for piece in _pieces(part, start, stop)
        ]
    return [_Piece(schedule, begin, end)]


def _on_arrays(schedule: Curve) -> Curve:
    """The schedule as a function of arrays of times; NaN where it cannot be computed."""

    def one(t: float) -> float:
        try:
            return float(schedule(int(t) if t == int(t) else t))
        except Exception:  # a reader's own function may take whole updates only, or have an end
            return math.nan

    def each(times: Values) -> Values:
        times = np.maximum(np.asarray(times, dtype=float), 0.0)
        unknown = np.isnan(times)
        if unknown.any():  # a schedule refuses NaN
            return np.where(unknown, math.nan, each(np.where(unknown, 0.0, times)))
        if isinstance(schedule, Schedule):
            try:
                return np.asarray(schedule(times), dtype=float)
            except Exception:  # a reader's own schedule may take numbers only
                pass
        different, where = np.unique(times, return_inverse=True)
        return np.array([one(t) for t in different.tolist()])[where].reshape(times.shape)

    return each


def _fold(x: Values) -> Values:
    """The triangle wave 0, 1, 0, 1 ... at x = 0, 1, 2, 3 ...: time on PyTorch's cosine."""
    return 1 - np.abs(x % 2 - 1)


def _just_before(boundary: Any) -> Any:
    """A time at which the old cycle is at its end; schedules round boundaries by a few bits."""
    return boundary * (1 - 1e-14)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        more = f" and {len(value) - 3} more" if len(value) > 3 else ""
        return ", ".join(str(one) for one in value[:3]) + more
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _says(cause: str, guess: _Guess) -> str:
    numbers = {name: _shown(value) for name, value in guess.parameters.items()}
    if guess.at_least:
        numbers[guess.at_least] += " or more"
    return CAUSES[cause].format(**numbers)


class _Seen:
    """A trace beside the schedule that was meant, and what guesses need of both."""

    def __init__(
        self, rates: Values, updates: Values, meant: Curve, first: int, relative: float
    ) -> None:
        self.rates, self.updates, self.first = rates, updates, first
        self.meant, self.curve, self.relative = meant, _on_arrays(meant), relative
        self.right = self.curve(updates)
        both = np.concatenate([rates, self.right])
        peak = float(np.abs(both[np.isfinite(both)]).max(initial=0.0))
        # A rate near 0 carries the rounding errors of the numbers near the peak that it came from.
        self.absolute = peak * (1e-12 if relative <= STRICT else relative / 10)
        self.wrong = np.flatnonzero(~self.close(rates, self.right))
        self.last = int(updates[-1])
        self.short = len(rates) <= SHORT
        # A whole number is hardly ever met by chance, unless the tolerance is coarse.
        self.coarse = relative > STRICT

    def close(self, a: Values, b: Values) -> Values:
        difference, size = np.abs(np.subtract(a, b)), np.maximum(np.abs(a), np.abs(b))
        return (difference <= self.relative * size + self.absolute) & np.isfinite(size)

    def diagnoses(self) -> list[Diagnosis]:
        if not len(self.wrong):
            return [Diagnosis("right", {}, CAUSES["right"])]
        wrong = tuple(self.updates[self.wrong].tolist())
        found: list[tuple[_Guess, Diagnosis]] = []
        for cause, propose in _PROPOSALS.items():
            for guess in propose(self):
                if len(self.wrong) > guess.fitted and self.fits(guess.expected):
                    diagnosis = Diagnosis(cause, guess.parameters, _says(cause, guess), wrong)
                    found.append((guess, diagnosis))
                    break
        # The sort keeps the order of causes that are equal in this.
        found.sort(key=lambda pair: (pair[0].at_least != "", pair[0].fitted))
        if not self.short:
            found = [pair for pair in found if not pair[0].at_least] or found
        return [diagnosis for _, diagnosis in found]

    def fits(self, expected: Curve) -> bool:
        """Whether all recorded rates are the expected ones; a few are looked at first."""
        some = self.probes
        if not self.close(expected(self.updates[some]), self.rates[some]).all():
            return False
        return bool(self.close(expected(self.updates), self.rates).all())

    @cached_property
    def probes(self) -> Values:
        """A few recorded updates that tell guesses apart, the best first."""
        n, wrong = len(self.rates), self.wrong
        middle = [wrong[len(wrong) * i // 16] for i in range(16)] + [wrong[-1]]
        spread = np.unique(np.geomspace(1, n, 12).astype(int)) - 1
        chosen = [wrong[0], 1, 2, *middle, wrong[0] - 1, n - 1, *spread]
        return np.array(list(dict.fromkeys(int(i) for i in chosen if 0 <= i < n)))

    # ........................................................................ numbers to try

    def counts(self, least: int = 2) -> Values:
        """The whole numbers that are tried; few where each takes a call of a Python function."""
        if not isinstance(self.meant, Schedule):
            return np.arange(least, 513)
        length = self.length if self.length < math.inf else 0
        most = max(MOST, min(4 * max(length, self.last), 50 * MOST))
        return np.arange(least, int(most) + 1)

    def that_fit(self, at: Family, numbers: Values) -> list[Any]:
        """The first few of the numbers n for which ``at(updates, n)`` are the recorded rates."""
        for i in self.probes:
            numbers = numbers[self.close(at(self.updates[i], numbers), self.rates[i])]
            if not len(numbers):
                return []
        return [n for n in numbers[:8].tolist() if self.fits(partial(_with_number, at, n))]

    def counts_that_fit(self, at: Family, least: int = 2) -> Iterator[tuple[int, bool]]:
        """Whole numbers n for which ``at(updates, n)`` fits, and whether all larger ones do."""
        counts = self.counts(least)
        fitting = self.that_fit(at, counts)
        open_ended = bool(fitting) and self.fits(partial(_with_number, at, int(counts[-1])))
        for n in fitting:
            yield n, open_ended

    def roots(self, at: Family, low: float, high: float) -> list[float]:
        """Real numbers n from `low` to `high` for which ``at(updates, n)`` fits."""
        if not isinstance(self.meant, Schedule) or self.short or not low < high:
            return []
        error = np.abs(self.rates - self.right)[self.wrong]
        for i in {self.wrong[np.argmax(error)], self.wrong[len(self.wrong) // 2]}:
            grid = np.geomspace(low, high, 1024)[None, :]
            for _ in range(8):  # find the sign changes, and look closer at each
                above = at(self.updates[i], grid) > self.rates[i]
                row, column = np.nonzero(above[:, 1:] != above[:, :-1])
                begin, end = grid[row, column][:8], grid[row, column + 1][:8]
                grid = np.linspace(begin, end, 129, axis=1)
                if not len(begin):
                    break
            if fitting := self.that_fit(at, grid[:, 64]):
                return [float(n) for n in fitting]
        return []

    # .................................................................. parts of the schedule

    @cached_property
    def length(self) -> float:
        """Updates to the end of the schedule; infinite where there is none."""
        length = getattr(self.meant, "length", math.inf)
        return float(length) if isinstance(length, int | float) else math.inf

    @cached_property
    def pieces(self) -> list[_Piece]:
        return _pieces(self.meant)

    def with_piece(self, piece: _Piece, changed: Curve) -> Curve:
        """The schedule with one piece replaced; `changed` takes the time since it began."""

        def expected(updates: Values, *numbers: Any) -> Values:
            inside = (updates >= piece.begin) & (updates < piece.end)
            since = np.maximum(updates - piece.begin, 0)
            return np.where(inside, changed(since, *numbers), self.curve(updates))

        return expected

    @cached_property
    def starts(self) -> list[int]:
        """Where a clock that runs at another speed agrees with the right one."""
        return list(dict.fromkeys([0, self.first]))

    @cached_property
    def curves(self) -> list[Curve]:
        """The schedule as it is, and as PyTorch's scheduler of the same name goes on."""
        goes_on = _goes_on(self.meant)
        return [self.curve] if goes_on is None else [self.curve, goes_on]

    @cached_property
    def peaks(self) -> list[float]:
        """The rates that an optimizer would be built with."""
        found = [float(self.curve(np.array(0.0)))]
        for piece in self.pieces:
            found.append(float(_on_arrays(piece.schedule)(np.array(0.0))))
            found += [getattr(piece.schedule, "eta_max", math.nan)]
        return [value for value in found if isinstance(value, int | float)]

    @cached_property
    def restarts(self) -> list[float]:
        """Where a cycle of the schedule begins: the rate has come down, and is higher after."""
        if not isinstance(self.meant, Schedule):
            return []
        try:
            boundaries = np.array(self.meant.boundaries_before(self.last + 1), dtype=float)
        except Exception:  # a reader's own schedule may have broken boundaries
            return []
        low = self.curve(_just_before(boundaries))
        begin = np.ceil(boundaries)
        before, after = self.curve(begin - 1), self.curve(begin + 1)
        is_restart = (before >= low) & ((after > low) | (self.curve(begin) > low))
        return [float(b) for b in boundaries[is_restart & ~self.close(after, low)]]

    def variants(self, name: str) -> Iterator[Callable[[float], Curve | None]]:
        """Functions from a value to the schedule with this value in the field `name`.

        First the field is changed in all parts that have it, then in one part alone.
        """
        parts = [piece.schedule for piece in self.pieces if hasattr(piece.schedule, name)]
        for changed in [parts, *([part] for part in parts if len(parts) > 1)]:
            if changed:
                yield partial(self.with_value, changed, name)

    def with_value(self, changed: list[Any], name: str, value: float) -> Curve | None:
        def change(part: Any) -> Any:
            is_one_of_them = any(part is one for one in changed)
            return dataclasses.replace(part, **{name: value}) if is_one_of_them else part

        return _rebuilt(self.meant, change)


def _rebuilt(schedule: Any, change: Callable[[Any], Any]) -> Curve | None:
    """The schedule with `change` applied to its parts; None if it refuses the change."""

    def rebuilt(part: Any) -> Any:
        if isinstance(part, Warmup):
            return change(dataclasses.replace(part, inner=rebuilt(part.inner)))
        if isinstance(part, Join):
            return dataclasses.replace(part, schedules=[rebuilt(one) for one in part.schedules])
        return change(part)

    try:
        return _on_arrays(rebuilt(schedule))
    except Exception:  # the schedule checks its arguments, and a reader's own may check anything
        return None


def _goes_on(schedule: Curve) -> Curve | None:
    """The schedule with PyTorch's endless waves and cycles in the place of ours, which end."""
    endless = False
    curve = _on_arrays(schedule)
    pieces = []
    for piece in _pieces(schedule):
        part = piece.schedule
        wave = _on_arrays(part)
        if isinstance(part, Cosine) and not piece.rises:
            endless = True

            def wave(since: Values, inner: Curve = wave, T: float = part.T_max) -> Values:
                return np.asarray(inner(T * _fold(since / T)))

        elif isinstance(part, CosineWarmRestarts | Cyclical) and part.cycles is not None:
            endless = True
            with contextlib.suppress(ValueError):  # an endless table of cycles may be too long
                wave = _on_arrays(dataclasses.replace(part, cycles=None))
        pieces.append((piece, wave))
    if not endless:
        return None

    def expected(updates: Values) -> Values:
        updates = np.maximum(updates, 0)
        rates = curve(updates)
        for piece, wave in pieces:
            if not piece.rises:
                inside = (updates >= piece.begin) & (updates < piece.end)
                rates = np.where(inside, wave(np.maximum(updates - piece.begin, 0)), rates)
        return rates

    return expected


# ------------------------------------------------------------------- causes: when it is stepped


def _never_moves(seen: _Seen) -> Guesses:
    rate = float(seen.rates[0])
    end = seen.length if seen.length < math.inf else 100 * (seen.last + 1)
    meant = seen.curve(np.unique(np.linspace(0, max(seen.last, end), 1000).astype(int)))
    should_move = not seen.close(meant, meant[0]).all()
    natural = bool(seen.close(rate, np.array([seen.right[0], *seen.peaks])).any())
    if natural or should_move:
        yield _Guess({"rate": rate}, lambda u: np.full(np.shape(u), rate), fitted=not natural)


def _one_early(seen: _Seen) -> Guesses:
    for curve in seen.curves:
        yield _Guess({}, lambda u, curve=curve: curve(u + 1))


def _one_late(seen: _Seen) -> Guesses:
    rate = float(seen.rates[0])
    begins = seen.updates[0] == seen.first
    # The first rate may be any. It is no evidence, unless it is one that an optimizer begins with.
    natural = bool(seen.close(rate, np.array(seen.peaks)).any())
    if begins and len(seen.rates) == 1 and not natural:
        return
    for curve in seen.curves:
        yield _Guess(
            {"first": rate},
            lambda u, curve=curve: np.where(begins & (u == seen.first), rate, curve(u - 1)),
        )


def _not_resumed(seen: _Seen) -> Guesses:
    if seen.first > 0:
        for curve in seen.curves:
            yield _Guess({"update": seen.first}, lambda u, curve=curve: curve(u - seen.first))


def _too_fast(seen: _Seen) -> Guesses:
    return _clocks(seen, "times", lambda curve, start, u, n: curve(start + n * (u - start)))


def _too_slow(seen: _Seen) -> Guesses:
    return _clocks(seen, "times", lambda curve, start, u, n: curve(start + (u - start) / n))


def _per_epoch(seen: _Seen) -> Guesses:
    # The scheduler counts epochs, or it counts updates and is told the first one of each epoch.
    yield from _clocks(seen, "updates", lambda curve, start, u, n: curve(start + (u - start) // n))
    yield from _clocks(
        seen, "updates", lambda curve, start, u, n: curve(start + (u - start) // n * n)
    )


def _clocks(seen: _Seen, name: str, at: Callable[..., Any]) -> Guesses:
    """Guesses at a clock with a whole number n: ``at(curve, start, updates, n)``."""
    for start in seen.starts:
        for curve in seen.curves:
            clock = partial(at, curve, start)
            for n, open_ended in seen.counts_that_fit(clock):
                # A wave comes by every rate again: a faster clock looks like a slower one, and one
                # rate is no evidence.
                if curve is seen.curve or (n <= seen.length and len(seen.wrong) > 1):
                    expected = partial(_with_number, clock, n)
                    yield _Guess({name: n}, expected, seen.coarse, name if open_ended else "")


# ------------------------------------------------------------------------- causes: by a factor

# Factors that loops have: numbers of processes or of small batches, and powers of ten.
_FACTORS = [x for n in range(2, 65) for x in (n, 1 / n)] + [10.0**k for k in range(-6, 7) if k]


def _scaled(seen: _Seen) -> Guesses:
    yield from _scaled_after(seen, 0)
    # A scheduler that begins at another peak has the same floor: only what is above it is scaled.
    doubled = _with_peak_times(2.0, seen.meant)
    if doubled is not None and not seen.close(seen.rates, seen.rates[0]).all():
        change = doubled(seen.updates) - seen.right
        j = int(np.argmax(np.abs(change)))
        factor = 1 + float((seen.rates[j] - seen.right[j]) / change[j])
        if 0 < factor < math.inf and abs(factor - 1) > 1e-4:
            curve = _with_peak_times(factor, seen.meant)
            if curve is not None:
                yield _Guess({"factor": factor}, curve, not _is_usual(seen, factor))


def _scaled_from(seen: _Seen) -> Guesses:
    if seen.wrong[0] > 0:
        yield from _scaled_after(seen, int(seen.wrong[0]))


def _scaled_after(seen: _Seen, i: int) -> Guesses:
    """The schedule times the factor that fits best from the i-th recorded update on."""
    update = int(seen.updates[i])
    right, rates = seen.right[i:], seen.rates[i:]
    j = int(np.argmax(np.abs(right)))
    factor = float(rates[j] / right[j])
    if 0 < factor < math.inf and abs(factor - 1) > 1e-4:  # less is a rounding error
        yield _Guess(
            {"factor": factor} | ({"update": update} if i else {}),
            lambda u: np.where(u < update, 1.0, factor) * seen.curve(u),
            not _is_usual(seen, factor),
        )


def _with_peak_times(factor: float, schedule: Curve) -> Curve | None:
    def change(part: Any) -> Any:
        names = [name for name in ("eta_max", "eta_start") if getattr(part, name, None)]
        return dataclasses.replace(part, **{name: factor * getattr(part, name) for name in names})

    return _rebuilt(schedule, change)


def _is_usual(seen: _Seen, factor: float) -> bool:
    return bool(np.isclose(factor, _FACTORS, rtol=10 * seen.relative, atol=0).any())


# -------------------------------------------------------------- causes: it begins anew, or ends


def _restarted(seen: _Seen) -> Guesses:
    first_wrong = int(seen.updates[seen.wrong[0]])
    begins = np.arange(first_wrong, seen.first, -1)
    for curve in seen.curves:

        def anew(u: Values, begin: Any, curve: Curve = curve) -> Values:
            return np.where(u < begin, seen.curve(u), curve(u - begin))

        for update in seen.that_fit(anew, begins):
            yield _Guess({"update": update}, partial(_with_number, anew, update))


def _never_restarts(seen: _Seen) -> Guesses:
    first_wrong = seen.updates[seen.wrong[0]]
    reached = [b for b in seen.restarts if b <= first_wrong]
    for begin in reached[-1:]:
        # The rate stops at the cycle's end, or at the last update before it.
        for end in (_just_before(begin), math.ceil(begin) - 1):
            rate = float(seen.curve(np.array(float(end))))
            yield _Guess(
                {"update": math.ceil(begin)},
                lambda u, b=begin, rate=rate: np.where(u < b, seen.curve(u), rate),
            )


def _missed_restart(seen: _Seen) -> Guesses:
    boundaries = np.array(seen.restarts)
    begins = np.ceil(boundaries)
    missed = seen.updates[seen.wrong]
    if len(begins) and np.isin(missed, begins).all():
        for ends in (_just_before(boundaries), begins - 1):
            old = seen.curve(ends)

            def expected(u: Values, old: Values = old) -> Values:
                cycle = np.clip(np.searchsorted(begins, u), 0, len(begins) - 1)
                return np.where(np.isin(u, missed), old[cycle], seen.curve(u))

            yield _Guess({"updates": missed.tolist()}, expected)


def _used_up(seen: _Seen) -> Guesses:
    run = seen.last + 1
    ends = [seen.length, seen.length - 1, seen.length + 1, run, run - 1, run + 1]
    whole_ends = [math.ceil(end) for end in ends if 2 <= end < math.inf]
    for curve in seen.curves:

        def later(u: Values, steps: Any, curve: Curve = curve) -> Values:
            return np.asarray(curve(u + steps))

        for steps in whole_ends:
            yield _Guess({"steps": steps}, partial(_with_number, later, steps))
        for steps, _ in seen.counts_that_fit(later):
            # A wave comes by every rate again: many steps look like few, or like none.
            if curve is seen.curve or (steps <= seen.length and len(seen.wrong) > 1):
                yield _Guess({"steps": steps}, partial(_with_number, later, steps), seen.coarse)


def _climbs_again(seen: _Seen) -> Guesses:
    for curve in seen.curves[1:]:
        yield _Guess({"after": seen.length}, curve)
    for piece in seen.pieces:
        part = piece.schedule
        if not isinstance(part, Cosine) or piece.rises or len(seen.wrong) == 1:
            continue
        # A longer cosine does not climb before the last update, and a very short one cannot be told
        # from a longer one, as it passes whole waves between two recorded updates.
        longest = seen.last - piece.begin
        shortest = int(np.diff(seen.updates).max(initial=1))
        inner = _on_arrays(part)

        def wave(since: Values, T: Any, inner: Curve = inner, was: float = part.T_max) -> Values:
            return np.asarray(inner(was * _fold(since / T)))

        at = seen.with_piece(piece, wave)
        for T in seen.that_fit(at, np.arange(shortest, max(math.ceil(longest), shortest))):
            parameters = {"after": piece.begin + T}
            yield _Guess(parameters, partial(_with_number, at, T), seen.coarse)
        for T in seen.roots(at, float(shortest), longest):
            parameters = {"after": piece.begin + T}
            yield _Guess(parameters, partial(_with_number, at, T), fitted=True)


# --------------------------------------------------------- causes: a part of it is another one


def _clock_in_warmup(seen: _Seen) -> Guesses:
    schedule = seen.meant
    if not isinstance(schedule, Warmup):
        return
    updates, inner = schedule.updates, schedule.inner
    own = _on_arrays(inner)
    clocks = [("its own", own)]
    if (wave := _goes_on(inner)) is not None:
        clocks.append(("its own", wave))
    if inner.length < math.inf:
        T, whole_run = inner.length, updates + inner.length
        clocks.append(("the whole run's", lambda u: own(u * T / whole_run)))
    for length, clock in clocks:
        parameters = {"warmup": updates, "length": length}

        def replaced(u: Values, clock: Curve = clock) -> Values:
            return np.where(u < updates, seen.curve(u), clock(u))

        def multiplied(u: Values, clock: Curve = clock) -> Values:
            return np.where(u < updates, seen.curve(u) / own(0.0) * clock(u), clock(u))

        yield _Guess(parameters, replaced)
        yield _Guess(parameters, multiplied)


def _warmup_from_zero(seen: _Seen) -> Guesses:
    for kind in (Warmup, WSD, OneCycle):
        curve = _rebuilt(seen.meant, partial(_from_zero, kind))
        if curve is not None:
            yield _Guess({}, curve)


def _from_zero(kind: type[Any], part: Any) -> Any:
    if type(part) is not kind:
        return part
    if isinstance(part, Warmup):
        return dataclasses.replace(part, start=0.0)
    if isinstance(part, OneCycle):
        return dataclasses.replace(part, eta_start=0.0)
    if part.warmup == 0:
        return part
    rest = dataclasses.replace(part, T_max=part.T_max - part.warmup, warmup=0)
    return Warmup(rest, part.warmup, start=0.0)


def _wrong_floor(seen: _Seen) -> Guesses:
    for make in seen.variants("eta_min"):
        for floor in (0.0, *_floors(seen, make)):
            curve = make(floor)
            if curve is not None:
                yield _Guess({"eta_min": floor}, curve, fitted=floor > 0)


def _floors(seen: _Seen, make: Callable[[float], Curve | None]) -> list[float]:
    """Floors that fit the rates which depend on them most, above 0 and below the peak."""
    parts: list[Any] = [piece.schedule for piece in seen.pieces]
    top = min(part.eta_max for part in parts if hasattr(part, "eta_min"))
    low_end = max(part.eta_min for part in parts if hasattr(part, "eta_min"))
    a, b = (low_end + share * (top - low_end) for share in (0.01, 0.02))
    at_a, at_b = make(a), make(b)
    if at_a is None or at_b is None:
        return []
    low, high = at_a(seen.updates), at_b(seen.updates)
    # A staircase has reached its floor, or has not, and then its floor does not matter.
    found = [seen.rates.min(), seen.rates[len(low) // 2 :].min(), seen.rates[-1]]
    # Later cycles with lower peaks may be cut off by the floor, so look into the first part too.
    for until in (len(low), len(low) // 3, len(low) // 6):
        if until:
            j = int(np.argmax((high - low)[:until]))
            # Most schedules are linear in their floor, and the exponential in its logarithm.
            found.append(a + (seen.rates[j] - low[j]) / (high[j] - low[j]) * (b - a))
            power = np.log(seen.rates[j] / low[j]) / np.log(high[j] / low[j])
            found.append(a * np.exp(power * np.log(b / a)))
    return [float(floor) for floor in found if 0 < floor < (1 - 1e-6) * top]


def _wrong_length(seen: _Seen) -> Guesses:
    for name, meant, at in _lengths(seen):
        for n, open_ended in seen.counts_that_fit(at, least=1):
            parameters = {"name": name, "length": n, "meant": meant}
            expected = partial(_with_number, at, n)
            yield _Guess(parameters, expected, seen.coarse, "length" if open_ended else "")
    for name, meant, at in _lengths(seen):
        for real in seen.roots(at, meant / 64, 64 * meant):
            parameters = {"name": name, "length": real, "meant": meant}
            yield _Guess(parameters, partial(_with_number, at, real), fitted=True)


def _lengths(seen: _Seen) -> Iterator[tuple[str, float, Family]]:
    """Each length of the schedule: its name, its value, and the rates if it were n."""
    for piece in seen.pieces:
        part, curve = piece.schedule, _on_arrays(piece.schedule)
        if isinstance(part, Warmup) and piece.rises:
            yield from _lengths_of_warmup(seen, piece, part)
            continue
        name, length = _name_of_length(part)
        if length is not None:
            stretched = partial(_stretched, curve, length)
            yield name, length, seen.with_piece(piece, stretched)
        if isinstance(part, WSD):
            yield "T_max", part.T_max, seen.with_piece(piece, partial(_longer_plateau, curve, part))
            yield "decay", part.decay, seen.with_piece(piece, partial(_other_cooldown, curve, part))
            if part.warmup > 0:
                rise = partial(_other_rise, curve, part)
                yield "warmup", part.warmup, seen.with_piece(piece, rise)
        if isinstance(part, OneCycle):
            yield "T_max", part.T_max, seen.with_piece(piece, partial(_longer_descent, curve, part))
            yield "peak", part._peak, seen.with_piece(piece, partial(_other_peak, curve, part))
    if len(seen.pieces) > 1 and seen.length < math.inf:
        yield "length", seen.length, partial(_stretched, seen.curve, seen.length)


def _name_of_length(part: Any) -> tuple[str, float | None]:
    for name in ("T_max", "T_0", "step_size", "half_cycle", "timescale"):
        if hasattr(part, name):
            return name, float(getattr(part, name))
    length = getattr(part, "length", math.inf)
    return "length", float(length) if length < math.inf else None


def _stretched(curve: Curve, length: float, since: Values, n: Any) -> Values:
    return np.asarray(curve(since * length / n))


def _longer_plateau(curve: Curve, part: WSD, since: Values, T_max: Any) -> Values:
    plateau = np.minimum(since, part.T_max - part.decay)
    return np.asarray(
        curve(np.where(since < T_max - part.decay, plateau, since - T_max + part.T_max))
    )


def _other_cooldown(curve: Curve, part: WSD, since: Values, decay: Any) -> Values:
    begin = part.T_max - part.decay
    into = (since - (part.T_max - decay)) * (part.decay / decay)
    return np.asarray(curve(np.where(into < 0, np.minimum(since, begin), begin + into)))


def _other_rise(curve: Curve, part: WSD, since: Values, warmup: Any) -> Values:
    rise = part.eta_max * ((since + 1) / (warmup + 1))
    return np.where(since < warmup, rise, curve(np.maximum(since, part.warmup)))


def _other_peak(curve: Curve, part: OneCycle, since: Values, peak: Any) -> Values:
    up = since * (part._peak / peak)
    down = part._peak + (since - peak) * ((part.T_max - part._peak) / (part.T_max - peak))
    rates = curve(np.where(since < peak, up, down))
    return np.where(peak < part.T_max, rates, math.nan)


def _longer_descent(curve: Curve, part: OneCycle, since: Values, T_max: Any) -> Values:
    into = (since - part._peak) * (part.T_max - part._peak) / (T_max - part._peak)
    rates = curve(np.where(since < part._peak, since, part._peak + into))
    return np.where(T_max > part._peak, rates, math.nan)


def _lengths_of_warmup(
    seen: _Seen, piece: _Piece, part: Warmup
) -> Iterator[tuple[str, float, Family]]:
    """Another warm-up, behind which the rest comes in its own length, or ends when it should."""
    inner, begin, meant = _on_arrays(part.inner), piece.begin, part.updates
    if begin > 0:
        return
    first = float(inner(np.array(0.0)))

    def rise(u: Values, n: Any) -> Values:
        if part.start is None:
            return first * ((u + 1) / (n + 1))
        return np.asarray(part.start + (first - part.start) * (u / n))

    def shifted(u: Values, n: Any) -> Values:
        return np.where(u < n, rise(u, n), inner(np.maximum(u - n, 0)))

    def squeezed(u: Values, n: Any) -> Values:
        left = part.length - n
        rest = inner(np.maximum(u - n, 0) * (part.inner.length / left))
        return np.where(u < n, rise(u, n), np.where(left > 0, rest, math.nan))

    yield "warmup", meant, shifted
    if part.length < math.inf:
        yield "warmup", meant, squeezed


# ----------------------------------------------------------------------------------- the table

# Every cause with what it says of a trace, in the order in which causes are preferred where two of
# them give the same rates.
CAUSES: dict[str, str] = {
    "right": "Every rate is the schedule's.",
    "never_moves": "The rate is {rate} at every update: nobody steps the scheduler, or all its "
    "lengths lie beyond the run; call scheduler.step() after each optimizer.step(), and give all "
    "lengths in the unit in which it steps.",
    "one_early": "Every rate comes one update early: the scheduler steps before the optimizer; "
    "call optimizer.step() first and scheduler.step() after it.",
    "one_late": "Every rate comes one update late, behind a first rate of {first}: the loop sets "
    "each rate after the update that it is meant for; set it before optimizer.step().",
    "not_resumed": "The run goes on at update {update} with the rates of a new run: the "
    "scheduler's state was not loaded; load it from the checkpoint, beside the optimizer's.",
    "too_fast": "The schedule runs {times} times too fast: the scheduler steps {times} times for "
    "each update, once per process or per small batch; step it once after each optimizer.step(), "
    "or make its lengths {times} times as long.",
    "too_slow": "The schedule runs {times} times too slowly: its lengths count something smaller "
    "than its steps, such as small batches or the steps of all processes; divide its lengths by "
    "{times}.",
    "per_epoch": "The rate moves once in {updates} updates: the scheduler steps once an epoch; "
    "call scheduler.step() after every update, or, if you mean the stairs, audit with "
    "hold={updates}.",
    "scaled": "Every rate is {factor} times what it should be: the optimizer was built with "
    "another learning rate, or the rate was multiplied for several processes or a larger batch; "
    "give the schedule and the optimizer the same peak.",
    "scaled_from": "From update {update} on every rate is {factor} times what it should be: the "
    "run went on with the scheduler's state and a new optimizer, or the loop multiplied the rate; "
    "load the optimizer's state too.",
    "restarted": "The schedule begins anew at update {update}: the loop made a new scheduler "
    "there, or lost its state; keep one scheduler for the whole run, and load its state when the "
    "run goes on.",
    "never_restarts": "From update {update} on the rate stays at the end of the cycle: the next "
    "cycle starts from the rate that it finds there; set the peak again before you make a new "
    "scheduler, or use one scheduler with warm restarts.",
    "missed_restart": "At updates {updates} a new cycle still has the last rate of the old one: "
    "the scheduler rounds the number of the cycle down; let it count with step() and no argument, "
    "or look the cycle up in a table of boundaries.",
    "used_up": "The run begins where the schedule is after {steps} steps: the scheduler was "
    "stepped before the training, perhaps to plot it; make a new optimizer and a new scheduler "
    "for the training, and plot another one.",
    "climbs_again": "The rate climbs again after update {after}: PyTorch's cosine goes up after "
    "T_max as it came down; set T_max to the number of steps in the whole run, or stop stepping.",
    "clock_in_warmup": "The clock of the schedule behind the warm-up runs during the warm-up, and "
    "its length is {length}: the rate jumps where the warm-up ends; subtract {warmup} from its "
    "time, as warmup(schedule, updates={warmup}) does.",
    "warmup_from_zero": "The warm-up begins at a rate of 0, so that its first update changes no "
    "weight: start at (t + 1) / (W + 1), or write start=0.0 into the schedule if you mean it.",
    "wrong_floor": "The lowest rate is {eta_min} and not the schedule's: give the scheduler the "
    "same eta_min (PyTorch's default is 0).",
    "wrong_length": "The schedule's {name} is {length} updates and not {meant}: count it in the "
    "unit in which the scheduler steps, and leave out the warm-up where it has its own length.",
}

_PROPOSALS: dict[str, Callable[[_Seen], Guesses]] = {
    "never_moves": _never_moves,
    "one_early": _one_early,
    "one_late": _one_late,
    "not_resumed": _not_resumed,
    "too_fast": _too_fast,
    "too_slow": _too_slow,
    "per_epoch": _per_epoch,
    "scaled": _scaled,
    "scaled_from": _scaled_from,
    "restarted": _restarted,
    "never_restarts": _never_restarts,
    "missed_restart": _missed_restart,
    "used_up": _used_up,
    "climbs_again": _climbs_again,
    "clock_in_warmup": _clock_in_warmup,
    "warmup_from_zero": _warmup_from_zero,
    "wrong_floor": _wrong_floor,
    "wrong_length": _wrong_length,
}
