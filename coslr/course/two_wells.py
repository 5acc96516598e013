"""A loss with two minima, and many runs that wander on it under a schedule.

.. math:: L(x) = \\tfrac14 (x^2 - 1)^2 + \\tfrac1{10} x

Each run starts in the shallow minimum on the right. A barrier separates it from the deeper one. The
gradient has noise of variance 1, and each update moves by the learning rate times the noisy
gradient.
"""

from collections.abc import Sequence

import numpy as np

from coslr._arrays import Array
from coslr._optional import extra
from coslr.experiments.trials import Trial

with extra("train"):
    import pandas as pd


PARTICLES = 2000  # runs for each seed


def height(x: Array) -> Array:
    """The loss.

    >>> height(np.array([-1.0, 0.0, 1.0])).round(2).tolist()
    [-0.1, 0.25, 0.1]
    """
    value: Array = (x**2 - 1) ** 2 / 4 + 0.1 * x
    return value


def slope(x: Array) -> Array:
    """Its derivative, clipped to ±2, so that no run flies off.

    >>> slope(np.array([-3.0, 0.0, 1.0])).round(2).tolist()
    [-2.0, 0.1, 0.1]
    """
    return np.clip(x * (x**2 - 1) + 0.1, -2, 2)


# Where the slope is 0: the deeper minimum, the top of the barrier, and the start of all runs.
DEEP, TOP, START = (float(root) for root in np.sort(np.roots([1, 0, -1, 0.1]).real))


def ends(rates: Array, seed: int, particles: int = PARTICLES) -> Array:
    """Where the runs are after the last update.

    Args:
        rates: the learning rate at each update, (updates,).
        seed: of the noise; equal seeds have equal noise at equal updates under every schedule.
        particles: how many runs.

    Returns:
        Their positions, (particles,).

    Example:
        A rate of 0 moves nothing, and a high one sends a good part of the runs over the barrier:

        >>> bool((ends(np.zeros(10), seed=0) == START).all())
        True
        >>> bool((ends(np.full(500, 0.3), seed=0) < TOP).mean() > 0.3)
        True
    """
    noise = np.random.default_rng(seed)
    x = np.full(particles, START)
    for rate in rates:
        x = x - rate * (slope(x) + noise.standard_normal(particles))
    return x


def walk(trials: Sequence[Trial]) -> pd.DataFrame:
    """Let runs wander under the trials' schedules: a row per trial, as a study's table has it.

    The trial's own settings say how many updates there are; its images and model are not used.
    "test" and "validation" are two clouds with different noise, so that the peak is chosen on
    another cloud than the one that is judged.

    Returns:
        The columns of a study's table, and for both clouds `..._share`, the share of runs that end
        in the deeper basin, and `..._height`, their mean loss.
    """
    rows = []
    for trial in trials:
        updates = trial.epochs * (trial.data.n_train // trial.batch_size)
        rates = trial.schedule(np.arange(updates))
        row = {"name": trial.name, "eta_max": trial.eta_max, "seed": trial.seed}
        row |= {**dict(trial.extras), "status": "ok", "updates": updates}
        for cloud, seed in (("validation", 100_000 + trial.seed), ("test", trial.seed)):
            x = ends(np.broadcast_to(rates, updates), seed)
            row |= {f"{cloud}_share": float((x < TOP).mean())}
            row |= {f"{cloud}_height": float(height(x).mean())}
        rows.append(row)
    return pd.DataFrame(rows)
