import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coslr.course.checks import lesson_03
from coslr.theory import noisy_quadratic
from tests.course.checks.harness import Checkers


def update(factor=lambda eta, h: (1 - eta * h) ** 2, noise=lambda eta, h, c: eta**2 * c):
    """The recursion, whose two terms a test can replace."""
    return lambda xx, eta, h, c: factor(eta, h) * xx + noise(eta, h, c)


def computed(xx, eta, h, c):
    return 2 / h * noisy_quadratic([eta], [h], [c], start=math.sqrt(xx))[-1]


RIGHT = {
    lesson_03.one_update: [
        update(),
        update(lambda eta, h: 1 - 2 * eta * h + eta**2 * h**2),
        lambda xx, eta, h, c: np.float64(xx - 2 * eta * h * xx + eta**2 * (h**2 * xx + c)),
        computed,
    ],
    lesson_03.floor: [
        lambda eta, h, c: eta * c / (2 * (2 - eta * h)),
        lambda eta, h, c: eta * c / (4 - 2 * eta * h),
        lambda eta, h, c: h / 2 * eta**2 * c / (1 - (1 - eta * h) ** 2),
        lambda eta, h, c: noisy_quadratic(np.full(1000, eta), [h], [c])[-1],
    ],
    lesson_03.largest_rate: [0.25, 2 / 8, np.float32(0.25)],
    lesson_03.landscape: ["b", "B", " b "],
}

# A checker, a usual mistake, and a part of the hint that only this mistake must get.
IMPOSTORS = [
    (lesson_03.one_update, update(noise=lambda eta, h, c: 0), "noise is missing"),
    (lesson_03.one_update, update(noise=lambda eta, h, c: -(eta**2) * c), "subtracted"),
    (lesson_03.one_update, update(noise=lambda eta, h, c: eta * c), "has η², not η"),
    (lesson_03.one_update, update(noise=lambda eta, h, c: c), "factor η² is missing"),
    (lesson_03.one_update, update(noise=lambda eta, h, c: (eta * c) ** 2), "not squared again"),
    (lesson_03.one_update, update(noise=lambda eta, h, c: eta**2 * c**0.5), "no root"),
    (lesson_03.one_update, update(noise=lambda eta, h, c: (eta * h) ** 2 * c), "curvature"),
    (lesson_03.one_update, update(lambda eta, h: 1 - eta * h), "squared too"),
    (lesson_03.one_update, update(lambda eta, h: (1 + eta * h) ** 2), "subtracts η h x"),
    (lesson_03.one_update, update(lambda eta, h: 1 - 2 * eta * h), "third term"),
    (lesson_03.one_update, update(lambda eta, h: 0), "Only the noise is left"),
    (lesson_03.one_update, lambda xx, eta, h, c: h / 2 * update()(xx, eta, h, c), "is the loss"),
    (lesson_03.one_update, lambda xx, eta, h, c: xx, "For xx=2, eta=0.1, h=3, c=0.7 it gives 2,"),
    (lesson_03.one_update, lambda xx, h: xx, "TypeError"),
    (lesson_03.one_update, 0.5, "must be a function"),
    (lesson_03.floor, lambda eta, h, c: eta * c / 4, "limit for small rates"),
    (lesson_03.floor, lambda eta, h, c: eta * c / (h * (2 - eta * h)), "That is E[x²]"),
    (lesson_03.floor, lambda eta, h, c: eta * c / (2 - eta * h), "½ of the loss is missing"),
    (lesson_03.floor, lambda eta, h, c: c / (2 * (2 - eta * h)), "not both"),
    (lesson_03.floor, lambda eta, h, c: h * eta**2 * c / (2 * (2 - eta * h)), "factor ηh in front"),
    (lesson_03.floor, lambda eta, h, c: eta * c / (2 * (2 + eta * h)), "Check the sign"),
    (lesson_03.floor, lambda eta, h, c: eta * c / 2, "the factor is squared"),
    (lesson_03.floor, lambda eta, h, c: eta**2 * c, "what one update adds"),
    (lesson_03.floor, lambda eta, h, c: c, "For eta=0.5, h=1, c=0.3 it gives 0.3,"),
    (lesson_03.largest_rate, 0.125, "fastest"),
    (lesson_03.largest_rate, 40, "flattest"),
    (lesson_03.largest_rate, 2, "middle direction"),
    (lesson_03.largest_rate, 2 / np.mean([8, 1, 0.05]), "mean of the curvatures"),
    (lesson_03.largest_rate, 2 / 9.05, "sum of the curvatures"),
    (lesson_03.largest_rate, 4, "upside down"),
    (lesson_03.largest_rate, 0.2, "too small"),
    (lesson_03.largest_rate, 0.3, "too large"),
    (lesson_03.landscape, "a", "passes too"),
    (lesson_03.landscape, "c", "second half"),
    (lesson_03.landscape, "d", "two peaks"),
    (lesson_03.landscape, "e", "must be one of"),
]


class TestCheckers(Checkers):
    module, right, impostors = lesson_03, RIGHT, IMPOSTORS
    functions = [lesson_03.one_update, lesson_03.floor]


@given(xx=st.floats(0, 9), eta=st.floats(0.01, 1), h=st.floats(0.1, 1.5), c=st.floats(0, 4))
def test_the_update_asked_for_is_that_of_the_noisy_quadratic(xx, eta, h, c):
    assert update()(xx, eta, h, c) == pytest.approx(computed(xx, eta, h, c), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("factor", [0.99, 1.01])
def test_the_largest_rate_asked_for_parts_the_stable_from_the_unstable(factor):
    assert lesson_03.largest_rate(0.25).is_right
    rates = np.full(3000, 0.25 * factor)
    end = noisy_quadratic(rates, [8, 1, 0.05], noise=0.0)[-1]
    assert (end < 1e-6) == (factor < 1)
