import numpy as np
import pytest

from coslr import Constant, Cosine, Exponential, Linear
from coslr.course.checks import lesson_03
from coslr.course.checks.lesson_03 import UPDATES
from coslr.course.valley import CURVATURES, NOISE
from coslr.theory import best_rates, noisy_quadratic, quadratic_objective
from tests.course.checks.harness import Checkers

t = np.arange(UPDATES)

RIGHT = {
    lesson_03.rate_for_floor: [0.125, 1 / 8, np.float32(0.125)],
    lesson_03.two_rates: [[2, 0.25], (2.0, 0.25), np.array([1 / 0.5, 1 / 4])],
    lesson_03.beat_the_cosine: [
        1.3 * 0.01 ** (t / UPDATES),
        Exponential(UPDATES, 1.2, 0.02)(t),
        (1.0 * 0.01 ** (t / UPDATES)).tolist(),
    ],
}

# A checker, a usual mistake, and a part of the hint that only this mistake must get.
IMPOSTORS = [
    (lesson_03.rate_for_floor, 0.1333, "leaves out the ηh"),
    (lesson_03.rate_for_floor, 0.0645, "the first 2 is missing"),
    (lesson_03.rate_for_floor, 0.1429, "Check a sign"),
    (lesson_03.rate_for_floor, 0.1826, "noise that one update adds"),
    (lesson_03.rate_for_floor, 0.05, "too small"),
    (lesson_03.rate_for_floor, 0.5, "too large"),
    (lesson_03.two_rates, [0.25, 2], "they rise"),
    (lesson_03.two_rates, [0.25, 0.25], "flat one is not"),
    (lesson_03.two_rates, [2, 2], "steep one is not"),
    (lesson_03.two_rates, [0.5, 0.125], "which rate η makes"),
    (lesson_03.two_rates, [2, 0.25, 0.1], "must be 2 rates"),
    (lesson_03.two_rates, [2, -0.25], "at least 0"),
    (lesson_03.two_rates, "2, 0.25", "list or an array"),
    (lesson_03.beat_the_cosine, Cosine(UPDATES, 0.4823)(t), "best that a cosine can do"),
    (lesson_03.beat_the_cosine, Cosine(UPDATES, 1.0)(t), "whose best peak"),
    (lesson_03.beat_the_cosine, np.broadcast_to(Constant(0.157)(t), UPDATES), "never falls"),
    (lesson_03.beat_the_cosine, Linear(UPDATES, 0.47)(t), "less noise is left"),
    (lesson_03.beat_the_cosine, 1.95 * 0.001 ** (t / UPDATES), "or less far"),
    (lesson_03.beat_the_cosine, 0.2 * 0.001 ** (t / UPDATES), "add up to too little"),
    (lesson_03.beat_the_cosine, np.full(UPDATES, 2.5), "explodes"),
    (lesson_03.beat_the_cosine, Linear(50, 0.1)(np.arange(50)), "must be 1,000 rates"),
    (lesson_03.beat_the_cosine, -np.ones(UPDATES), "at least 0"),
]


class TestCheckers(Checkers):
    module, right, impostors = lesson_03, RIGHT, IMPOSTORS


def test_the_rate_for_the_floor_gets_stuck_there():
    assert noisy_quadratic(np.full(1000, 0.125), [1.0], 0.3)[-1] == pytest.approx(0.01)


def test_what_the_feedback_says_of_cosine_constant_and_the_best_rates_is_so():
    peaks = np.geomspace(0.1, 1, 100)[:, None]
    ends = [noisy_quadratic(peaks * shape, CURVATURES, NOISE)[:, -1].min() for shape in SHAPES]
    assert ends == pytest.approx([0.0097, 0.0264], rel=0.01)
    objective = quadratic_objective(CURVATURES, NOISE)
    best = best_rates(objective, start=1.3 * 0.01 ** (t / UPDATES), knots=100)
    assert objective(best)[0] == pytest.approx(0.00726, rel=0.002)


SHAPES = (Cosine(UPDATES, 1.0)(t), np.ones(UPDATES))
