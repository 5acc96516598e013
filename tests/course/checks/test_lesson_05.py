import numpy as np
import pytest
import torch

from coslr.course.checks import lesson_05
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


KEPT = {name: curves["validation"].idxmin() for name, curves in lesson_05.LOSSES.items()}

RIGHT = {
    lesson_05.print_line: [
        reports(),
        reports(read=lambda o, s: s.get_last_lr()[0]),
        reports(order="update, read, step"),
        then(reports(), np.array),
        then(reports(), tuple),
        then(reports(), torch.tensor),
    ],
    lesson_05.cosine_loses: [0.001, np.float64(0.002)],
    lesson_05.epochs_to_keep: [KEPT, {name: float(epoch) for name, epoch in KEPT.items()}],
}

# A checker, a usual mistake, and a part of the hint that only this mistake must get.
IMPOSTORS = [
    (lesson_05.print_line, reports(order="update, step, read"), "epoch to come"),
    (
        lesson_05.print_line,
        reports(order="read, update, step, step"),
        "training itself changed: epoch 2 ",
    ),
    (lesson_05.print_line, reports(order="read, update"), "training itself changed: epoch 2 "),
    (lesson_05.print_line, reports(leave_out=1), "makes 49 updates"),
    (lesson_05.print_line, reports(order="read, step"), "makes 0 updates"),
    (lesson_05.print_line, [0.1] * 50, "must be a function"),
    (
        lesson_05.print_line,
        then(reports(), lambda rates: [str(rate) for rate in rates]),
        "a list of 50 numbers",
    ),
    (lesson_05.print_line, then(reports(), lambda rates: None), "returns nothing"),
    (lesson_05.print_line, then(reports(), lambda rates: [[r] for r in rates]), "Take its [0]"),
    (lesson_05.print_line, then(reports(), lambda rates: rates[1:]), "returns 49"),
    (lesson_05.print_line, then(reports(), lambda rates: rates[0]), "returns 1."),
    (lesson_05.print_line, then(reports(), lambda rates: [0.1] * 50), "For epoch 2 it reports 0.1"),
    (lesson_05.cosine_loses, 0.1, "At a peak of 0.1 the cosine is"),
    (lesson_05.cosine_loses, 0, "0 is no peak to train at"),
    (lesson_05.cosine_loses, -0.1, "-0.1 is no peak to train at"),
    (lesson_05.epochs_to_keep, dict.fromkeys("ABCD", 50), "A: after epoch 50 the validation loss"),
    (lesson_05.epochs_to_keep, KEPT | {"C": 50}, "C: after epoch 50 the validation loss"),
    (
        lesson_05.epochs_to_keep,
        KEPT | {"B": 3},
        "B: after epoch 3 the validation loss goes on falling",
    ),
    (lesson_05.epochs_to_keep, dict.fromkeys("ABCD", 1), "A: after epoch 1 the validation loss"),
    (lesson_05.epochs_to_keep, KEPT | {"D": 0}, "D: the epoch must be a whole number"),
    (lesson_05.epochs_to_keep, KEPT | {"A": 2.5}, "A: the epoch must be a whole number"),
    (lesson_05.epochs_to_keep, {"A": 17}, "an epoch each"),
]


class TestCheckers(Checkers):
    module, right, impostors = lesson_05, RIGHT, IMPOSTORS
    functions = [lesson_05.print_line]


def test_dots_left_in_the_answers_are_not_attempted_either():
    assert lesson_05.print_line(reports(read=lambda o, s: ...)).is_right is None
    assert lesson_05.epochs_to_keep(dict.fromkeys("ABCD", ...)).is_right is None


def test_the_made_up_curves_show_what_the_lesson_says_of_them():
    gap = {
        n: c["validation"].iloc[-1] - c["training"].iloc[-1] for n, c in lesson_05.LOSSES.items()
    }
    assert gap["B"] > 2 * gap["C"] > 2 * gap["D"]  # the gap names the wrong ones
    assert max(KEPT["A"], KEPT["C"]) < 30
    assert KEPT["B"] == KEPT["D"] == 50


def test_a_peak_at_which_runs_diverge_has_no_result_and_no_error():
    assert lesson_05.cosine_loses(10).is_right is False


def test_a_wide_gap_is_spoken_of_only_where_there_is_one():
    assert "wide gap" in lesson_05.epochs_to_keep(KEPT | {"B": 3}).message
    assert "wide gap" not in lesson_05.epochs_to_keep(KEPT | {"D": 30}).message
