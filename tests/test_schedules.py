import json
import math
import pickle
import warnings
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import optim, zeros

import coslr
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

durations = st.one_of(st.integers(1, 10**6), st.floats(1e-3, 1e6))
peaks = st.floats(1e-9, 1e6)
parts = st.floats(0, 1)

# One of each, with every optional argument in use somewhere.
EXAMPLES = [
    Constant(0.1),
    Cosine(50, 0.1, 1e-4),
    CosineWarmRestarts(10, 0.1, 1e-4),
    CosineWarmRestarts(10, 0.1, 1e-4, T_mult=1, decay=0.5, cycles=3),
    CosineWarmRestarts(10, 0.1, 1e-4, T_mult=2, decay=0.5, cycles=3),
    CosineWarmRestarts(7.5, 0.1, T_mult=1.5),
    Linear(50, 0.1, 1e-4),
    Polynomial(50, 0.1, 1e-4, power=1.5),
    Exponential(50, 0.1, 1e-4),
    InverseSqrt(50, 0.1, 1e-4),
    Step(10, 0.1, 1e-4, gamma=0.3),
    MultiStep((10, 30, 45), 0.1, 1e-4, gamma=0.3),
    Cyclical(10, 0.1, 1e-4, decay=0.5, cycles=3),
    Cyclical(10, 0.1),
    OneCycle(50, 0.1, 1e-5),
    OneCycle(50, 0.1, 1e-5, eta_start=0.0, peak=20, shape="linear"),
    WSD(50, 10, 0.1, 1e-4, warmup=5),
    WSD(50, 10, 0.1, 1e-4, shape="sqrt"),
    WSD(50, 50, 0.1, shape="cosine"),
    warmup(Cosine(45, 0.1), 5),
    warmup(CosineWarmRestarts(10, 0.1, cycles=2), 5, start=0.01),
    join([Constant(0.1), Cosine(20, 0.1), warmup(Step(5, 0.2), 4)], [10, 30]),
]
each = pytest.mark.parametrize("schedule", EXAMPLES, ids=repr)
DECAYS = [Cosine, Linear, Polynomial, Exponential]


# ------------------------------------------------------------------------ laws and impostors


@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.__name__)
@settings(max_examples=60)
@given(T_max=durations, eta_max=peaks, part=parts)
def test_cosine_obeys(law, T_max, eta_max, part):
    eta_min = eta_max * part
    law(Cosine(T_max, eta_max, eta_min), T_max, eta_max, eta_min)


@pytest.mark.parametrize("kind", DECAYS)
@settings(max_examples=60)
@given(T_max=durations, eta_max=peaks, part=st.floats(1e-6, 1))
def test_every_decay_obeys(kind, T_max, eta_max, part):
    eta_min = eta_max * part
    for law in laws.LAWS:
        if law is not laws.is_half_a_wave:
            law(kind(T_max, eta_max, eta_min), T_max, eta_max, eta_min)


def textbook(t, T_max, eta_max, eta_min):
    return eta_min + 0.5 * (eta_max - eta_min) * (1 + np.cos(np.pi * np.asarray(t) / T_max))


T, HIGH, LOW = 50, 0.1, 1e-3
IMPOSTORS = {
    "linear ramp": Linear(T, HIGH, LOW),
    "off by one": lambda t: Cosine(T, HIGH, LOW)(np.asarray(t) + 1),
    "ends one early": Cosine(T - 1, HIGH, LOW),
    "no floor": Cosine(T, HIGH),
    "floor added": lambda t: Cosine(T, HIGH)(t) + LOW,
    "climbs again": lambda t: textbook(t, T, HIGH, LOW),
    "climbs before 0": lambda t: textbook(np.minimum(t, T), T, HIGH, LOW),
    "degrees": lambda t: LOW + (HIGH - LOW) * np.cos(np.radians(np.clip(t, 0, T) / T)),
    "epoch for update": lambda t: Cosine(T, HIGH, LOW)(np.asarray(t) // 10),
    "a quarter wave": lambda t: LOW + (HIGH - LOW) * np.cos(np.clip(t, 0, T) / T * np.pi / 2),
    "exponential": Exponential(T, HIGH, LOW),
}


@pytest.mark.parametrize("name", IMPOSTORS)
def test_the_laws_refuse_an_impostor(name):
    broken = []
    for law in laws.LAWS:
        try:
            law(IMPOSTORS[name], T, HIGH, LOW)
        except AssertionError:
            broken.append(law.__name__)
    assert broken


def test_every_law_is_broken_by_some_impostor():
    too_low = {"goes below": lambda t: Cosine(T, HIGH, LOW)(t) - LOW / 2 * (np.asarray(t) > 10)}
    for law in laws.LAWS:
        failures = 0
        for impostor in (IMPOSTORS | too_low).values():
            try:
                law(impostor, T, HIGH, LOW)
            except AssertionError:
                failures += 1
        assert failures, law.__name__


def test_the_textbook_form_misses_a_peak_that_ours_hits():
    missed = [(m, n) for m in range(1, 40) for n in range(1, 40) if n / 97 < m / 31]
    missed = [(m / 31, n / 97) for m, n in missed if textbook(0, T, m / 31, n / 97) != m / 31]
    assert missed
    assert all(Cosine(T, high, low)(0) == high for high, low in missed)


def test_the_article_s_numbers_as_pytorch_has_them():
    optimizer = optim.SGD([zeros(1)], lr=0.1)
    scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=50, eta_min=1e-4)
    rates = []
    for _ in range(51):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    assert abs(np.array(rates) - Cosine(50, 0.1, 1e-4)(np.arange(51))).max() <= 1e-15
    for _ in range(10):
        scheduler.step()
    assert scheduler.get_last_lr()[0] > 0.005  # PyTorch's climbs again ...
    assert Cosine(50, 0.1, 1e-4)(61) == 1e-4  # ... and ours holds


def test_the_function_is_the_schedule():
    t = np.arange(-3, 60)
    assert np.array_equal(coslr.cosine(t, 50, 0.1, 1e-4), Cosine(50, 0.1, 1e-4)(t))
    with pytest.raises(ValueError, match=r"T_max=0: must be .* above 0"):
        coslr.cosine(3, 0, 0.1)


@settings(max_examples=40)
@given(T_max=durations, eta_max=peaks, part=parts)
def test_closed_forms_of_the_cosine(T_max, eta_max, part):
    schedule = Cosine(T_max, eta_max, eta_max * part)
    s = np.linspace(0, 1, 33)
    mirrored = schedule(s * T_max) + schedule((1 - s) * T_max)
    assert np.allclose(mirrored, eta_max + eta_max * part, rtol=1e-9)
    N = 64
    total = Cosine(N, eta_max, eta_max * part)(np.arange(N)).sum()
    expected = N * eta_max * (1 + part) / 2 + eta_max * (1 - part) / 2
    assert math.isclose(total, expected, rel_tol=1e-9)


# ------------------------------------------------------------------------ what all share


@each
def test_scalar_equals_array(schedule):
    t = np.concatenate([np.arange(-5, 130), np.linspace(-3, 130, 531)])
    rates = schedule(t)
    assert rates.dtype == float
    scalars = [schedule(x) for x in t.tolist()]
    assert all(type(rate) is float for rate in scalars)
    assert np.allclose(rates, scalars, rtol=1e-14, atol=0)


@each
def test_the_shape_of_t(schedule):
    t = np.arange(24)
    for dtype in (np.uint8, np.int64, np.float32, float):
        assert np.array_equal(schedule(t.astype(dtype)), schedule(t))
    assert np.array_equal(schedule(t.reshape(2, 3, 4)), schedule(t).reshape(2, 3, 4))
    assert np.array_equal(schedule(list(range(24))), schedule(t))
    assert schedule(np.int64(7)) == schedule(7) == schedule(np.float32(7)) == schedule(Fraction(7))
    assert schedule(np.array(7)) == pytest.approx(schedule(7), rel=1e-15)
    assert schedule(np.array(7)).shape == ()
    assert schedule(np.array([])).shape == (0,)


@each
def test_blocks_do_not_show(schedule):
    t = np.arange(20_001)
    parts = [schedule(t[i : i + 777]) for i in range(0, t.size, 777)]
    assert np.array_equal(schedule(t), np.concatenate(parts))


@each
def test_holds_before_zero_and_after_its_length(schedule):
    assert schedule(-1) == schedule(-(10**400)) == schedule(-math.inf) == schedule(0)
    if schedule.length < math.inf:
        last = schedule(schedule.length)
        for t in (schedule.length + 0.5, schedule.length * 1000, 10**400, math.inf):
            assert schedule(t) == last
    else:
        assert math.isfinite(schedule(10**400))
        assert np.isfinite(schedule(np.array([1e18, 1e300, math.inf]))).all()


@each
def test_text_forms_rebuild_it(schedule):
    names = {**vars(coslr), "join": join, "warmup": warmup}
    assert eval(repr(schedule), names) == schedule
    assert coslr.from_dict(json.loads(json.dumps(schedule.to_dict()))) == schedule
    again = pickle.loads(pickle.dumps(schedule))
    assert again == schedule
    assert hash(again) == hash(schedule)
    assert sum(schedule == other for other in EXAMPLES) == 1


@each
def test_is_frozen(schedule):
    with pytest.raises(AttributeError):
        schedule.length = 3


@each
@pytest.mark.parametrize("t", ["3", None, True, 1j, [True], ["a"], object(), np.array([None])])
def test_refuses_what_is_no_number(schedule, t):
    with pytest.raises(TypeError, match="t="):
        schedule(t)


@each
def test_refuses_nan(schedule):
    for t in (math.nan, np.nan, np.array([0, np.nan]), np.float32("nan")):
        with pytest.raises(ValueError, match="NaN"):
            schedule(t)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"schedule": "Sine"}, "'Sine'"),
        ({}, "schedule"),
        ({"schedule": "Cosine", "T_max": 5, "eta_max": 1, "gamma": 2}, "gamma"),
        ({"schedule": "Cosine", "T_max": -5, "eta_max": 1}, "T_max=-5"),
    ],
)
def test_from_dict_refuses(config, message):
    with pytest.raises(ValueError, match=message):
        coslr.from_dict(config)
    with pytest.raises(TypeError):
        coslr.from_dict([config])


# Bad arguments: either a ValueError or TypeError that names the argument, or a curve in bounds.

anything = st.one_of(
    st.floats(),
    st.floats(0, 1),
    st.integers(-3, 60),
    st.sampled_from([0, -1, 1e308, 5e-324, 10**400, True, "1", None, math.nan, math.inf, [], [1]]),
)
ARGUMENTS = {
    Constant: ["eta"],
    Cosine: ["T_max", "eta_max", "eta_min"],
    CosineWarmRestarts: ["T_0", "eta_max", "eta_min", "T_mult", "decay", "cycles"],
    Linear: ["T_max", "eta_max", "eta_min"],
    Polynomial: ["T_max", "eta_max", "eta_min", "power"],
    Exponential: ["T_max", "eta_max", "eta_min"],
    InverseSqrt: ["timescale", "eta_max", "eta_min"],
    Step: ["step_size", "eta_max", "eta_min", "gamma"],
    MultiStep: ["milestones", "eta_max", "eta_min", "gamma"],
    Cyclical: ["half_cycle", "eta_max", "eta_min", "decay", "cycles"],
    OneCycle: ["T_max", "eta_max", "eta_min", "eta_start", "peak", "shape"],
    WSD: ["T_max", "decay", "eta_max", "eta_min", "warmup", "shape"],
}
# Mostly good arguments with a bad one among them, so that each check is reached.
GOOD = {
    **dict.fromkeys(["eta", "eta_max"], 0.5),
    **dict.fromkeys(["T_max", "T_0", "timescale", "step_size"], 40),
    "half_cycle": 7.5,
    "eta_min": 0.01,
    "T_mult": 1.5,
    "decay": 0.75,
    "cycles": 3,
    "power": 2,
    "gamma": 0.1,
    "milestones": [3, 9],
    "eta_start": 0.1,
    "peak": 11,
    "warmup": 4,
    "shape": "linear",
}


@settings(max_examples=1500)
@given(data=st.data(), kind=st.sampled_from(list(ARGUMENTS)))
def test_bad_arguments_give_an_error_or_a_curve_within_bounds(data, kind):
    names = ARGUMENTS[kind]
    bad = data.draw(st.sets(st.sampled_from(names), max_size=2))
    arguments = {n: data.draw(anything, label=n) if n in bad else GOOD[n] for n in names}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            schedule = kind(**arguments)
        except (ValueError, TypeError) as error:
            message = str(error)
        else:
            message = ""
            rates = schedule(np.array([-1, 0, 1, 2, 3, 10, 39, 40, 41, 1e6, 1e18, 1e300]))
    if message:
        assert any(name in message for name in names)
        return
    top = schedule.eta if kind is Constant else schedule.eta_max
    bottom = 0 if kind in (Constant, OneCycle, WSD) else schedule.eta_min  # two start lower
    assert np.isfinite(rates).all()
    assert rates.max() <= top * (1 + 1e-12)
    assert rates.min() >= bottom * (1 - 1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Cosine(0, 0.1), r"T_max=0: must be a number of updates \(or epochs\) above 0"),
        (lambda: Cosine(math.nan, 0.1), "T_max=nan: .* finite"),
        (lambda: Cosine(10, 0.1, 0.2), r"eta_min=0.2: must be .* to eta_max=0.1"),
        (lambda: Cosine(10, -0.1), "eta_max=-0.1: must be a learning rate above 0"),
        (lambda: CosineWarmRestarts(10, 0.1, T_mult=0.5), "T_mult=0.5"),
        (lambda: CosineWarmRestarts(10, 0.1, cycles=2.5), "cycles=2.5"),
        (lambda: CosineWarmRestarts(10, 0.1, T_mult=1 + 1e-9), "T_mult"),
        (lambda: Exponential(10, 0.1, 0), "eta_min=0: .* never reaches 0"),
        (lambda: MultiStep([5, 5], 0.1), "milestones"),
        (lambda: MultiStep([], 0.1), "milestones"),
        (lambda: OneCycle(10, 0.1, peak=10), "peak=10"),
        (lambda: OneCycle(10, 0.1, shape="sqrt"), "shape='sqrt'"),
        (lambda: WSD(10, 9, 0.1, warmup=2), "decay=9: must be at most"),
        (lambda: warmup(Cosine(10, 0.1), 0), "updates=0"),
        (lambda: warmup(Cosine(10, 0.1), 5, start=0.2), "start=0.2"),
        (lambda: join([Cosine(10, 0.1)], [5]), "boundaries"),
        (lambda: join([Cosine(10, 0.1)] * 3, [5, 4]), "boundaries"),
        (lambda: join([], []), "schedules"),
        (lambda: Step(5, 0.1).boundaries, "boundaries_before"),
        (lambda: warmup(Step(5, 0.1), 3).boundaries, "boundaries_before"),
    ],
)
def test_messages(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("bad", ["50", True, None, [50], np.array([50])])
def test_wrong_kinds(bad):
    with pytest.raises(TypeError, match="T_max="):
        Cosine(bad, 0.1)
    with pytest.raises(TypeError, match="schedule"):
        warmup(bad, 5)
    with pytest.raises(TypeError, match="schedules"):
        join([bad], [])


# -------------------------------------------------------------------------- restarts, phases


@pytest.mark.parametrize("T_mult", [1, 1.5, 2, 3, 5])
@pytest.mark.parametrize("T_0", [1, 10, 37])
def test_restart_boundaries_are_exact_over_a_million_updates(T_0, T_mult):
    schedule = CosineWarmRestarts(T_0, eta_max=1.0, T_mult=T_mult)
    exact, T_i = [Fraction(T_0)], Fraction(T_0)
    while exact[-1] < 10**6 and len(exact) < 5000:
        T_i *= Fraction(T_mult)
        exact.append(exact[-1] + T_i)
    firsts = np.array([math.ceil(b) for b in exact])  # the first update of each cycle
    since = np.array([float(first - b) for first, b in zip(firsts, exact, strict=True)])
    lengths = [float(T_0 * Fraction(T_mult) ** (i + 1)) for i in range(len(exact))]
    peaks = [Cosine(T_i, 1.0)(t) for t, T_i in zip(since.tolist(), lengths, strict=True)]
    assert [schedule(int(t)) for t in firsts] == pytest.approx(peaks, abs=1e-12)
    assert schedule(firsts) == pytest.approx(peaks, abs=1e-12)
    if T_0 > 1:  # the update before is near the end of the cycle before, so far from the peak
        assert (schedule(firsts - 1) < 0.06).all()
    if T_mult != 1.5:
        assert (schedule(firsts) == 1.0).all()


def restart_by_logarithm(t, T_0, T_mult):
    """The closed form in use elsewhere."""
    n = int(math.log(t / T_0 * (T_mult - 1) + 1, T_mult))
    start = T_0 * (T_mult**n - 1) / (T_mult - 1)
    return Cosine(T_0 * T_mult**n, 1.0)(t - start)


def test_a_logarithm_misses_a_boundary_that_the_table_hits():
    assert CosineWarmRestarts(1, 1.0, T_mult=3)(121) == 1.0
    assert restart_by_logarithm(121, 1, 3) < 0.01


@settings(max_examples=40)
@given(T_0=st.integers(1, 50), T_mult=st.sampled_from([1, 1.5, 2, 3]), cycles=st.integers(1, 6))
def test_restarts_are_joined_cosines(T_0, T_mult, cycles):
    decay = 0.8
    schedule = CosineWarmRestarts(T_0, 0.1, 0.01, T_mult=T_mult, decay=decay, cycles=cycles)
    pieces = [Cosine(T_0 * T_mult**i, max(0.1 * decay**i, 0.01), 0.01) for i in range(cycles)]
    t = np.arange(int(schedule.length) + 20)
    joined = join(pieces, schedule.boundaries)
    assert joined.length == schedule.length
    assert np.allclose(schedule(t), joined(t), rtol=1e-12)


@settings(max_examples=60)
@given(
    updates=st.integers(1, 500),
    start=st.one_of(st.none(), parts),
    inner=st.sampled_from([e for e in EXAMPLES if e(0) > 0]),
)
def test_warmup_rises_evenly_into_its_schedule(updates, start, inner):
    first = inner(0)
    schedule = warmup(inner, updates, None if start is None else start * first)
    rates = schedule(np.arange(updates + 1))
    assert rates[-1] == pytest.approx(first, rel=1e-15)
    assert rates[0] == pytest.approx(first / (updates + 1) if start is None else start * first)
    assert np.allclose(np.diff(rates), (first - rates[0]) / updates, atol=1e-12)
    t = np.arange(200)
    assert np.array_equal(schedule(t + updates), inner(t))
    assert schedule.length == updates + inner.length


@settings(max_examples=60)
@given(
    pieces=st.lists(st.sampled_from(EXAMPLES), min_size=1, max_size=4),
    stretches=st.lists(st.integers(1, 60), min_size=3, max_size=3),
)
def test_join_equals_its_pieces(pieces, stretches):
    boundaries = np.cumsum(stretches)[: len(pieces) - 1].tolist()
    schedule = join(pieces, boundaries)
    for t in range(200):
        i = sum(b <= t for b in boundaries)
        assert schedule(t) == pieces[i](t - ([0, *boundaries][i]))
    assert schedule.length == [0, *boundaries][-1] + pieces[-1].length


def test_boundaries():
    assert MultiStep([3, 9], 0.1).boundaries == (3, 9)
    assert Step(30, 0.1).boundaries_before(91) == (30, 60, 90)
    assert Step(30, 0.1).boundaries_before(90) == (30, 60)
    assert Cyclical(10, 0.1, cycles=3).boundaries == (20, 40)
    assert OneCycle(100, 0.1).boundaries == (30,)
    assert WSD(100, 20, 0.1, warmup=5).boundaries == (5, 80)
    restarts = CosineWarmRestarts(10, 0.1, T_mult=2, cycles=3)
    assert warmup(restarts, 5).boundaries == (5, 15, 35)
    assert join([restarts, Step(7, 0.1)], [20]).boundaries_before(40) == (10, 20, 27, 34)
    assert join([restarts, Cosine(7, 0.1)], [90]).boundaries == (10, 30, 90)
    assert CosineWarmRestarts(10, 0.1, cycles=3).boundaries == (10, 20)
    assert not hasattr(Cosine(50, 0.1), "boundaries")


def test_families_by_hand():
    assert [Step(2, 1.0, gamma=0.5)(t) for t in range(6)] == [1, 1, 0.5, 0.5, 0.25, 0.25]
    assert [Step(2, 1.0, 0.3, gamma=0.5)(t) for t in (3, 4, 99)] == [0.5, 0.3, 0.3]
    assert [Cyclical(2, 1.0, decay=0.5)(t) for t in range(9)] == [
        0,
        0.5,
        1,
        0.5,
        0,
        0.25,
        0.5,
        0.25,
        0,
    ]
    assert [Linear(4, 1.0, 0.5)(t) for t in range(5)] == [1, 0.875, 0.75, 0.625, 0.5]
    assert [Polynomial(4, 1.0)(t) for t in range(5)] == [1, 9 / 16, 1 / 4, 1 / 16, 0]
    wsd = [WSD(8, 4, 1.0, warmup=3)(t) for t in range(9)]
    assert wsd == [0.25, 0.5, 0.75, 1, 1, 0.75, 0.5, 0.25, 0]
    assert [WSD(4, 4, 1.0, shape="sqrt")(t) for t in (0, 1, 4)] == [1, 0.5, 0]
    one = OneCycle(6, 1.0, 0.0, eta_start=0.5, peak=2, shape="linear")
    assert [one(t) for t in range(7)] == [0.5, 0.75, 1, 0.75, 0.5, 0.25, 0]
