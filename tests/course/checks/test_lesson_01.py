import math

import numpy as np
import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR

from coslr import Cosine
from coslr.course.checks import lesson_01
from coslr.pytorch import audit
from tests.course.checks.harness import Checkers

TOTAL = Cosine(50, 0.1, 0.0001)(np.arange(50)).sum()

RIGHT = {
    lesson_01.planned_length: [
        2001.65,
        2000,
        2050,  # by the rule of fifths
        410 * math.pi / math.acos(0.8),
        torch.tensor(2002.0),
    ],
    lesson_01.same_total: [0.1646, 0.164581, (TOTAL - 14.5 * 0.0001) / 15.5],
    lesson_01.touched: [(31, 0.8), [31, 0.8], np.array([31, 0.8]), (np.int64(31), 0.80001)],
}

# A checker, a usual mistake, and a part of the hint that only this mistake must get.
IMPOSTORS = [
    (lesson_01.planned_length, 4100, "straight line"),
    (lesson_01.planned_length, 516, "nine tenths of the fall"),
    (lesson_01.planned_length, 637, "divides by the angle"),
    (lesson_01.planned_length, 410 * math.pi / 2 / math.acos(0.9), "square root"),
    (lesson_01.planned_length, 410 * math.pi / math.acos(0.9), "it is 0.8"),
    (lesson_01.planned_length, 410, "too small"),
    (lesson_01.planned_length, 9000, "too large"),
    (lesson_01.same_total, 0.1, "article's own peak"),
    (lesson_01.same_total, 0.16673, "means of the curves"),
    (lesson_01.same_total, 0.06, "lower"),
    (lesson_01.same_total, (2 * TOTAL - 31 * 0.0001) / 31 + 0.0003, "close, but"),
    (lesson_01.same_total, 0.16467, "Your 30 epochs go down to 0"),
    (lesson_01.same_total, 0.16452, "Both of your runs"),
    (lesson_01.same_total, 0.1645, "Both of your runs"),
    (lesson_01.same_total, TOTAL / 30, "constant rate"),
    (lesson_01.same_total, 0.3, "too large"),
    (lesson_01.touched, (30, 0.8), "still has the formula's rate"),
    (lesson_01.touched, (32, 0.8), "before epoch 32"),
    (lesson_01.touched, (50, 0.8), "none of them"),
    (lesson_01.touched, (31, 1.25), "upside down"),
    (lesson_01.touched, (31, lesson_01._SCALE), "height above the floor"),
    (lesson_01.touched, (31, 0.7994), "height above the floor"),
    (lesson_01.touched, (31, 0.5), "divide the two rates"),
    (lesson_01.touched, 31, "two numbers"),
]


class TestCheckers(Checkers):
    module, right, impostors = lesson_01, RIGHT, IMPOSTORS


def test_the_log_is_what_pytorch_does():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = CosineAnnealingLR(optimizer, 50, 0.0001)
    with audit(optimizer) as trace:
        for epoch in range(50):
            if epoch == 31:
                optimizer.param_groups[0]["lr"] *= 0.8
            optimizer.step()
            scheduler.step()
    assert list(lesson_01.LOG) == pytest.approx(trace.rates, rel=1e-9)


def test_the_right_peak_has_the_same_total():
    peak = (2 * TOTAL - 29 * 0.0001) / 31
    assert Cosine(30, peak, 0.0001)(np.arange(30)).sum() == pytest.approx(TOTAL)


def test_dots_for_both_numbers_are_no_attempt():
    assert lesson_01.touched((..., ...)).is_right is None
