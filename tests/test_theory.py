"""The formulas against simulations, published sums and closed forms."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from coslr import WSD, Constant, Cosine, Linear, theory
from coslr.theory import (
    bound_objective,
    convex_bound,
    noisy_quadratic,
    quadratic_objective,
    tuned_bound,
)

rates_of_a_run = arrays(float, st.integers(1, 30), elements=st.floats(1e-4, 1.5))


# ------------------------------------------------------------------------ the noisy quadratic


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_quadratic_against_simulation(momentum):
    """Twenty thousand simulated runs agree with the formula to five standard errors."""
    rng = np.random.default_rng(0)
    h, c, start = np.array([1.0, 0.1]), np.array([0.5, 0.2]), np.array([1.0, -2.0])
    rates = Cosine(40, 0.4, 0.01)(np.arange(40)) * (1 - momentum)
    x, v = np.tile(start, (20_000, 1)), 0.0
    expected = noisy_quadratic(rates, h, c, start, momentum)
    for t, eta in enumerate(rates):
        loss = (h * x**2).sum(axis=1) / 2
        error = loss.std() / np.sqrt(len(loss))
        assert abs(loss.mean() - expected[t]) <= 5 * error + 1e-12, t
        v = momentum * v + h * x + rng.normal(0, np.sqrt(c), x.shape)
        x = x - eta * v


def test_quadratic_is_torchs_momentum():
    torch = pytest.importorskip("torch")
    x = torch.tensor([1.0, -2.0], dtype=torch.float64, requires_grad=True)
    h = torch.tensor([1.0, 0.1], dtype=torch.float64)
    optimizer = torch.optim.SGD([x], lr=1.0, momentum=0.8)
    rates = Linear(20, 0.3)(np.arange(20))
    losses = []
    for eta in [*rates, 0.0]:
        optimizer.param_groups[0]["lr"] = eta
        optimizer.zero_grad()
        loss = (h * x**2).sum() / 2
        losses.append(loss.item())
        loss.backward()
        optimizer.step()
    found = noisy_quadratic(rates, [1.0, 0.1], 0.0, [1.0, -2.0], momentum=0.8)
    np.testing.assert_allclose(found, losses, rtol=1e-12)


@settings(max_examples=25)
@given(eta=st.floats(0.01, 1.5), h=st.floats(0.1, 1.2), c=st.floats(0.01, 2))
def test_quadratic_floor_of_a_constant_rate(eta, h, c):
    losses = noisy_quadratic(np.full(20_000 if eta * h < 0.01 else 5000, eta), [h], c, start=0.0)
    assert losses[-1] == pytest.approx(eta * c / (2 * (2 - eta * h)), rel=1e-6)


def test_quadratic_of_many_runs_at_once():
    runs = np.array([[0.1, 0.2, 0.3], [0.3, 0.2, 0.1]])
    h = [1.0, 0.5]
    both = noisy_quadratic(runs, h, 0.1, momentum=0.5)
    assert both.shape == (2, 4)
    for run, losses in zip(runs, both, strict=True):
        assert (noisy_quadratic(run, h, 0.1, momentum=0.5) == losses).all()


def test_quadratic_diverges_to_infinity():
    losses = noisy_quadratic(np.full(5000, 2.5), [1.0], 0.1)
    assert losses[-1] == np.inf
    assert not np.isnan(losses).any()


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("rates", {"rates": []}),
        ("rates", {"rates": [0.1, np.nan]}),
        ("rates", {"rates": [-0.1]}),
        ("curvatures", {"curvatures": [0.0]}),
        ("noise", {"noise": [0.1, 0.2, 0.3]}),
        ("noise", {"noise": -1.0}),
        ("start", {"start": np.inf}),
        ("momentum", {"momentum": 1.0}),
        ("momentum", {"momentum": -0.1}),
    ],
)
def test_quadratic_refuses(name, arguments):
    right = {"rates": [0.1], "curvatures": [1.0, 2.0], "noise": 0.1}
    with pytest.raises(ValueError, match=f"^{name}="):
        noisy_quadratic(**(right | arguments))


# --------------------------------------------------------------------------- the convex bound


@given(rates=rates_of_a_run, D=st.floats(0.1, 10), G=st.floats(0.1, 10))
def test_bound_is_the_published_sum(rates, D, G):
    """Written out as in the theorem, sum by sum."""
    for T in range(1, len(rates) + 1):
        eta = rates[:T]
        whole = eta.sum()
        bound = (D**2 + G**2 * (eta**2).sum()) / (2 * whole)
        for k in range(T - 1):
            after, here = eta[k + 1 :].sum(), eta[k:].sum()
            bound += eta[k] / after * G**2 * (eta[k:] ** 2).sum() / here / 2
        assert convex_bound(rates, D, G)[T - 1] == pytest.approx(bound, rel=1e-9)


@pytest.mark.parametrize("T", [2, 10, 400])
def test_best_constant_and_best_line_in_closed_form(T):
    harmonic = sum(1 / k for k in range(1, T))
    scale, bound = tuned_bound(Constant(0.3)(np.arange(T)))
    assert scale * 0.3 == pytest.approx(1 / np.sqrt(T * (1 + harmonic)))
    assert bound == pytest.approx(np.sqrt((1 + harmonic) / T))

    scale, bound = tuned_bound(Linear(T, 1.0)(np.arange(T)))
    gradients = 2 / 3 * (T - 1) + harmonic + (2 * T + 1) / 6
    assert bound == pytest.approx(2 * np.sqrt(gradients / (T * (T + 1))))
    assert scale == pytest.approx(T / np.sqrt(T * (T + 1) * gradients))


@given(shape=rates_of_a_run, factor=st.floats(0.1, 10), D=st.floats(0.1, 10), G=st.floats(0.1, 10))
def test_tuned_scale_is_the_best(shape, factor, D, G):
    scale, bound = tuned_bound(shape, D, G)
    assert convex_bound(scale * shape, D, G)[-1] == pytest.approx(bound, rel=1e-9)
    assert convex_bound(factor * scale * shape, D, G)[-1] >= bound * (1 - 1e-9)


@pytest.mark.parametrize("schedule", [Constant(1.0), Linear(1000, 1.0), Cosine(1000, 1.0)])
def test_without_noise_the_bound_holds_for_the_absolute_value_and_a_decay_still_helps(schedule):
    """The subgradient method on |x|, each schedule at its own best scale, from D = 1 with G = 1."""
    shape = schedule(np.arange(1000))
    scale, bound = tuned_bound(shape)
    x = 1.0
    for eta in scale * shape[:-1]:  # the bound is for the iterate before the last update
        x -= eta * np.sign(x)
    assert abs(x) <= bound
    if schedule == Constant(1.0):
        assert abs(x) > 1e-3  # a constant step jumps over the minimum for ever
    else:
        assert abs(x) < 1e-3


@pytest.mark.parametrize("T", [200, 400, 1000])
def test_published_comparison_of_cosine_and_wsd(T):
    """Schaipp et al. 2025, sections 3 and 4, report three things.

    With a cooldown of 20 %, WSD ends almost like the cosine, at half its rate. Without a cooldown
    the end is much worse. And their closed form for WSD is a bound on this bound.
    """
    t = np.arange(T)
    cosine_scale, cosine_bound = tuned_bound(Cosine(T, 1.0)(t))
    wsd_scale, wsd_bound = tuned_bound(WSD(T, T // 5, 1.0)(t))
    _, constant_bound = tuned_bound(np.ones(T))
    assert 1.0 < wsd_bound / cosine_bound < 1.07
    assert 1.8 < cosine_scale / wsd_scale < 2.0
    assert constant_bound > 1.15 * wsd_bound

    T_0 = T - T // 5

    def harmonic(n):
        return (1 / np.arange(1, n + 1)).sum()

    terms = 2 / 3 + (T + 2 * T_0) / (3 * (T + T_0))
    terms += harmonic(T + T_0 - 2) - harmonic(T - T_0 + 1)
    terms -= (T - T_0) * (T_0 - 1) / (3 * (T - T_0 + 2) * (T + T_0))
    terms += 1 / (T - T_0) ** 2 + harmonic(T - T_0 - 1) / (T - T_0 + 1)
    assert wsd_bound <= np.sqrt(4 * terms / (T + T_0)) <= 1.3 * wsd_bound


def test_bound_drops_in_the_cooldown():
    bound = convex_bound(0.02 * WSD(1000, 200, 1.0)(np.arange(1000)))
    assert bound[-1] < 0.75 * bound[799]
    assert abs(bound[799] - bound[699]) < 0.05 * bound[799]


def test_updates_at_rate_zero_change_nothing():
    with_pauses = convex_bound([0.5, 0.0, 0.3, 0.0, 0.0])
    without = convex_bound([0.5, 0.3])
    assert with_pauses.tolist() == [without[0], without[0], without[1], without[1], without[1]]


# ------------------------------------------------------------------ their derivatives by each rate


def by_finite_differences(function, rates):
    steps = 1e-5 * np.diag(rates)
    return np.array([(function(rates + d) - function(rates - d)) / (2 * d.sum()) for d in steps])


@settings(max_examples=30)
@given(rates=rates_of_a_run, momentum=st.sampled_from([0.0, 0.5, 0.9]))
def test_quadratic_objective_is_the_last_loss_and_its_gradient(rates, momentum):
    problem = [1.0, 0.3, 0.05], [0.2, 0.0, 0.1], [1.0, -2.0, 0.5], momentum
    loss, gradient = quadratic_objective(*problem)(rates)
    # The two sum the directions in another order.
    assert loss == pytest.approx(noisy_quadratic(rates, *problem)[-1], rel=1e-12)
    expected = by_finite_differences(lambda r: noisy_quadratic(r, *problem)[-1], rates)
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-6 * loss)


@settings(max_examples=30)
@given(rates=rates_of_a_run, D=st.floats(0.1, 10), G=st.floats(0.1, 10))
def test_bound_objective_is_the_last_bound_and_its_gradient(rates, D, G):
    bound, gradient = bound_objective(D, G)(rates)
    assert bound == pytest.approx(convex_bound(rates, D, G)[-1], rel=1e-12)
    expected = by_finite_differences(lambda r: convex_bound(r, D, G)[-1], rates)
    np.testing.assert_allclose(gradient * rates, expected * rates, rtol=1e-4, atol=1e-5 * bound)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("curvatures", lambda: quadratic_objective([0.0], 0.1)),
        ("noise", lambda: quadratic_objective([1.0], -0.1)),
        ("momentum", lambda: quadratic_objective([1.0], 0.1, momentum=1.0)),
        ("D", lambda: bound_objective(D=0.0)),
        ("G", lambda: bound_objective(G=np.inf)),
        ("rates", lambda: bound_objective()([0.1, 0.0])),
        ("rates", lambda: quadratic_objective([1.0], 0.1)([])),
        ("rates", lambda: quadratic_objective([1.0], 0.1)([[0.1]])),
        ("shape", lambda: tuned_bound([-1, 1])),
        ("shape", lambda: tuned_bound([0.0, 1.0])),
    ],
)
def test_objectives_refuse(name, make):
    with pytest.raises(ValueError, match=f"^{name}="):
        make()


@pytest.mark.parametrize("rates", [[0.0, 0.5], [0.0, 0.0]])
def test_the_quadratic_objective_takes_the_rates_that_the_quadratic_takes(rates):
    loss, gradient = quadratic_objective([1.0, 0.5], 0.1)(rates)
    assert loss == pytest.approx(noisy_quadratic(rates, [1.0, 0.5], 0.1)[-1])
    assert np.isfinite(gradient).all()


def test_theory_has_all_that_it_names():
    for name in theory.__all__:
        assert getattr(theory, name).__doc__


@pytest.mark.parametrize(
    "formula",
    [convex_bound, tuned_bound, lambda rates: noisy_quadratic(rates, np.geomspace(0.01, 1, 50), 1)],
    ids=["convex_bound", "tuned_bound", "noisy_quadratic"],
)
def test_ten_thousand_updates_take_well_under_a_second(formula):
    rates = Cosine(10_000, 0.05, 1e-4)(np.arange(10_000))
    taken = []
    for _ in range(3):
        started = time.process_time()
        formula(rates)
        taken.append(time.process_time() - started)
    assert min(taken) < 0.5


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("rates", {"rates": [0.0, 0.1]}),
        ("rates", {"rates": [[0.1]]}),
        ("rates", {"rates": [0.1, np.inf]}),
        ("D", {"rates": [0.1], "D": 0.0}),
        ("G", {"rates": [0.1], "G": np.nan}),
    ],
)
def test_bound_refuses(name, arguments):
    with pytest.raises(ValueError, match=f"^{name}="):
        convex_bound(**arguments)


@pytest.mark.parametrize(
    ("formula", "name", "arguments"),
    [
        (convex_bound, "rates", {"rates": ["fast"]}),
        (convex_bound, "rates", {"rates": [[0.1], [0.1, 0.2]]}),
        (convex_bound, "D", {"rates": [0.1], "D": "1"}),
        (tuned_bound, "G", {"shape": [0.1], "G": None}),
        (tuned_bound, "shape", {"shape": ["steep"]}),
        (noisy_quadratic, "noise", {"rates": [0.1], "curvatures": [1], "noise": {}}),
        (noisy_quadratic, "curvatures", {"rates": [0.1], "curvatures": "1, 2", "noise": 0}),
        (
            noisy_quadratic,
            "momentum",
            {"rates": [0.1], "curvatures": [1], "noise": 0, "momentum": True},
        ),
    ],
)
def test_a_wrong_kind_is_named(formula, name, arguments):
    with pytest.raises(TypeError, match=f"^{name}=.*: must be a.* number.*, not "):
        formula(**arguments)


def test_a_quadratic_has_at_least_one_dimension():
    with pytest.raises(ValueError, match=r"^curvatures="):
        noisy_quadratic([0.1, 0.1], curvatures=[], noise=1.0)
