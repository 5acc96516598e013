import math
from functools import partial

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from coslr import Cosine, CosineWarmRestarts
from coslr.course.checks import lesson_00
from tests.course.checks.harness import Checkers

PI = math.pi

own_run = partial(lesson_00.own_run, epochs=12, updates=78, eta_max=0.05, eta_min=0.001)

RIGHT = {
    lesson_00.tenth_of_peak: [
        0.7952,
        0.795,
        0.80,
        2 / PI * math.acos(0.1**0.5),
        np.float32(0.7952),
    ],
    own_run: [Cosine(936, 0.05, 0.001), Cosine(936.0, 0.1 / 2, 0.001), Cosine(12 * 78, 0.05, 1e-3)],
}

# A checker, a usual mistake, and a part of the hint that only this mistake must get.
IMPOSTORS = [
    (lesson_00.tenth_of_peak, 0.9, "straight line"),
    (lesson_00.tenth_of_peak, 0.205, "fallen by a tenth"),
    (lesson_00.tenth_of_peak, 79.5, "percent"),
    (lesson_00.tenth_of_peak, 2.5, "radians"),
    (lesson_00.tenth_of_peak, 0.76, "too small"),
    (lesson_00.tenth_of_peak, 0.83, "too large"),
    (own_run, Cosine(12, 0.05, 0.001), "in epochs"),
    (own_run, Cosine(78, 0.05, 0.001), "one epoch"),
    (own_run, Cosine(935, 0.05, 0.001), "t = 935"),
    (own_run, Cosine(937, 0.05, 0.001), "how many updates"),
    (own_run, Cosine(936, 0.05), "eta_min is 0, and should be 0.001"),
    (own_run, Cosine(936, 0.1, 0.001), "eta_max is 0.1, and should be 0.05"),
    (own_run, CosineWarmRestarts(936, 0.05, 0.001), "must be a Cosine"),
    (own_run, 936, "must be a Cosine"),
]


class TestCheckers(Checkers):
    module, right, impostors = lesson_00, RIGHT, IMPOSTORS


counts = st.integers(1, 500)
peaks = st.floats(1e-6, 10)


@given(epochs=counts, updates=counts, eta_max=peaks, part=st.floats(0, 0.9))
def test_any_run_s_own_cosine_is_right_and_a_wrong_rate_is_named(epochs, updates, eta_max, part):
    run = dict(epochs=epochs, updates=updates, eta_max=eta_max, eta_min=part * eta_max)
    T_max = epochs * updates
    assert lesson_00.own_run(Cosine(T_max, eta_max, part * eta_max), **run).is_right is True
    peak = lesson_00.own_run(Cosine(T_max, 2 * eta_max, part * eta_max), **run)
    assert peak.message.startswith("eta_max is")
    floor = lesson_00.own_run(Cosine(T_max, eta_max, 0.95 * eta_max), **run)
    assert floor.message.startswith("eta_min is")
    assert lesson_00.own_run(Cosine(T_max + 0.5, eta_max, part * eta_max), **run).is_right is False
