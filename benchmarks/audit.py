"""Time of one optimizer step under the audit, beside the same step without it.

AdamW updates 100,000 parameters in 20 tensors, as in a small network. The candidates take turns, so
that a slow moment of the machine slows all of them alike, and the fastest turn of each counts. Each
ratio is to the bare step.

    python benchmarks/audit.py [turns]
"""

import contextlib
import math
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from coslr import Constant, warmup
from coslr.pytorch import audit

TENSORS, SIZE = 20, 5000
STEPS = 10  # in one turn: short, so that some turns are undisturbed
LIMIT = 1.2


def optimizer() -> torch.optim.Optimizer:
    """AdamW with gradients, and with its state already made."""
    weights = [torch.randn(SIZE, requires_grad=True) for _ in range(TENSORS)]
    for weight in weights:
        weight.grad = torch.randn(SIZE)
    result = torch.optim.AdamW(weights, lr=1e-3, weight_decay=0.01)
    result.step()
    return result


def seconds(adamw: torch.optim.Optimizer, closure: object) -> float:
    """Processor seconds of one step, over a turn of them."""
    begin = time.process_time()
    for _ in range(STEPS):
        adamw.step(closure)
    return (time.process_time() - begin) / STEPS


def main() -> None:
    """Print one table, and whether the audit keeps its limit."""
    turns = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    torch.set_num_threads(1)
    # A composed schedule, so that a call of it takes its usual time; the rate in force is its own.
    rate = warmup(Constant(1e-3), updates=1, start=1e-3)
    plan = {"lr": rate, "weight_decay": Constant(0.01), "momentum": Constant(0.9)}
    watched = {
        "bare AdamW.step()": None,
        "audit(optimizer), which records": (None,),
        "audit(optimizer, schedule)": (rate,),
        "audit of rate, decay and momentum": (plan,),
    }
    with contextlib.ExitStack() as audits:
        optimizers = {}
        for name, arguments in watched.items():
            optimizers[name] = optimizer()
            if arguments is not None:
                audits.enter_context(audit(optimizers[name], *arguments))
        candidates = {name: (adamw, None) for name, adamw in optimizers.items()}
        candidates["the same, with a closure"] = (optimizers[name], lambda: 0.0)
        least = dict.fromkeys(candidates, math.inf)
        for _ in range(turns):
            for name, (adamw, closure) in candidates.items():
                least[name] = min(least[name], seconds(adamw, closure))

    bare = next(iter(least.values()))
    print(f"\n{TENSORS * SIZE:,} parameters in {TENSORS} tensors      [µs]    ratio")
    for name, value in least.items():
        print(f"  {name:<34} {value * 1e6:8.1f} {value / bare:8.2f}")
    worst = max(least.values()) / bare
    print(f"  limit {LIMIT}: {'kept' if worst <= LIMIT else 'NOT KEPT'}")


if __name__ == "__main__":
    main()
