"""The learning rates for which a formula for the final loss is smallest, found by its gradient."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from coslr._arguments import number, require, whole
from coslr._arrays import Array, rates_of_one_run
from coslr._optional import extra

with extra("train"):
    from scipy.optimize import minimize

Objective = Callable[[Array], tuple[float, Array]]

HUGE = 1e3  # as a logarithm, beyond every float
LARGEST_LOG = 300.0  # of a rate; its square is still a float
SMALLEST = 1e-6  # Rates are searched from this share of the highest at the start: 0 has no log.


def best_rates(
    objective: Objective,
    start: ArrayLike,
    largest: float = np.inf,
    knots: int | None = None,
    falling: bool = False,
) -> Array:
    r"""Change the learning rate of every update until the objective is smallest.

    The search is L-BFGS-B on the logarithms of the rates and of the objective, so that a rate of
    1e-5 is as easy to change as one of 0.1, and no rate falls below 0. It follows the gradient down
    from the start and finds the minimum next to it. Try another start to see whether there is
    another minimum.

    Args:
        objective: function of the rates, (updates,), that returns a number above 0 and its
            derivative by each rate, (updates,); such as `quadratic_objective`, `bound_objective`
            and `LossLaw.objective` in `coslr.theory`.
        start: rates to start from, at least 0, one above 0 among them; (updates,).
        largest: no rate may be above it; above 0. A law needs it, because a law that was fitted to
            lower rates says nothing of higher ones.
        knots: only so many rates are free, evenly spread from the first update to the last, and the
            rates between are on straight lines. From 2 to the number of updates; None: all rates
            are free. A few hundred are enough for a run of 50,000 updates.
        falling: no rate may be above the one before, at the knots and so anywhere. A law fitted to
            runs whose rates only fell says little of rates that rise, and the search would find
            that out.

    Returns:
        The best rates found, at least a millionth of the highest rate at the start; (updates,).

    Raises:
        ValueError, TypeError: an argument is wrong; the message names it and says what is right.

    Example:
        The objective grows with each rate's distance to 0.2 in logarithms:

        >>> def distance(rates):
        ...     return 1 + np.sum(np.log(rates / 0.2) ** 2), 2 * np.log(rates / 0.2) / rates
        >>> best_rates(distance, start=[0.1, 0.5, 1.0]).round(4).tolist()
        [0.2, 0.2, 0.2]
        >>> best_rates(distance, start=[0.1, 0.05, 0.1], largest=0.15).round(4).tolist()
        [0.15, 0.15, 0.15]

    Source: Schaipp et al., "The Surprising Agreement Between Convex Optimization Theory and
    Learning-Rate Scheduling for Large Model Training", ICML 2025, and Luo et al., "A Multi-Power
    Law for Loss Curve Prediction Across Learning Rate Schedules", ICLR 2025, optimise schedules so.
    """
    first = rates_of_one_run("start", start)
    updates = len(first)
    if largest != np.inf:
        largest = number("largest", largest, "a learning rate above 0")
    require(largest > 0, "largest", largest, "a learning rate above 0")
    smallest = SMALLEST * min(first.max(), largest)
    low, high = np.log(smallest), min(np.log(largest), LARGEST_LOG)
    if knots is None:
        knots = updates
    whole("knots", knots)
    right = f"from 2 to the number of updates, {updates}"
    require(knots == updates or 2 <= knots <= updates, "knots", knots, right)
    at = np.unique(np.linspace(0, updates - 1, knots).round().astype(int))

    # Each rate is between the knots `before` and `after`; `share` says how near to the second.
    before = np.searchsorted(at, np.arange(updates), side="right") - 1
    after = np.minimum(before + 1, len(at) - 1)
    share = (np.arange(updates) - at[before]) / np.maximum(at[after] - at[before], 1)

    def between(values: Array) -> Array:
        result: Array = values[before] * (1 - share) + values[after] * share
        return result

    def logs_of(free: Array) -> Array:
        """The log rates at the knots: the variables, or the first of them less the later drops."""
        if not falling:
            return free
        # Many drops in a row would end below the smallest number above 0.
        logs: Array = np.maximum(free[0] - np.append(0.0, np.cumsum(free[1:])), low)
        return logs

    def log_objective(free: Array) -> tuple[float, Array]:
        values = np.exp(logs_of(free))
        loss, gradient = objective(between(values))
        right = "above 0 for all rates up to `largest`: give one up to which the objective holds"
        require(not loss <= 0, "objective", loss, right)
        # The step was too long; this makes the search go back.
        if not (np.isfinite(loss) and np.isfinite(gradient).all()):
            return HUGE, np.zeros(len(free))
        at_knots = np.bincount(before, gradient * (1 - share), len(at))
        at_knots += np.bincount(after, gradient * share, len(at))
        by_log = at_knots * values / loss
        if falling:  # The first variable moves all knots, and a drop moves all after it.
            later = np.cumsum(by_log[::-1])[::-1]
            by_log = np.append(later[0], -later[1:])
        return np.log(loss), by_log

    first_logs = np.log(np.clip(first[at], smallest, largest))
    bounds = [(low, high)] * len(at)
    if falling:
        first_logs = np.minimum.accumulate(first_logs)
        first_logs = np.append(first_logs[0], -np.diff(first_logs))
        bounds[1:] = [(0.0, np.inf)] * (len(at) - 1)
    loss, gradient = objective(between(np.exp(logs_of(first_logs))))
    right = f"rates for which the objective is a finite number above 0, not {loss}"
    require(np.isfinite(loss) and loss > 0, "start", start, right)
    right = f"a function whose gradient at the start is {updates} finite numbers, not {gradient}"
    has_gradient = np.shape(gradient) == (updates,) and np.isfinite(gradient).all()
    require(has_gradient, "objective", objective, right)
    result = minimize(
        log_objective,
        first_logs,
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": 5000, "maxfun": 10_000, "ftol": 1e-13, "gtol": 1e-9, "maxcor": 20},
    )
    return between(np.exp(logs_of(result.x)))
