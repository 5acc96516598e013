"""Every checker against right answers, usual mistakes, and answers that are no answers at all."""

import inspect
import math
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import SGD
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LambdaLR, LinearLR

from coslr import Cosine, CosineWarmRestarts, checks, cosine
from coslr.pytorch import ScheduleLR

# Some of the mistakes are such that PyTorch warns of them.
pytestmark = pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")

PI = math.pi

own_run = partial(checks.own_run, epochs=12, updates=78, eta_max=0.05, eta_min=0.001)


# ------------------------------------------------------- answers of 04: functions that train


def reports(read=None, order="read, update, step", leave_out=0):
    """A loop that reports rates; `order` says what it does when, `leave_out` how many epochs."""

    def answer(optimizer, scheduler, epochs):
        rates = []
        actions = {
            "read": lambda: rates.append(
                read(optimizer, scheduler) if read else optimizer.param_groups[0]["lr"]
            ),
            "update": optimizer.step,
            "step": scheduler.step,
        }
        for _ in range(epochs - leave_out):
            for action in order.split(", "):
                actions[action]()
        return rates

    return answer


def then(answer, change):
    """`answer`, with `change` applied to what it returns."""
    return lambda *arguments: change(answer(*arguments))


def torch_cosine(T_max, eta_min=1e-4):
    """T_max as a function of epochs and updates per epoch."""
    return lambda optimizer, epochs, updates: CosineAnnealingLR(
        optimizer, T_max(epochs, updates), eta_min
    )


def our_cosine(T_max, **units):
    return lambda optimizer, epochs, updates: ScheduleLR(
        optimizer, Cosine(T_max(epochs, updates), 0.1, 1e-4), **units
    )


def total(epochs, updates):
    return epochs * updates


def stairs(optimizer, epochs, updates):
    return LambdaLR(optimizer, lambda k: cosine(k // updates, epochs, 0.1, 1e-4) / 0.1)


def elsewhere(optimizer, epochs, updates):
    other = SGD([torch.zeros(1)], lr=0.1)
    other.step()
    return CosineAnnealingLR(other, epochs * updates, 1e-4)


# ------------------------------------------------------------------ answers of 01: formulas


def textbook(T=lambda T: T, shift=0, half=0.5, one=1, angle=PI, sign=1, floor=1, low=1):
    """The textbook formula, with its parts to be broken."""

    def answer(t, T_max, eta_max, eta_min):
        wave = one + sign * math.cos(angle * (t + shift) / T(T_max))
        return floor * eta_min + half * (eta_max - low * eta_min) * wave

    return answer


def bare(function):
    """A function of the share of the run, as the weight between eta_max and eta_min."""

    def answer(t, T_max, eta_max, eta_min):
        return eta_min + (eta_max - eta_min) * function(t / T_max)

    return answer


def raises(*_):
    raise ZeroDivisionError("division by zero")


RIGHT = {
    checks.tenth_of_peak: [0.7952, 0.795, 0.80, 2 / PI * math.acos(0.1**0.5), np.float32(0.7952)],
    own_run: [Cosine(936, 0.05, 0.001), Cosine(936.0, 0.1 / 2, 0.001), Cosine(12 * 78, 0.05, 1e-3)],
    checks.formula: [
        textbook(),
        cosine,
        bare(lambda s: math.cos(PI * s / 2) ** 2),
        bare(lambda s: 1 - math.sin(PI * s / 2) ** 2),
        bare(lambda s: np.float64(0.5 + np.cos(np.pi * s) / 2)),
        bare(lambda s: torch.tensor(0.5 + math.cos(PI * s) / 2, dtype=torch.float64)),
        lambda t, T_max, eta_max, eta_min: Cosine(T_max, eta_max, eta_min)(t),
    ],
    checks.inverse: [
        lambda q: math.acos(2 * q - 1) / PI,
        lambda q: 2 / PI * math.acos(math.sqrt(q)),
        lambda q: 2 / PI * np.arcsin(np.sqrt(1 - q)),
        lambda q: 0.5 + np.arcsin(1 - 2 * q) / np.pi,
    ],
    checks.area: [2.55245, 50 * 0.1001 / 2 + 0.0999 / 2, torch.tensor(2.55245)],
    checks.last_rate: [1.986e-4, 0.000199, cosine(49, 50, 0.1, 1e-4)],
    checks.print_line: [
        reports(),
        reports(read=lambda o, s: s.get_last_lr()[0]),
        reports(order="update, read, step"),
        then(reports(), np.array),
        then(reports(), tuple),
    ],
    checks.per_update: [
        torch_cosine(total),
        our_cosine(total),
        lambda o, epochs, updates: ScheduleLR(o, Cosine(epochs, 0.1, 1e-4), steps_per_unit=updates),
    ],
}

# Checker, a usual mistake, and a part of the hint that names this mistake and no other.
IMPOSTORS = [
    (checks.tenth_of_peak, 0.9, "straight line"),
    (checks.tenth_of_peak, 0.205, "fallen by a tenth"),
    (checks.tenth_of_peak, 79.5, "percent"),
    (checks.tenth_of_peak, 2.5, "radians"),
    (checks.tenth_of_peak, 0.76, "too small"),
    (checks.tenth_of_peak, 0.83, "too large"),
    (own_run, Cosine(12, 0.05, 0.001), "in epochs"),
    (own_run, Cosine(78, 0.05, 0.001), "one epoch"),
    (own_run, Cosine(935, 0.05, 0.001), "t = 935"),
    (own_run, Cosine(937, 0.05, 0.001), "how many updates"),
    (own_run, Cosine(936, 0.05), "eta_min is 0, and should be 0.001"),
    (own_run, Cosine(936, 0.1, 0.001), "eta_max is 0.1, and should be 0.05"),
    (own_run, CosineWarmRestarts(936, 0.05, 0.001), "must be a Cosine"),
    (own_run, 936, "must be a Cosine"),
    (checks.formula, bare(lambda s: 1 - s), "straight line"),
    (checks.formula, textbook(floor=0, low=0), "floor is missing"),
    (checks.formula, lambda t, T, high, low: cosine(t, T, high), "floor is missing"),
    (checks.formula, textbook(floor=0), "not added"),
    (checks.formula, textbook(low=0), "added twice"),
    (checks.formula, textbook(shift=1), "one update too far"),
    (checks.formula, lambda t, *others: cosine(t + 1, *others), "one update too far"),
    (checks.formula, textbook(shift=-1), "begins one update late"),
    (checks.formula, textbook(T=lambda T: T - 1), "ends one update early"),
    (checks.formula, lambda t, T, *others: cosine(t, T - 1, *others), "ends one update early"),
    (checks.formula, textbook(T=lambda T: T + 1), "ends one update late"),
    (checks.formula, textbook(sign=-1), "rises"),
    (checks.formula, lambda t, T, high, low: textbook()(t, T, low, high), "rises"),
    (checks.formula, textbook(half=1), "1/2 is missing"),
    (checks.formula, textbook(one=0), "1 in 1 + cos is missing"),
    (checks.formula, textbook(angle=1), "goes to 1."),
    (checks.formula, textbook(angle=2 * PI), "2π"),
    (checks.formula, textbook(angle=180), "radians"),
    (checks.formula, bare(lambda s: math.cos(PI * s / 2)), "quarter"),
    (checks.formula, bare(lambda s: math.cos(PI * s / 2) ** 4), "For t=1, T_max=10"),
    (checks.formula, lambda t, T, *others: cosine(min(t, T - 1), T, *others), "For t=10"),
    (checks.formula, lambda t: t, "TypeError"),
    (checks.formula, 0.1, "must be a function"),
    (checks.inverse, lambda q: 1 - q, "straight line"),
    (checks.inverse, lambda q: 1 - math.acos(2 * q - 1) / PI, "rises"),
    (checks.inverse, lambda q: math.acos(2 * q - 1), "divide it by π"),
    (checks.inverse, lambda q: math.degrees(math.acos(2 * q - 1)), "degrees"),
    (checks.inverse, lambda q: math.acos(q) / PI, "2q - 1"),
    (checks.inverse, lambda q: 2 / PI * math.acos(q), "square root"),
    (checks.inverse, lambda q: cosine(q, 1, 1.0), "rate at share q"),
    (checks.inverse, lambda q: 0.5, "For q=1 it gives 0.5, where the cosine is at 0.5"),
    (checks.inverse, lambda q: 50 * math.acos(2 * q - 1) / PI, "no share of the run"),
    (checks.area, 2.5025, "50 times the mean"),
    (checks.area, 2.55255, "51 rates"),
    (checks.area, 2.45255, "leaves the first rate out"),
    (checks.area, 5.0, "constant"),
    (checks.area, 2.55, "floor of 0"),
    (checks.area, 0.051049, "mean of the rates"),
    (checks.area, 2.5524, "close, but"),
    (checks.area, -1, "too small"),
    (checks.last_rate, 0.0001, "printed after the last epoch"),
    (checks.last_rate, cosine(48, 50, 0.1, 1e-4), "one epoch too early"),
    (checks.last_rate, 0.0002, "close, but"),
    (checks.last_rate, 0.1, "too large"),
    (checks.print_line, reports(order="update, step, read"), "epoch to come"),
    (
        checks.print_line,
        reports(order="read, update, step, step"),
        "training itself changed: epoch 2 ",
    ),
    (checks.print_line, reports(order="read, update"), "training itself changed: epoch 2 "),
    (checks.print_line, reports(leave_out=1), "makes 49 updates"),
    (checks.print_line, reports(order="read, step"), "makes 0 updates"),
    (checks.print_line, then(reports(), lambda rates: rates[1:]), "returns 49"),
    (checks.print_line, then(reports(), lambda rates: rates[0]), "returns 1."),
    (checks.print_line, then(reports(), lambda rates: [0.1] * 50), "For epoch 2 it reports 0.1"),
    (checks.per_update, torch_cosine(lambda epochs, updates: epochs), "counts epochs"),
    (checks.per_update, our_cosine(lambda epochs, updates: epochs), "counts epochs"),
    (checks.per_update, torch_cosine(lambda epochs, updates: updates), "after one epoch"),
    (checks.per_update, our_cosine(lambda epochs, updates: updates), "after one epoch"),
    (checks.per_update, torch_cosine(total, eta_min=0), "floor is 0"),
    (checks.per_update, torch_cosine(lambda e, u: e * u - 1), "one update early"),
    (checks.per_update, our_cosine(total, steps_per_unit=20), "Update 1 trains at"),
    (checks.per_update, stairs, "staircase"),
    (checks.per_update, elsewhere, "never moves"),
    (checks.per_update, lambda o, e, u: ConstantLR(o, factor=1), "never moves"),
    (checks.per_update, lambda o, e, u: LinearLR(o, 1, 0.001, e * u), "Update 1 trains at"),
    (checks.per_update, lambda o, e, u: 0.1, "no attribute 'step'"),
]

NO_ANSWERS = {
    "text": "0.7952",
    "text of no number": "ten",
    "NaN": math.nan,
    "infinity": math.inf,
    "too large for a float": 10**400,
    "complex": 0.7952 + 0j,
    "truth": True,
    "empty list": [],
    "array": np.array([0.7952]),
    "tensor with a gradient": torch.zeros(2, requires_grad=True),
    "object": object(),
    "class": Cosine,
    "raises": raises,
    "returns text": lambda *_: "0.1",
    "returns NaN": lambda *_: math.nan,
    "returns infinity": lambda *_: math.inf,
    "returns too large a number": lambda *_: 10**400,
    "returns a complex number": lambda *_: 0.1j,
    "returns an array": lambda *_: np.zeros(3),
    "returns an array of one": lambda *_: np.zeros(1),
    "returns lists of several lengths": lambda *a: [0.0] * int(10 * a[0]) if len(a) < 3 else [],
    "returns a function": lambda *_: math.cos,
    "takes too much": lambda a, b, c, d, e, f: 0.1,
}

FUNCTIONS = [checks.formula, checks.inverse, checks.print_line, checks.per_update]


def name_of(value):
    return getattr(getattr(value, "func", value), "__name__", None)


def test_every_checker_is_tested_here():
    functions = inspect.getmembers(checks, inspect.isfunction)
    public = {
        name
        for name, function in functions
        if not name.startswith("_") and function.__module__ == checks.__name__
    }
    assert public == {name_of(checker) for checker in RIGHT}
    assert public == {name_of(checker) for checker, _, _ in IMPOSTORS}


@pytest.mark.parametrize("answer", [None, ...], ids=str)
@pytest.mark.parametrize("checker", RIGHT, ids=name_of)
def test_what_is_not_attempted_is_neither_right_nor_wrong(checker, answer):
    verdict = checker(answer)
    assert verdict.right is None
    assert repr(verdict).startswith("… Not attempted yet.")
    if checker in FUNCTIONS:
        assert checker(lambda *_: answer) == verdict


def test_dots_left_in_the_loop_of_print_line_are_not_attempted_either():
    assert checks.print_line(reports(read=lambda o, s: ...)).right is None


@pytest.mark.parametrize(
    ("checker", "answer"), [(c, a) for c, answers in RIGHT.items() for a in answers], ids=name_of
)
def test_a_right_answer_is_right_and_no_hint_appears(checker, answer):
    verdict = checker(answer)
    assert verdict.right is True
    assert repr(verdict).startswith("✓ Right.")
    assert not [part for other, _, part in IMPOSTORS if other == checker and part in repr(verdict)]


@pytest.mark.parametrize(("checker", "answer", "part"), IMPOSTORS)
def test_an_impostor_is_refused_with_the_hint_for_its_mistake(checker, answer, part):
    verdict = checker(answer)
    assert verdict.right is False
    assert part in verdict.message
    assert repr(verdict) == f"✗ Not yet. {verdict.message}"
    others = {p for other, _, p in IMPOSTORS if other == checker} - {part}
    assert not [other for other in others if other in verdict.message]


@pytest.mark.parametrize("answer", NO_ANSWERS.values(), ids=NO_ANSWERS)
@pytest.mark.parametrize("checker", RIGHT, ids=name_of)
def test_no_answer_makes_a_checker_fail_and_none_of_these_is_right(checker, answer):
    verdict = checker(answer)
    assert verdict.right is False
    assert verdict.message.strip()


counts = st.integers(1, 500)
peaks = st.floats(1e-6, 10)


@given(epochs=counts, updates=counts, eta_max=peaks, part=st.floats(0, 0.9))
def test_any_run_s_own_cosine_is_right_and_a_wrong_rate_is_named(epochs, updates, eta_max, part):
    run = dict(epochs=epochs, updates=updates, eta_max=eta_max, eta_min=part * eta_max)
    T_max = epochs * updates
    assert checks.own_run(Cosine(T_max, eta_max, part * eta_max), **run).right is True
    peak = checks.own_run(Cosine(T_max, 2 * eta_max, part * eta_max), **run)
    assert peak.message.startswith("eta_max is")
    floor = checks.own_run(Cosine(T_max, eta_max, 0.95 * eta_max), **run)
    assert floor.message.startswith("eta_min is")
    assert checks.own_run(Cosine(T_max + 0.5, eta_max, part * eta_max), **run).right is False


@given(wrong_by=st.floats(1e-6, 1e3), sign=st.sampled_from([-1, 1]), at=st.integers(0, 10))
def test_a_formula_wrong_at_a_single_t_is_refused(wrong_by, sign, at):
    def answer(t, *others):
        return cosine(t, *others) + (sign * wrong_by if t == at else 0)

    verdict = checks.formula(answer)
    assert verdict.right is False
    assert verdict.message.startswith(f"For t={at},")


@pytest.mark.parametrize(("epochs", "updates"), [(2, 3), (3, 2), (10, 1), (1, 10)])
def test_per_update_is_right_for_short_runs_too(epochs, updates):
    assert checks.per_update(torch_cosine(total), epochs, updates).right is True
    early = checks.per_update(torch_cosine(lambda e, u: e * u - 1), epochs, updates)
    assert early.right is False
