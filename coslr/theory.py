"""Exact expected losses under any schedule: the noisy quadratic, and a bound for convex losses.

Both take the rates themselves, an array with one rate per update, such as
``schedule(np.arange(updates))``, and neither trains anything: they are formulas.
"""

import numpy as np
from numpy.typing import ArrayLike

from coslr.schedules import _require


def noisy_quadratic(
    rates: ArrayLike,
    curvatures: ArrayLike,
    noise: ArrayLike,
    start: ArrayLike = 1.0,
    momentum: float = 0.0,
) -> np.ndarray:
    """Expected loss of SGD on a quadratic with noisy gradients, before each update and at the end.

    The loss is ½ Σ h_i x_i², and each gradient h_i x_i comes with independent noise of variance
    c_i. With the momentum m, as in PyTorch, update t is v ← m v + h x + noise, x ← x - η_t v. The
    expectations of x², x v and v² then follow a linear recursion, separately for each i, so the
    expected loss needs no simulation. It is this model that Zhang et al. study ("Which Algorithmic
    Choices Matter at Which Batch Sizes? Insights From a Noisy Quadratic Model", NeurIPS 2019).

    Args:
        rates: learning rate at each update; (updates,), or (..., updates) for many schedules at
            once.
        curvatures: h_i, above 0; (dimensions,).
        noise: c_i, at least 0; (dimensions,) or one number for all.
        start: x_i before the first update; (dimensions,) or one number for all.
        momentum: m, from 0 to below 1.

    Returns:
        Expected loss; (..., updates + 1). It is infinite where a rate is too large to be stable.

    Raises:
        ValueError: an argument outside its range.

    Example:
        A constant rate ends at a floor of η c / (2 (2 - η h)), where noise and progress balance:

        >>> rates = np.full(1000, 0.5)
        >>> round(float(noisy_quadratic(rates, curvatures=[1.0], noise=[0.3])[-1]), 6)
        0.05
    """
    rates = _rates(rates)
    h = np.atleast_1d(np.asarray(curvatures, dtype=float))
    _require(
        h.ndim == 1 and np.isfinite(h).all() and (h > 0).all(),
        "curvatures",
        curvatures,
        "a list of finite numbers above 0",
    )
    c = _per_dimension("noise", noise, h)
    _require((c >= 0).all(), "noise", noise, "at least 0")
    x = _per_dimension("start", start, h)
    _require(0 <= momentum < 1, "momentum", momentum, "from 0 to below 1")

    shape = (*rates.shape[:-1], len(h))
    xx, xv, vv = np.broadcast_to(x**2, shape), np.zeros(shape), np.zeros(shape)
    losses = np.empty((*rates.shape[:-1], rates.shape[-1] + 1))
    with np.errstate(over="ignore", invalid="ignore"):
        losses[..., 0] = xx @ h / 2
        for t in range(rates.shape[-1]):
            eta = rates[..., t, None]
            vv = momentum**2 * vv + 2 * momentum * h * xv + h**2 * xx + c
            x_new_v = momentum * xv + h * xx  # E[x v] with the old x and the new v
            xx = xx - 2 * eta * x_new_v + eta**2 * vv
            xv = x_new_v - eta * vv
            losses[..., t + 1] = xx @ h / 2
    # Past the largest float, infinite minus infinite is no number; the loss is infinite there.
    return np.where(np.isnan(losses), np.inf, losses)


def convex_bound(rates: ArrayLike, D: float = 1.0, G: float = 1.0) -> np.ndarray:
    """Bound on how far the expected loss is above its minimum, after 1, 2, ... of the rates.

    For a convex loss whose stochastic gradients have a mean squared length of at most G², and a
    start at the distance D from a minimiser, the last of T iterates of the subgradient method with
    rates η_1 ... η_T has

        E f(x_T) - f* ≤ (D² + G² Σ η_t²) / (2 Σ η_t)
                      + ½ Σ_{k<T} η_k / S_{k+1} · G² Q_k / S_k,
        S_k = Σ_{t=k..T} η_t,  Q_k = Σ_{t=k..T} η_t².

    It is Theorem 10 of Defazio, Cutkosky, Mehta & Mishchenko, "Optimal Linear Decay Learning Rate
    Schedules and Further Refinements" (2023), in the form of Schaipp, Hägele, Taylor, Simsekli &
    Bach, "The Surprising Agreement Between Convex Optimization Theory and Learning-Rate Scheduling
    for Large Model Training" (ICML 2025).

    Args:
        rates: learning rate at each update, at least 0, the first above 0; (updates,).
        D, G: above 0.

    Returns:
        The bound if the run were stopped after each update; (updates,). An update at rate 0 moves
        nothing, so the bound stays what it was.

    Raises:
        ValueError: an argument outside its range.

    Example:
        >>> convex_bound([0.5, 0.5]).round(4).tolist()
        [1.25, 1.0]
    """
    distance, gradient = _terms(_one_run(rates), every=True)
    return _positive("D", D) ** 2 * distance + _positive("G", G) ** 2 * gradient


def tuned_bound(shape: ArrayLike, D: float = 1.0, G: float = 1.0) -> tuple[float, float]:
    """The scale γ that makes `convex_bound` of ``γ * shape`` smallest at its end, and that bound.

    Scaled by γ, the bound is A / γ + B γ, smallest at γ = √(A / B), where it is 2 √(A B).

    Args:
        shape: a schedule's rates up to a factor; (updates,).
        D, G: as in `convex_bound`.

    Example:
        For a constant rate it is D G √((1 + H) / T), where H = 1 + 1/2 + ... + 1/(T-1) grows as log
        T. A decay is rid of the logarithm; a straight line to zero has 2 D G / √T for large T:

        >>> T = 10_000
        >>> scale, bound = tuned_bound(np.ones(T))
        >>> round(bound, 4)
        0.0328
        >>> scale, bound = tuned_bound(1 - np.arange(T) / T)
        >>> round(bound, 4)
        0.02
    """
    distance, gradient = _terms(_one_run(shape), every=False)
    away, noise = _positive("D", D) ** 2 * distance[0], _positive("G", G) ** 2 * gradient[0]
    return float(np.sqrt(away / noise)), float(2 * np.sqrt(away * noise))


def _terms(rates: np.ndarray, every: bool) -> tuple[np.ndarray, np.ndarray]:
    """The bound's factors of D² and G², for every stop or for the last alone.

    With η_k / (S_{k+1} S_k) = 1 / S_{k+1} - 1 / S_k, the bound's second sum telescopes, and the
    factor of G² is ½ (η_T + Σ_{k<T} η_k² / S_{k+1}).
    """
    moves = np.flatnonzero(rates)  # an update at rate 0 adds nothing to any sum
    eta = rates[moves]
    squares = eta**2
    if not every:
        # Summed from the end, so that the last, small sums are exact.
        S = np.cumsum(eta[::-1])[::-1]
        gradient = (eta[-1] + np.sum(squares[:-1] / S[1:])) / 2
        return np.array([1 / (2 * S[0])]), np.array([gradient])
    after = np.zeros(len(eta))  # S_{k+1}, which grows by each rate: exact for the same reason
    gradient = np.empty(len(eta))
    for T, last in enumerate(eta):
        after[:T] += last
        gradient[T] = (last + np.sum(squares[:T] / after[:T])) / 2
    latest = np.cumsum(rates > 0) - 1  # the last update that moved, at each stop
    return 1 / (2 * np.cumsum(eta)[latest]), gradient[latest]


def _rates(rates: ArrayLike) -> np.ndarray:
    rates = np.asarray(rates, dtype=float)
    _require(rates.ndim >= 1 and rates.shape[-1] > 0, "rates", rates, "one rate per update")
    _require(
        np.isfinite(rates).all() and (rates >= 0).all(), "rates", rates, "finite and at least 0"
    )
    return rates


def _one_run(rates: ArrayLike) -> np.ndarray:
    rates = _rates(rates)
    _require(
        rates.ndim == 1 and rates[0] > 0, "rates", rates, "those of one run, the first above 0"
    )
    return rates


def _per_dimension(name: str, value: ArrayLike, h: np.ndarray) -> np.ndarray:
    value = np.asarray(value, dtype=float)
    _require(
        value.shape in ((), h.shape) and np.isfinite(value).all(),
        name,
        value,
        f"finite, one number or {len(h)} of them",
    )
    return np.broadcast_to(value, h.shape)


def _positive(name: str, value: float) -> float:
    _require(0 < value < np.inf, name, value, "finite and above 0")
    return value
