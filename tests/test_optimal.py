"""The search against minima that are known, and what it makes of the three theories."""

import numpy as np
import pytest

from coslr import WSD, Cosine, Linear
from coslr.optimal import best_rates
from coslr.theory import (
    LossLaw,
    bound_objective,
    convex_bound,
    noisy_quadratic,
    quadratic_objective,
    tuned_bound,
)


def starts(updates, peak):
    t = np.arange(updates)
    return [
        Cosine(updates, peak)(t),
        Linear(updates, peak)(t),
        WSD(updates, updates // 5, peak)(t),
    ]


@pytest.mark.parametrize("start", starts(60, 0.7), ids=["cosine", "linear", "wsd"])
def test_one_noisy_dimension_has_its_best_rates_in_closed_form(start):
    """Each update makes E[x²] smallest with the rate h E[x²] / (h² E[x²] + c)."""
    h, c, xx = 0.8, 0.3, 1.0
    expected = []
    for _ in start:
        eta = h * xx / (h**2 * xx + c)
        expected.append(eta)
        xx = (1 - eta * h) ** 2 * xx + eta**2 * c
    found = best_rates(quadratic_objective([h], c), start)
    np.testing.assert_allclose(found, expected, rtol=2e-3)


def test_the_bound_is_smallest_for_nearly_a_line():
    updates = 400
    found = [best_rates(bound_objective(), start) for start in starts(updates, 0.05)]
    for rates in found[1:]:
        np.testing.assert_allclose(rates[:-1], found[0][:-1], rtol=0.01, atol=1e-5)
    best = found[0]
    assert tuned_bound(best)[0] == pytest.approx(1, rel=1e-4)  # its scale is the best one as well
    line = np.linspace(best[0], 0, updates)
    assert np.abs(best - line)[:-1].max() < 0.02 * best[0]
    bounds = [tuned_bound(shape)[1] for shape in starts(updates, 1.0)]
    assert convex_bound(best)[-1] < min(bounds)
    assert convex_bound(best)[-1] > 0.99 * min(bounds)  # the line is hardly worse


def test_the_annealing_law_wants_a_cliff():
    """It is linear in the recent rates, so each is the largest or none at all."""
    law = LossLaw("annealing", {"L0": 2.7, "A": 0.9, "alpha": 0.5, "C": 200.0, "memory": 60.0})
    for start in starts(2000, 0.001):
        rates = best_rates(law.objective, start, largest=0.001)
        between = (rates > 1e-5) & (rates < 0.999e-3)
        assert between.sum() <= 2
        assert (np.diff(rates) <= 1e-9).all()
        gradient = law.objective(rates)[1]
        assert (gradient[rates > 0.999e-3] <= 0).all()
        assert (gradient[rates < 1e-5] >= 0).all()


def test_the_multi_power_law_wants_a_plateau_and_a_cooldown():
    numbers = {"L0": 2.7, "A": 0.9, "alpha": 0.5, "B": 300.0, "C": 2.0, "beta": 0.6, "gamma": 0.5}
    law = LossLaw("multi-power", numbers)
    peak = 0.001
    found = [
        best_rates(law.objective, start, largest=peak, knots=100, falling=True)
        for start in starts(5000, peak)
    ]
    ends = [law.objective(rates)[0] for rates in found]
    assert max(ends) - min(ends) < 1e-4
    for rates in found:
        assert (rates[:2500] > 0.999 * peak).all()
        assert rates[-1] < 0.05 * peak
    others = [law.predict(rates)[-1] for rates in starts(5000, peak)]
    assert ends[0] < min(others) - 0.001


def test_the_noisy_quadratic_of_many_dimensions():
    h, updates = 1 / np.arange(1, 21), 200
    objective = quadratic_objective(h, 0.1 * h)
    found = [best_rates(objective, start) for start in starts(updates, 1.0)]
    ends = [noisy_quadratic(rates, h, 0.1 * h)[-1] for rates in found]
    assert max(ends) / min(ends) < 1 + 1e-4
    others = [
        min(noisy_quadratic(scale * shape, h, 0.1 * h)[-1] for scale in np.geomspace(0.2, 2, 30))
        for shape in starts(updates, 1.0)
    ]
    assert ends[0] < min(others)


def test_knots_have_straight_lines_between_them():
    rates = best_rates(bound_objective(), starts(101, 0.1)[1], knots=5)
    bends = np.flatnonzero(np.abs(np.diff(rates, 2)) > 1e-9) + 1
    assert set(bends) <= {25, 50, 75}
    assert convex_bound(rates)[-1] < convex_bound(starts(101, 0.1)[1])[-1]


def test_all_updates_as_knots_are_no_knots():
    start = starts(30, 0.1)[0]
    free = best_rates(bound_objective(), start)
    assert (best_rates(bound_objective(), start, knots=30) == free).all()


def test_rates_that_may_only_fall():
    """The best of a rising list is its mean, here in logarithms."""

    def distance(rates):
        apart = np.log(rates / [0.1, 0.4, 0.2, 0.05])
        return 1 + np.sum(apart**2), 2 * apart / rates

    found = best_rates(distance, [0.3, 0.1, 0.2, 0.1], falling=True)
    np.testing.assert_allclose(found, [0.2, 0.2, 0.2, 0.05], rtol=1e-4)
    free = best_rates(distance, [0.3, 0.1, 0.2, 0.1])
    np.testing.assert_allclose(free, [0.1, 0.4, 0.2, 0.05], rtol=1e-4)
    capped = best_rates(distance, [0.3, 0.1, 0.2, 0.1], largest=0.12, falling=True)
    np.testing.assert_allclose(capped, [0.12, 0.12, 0.12, 0.05], rtol=1e-4)


def test_a_start_that_rises_is_flattened():
    seen = []

    def flat(rates):
        seen.append(rates)
        return 1.0, np.zeros(len(rates))

    best_rates(flat, [0.3, 0.1, 0.2, 0.05], falling=True)
    np.testing.assert_allclose(seen[0], [0.3, 0.1, 0.1, 0.05])


def test_steps_into_divergence_are_taken_back():
    outcomes = []

    def diverging(rates):
        """Smallest at 0.29, and infinite above 0.3."""
        loss = 1 + 1e4 * np.sum(np.log(rates / 0.29) ** 2) if rates.max() < 0.3 else np.inf
        outcomes.append(loss)
        return loss, 2e4 * np.log(rates / 0.29) / rates

    found = best_rates(diverging, [0.01, 0.2, 0.1])
    assert np.inf in outcomes
    np.testing.assert_allclose(found, 0.29, rtol=1e-4)


@pytest.mark.parametrize(
    ("start", "objective"),
    [
        (np.full(2000, 2.5), quadratic_objective([1.0], 0.1)),
        ([0.1, 0.1], lambda rates: (-1.0, np.zeros(2))),
        ([0.1, 0.1], lambda rates: (np.nan, np.zeros(2))),
    ],
)
def test_a_start_without_a_logarithm_is_refused(start, objective):
    with pytest.raises(ValueError, match=r"(?s)^start=.*finite number above 0, not"):
        best_rates(objective, start)


def test_no_rate_is_above_the_largest():
    rates = best_rates(bound_objective(), starts(50, 0.1)[0], largest=0.05)
    assert rates.max() == pytest.approx(0.05)
    assert convex_bound(rates)[-1] <= convex_bound(np.minimum(starts(50, 0.1)[1], 0.05))[-1]


@pytest.mark.parametrize(
    ("error", "name", "arguments"),
    [
        (ValueError, "start", {"start": []}),
        (ValueError, "start", {"start": [0.0, 0.0]}),
        (ValueError, "start", {"start": [0.1, np.nan]}),
        (TypeError, "start", {"start": ["fast"]}),
        (ValueError, "largest", {"largest": 0.0}),
        (ValueError, "largest", {"largest": np.nan}),
        (TypeError, "largest", {"largest": "0.1"}),
        (ValueError, "knots", {"knots": 1}),
        (ValueError, "knots", {"knots": 4}),
        (TypeError, "knots", {"knots": 2.0}),
    ],
)
def test_wrong_arguments_are_named(error, name, arguments):
    with pytest.raises(error, match=f"^{name}="):
        best_rates(bound_objective(), **({"start": [0.1, 0.1, 0.1]} | arguments))


def test_a_search_without_a_limit_never_asks_for_an_infinite_rate():
    def falls_forever(rates):
        assert np.isfinite(rates).all()
        return 1 / (1 + rates[0]), -1 / (1 + rates) ** 2

    assert np.isfinite(best_rates(falls_forever, [1.0])).all()


@pytest.mark.parametrize("falling", [False, True])
def test_losses_below_zero_are_no_optimum(falling):
    parameters = {"L0": 2.7, "A": 0.9, "alpha": 0.5, "B": 10.0, "C": 2.0, "beta": 0.6, "gamma": 0.5}
    law = LossLaw("multi-power", parameters)
    with pytest.raises(ValueError, match=r"^objective=-.*largest"):
        best_rates(law.objective, np.linspace(0.1, 0.01, 20), falling=falling)


@pytest.mark.parametrize("gradient", [lambda g: g * np.nan, np.sum])
def test_a_wrong_gradient_is_no_minimum(gradient):
    def objective(rates):
        return 1 + np.sum(np.log(rates / 0.2) ** 2), gradient(2 * np.log(rates / 0.2) / rates)

    with pytest.raises(ValueError, match=r"^objective=.*gradient at the start"):
        best_rates(objective, [0.1, 0.5, 1.0])
