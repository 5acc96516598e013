"""What the audit and ScheduleLR need to know about torch's optimizers."""

from typing import Protocol

from coslr._arguments import require_type
from coslr._optional import extra

with extra("train"):
    import torch


class OptimizerWrapper(Protocol):
    """An object that keeps the real optimizer, or the next wrapper around it."""

    @property
    def optimizer(self) -> "torch.optim.Optimizer | OptimizerWrapper": ...


def unwrapped(optimizer: torch.optim.Optimizer | OptimizerWrapper) -> torch.optim.Optimizer:
    """The optimizer inside all wrappers, because only that one runs hooks."""
    # Look for `.optimizer` first: Accelerate's wrapper is itself an instance of Optimizer.
    while hasattr(optimizer, "optimizer"):
        optimizer = optimizer.optimizer
    must_be = "a torch.optim.Optimizer, or a wrapper that keeps one in .optimizer"
    require_type(isinstance(optimizer, torch.optim.Optimizer), "optimizer", optimizer, must_be)
    return optimizer


def scaler_found_overflow(optimizer: torch.optim.Optimizer) -> bool:
    """Whether this call of ``step`` changes nothing, because GradScaler found an overflow.

    GradScaler does not call other optimizers then. It does call a fused one, and tells it what it
    found in ``found_inf``, an attribute that exists only during that call.
    """
    overflow = getattr(optimizer, "found_inf", None)
    return overflow is not None and bool(overflow)
