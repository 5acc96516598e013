"""The exercises of notebook 04, Local minima."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from coslr.course.checks.answers import (
    NOT_ATTEMPTED,
    Feedback,
    correct,
    not_attempted,
    number_or_nan,
    rates_of_a_run,
    wrong,
)
from coslr.course.two_wells import DEEP, START, TOP, ends, height
from coslr.schedules import Cosine

UPDATES = 1000
SEED, RUNS = 7, 16_000  # so many runs that another seed would change no verdict
EQUAL, ENOUGH = 0.02, 0.85  # of the first two exercises, as shares
GOAL = -0.0795  # of the third; the tuned line ends at -0.079


def equal_escape(answer: float) -> Feedback:
    """Is this a peak at which the cosine and the constant escape equally often, to 2 points?

    >>> equal_escape(0.1)
    ✗ Not yet. There 53.2 % of the constant's runs escape and 18.0 % of the cosine's: go higher.
    """
    if not_attempted(answer):
        return NOT_ATTEMPTED
    peak = number_or_nan(answer)
    if not math.isfinite(peak):
        return wrong(f"The answer must be a number, not {answer!r}.")
    if not 0 < peak <= 1:
        return wrong("The peak must be above 0, and at most 1: beyond, runs jump over both wells.")
    constant = _share(_ended(np.full(UPDATES, peak)))
    cosine = _share(_ended(Cosine(UPDATES, peak)(np.arange(UPDATES))))
    said = f"{constant:.1%} of the constant's runs escape and {cosine:.1%} of the cosine's"
    said = said.replace("%", " %")
    if abs(constant - cosine) <= EQUAL and min(constant, cosine) > 0.5:
        return correct(f"There {said}. At this peak the shapes seem to make no difference.")
    if max(constant, cosine) <= 0.5 and abs(constant - cosine) <= EQUAL:
        return wrong(f"There {said}: equal, but only because hardly any run gets over.")
    return wrong(f"There {said}: go {'higher' if constant > cosine else 'lower'}.")


def never_falls(answer: Sequence[float]) -> Feedback:
    """Do these 1,000 rates never fall, and do at least 85 % of the runs escape?

    >>> never_falls([0.1] * 1000)
    ✗ Not yet. 53.2 % of the runs escape: too cold for most of them to get over in time.
    """
    rates = rates_of_a_run(answer, UPDATES)
    if isinstance(rates, Feedback):
        return rates
    falls = np.flatnonzero(np.diff(rates) < -1e-12)
    if falls.size:
        return wrong(f"The rate falls after update {falls[0]}.")
    share = _share(_ended(rates))
    said = f"{share:.1%} of the runs escape".replace("%", " %")
    if share >= ENOUGH:
        return correct(f"{said}, and the rate never fell.")
    if rates[-1] > 0.17 and _share(_ended(np.full(UPDATES, rates[-1]))) < share + 0.02:
        return wrong(f"{said}: too hot at the end, where they hop back as well.")
    return wrong(f"{said}: too cold for most of them to get over in time.")


def cool_better(answer: Sequence[float]) -> Feedback:
    """Is the mean loss after these 1,000 rates -0.0795 or lower?

    >>> cool_better(Cosine(1000, 0.28)(np.arange(1000)))
    ✗ Not yet. The mean loss is -0.0761, with 88 % in the deeper basin: cool more slowly where \
runs still gather there, and spend fewer updates at the rates that only cost time.
    """
    rates = rates_of_a_run(answer, UPDATES)
    if isinstance(rates, Feedback):
        return rates
    x = _ended(rates)
    share, loss = _share(x), float(height(x).mean())
    said = f"The mean loss is {loss:.4f}, with {share:.0%} in the deeper basin".replace("%", " %")
    if loss <= GOAL:
        return correct(f"{said}. Slow cooling gathers runs there, whatever its curve is called.")
    if rates.max() < 0.2 and share < ENOUGH:
        return wrong(f"{said}: no rate is hot enough for all runs to get over.")
    if rates[-1] > 0.01:
        return wrong(f"{said}: the last rate, {rates[-1]:.2g}, keeps the runs hopping. End at 0.")
    bottoms = height(np.array([DEEP, START]))  # the loss if every run came to rest
    if share * bottoms[0] + (1 - share) * bottoms[1] <= GOAL - 0.003:
        return wrong(
            f"{said}: enough runs are there, but they have not come to rest. Give the last fall "
            "to 0 more updates."
        )
    return wrong(
        f"{said}: cool more slowly where runs still gather there, and spend fewer updates at the "
        "rates that only cost time."
    )


def _ended(rates: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(over="ignore", invalid="ignore"):
        return ends(rates, SEED, RUNS)


def _share(x: NDArray[np.float64]) -> float:
    return float((x < TOP).mean())
