"""The exercises of notebook 03, Why decay works."""

import math
from collections.abc import Sequence

import numpy as np

from coslr.course.checks.answers import (
    Feedback,
    check_number,
    correct,
    rates_of_a_run,
    wrong,
)
from coslr.course.valley import CURVATURES, NOISE
from coslr.theory import noisy_quadratic, quadratic_objective

# The first exercise: one direction, and the loss at which the run shall get stuck.
H, C, FLOOR = 1.0, 0.3, 0.01
# The second: two directions without noise.
STEEP, FLAT = 4.0, 0.5
# The third: the valley of the lesson, and the loss to reach; the best cosine ends at 0.0097.
UPDATES, GOAL = 1000, 0.0085


def rate_for_floor(answer: float) -> Feedback:
    """Which constant rate gets stuck at 0.01, where the curvature is 1 and the variance 0.3?

    >>> rate_for_floor(0.1333)
    ✗ Not yet. That leaves out the ηh in 2 - ηh, which is not small here.
    """
    hints = {
        "That leaves out the ηh in 2 - ηh, which is not small here.": 4 * FLOOR / C,
        "The floor is divided by 2 (2 - ηh), and the first 2 is missing. Perhaps you solved for "
        "E[x²]: the loss is h/2 times that.": 2 * FLOOR / (C + FLOOR * H),
        "Check a sign: 0.02 (2 - ηh) multiplied out is 0.04 minus a term with η, not plus.": 4
        * FLOOR
        / (C - 2 * FLOOR * H),
        "That is the noise that one update adds, solved for its rate, not the balance.": math.sqrt(
            FLOOR / C
        ),
    }
    return check_number(answer, 4 * FLOOR / (C + 2 * FLOOR * H), hints, digits=3)


def two_rates(answer: Sequence[float]) -> Feedback:
    """Is the loss 0 after these two falling rates, where the curvatures are 4 and 0.5?

    >>> two_rates([0.25, 2])
    ✗ Not yet. The loss is 0 after them, but they rise: the higher rate comes first.
    """
    rates = rates_of_a_run(answer, 2)
    if isinstance(rates, Feedback):
        return rates
    loss = abs(float(noisy_quadratic(rates, [STEEP, FLAT], noise=0.0)[-1]))
    if loss < 1e-12 and rates[0] > rates[1]:
        return correct("The first rate is four times 2/h of the steep direction, the limit.")
    if loss < 1e-12:
        return wrong("The loss is 0 after them, but they rise: the higher rate comes first.")
    left = [float(np.prod(1 - rates * h) ** 2) for h in (STEEP, FLAT)]
    if left[0] < 1e-12:
        return wrong("The steep direction is gone, and the flat one is not: it needs its own rate.")
    if left[1] < 1e-12:
        return wrong("The flat direction is gone, and the steep one is not: it needs its own rate.")
    return wrong(
        f"After them the loss is {loss:.3g}, not 0: which rate η makes the factor 1 - ηh zero?"
    )


def beat_the_cosine(answer: Sequence[float]) -> Feedback:
    """Do these 1,000 rates end at 0.0085 or below in the lesson's valley?

    >>> from coslr import Cosine
    >>> beat_the_cosine(Cosine(1000, 0.4823)(np.arange(1000)))
    ✗ Not yet. They end at 0.00968, the best that a cosine can do. Try another shape.
    """
    rates = rates_of_a_run(answer, UPDATES)
    if isinstance(rates, Feedback):
        return rates
    end = float(noisy_quadratic(rates, CURVATURES, NOISE)[-1])
    if end <= GOAL:
        return correct(f"They end at {end:.5f}; the best rates of all end at 0.00726.")
    if end > 10:
        return wrong(
            "The loss explodes: too many of the rates are above 2, the limit of a constant one."
        )
    said = f"They end at {end:.3g}"
    shares = rates / rates.max()
    if np.allclose(shares, np.cos(np.pi * np.arange(UPDATES) / UPDATES / 2) ** 2, atol=1e-6):
        if end < 0.00969:
            return wrong(f"{said}, the best that a cosine can do. Try another shape.")
        return wrong(f"{said}. That is a cosine, whose best peak, 0.48, ends at 0.0097.")
    if np.ptp(rates) < 1e-12:
        return wrong(f"{said}. The rate never falls: the best constant one ends at 0.0264.")
    from_noise = float(noisy_quadratic(rates, CURVATURES, NOISE, start=0.0)[-1])
    parts = f"{end - from_noise:.2g} is left of the start and {from_noise:.2g} is noise"
    if end - from_noise > from_noise:
        return wrong(f"{said}: {parts}. The rates add up to too little.")
    _, gradient = quadratic_objective(CURVATURES, NOISE)(rates)
    if (gradient * rates)[UPDATES // 2 :].sum() < 0:  # higher late rates would end lower
        return wrong(
            f"{said}: {parts}. The late rates are too low to forget the noise of the high ones: "
            "go down more evenly, or less far."
        )
    return wrong(f"{said}: {parts}. Go down earlier or further, so that less noise is left.")
