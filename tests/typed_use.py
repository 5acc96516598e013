"""A program as a reader may write it. mypy --strict checks it with the module; nobody runs it."""

from dataclasses import dataclass
from typing import assert_type

import numpy as np
import torch
from numpy.typing import NDArray

from coslr import Constant, Cosine, MultiStep, Schedule, from_dict, join, warmup
from coslr.experiments.studies import Study, run
from coslr.experiments.trials import Split, grid
from coslr.pytorch import ScheduleLR, audit
from coslr.schedules import ArrayNamespace, Rate, Time


def rates(schedule: Schedule, updates: int) -> NDArray[np.float64]:
    """Numbers give numbers, and arrays arrays."""
    assert_type(schedule(0), float)
    assert_type(schedule.length, float)
    assert_type(Hyperbolic(100, eta_max=0.1)(0), float)
    assert_type(Cosine(100, eta_max=0.1)(np.arange(updates)), NDArray[np.float64])
    return schedule(np.arange(updates))


@dataclass(frozen=True)
class Hyperbolic(Schedule):
    """A schedule of the reader's own, with types."""

    timescale: float
    eta_max: float

    def formula(self, t: Time, xp: ArrayNamespace) -> Rate:
        return self.eta_max / (1 + xp.maximum(t, 0) / self.timescale)


def train(model: torch.nn.Module, updates: int) -> list[float]:
    """The lines of the README."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    schedule = Cosine(T_max=updates, eta_max=0.1, eta_min=1e-4)
    assert_type(schedule(1), float)
    scheduler = ScheduleLR(optimizer, warmup(schedule, 5))
    with audit(optimizer, schedule) as trace:
        optimizer.step()
        scheduler.step()
    assert_type(rates(from_dict(schedule.to_dict()), updates), NDArray[np.float64])
    return trace.rates


def study() -> Study:
    """Lists where sequences are asked for."""
    stairs = join([Constant(0.1), MultiStep([30, 45], eta_max=0.1)], boundaries=[10])
    return run(grid({"stairs": lambda eta, updates: stairs}, [0.1], seeds=[0], data=Split()))
