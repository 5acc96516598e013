"""Random schedules of every kind obey the laws of laws.py, and every impostor breaks one.

An impostor is a function with a mistake that people make. It shows that the laws can fail.
"""

import math
import operator
from functools import partial
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from coslr import (
    WSD,
    Constant,
    Cosine,
    CosineWarmRestarts,
    Cyclical,
    Exponential,
    InverseSqrt,
    Linear,
    MultiStep,
    OneCycle,
    Polynomial,
    Step,
    join,
    warmup,
)
from tests import laws
from tests.laws import Known

# -------------------------------------------------- random schedules and what is known of each

fractions = st.just(0.0) | st.floats(1e-9, 1)  # no smaller: products keep all their digits
factors = st.floats(0.1, 1)
cycle_counts = st.integers(1, 6)
whole = st.integers(1, 10**6)  # for joined pieces: t - start is exact for whole numbers only
any_duration = st.one_of(whole, st.floats(1e-3, 1e6))
tenths = st.integers(1, 60).map(lambda n: n / 10)  # of an epoch


def ends(draw, parts=fractions):
    high = draw(st.floats(1e-9, 1e6))
    return high, high * draw(parts)


def decay(kind, draw, durations):
    T_max = draw(durations)
    high, low = ends(draw, st.floats(1e-6, 1) if kind is Exponential else fractions)
    more = {"power": draw(st.floats(0.2, 5))} if kind is Polynomial else {}
    steep = more.get("power", 1) < 1
    known = Known(high, low, T_max, high, low, span=T_max, steep=steep)
    return kind(T_max, high, low, **more), known


def constant(draw, durations):
    eta = draw(fractions)
    return Constant(eta), Known(eta, eta, math.inf, eta, eta, span=10)


def inverse_sqrt(draw, durations):
    tau, (high, low) = draw(durations), ends(draw)
    known = Known(high, low, math.inf, high, low, span=10 * tau)
    return InverseSqrt(tau, high, low), known


def step(draw, durations):
    size, gamma, (high, low) = draw(durations), draw(factors), ends(draw)
    phases = tuple((i * size, max(high * gamma**i, low)) for i in range(1, 40))
    known = Known(high, low, math.inf, high, low, span=9 * size, phases=phases)
    return Step(size, high, low, gamma), known


def multi_step(draw, durations):
    milestones = sorted(draw(st.sets(durations, min_size=1, max_size=5)))
    gamma, (high, low) = draw(factors), ends(draw)
    stairs = [max(high * gamma**i, low) for i in range(1, len(milestones) + 1)]
    phases, end = tuple(zip(milestones, stairs, strict=True)), milestones[-1]
    known = Known(high, stairs[-1], end, high, low, span=end, phases=phases)
    return MultiStep(milestones, high, low, gamma), known


def restarts(draw, durations):
    T_0, decay, cycles = draw(durations), draw(factors), draw(cycle_counts)
    high, low = ends(draw)
    T_mult = draw(st.sampled_from([1, 1.5, 2, 3, 5]))
    lengths = accumulate([T_mult] * (cycles - 1), operator.mul, initial=T_0)
    begins = [0, *accumulate(lengths)] if T_mult > 1 else [i * T_0 for i in range(cycles + 1)]
    begins = [round(b) if math.isclose(b, round(b), rel_tol=1e-15) else b for b in begins]
    peaks = [max(high * decay**i, low) for i in range(cycles)]
    phases = tuple(zip(begins[:-1], peaks, strict=True))
    known = Known(high, low, begins[-1], high, low, span=begins[-1], falls=False, phases=phases)
    return CosineWarmRestarts(T_0, high, low, T_mult, decay, cycles), known


def cyclical(draw, durations):
    half, decay, cycles = draw(durations), draw(factors), draw(cycle_counts)
    high, low = ends(draw)
    end = 2 * half * cycles
    phases = tuple((i * (2 * half), low) for i in range(cycles))
    known = Known(low, low, end, high, low, span=end, falls=False, phases=phases)
    return Cyclical(half, high, low, decay, cycles), known


def one_cycle(draw, durations):
    T_max, (high, low) = draw(durations) + 1, ends(draw)
    start = draw(st.none() | fractions.map(lambda part: high * part))
    peak = draw(st.integers(1, math.ceil(T_max) - 1))
    shape = draw(st.sampled_from(["cosine", "linear"]))
    first = high / 25 if start is None else start
    known = Known(
        first, low, T_max, high, min(first, low), span=T_max, falls=False, phases=((peak, high),)
    )
    return OneCycle(T_max, high, low, start, peak, shape), known


def wsd(draw, durations, parts):
    up, stable = draw(st.just(0) | durations), draw(st.integers(0, 10**6))
    down = draw(parts)
    T_max, (high, low) = up + stable + down + 1, ends(draw)
    shape = draw(st.sampled_from(["linear", "sqrt", "cosine"]))
    first = high * (1 / (up + 1)) if up else high
    phases = ((up, high), (T_max - down, high))
    known = Known(first, low, T_max, high, min(first, low), T_max, not up, phases, shape == "sqrt")
    return WSD(T_max, down, high, low, up, shape), known


def warmed_up(draw, durations, parts):
    inner, its = draw(known_schedules(parts, compose=False, parts=parts))
    updates = draw(parts)
    start = draw(st.none() | fractions)
    start = None if start is None else start * its.first
    first = its.first * (1 / (updates + 1)) if start is None else start
    shifted = tuple((updates + t, rate) for t, rate in its.phases)
    known = Known(
        first,
        its.last,
        updates + its.end,
        its.high,
        min(first, its.low),
        updates + its.span,
        falls=False,
        phases=((updates, its.first), *shifted),
        steep=its.steep,
    )
    return warmup(inner, updates, start), known


def joined(draw, durations, parts):
    piece = known_schedules(parts, compose=False, parts=parts)
    pieces = draw(st.lists(piece, min_size=1, max_size=4))
    stretches = draw(st.lists(parts, min_size=len(pieces) - 1, max_size=len(pieces) - 1))
    # On paper tenths add up to tenths, and a phase that begins where the piece ends is none.
    begins = [0, *(round(begin, 1) for begin in accumulate(stretches))]
    phases = []
    for begin, stretch, (_, its) in zip(begins, [*stretches, math.inf], pieces, strict=True):
        phases.append((begin, its.first))
        phases += [(begin + t, rate) for t, rate in its.phases if t < stretch * (1 - 1e-9)]
    known = Known(
        pieces[0][1].first,
        pieces[-1][1].last,
        begins[-1] + pieces[-1][1].end,
        max(its.high for _, its in pieces),
        min(its.low for _, its in pieces),
        begins[-1] + pieces[-1][1].span,
        falls=False,
        phases=tuple(phases),
        steep=any(its.steep for _, its in pieces),
    )
    return join([schedule for schedule, _ in pieces], begins[1:]), known


KINDS = {
    "Constant": constant,
    **{kind.__name__: partial(decay, kind) for kind in (Cosine, Linear, Polynomial, Exponential)},
    "InverseSqrt": inverse_sqrt,
    "Step": step,
    "MultiStep": multi_step,
    "CosineWarmRestarts": restarts,
    "Cyclical": cyclical,
    "OneCycle": one_cycle,
    "WSD": wsd,
}
COMPOSED = {"warmup": warmed_up, "join": joined}


@st.composite
def known_schedules(draw, durations=any_duration, compose=True, kind=None, parts=whole):
    """A schedule with such durations. One that is made of parts adds up such parts."""
    kinds = KINDS | COMPOSED if compose else KINDS
    make = kinds[kind or draw(st.sampled_from(list(kinds)))]
    return (
        make(draw, durations, parts) if make in (wsd, warmed_up, joined) else make(draw, durations)
    )


@pytest.mark.parametrize("kind", KINDS | COMPOSED)
def test_every_kind_obeys_every_law(kind):
    @settings(max_examples=100)
    @given(known_schedules(kind=kind))
    def check(drawn):
        schedule, known = drawn
        assert math.isclose(schedule.length, known.end, rel_tol=1e-15)
        for law in laws.LAWS:
            law(schedule, known)
        if kind == "Cosine":
            laws.is_half_a_wave(schedule, known)

    check()


@settings(max_examples=200)
@given(data=st.data(), T_max=any_duration, s=st.floats(0, 1))
def test_no_rate_of_the_cosine_is_out_of_bounds_even_by_a_rounding_error(data, T_max, s):
    high, low = ends(data.draw)
    schedule = Cosine(T_max, high, low)
    for t in (s * T_max, s * 1e-7 * T_max, T_max - s * 1e-7 * T_max):
        assert low <= schedule(t) <= high


@pytest.mark.parametrize("T_mult", [1, 1.5, 2, 3, 5])
@pytest.mark.parametrize("T_0", [1, 10, 37])
def test_restarts_are_exact_over_a_million_updates(T_0, T_mult):
    laws.restarts_exactly(CosineWarmRestarts(T_0, eta_max=1.0, T_mult=T_mult), T_0, T_mult)


@settings(max_examples=100)
@given(
    drawn=known_schedules(whole),
    updates=st.integers(1, 500),
    start=st.none() | fractions,
)
def test_a_warmup_rises_into_its_schedule(drawn, updates, start):
    inner, known = drawn
    start = None if start is None else start * known.first
    first = known.first / (updates + 1) if start is None else start
    laws.rises_into(warmup(inner, updates, start), inner, updates, first)


@settings(max_examples=100)
@given(
    pieces=st.lists(known_schedules(), min_size=1, max_size=4),
    stretches=st.lists(st.integers(1, 60), min_size=3, max_size=3),
)
def test_a_join_equals_its_pieces(pieces, stretches):
    pieces = [schedule for schedule, _ in pieces]
    boundaries = list(accumulate(stretches))[: len(pieces) - 1]
    laws.equals_its_pieces(join(pieces, boundaries), pieces, boundaries)


@pytest.mark.parametrize("kind", KINDS | COMPOSED)
def test_a_stretched_schedule_is_the_same_curve_and_its_phases_begin_on_time(kind):
    @settings(max_examples=40)
    @given(
        known_schedules(tenths, kind=kind, parts=tenths),
        st.integers(1, 2000) | st.sampled_from([0.1, 2.5, 1 / 3, 391, 468.75]),
    )
    def check(drawn, factor):
        schedule, known = drawn
        # Stretched by 1 it is itself, and the parts of a whole add up tenths as floats do.
        assume(factor != 1 or kind not in COMPOSED)
        stretched = schedule.stretch(factor)
        laws.stretches_exactly(stretched, schedule, factor, known)
        assert math.isclose(stretched.length, known.end * factor, rel_tol=1e-14)

    check()


# ------------------------------------------------------------------------------- impostors

T, HIGH, LOW = 50, 0.1, 1e-3


def textbook(t, T_max=T, eta_max=HIGH, eta_min=LOW):
    return eta_min + 0.5 * (eta_max - eta_min) * (1 + np.cos(np.pi * np.asarray(t) / T_max))


def restart_by_logarithm(t, T_0=1, T_mult=3):
    """The closed form that others use to find the cycle."""
    t = np.asarray(t)
    # Python's logarithm, because numpy's differs in its last bit from one release to the next.
    logarithm = np.vectorize(math.log, otypes=[float])
    n = np.floor(logarithm(t / T_0 * (T_mult - 1) + 1) / math.log(T_mult))
    T_i, start = T_0 * T_mult**n, T_0 * (T_mult**n - 1) / (T_mult - 1)
    return 0.5 + 0.5 * np.cos(np.pi * (t - start) / T_i)


COSINE, RAMP = Cosine(T, HIGH, LOW), Linear(T, HIGH, LOW)
STEPS, TRIPLE = Step(10, HIGH, gamma=0.5), CosineWarmRestarts(1, 1.0, T_mult=3)
WARM, PIECES, AT = warmup(COSINE, 5), [Constant(HIGH), COSINE, STEPS], [20, 50]
JOINED = join(PIECES, AT)


def obey(known, *more):
    return {law.__name__: partial(law, known=known) for law in (*laws.LAWS, *more)}


# name -> the real schedule, the laws that it obeys, and impostors
CASES = {
    "cosine": (
        COSINE,
        obey(Known(HIGH, LOW, T, HIGH, LOW, span=T), laws.is_half_a_wave),
        {
            "linear ramp": RAMP,
            "off by one": lambda t: COSINE(np.asarray(t) + 1),
            "ends one early": Cosine(T - 1, HIGH, LOW),
            "no floor": Cosine(T, HIGH),
            "floor added": lambda t: Cosine(T, HIGH)(t) + LOW,
            "goes below": lambda t: COSINE(t) - LOW / 2 * (np.asarray(t) > 10),
            "climbs again": textbook,
            "climbs before 0": lambda t: textbook(np.minimum(t, T)),
            "degrees": lambda t: LOW + (HIGH - LOW) * np.cos(np.radians(np.clip(t, 0, T) / T)),
            "epoch for update": lambda t: COSINE(np.asarray(t) // 10),
            "a quarter wave": lambda t: LOW + (HIGH - LOW) * np.cos(np.clip(t, 0, T) / T * 1.5708),
            "exponential": Exponential(T, HIGH, LOW),
            "arrays in float32": lambda t: (
                COSINE(t) if np.isscalar(t) else COSINE(t).astype(np.float32)
            ),
            "scalars in epochs": lambda t: COSINE(t // 10 if np.isscalar(t) else t),
        },
    ),
    "step": (
        STEPS,
        obey(
            Known(
                HIGH,
                0.0,
                math.inf,
                HIGH,
                0.0,
                span=50,
                phases=tuple((10 * i, HIGH * 0.5**i) for i in range(1, 9)),
            )
        ),
        {
            "one update late": lambda t: STEPS(np.asarray(t) - 1),
            "the old stair keeps the boundary": lambda t: STEPS(np.asarray(t) - 1e-9),
            "one stair too deep": lambda t: STEPS(np.asarray(t) + 10),
        },
    ),
    "restarts": (
        TRIPLE,
        {"restarts_exactly": partial(laws.restarts_exactly, T_0=1, T_mult=3)},
        {
            "by a logarithm": restart_by_logarithm,
            "one update late": lambda t: TRIPLE(np.asarray(t) - 1),
            "the old cycle keeps the boundary": lambda t: TRIPLE(np.asarray(t) - 1e-9),
            "cycles of one length": CosineWarmRestarts(1, 1.0),
            "no restart": Cosine(10**6, 1.0),
        },
    ),
    "warm-up": (
        WARM,
        {"rises_into": partial(laws.rises_into, inner=COSINE, updates=5, first_rate=HIGH / 6)},
        {
            "one update late": lambda t: WARM(np.asarray(t) - 1),
            "from zero": warmup(COSINE, 5, start=0.0),
            "over one update more": warmup(COSINE, 6),
            "over one update fewer": warmup(COSINE, 4),
            "the cosine's clock runs on": lambda t: np.where(
                np.asarray(t) < 5, WARM(t), COSINE(np.asarray(t))
            ),
            "a jump at its end": lambda t: np.where(np.asarray(t) < 5, WARM(t) / 2, WARM(t)),
            "cosine-shaped": lambda t: np.where(
                np.asarray(t) < 5, COSINE(50 - 10 * np.asarray(t)), WARM(t)
            ),
        },
    ),
    "join": (
        JOINED,
        {"equals_its_pieces": partial(laws.equals_its_pieces, pieces=PIECES, boundaries=AT)},
        {
            "one clock for all": lambda t: np.select(
                [np.asarray(t) < 20, np.asarray(t) < 50], [HIGH, COSINE(t)], STEPS(t)
            ),
            "the old piece keeps the boundary": lambda t: np.where(
                np.isin(t, AT), JOINED(np.asarray(t) - 1e-9), JOINED(t)
            ),
            "boundaries as lengths": join(PIECES, [20, 70]),
            "stops at the first": join(PIECES[:2], AT[:1]),
        },
    ),
}


def broken_by(impostor, its_laws):
    """The names of the laws that the impostor breaks."""
    broken = set()
    for name, law in its_laws.items():
        try:
            law(impostor)
        except AssertionError:
            broken.add(name)
    return broken


@pytest.mark.parametrize("case", CASES)
def test_impostors_break_laws_that_the_real_one_obeys(case):
    real, its_laws, impostors = CASES[case]
    assert not broken_by(real, its_laws)
    assert [name for name, f in impostors.items() if not broken_by(f, its_laws)] == []


def test_every_law_is_broken_by_some_impostor():
    broken, known = set(), set()
    for _, its_laws, impostors in CASES.values():
        known |= set(its_laws)
        for impostor in impostors.values():
            broken |= broken_by(impostor, its_laws)
    assert broken == known


def test_the_textbook_form_misses_a_peak_that_ours_hits():
    missed = [(m, n) for m in range(1, 40) for n in range(1, 40) if n / 97 < m / 31]
    missed = [(m / 31, n / 97) for m, n in missed if textbook(0, T, m / 31, n / 97) != m / 31]
    assert missed
    assert all(Cosine(T, high, low)(0) == high for high, low in missed)
    above = [(high, low) for high, low in missed if textbook(0, T, high, low) > high]
    assert above
    assert all(Cosine(10**9, high, low)(1) <= high for high, low in above)


def test_a_logarithm_misses_a_restart_that_the_table_hits():
    assert TRIPLE(121) == 1.0
    assert restart_by_logarithm(121) < 0.01


def test_a_division_misses_a_restart_that_ours_hits():
    assert 1.0 // 0.1 == 9
    schedule = CosineWarmRestarts(0.1, 1.0, cycles=20)
    assert [schedule(b) for b in schedule.boundaries] == [1.0] * 19


@pytest.mark.parametrize(
    "impostor",
    [
        lambda schedule, factor: lambda t: schedule(t / factor),
        lambda schedule, factor: join(
            [warmup(Constant(0.1), 0.5 * factor), Cosine(factor, 0.1)], [3 * 0.1 * factor]
        ),
        lambda schedule, factor: schedule,
    ],
    ids=["divides", "another rise", "as it was"],
)
def test_the_law_of_stretching_can_fail(impostor):
    schedule = join([warmup(Constant(0.1), 0.5), Cosine(1, 0.1)], [3 * 0.1])
    known = Known(0.1 / 1.5, 0.0, 1.3, 0.1, 0.0, span=1.3, phases=((3 * 0.1, 0.1),))
    laws.stretches_exactly(schedule.stretch(100), schedule, 100, known)
    with pytest.raises(AssertionError):
        laws.stretches_exactly(impostor(schedule, 100), schedule, 100, known)
