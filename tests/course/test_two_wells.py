"""The landscape with two minima: slopes, noise, and clouds that are paired."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from coslr import Constant
from coslr.course.two_wells import DEEP, START, TOP, ends, height, slope, walk
from coslr.experiments.trials import Split, Trial


def test_the_slope_is_that_of_the_height():
    for x in np.linspace(-1.2, 1.2, 13):
        numeric = approx_fprime(np.array([x]), lambda at: float(height(at)[0]), 1e-7)
        assert slope(np.array([x])) == pytest.approx(numeric, abs=1e-5)


def test_start_and_goal_are_minima_and_the_top_lies_between():
    for x in (DEEP, TOP, START):
        assert slope(np.array([x]))[0] == pytest.approx(0, abs=1e-12)
    deep, top, start = height(np.array([DEEP, TOP, START]))
    assert deep < start < top
    assert DEEP < TOP < START


def test_each_update_is_rate_times_noisy_slope():
    rates = np.array([0.1, 0.05])
    noise = np.random.default_rng(3)
    x = START
    first, second = noise.standard_normal(4), noise.standard_normal(4)
    x = x - 0.1 * (slope(np.full(4, x)) + first)
    x = x - 0.05 * (slope(x) + second)
    np.testing.assert_allclose(ends(rates, seed=3, particles=4), x)


def test_a_walk_has_a_row_per_trial_and_two_clouds():
    settings = {"epochs": 1, "batch_size": 10, "data": Split(n_train=1000, n_validation=10)}
    trials = [
        Trial(name=str(eta), schedule=Constant(eta), eta_max=eta, seed=5, **settings)
        for eta in (0.001, 0.3)
    ]
    low, high = walk(trials).to_dict("records")
    assert (low["test_share"], low["updates"], low["seed"]) == (0.0, 100, 5)
    assert high["test_share"] == (ends(np.full(100, 0.3), 5) < TOP).mean() > 0
    assert high["test_share"] != high["validation_share"]
    assert high["test_height"] == pytest.approx(height(ends(np.full(100, 0.3), 5)).mean())
