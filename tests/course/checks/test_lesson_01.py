import math

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from coslr import Cosine, cosine
from coslr.course.checks import lesson_01
from tests.course.checks.harness import Checkers

PI = math.pi


def textbook(T=lambda T: T, shift=0, half=0.5, one=1, angle=PI, sign=1, floor=1, low=1):
    """The textbook formula, in parts that a test can replace."""

    def answer(t, T_max, eta_max, eta_min):
        wave = one + sign * math.cos(angle * (t + shift) / T(T_max))
        return floor * eta_min + half * (eta_max - low * eta_min) * wave

    return answer


def bare(function):
    """A function of the share of the run, as the weight between eta_max and eta_min."""

    def answer(t, T_max, eta_max, eta_min):
        return eta_min + (eta_max - eta_min) * function(t / T_max)

    return answer


RIGHT = {
    lesson_01.formula: [
        textbook(),
        cosine,
        bare(lambda s: math.cos(PI * s / 2) ** 2),
        bare(lambda s: 1 - math.sin(PI * s / 2) ** 2),
        bare(lambda s: np.float64(0.5 + np.cos(np.pi * s) / 2)),
        bare(lambda s: torch.tensor(0.5 + math.cos(PI * s) / 2, dtype=torch.float64)),
        lambda t, T_max, eta_max, eta_min: Cosine(T_max, eta_max, eta_min)(t),
    ],
    lesson_01.inverse: [
        lambda q: math.acos(2 * q - 1) / PI,
        lambda q: 2 / PI * math.acos(math.sqrt(q)),
        lambda q: 2 / PI * np.arcsin(np.sqrt(1 - q)),
        lambda q: 0.5 + np.arcsin(1 - 2 * q) / np.pi,
    ],
    lesson_01.area: [2.55245, 50 * 0.1001 / 2 + 0.0999 / 2, torch.tensor(2.55245)],
}

# A checker, a usual mistake, and a part of the hint that only this mistake must get.
IMPOSTORS = [
    (lesson_01.formula, bare(lambda s: 1 - s), "straight line"),
    (lesson_01.formula, textbook(floor=0, low=0), "floor is missing"),
    (lesson_01.formula, lambda t, T, high, low: cosine(t, T, high), "floor is missing"),
    (lesson_01.formula, textbook(floor=0), "not added"),
    (lesson_01.formula, textbook(low=0), "added twice"),
    (lesson_01.formula, textbook(shift=1), "one update too far"),
    (lesson_01.formula, lambda t, *others: cosine(t + 1, *others), "one update too far"),
    (lesson_01.formula, textbook(shift=-1), "begins one update late"),
    (lesson_01.formula, textbook(T=lambda T: T - 1), "ends one update early"),
    (lesson_01.formula, lambda t, T, *others: cosine(t, T - 1, *others), "ends one update early"),
    (lesson_01.formula, textbook(T=lambda T: T + 1), "ends one update late"),
    (lesson_01.formula, textbook(sign=-1), "rises"),
    (lesson_01.formula, lambda t, T, high, low: textbook()(t, T, low, high), "rises"),
    (lesson_01.formula, textbook(half=1), "1/2 is missing"),
    (lesson_01.formula, textbook(one=0), "1 in 1 + cos is missing"),
    (lesson_01.formula, textbook(angle=1), "goes to 1."),
    (lesson_01.formula, textbook(angle=2 * PI), "2π"),
    (lesson_01.formula, textbook(angle=180), "radians"),
    (lesson_01.formula, bare(lambda s: math.cos(PI * s / 2)), "quarter"),
    (lesson_01.formula, bare(lambda s: math.cos(PI * s / 2) ** 4), "For t=1, T_max=10"),
    (lesson_01.formula, lambda t, T, *others: cosine(min(t, T - 1), T, *others), "For t=10"),
    (lesson_01.formula, lambda t: t, "TypeError"),
    (lesson_01.formula, 0.1, "must be a function"),
    (lesson_01.inverse, lambda q: 1 - q, "straight line"),
    (lesson_01.inverse, lambda q: 1 - math.acos(2 * q - 1) / PI, "rises"),
    (lesson_01.inverse, lambda q: math.acos(2 * q - 1), "divide it by π"),
    (lesson_01.inverse, lambda q: math.degrees(math.acos(2 * q - 1)), "degrees"),
    (lesson_01.inverse, lambda q: math.acos(q) / PI, "2q - 1"),
    (lesson_01.inverse, lambda q: 2 / PI * math.acos(q), "square root"),
    (lesson_01.inverse, lambda q: cosine(q, 1, 1.0), "rate at share q"),
    (lesson_01.inverse, lambda q: 0.5, "For q=1 it gives 0.5, where the cosine is at 0.5"),
    (lesson_01.inverse, lambda q: 50 * math.acos(2 * q - 1) / PI, "no share of the run"),
    (lesson_01.area, 2.5025, "50 times the mean"),
    (lesson_01.area, 2.55255, "51 rates"),
    (lesson_01.area, 2.45255, "leaves the first rate out"),
    (lesson_01.area, 5.0, "constant"),
    (lesson_01.area, 2.55, "floor of 0"),
    (lesson_01.area, 0.051049, "mean of the rates"),
    (lesson_01.area, 2.5524, "close, but"),
    (lesson_01.area, -1, "too small"),
]


class TestCheckers(Checkers):
    module, right, impostors = lesson_01, RIGHT, IMPOSTORS
    functions = [lesson_01.formula, lesson_01.inverse]


@given(wrong_by=st.floats(1e-6, 1e3), sign=st.sampled_from([-1, 1]), at=st.integers(0, 10))
def test_a_formula_wrong_at_a_single_t_is_refused(wrong_by, sign, at):
    def answer(t, *others):
        return cosine(t, *others) + (sign * wrong_by if t == at else 0)

    feedback = lesson_01.formula(answer)
    assert feedback.is_right is False
    assert feedback.message.startswith(f"For t={at},")
