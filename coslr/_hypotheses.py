"""What the learning rates would be under each known mistake.

Each cause of `coslr.diagnosis.CAUSES` has a function here by the same name. It proposes guesses,
such as "the schedule at 4 k", or "the schedule from update 50 on, times 2". `Seen` has the trace,
and tells whether it is the one that a guess expects.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, TypeAlias

import numpy as np

from coslr._parts import (
    Curve,
    Family,
    Piece,
    Values,
    at_moved_times,
    goes_on,
    lengths_of,
    pieces_of,
    rebuilt,
    rise_of,
    stretched,
    wave_of,
)
from coslr._rates import STRICT, Array, RateFunction, agree, largest_until, on_arrays
from coslr.schedules import Cosine, Schedule, Warmup

MOST = 4096  # whole numbers up to this one are tried as the number of a mistake
MOST_TRIED = 64  # of these numbers, which are compared with the whole trace
SHORT = 3  # in a trace of so few updates, the end of a stair need not be in sight


@dataclass(frozen=True)
class Guess:
    """What the rates would be under one mistake.

    Attributes:
        parameters: the numbers of the mistake.
        rates: a function of an array of update indices.
        fitted: whether one of the numbers was computed from the rates. Such a number explains one
            wrong update by itself, so the guess needs a second wrong update as evidence, and it is
            listed after guesses without such a number.
        at_least: the name of a number that could as well be larger, because the run was too short
            to tell; "" if there is none. Such a guess is listed last.
    """

    parameters: dict[str, Any]
    rates: Curve
    fitted: bool = False
    at_least: str = ""


Guesses: TypeAlias = Iterator[Guess]


class Seen:
    """A trace beside the schedule that was meant, and what guesses need of both."""

    def __init__(
        self, rates: Array, updates: Array, meant: RateFunction, first: int, tolerance: float
    ) -> None:
        self.rates, self.updates, self.first, self.last = rates, updates, first, int(updates[-1])
        self.meant: Any = meant
        self.curve, self.tolerance = on_arrays(meant), tolerance
        self.right = self.curve(updates)
        self.largest = largest_until(meant, self.last, [*rates, *self.right])
        self.wrong = np.flatnonzero(~self.close(rates, self.right))
        self.short = len(rates) <= SHORT
        # A whole number is hardly ever met by chance, unless the tolerance is coarse.
        self.coarse = tolerance > STRICT

    def close(self, a: Values, b: Values) -> Values:
        return agree(a, b, self.tolerance, self.largest)

    def is_explained_by(self, guess: Guess) -> bool:
        return len(self.wrong) > guess.fitted and self.fits(guess.rates)

    def fits(self, expected: Curve) -> bool:
        """Whether all recorded rates are the expected ones."""
        return bool(self.close(expected(self.updates), self.rates).all())

    def that_fit(self, at: Family, numbers: Values) -> list[Any]:
        """The first few of the numbers n for which ``at(updates, n)`` are the recorded rates."""
        fitting: list[Any] = []
        i = self.wrong[0]
        for _ in range(MOST_TRIED):
            numbers = numbers[self.close(at(self.updates[i], numbers), self.rates[i])]
            if not len(numbers) or len(fitting) == 8:
                break
            n, numbers = numbers[0].item(), numbers[1:]
            off = np.flatnonzero(~self.close(at(self.updates, n), self.rates))
            if len(off):
                i = off[len(off) // 2]  # most of the other numbers fail here too: drop them all
            else:
                fitting.append(n)
        return fitting

    def counts(self, least: int = 2) -> Values:
        """The whole numbers to try; few where each takes a call of a Python function."""
        if not isinstance(self.meant, Schedule):
            return np.arange(least, 513)
        length = self.length if self.length < math.inf else 0
        return np.arange(least, int(min(max(MOST, 4 * length, 4 * self.last), 50 * MOST)) + 1)

    def wholes(self, name: str, at: Family, numbers: Values, /, **others: Any) -> Guesses:
        """Guesses with those of the whole numbers that fit, and a name for them."""
        fitting = self.that_fit(at, numbers)
        open_ended = name if fitting and self.fits(partial(at, n=int(numbers[-1]))) else ""
        for n in fitting:
            yield Guess({name: n} | others, partial(at, n=n), self.coarse, open_ended)

    def reals(self, name: str, at: Family, low: float, high: float, /, **others: Any) -> Guesses:
        """The same with real numbers from `low` to `high`."""
        if not isinstance(self.meant, Schedule) or self.short or not low < high:
            return
        for i in {self.worst, int(self.wrong[len(self.wrong) // 2])}:
            grid = np.geomspace(low, high, 1024)[None, :]
            for _ in range(8):  # find the sign changes, and look closer at each
                above = at(self.updates[i], grid) > self.rates[i]
                row, column = np.nonzero(above[:, 1:] != above[:, :-1])
                begin, end = grid[row, column][:8], grid[row, column + 1][:8]
                if not len(begin):
                    break
                grid = np.linspace(begin, end, 129, axis=1)
            for n in self.that_fit(at, grid[:, 64]):
                yield Guess({name: n} | others, partial(at, n=n), fitted=True)

    @cached_property
    def worst(self) -> int:
        """The recorded update with the largest error."""
        error = np.nan_to_num(np.abs(self.rates - self.right)[self.wrong])
        return int(self.wrong[np.argmax(error)])

    @cached_property
    def length(self) -> float:
        """Updates to the end of the schedule; infinite where there is none."""
        length = getattr(self.meant, "length", math.inf)
        return float(length) if isinstance(length, int | float) else math.inf

    @cached_property
    def curves(self) -> list[Curve]:
        """The schedule as it is, and as PyTorch's scheduler of the same name goes on."""
        endless = goes_on(self.meant)
        return [self.curve] if endless is None else [self.curve, endless]

    @cached_property
    def pieces(self) -> list[Piece]:
        return pieces_of(self.meant, 0, math.inf)

    def with_piece(self, piece: Piece, changed: Family) -> Family:
        """The schedule with one piece replaced; `changed` takes the time since it began."""

        def rates(updates: Values, n: Values) -> Values:
            inside = (updates >= piece.begin) & (updates < piece.end)
            since = np.maximum(updates - piece.begin, 0)
            return np.where(inside, changed(since, n), self.curve(updates))

        return rates

    def is_natural(self, rate: float) -> bool:
        """Whether an optimizer would be built with this rate."""
        peaks = [getattr(piece.part, "eta_max", math.nan) for piece in self.pieces]
        firsts = [float(piece.curve(0)) for piece in self.pieces]
        return bool(self.close(rate, np.array([self.right[0], *firsts, *peaks])).any())

    @cached_property
    def restarts(self) -> Array:
        """Where a cycle of the schedule begins: the rate has come down, and is higher after."""
        try:
            found = np.array(self.meant.boundaries_before(self.last + 1), dtype=np.float64)
        except Exception:  # a plain function has none, and a reader's own schedule may err
            found = np.array([])
        low, begin = self.curve(_just_before(found)), np.ceil(found)
        before, after = self.curve(begin - 1), self.curve(begin + 1)
        is_restart = (before >= low) & ((after > low) | (self.curve(begin) > low))
        return np.asarray(found[is_restart & ~self.close(after, low)])


def _just_before(boundary: Any) -> Any:
    """A time at which the old cycle is at its end; schedules round boundaries by a few bits."""
    return boundary * (1 - 1e-14)


# ------------------------------------------------------------------- causes: when it is stepped


def never_moves(seen: Seen) -> Guesses:
    rate = float(seen.rates[0])
    end = seen.length if seen.length < math.inf else 100 * (seen.last + 1)
    meant = seen.curve(np.linspace(0, max(seen.last, end), 1000).astype(int))
    natural = seen.is_natural(rate)
    if natural or not seen.close(meant, meant[0]).all():
        yield Guess({"rate": rate}, lambda u: np.full(np.shape(u), rate), fitted=not natural)


def one_early(seen: Seen) -> Guesses:
    for curve in seen.curves:
        yield Guess({}, lambda u, curve=curve: curve(u + 1))


def one_late(seen: Seen) -> Guesses:
    rate = float(seen.rates[0])
    begins = seen.updates[0] == seen.first
    # The first rate may be any. It is no evidence, unless it is one that an optimizer begins with.
    if begins and len(seen.rates) == 1 and not seen.is_natural(rate):
        return
    for curve in seen.curves:
        yield Guess(
            {"first": rate},
            lambda u, curve=curve: np.where(begins & (u == seen.first), rate, curve(u - 1)),
        )


def not_resumed(seen: Seen) -> Guesses:
    if seen.first > 0:
        for curve in seen.curves:
            yield Guess({"update": seen.first}, lambda u, curve=curve: curve(u - seen.first))


def too_fast(seen: Seen) -> Guesses:
    yield from _on_a_clock(seen, "times", lambda start, u, n: start + n * (u - start))
    # A scheduler that steps at every small batch has done n - 1 steps before the first update. If
    # only one rate is known, some n fits every rate, so be content with those that loops have.
    for guess in _on_a_clock(seen, "times", lambda start, u, n: start + n * (u + 1 - start) - 1):
        n = guess.parameters["times"]
        if len(seen.wrong) > 1 or n <= MOST_SMALL_BATCHES:
            yield replace(guess, parameters={"times": n, "offset": n - 1})


def too_slow(seen: Seen) -> Guesses:
    return _on_a_clock(seen, "times", lambda start, u, n: start + (u - start) / n)


def per_epoch(seen: Seen) -> Guesses:
    # The scheduler counts epochs, or it counts updates and is told the first one of each epoch.
    yield from _on_a_clock(seen, "updates", lambda start, u, n: start + (u - start) // n)
    yield from _on_a_clock(seen, "updates", lambda start, u, n: start + (u - start) // n * n)


def _on_a_clock(seen: Seen, name: str, clock: Family, first: Sequence[int] = ()) -> Guesses:
    """The schedule at ``clock(start, updates, n)``, which is right at the update `start`."""
    numbers = np.array([*first, *seen.counts()])
    for start, curve in itertools.product(dict.fromkeys([0, seen.first]), seen.curves):
        for guess in seen.wholes(name, partial(_then, partial(clock, start), curve), numbers):
            # A wave takes each rate more than once, so a faster clock can look like a slower one.
            # Accept this only if at least two updates are wrong.
            is_short = guess.parameters[name] <= seen.length and len(seen.wrong) > 1
            if curve is seen.curve or is_short:
                yield guess


def _then(clock: Family, curve: Curve, updates: Values, n: Values) -> Values:
    return curve(clock(updates, n))


# ------------------------------------------------------------------------- causes: by a factor

# Factors that loops have: numbers of processes or of small batches, and powers of ten.
MOST_SMALL_BATCHES = 64
_FACTORS = [x for n in range(2, MOST_SMALL_BATCHES + 1) for x in (n, 1 / n)]
_FACTORS += [10.0**k for k in range(-6, 7) if k]


def scaled(seen: Seen) -> Guesses:
    yield from _scaled_after(seen, 0)
    # A scheduler that begins at another peak has the same floor: only what is above it is scaled.
    doubled = _with_peak_times(2.0, seen.meant)
    if not seen.close(seen.rates, seen.rates[0]).all():
        change = doubled(seen.updates) - seen.right
        j = int(np.argmax(np.abs(change)))
        factor = 1 + float((seen.rates[j] - seen.right[j]) / change[j])
        yield from _by_factor(seen, factor, _with_peak_times(factor, seen.meant), {})


def scaled_from(seen: Seen) -> Guesses:
    if seen.wrong[0] > 0:
        yield from _scaled_after(seen, int(seen.wrong[0]))


def _scaled_after(seen: Seen, i: int) -> Guesses:
    """The schedule times the factor that fits best from the i-th recorded update on."""
    update = int(seen.updates[i])
    j = i + int(np.argmax(np.abs(seen.right[i:])))
    factor = float(seen.rates[j] / seen.right[j])

    def rates(u: Values) -> Values:
        return np.where(u < update, 1.0, factor) * seen.curve(u)

    yield from _by_factor(seen, factor, rates, {"update": update} if i else {})


def _by_factor(seen: Seen, factor: float, rates: Curve, where: dict[str, int]) -> Guesses:
    if 0 < factor < math.inf and abs(factor - 1) > 1e-4:  # less is a rounding error
        usual = np.isclose(factor, _FACTORS, rtol=10 * seen.tolerance, atol=0).any()
        yield Guess({"factor": factor} | where, rates, fitted=not usual)


def _with_peak_times(factor: float, schedule: Any) -> Curve:
    def change(part: Any) -> Any:
        names = [name for name in ("eta_max", "eta_start") if getattr(part, name, None)]
        return replace(part, **{name: factor * getattr(part, name) for name in names})

    return rebuilt(schedule, change)


# -------------------------------------------------------------- causes: it begins anew, or ends


def restarted(seen: Seen) -> Guesses:
    if seen.close(seen.rates, seen.rates[0]).all():  # nothing has moved yet that could restart
        return
    begins = np.arange(seen.updates[seen.wrong[0]], seen.first, -1)
    for curve in seen.curves:

        def anew(u: Values, n: Values, curve: Curve = curve) -> Values:
            return np.where(u < n, seen.curve(u), curve(u - n))

        for update in seen.that_fit(anew, begins):
            yield Guess({"update": update}, partial(anew, n=update))


def never_restarts(seen: Seen) -> Guesses:
    reached = seen.restarts[seen.restarts <= seen.updates[seen.wrong[0]]]
    if len(reached):
        begin, rate = math.ceil(reached[-1]), float(seen.curve(_just_before(reached[-1])))
        yield Guess({"update": begin}, lambda u: np.where(u < begin, seen.curve(u), rate))


def missed_restart(seen: Seen) -> Guesses:
    begins, missed = np.ceil(seen.restarts), seen.updates[seen.wrong]
    if len(begins) and np.isin(missed, begins).all():
        old = seen.curve(_just_before(seen.restarts))

        def rates(u: Values) -> Values:
            cycle = np.clip(np.searchsorted(begins, u), 0, len(begins) - 1)
            return np.where(np.isin(u, missed), old[cycle], seen.curve(u))

        yield Guess({"updates": missed.tolist()}, rates)


def used_up(seen: Seen) -> Guesses:
    ends = [math.ceil(end) for end in (seen.length, seen.last + 1) if 2 <= end < math.inf]
    for guess in _on_a_clock(seen, "steps", lambda start, u, n: u + n, ends):
        yield replace(guess, at_least="")


def climbs_again(seen: Seen) -> Guesses:
    for curve in seen.curves[1:]:
        yield Guess({"after": seen.length}, curve)
    # A longer cosine does not climb before the last update, and a very short one cannot be told
    # from a longer one, as it passes whole waves between two recorded updates.
    shortest = int(np.diff(seen.updates).max(initial=1))
    for piece in seen.pieces:
        longest = seen.last - piece.begin
        if type(piece.part) is Cosine and shortest < longest and len(seen.wrong) > 1:
            wave = on_arrays(wave_of(piece.part))
            at = seen.with_piece(piece, partial(stretched, wave, piece.part.T_max))
            wholes = seen.wholes("after", at, np.arange(shortest, math.ceil(longest)))
            for guess in (*wholes, *seen.reals("after", at, shortest, longest)):
                yield replace(guess, parameters={"after": piece.begin + guess.parameters["after"]})


# --------------------------------------------------------- causes: a part of it is another one


def clock_in_warmup(seen: Seen) -> Guesses:
    schedule = seen.meant
    if not isinstance(schedule, Warmup):
        return
    updates, inner = schedule.updates, schedule.inner
    own, endless, length = on_arrays(inner), goes_on(inner), inner.length
    clocks: list[tuple[str, Curve]] = [("its own", own)]
    if endless is not None:
        clocks.append(("its own", endless))
    if length < math.inf:
        whole_run = partial(stretched, own, length, n=updates + length)
        clocks.append(("the whole run's", whole_run))
    # The schedule behind the warm-up takes over, or both multiply.
    for (whose, clock), multiply in itertools.product(clocks, (False, True)):

        def rates(u: Values, clock: Curve = clock, multiply: bool = multiply) -> Values:
            during = seen.curve(u) * (clock(u) / own(0.0) if multiply else 1.0)
            return np.where(u < updates, during, clock(u))

        yield Guess({"warmup": updates, "length": whose}, rates)


def warmup_from_zero(seen: Seen) -> Guesses:
    for piece in seen.pieces:
        updates, rise = rise_of(piece.part, start=0.0)
        if updates > 0:
            same = partial(
                at_moved_times, piece.curve, [updates, updates + 1], lambda n: [n, n + 1]
            )
            yield Guess({}, partial(seen.with_piece(piece, partial(same, rise=rise)), n=updates))


def wrong_floor(seen: Seen) -> Guesses:
    parts = [piece.part for piece in seen.pieces if hasattr(piece.part, "eta_min")]
    for changed in [parts, *([part] for part in parts)] if parts else []:  # all, or one alone
        with_floor = partial(_with_floor, seen.meant, changed)
        top = (1 - 1e-6) * min(part.eta_max for part in changed)
        for floor in (0.0, _floor_that_fits(seen, with_floor, top)):
            yield Guess({"eta_min": floor}, with_floor(floor), fitted=floor > 0)


def _with_floor(schedule: Any, changed: list[Any], floor: float) -> Curve:
    def change(part: Any) -> Any:
        return replace(part, eta_min=floor) if any(part is one for one in changed) else part

    return rebuilt(schedule, change)


def _floor_that_fits(seen: Seen, with_floor: Callable[[float], Curve], top: float) -> float:
    """The floor from 0 to `top` that gives the rate of the worst update; NaN if there is none."""
    update, rate = seen.updates[seen.worst], seen.rates[seen.worst]

    def error(floor: float) -> float:
        # A schedule may refuse a low floor: a warm-up cannot begin above its end.
        return float(np.nan_to_num(with_floor(floor)(update)) - rate)

    # The Illinois method, because most schedules are linear in their floor.
    a, b, floor = 1e-9 * top, top, math.nan
    below, above = error(a), error(b)
    for _ in range(60 if below < 0 < above else 0):
        floor = b - above * (b - a) / (above - below)
        if (left := error(floor)) < 0:
            a, below, above = floor, left, above / 2
        else:
            b, above, below = floor, left, below / 2
        if abs(left) < 1e-14 * rate:
            break
    return floor


def wrong_length(seen: Seen) -> Guesses:
    lengths: list[tuple[str, float, Family]] = []
    for piece in seen.pieces:
        _, rise = rise_of(piece.part)
        for name, meant, old, new in lengths_of(piece.part):
            moved = partial(at_moved_times, piece.curve, old, new, rise=rise)
            lengths.append((name, meant, seen.with_piece(piece, moved)))
    for name, meant, at in lengths:
        yield from seen.wholes("length", at, seen.counts(least=1), name=name, meant=meant)
    for name, meant, at in lengths:
        yield from seen.reals("length", at, meant / 64, 64 * meant, name=name, meant=meant)
