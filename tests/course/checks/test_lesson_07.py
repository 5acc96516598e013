import numpy as np
import pytest

from coslr import WSD, Cosine, Linear
from coslr.course.checks import lesson_07
from coslr.course.valley import CURVATURES, NOISE
from coslr.theory import noisy_quadratic
from tests.course.checks.harness import Checkers


def best(peaks, validation, test):
    """A right answer, which the impostors below break in one place each."""
    means = np.mean(validation, axis=0)
    place = int(np.argmax(means))
    return None if place in (0, len(peaks) - 1) else peaks[place]


def only(low, high):
    """Takes one edge of the grid for a result."""

    def answer(peaks, validation, test):
        place = int(np.mean(validation, axis=0).argmax())
        if (low and place == 0) or (high and place == len(peaks) - 1):
            return None
        return peaks[place]

    return answer


def lucky(peaks, validation, test):
    place = int(np.max(validation, axis=0).argmax())
    return None if place in (0, len(peaks) - 1) else peaks[place]


def vote(peaks, validation, test):
    """What most seeds like best."""
    place = int(np.bincount(np.argmax(validation, axis=1)).argmax())
    return None if place in (0, len(peaks) - 1) else peaks[place]


def five_peaks(peaks, validation, test):
    """Knows the edges of a grid of five only."""
    place = int(np.mean(validation, axis=0).argmax())
    return None if place in (0, 4) else peaks[place]


def place(peaks, validation, test):
    found = best(peaks, validation, test)
    return None if found is None else list(peaks).index(found)


def accuracy(peaks, validation, test):
    return None if best(peaks, validation, test) is None else validation.mean(axis=0).max()


t = np.arange(300)

RIGHT = {
    lesson_07.choose: [
        best,
        lambda peaks, validation, test: (
            None
            if (m := validation.mean(0)).max() in (m[0], m[-1])
            else dict(zip(m.tolist(), peaks.tolist(), strict=True))[m.max()]
        ),
    ],
    lesson_07.uncertain_end: [
        Cosine(325, 1.2, 0.06),
        Cosine(300, 1.3, 0.065),
        Cosine(np.int64(350), np.float64(1.3), 0.026),
    ],
    lesson_07.prolong: [
        Cosine(300, 0.24)(t),
        Linear(300, 0.24)(t).tolist(),
        WSD(300, 200, 0.2)(t),
    ],
}

# A checker, a usual mistake, and a part of the hint that only this mistake must get.
IMPOSTORS = [
    (
        lesson_07.choose,
        only(False, False),
        "returns 0.01 for a sweep whose best peak is at the edge",
    ),
    (
        lesson_07.choose,
        only(False, True),
        "returns 0.01 for a sweep whose best peak is at the edge",
    ),
    (
        lesson_07.choose,
        only(True, False),
        "returns 0.16 for a sweep whose best peak is at the edge",
    ),
    (lesson_07.choose, lambda peaks, validation, test: best(peaks, test, test), "test images"),
    (lesson_07.choose, lucky, "lucky"),
    (lesson_07.choose, lambda p, v, t: p[np.argmax(v.max(axis=0))], "lucky"),
    (lesson_07.choose, lambda p, v, t: best(p, v[:1], t), "lucky"),
    (
        lesson_07.choose,
        lambda p, v, t: best(p, v.min(axis=0, keepdims=True), t),
        "worst seed",
    ),
    (lesson_07.choose, vote, "Two of three seeds"),
    (lesson_07.choose, lambda p, v, t: best(p, [np.median(v, axis=0)], t), "Two of three seeds"),
    (lesson_07.choose, lambda p, v, t: p[v.mean(axis=1).argmax()], "take axis=0"),
    (lesson_07.choose, five_peaks, "returns 0.16 for a sweep whose best peak is at the edge"),
    (lesson_07.choose, place, "place of the best"),
    (lesson_07.choose, accuracy, "best accuracy"),
    (
        lesson_07.choose,
        lambda peaks, validation, test: peaks[validation.mean(0).argmin()],
        "worst peak",
    ),
    (lesson_07.choose, lambda p, v, t: None if best(p, v, t) else 0.01, "well inside"),
    (lesson_07.choose, lambda p, v, t: best(p, v, t) or 0.02, "it returns 0.02, and None"),
    (lesson_07.choose, lambda p, v, t: v.mean(axis=0), "one peak, or None"),
    # The plan for the longest end, for the first, between them, and with a floor too high.
    (lesson_07.uncertain_end, Cosine(290, 1.1, 0.044), "10.4 % above"),
    (lesson_07.uncertain_end, Cosine(600, 0.75), "After 300 updates the loss is 104 %"),
    (lesson_07.uncertain_end, Cosine(300, 1.2), "After 600 updates the loss is 89.3 %"),
    (
        lesson_07.uncertain_end,
        Cosine(400, 0.75),
        "too low: with these raised by 0.02, the loss ends at 0.0215",
    ),
    (
        lesson_07.uncertain_end,
        Cosine(325, 1.2, 0.24),
        "too high: with these lowered by 0.02, the loss ends at 0.03",
    ),
    (lesson_07.uncertain_end, Cosine(325, 40.0), "loss explodes"),
    (lesson_07.uncertain_end, Linear(325, 1.2, 0.06), "0.75), not Linear"),
    (lesson_07.uncertain_end, Cosine(325, 1.2, 0.06)(t), "0.75), not array"),
    # The finished run's floor, a restart from its own peak, and rates that stay too high.
    (lesson_07.prolong, np.full(300, 0.012), "ends at 0.0217"),
    (lesson_07.prolong, Cosine(300, 1.2)(t), "ends at 0.02657"),
    (lesson_07.prolong, np.full(300, 0.1), "lowered by 0.02, the loss ends at 0.0173"),
    (lesson_07.prolong, np.full(300, 0.03), "change the rates before them"),
    (lesson_07.prolong, np.full(300, 3.0), "loss explodes"),
    (lesson_07.prolong, Cosine(600, 0.75)(np.arange(600)), "must be 300 rates"),
]


class TestCheckers(Checkers):
    module, right, impostors = lesson_07, RIGHT, IMPOSTORS
    functions = [lesson_07.choose]


def test_the_planned_runs_are_the_best_cosines():
    peaks = np.geomspace(0.6, 1.6, 200)
    for updates, loss in lesson_07.PLANNED.items():
        rates = np.array([Cosine(updates, peak)(np.arange(updates)) for peak in peaks])
        ends = noisy_quadratic(rates, CURVATURES, NOISE)[:, -1]
        assert ends.min() == pytest.approx(loss, rel=0.001)
