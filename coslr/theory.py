r"""What theory says of a schedule: expected losses, a bound, predicted curves, the best rates.

`noisy_quadratic` is an exact expected loss, `convex_bound` a bound on an expected loss, and
`fit_loss_law` fits a law that predicts the loss curve of a network. `best_rates` finds the rates
for which one of the three ends lowest. All take an array with one learning rate per update, such
as ``schedule(np.arange(updates))``. They are formulas and train nothing.
"""

import numpy as np
from numpy.typing import ArrayLike

from coslr._arguments import number, positive, require
from coslr._arrays import Array, checked_rates, floats
from coslr.loss_laws import LossLaw, fit_loss_law
from coslr.optimal import Objective, best_rates

__all__ = [
    "LossLaw",
    "best_rates",
    "bound_objective",
    "convex_bound",
    "fit_loss_law",
    "noisy_quadratic",
    "quadratic_objective",
    "tuned_bound",
]


def noisy_quadratic(
    rates: ArrayLike,
    curvatures: ArrayLike,
    noise: ArrayLike,
    start: ArrayLike = 1.0,
    momentum: float = 0.0,
) -> Array:
    r"""Expected loss of SGD on a quadratic with noisy gradients, before each update and at the end.

    The loss is a sum over dimensions i, and update t moves each dimension on its own:

    .. math:: f(x) = \tfrac12 \sum_i h_i x_i^2, \qquad
              v_i \leftarrow m\,v_i + h_i x_i + \xi_i, \qquad x_i \leftarrow x_i - \eta_t v_i

    where the noise :math:`\xi_i` of each gradient is independent, with mean 0 and variance
    :math:`c_i`, and m is the momentum, as in PyTorch. The expectations of :math:`x_i^2`,
    :math:`x_i v_i` and :math:`v_i^2` follow a linear recursion, so the expected loss needs no
    simulation.

    Args:
        rates: learning rate at each update, at least 0; (updates,), or (..., updates) for many
            schedules at once.
        curvatures: :math:`h_i`, above 0; (dimensions,).
        noise: :math:`c_i`, at least 0; (dimensions,), or one number for all.
        start: :math:`x_i` before the first update; (dimensions,), or one number for all.
        momentum: m, from 0 to below 1.

    Returns:
        Expected loss; (..., updates + 1). It is infinite where the rates were too large for too
        long.

    Raises:
        ValueError, TypeError: an argument is wrong; the message names it and says what is right.

    Example:
        A constant rate ends at the loss η c / (2 (2 - η h)), where noise and progress balance:

        >>> rates = np.full(1000, 0.5)
        >>> round(float(noisy_quadratic(rates, curvatures=[1.0], noise=[0.3])[-1]), 6)
        0.05

    Source: Zhang et al., "Which Algorithmic Choices Matter at Which Batch Sizes? Insights From a
    Noisy Quadratic Model", NeurIPS 2019.
    """
    eta = checked_rates("rates", rates)
    h, c, x, m = _checked_quadratic(curvatures, noise, start, momentum)
    shape = (*eta.shape[:-1], len(h))
    xx, xv, vv = np.broadcast_to(x**2, shape), np.zeros(shape), np.zeros(shape)
    losses = np.empty((*eta.shape[:-1], eta.shape[-1] + 1))
    with np.errstate(over="ignore", invalid="ignore"):
        losses[..., 0] = xx @ h / 2
        for t in range(eta.shape[-1]):
            now = eta[..., t, None]
            vv = m**2 * vv + 2 * m * h * xv + h**2 * xx + c
            x_new_v = m * xv + h * xx  # E[x v] with the old x and the new v
            xx = xx - 2 * now * x_new_v + now**2 * vv
            xv = x_new_v - now * vv
            losses[..., t + 1] = xx @ h / 2
    # Beyond the largest float, inf - inf gives NaN. The loss is infinite there.
    return np.where(np.isnan(losses), np.inf, losses)


def quadratic_objective(
    curvatures: ArrayLike,
    noise: ArrayLike,
    start: ArrayLike = 1.0,
    momentum: float = 0.0,
) -> Objective:
    r"""The last loss of `noisy_quadratic` and its derivative by each rate, for `best_rates`.

    The derivatives follow from one walk back through the updates: from how the last loss depends on
    the expectations after update t follows how it depends on those before, and on the rate.

    Args:
        curvatures: as in `noisy_quadratic`; (dimensions,).
        noise: as in `noisy_quadratic`.
        start: as in `noisy_quadratic`.
        momentum: as in `noisy_quadratic`.

    Returns:
        A function of the rates, each at least 0, (updates,), that returns the loss and its
        gradient, (updates,). The loss is infinite where the rates were too large for too long.

    Raises:
        ValueError, TypeError: an argument is wrong; the message names it and says what is right.

    Example:
        In one dimension the best rate of each update is h E[x²] / (h² E[x²] + c), here 1/2 and then
        1/3: the further SGD has come, the smaller the steps.

        >>> objective = quadratic_objective(curvatures=[1.0], noise=1.0)
        >>> loss, gradient = objective(np.array([0.5, 0.25]))
        >>> loss, gradient.round(4).tolist()
        (0.171875, [0.0, -0.125])
        >>> best_rates(objective, start=[0.2, 0.2]).round(4).tolist()
        [0.5, 0.3333]
    """
    h, c, x, m = _checked_quadratic(curvatures, noise, start, momentum)

    @np.errstate(over="ignore", invalid="ignore")
    def objective(rates: Array) -> tuple[float, Array]:
        eta = checked_rates("rates", rates)
        require(eta.ndim == 1, "rates", rates, "the rates of one run")
        xx, xv, vv = x**2, np.zeros(len(h)), np.zeros(len(h))
        passed = []
        for now in eta:  # the recursion of `noisy_quadratic`
            vv = m**2 * vv + 2 * m * h * xv + h**2 * xx + c
            x_new_v = m * xv + h * xx
            xx = xx - 2 * now * x_new_v + now**2 * vv
            xv = x_new_v - now * vv
            passed.append((x_new_v, vv))
        # The derivatives of the last loss by xx, xv and vv after the update, from the last back.
        by_xx, by_xv, by_vv = h / 2, np.zeros(len(h)), np.zeros(len(h))
        gradient = np.empty(len(eta))
        for t in reversed(range(len(eta))):
            x_new_v, vv = passed[t]
            now = eta[t]
            gradient[t] = np.sum(2 * by_xx * (now * vv - x_new_v) - by_xv * vv)
            by_new_v = by_xv - 2 * now * by_xx
            by_vv = now**2 * by_xx - now * by_xv + by_vv
            by_xx = by_xx + h * by_new_v + h**2 * by_vv
            by_xv = m * by_new_v + 2 * m * h * by_vv
            by_vv = m**2 * by_vv
        loss = float(xx @ h / 2)
        return (loss if np.isfinite(loss) else np.inf), gradient

    return objective


def convex_bound(rates: ArrayLike, D: float = 1.0, G: float = 1.0) -> Array:
    r"""Bound on how far the expected loss is above its minimum, for runs of 1, 2, ... of the rates.

    The loss f is convex, and its subgradients g have a mean squared length :math:`E|g|^2 \le G^2`.
    The subgradient method starts from :math:`x_1`, at the distance D from a minimiser, and goes on
    with :math:`x_{t+1} = x_t - \eta_t g_t`. Then

    .. math:: E f(x_T) - f^* \le \frac{D^2 + G^2 \sum_t \eta_t^2}{2 \sum_t \eta_t}
              + \frac{G^2}{2} \sum_{k<T} \frac{\eta_k}{S_{k+1}} \frac{Q_k}{S_k},
              \qquad S_k = \sum_{t=k}^T \eta_t, \quad Q_k = \sum_{t=k}^T \eta_t^2

    The terms with G come from the length of the whole subgradient, not from its noise. They stay
    when there is no noise at all: near a kink, such as the minimum of :math:`|x|`, subgradients
    stay long, so that a step overshoots by up to :math:`\eta G`. Only smaller steps come closer.

    Args:
        rates: learning rate at each update, at least 0, the first above 0; (updates,).
        D: distance from the start to a minimiser, above 0.
        G: bound on the root mean square length of the subgradients, above 0.

    Returns:
        The bound on :math:`E f(x_T) - f^*` for T = 1, 2, ...; (updates,). :math:`x_T` is the
        iterate from which update T starts, so the bound contains :math:`\eta_T` and :math:`x_T`
        does not depend on it. An update at rate 0 leaves the bound as it was.

    Raises:
        ValueError, TypeError: an argument is wrong; the message names it and says what is right.

    Example:
        >>> convex_bound([0.5, 0.5]).round(4).tolist()
        [1.25, 1.0]

    Source: Theorem 10 of Defazio, Cutkosky, Mehta & Mishchenko, "Optimal Linear Decay Learning Rate
    Schedules and Further Refinements", 2023, in the form of Schaipp, Hägele, Taylor, Simsekli &
    Bach, "The Surprising Agreement Between Convex Optimization Theory and Learning-Rate Scheduling
    for Large Model Training", ICML 2025.
    """
    D, G = positive("D", D), positive("G", G)
    distance_factors, gradient_factors = _bound_at_every_stop(_rates_of_a_bound("rates", rates))
    return D**2 * distance_factors + G**2 * gradient_factors


def tuned_bound(shape: ArrayLike, D: float = 1.0, G: float = 1.0) -> tuple[float, float]:
    r"""The scale γ for which `convex_bound` of ``γ * shape`` ends lowest, and that lowest bound.

    Scaled by γ, the bound is A / γ + B γ: A comes from the distance, B from the subgradients. It is
    smallest at :math:`\gamma = \sqrt{A / B}`, where it is :math:`2 \sqrt{A B}`.

    Args:
        shape: a schedule's rates up to a factor, at least 0, the first above 0; (updates,).
        D: distance from the start to a minimiser, above 0.
        G: bound on the root mean square length of the subgradients, above 0.

    Returns:
        γ, and the bound for the iterate from which the last update starts, as in `convex_bound`.

    Raises:
        ValueError, TypeError: an argument is wrong; the message names it and says what is right.

    Example:
        For a constant rate the bound is D G √((1 + H) / T), where H = 1 + 1/2 + ... + 1/(T-1) grows
        like the logarithm of T. A straight line to zero has about 2 D G / √T, without a logarithm:

        >>> T = 10_000
        >>> scale, bound = tuned_bound(np.ones(T))
        >>> round(bound, 4)
        0.0328
        >>> scale, bound = tuned_bound(1 - np.arange(T) / T)
        >>> round(bound, 4)
        0.02

    Source: Schaipp et al., ICML 2025; see `convex_bound`.
    """
    D, G = positive("D", D), positive("G", G)
    distance_factor, gradient_factor = _bound_at_the_end(_rates_of_a_bound("shape", shape))
    from_distance, from_gradients = D**2 * distance_factor, G**2 * gradient_factor
    return (
        float(np.sqrt(from_distance / from_gradients)),
        float(2 * np.sqrt(from_distance * from_gradients)),
    )


def bound_objective(D: float = 1.0, G: float = 1.0) -> Objective:
    r"""The last value of `convex_bound` and its derivative by each rate, for `best_rates`.

    Args:
        D: distance from the start to a minimiser, above 0.
        G: bound on the root mean square length of the subgradients, above 0.

    Returns:
        A function of the rates, all above 0, (updates,), that returns the bound and its gradient,
        (updates,).

    Raises:
        ValueError, TypeError: an argument is wrong; the message names it and says what is right.

    Example:
        The best rates fall on a straight line to zero. Only the last rate does not: the bound is
        for the iterate before that update, so it moves nothing there.

        >>> best_rates(bound_objective(), start=np.full(5, 0.3)).round(3).tolist()
        [0.289, 0.251, 0.214, 0.178, 0.43]

    Source: Schaipp et al., ICML 2025; see `convex_bound`.
    """
    D, G = positive("D", D), positive("G", G)

    def objective(rates: Array) -> tuple[float, Array]:
        eta = _rates_of_a_bound("rates", rates)
        require((eta > 0).all(), "rates", rates, "above 0 at each update")
        distance_factor, gradient_factor = _bound_at_the_end(eta)
        S = np.cumsum(eta[::-1])[::-1]
        by_rate = np.append(eta[:-1] / S[1:], 0.5)
        by_rate[1:] -= np.cumsum((eta[:-1] / S[1:]) ** 2) / 2
        bound = D**2 * distance_factor + G**2 * gradient_factor
        return float(bound), G**2 * by_rate - D**2 / (2 * S[0] ** 2)

    return objective


# The two functions below return what D² and G² are multiplied by. Because
# η_k / (S_{k+1} S_k) = 1 / S_{k+1} - 1 / S_k, the last sum of the bound telescopes, and the factor
# of G² is ½ (η_T + Σ_{k<T} η_k² / S_{k+1}). Both leave out updates at rate 0, which add nothing.


def _bound_at_the_end(rates: Array) -> tuple[float, float]:
    eta = rates[rates > 0]
    S = np.cumsum(eta[::-1])[::-1]  # summed from the end, so that the last, small sums are exact
    gradient_factor = (eta[-1] + np.sum(eta[:-1] ** 2 / S[1:])) / 2
    return 1 / (2 * S[0]), gradient_factor


def _bound_at_every_stop(rates: Array) -> tuple[Array, Array]:
    eta = rates[rates > 0]
    squares = eta**2
    later = np.zeros(len(eta))  # S_{k+1}, which grows rate by rate: small sums are exact again
    gradient_factors = np.empty(len(eta))
    for T, last in enumerate(eta):
        later[:T] += last
        gradient_factors[T] = (last + np.sum(squares[:T] / later[:T])) / 2
    latest = np.cumsum(rates > 0) - 1  # at each stop, the last update that moved
    return 1 / (2 * np.cumsum(eta)[latest]), gradient_factors[latest]


def _rates_of_a_bound(name: str, rates: ArrayLike) -> Array:
    """Rates for which the bound holds: those of one run, the first above 0."""
    result = checked_rates(name, rates)
    right = "the rates of one run, the first above 0"
    require(result.ndim == 1 and result[0] > 0, name, rates, right)
    return result


def _checked_quadratic(
    curvatures: ArrayLike, noise: ArrayLike, start: ArrayLike, momentum: float
) -> tuple[Array, Array, Array, float]:
    h = np.atleast_1d(floats("curvatures", curvatures))
    right = "a list of finite numbers above 0, at least one"
    is_list = h.ndim == 1 and len(h) > 0
    require(is_list and np.isfinite(h).all() and (h > 0).all(), "curvatures", curvatures, right)
    c = _one_per_dimension("noise", noise, h)
    require((c >= 0).all(), "noise", noise, "at least 0")
    x = _one_per_dimension("start", start, h)
    m = number("momentum", momentum, "a number from 0 to below 1")
    require(0 <= m < 1, "momentum", momentum, "a number from 0 to below 1")
    return h, c, x, m


def _one_per_dimension(name: str, value: ArrayLike, h: Array) -> Array:
    result = floats(name, value)
    right = f"finite, one number or {len(h)} of them"
    require(result.shape in ((), h.shape) and np.isfinite(result).all(), name, value, right)
    return np.broadcast_to(result, h.shape)
