r"""Laws that predict the loss curve of a schedule from the curves of a few others.

`fit_loss_law` fits a law to runs that were trained, and `LossLaw.predict` gives the loss of any
other schedule for the same model, data and batch size. Both laws say the same two things: the loss
falls as the learning rates add up, and it stays higher as long as the rate is high. Both predict
well only near the peak rate of the runs that they were fitted to.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from coslr._arguments import not_negative, require, require_type, sequence
from coslr._arrays import Array, floats, rates_of_one_run
from coslr._optional import extra

with extra("train"):
    from scipy.optimize import least_squares
    from scipy.signal import lfilter

LAWS = {
    "annealing": ("L0", "A", "alpha", "C", "memory"),
    "multi-power": ("L0", "A", "alpha", "B", "C", "beta", "gamma"),
}
HUBER = 0.001  # Residuals of log losses beyond this count less than by their square.
DETERMINED = 1e-10  # Below this, no loss depends on some parameter.
PIECES = 250  # The multi-power law costs updates × points, so it is computed at so many points.


@dataclass(frozen=True)
class LossLaw:
    r"""A law fitted by `fit_loss_law`, which predicts the loss under any learning rates.

    Attributes:
        law: "annealing" or "multi-power".
        parameters: the fitted numbers by name, each at least 0, and a memory at least 1;
            `fit_loss_law` has the formulas.

    Raises:
        ValueError, TypeError: an unknown law, other names than the law's, or a wrong number; the
            message says what is right.

    Example:
        >>> numbers = {"L0": 2.0, "A": 1.0, "alpha": 0.5, "C": 10.0, "memory": 2.0}
        >>> LossLaw("annealing", numbers).predict([0.04, 0.04]).round(4).tolist()
        [7.2, 5.8355]
    """

    law: str
    parameters: dict[str, float]

    def __post_init__(self) -> None:
        require(self.law in LAWS, "law", self.law, f"one of {', '.join(LAWS)}")
        right = f"a dict with a number for each of {', '.join(LAWS[self.law])}"
        given = self.parameters
        require_type(isinstance(given, Mapping), "parameters", given, right)
        require(set(given) == set(LAWS[self.law]), "parameters", given, right)
        for name, value in given.items():
            not_negative(f"parameters[{name!r}]", value, "a number, at least 0")
        memory = given.get("memory", 1)
        require(memory >= 1, "parameters['memory']", memory, "at least 1 update")

    def predict(self, rates: ArrayLike) -> Array:
        """The loss after each update.

        Args:
            rates: learning rate at each update, at least 0, one above 0 among them; (updates,).

        Returns:
            Losses in the unit of the fitted ones; (updates,). `predict(rates)[k]` is the loss after
            k + 1 updates. It is infinite as long as no rate was above 0, and too high in a warm-up,
            which the laws do not describe.

        Raises:
            ValueError, TypeError: the rates are wrong; the message says what is right.

        Example:
            >>> numbers = {"L0": 2.0, "A": 1.0, "alpha": 0.5, "C": 10.0, "memory": 2.0}
            >>> LossLaw("annealing", numbers).predict([0.04, 0.04, 0.0]).round(4).tolist()
            [7.2, 5.8355, 5.6855]
        """
        eta = rates_of_one_run("rates", rates)
        p = self.parameters
        S1 = np.cumsum(eta)
        if self.law == "annealing":
            return _progress(p, S1) + p["C"] * _recent_rate(eta, p["memory"])
        points = _points(eta)
        fall = [_power_fall(p, eta[: k + 1], S1[: k + 1]) for k in points]
        return _progress(p, S1) - np.interp(np.arange(len(eta)), points, fall)

    def objective(self, rates: ArrayLike) -> tuple[float, Array]:
        """The loss after the last update, and its derivative by each rate, for `best_rates`.

        Args:
            rates: learning rate at each update, at least 0, one above 0 among them; (updates,). For
                the multi-power law each is above 0.

        Returns:
            The loss, and its gradient; (updates,).

        Raises:
            ValueError, TypeError: the rates are wrong; the message says what is right.

        Example:
            >>> numbers = {"L0": 2.0, "A": 1.0, "alpha": 0.5, "C": 10.0, "memory": 2.0}
            >>> loss, gradient = LossLaw("annealing", numbers).objective([0.04, 0.04, 0.02])
            >>> round(loss, 4), gradient.round(3).tolist()
            (5.4123, [-14.561, -13.311, -10.811])
        """
        eta = rates_of_one_run("rates", rates)
        p = self.parameters
        S1 = np.cumsum(eta)
        progress = float(_progress(p, S1[-1:])[0])
        slope = -p["alpha"] * (progress - p["L0"]) / S1[-1]  # of the progress, by every rate
        if self.law == "annealing":
            kept = 1 - 1 / p["memory"]  # of the average, at each update
            share = kept ** np.arange(len(eta))[::-1] / p["memory"]
            loss = progress + p["C"] * _recent_rate(eta, p["memory"])[-1]
            return float(loss), slope + p["C"] * share
        require((eta > 0).all(), "rates", rates, "above 0 at each update for the multi-power law")
        return progress - _power_fall(p, eta, S1), slope - _power_fall_gradient(p, eta, S1)


def fit_loss_law(
    rates: Sequence[ArrayLike],
    updates: Sequence[ArrayLike],
    losses: Sequence[ArrayLike],
    law: str = "annealing",
) -> LossLaw:
    r"""Fit a law to the loss curves of a few runs of one model that differ in their schedules.

    The annealing law has a term that falls with the sum of all rates so far, and one in proportion
    to the rate, averaged over the last updates:

    .. math:: L(t) = L_0 + A\,S_1(t)^{-\alpha} + C\,m(t), \qquad S_1(t) = \sum_{k \le t} \eta_k,
              \qquad m(t) = m(t-1) + \frac{\eta_t - m(t-1)}{M}, \qquad m(-1) = 0

    M is the memory, in updates: after a drop of the rate, the loss needs about M updates to follow.
    This is the law of Tissue and co-authors, who write :math:`-C' S_2` with the annealing area
    :math:`S_2(t) = \sum_{i \le t} \sum_{k \le i} \lambda^{i-k} (\eta_{k-1} - \eta_k)`. Summed from
    :math:`\eta_{-1} = 0`, it is :math:`-M m(t)`, where :math:`\lambda = 1 - 1/M` and
    :math:`C = C' M`. Summed from the peak, as in the paper, it differs by a constant once the
    warm-up is forgotten, and :math:`L_0` takes up the constant.

    The multi-power law gives each drop of the rate a power law of its own, whose time is the sum
    :math:`S_k(t) = \eta_k + \dots + \eta_t` of the rates since:

    .. math:: L(t) = L_0 + A\,S_1(t)^{-\alpha} - B \sum_{k=p}^{t} (\eta_{k-1} - \eta_k)
              \left(1 - \left(1 + C\,\eta_k^{-\gamma} S_k(t)\right)^{-\beta}\right)

    where p is the update at which the rate first reaches its highest. The paper begins with the
    update after it; here the warm-up counts as one rise, with :math:`\eta_{p-1} = 0`.

    The fit minimises Huber's loss of the differences between predicted and known log losses, so
    that single outliers count little. It leaves out losses from before a run's rate first reaches
    its highest: neither law describes a warm-up. For the multi-power law β stays between 0.1 and 3
    and γ between 0 and 1, and the drops within 1/250 of a run count as one while it is fitted.

    Args:
        rates: for each run, the learning rate at every update.
        updates: for each run, after how many updates its losses are known, increasing, from 1.
        losses: for each run, these losses, above 0, in any unit.
        law: "annealing" (5 parameters) or "multi-power" (7 parameters). The first is the one to
            predict with: three curves determine it. The second is the one to optimise: it says what
            a slow decay is good for, while the first wants the rate to drop to zero at once. Three
            curves do not determine the second, so its predictions can go astray.

    Returns:
        The fitted law. Its `parameters` hold L0, A, alpha, C and memory, or L0, A, alpha, B, C,
        beta and gamma, for rates as they were given.

    Raises:
        ValueError, TypeError: an argument is wrong, or the runs cannot determine the law: they have
            fewer losses than the law has parameters, no loss is known at a rate below an earlier
            one, or a parameter changes no prediction. The message says which.

    Example:
        Two runs whose losses follow the law exactly, a constant rate and a straight line to zero:

        >>> truth = LossLaw(
        ...     "annealing", {"L0": 2.0, "A": 1.0, "alpha": 0.5, "C": 10.0, "memory": 50.0}
        ... )
        >>> runs = [np.full(1000, 0.1), 0.1 - 0.1 * np.arange(1000) / 1000]
        >>> known = np.arange(20, 1001, 20)
        >>> law = fit_loss_law(runs, [known, known], [truth.predict(r)[known - 1] for r in runs])
        >>> {name: round(value, 3) for name, value in law.parameters.items()}
        {'L0': 2.0, 'A': 1.0, 'alpha': 0.5, 'C': 10.0, 'memory': 50.0}

    Source: Tissue, Wang & Wang, "Scaling Law with Learning Rate Annealing", 2024, arXiv 2408.11029;
    Luo et al., "A Multi-Power Law for Loss Curve Prediction Across Learning Rate Schedules", ICLR
    2025, arXiv 2503.12811.
    """
    require(law in LAWS, "law", law, f"one of {', '.join(LAWS)}")
    runs = _checked_runs(rates, updates, losses, least=len(LAWS[law]))
    # The fit searches within fixed limits, so it sees rates of at most 1 and losses from about 1.
    unit = max(float(run.rates.max()) for run in runs)
    loss_unit = 2.0 ** round(np.log2(min(run.losses.min() for run in runs if len(run.losses))))
    runs = [run._replace(rates=run.rates / unit, losses=run.losses / loss_unit) for run in runs]
    if law == "annealing":
        fitted = _fit_annealing(runs)
        fitted["C"] *= loss_unit / unit
    else:
        fitted = _fit_multi_power(runs)
        fitted["B"] *= loss_unit / unit
        fitted["C"] *= unit ** (fitted["gamma"] - 1)
    fitted["A"] *= loss_unit * unit ** fitted["alpha"]
    fitted["L0"] *= loss_unit
    return LossLaw(law, fitted)


# -------------------------------------------------------------------------- the terms of the laws


def _progress(p: dict[str, float], S1: Array) -> Array:
    with np.errstate(divide="ignore"):  # before the first rate above 0, S1 is 0
        return p["L0"] + p["A"] * S1 ** -p["alpha"]


def _recent_rate(eta: Array, memory: float) -> Array:
    """The moving average m of the rates, from 0."""
    result: Array = lfilter([1 / memory], [1, 1 / memory - 1], eta)
    return result


def _points(eta: Array) -> Array:
    """Updates at which the multi-power law is computed: evenly spread, and denser after a jump."""
    even = np.linspace(0, len(eta) - 1, PIECES).round().astype(int)
    jumps = np.flatnonzero(np.abs(_drops(eta)) > eta.max() / PIECES)
    after = np.append(-1, np.geomspace(1, len(eta), 60).round().astype(int) - 1)
    dense = (jumps[:PIECES, None] + after).ravel()
    return np.unique(np.append(even, dense[(dense >= 0) & (dense < len(eta))]))


def _power_fall(p: dict[str, float], eta: Array, S1: Array) -> float:
    """What all drops of the rate have taken off the loss after the last update."""
    drops = _drops(eta)
    k = np.flatnonzero(drops)  # a constant rate has hardly any
    x = _ages(eta[k], S1[-1] - S1[k] + eta[k], p["gamma"])
    return float(p["B"] * (drops[k] @ (1 - (1 + p["C"] * x) ** -p["beta"])))


def _peak(eta: Array) -> int:
    """The first update at the highest rate; a later one may be higher by a rounding error."""
    return int((eta >= eta.max() * (1 - 1e-9)).argmax())


def _drops(eta: Array) -> Array:
    """How far each rate is below the one before; the warm-up counts as one rise at its end."""
    drops = -np.diff(eta, prepend=0.0)
    peak = _peak(eta)
    drops[:peak], drops[peak] = 0.0, -eta[peak]
    return drops


def _ages(eta: Array, S: Array, gamma: float) -> Array:
    """η^(-γ) S, the time since a drop to the rate η as its power law counts it; 0 where S is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):  # at rate 0, infinite for any later S
        return np.where(S > 0, eta**-gamma * S, 0.0)


def _power_fall_gradient(p: dict[str, float], eta: Array, S1: Array) -> Array:
    drops = _drops(eta)
    S = S1[-1] - S1 + eta
    age = _ages(eta, S, p["gamma"])
    base = 1 + p["C"] * age
    power = 1 - base ** -p["beta"]
    peak = _peak(eta)
    power[:peak] = 0.0  # before the end of the warm-up, no drop counts
    by_age = drops * p["C"] * p["beta"] * base ** (-p["beta"] - 1)
    # A rate is the upper end of the next drop and the lower end of its own; it sets its own drop's
    # clock, and it counts in the sums S of its own and all earlier drops.
    through_drops = -power
    through_drops[peak:-1] += power[peak + 1 :]
    through_clock = by_age * -p["gamma"] * age / eta
    through_sums = np.cumsum(by_age * eta ** -p["gamma"])
    return np.asarray(p["B"] * (through_drops + through_clock + through_sums))


# ---------------------------------------------------------------------------------------- the fits


class _Run(NamedTuple):
    rates: Array
    known: np.ndarray[tuple[int, ...], np.dtype[np.int64]]  # index of the last update before each
    losses: Array


def _fit_annealing(runs: list[_Run]) -> dict[str, float]:
    S1 = np.concatenate([np.cumsum(run.rates)[run.known] for run in runs])
    losses = np.concatenate([run.losses for run in runs])

    def recent(memory: float) -> Array:
        return np.concatenate([_recent_rate(run.rates, memory)[run.known] for run in runs])

    def predicted(p: dict[str, float]) -> Array:
        return _progress(p, S1) + p["C"] * recent(p["memory"])

    # For given alpha and memory the law is linear in the rest, so a grid of these two gives good
    # places to start from.
    longest = max(len(run.rates) for run in runs)
    tries = []
    for memory in np.geomspace(2, max(longest / 5, 4), 12):
        m = recent(memory)
        for alpha in np.geomspace(0.1, 1.5, 8):
            columns = np.stack([np.ones_like(S1), S1**-alpha, m], axis=1) / losses[:, None]
            linear = np.linalg.lstsq(columns, np.ones_like(losses), rcond=None)[0]
            L0, A, C = np.maximum(linear, 1e-3 * losses.min())
            error = np.sum((columns @ [L0, A, C] - 1) ** 2)
            tries.append((error, [L0, A, alpha, C, memory]))
    tries.sort(key=lambda found: found[0])
    starts = [start for _, start in tries[:3]]
    lowest = [1e-9, 1e-9, 1e-3, 1e-9, 1.0]
    highest = [losses.min(), 1e9, 10.0, 1e9, 1e3 * longest]
    return _least(LAWS["annealing"], predicted, losses, starts, lowest, highest)


def _fit_multi_power(runs: list[_Run]) -> dict[str, float]:
    S1 = np.concatenate([np.cumsum(run.rates)[run.known] for run in runs])
    losses = np.concatenate([run.losses for run in runs])
    pieces = [_drops_in_pieces(run) for run in runs]

    def predicted(p: dict[str, float]) -> Array:
        falls = []
        for eta, S, drops in pieces:
            age = _ages(eta, S, p["gamma"])
            falls.append((1 - (1 + p["C"] * age) ** -p["beta"]) @ drops)
        return _progress(p, S1) - p["B"] * np.concatenate(falls)

    floor = 0.95 * losses.min()
    starts = [
        [floor, 0.2 * floor * S1.max() ** 0.5, 0.5, 0.1 * floor, C / S1.max(), beta, gamma]
        for C, beta, gamma in product((30.0, 300.0), (0.4, 1.5), (0.1, 0.5))
    ]
    lowest = [1e-9, 1e-9, 1e-3, 1e-9, 1e-9, 0.1, 1e-6]
    highest = [losses.min(), 1e9, 10.0, 1e9, 1e9, 3.0, 1.0]
    return _least(LAWS["multi-power"], predicted, losses, starts, lowest, highest)


def _drops_in_pieces(run: _Run) -> tuple[Array, Array, Array]:
    """Rate, sum of rates since (for each known loss; 0 for a later drop) and size of each drop.

    Drops within a piece count as one in its middle; the rise of the warm-up is where it ends.
    """
    peak = _peak(run.rates)
    ends = np.linspace(0, len(run.rates) - 1, PIECES).round().astype(int)
    ends = np.unique(np.append(ends, peak))
    eta, S1 = run.rates[ends], np.cumsum(run.rates)
    before = S1[ends] - eta  # the sum of rates before the update
    drops = _drops(eta)
    middle = np.concatenate([before[:1], (before[:-1] + before[1:]) / 2])
    halfway = np.concatenate([eta[:1], (eta[:-1] + eta[1:]) / 2])
    middle[ends == peak], halfway[ends == peak] = before[ends == peak], eta[ends == peak]
    some = drops != 0
    since = np.maximum(S1[run.known][:, None] - middle[some], 0.0)
    return halfway[some], since, drops[some]


def _least(
    names: tuple[str, ...],
    predicted: Callable[[dict[str, float]], Array],
    losses: Array,
    starts: list[list[float]],
    lowest: list[float],
    highest: list[float],
) -> dict[str, float]:
    """The parameters with the least sum of Huber's losses; the search is in their logarithms."""
    low, high = np.log(lowest), np.log(highest)

    def named(z: Array) -> dict[str, float]:
        return dict(zip(names, np.exp(z).tolist(), strict=True))

    def residuals(z: Array) -> Array:
        # A trial point may predict a loss below 0, which has no logarithm.
        return np.log(np.maximum(predicted(named(z)), 1e-3 * losses)) - np.log(losses)

    fits = [
        least_squares(
            residuals,
            np.clip(np.log(start), low + 1e-3, high - 1e-3),
            bounds=(low, high),
            loss="huber",
            f_scale=HUBER,
            xtol=1e-10,
            ftol=1e-10,
            gtol=1e-12,
            max_nfev=300,
        )
        for start in starts
    ]
    best = min(fits, key=lambda fit: float(fit.cost))
    # In some direction nothing may change the predictions, and then any number would do.
    strengths = np.linalg.svd(best.jac, compute_uv=False)
    right = "enough to tell the parameters apart, some of them from soon after a drop of the rate"
    require(strengths[-1] > DETERMINED * strengths[0], "losses", losses, right)
    return named(best.x)


def _checked_runs(
    rates: Sequence[ArrayLike],
    updates: Sequence[ArrayLike],
    losses: Sequence[ArrayLike],
    least: int,
) -> list[_Run]:
    given = [
        sequence(name, value, "a list with one entry a run")
        for name, value in [("rates", rates), ("updates", updates), ("losses", losses)]
    ]
    count = len(given[0])
    require(count > 0, "rates", rates, "a list with at least one run")
    for name, entries in zip(("updates", "losses"), given[1:], strict=True):
        right = f"a list with one entry a run, {count} as in rates"
        require(len(entries) == count, name, entries, right)
    runs = [_checked_run(i, *run) for i, run in enumerate(zip(*given, strict=True))]

    total = sum(len(run.losses) for run in runs)
    right = f"at least {least} losses in all from where each rate is highest, not {total}"
    require(total >= least, "losses", losses, right)
    decayed = [np.maximum.accumulate(run.rates) > run.rates for run in runs]
    seen = any(below[run.known].any() for below, run in zip(decayed, runs, strict=True))
    right = "runs with a loss known at a rate below an earlier one; these show no decay"
    require(seen, "rates", rates, right)
    return runs


def _checked_run(i: int, rates: ArrayLike, updates: ArrayLike, losses: ArrayLike) -> _Run:
    eta = rates_of_one_run(f"rates[{i}]", rates)
    counts = floats(f"updates[{i}]", updates)
    right = f"whole numbers from 1 to the number of rates, {len(eta)}, increasing"
    whole = counts.ndim == 1 and len(counts) > 0 and (counts == np.floor(counts)).all()
    inside = whole and counts[0] >= 1 and counts[-1] <= len(eta) and (np.diff(counts) > 0).all()
    require(inside, f"updates[{i}]", updates, right)
    known = floats(f"losses[{i}]", losses)
    right = f"one loss for each of the {len(counts)} updates[{i}]"
    require(known.shape == counts.shape, f"losses[{i}]", losses, right)
    right = "finite losses above 0"
    require(np.isfinite(known).all() and (known > 0).all(), f"losses[{i}]", losses, right)
    last = counts.astype(np.int64) - 1
    after_warmup = last >= _peak(eta)
    return _Run(eta, last[after_warmup], known[after_warmup])
