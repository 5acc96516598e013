"""The laws of a schedule, as functions that raise AssertionError where one is broken.

They take any callable, so that test_laws.py can hold them against the real schedules, where each
must pass, and against impostors, where at least one must fail. What they hold it against comes from
the arguments alone, never from the schedule.
"""

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from coslr import Cosine

ROUNDING = 1e-12  # relative to the highest rate


@dataclass(frozen=True)
class Known:
    """What the arguments say of a schedule."""

    first: float  # until t = 0
    last: float  # from `end` on, where it has an end
    end: float  # math.inf where it has none
    high: float
    low: float
    span: float  # how much of it to look at: the end, or a few phases of an endless one
    falls: bool = True  # never rises
    phases: tuple = ()  # (where one begins, the rate there)


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

# --------------------------------------------------------------------- for some of them


def is_half_a_wave(f, known):
    """cos² of a quarter turn: the cosine's curve by another road."""
    s = np.linspace(0, 1, 101)
    wave = known.last + (known.first - known.last) * np.cos(np.pi * s / 2) ** 2
    assert abs(f(s * known.end) - wave).max() <= ROUNDING * known.high


def restarts_exactly(f, T_0, T_mult, updates=10**6):
    """Every first update of a cycle is where exact arithmetic puts it; `f` has a peak of 1."""
    begins, T_i = [Fraction(0)], Fraction(T_0)
    lengths = [T_i]
    while begins[-1] + T_i < updates and len(begins) < 5000:
        begins.append(begins[-1] + T_i)
        T_i *= Fraction(T_mult)
        lengths.append(T_i)
    firsts = [math.ceil(b) for b in begins]
    for early in (0, 1):  # the first update of each cycle, and the last one of the cycle before
        updates, rates = [], []
        for i in range(early, len(begins)):
            t, cycle = firsts[i] - early, i - early
            updates.append(t)
            rates.append(Cosine(float(lengths[cycle]), 1.0)(float(t - begins[cycle])))
        assert np.allclose([f(t) for t in updates], rates, rtol=0, atol=1e-12)
        assert np.allclose(f(np.array(updates)), rates, rtol=0, atol=1e-12)
    assert all(f(first) == 1.0 for first, b in zip(firsts, begins, strict=True) if first == b)


def rises_into(f, inner, updates, first_rate):
    """A warm-up: even steps from its first rate to the schedule's own, which then runs as alone."""
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
    begins = [0, *boundaries]
    where = [sum(b <= t for b in boundaries) for t in range(updates)]
    rates = [pieces[i](t - begins[i]) for t, i in enumerate(where)]
    assert [f(t) for t in range(updates)] == rates
    assert np.allclose(f(np.arange(updates)), rates, rtol=1e-14, atol=0)
