"""optax: a schedule is an ordinary optax schedule; inject_hyperparams keeps the rate in force."""

import jax
import jax.numpy as jnp
import optax

from coslr import Cosine, warmup
from coslr.trace import Trace

updates = 200
schedule = warmup(Cosine(T_max=updates - 20, eta_max=0.1, eta_min=0.01), updates=20)
optimizer = optax.inject_hyperparams(optax.adamw)(learning_rate=schedule)


@jax.jit
def update(w, state, x, y):
    """One update of a linear model."""
    gradient = jax.grad(lambda w: jnp.mean((x @ w - y) ** 2))(w)
    change, state = optimizer.update(gradient, state, w)
    return optax.apply_updates(w, change), state


x, y = jax.random.normal(jax.random.key(0), (32, 20)), jnp.ones(32)
w = jnp.zeros(20)
state = optimizer.init(w)
rates = []
for _ in range(updates):
    w, state = update(w, state, x, y)
    rates.append(float(state.hyperparams["learning_rate"]))  # that of the update just done

Trace([rates]).check(schedule)
print(f"{len(rates)} updates, all at the schedule's rate")
