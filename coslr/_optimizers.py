"""What the audit and ScheduleLR need to know about torch's optimizers."""

import sys
from typing import Protocol, cast

from coslr._arguments import require_type
from coslr._optional import extra

with extra("train"):
    import torch

MOST_WRAPPERS = 10  # an object that answers to every name has an `.optimizer` without end


class OptimizerWrapper(Protocol):
    """An object that keeps the real optimizer, or the next wrapper around it."""

    @property
    def optimizer(self) -> "torch.optim.Optimizer | OptimizerWrapper": ...


def unwrapped(optimizer: torch.optim.Optimizer | OptimizerWrapper) -> torch.optim.Optimizer:
    """The optimizer inside all wrappers, because only that one runs hooks."""
    # Look for `.optimizer` first: Accelerate's wrapper is itself an instance of Optimizer.
    for _ in range(MOST_WRAPPERS):
        if not hasattr(optimizer, "optimizer"):
            break
        optimizer = optimizer.optimizer
    must_be = "a torch.optim.Optimizer, or a wrapper that keeps one in .optimizer"
    require_type(isinstance(optimizer, torch.optim.Optimizer), "optimizer", optimizer, must_be)
    return cast(torch.optim.Optimizer, optimizer)


def scaler_found_overflow(optimizer: torch.optim.Optimizer) -> bool:
    """Whether this call of ``step`` changes nothing, because GradScaler found an overflow.

    GradScaler does not call other optimizers then. It does call a fused one, and tells it what it
    found in ``found_inf``, an attribute that exists only during that call.
    """
    overflow = getattr(optimizer, "found_inf", None)
    return overflow is not None and bool(overflow)


def only_initialises(optimizer: torch.optim.Optimizer) -> bool:
    """Whether this call of ``step`` can only create the optimizer's state.

    torch.distributed.checkpoint calls ``step`` once with every rate and every gradient at 0, so
    that there is a state to load into. The weights stay as they are.
    """
    if any(group["lr"] != 0 for group in optimizer.param_groups):
        return False
    trained = [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
    return bool(trained) and not any(
        p.grad is None or p.grad.is_sparse or bool(p.grad.any()) for p in trained
    )


def steps_with_torch_s_code(optimizer: torch.optim.Optimizer) -> bool:
    """Whether ``step`` is torch's own, which leaves the rates alone and calls the closure first.

    The code of others may do anything: set a rate of its own before the update, for instance.
    """
    owner = next(kind for kind in type(optimizer).__mro__ if "step" in vars(kind))
    return owner.__module__.startswith("torch.optim.")


def reads_rate_before_closure(optimizer: torch.optim.Optimizer) -> bool:
    """Whether the update uses the rate as it was before the closure ran. Only LBFGS does."""
    return isinstance(optimizer, torch.optim.LBFGS)


def called_by_a_subclass(optimizer: torch.optim.Optimizer) -> bool:
    """Whether the current ``step`` was called by the ``step`` of a subclass.

    torch runs the hooks for both calls, but they make one update. Call this in a hook itself, not
    in a function that a hook calls.
    """
    # From here: the hook that called us, and then the function of torch's that runs the hooks.
    runs_hooks = sys._getframe(2)
    outer = runs_hooks.f_back
    while outer is not None:
        if outer.f_code is runs_hooks.f_code and outer.f_locals.get("self") is optimizer:
            return True
        outer = outer.f_back
    return False
