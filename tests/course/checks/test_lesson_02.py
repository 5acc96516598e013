import math

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from coslr import (
    Constant,
    Cosine,
    Exponential,
    Linear,
    MultiStep,
    OneCycle,
    Step,
    join,
    warmup,
)
from coslr.course.checks import lesson_02
from tests.course.checks.harness import Checkers

COSINE = Cosine(T_max=360, eta_max=0.1, eta_min=0.001)

RIGHT = {
    lesson_02.exponential_mean: [
        lambda r: (1 - r) / math.log(1 / r),
        lambda r: (r - 1) / np.log(r),
        lambda r: Exponential(1, 1.0, r)((np.arange(10_000) + 0.5) / 10_000).mean(),
        lambda r: torch.tensor((1 - r) / -math.log(r), dtype=torch.float64),
    ],
    lesson_02.plan: [
        warmup(COSINE, updates=40),
        warmup(COSINE, updates=40, start=0.0),
        join([warmup(Constant(0.1), 40), COSINE], [40]),
        lambda t: 0.1 * (t + 1) / 41 if t < 40 else COSINE(t - 40),
    ],
    lesson_02.same_area: [
        MultiStep([475, 700], 0.1),
        MultiStep([500], 0.1, gamma=1e-6),
        Step(250, 0.1, gamma=0.5437),
        Step(500, 0.1, eta_min=0.0001, gamma=0.0001),
    ],
}

# A checker, a usual mistake, and a part of the hint that only this mistake must get.
IMPOSTORS = [
    (lesson_02.exponential_mean, lambda r: (1 + r) / 2, "straight line"),
    (lesson_02.exponential_mean, lambda r: r**0.5, "middle of the run"),
    (lesson_02.exponential_mean, lambda r: (1 - r) / math.log(r), "negative"),
    (lesson_02.exponential_mean, lambda r: (1 - r) / -math.log10(r), "base 10"),
    (lesson_02.exponential_mean, lambda r: -1 / math.log(r), "not 1."),
    (lesson_02.exponential_mean, lambda r: -(1 + r) / math.log(r), "not 1 + floor"),
    (lesson_02.exponential_mean, lambda r: 1 - r, "division"),
    (lesson_02.exponential_mean, lambda r: -math.log(r) / (1 - r), "turn the fraction"),
    (lesson_02.exponential_mean, lambda r: r, "floor itself"),
    (lesson_02.exponential_mean, lambda r: (r * r - 1) / 2 / math.log(r), "square"),
    (lesson_02.exponential_mean, lambda r: 2.0, "between the floor and the peak"),
    (lesson_02.exponential_mean, lambda r: 0.6, "too low"),
    (lesson_02.exponential_mean, lambda r: 0.9, "too high"),
    (lesson_02.exponential_mean, lambda: 0.9, "TypeError"),
    (lesson_02.exponential_mean, 0.145, "must be a function"),
    (lesson_02.plan, warmup(Cosine(400, 0.1, 0.001), 40), "T_max counts from"),
    (lesson_02.plan, warmup(Cosine(400, 0.1, 0.001), 40, 0.0), "T_max counts from"),
    (lesson_02.plan, warmup(Cosine(9, 0.1, 0.001), 1), "T_max and the warm-up are in epochs"),
    (lesson_02.plan, warmup(Cosine(10, 0.1, 0.001), 1), "T_max and the warm-up are in epochs"),
    (lesson_02.plan, warmup(Cosine(9, 0.1, 0.001), 40), "T_max is in epochs"),
    (lesson_02.plan, warmup(COSINE, 1), "one update; it"),
    (lesson_02.plan, warmup(Cosine(399, 0.1, 0.001), 1), "one update; it"),
    (lesson_02.plan, warmup(Cosine(360, 0.1), 40), "floor is 0"),
    (lesson_02.plan, warmup(Linear(360, 0.1, 0.001), 40), "straight line; a cosine"),
    (lesson_02.plan, warmup(Cosine(359, 0.1, 0.001), 40), "one update early"),
    (lesson_02.plan, Cosine(400, 0.1, 0.001), "no warm-up"),
    (lesson_02.plan, COSINE, "no warm-up"),
    (
        lesson_02.plan,
        lambda t: min(1, (t + 1) / 41) * Cosine(400, 0.1, 0.001)(t),
        "clock runs",
    ),
    (lesson_02.plan, OneCycle(400, 0.1, 0.001, peak=40), "the warm-up is not"),
    (lesson_02.plan, warmup(COSINE, 40, 0.001), "the warm-up is not"),
    (lesson_02.plan, warmup(Cosine(360, 0.2, 0.001), 40), "largest rate is 0.2"),
    (lesson_02.plan, warmup(Cosine(360, 0.1, 0.01), 40), "At update 41 it is"),
    (lesson_02.plan, 0.1, "must be a schedule"),
    (lesson_02.same_area, Step(333, 0.1), "26 % less than the cosine's: drop later"),
    (lesson_02.same_area, MultiStep([800], 0.1), "more than the cosine's: drop earlier"),
    (lesson_02.same_area, MultiStep([0.475, 0.7], 0.1), "not shares"),
    (lesson_02.same_area, Step(0.5, 0.1), "not shares"),
    (lesson_02.same_area, MultiStep([475, 700], 0.2), "The peak is 0.2"),
    (lesson_02.same_area, MultiStep([1000], 0.1), "never drops"),
    (lesson_02.same_area, Step(250, 0.1, gamma=1.0), "never drops"),
    (lesson_02.same_area, Cosine(1000, 0.1), "must be a Step"),
    (lesson_02.same_area, [475, 700], "must be a Step"),
]


class TestCheckers(Checkers):
    module, right, impostors = lesson_02, RIGHT, IMPOSTORS
    functions = [lesson_02.exponential_mean, lesson_02.plan]


@given(wrong_by=st.floats(1e-6, 1e3), sign=st.sampled_from([-1, 1]), at=st.integers(0, 400))
def test_a_plan_wrong_at_a_single_update_is_refused(wrong_by, sign, at):
    right = warmup(COSINE, 40)
    assert (
        lesson_02.plan(lambda t: right(t) + (sign * wrong_by if t == at else 0)).is_right is False
    )


@given(first=st.integers(1, 998), gap=st.integers(1, 998), gamma=st.floats(0.01, 0.9))
def test_a_staircase_is_right_if_and_only_if_its_sum_is_the_cosines(first, gap, gamma):
    schedule = MultiStep([first, first + gap], 0.1, gamma=gamma)
    rates = [schedule(t) for t in range(1000)]
    total = 1000 / 2 * 0.1 + 0.05
    assert lesson_02.same_area(schedule).is_right == (abs(sum(rates) / total - 1) <= 0.01)
