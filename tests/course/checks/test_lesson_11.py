import numpy as np
import pytest

from coslr import Constant, join
from coslr.course import published
from coslr.course.checks import lesson_11
from tests.course.checks.harness import Checkers


def step(first, second):
    """The law's last prediction for two steps."""
    pieces = [Constant(0.001), Constant(0.001 * first), Constant(0.001 * second)]
    rates = join(pieces, [25_000, 37_500])(np.arange(50_000))
    return published.law().predict(rates)[-1]


RIGHT = {
    lesson_11.three_runs: [
        (173, 140, 84),
        {84, 140, 173},
        [124, 140, 52],
        np.array([140.0, 69, 82]),
    ],
    lesson_11.most_too_low: ["cooldown 20 %, square root", " Cooldown 20 %, square root "],
    lesson_11.step_schedule: [step(0.1, 0.01), 2.943, np.float32(2.9433)],
}

# A checker, a usual mistake, and a part of the hint that only this mistake must get.
IMPOSTORS = [
    (lesson_11.three_runs, (127, 190, 124), "the lesson's three"),
    (lesson_11.three_runs, (140, 84), "three different runs"),
    (lesson_11.three_runs, (140, 55, 84), "there is no run 55"),
    (lesson_11.three_runs, (140, 84, 84.5), "there is no run 84.5"),
    (lesson_11.three_runs, (31, 34, 32), "late and fast"),
    (lesson_11.three_runs, (190, 49, 31), "late and fast"),
    (lesson_11.three_runs, (112, 111, 97), "slowly from early on"),
    (lesson_11.three_runs, (97, 111, 52), "differ more"),
    (lesson_11.most_too_low, "linear to zero", "too high"),
    (lesson_11.most_too_low, "cooldown 20 %", "not by the most"),
    (lesson_11.most_too_low, "cooldown 30 %", "must be one of"),
    (lesson_11.step_schedule, step(1, 1), "never falls"),
    (lesson_11.step_schedule, step(0.5, 0.25), "by 2 at each step"),
    (lesson_11.step_schedule, step(0.1, 0.1), "second step is missing"),
    (lesson_11.step_schedule, 2.946, "cosine to zero"),
    (lesson_11.step_schedule, 3.1555, "before the first step"),
    (lesson_11.step_schedule, 2.5, "too small"),
]


class TestCheckers(Checkers):
    module, right, impostors = lesson_11, RIGHT, IMPOSTORS


def test_runs_that_say_too_little_are_no_answer():
    """Two repeats of the constant and one more run without its decay would not fit."""
    feedback = lesson_11.three_runs((190, 220, 209))
    assert feedback.is_right is not None


@pytest.mark.parametrize("chosen", RIGHT[lesson_11.three_runs])
def test_right_choices_are_below_the_bound(chosen):
    assert published.mean_error(tuple(int(n) for n in chosen)) < lesson_11.LOW_ENOUGH
