import contextlib

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR

from coslr import Constant, Cosine
from coslr.course.checks import lesson_00
from coslr.pytorch import ScheduleLR
from tests.course.checks.harness import Checkers


def loop(updates=20, before=None, steps=lambda update: 1, scheduler_first=False):
    """The right loop, in parts that a test can replace."""

    def answer(optimizer, scheduler):
        for update in range(updates):
            if before:
                before(update, optimizer)
            for _ in range(steps(update) if scheduler_first else 0):
                scheduler.step()
            optimizer.step()
            for _ in range(0 if scheduler_first else steps(update)):
                scheduler.step()

    return answer


def at(update, factor):
    """Multiply the rate once, by hand."""

    def before(now, optimizer):
        if now == update:
            optimizer.param_groups[0]["lr"] *= factor

    return before


def two_loops(optimizer, scheduler):
    for _ in range(2):
        loop(12)(optimizer, CosineAnnealingLR(optimizer, T_max=20))


def resumed(optimizer, scheduler):
    """Goes on with a new optimizer, which the audit does not know."""
    loop(12)(optimizer, scheduler)
    new = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    loop(8)(new, CosineAnnealingLR(new, T_max=20))


def swallows_the_error(optimizer, scheduler):
    with contextlib.suppress(AssertionError):
        loop(before=at(2, 0.5))(optimizer, scheduler)


def both(schedule):
    """The scheduler and the audit follow the same schedule."""
    return lambda optimizer: (ScheduleLR(optimizer, schedule), schedule)


def torch_s(T_max, schedule, eta_min=0.0001):
    return lambda optimizer: (CosineAnnealingLR(optimizer, T_max, eta_min), schedule)


def lower_peak(optimizer):
    optimizer.param_groups[0]["lr"] = 0.01
    return CosineAnnealingLR(optimizer, 390, 0.0001), Cosine(390, 0.01, 0.0001)


def read_from_the_optimizer(optimizer):
    scheduler = CosineAnnealingLR(optimizer, 5, 0.0001)
    return scheduler, lambda t: optimizer.param_groups[0]["lr"]


RIGHT = {
    lesson_00.caught: [
        loop(before=at(10, 0.5)),
        loop(before=at(19, 2)),
        loop(steps=lambda update: update < 12),
        loop(steps=lambda update: 1 + (update == 14)),
        loop(updates=40),
        two_loops,
    ],
    lesson_00.unseen: [
        both(Cosine(5, 0.1, 0.0001)),
        both(Cosine(389, 0.1, 0.0001)),
        both(Cosine(390, 0.1)),
        both(Constant(0.1)),
        torch_s(390, Cosine(390, 0.1, 0.001), eta_min=0.001),
        lambda optimizer: [*both(Constant(0.05))(optimizer)],
        lower_peak,
        read_from_the_optimizer,
    ],
}

# A checker, a usual mistake, and a part of the hint that only this mistake must get.
IMPOSTORS = [
    (lesson_00.caught, loop(), "All 20 updates"),
    (lesson_00.caught, loop(updates=15), "ends after 15 updates"),
    (lesson_00.caught, resumed, "ends after 12 updates with the optimizer that it was given"),
    (lesson_00.caught, loop(scheduler_first=True), "stops it at update 0:"),
    (lesson_00.caught, loop(steps=lambda update: 0), "stops it at update 1:"),
    (lesson_00.caught, loop(before=at(9, 0.5)), "stops it at update 9:"),
    (lesson_00.caught, swallows_the_error, "stops it at update 2:"),
    (lesson_00.caught, lambda optimizer, scheduler: scheduler.step(), "makes no update"),
    (lesson_00.caught, lambda optimizer: optimizer.step(), "TypeError"),
    (lesson_00.caught, 10, "must be a function of optimizer and scheduler"),
    (lesson_00.unseen, torch_s(390, Cosine(390, 0.1, 0.0001)), "rates that you mean"),
    (lesson_00.unseen, both(Cosine(390, 0.1, 0.0001)), "rates that you mean"),
    (lesson_00.unseen, torch_s(5, Cosine(5, 0.1, 0.0001)), "sees it, at update 6:"),
    (lesson_00.unseen, torch_s(5, Cosine(390, 0.1, 0.0001)), "sees it, at update 1:"),
    (lesson_00.unseen, both(Cosine(780, 0.1, 0.0001)), "at update 390 of 780"),
    (lesson_00.unseen, torch_s(5, None), "name one"),
    (lesson_00.unseen, lambda optimizer: LinearLR(optimizer), "two things"),
    (lesson_00.unseen, lambda optimizer: (Cosine(5, 0.1), Cosine(5, 0.1)), "cannot step"),
    (lesson_00.unseen, 5, "must be a function of the optimizer"),
]


class TestCheckers(Checkers):
    module, right, impostors = lesson_00, RIGHT, IMPOSTORS
    functions = [lesson_00.caught, lesson_00.unseen]


@pytest.mark.parametrize("update", range(20))
def test_the_error_must_come_in_the_second_half(update):
    assert lesson_00.caught(loop(before=at(update, 0.5))).is_right is (update >= 10)


def test_dots_for_both_parts_are_no_attempt():
    assert lesson_00.unseen(lambda optimizer: (..., ...)).is_right is None
