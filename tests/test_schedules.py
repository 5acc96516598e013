"""Every schedule: its values, arguments, errors and phases, and schedules of the reader's own."""

import json
import math
import pickle
import warnings
from dataclasses import KW_ONLY, dataclass, field, fields
from fractions import Fraction
from functools import partial
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from coslr._parts import wave_of
from coslr.schedules import Schedule

durations = st.one_of(st.integers(1, 10**6), st.floats(1e-3, 1e6))
peaks = st.floats(1e-9, 1e6)
parts = st.floats(0, 1)

# Each kind of schedule, and each optional argument at least once.
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


# ---------------------------------------------------------------------------- the formula


def test_the_article_s_numbers_as_pytorch_has_them():
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=50, eta_min=1e-4)
    rates = []
    for _ in range(51):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    assert abs(np.array(rates) - Cosine(50, 0.1, 1e-4)(np.arange(51))).max() <= 1e-15
    for _ in range(10):
        scheduler.step()
    assert scheduler.get_last_lr()[0] > 0.005  # PyTorch's rate climbs again ...
    assert Cosine(50, 0.1, 1e-4)(61) == 1e-4  # ... and ours stays at its floor


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


NESTED = Constant(0.1).to_dict()
for _ in range(5000):
    NESTED = {"schedule": "Warmup", "inner": NESTED, "updates": 5}
SHARED = Constant(0.1).to_dict()
for _ in range(60):  # 2 ** 60 schedules, if each is built
    SHARED = {"schedule": "Join", "schedules": [SHARED, SHARED], "joints": [5]}
ITSELF = {"schedule": "Warmup", "updates": 5}
ITSELF["inner"] = ITSELF


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"schedule": "Sine"}, "'Sine'.*: must be one of .*Cosine"),
        ({}, r"config\['schedule'\]=None: must be one of(?!.* _)"),  # no private class
        ({"schedule": ["Cosine"]}, r"config\['schedule'\]=\['Cosine'\]: must be one of"),
        ({"schedule": "Schedule", "T_max": 5}, "'Schedule': must be one of"),
        ({"schedule": "coslr.schedules.os"}, "must be one of"),
        ({"schedule": "__import__('os').abort()"}, "must be one of"),
        ({"schedule": "Cosine", "T_max": 5, "eta_max": 1, "gamma": 2}, r"\['gamma'\]: .* T_max"),
        ({"schedule": "Cosine", "T_max": 5, "eta_max": 1, 7: 2, None: 1}, r"\[7, None\]: must be"),
        ({"schedule": "Cosine", "T_max": 5, "_amplitude": 9}, "_amplitude"),
        ({"schedule": "Cosine", "T_max": 5}, "config for Cosine=.* that also has eta_max"),
        ({"schedule": "Cosine", "T_max": -5, "eta_max": 1}, "T_max=-5"),
        ({"schedule": "Cosine", "T_max": 10**400, "eta_max": 1}, "T_max=1000.*: must be"),
        ({"schedule": "Cosine", "T_max": math.nan, "eta_max": 1}, "T_max=nan: must be"),
        ({"schedule": "Warmup", "inner": {"schedule": "Sine"}, "updates": 5}, "'Sine'"),
        (NESTED, "nested at most 100 levels deep"),
        (ITSELF, "nested at most 100 levels deep"),
        (SHARED, "at most 100,000 parts"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "config",
)
def test_from_dict_refuses(config, message):
    with pytest.raises(ValueError, match=message):
        coslr.from_dict(config)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (None, "config=None: must be a dict from Schedule.to_dict, not NoneType"),
        ("Cosine(5, 0.1)", "must be a dict"),
        ([Constant(0.1).to_dict()], "must be a dict"),
        ({"schedule": "Cosine", "T_max": "exit()", "eta_max": 1}, r"T_max='exit\(\)': must be"),
        ({"schedule": "Cosine", "T_max": [[[5]]], "eta_max": 1}, "T_max="),
        ({"schedule": "Cosine", "T_max": {"a": {}}, "eta_max": 1}, "T_max="),
        ({"schedule": "Warmup", "inner": {"a": 5}, "updates": 5}, "schedule={'a': 5}: must be"),
        ({"schedule": "Join", "schedules": 5, "joints": []}, "schedules=5: must be a sequence"),
        ({"schedule": "Join", "schedules": ["x"], "joints": []}, r"schedules\[0\]='x': must be"),
    ],
    ids=str,
)
def test_from_dict_refuses_wrong_kinds(config, message):
    with pytest.raises(TypeError, match=message):
        coslr.from_dict(config)


# ----------------------------------------------------------------------------- arguments

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
    warmup: ["schedule", "updates", "start"],
    join: ["schedules", "boundaries"],
}
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
    "schedule": Cosine(30, 0.5, 0.01),
    "updates": 5,
    "start": 0.1,
    "schedules": [Constant(0.5), Cosine(30, 0.5)],
    "boundaries": [9],
}
OTHERS = [
    *(0, -1, -0.0, 0.5, 0.999, 1, 1.0000001, 2, 39, 40, 41, 1e-300, 1e-99, 1e-9, 1e9, 1e99, 1e300),
    *(5e-324, 1e308, 10**18, 10**20, 10**400, -(10**400), math.nan, math.inf, -math.inf),
    *(True, False, None, "1", "linear", "", b"1", 1j, {}, [], [1], (5, 2), [1, math.nan], ["a"]),
    *(np.float64(0.3), np.int64(3), np.array(3.0), np.array([3.0]), [None], [Cosine(5, 0.5)]),
]
MOMENTS = np.array([-math.inf, -1, 0, 1, 2, 4.5, 10, 39, 40, 41, 1e6, 1e18, 1e300, math.inf])


def error_or_a_curve_within_bounds(kind, arguments, changed):
    """Whether these arguments raise an error.

    Raises:
        AssertionError: the error names none of the changed arguments, or there is no error and the
            curve is not finite or leaves its bounds.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            schedule, message = kind(**arguments), ""
        except (ValueError, TypeError) as error:
            schedule, message = None, str(error)
        if schedule is None:
            assert any(name in message for name in changed), (kind, changed, message)
            return True
        rates = np.array([schedule(MOMENTS), [schedule(t) for t in MOMENTS.tolist()]])
    parts = {warmup: "schedule", join: "schedules"}.get(kind)
    parts = arguments[parts] if parts else [schedule]
    parts = parts if isinstance(parts, list) else [parts]
    top = max(one.eta if isinstance(one, Constant) else one.eta_max for one in parts)
    # A rise may begin below eta_min, and a join may go wherever its pieces go.
    bottom = 0 if kind in (Constant, OneCycle, WSD, warmup, join) else schedule.eta_min
    assert np.isfinite(rates).all(), schedule
    assert rates.max() <= top * (1 + 1e-12), schedule
    assert rates.min() >= bottom * (1 - 1e-12), schedule
    return False


def random_arguments(random, kind):
    names = ARGUMENTS[kind]
    changed = random.sample(names, min(len(names), random.choice([0, 1, 1, 1, 2, 3])))
    draws = [
        lambda: random.choice(OTHERS),
        lambda: random.choice(OTHERS),
        lambda: random.uniform(-1, 2),
        lambda: random.uniform(-10, 100),
        lambda: 10 ** random.uniform(-320, 308),
    ]
    return {n: random.choice(draws)() if n in changed else GOOD[n] for n in names}, changed


def test_10_000_sets_of_arguments():
    random = Random(0)
    errors = 0
    for _ in range(10_000):
        kind = random.choice(list(ARGUMENTS))
        errors += error_or_a_curve_within_bounds(kind, *random_arguments(random, kind))
    assert 3000 < errors < 7000  # both happen often


@dataclass(frozen=True)
class Unchecked:
    """An impostor: a cosine that accepts any argument."""

    T_max: float
    eta_max: float
    eta_min: float

    def __call__(self, t):
        w = (1 + np.cos(np.pi * np.clip(t, 0, self.T_max) / self.T_max)) / 2
        return self.eta_min + (self.eta_max - self.eta_min) * w


@dataclass(frozen=True)
class Nameless(Unchecked):
    """An impostor: its errors do not say which argument is wrong."""

    def __post_init__(self):
        try:
            Cosine(self.T_max, self.eta_max, self.eta_min)
        except (ValueError, TypeError) as error:
            raise type(error)("bad arguments") from None


@pytest.mark.parametrize("impostor", [Unchecked, Nameless])
def test_sets_of_arguments_find_a_schedule_that_does_not_check_them(impostor):
    random = Random(0)
    found = 0
    for _ in range(200):
        arguments, changed = random_arguments(random, Cosine)
        try:
            error_or_a_curve_within_bounds(impostor, arguments, changed)
        except Exception:  # an AssertionError, a warning, an OverflowError, ...
            found += 1
    assert found > 50


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
        (lambda: CosineWarmRestarts(1e299, 0.1, T_mult=2, cycles=9), r"T_0=1e\+299.* at most"),
        (lambda: Cyclical(1e308, 0.1, cycles=3), r"half_cycle=1e\+308: .* 1e-100 and 1e300"),
        (lambda: Cosine(1e-200, 0.1), r"T_max=1e-200: must be .* between 1e-100 and 1e300"),
        (lambda: Exponential(10, 0.1, 0), "eta_min=0: .* never reaches 0"),
        (lambda: MultiStep([5, 5], 0.1), "milestones"),
        (lambda: MultiStep([], 0.1), "milestones"),
        (lambda: OneCycle(10, 0.1, peak=10), "peak=10"),
        (lambda: OneCycle(10, 0.1, shape="sqrt"), "shape='sqrt'"),
        (lambda: WSD(10, 9, 0.1, warmup=2), "decay=9: must be at most"),
        (lambda: WSD(10, 9, 0.1, warmup=10), "warmup=10: must be below T_max = 10"),
        (lambda: warmup(Cosine(10, 0.1), -1), "updates=-1: must be .* from 0"),
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


# ----------------------------------------------------------- schedules of the reader's own


class Doubled:
    """A mixin that changes the formula."""

    def formula(self, t, xp):
        return 2 * super().formula(t, xp)


class DoubledCall:
    """A mixin that changes the call instead."""

    def __call__(self, t):
        return 2 * super().__call__(t)


class DoubledLast(Schedule):
    """One that is a schedule itself, and so may come after the schedule that it changes."""

    def __call__(self, t):
        return 2 * super().__call__(t)


def mixed(schedule, *bases):
    """A schedule of a class with these bases and the arguments of `schedule`."""
    arguments = {field.name: getattr(schedule, field.name) for field in fields(schedule)}
    return type("Mixed", bases, {})(**arguments)


def is_scaled(mine, original, factor):
    """Whether each way to ask for a rate gives the original's rate times `factor`."""
    numbers = [-1, 0, 1, 4.5, 10, 17, 30, 49, 50, 130, 10**400]
    t = np.array([float(x) for x in numbers[:-1]])
    expected = [factor * original(x) for x in numbers]
    same = partial(np.allclose, rtol=1e-14, atol=0)
    return (
        same([mine(x) for x in numbers], expected)
        and same([mine(np.float64(x)) for x in t], expected[:-1])
        and same([mine(np.array(x)) for x in t], expected[:-1])
        and mine(np.int64(10)) == mine(Fraction(10)) == mine(10)
        and same(mine(t), expected[:-1])
        and same(mine(list(t)), expected[:-1])
    )


@each
@pytest.mark.parametrize("mixin", [Doubled, DoubledCall])
def test_a_mixin_gives_one_rate_for_numbers_and_arrays(schedule, mixin):
    mine = mixed(schedule, mixin, type(schedule))
    assert is_scaled(mine, schedule, 2)
    assert is_scaled(warmup(mine, 3), warmup(schedule, 3), 2)
    assert is_scaled(join([mine, mine], [7]), join([schedule, schedule], [7]), 2)
    assert is_scaled(schedule, schedule, 1)  # the schedule itself is unchanged


@each
@pytest.mark.parametrize("mixins", [(Doubled, DoubledCall), (DoubledCall, Doubled)])
def test_two_mixins_cooperate(schedule, mixins):
    assert is_scaled(mixed(schedule, *mixins, type(schedule)), schedule, 4)


@each
def test_a_mixin_may_come_after_the_schedule(schedule):
    assert is_scaled(mixed(schedule, type(schedule), DoubledLast), schedule, 2)


def test_a_subclass_may_change_the_formula():
    @dataclass(frozen=True)
    class Squared(Cosine):
        def formula(self, t, xp):
            return super().formula(t, xp) ** 2

    t = np.arange(-1, 12)
    assert [Squared(10, 0.5)(k) for k in t.tolist()] == pytest.approx(Squared(10, 0.5)(t))
    assert Squared(10, 0.5)(5) == pytest.approx(0.0625)
    assert Cosine(10, 0.5)(5) == pytest.approx(0.25)


@given(T_max=durations, eta_max=peaks, part=parts, s=st.floats(-0.5, 1.5))
def test_the_short_cut_of_the_cosine_is_its_formula(T_max, eta_max, part, s):
    schedule = Cosine(T_max, eta_max, eta_max * part)
    in_full = mixed(schedule, type("NoChange", (), {"__call__": Schedule.__call__}), Cosine)
    for t in (s * T_max, int(s * T_max)):
        assert schedule(t) == in_full(t)


def test_a_schedule_of_one_s_own_has_no_end_unless_it_says_so():
    @dataclass(frozen=True)
    class Mine(Schedule):
        eta: float = 0.1

        def formula(self, t, xp):
            return self.eta + 0.0 * t

    assert Mine().length == warmup(Mine(), 3).length == math.inf


@pytest.mark.parametrize("t", [3, 0.5, np.int64(3), np.arange(3), [1, 2]])
def test_a_missing_formula_is_a_clear_error(t):
    @dataclass(frozen=True)
    class Empty(Schedule):
        eta: float = 0.1

    with pytest.raises(NotImplementedError, match=r"define Empty\.formula\(self, t, xp\)"):
        Empty()(t)


@pytest.mark.parametrize(
    "name",
    ["abs", "cos", "exp", "floor", "log", "sin", "sqrt", "tanh", "maximum", "minimum"],
)
def test_a_formula_may_use_these_functions_for_numbers_and_arrays(name):
    @dataclass(frozen=True)
    class Mine(Schedule):
        def formula(self, t, xp):
            function = getattr(xp, name)
            rate = function(t, 2.5) if name in ("maximum", "minimum") else function(t)
            return 1.0 * xp.where(t < 4, rate, xp.clip(rate, 0.1, 0.2))

    t = np.array([0.5, 1.75, 3.0, 4.5])
    assert Mine()(t) == pytest.approx([Mine()(x) for x in t.tolist()], rel=1e-15)
    assert Mine()(t)[:3] == pytest.approx(
        getattr(np, name)(*([t, 2.5] if name in ("maximum", "minimum") else [t]))[:3]
    )


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_formula_may_search_a_table_from_either_side(side):
    @dataclass(frozen=True)
    class Mine(Schedule):
        def formula(self, t, xp):
            return 1.0 * xp.searchsorted(xp.asarray([1.0, 2.0], dtype=float), t, side=side)

    t = np.array([0.0, 1.0, 1.5, 2.0, 3.0])
    assert Mine()(t).tolist() == [Mine()(x) for x in t.tolist()]
    assert Mine()(1.0) == (0 if side == "left" else 1)


def test_a_function_that_numbers_lack_is_named_with_those_that_they_have():
    @dataclass(frozen=True)
    class Mine(Schedule):
        def formula(self, t, xp):
            return xp.arctan(t)

    assert Mine()(np.array([0.0])) == [0]
    with pytest.raises(AttributeError, match="arctan") as caught:
        Mine()(0.0)
    assert "a Python number, xp has only these functions: abs, cos," in caught.value.__notes__[0]


def test_an_error_in_a_formula_is_left_alone():
    @dataclass(frozen=True)
    class Mine(Schedule):
        def formula(self, t, xp):
            return self.eta * t

    with pytest.raises(AttributeError, match="eta") as caught:
        Mine()(1)
    assert not hasattr(caught.value, "__notes__")


# ------------------------------------------------------------------------ configs, pickles


@dataclass(frozen=True)
class Flat(Schedule):
    eta: float

    def formula(self, t, xp):
        return self.eta + 0.0 * xp.clip(t, 0, 1)


@dataclass(frozen=True)
class FlatAndMore(Flat):
    times: tuple = (1, (2, 3))
    options: tuple = ()


@dataclass(frozen=True)
class ByName(Flat):
    _: KW_ONLY
    floor: float
    computed: float = field(init=False, default=7.0)


@dataclass(frozen=True)
class Around(Flat):
    schedule: Schedule
    schedule_: int = 3
    table: dict = field(default_factory=dict, compare=False)


class Outer:
    @dataclass(frozen=True)
    class Nested(Flat):
        pass


class DoubledFlat(Doubled, Flat):
    """A mixin's class, which is no dataclass of its own."""


Shared = dataclass(frozen=True)(type("Cosine", (Flat,), {"__module__": __name__}))
Shared.__qualname__ = "Shared"

OWN = [
    Flat(0.1),
    FlatAndMore(0.1, times=(5, (6, 7)), options=("a", None)),
    FlatAndMore(np.float32(0.5)),
    ByName(0.1, floor=0.01),
    Around(0.1, Flat(0.2), 4),
    Around(0.1, Around(0.2, Cosine(5, 0.1))),
    Outer.Nested(0.1),
    DoubledFlat(0.1),
    Shared(0.1),
    warmup(join([Around(0.1, Shared(0.3)), Cosine(5, 0.1)], [7]), 3),
    Flat(0.1).stretch(2.5),
]


@pytest.mark.parametrize("schedule", OWN, ids=repr)
def test_a_schedule_of_one_s_own_makes_the_round_trip(schedule):
    again = coslr.from_dict(json.loads(json.dumps(schedule.to_dict())))
    assert again == schedule
    assert type(again) is type(schedule)
    assert again(3) == schedule(3)
    assert pickle.loads(pickle.dumps(schedule)) == schedule
    assert coslr.from_dict(Cosine(5, 0.1).to_dict()) == Cosine(5, 0.1)  # ours is still ours


def test_a_dict_among_the_arguments_stays_a_dict():
    schedule = Around(0.1, Flat(0.2), table={"schedule": [1, 2], "inner": Cosine(5, 0.1)})
    again = coslr.from_dict(json.loads(json.dumps(schedule.to_dict())))
    assert again.table == {"schedule": (1, 2), "inner": Cosine(5, 0.1)}


def test_two_classes_of_one_name_need_their_full_names():
    def first():
        return dataclass(frozen=True)(type("Twin", (Flat,), {"__module__": "first"}))(0.1)

    def second():
        return dataclass(frozen=True)(type("Twin", (Flat,), {"__module__": "second"}))(0.1)

    twins = first(), second()
    with pytest.raises(ValueError, match=r"'Twin': must be the full name .*first.Twin"):
        coslr.from_dict(twins[0].to_dict())
    for twin in twins:
        name = f"{type(twin).__module__}.Twin"
        assert coslr.from_dict(twin.to_dict() | {"schedule": name}) == twin


# ------------------------------------------------------------------------------- stretching


def test_stretch_by_hand():
    assert 30 / 100 < 3 * 0.1
    restarts = CosineWarmRestarts(0.1, 0.2)
    in_updates = restarts.stretch(100)
    assert in_updates == CosineWarmRestarts(10, 0.2)
    assert in_updates.boundaries_before(40) == (10, 20, 30)
    assert in_updates(30) == 0.2
    assert CosineWarmRestarts(0.1, 0.2).stretch(11)(11) == 0.2  # 10 * 1.1 is more than 11
    assert Step(0.1, 0.2).stretch(11).boundaries_before(23)[9::10] == (11, 22)
    assert MultiStep([3 * 0.1, 9], 0.1).stretch(100).milestones == (30, 900)
    assert Cosine(50, 0.1).stretch(469).stretch(1 / 469) == Cosine(50, 0.1)
    assert Cosine(1 / 3, 0.1).stretch(300) == Cosine(100, 0.1)
    assert CosineWarmRestarts(0.1, 0.2, cycles=10).stretch(11).length == 11


@pytest.mark.parametrize("per_epoch", [100, 469])
def test_a_restart_behind_a_fractional_warmup_comes_on_time(per_epoch):
    """At 469 updates an epoch both parts are fractions, and their sum is whole."""
    schedule = warmup(CosineWarmRestarts(0.7, 0.2), 0.3).stretch(per_epoch)
    assert schedule(per_epoch) == 0.2
    assert schedule(per_epoch - 1) < 1e-3
    drop = warmup(MultiStep([4.9], 0.2), 0.1).stretch(per_epoch)
    assert [round(drop(5 * per_epoch - i), 9) for i in (1, 0)] == [0.2, 0.02]


@pytest.mark.parametrize("start", [None, 0.01])
def test_a_stretched_warmup_rises_as_before(start):
    """The rise in epochs begins at 1 / 1.5 of its end, and so does the one in updates."""
    schedule = warmup(Cosine(4.5, 0.1), 0.5, start=start)
    stretched = schedule.stretch(100)
    k = np.arange(600)
    assert np.allclose(stretched(k), schedule(k / 100), rtol=1e-12, atol=1e-15)
    assert stretched(0) == schedule(0)
    assert stretched(50) == 0.1
    assert stretched.length == 500
    one = WSD(4.5, 1, 0.1, warmup=0.5)
    assert np.allclose(one.stretch(100)(k), one(k / 100), rtol=1e-12, atol=1e-15)
    assert one.stretch(100).boundaries == (50, 350)


@dataclass(frozen=True)
class Late(Cosine):
    """Ours with one more time, which stretching must not forget."""

    delay: float = 1.0

    @property
    def length(self):
        return self.T_max + self.delay

    def formula(self, t, xp):
        return super().formula(t - self.delay, xp)


@dataclass(frozen=True)
class DropsAt(Schedule):
    """It drops at a time that a division may miss."""

    at: float

    def _boundaries(self, t):
        return [self.at]

    def formula(self, t, xp):
        return 1.0 * xp.where(t < self.at, 0.2, 0.1)


@pytest.mark.parametrize(
    "schedule",
    [Late(2.0, 0.1), DropsAt(3 * 0.1), mixed(Cosine(2, 0.1), Doubled, Cosine), DoubledFlat(0.3)],
    ids=repr,
)
def test_a_schedule_of_one_s_own_stretches_too(schedule):
    stretched = schedule.stretch(100)
    k = np.arange(320)
    expected = schedule((k + 1e-9) / 100)
    assert np.allclose(stretched(k), expected, rtol=0, atol=1e-9)
    assert [stretched(i) for i in k.tolist()] == pytest.approx(expected, abs=1e-9)
    assert stretched.length == pytest.approx(schedule.length * 100)
    assert schedule.stretch(1) is schedule
    assert schedule.stretch(4).stretch(0.25) is schedule
    assert repr(stretched) == f"{schedule!r}.stretch(100)"
    both = warmup(schedule, 0.5).stretch(100)
    assert np.allclose(both(k + 50), expected, rtol=0, atol=1e-9)


def test_the_boundaries_of_a_stretched_schedule_of_one_s_own():
    stretched = DropsAt(3 * 0.1).stretch(100)
    assert [stretched(k) for k in (29, 30)] == [0.2, 0.1]
    assert stretched.boundaries_before(31) == (30,)
    assert stretched.boundaries_before(30) == ()
    with pytest.raises(ValueError, match="boundaries_before"):
        _ = mixed(Step(1, 0.1), Doubled, Step).stretch(2).boundaries


@pytest.mark.parametrize(
    ("factor", "error", "message"),
    [
        (0, ValueError, "factor=0: must be a number above 0"),
        (-2, ValueError, "factor=-2: must be a number above 0"),
        (math.inf, ValueError, "factor=inf: must be .* finite"),
        ("9", TypeError, "factor='9': must be a number above 0"),
        (True, TypeError, "factor=True"),
        (1e299, ValueError, "T_max=.*: must be a number of updates"),
        (1e-200, ValueError, "T_max=.*: must be a number of updates"),
    ],
)
def test_stretch_refuses(factor, error, message):
    with pytest.raises(error, match=message):
        Cosine(50, 0.1).stretch(factor)


@pytest.mark.parametrize("none", [0, 0.0, np.int64(0)])
def test_a_warmup_of_no_updates_is_the_schedule(none):
    schedule = Cosine(50, 0.1)
    assert warmup(schedule, none) is schedule
    assert warmup(schedule, none, start=0.0) is schedule
    with pytest.raises(TypeError, match=r"schedule=0\.1: must be a schedule"):
        warmup(0.1, none)


def test_a_class_that_only_we_use_leaves_its_name_to_the_reader():
    wave = wave_of(Cosine(10, 0.1))  # a config finds classes by their names
    assert type(wave).__name__.startswith("_")


def test_a_budget_may_be_in_flops():
    for schedule in (CosineWarmRestarts(1e24, 0.1, cycles=2), Cyclical(1e24, 0.1, cycles=1)):
        assert schedule(schedule.length) == schedule(2 * schedule.length) == 0.0
    assert CosineWarmRestarts(1e24, 0.1, T_mult=2)(1e24) == 0.1
    assert Step(1e24, 0.1)(1e24) == pytest.approx(0.01)
    assert InverseSqrt(1e24, 0.1)(3e24) == pytest.approx(0.05)
    assert Step(10**24, 0.1)._repr_html_() is not None


def test_a_wsd_without_a_plateau_has_one_boundary():
    assert WSD(T_max=100, decay=80, eta_max=0.1, warmup=20).boundaries == (20,)
