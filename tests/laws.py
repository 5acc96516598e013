"""The laws that every schedule obeys, as functions that raise an AssertionError for a broken law.

A law takes any function of the update. So test_laws.py can apply it to the real schedules, which
must obey every law, and to impostors, which must break at least one. A law compares the function
with what follows from the schedule's arguments alone, never with what the schedule computes.
"""

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from coslr import Cosine

ROUNDING = 1e-12  # allowed error, relative to the highest rate


@dataclass(frozen=True)
class Known:
    """What follows from a schedule's arguments."""

    first: float  # rate until t = 0
    last: float  # rate from `end` on, if there is an end
    end: float  # math.inf if there is none
    high: float  # no rate is higher
    low: float  # no rate is lower
    span: float  # how much the laws look at: up to the end, or a few phases of an endless schedule
    falls: bool = True  # whether it never rises
    phases: tuple = ()  # for each phase: where it begins, and the rate there
    steep: bool = (
        False  # whether a slope is infinite, where a rounding error of t shows in the rate
    )


# ------------------------------------------------------------------- for every schedule


def exact_ends(f, known):
    assert f(0) == known.first
    if known.end < math.inf:
        assert f(known.end) == known.last


def within_bounds(f, known):
    rates = f(np.linspace(-known.span, 3 * known.span, 401))
    assert rates.min() >= known.low - ROUNDING * known.high
    assert rates.max() <= known.high * (1 + ROUNDING)


def holds_outside(f, known):
    for t in (-1e9, -1, -0.5):
        assert f(t) == known.first
    if known.end < math.inf:
        for t in (1 + known.end, 1.5 * known.end, 2 * known.end, 3 * known.end, 1e15 * known.end):
            assert f(t) == known.last


def never_rises(f, known):
    if known.falls:
        rates = f(np.linspace(0, 3 * known.span, 401))
        assert np.diff(rates).max() <= ROUNDING * known.high


def scalar_equals_array(f, known):
    for t in (np.linspace(-known.span, 2 * known.span, 61), np.arange(-3, 20)):
        rates = [f(x) for x in t.tolist()]
        assert np.allclose(f(t), rates, rtol=1e-14, atol=1e-15 * known.high)


def phases_begin_where_they_should(f, known):
    for t, rate in known.phases:
        assert f(t) == rate
        assert math.isclose(f(np.array([t]))[0], rate, rel_tol=1e-14)


LAWS = [
    exact_ends,
    within_bounds,
    holds_outside,
    never_rises,
    scalar_equals_array,
    phases_begin_where_they_should,
]

# ------------------------------------------------------------------- for some schedules


def is_half_a_wave(f, known):
    """The cosine's curve equals cos² of a quarter turn, which is another way to compute it."""
    s = np.linspace(0, 1, 101)
    wave = known.last + (known.first - known.last) * np.cos(np.pi * s / 2) ** 2
    assert abs(f(s * known.end) - wave).max() <= ROUNDING * known.high


def restarts_exactly(f, T_0, T_mult, updates=10**6):
    """Each cycle begins at the update where exact arithmetic puts it; `f` has peaks of 1."""
    begins, T_i = [Fraction(0)], Fraction(T_0)
    lengths = [T_i]
    while begins[-1] + T_i < updates and len(begins) < 5000:
        begins.append(begins[-1] + T_i)
        T_i *= Fraction(T_mult)
        lengths.append(T_i)
    firsts = [math.ceil(b) for b in begins]
    for early in (0, 1):  # the first update of each cycle, and the update before it
        updates, rates = [], []
        for i in range(early, len(begins)):
            t, cycle = firsts[i] - early, i - early
            updates.append(t)
            rates.append(Cosine(float(lengths[cycle]), 1.0)(float(t - begins[cycle])))
        assert np.allclose([f(t) for t in updates], rates, rtol=0, atol=1e-12)
        assert np.allclose(f(np.array(updates)), rates, rtol=0, atol=1e-12)
    assert all(f(first) == 1.0 for first, b in zip(firsts, begins, strict=True) if first == b)


def rises_into(f, inner, updates, first_rate):
    """A warm-up rises in even steps to the schedule's first rate, and then equals the schedule."""
    peak = inner(0)
    rates = f(np.arange(updates + 1))
    assert math.isclose(rates[0], first_rate, rel_tol=1e-12, abs_tol=1e-300)
    assert f(updates) == peak
    assert np.allclose(np.diff(rates), (peak - first_rate) / updates, rtol=0, atol=1e-12 * peak)
    just_before = f(updates * (1 - 1e-9))
    assert abs(just_before - peak) <= 1e-8 * peak  # continuous
    t = np.arange(200)
    assert np.array_equal(f(t + updates), inner(t))
    assert f(updates + 7) == inner(7)


def equals_its_pieces(f, pieces, boundaries, updates=200):
    """Each piece of a join equals the schedule that it was made from, with a clock of its own."""
    begins = [0, *boundaries]
    where = [sum(b <= t for b in boundaries) for t in range(updates)]
    rates = [pieces[i](t - begins[i]) for t, i in enumerate(where)]
    assert [f(t) for t in range(updates)] == rates
    assert np.allclose(f(np.arange(updates)), rates, rtol=1e-14, atol=0)


def stretches_exactly(f, inner, factor, known):
    """`f` is `inner` on a time axis multiplied by `factor`, and its phases begin on time."""
    phases = known.phases
    if known.end < math.inf:
        phases += ((known.end, known.last),)
    k = np.arange(min(int(1.2 * known.span * factor), 5000) + 2)
    begins = np.array([0, *(t for t, _ in phases)])
    # A time far from 0 has a larger rounding error, and so has the rate in a short phase there.
    rounding = ROUNDING * max(1, known.span / 1000)
    allowed = (1e-2 if known.steep else rounding) * known.high
    between = abs(k[:, None] / factor - begins).min(axis=1) > 1e-9
    expected = inner(k[between] / factor)
    assert np.allclose(f(k)[between], expected, rtol=0, atol=allowed)
    for t, rate in phases:
        first = round(t * factor)  # on paper; t * factor has rounding errors
        if math.isclose(t * factor, first, rel_tol=1e-12):
            for found in (f(first), f(np.array([first]))[0]):
                assert abs(found - rate) <= allowed
