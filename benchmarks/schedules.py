"""Time per scalar call, per element of a long curve and per step(), beside other libraries.

The candidates of a table take turns, so that a busy machine slows all of them alike. The fastest
turn of each counts. Each ratio is to the first line of its table. The compiled forms of optax are
compiled before they are timed, and each call waits for its result.

    python benchmarks/schedules.py [turns]
"""

import logging
import math
import os
import sys
import tempfile
import timeit
import warnings
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("KERAS_BACKEND", "torch")
os.environ.setdefault("KERAS_HOME", tempfile.mkdtemp())
warnings.simplefilter("ignore")
logging.disable(logging.WARNING)

import jax  # noqa: E402
import keras  # noqa: E402
import numpy as np  # noqa: E402
import optax  # noqa: E402
import timm.scheduler  # noqa: E402
import torch  # noqa: E402
import transformers.optimization as transformers  # noqa: E402
from fvcore.common.param_scheduler import CosineParamScheduler  # noqa: E402
from ignite.handlers.param_scheduler import CosineAnnealingScheduler  # noqa: E402
from torch.optim import lr_scheduler  # noqa: E402

from coslr import Cosine  # noqa: E402
from coslr.pytorch import ScheduleLR  # noqa: E402

T_max, eta_max, eta_min = 1_000_000, 0.1, 1e-4
OURS = Cosine(T_max, eta_max, eta_min)
# A candidate is a function, timed as `call(t)`; or an expression; or an expression and its `call`.
Candidates = dict[str, Callable | str | tuple[str, Callable]]


def optimizer() -> torch.optim.Optimizer:
    """An optimizer with one parameter group, which never steps."""
    result = torch.optim.SGD([torch.zeros(1)], lr=eta_max)
    result._opt_called = True  # otherwise torch's schedulers warn that it never stepped
    return result


def scalar() -> Candidates:
    """One rate for one Python number."""
    base = "eta_min + 0.5 * (eta_max - eta_min) * (1 + math.cos(math.pi * t / T_max))"
    of_timm = timm.scheduler.CosineLRScheduler(optimizer(), T_max, lr_min=eta_min)
    of_transformers = transformers.get_cosine_with_min_lr_schedule_with_warmup(
        optimizer(), 0, T_max, min_lr=eta_min
    ).lr_lambdas[0]
    of_optax = optax.cosine_decay_schedule(eta_max, T_max, eta_min / eta_max)
    return {
        "bare math.cos, written inline": base,
        "coslr Cosine": OURS,
        "fvcore CosineParamScheduler": ("call(t / T_max)", CosineParamScheduler(eta_max, eta_min)),
        "timm CosineLRScheduler._get_lr": of_timm._get_lr,
        "transformers' factor": of_transformers,
        "optax cosine_decay_schedule": of_optax,
        "optax cosine_decay_schedule, jit": jax.jit(of_optax),
        "keras CosineDecay": keras.optimizers.schedules.CosineDecay(
            eta_max, T_max, eta_min / eta_max
        ),
    }


def curve() -> Candidates:
    """A million updates at once."""
    of_optax = optax.cosine_decay_schedule(eta_max, T_max, eta_min / eta_max)
    compiled, of_fvcore = jax.jit(of_optax), CosineParamScheduler(eta_max, eta_min)
    on_jax = jax.numpy.arange(T_max)

    def bare(t):
        return eta_min + 0.5 * (eta_max - eta_min) * (1 + np.cos(np.pi * t / T_max))

    return {
        "bare numpy formula": bare,
        "coslr Cosine": OURS,
        "optax, float32": lambda t: of_optax(on_jax).block_until_ready(),
        "optax, float32, jit": lambda t: compiled(on_jax).block_until_ready(),
        "fvcore, in a Python loop": lambda t: [of_fvcore(where) for where in t / T_max],
    }


def step() -> Candidates:
    """What a training loop calls after each update."""
    of_ignite = CosineAnnealingScheduler(optimizer(), "lr", eta_max, eta_min, T_max)
    of_timm = timm.scheduler.CosineLRScheduler(optimizer(), T_max, lr_min=eta_min)
    of_transformers = transformers.get_cosine_with_min_lr_schedule_with_warmup(
        optimizer(), 0, T_max, min_lr=eta_min
    )
    annealing = lr_scheduler.CosineAnnealingLR(optimizer(), T_max, eta_min)
    by_lambda = lr_scheduler.LambdaLR(optimizer(), Cosine(T_max, 1.0, eta_min / eta_max))
    scheduled = ScheduleLR(optimizer(), OURS)
    return {
        "torch CosineAnnealingLR": lambda t: annealing.step(),
        "coslr ScheduleLR": lambda t: scheduled.step(),
        "torch LambdaLR of our Cosine": lambda t: by_lambda.step(),
        "transformers, cosine": lambda t: of_transformers.step(),
        "timm CosineLRScheduler": of_timm.step,
        "ignite CosineAnnealingScheduler": lambda t: of_ignite(None),
    }


def fastest(candidates: Candidates, t, turns: int) -> dict[str, float]:
    """Seconds per call in the fastest turn; each turn takes about two hundredths of a second."""
    timers, calls = {}, {}
    for name, timed in candidates.items():
        if callable(timed):
            timed = "call(t)", timed
        expression, call = (timed, None) if isinstance(timed, str) else timed
        timers[name] = timeit.Timer(expression, globals=globals() | {"call": call, "t": t})
        timers[name].timeit(2)  # compile what is compiled at its first call
        calls[name] = max(1, int(0.02 / timers[name].timeit(1) / 2))
    least = dict.fromkeys(timers, math.inf)
    for _ in range(turns):
        for name, timer in timers.items():
            least[name] = min(least[name], timer.timeit(calls[name]) / calls[name])
    return least


def report(title: str, seconds: dict[str, float], per: int, limit: float) -> float:
    """Print one table and whether our line keeps its limit; return the seconds of our line."""
    first = next(iter(seconds.values()))
    print(f"\n{title:<36} [ns]      ratio")
    for name, value in seconds.items():
        print(f"  {name:<32} {value / per * 1e9:10.1f} {value / first:8.2f}")
    ours = seconds["coslr Cosine" if "coslr Cosine" in seconds else "coslr ScheduleLR"]
    print(f"  limit {limit:.1f}: {'kept' if ours <= limit * first else 'NOT KEPT'}")
    return ours


def main() -> None:
    """Print the three tables."""
    turns = int(sys.argv[1]) if len(sys.argv) > 1 else 25
    torch.set_num_threads(1)
    calls = fastest(scalar(), 333_333, turns)
    ours = report("one call with a Python number", calls, 1, 5.0)
    peers = {name: s for name, s in calls.items() if not name.startswith(("bare", "coslr"))}
    quickest = min(peers, key=peers.get)
    ratio = ours / peers[quickest]
    kept = "kept" if ratio <= 1.1 else "NOT KEPT"
    print(f"  beside the quickest other library, {quickest}: {ratio:.2f}; limit 1.1: {kept}")
    elements = fastest(curve(), np.arange(T_max), min(turns, 12))
    report("per element of a million updates", elements, T_max, 1.3)
    report("one step()", fastest(step(), 333_333, turns), 1, 0.6)


if __name__ == "__main__":
    main()
