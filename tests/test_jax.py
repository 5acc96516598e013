"""The schedules compute on JAX's arrays and tracers, although coslr never imports jax."""

import math
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from coslr import (
    WSD,
    Constant,
    Cosine,
    Cyclical,
    Exponential,
    InverseSqrt,
    Linear,
    OneCycle,
    Polynomial,
    Schedule,
    Step,
    join,
    warmup,
)
from tests.test_schedules import EXAMPLES, Doubled, DoubledCall, mixed

each = pytest.mark.parametrize("schedule", EXAMPLES, ids=repr)

UPDATES = np.arange(-5, 130)
PEAK = 0.2  # the highest rate in EXAMPLES
FLOAT32 = {"rtol": 2e-6, "atol": 2e-7 * PEAK}
FLOAT64 = {"rtol": 1e-12, "atol": 1e-14}


@each
def test_jit_and_vmap(schedule):
    right = schedule(UPDATES)
    whole, one_by_one = jax.jit(schedule), jax.jit(jax.vmap(schedule))
    floats = jnp.asarray(UPDATES, dtype=jnp.float32)
    for rates in (whole(jnp.asarray(UPDATES)), one_by_one(floats)):
        assert isinstance(rates, jax.Array)
        assert rates.shape == right.shape
        assert rates.dtype == jnp.float32
        np.testing.assert_allclose(rates, right, **FLOAT32)


def test_without_jit():
    for schedule in EXAMPLES[1:3]:
        rates = schedule(jnp.arange(60))
        assert isinstance(rates, jax.Array)
        np.testing.assert_allclose(rates, schedule(np.arange(60)), **FLOAT32)
        assert schedule(jnp.asarray(7)).shape == ()


@each
def test_float64_where_jax_is_told_to(schedule):
    with jax.enable_x64(True):
        rates = jax.jit(schedule)(jnp.asarray(UPDATES))
        assert rates.dtype == jnp.float64
        np.testing.assert_allclose(rates, schedule(UPDATES), **FLOAT64)


@each
def test_grad_is_the_slope(schedule):
    t = np.arange(0.25, 60) + 0.3  # between updates, where no example has a corner
    h = 1e-4
    slope = (schedule(t + h) - schedule(t - h)) / (2 * h)
    with jax.enable_x64(True):
        found = jax.jit(jax.vmap(jax.grad(schedule)))(jnp.asarray(t))
    np.testing.assert_allclose(found, slope, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize(
    "schedule",
    [
        Cosine(50, 0.1),
        Exponential(50, 0.1, 0.01),
        InverseSqrt(50, 0.1),
        Linear(50, 0.1),
        Polynomial(50, 0.1),
        Polynomial(50, 0.1, power=0.5),
        WSD(50, 20, 0.1, shape="sqrt"),
    ],
    ids=repr,
)
def test_grad_is_finite_outside_and_zero(schedule):
    t = jnp.array([-1e9, -1.0, 51.0, 1e9])
    slopes = jax.jit(jax.vmap(jax.grad(schedule)))(t)
    assert jnp.isfinite(slopes).all()
    assert (slopes[:2] == 0).all()
    assert schedule.length == math.inf or (slopes[2:] == 0).all()


@pytest.mark.parametrize("T_max", [7, 49, 50, 93, 199, 1000, 1e5])
def test_a_fractional_power_ends_at_its_floor(T_max):
    """JAX's compiler turns t / T_max into t * (1 / T_max), and 1 minus that can be negative."""
    t = jnp.array([T_max - 1, T_max, T_max + 1])
    for double in (False, True):
        with jax.enable_x64(double):
            rates = jax.jit(Polynomial(T_max, 0.1, 0.001, power=0.9))(t)
            assert rates[0] > rates[1]
            assert (rates[1:] == jnp.asarray(0.001, rates.dtype)).all()


@pytest.mark.slow
@each
@pytest.mark.parametrize("mixin", [Doubled, DoubledCall])
def test_a_mixin_changes_jax_s_arrays_too(schedule, mixin):
    mine = mixed(schedule, mixin, type(schedule))
    for whole in (mine, warmup(mine, 3), join([mine, mine], [7])):
        rates = jax.jit(whole)(jnp.asarray(UPDATES))
        np.testing.assert_allclose(rates, [whole(t) for t in UPDATES.tolist()], **FLOAT32)


def test_a_schedule_of_one_s_own_computes_with_jax():
    @dataclass(frozen=True)
    class Mine(Schedule):
        def formula(self, t, xp):
            return xp.where(t < 50, 0.1 * xp.sin(xp.minimum(t, 50) / 20) ** 2, 0.0)

    rates = jax.jit(Mine())(jnp.asarray(UPDATES))
    np.testing.assert_allclose(rates, Mine()(UPDATES), **FLOAT32)


@pytest.mark.parametrize("schedule", [EXAMPLES[8], EXAMPLES[16], EXAMPLES[20]], ids=repr)
def test_a_stretched_schedule_computes_with_jax(schedule):
    for one in (schedule, mixed(schedule, Doubled, type(schedule))):
        stretched = one.stretch(2.5)
        rates = jax.jit(stretched)(jnp.asarray(UPDATES))
        np.testing.assert_allclose(rates, stretched(UPDATES), **FLOAT32)


@each
def test_drives_optax(schedule):
    """Plain SGD on w²/2 has the gradient w, so each step is -rate times w."""
    optimizer = optax.sgd(learning_rate=schedule)

    def update(carry, _):
        w, state = carry
        step, state = optimizer.update(w, state)
        return (optax.apply_updates(w, step), state), -step / w

    start = jnp.float32(1.0)
    run = jax.jit(lambda: jax.lax.scan(update, (start, optimizer.init(start)), length=60))
    (w, _), rates = run()
    right = schedule(np.arange(60))
    np.testing.assert_allclose(rates, right, **FLOAT32)
    assert float(w) == pytest.approx(np.prod(1 - right), rel=1e-4)


def test_jax_is_never_imported():
    program = """
import sys, numpy, coslr
schedule = coslr.warmup(coslr.CosineWarmRestarts(10, 0.1, T_mult=2), 5)
schedule(3), schedule(numpy.arange(100)), coslr.join([schedule, schedule], [9])([1, 2])
print([name for name in ("jax", "jaxlib", "optax") if name in sys.modules])
"""
    root = Path(__file__).resolve().parents[1]
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True
    )
    assert result.stdout.strip() == "[]", result.stderr


@pytest.mark.parametrize(
    "schedule",
    [
        Cosine(3 * 10**9, 0.1),
        warmup(Cosine(100, 0.1), 3 * 10**9),
        WSD(6 * 10**9, 3 * 10**9, 0.1),
        Cyclical(2**30, 0.1),
        OneCycle(10**10, 0.1, peak=3 * 10**9),
        join([Constant(0.1), Cosine(10, 0.1)], [3 * 10**9]),
        Step(3 * 10**9, 0.1),
    ],
    ids=repr,
)
def test_a_budget_may_be_in_tokens(schedule):
    found = jax.jit(schedule)(jax.numpy.asarray(1e9))
    assert float(found) == pytest.approx(schedule(1e9), rel=1e-5)
