from functools import partial

import numpy as np
import torch

from coslr import Constant, Cosine, Cyclical, Linear, OneCycle, warmup
from coslr.course.checks import lesson_08
from coslr.pytorch import ScheduleLR
from tests.course.checks.harness import Checkers


def learns(peak):
    """A made-up network, which learns below a peak of 0.5."""
    return peak < 0.5


largest_peak = partial(lesson_08.largest_peak, learns=learns)


def scheduler(body=None, head=None, momentum=None, one=None):
    """The right scheduler, in parts that a test can replace: functions of the number of updates."""

    def answer(optimizer, N):
        rates = [
            (body or (lambda N: warmup(Cosine(N - 20, 0.1), 20)))(N),
            (head or (lambda N: Cosine(N, 0.1)))(N),
        ]
        moving = (momentum or (lambda N: warmup(Constant(0.95), N, start=0.85)))(N)
        return ScheduleLR(optimizer, one(N) if one else rates, momentum=moving)

    return answer


def warm(N):
    return warmup(Cosine(N - 20, 0.1), 20)


def cold(N):
    return Cosine(N, 0.1)


def elsewhere(optimizer, N):
    other = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    other.step()
    return ScheduleLR(other, cold(N))


def runs_it(optimizer, N):
    answer = scheduler()(optimizer, N)
    optimizer.step()
    answer.step()
    return answer


RIGHT = {
    largest_peak: [0.4, 0.36, np.float64(0.49)],
    lesson_08.same_effect: [
        lambda rate, old, new: rate * (1 - new) / (1 - old),
        lambda rate, old, new: np.float64(rate / (1 - old)) * (1 - new),
        lambda rate, old, new: np.float32(rate * (1 - new) / (1 - old)),
    ],
    lesson_08.half_life: [
        np.log(2) / Cosine(3900, 0.004)(np.arange(3900)).sum(),
        0.0888,
        0.088,
        0.0895,
    ],
    lesson_08.two_groups: [
        scheduler(),
        scheduler(momentum=lambda N: Cyclical(N, 0.95, 0.85)),
        scheduler(momentum=lambda N: OneCycle(N + 1, 0.95, eta_start=0.85, peak=N, shape="linear")),
        scheduler(momentum=lambda N: [warmup(Constant(0.95), N, start=0.85)] * 2),
    ],
}

# A checker, a usual mistake, and a part of the hint that only this mistake must get.
IMPOSTORS = [
    (largest_peak, 0.1, "higher, and"),
    (largest_peak, 0.35, "higher, and"),
    (largest_peak, 0.5, "not every seed"),
    (largest_peak, 0.8, "not every seed"),
    (largest_peak, 0, "above 0"),
    (largest_peak, -0.1, "above 0"),
    (lesson_08.same_effect, lambda rate, old, new: rate * (1 - old) / (1 - new), "Upside down"),
    (lesson_08.same_effect, lambda rate, old, new: rate, "leaves the rate"),
    (lesson_08.same_effect, lambda rate, old, new: rate * new / old, "not rate/momentum"),
    (lesson_08.same_effect, lambda rate, old, new: rate * old / new, "not rate x momentum"),
    (lesson_08.same_effect, lambda rate, old, new: rate / (1 - old), "rate itself"),
    (lesson_08.same_effect, lambda rate, old, new: rate / (1 - new), "if the rate stays"),
    (lesson_08.same_effect, lambda rate, old, new: rate * (1 + new) / (1 + old), "signs"),
    (lesson_08.same_effect, lambda rate, old, new: rate * (1 - new), "whose effective rate is"),
    (lesson_08.half_life, np.log(2) / (3900 * 0.004), "at its peak for the whole run"),
    (lesson_08.half_life, 0.5 / 7.802, "multiplies up"),
    (lesson_08.half_life, np.log(2) / 3900, "number of updates"),
    (lesson_08.half_life, 0, "too small"),
    (lesson_08.half_life, 0.0865, "too small"),
    (lesson_08.half_life, 0.091, "too large"),
    (lesson_08.half_life, 1, "too large"),
    (lesson_08.half_life, 300, "a weight's sign"),
    (lesson_08.half_life, -0.09, "of 0 or more"),
    (lesson_08.two_groups, scheduler(one=warm), "head is warmed up"),
    (lesson_08.two_groups, scheduler(one=cold), "body has no warm-up"),
    (lesson_08.two_groups, scheduler(body=cold, head=warm), "swapped"),
    (lesson_08.two_groups, scheduler(head=lambda N: Cosine(N - 20, 0.1)), "head's cosine"),
    (lesson_08.two_groups, scheduler(body=lambda N: warmup(Cosine(N, 0.1), 20)), "body's cosine"),
    (
        lesson_08.two_groups,
        lambda o, N: scheduler()(o, 120),
        "take the lengths from updates",
    ),
    (lesson_08.two_groups, elsewhere, "rates never move"),
    (lesson_08.two_groups, scheduler(body=lambda N: Constant(0.1)), "of the body is at"),
    (lesson_08.two_groups, scheduler(head=lambda N: Linear(N, 0.1)), "of the head is at"),
    (lesson_08.two_groups, lambda o, N: ScheduleLR(o, [warm(N), cold(N)]), "momentum never moves"),
    (lesson_08.two_groups, scheduler(momentum=lambda N: Constant(0.95)), "stays at its end"),
    (lesson_08.two_groups, scheduler(momentum=lambda N: Linear(N, 0.95, 0.85)), "momentum falls:"),
    (lesson_08.two_groups, scheduler(momentum=lambda N: Cosine(N, 0.95, 0.85)), "as a cosine"),
    (
        lesson_08.two_groups,
        scheduler(momentum=lambda N: warmup(Constant(0.95), N, start=0.0)),
        "rises from 0:",
    ),
    (
        lesson_08.two_groups,
        scheduler(momentum=lambda N: warmup(Constant(0.95), N)),
        "from nearly 0",
    ),
    (
        lesson_08.two_groups,
        scheduler(momentum=lambda N: warmup(Constant(0.95), 20, start=0.85)),
        "after 20 updates",
    ),
    (
        lesson_08.two_groups,
        scheduler(momentum=lambda N: warmup(Constant(0.95), N - 20, start=0.85)),
        "after 100 updates",
    ),
    (
        lesson_08.two_groups,
        scheduler(momentum=lambda N: warmup(Constant(0.99), N, start=0.85)),
        "momentum of group 0",
    ),
    (lesson_08.two_groups, runs_it, "trains by itself"),
    (lesson_08.two_groups, lambda o, N: 0.1, "no attribute 'step'"),
]


class TestCheckers(Checkers):
    module, right, impostors = lesson_08, RIGHT, IMPOSTORS
    functions = [lesson_08.same_effect, lesson_08.two_groups]


def test_a_function_that_returns_nothing_is_told_so():
    feedback = lesson_08.two_groups(lambda optimizer, updates: None)
    assert (feedback.is_right, "returns nothing" in feedback.message) == (None, True)
