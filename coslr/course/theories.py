"""The schedules that theories would choose, for lesson 11.

`chosen` finds the rates that a theory likes best. The theories are the noisy quadratic of lesson
03, the convex bound, and the two laws that `coslr.course.published` fits. Numbers in the lesson's
text cite these functions.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from coslr._arguments import require
from coslr._arrays import Array
from coslr.course.published import PEAK, law
from coslr.course.valley import CURVATURES, NOISE
from coslr.schedules import WSD, Cosine, Linear
from coslr.theory import (
    best_rates,
    bound_objective,
    convex_bound,
    noisy_quadratic,
    quadratic_objective,
    tuned_bound,
)

THEORIES = ("noisy quadratic", "convex bound", "annealing law", "multi-power law")


class Chosen(NamedTuple):
    """The rates that a theory likes best.

    Attributes:
        rates: the best ones found; (updates,).
        value: the loss or the bound that the theory gives them.
        rivals: "cosine", "linear" and "WSD" (with a cooldown over a fifth) -> the same for these.
            On the quadratic and on the bound each has its own best peak; the laws hold only near
            the peak of 0.001, so there it is the peak of all.
    """

    rates: Array
    value: float
    rivals: dict[str, float]


def _shapes(updates: int) -> dict[str, Array]:
    """The rivals with a peak of 1."""
    at = np.arange(updates)
    return {
        "cosine": np.asarray(Cosine(updates, 1.0)(at)),
        "linear": np.asarray(Linear(updates, 1.0)(at)),
        "WSD": np.asarray(WSD(updates, updates // 5, 1.0)(at)),
    }


@lru_cache(maxsize=10)
def chosen(theory_name: str) -> Chosen:
    """The rates that a theory likes best, found by following its gradient.

    Args:
        theory_name: one of `THEORIES`. The quadratic is `coslr.course.valley`, with 1,000 updates;
            the bound is for 400 updates; the laws are those that `coslr.course.published.law` fits,
            for 50,000 updates.

    Raises:
        ValueError: there is no such theory.

    Example:
        >>> found = chosen("convex bound")
        >>> round(found.value / found.rivals["linear"], 3)
        0.996
    """
    require(theory_name in THEORIES, "theory_name", theory_name, f"one of {', '.join(THEORIES)}")
    if theory_name == "noisy quadratic":
        return _chosen_on_the_quadratic()
    if theory_name == "convex bound":
        shapes = _shapes(400)
        rates = best_rates(bound_objective(), 0.05 * shapes["linear"])
        rivals = {name: tuned_bound(shape)[1] for name, shape in shapes.items()}
        return Chosen(rates, float(convex_bound(rates)[-1]), rivals)
    fitted = law(kind=theory_name.removesuffix(" law"))
    # Straight lines between knots, because 50,000 free rates would take minutes.
    knots = 250 if theory_name == "annealing law" else 50
    shapes = {name: np.maximum(PEAK * shape, 1e-9) for name, shape in _shapes(50_000).items()}
    rates = best_rates(fitted.objective, shapes["linear"], largest=PEAK, knots=knots, falling=True)
    rivals = {name: fitted.objective(rates_of_it)[0] for name, rates_of_it in shapes.items()}
    return Chosen(rates, fitted.objective(rates)[0], rivals)


def _chosen_on_the_quadratic() -> Chosen:
    shapes, peaks = _shapes(1000), np.geomspace(0.1, 3, 80)
    tried = {
        name: noisy_quadratic(np.outer(peaks, shape), CURVATURES, NOISE)[:, -1]
        for name, shape in shapes.items()
    }
    objective = quadratic_objective(CURVATURES, NOISE)
    start = 60 / (7 + np.arange(1000))  # a hyperbola is near the best, which saves time
    rates = best_rates(objective, start, largest=10)
    rivals = {name: float(losses.min()) for name, losses in tried.items()}
    return Chosen(rates, objective(rates)[0], rivals)


def plateau(rates: Array) -> float:
    """The share of a run for which the rate is at least 99 % of its highest."""
    return float((rates >= 0.99 * rates.max()).mean())
