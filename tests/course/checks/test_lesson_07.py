import math

import numpy as np

from coslr import Cosine
from coslr.course.checks import lesson_07
from tests.course.checks.harness import Checkers

PI = math.pi


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


def place(peaks, validation, test):
    found = best(peaks, validation, test)
    return None if found is None else list(peaks).index(found)


def accuracy(peaks, validation, test):
    return None if best(peaks, validation, test) is None else validation.mean(axis=0).max()


def power(share):
    return lambda t, n, low, high: low * (high / low) ** share(t, n)


def line(share):
    return lambda t, n, low, high: low + (high - low) * share(t, n)


RIGHT = {
    lesson_07.stops_at: [
        lambda k: math.cos(PI / (2 * k)) ** 2,
        lambda k: (1 + math.cos(PI / k)) / 2,
        lambda k: Cosine(k, 1.0)(1),
        lambda k: np.float64(1 - np.sin(np.pi / 2 / k) ** 2),
    ],
    lesson_07.choose: [
        best,
        lambda peaks, validation, test: (
            None
            if (m := validation.mean(0)).max() in (m[0], m[-1])
            else dict(zip(m.tolist(), peaks.tolist(), strict=True))[m.max()]
        ),
    ],
    lesson_07.rising: [
        power(lambda t, n: t / (n - 1)),
        lambda t, n, low, high: np.geomspace(low, high, n)[t],
        lambda t, n, low, high: high * (low / high) ** (1 - t / (n - 1)),
        lambda t, n, low, high: math.exp(
            math.log(low) + (math.log(high) - math.log(low)) * t / (n - 1)
        ),
    ],
}

# A checker, a usual mistake, and a part of the hint that only this mistake must get.
IMPOSTORS = [
    (lesson_07.stops_at, lambda k: 1 - 1 / k, "straight line"),
    (lesson_07.stops_at, lambda k: math.cos(PI * k / 2) ** 2, "upside down"),
    (lesson_07.stops_at, lambda k: (1 + math.cos(PI * k)) / 2, "upside down"),
    (lesson_07.stops_at, lambda k: (1 - math.cos(PI / k)) / 2, "rises"),
    (lesson_07.stops_at, lambda k: math.cos(PI / (2 * k)), "square is missing"),
    (lesson_07.stops_at, lambda k: math.cos(PI / (4 * k)) ** 2, "half of what"),
    (lesson_07.stops_at, lambda k: math.cos(PI / k) ** 2, "twice that"),
    (lesson_07.stops_at, lambda k: 1 + math.cos(PI / k), "1/2 is missing"),
    (lesson_07.stops_at, lambda k: math.cos(PI / k), "goes below zero"),
    (lesson_07.stops_at, lambda k: math.cos(PI / k) / 2, "never below zero"),
    (lesson_07.stops_at, lambda k: (1 + math.cos(180 / k)) / 2, "radians"),
    (lesson_07.stops_at, lambda k: (1 + math.cos(1 / k)) / 2, "factor π"),
    (lesson_07.stops_at, lambda k: 0.0, "For k=1.1 it gives 0, and the cosine stops at 0.0203"),
    (lesson_07.choose, only(False, False), "edge of its grid, at 0.01"),
    (lesson_07.choose, only(False, True), "edge of its grid, at 0.01"),
    (lesson_07.choose, only(True, False), "edge of its grid, at 0.16"),
    (lesson_07.choose, lambda peaks, validation, test: best(peaks, test, test), "test images"),
    (lesson_07.choose, lucky, "lucky"),
    (lesson_07.choose, lambda p, v, t: p[np.argmax(v.max(axis=0))], "lucky"),
    (lesson_07.choose, place, "place of the best"),
    (lesson_07.choose, accuracy, "best accuracy"),
    (lesson_07.choose, lambda peaks, validation, test: peaks[validation.mean(0).argmin()], "worst"),
    (lesson_07.choose, lambda p, v, t: None if best(p, v, t) else 0.01, "well inside"),
    (lesson_07.choose, lambda p, v, t: best(p, v, t) or 0.02, "it returns 0.02, and None"),
    (lesson_07.choose, lambda p, v, t: v.mean(axis=0), "one peak, or None"),
    (lesson_07.rising, line(lambda t, n: t / (n - 1)), "same amount"),
    (lesson_07.rising, line(lambda t, n: t / n), "same amount"),
    (lesson_07.rising, power(lambda t, n: t / n), "n - 1 steps"),
    (lesson_07.rising, power(lambda t, n: (t + 1) / n), "first update, t = 0"),
    (lesson_07.rising, power(lambda t, n: (t + 1) / (n - 1)), "update early"),
    (lesson_07.rising, power(lambda t, n: (t - 1) / (n - 1)), "update late"),
    (lesson_07.rising, lambda t, n, low, high: high * (low / high) ** (t / (n - 1)), "falls"),
    (lesson_07.rising, lambda t, n, low, high: (high / low) ** (t / (n - 1)), "begins at 1"),
    (
        lesson_07.rising,
        lambda t, n, low, high: high * (high / low) ** (t / (n - 1)),
        "begins at high",
    ),
    (lesson_07.rising, lambda t, n, low, high: np.log(np.geomspace(low, high, n))[t], "logarithm"),
    (lesson_07.rising, lambda t, n, low, high: low, "For t=1, n=9"),
]


class TestCheckers(Checkers):
    module, right, impostors = lesson_07, RIGHT, IMPOSTORS
    functions = [lesson_07.stops_at, lesson_07.choose, lesson_07.rising]
