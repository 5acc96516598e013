import numpy as np
import pytest
import torch
from torch.optim import SGD
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LambdaLR, LinearLR

from coslr import Cosine, cosine
from coslr.course.checks import lesson_05
from coslr.pytorch import ScheduleLR
from tests.course.checks.harness import Checkers

# PyTorch itself warns of some of these mistakes.
pytestmark = pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")


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


RIGHT = {
    lesson_05.last_rate: [2.545e-3, 0.00254, cosine(9, 10, 0.1, 1e-4)],
    lesson_05.print_line: [
        reports(),
        reports(read=lambda o, s: s.get_last_lr()[0]),
        reports(order="update, read, step"),
        then(reports(), np.array),
        then(reports(), tuple),
    ],
    lesson_05.per_update: [
        torch_cosine(total),
        our_cosine(total),
        lambda o, epochs, updates: ScheduleLR(o, Cosine(epochs, 0.1, 1e-4), steps_per_unit=updates),
    ],
}

# A checker, a usual mistake, and a part of the hint that only this mistake must get.
IMPOSTORS = [
    (lesson_05.last_rate, 0.0001, "printed after the last epoch"),
    (lesson_05.last_rate, cosine(8, 10, 0.1, 1e-4), "one epoch too early"),
    (lesson_05.last_rate, cosine(49, 50, 0.1, 1e-4), "50 epochs"),
    (lesson_05.last_rate, cosine(9, 10, 0.1), "floor is missing"),
    (lesson_05.last_rate, 0.00252, "close, but"),
    (lesson_05.last_rate, 0.1, "too large"),
    (lesson_05.print_line, reports(order="update, step, read"), "epoch to come"),
    (
        lesson_05.print_line,
        reports(order="read, update, step, step"),
        "training itself changed: epoch 2 ",
    ),
    (lesson_05.print_line, reports(order="read, update"), "training itself changed: epoch 2 "),
    (lesson_05.print_line, reports(leave_out=1), "makes 49 updates"),
    (lesson_05.print_line, reports(order="read, step"), "makes 0 updates"),
    (lesson_05.print_line, then(reports(), lambda rates: None), "returns nothing"),
    (lesson_05.print_line, then(reports(), lambda rates: [[r] for r in rates]), "Take its [0]"),
    (lesson_05.print_line, then(reports(), lambda rates: rates[1:]), "returns 49"),
    (lesson_05.print_line, then(reports(), lambda rates: rates[0]), "returns 1."),
    (lesson_05.print_line, then(reports(), lambda rates: [0.1] * 50), "For epoch 2 it reports 0.1"),
    (lesson_05.per_update, torch_cosine(lambda epochs, updates: epochs), "counts epochs"),
    (lesson_05.per_update, our_cosine(lambda epochs, updates: epochs), "counts epochs"),
    (lesson_05.per_update, torch_cosine(lambda epochs, updates: updates), "after one epoch"),
    (lesson_05.per_update, our_cosine(lambda epochs, updates: updates), "after one epoch"),
    (lesson_05.per_update, torch_cosine(total, eta_min=0), "floor is 0"),
    (lesson_05.per_update, torch_cosine(lambda e, u: e * u - 1), "one update early"),
    (lesson_05.per_update, our_cosine(total, steps_per_unit=20), "Update 1 trains at"),
    (lesson_05.per_update, stairs, "staircase"),
    (lesson_05.per_update, elsewhere, "never moves"),
    (lesson_05.per_update, lambda o, e, u: ConstantLR(o, factor=1), "never moves"),
    (lesson_05.per_update, lambda o, e, u: LinearLR(o, 1, 0.001, e * u), "Update 1 trains at"),
    (lesson_05.per_update, lambda o, e, u: 0.1, "no attribute 'step'"),
]


class TestCheckers(Checkers):
    module, right, impostors = lesson_05, RIGHT, IMPOSTORS
    functions = [lesson_05.print_line, lesson_05.per_update]


@pytest.mark.parametrize(("epochs", "updates"), [(2, 3), (3, 2), (10, 1), (1, 10)])
def test_per_update_is_right_for_short_runs_too(epochs, updates):
    assert lesson_05.per_update(torch_cosine(total), epochs, updates).is_right is True
    early = lesson_05.per_update(torch_cosine(lambda e, u: e * u - 1), epochs, updates)
    assert early.is_right is False


def test_dots_left_in_the_loop_of_print_line_are_not_attempted_either():
    assert lesson_05.print_line(reports(read=lambda o, s: ...)).is_right is None
