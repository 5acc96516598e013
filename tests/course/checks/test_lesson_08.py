import numpy as np
import pytest
import torch

from coslr import Constant, Cosine, Cyclical, Linear, OneCycle, Schedule, join, warmup
from coslr.course.checks import lesson_08
from coslr.pytorch import ScheduleLR
from tests.course.checks.harness import Checkers


def built(T=lambda N, W: N - W, W=lambda per, warm: per * warm, after=Cosine, start=None):
    """The right schedule, in parts that a test can replace."""

    def answer(epochs, per_epoch, warm_epochs, eta_max):
        warm = W(per_epoch, warm_epochs)
        return warmup(after(T(epochs * per_epoch, per_epoch * warm_epochs), eta_max), warm, start)

    return answer


def clock_runs(jump):
    def answer(epochs, per_epoch, warm_epochs, eta_max):
        N, W = epochs * per_epoch, warm_epochs * per_epoch
        cosine = Cosine(N, eta_max)
        if jump:
            return lambda t: eta_max * (t + 1) / (W + 1) if t < W else cosine(t)
        return lambda t: cosine(t) * min(1, (t + 1) / (W + 1))

    return answer


def by_hand(epochs, per_epoch, warm_epochs, eta_max):
    N, W = epochs * per_epoch, warm_epochs * per_epoch
    return lambda t: eta_max * (t + 1) / (W + 1) if t < W else Cosine(N - W, eta_max)(t - W)


def early_peak(epochs, per_epoch, warm_epochs, eta_max):
    N, W = epochs * per_epoch, warm_epochs * per_epoch
    return lambda t: eta_max * (t + 1) / W if t < W else Cosine(N - W, eta_max)(t - W)


def in_epochs(epochs, per_epoch, warm_epochs, eta_max):
    return warmup(Cosine(epochs - warm_epochs, eta_max), warm_epochs)


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
    lesson_08.warmed_cosine: [
        built(),
        by_hand,
        lambda e, p, w, peak: join(
            [warmup(Constant(peak), w * p), Cosine((e - w) * p, peak)], boundaries=[w * p]
        ),
    ],
    lesson_08.same_effect: [
        lambda rate, old, new: rate * (1 - new) / (1 - old),
        lambda rate, old, new: np.float64(rate / (1 - old)) * (1 - new),
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
    (lesson_08.warmed_cosine, built(T=lambda N, W: N), "120 updates long"),
    (lesson_08.warmed_cosine, clock_runs(jump=False), "begun to fall"),
    (lesson_08.warmed_cosine, clock_runs(jump=True), "ends in a drop"),
    (lesson_08.warmed_cosine, built(start=0.0), "moves nothing"),
    (lesson_08.warmed_cosine, in_epochs, "in epochs"),
    (lesson_08.warmed_cosine, built(W=lambda per, warm: warm), "multiply it too"),
    (
        lesson_08.warmed_cosine,
        lambda e, p, w, peak: warmup(Cosine(e * p - w, peak), w),
        "multiply warm_epochs",
    ),
    (lesson_08.warmed_cosine, built(T=lambda N, W: N - W - 1), "ends one update early"),
    (lesson_08.warmed_cosine, lambda e, p, w, peak: Cosine(e * p, peak), "warm-up is missing"),
    (lesson_08.warmed_cosine, early_peak, "one early"),
    (lesson_08.warmed_cosine, built(after=lambda T, peak: Constant(peak)), "fall as a cosine"),
    (lesson_08.warmed_cosine, built(after=Linear), "straight line"),
    (
        lesson_08.warmed_cosine,
        lambda e, p, w, peak: warmup(Cosine((e - w) * p, 0.1), w * p),
        "Update 0 is at",
    ),
    (lesson_08.warmed_cosine, lambda e, p, w, peak: 0.1, "called with t"),
    (lesson_08.warmed_cosine, lambda e: 0.1, "TypeError"),
    (lesson_08.warmed_cosine, 0.1, "must be a function"),
    (lesson_08.same_effect, lambda rate, old, new: rate * (1 - old) / (1 - new), "Upside down"),
    (lesson_08.same_effect, lambda rate, old, new: rate, "leaves the rate"),
    (lesson_08.same_effect, lambda rate, old, new: rate * new / old, "not rate/momentum"),
    (lesson_08.same_effect, lambda rate, old, new: rate * old / new, "not rate x momentum"),
    (lesson_08.same_effect, lambda rate, old, new: rate / (1 - old), "rate itself"),
    (lesson_08.same_effect, lambda rate, old, new: rate / (1 - new), "if the rate stays"),
    (lesson_08.same_effect, lambda rate, old, new: rate * (1 + new) / (1 + old), "signs"),
    (lesson_08.same_effect, lambda rate, old, new: rate * (1 - new), "whose effective rate is"),
    (lesson_08.two_groups, scheduler(one=warm), "head is warmed up"),
    (lesson_08.two_groups, scheduler(one=cold), "body has no warm-up"),
    (lesson_08.two_groups, scheduler(body=cold, head=warm), "swapped"),
    (lesson_08.two_groups, scheduler(head=lambda N: Cosine(N - 20, 0.1)), "head's cosine"),
    (lesson_08.two_groups, scheduler(body=lambda N: warmup(Cosine(N, 0.1), 20)), "body's cosine"),
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
    functions = [lesson_08.warmed_cosine, lesson_08.same_effect, lesson_08.two_groups]


class OneValue(Schedule):
    """A schedule that is wrong at a single update."""

    def __init__(self, at, by):
        self.at, self.by = at, by

    def __call__(self, t):
        return built()(5, 20, 1, 0.2)(t) + self.by * (t == self.at)


@pytest.mark.parametrize("at", [0, 19, 20, 50, 99])
def test_a_schedule_wrong_at_a_single_update_is_refused(at):
    feedback = lesson_08.warmed_cosine(lambda *_: OneValue(at, 1e-6))
    assert feedback.is_right is False
    assert feedback.message.startswith(f"Update {at} is at")
