"""The mistake behind a trace is named; a right trace and an unknown mistake are left alone."""

import math
from collections import Counter
from dataclasses import dataclass, replace
from fractions import Fraction
from random import Random

import numpy as np
import pytest

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
    Schedule,
    Step,
    diagnose,
    join,
    warmup,
)
from coslr.diagnosis import CAUSES, at_updates
from tests import broken_loops
from tests.broken_loops import random_run

COSINE = Cosine(100, 0.1)
WARM = warmup(Cosine(80, 0.1, 1e-3), updates=20)
RESTARTS = CosineWarmRestarts(20, 0.1)
T = np.arange(100)


def causes(*args, **options):
    return [diagnosis.cause for diagnosis in diagnose(*args, **options)]


# ------------------------------------------------------------------- every cause, by a clear case


def pytorch_cosine(t, T_max, peak=0.1):
    """PyTorch's CosineAnnealingLR, from its documentation."""
    return peak * (1 + np.cos(np.pi * t / T_max)) / 2


# name of the cause, the schedule, the rates in force, options, the numbers of the mistake
CASES = [
    ("right", COSINE, COSINE(T), {}, {}),
    ("never_moves", WARM, [0.1] * 100, {}, {"rate": 0.1}),
    ("never_moves", WARM, [0.07] * 100, {}, {"rate": 0.07}),
    ("one_early", COSINE, COSINE(T + 1), {}, {}),
    ("one_late", WARM, [0.3, *WARM(T[:-1])], {}, {"first": 0.3}),
    ("not_resumed", COSINE, COSINE(T), {"first_update": 40}, {"update": 40}),
    ("too_fast", WARM, WARM(8 * T), {}, {"times": 8}),
    ("too_fast", COSINE, pytorch_cosine(4 * T, 100), {}, {"times": 4}),
    ("too_fast", WARM, WARM(30 + 2 * T), {"first_update": 30}, {"times": 2}),
    ("too_fast", WARM, WARM(4 * T + 3), {}, {"times": 4, "offset": 3}),
    ("too_fast", COSINE, pytorch_cosine(4 * T + 3, 100), {}, {"times": 4, "offset": 3}),
    ("too_fast", WARM, WARM(31 + 2 * T), {"first_update": 30}, {"times": 2, "offset": 1}),
    ("too_slow", WARM, WARM(T / 4), {}, {"times": 4}),
    ("per_epoch", COSINE, COSINE(T // 10), {}, {"updates": 10}),
    ("per_epoch", COSINE, COSINE(T // 10 * 10), {}, {"updates": 10}),
    ("scaled", WARM, 0.37 * WARM(T), {}, {"factor": 0.37}),
    ("scaled", Cosine(100, 0.1, 0.01), Cosine(100, 0.4, 0.01)(T), {}, {"factor": 4}),
    ("scaled_from", WARM, WARM(T) * np.where(T < 50, 1, 2), {}, {"factor": 2, "update": 50}),
    ("restarted", WARM, np.where(T < 50, WARM(T), WARM(T - 50)), {}, {"update": 50}),
    ("never_restarts", RESTARTS, np.where(T < 20, RESTARTS(T), 0), {}, {"update": 20}),
    ("missed_restart", RESTARTS, np.where(T == 60, 0, RESTARTS(T)), {}, {"updates": [60]}),
    ("used_up", MultiStep([10, 20], 0.5, gamma=0.5), [0.125] * 30, {}, {"steps": 20}),
    ("used_up", COSINE, pytorch_cosine(100 + T, 100), {}, {"steps": 100}),
    ("climbs_again", COSINE, pytorch_cosine(T, 60), {}, {"after": 60}),
    ("climbs_again", COSINE, pytorch_cosine(np.arange(130), 100), {}, {"after": 100}),
    (
        "clock_in_warmup",
        WARM,
        np.where(T < 20, WARM(T), Cosine(100, 0.1, 1e-3)(T)),
        {},
        {"warmup": 20, "length": "the whole run's"},
    ),
    (
        "clock_in_warmup",
        WARM,
        np.where(T < 20, WARM(T), Cosine(80, 0.1, 1e-3)(T)),
        {},
        {"warmup": 20, "length": "its own"},
    ),
    (
        "clock_in_warmup",  # two schedulers that both multiply, as in PyTorch's ChainedScheduler
        WARM,
        np.where(T < 20, (T + 1) / 21, 1) * Cosine(80, 0.1, 1e-3)(T),
        {},
        {"warmup": 20, "length": "its own"},
    ),
    ("warmup_from_zero", WARM, np.where(T < 20, 0.1 * T / 20, WARM(T)), {}, {}),
    ("wrong_floor", COSINE, Cosine(100, 0.1, 0.013)(T), {}, {"eta_min": 0.013}),
    (
        "wrong_length",
        WARM,
        warmup(Cosine(137, 0.1, 1e-3), updates=20)(T),
        {},
        {"name": "T_max", "length": 137, "meant": 80},
    ),
    (
        "wrong_length",
        COSINE,
        Cosine(137.3, 0.1)(T),
        {},
        {"name": "T_max", "length": 137.3, "meant": 100},
    ),
    (
        "wrong_length",
        WARM,
        warmup(Cosine(80, 0.1, 1e-3), updates=15)(T),
        {},
        {"name": "warmup", "length": 15, "meant": 20},
    ),
    (
        "wrong_length",
        WARM,
        warmup(Cosine(85, 0.1, 1e-3), updates=15)(T),
        {},
        {"name": "warmup", "length": 15, "meant": 20},
    ),
]


@pytest.mark.parametrize(
    ("cause", "schedule", "rates", "options", "numbers"), CASES, ids=[case[0] for case in CASES]
)
def test_a_clear_case_comes_first_and_with_its_numbers(cause, schedule, rates, options, numbers):
    best = diagnose(list(rates), schedule, **options)[0]
    assert best.cause == cause
    assert set(best.parameters) == set(numbers)
    for name, value in numbers.items():
        found = best.parameters[name]
        assert found == (value if isinstance(value, str | list) else pytest.approx(value))
    assert best.says.endswith(".")
    assert "{" not in best.says


def test_every_cause_has_a_case_and_a_loop():
    assert {case[0] for case in CASES} == set(CAUSES)
    some = broken_loops.broken_loops(seed=0, runs=44)
    assert {broken.cause for _, _, broken in some} == set(CAUSES) - {"right"}


def test_the_causes_are_stable_words_in_the_order_of_preference():
    assert list(CAUSES) == [
        "right",
        "never_moves",
        "one_early",
        "one_late",
        "not_resumed",
        "too_fast",
        "too_slow",
        "per_epoch",
        "scaled",
        "scaled_from",
        "restarted",
        "never_restarts",
        "missed_restart",
        "used_up",
        "climbs_again",
        "clock_in_warmup",
        "warmup_from_zero",
        "wrong_floor",
        "wrong_length",
    ]


def test_the_sentence_has_the_numbers_and_a_diagnosis_knows_the_wrong_updates():
    (found,) = diagnose(WARM(T) * np.where(T < 98, 1, 3), WARM)
    assert "From update 98 on every rate is 3 times" in found.says
    assert found.updates == (98, 99)


# ------------------------------------------------------------- random mistakes, random schedules


def is_named(broken, found):
    """A schedule too slow to move within the run gives the trace of one that nobody steps."""
    also = {"never_moves"} if len(set(broken.rates)) == 1 else set()
    return bool({broken.cause, *also} & {diagnosis.cause for diagnosis in found})


def score(seed, runs, view=lambda broken: {}):
    """How many loops of each kind there were, how many were named, and named first."""
    made, named, first = Counter(), Counter(), Counter()
    for run, mistake, broken in broken_loops.broken_loops(seed, runs):
        options = {"rates": broken.rates, "first_update": broken.first_update} | view(broken)
        if broken_loops.same_as_meant(run, broken, **options):
            continue  # this view does not show the mistake
        found = diagnose(schedule=run.meant, **options)
        made[mistake.__name__] += 1
        named[mistake.__name__] += is_named(broken, found)
        first[mistake.__name__] += bool(found) and is_named(broken, found[:1])
    return made, named, first


def check(made, named, share, share_of_each, fewest=1):
    """Whether enough were named, of all and of each mistake of which there are enough to tell."""
    assert named.total() >= share * made.total()
    for mistake, count in made.items():
        if count >= fewest:
            assert named[mistake] >= share_of_each * count, mistake


def test_mistakes_are_named():
    made, named, first = score(seed=1, runs=11)
    check(made, named, 0.95, 0.90)
    assert first.total() >= 0.9 * made.total()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3])
def test_mistakes_on_sixty_schedules_are_named(seed):
    made, named, first = score(seed, runs=60)
    assert len(made) == len(broken_loops.MISTAKES)
    check(made, named, 0.95, 0.90)
    assert first.total() >= 0.9 * made.total()


def every_tenth(broken):
    updates = range(broken.first_update, broken.first_update + len(broken.rates))
    return {"rates": broken.rates[::10], "updates": list(updates)[::10]}


def in_float32(broken):
    return {"rates": [float(np.float32(rate)) for rate in broken.rates]}


def in_six_digits(broken):
    return {"rates": [float(f"{rate:.6g}") for rate in broken.rates]}


@pytest.mark.parametrize("view", [every_tenth, in_float32, in_six_digits])
def test_mistakes_in_logs_that_say_less_are_named(view):
    made, named, _ = score(4, 2, view)
    check(made, named, 0.90, 0.0)


@pytest.mark.slow
@pytest.mark.parametrize("view", [every_tenth, in_float32, in_six_digits])
def test_mistakes_in_many_logs_that_say_less_are_named(view):
    made, named, _ = score(5, 22, view)
    check(made, named, 0.95, 0.80, fewest=5)


def test_a_run_that_stops_at_its_third_wrong_update_is_named():
    shown = Counter()
    for run, _, broken in broken_loops.broken_loops(seed=6, runs=3):
        if broken.cause == "climbs_again":
            continue  # until it climbs, it is a schedule of another length
        wrong = broken_loops.wrong_updates(run, broken)
        if len(wrong) >= 3:
            stopped = replace(broken, rates=broken.rates[: wrong[2] + 1])
            found = diagnose(stopped.rates, run.meant, first_update=stopped.first_update)
            shown[is_named(stopped, found)] += 1
    assert shown[True] >= 0.95 * shown.total()


# ------------------------------------------------------------------------------- short traces


def test_one_update_at_another_rate_has_the_causes_that_may_come_of_it():
    assert causes([0.1], WARM)[:2] == ["never_moves", "one_late"]
    assert causes([WARM(1)], WARM)[0] == "one_early"
    # Within a warm-up, four steps of the scheduler before the first update multiply its rate too.
    assert {"scaled", "too_fast"} <= set(causes([4 * WARM(0)], WARM))
    assert "too_fast" not in causes([COSINE(70)], COSINE)  # nobody accumulates over 71 batches
    assert "not_resumed" in causes([0.1], COSINE, first_update=50)
    assert "used_up" in causes([0.0], COSINE)
    assert "used_up" in causes([0.0], Cosine(10**6, 0.1))
    assert "warmup_from_zero" in causes([0.0], WARM)
    assert causes([0.0123], WARM) == []
    assert causes([], WARM) == []


def test_a_rate_that_did_not_move_at_first_may_move_once_an_epoch():
    found = {d.cause: d for d in diagnose([0.1, 0.1], COSINE)}
    assert {"never_moves", "one_late", "per_epoch"} <= set(found)
    assert "moves once in 2 or more updates" in found["per_epoch"].says
    assert causes([0.1] * 100, COSINE) == ["never_moves"]


def test_two_wrong_updates_tell_how_many_times_too_fast():
    found = diagnose([COSINE(0), COSINE(4), COSINE(8)], COSINE)
    assert found[0].parameters == {"times": 4}


def test_a_number_that_could_be_any_needs_a_second_wrong_update():
    rates = [COSINE(t) for t in range(10)] + [0.777 * COSINE(10)]
    assert causes(rates, COSINE) == []
    rates.append(0.777 * COSINE(11))
    assert causes(rates, COSINE) == ["scaled_from"]


# ---------------------------------------------------------------------- what must not be named


def random_walks(run, numbers):
    """Rates that nobody meant, in the range of the schedule."""
    rates = np.array([run.meant(t) for t in range(run.updates)])
    peak, n = rates.max(), run.updates
    yield peak * np.exp(np.cumsum(0.05 * numbers.normal(size=n)))
    yield np.abs(peak / 2 + np.cumsum(numbers.normal(size=n)) * peak / 50)
    yield rates * (1 + 0.01 * numbers.normal(size=n))
    yield np.sort(numbers.uniform(0, peak, n))[::-1]
    yield numbers.choice([peak, peak / 10], n)


def walks(seed, runs):
    random, numbers = Random(seed), np.random.default_rng(seed)
    for number in range(runs):
        run = random_run(random, number)
        for walk in random_walks(run, numbers):
            yield run, walk


@pytest.mark.parametrize("runs", [3, pytest.param(44, marks=pytest.mark.slow)])
def test_a_random_walk_is_not_explained(runs):
    for run, walk in walks(7, runs):
        assert causes(walk, run.meant) == []
        assert causes(walk.astype(np.float32).astype(float), run.meant) == []
        assert causes([float(f"{rate:.6g}") for rate in walk], run.meant) == []


@pytest.mark.parametrize("runs", [11, pytest.param(220, marks=pytest.mark.slow)])
def test_a_right_trace_is_right(runs):
    random = Random(8)
    for number in range(runs):
        run = random_run(random, number)
        for first in (0, run.updates // 2):
            rates = [run.meant(t) for t in range(first, run.updates)]
            broken = broken_loops.Broken("right", rates, first)
            for view in (lambda broken: {}, every_tenth, in_float32, in_six_digits):
                options = {"rates": rates, "first_update": first} | view(broken)
                assert causes(schedule=run.meant, **options) == ["right"]


@pytest.mark.parametrize("runs", [1, pytest.param(22, marks=pytest.mark.slow)])
def test_one_rate_that_is_off_leaves_nothing_explained(runs):
    numbers = np.random.default_rng(9)
    for run, _, broken in broken_loops.broken_loops(seed=9, runs=runs):
        i = numbers.integers(1, len(broken.rates) - 1)
        rates = list(broken.rates)
        rates[i] *= 1.03
        if rates[i] > 1e-6 * max(*rates, *map(run.meant, range(run.updates))):
            found = diagnose(rates, run.meant, first_update=broken.first_update)
            assert [d.cause for d in found] in ([], ["scaled_from"])
            # A factor that begins after the odd update would not explain it.
            assert all(d.parameters["update"] == broken.first_update + i for d in found)


def test_a_mistake_that_came_too_late_to_show_is_right():
    assert causes([COSINE(t) for t in range(40)], Cosine(100, 0.1)) == ["right"]
    plateau = WSD(T_max=100, decay=20, eta_max=0.1)
    assert causes([0.1] * 50, plateau) == ["right"]


# ------------------------------------------------------------- units, functions, own schedules


def test_a_schedule_in_epochs():
    schedule = warmup(Cosine(9, 0.1), updates=1)
    right = at_updates(schedule, 50)
    updates = np.arange(500)
    assert causes(right(updates), schedule, steps_per_unit=50) == ["right"]
    found = diagnose(right(updates // 50 * 50), schedule, steps_per_unit=50)[0]
    assert (found.cause, found.parameters) == ("per_epoch", {"updates": 50})
    assert causes(schedule(updates), schedule, steps_per_unit=50)[0] == "too_fast"


def nanogpt(step):
    """The rate of nanoGPT's train.py, with other numbers."""
    if step < 10:
        return 6e-4 * (step + 1) / 11
    if step > 90:
        return 6e-5
    return 6e-5 + 0.5 * (1 + math.cos(math.pi * (step - 10) / 80)) * 5.4e-4


def test_a_plain_function_is_a_schedule_too():
    steps = range(100)
    assert causes([nanogpt(t) for t in steps], nanogpt) == ["right"]
    assert causes([nanogpt(t + 1) for t in steps], nanogpt) == ["one_early"]
    assert diagnose([nanogpt(3 * t) for t in steps], nanogpt)[0].parameters == {"times": 3}
    assert causes([nanogpt(t) for t in steps], lambda epoch: nanogpt(epoch * 20), steps_per_unit=20)


def test_a_function_that_takes_whole_updates_and_ends():
    table = [0.1 - 0.001 * t for t in range(100)]
    found = diagnose(table[::2], lambda t: table[t])
    assert [d.cause for d in found] == ["too_fast"]
    assert causes([0.2, *table[:99]], lambda t: table[t]) == ["one_late"]


@dataclass(frozen=True)
class OnlyNumbers(Schedule):
    """A schedule that cannot take arrays."""

    T: float

    def formula(self, t, xp):
        return 0.1 if t < self.T else 0.01


def test_a_schedule_of_the_reader_s_own():
    assert causes([OnlyNumbers(5)(t) for t in range(20)], OnlyNumbers(5)) == ["right"]
    assert "one_early" in causes([OnlyNumbers(4)(t) for t in range(20)], OnlyNumbers(5))


def test_a_looser_tolerance_takes_coarser_rates():
    rates = [float(f"{COSINE(t + 1):.3g}") for t in range(100)]
    assert causes(rates, COSINE) == []
    assert causes(rates, COSINE, tolerance=0.01)[0] == "one_early"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schedule": Cosine}, "schedule=.*must be a schedule"),
        ({"schedule": 0.1}, "schedule=0.1: must be a schedule"),
        ({"rates": 0.1}, "rates=0.1: must be learning rates"),
        ({"first_update": -1}, "first_update=-1: must be a whole number from 0"),
        ({"steps_per_unit": 0}, "steps_per_unit=0: must be a number above 0"),
        ({"updates": [1]}, "updates=.*must be 2 increasing update indices"),
        ({"updates": [2, 1]}, "updates=.*must be 2 increasing update indices"),
        ({"updates": [1, 2], "first_update": 2}, "from first_update=2"),
        ({"updates": [0.9, 2.7]}, r"updates\[0\]=0.9: must be a whole number from 0, not float"),
        ({"updates": [1, "a"]}, r"updates\[1\]='a': must be a whole number from 0, not str"),
        ({"updates": [-1, 2]}, r"updates\[0\]=-1: must be a whole number from 0"),
        ({"rates": [0.1, "0.2"]}, r"rates\[1\]='0.2': must be a learning rate, not str"),
        ({"rates": [None, 0.1]}, r"rates\[0\]=None: must be a learning rate, not NoneType"),
        ({"rates": np.ones((2, 2))}, r"rates\[0\]=array.*: must be one learning rate"),
        ({"tolerance": -1}, "tolerance=-1: must be a relative difference from 0 to 0.1"),
        ({"tolerance": 5}, "tolerance=5: must be a relative difference from 0 to 0.1"),
    ],
)
def test_a_wrong_argument_is_named(options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        diagnose(**({"rates": [0.1, 0.2], "schedule": COSINE} | options))


def test_rates_and_updates_may_be_of_any_kind_of_number():
    rates = [np.float32(0.1), 0, Fraction(1, 8)]
    assert diagnose(rates, lambda t: float(rates[t]), updates=np.arange(3))[0].cause == "right"
    assert diagnose(iter([0.1]), Constant(0.1), updates=range(5, 6))[0].cause == "right"


def test_rates_that_are_no_numbers_are_not_explained():
    assert causes([0.1, math.nan, 0.1], COSINE) == []
    assert causes([math.inf] * 3, COSINE) == []


LONG = [
    Cosine(100_000, 0.1),
    warmup(Cosine(90_000, 0.1, 1e-3), updates=10_000),
    WSD(100_000, 20_000, 0.1, warmup=1_000),
    join([Constant(0.1), Exponential(50_000, 0.1, 1e-4)], [50_000]),
    OneCycle(100_000, 0.1),
    Step(20_000, 0.1),
    Cyclical(5_000, 0.1),
    InverseSqrt(1_000, 0.1),
    Linear(100_000, 0.1),
    CosineWarmRestarts(1_000, 0.1, T_mult=2),
]


@pytest.mark.slow
@pytest.mark.parametrize("schedule", LONG, ids=repr)
def test_a_hundred_thousand_updates_are_diagnosed(schedule):
    updates = np.arange(100_000)
    assert causes(schedule(updates + 1), schedule)[0] == "one_early"
    assert causes(np.where(updates < 60_000, 1, 2) * schedule(updates), schedule) == ["scaled_from"]
    walk = 0.1 * np.exp(np.cumsum(0.01 * np.random.default_rng(0).normal(size=100_000)))
    assert causes(walk, schedule) == []


def test_a_rate_that_has_not_moved_yet_has_not_begun_anew():
    """The first updates of a loop that steps once an epoch."""
    assert causes([0.1, 0.1], COSINE)[0] == "never_moves"
    assert "restarted" not in causes([0.1, 0.1], COSINE)
    assert "restarted" in causes([COSINE(0), COSINE(1), COSINE(0)], COSINE)
