"""What the audit and ScheduleLR share: what they know of torch's optimizers, and `value_at`."""

import contextlib
import functools
import math
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Protocol, cast

import numpy as np

from coslr._arguments import number, require_type
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
    # Lookahead of timm is an Optimizer that skips Optimizer.__init__, so torch runs no hook for it.
    must_be = (
        "an optimizer for which torch runs hooks. Pass the one inside it, often its "
        ".base_optimizer or ._base_optimizer"
    )
    runs_hooks = hasattr(optimizer, "_optimizer_load_state_dict_pre_hooks")
    require_type(runs_hooks, "optimizer", optimizer, must_be)
    return cast(torch.optim.Optimizer, optimizer)


def require_rate(group: dict[str, Any]) -> None:
    """Refuse a param group that has no rate of its own, as Adafactor's with a relative step."""
    rate = group.get("lr")
    must_be = "a number or a tensor of floats, in every param group"
    require_type(hasattr(rate, "__float__"), "optimizer's lr", rate, must_be)


def value_at(name: str, function: Callable[[float], Any], update: int, right: str) -> float:
    """A schedule's value as a float, which nothing can change any more.

    Args:
        name: of the schedule.
        function: of the update, at which it may give a tensor or an array of one value.
        update: its index.
        right: what the value must be, as in `require`.
    """
    try:
        value = function(update)
    except LookupError as error:
        message = f"{name}: has no value at update {update} ({error!r}); is its table too short?"
        raise ValueError(message) from error
    if type(value) is float and math.isfinite(value):
        return value
    if isinstance(value, torch.Tensor | np.ndarray) and math.prod(value.shape) == 1:
        value = value.item()
    return float(number(f"{name} at update {update}", value, right))


def scaler_found_overflow(optimizer: torch.optim.Optimizer) -> bool:
    """Whether this call of ``step`` changes nothing, because GradScaler found an overflow.

    GradScaler does not call other optimizers then. It does call a fused one, and tells it what it
    found in ``found_inf``, an attribute that exists only during that call.
    """
    overflow = getattr(optimizer, "found_inf", None)
    return overflow is not None and bool(overflow)


def closure_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The closure among the arguments of ``step``, of which the optimizer is the first, or None."""
    return args[1] if len(args) > 1 else kwargs.get("closure")


def only_initialises(
    optimizer: torch.optim.Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> bool:
    """Whether this call of ``step`` only creates the optimizer's state; ask before it runs.

    torch.distributed.checkpoint calls ``step`` once with every rate and every gradient at 0, so
    that there is a state to load into. The weights stay as they are. Other libraries have copies of
    its function, which call ``step(closure=None)`` as it does.

    An update of a training loop may have a rate of 0 and zero gradients too: at the start of a
    warm-up, or at the end of a schedule, with a loss that is 0. So these two prove nothing by
    themselves: the call must come from torch's function, or name a closure of None, as loops do
    not.
    """
    if optimizer.state or closure_of(args, kwargs) is not None:
        return False
    if any(group.get("lr") != 0 for group in optimizer.param_groups):
        return False
    if not ("closure" in kwargs or _called_by_torch_s_checkpoint()):
        return False
    trained = [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
    return bool(trained) and not any(
        p.grad is None or p.grad.is_sparse or bool(p.grad.any()) for p in trained
    )


def _called_by_torch_s_checkpoint() -> bool:
    """Whether torch.distributed.checkpoint is creating an optimizer's state at the moment.

    A wrapper that it calls, such as Accelerate's, may pass its ``closure=None`` on in another form.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__")
        if (module, frame.f_code.co_name) == _CREATES_STATE:
            return True
        frame = frame.f_back
    return False


# A private function of torch: where a release renames it, the form of its call is left.
_CREATES_STATE = ("torch.distributed.checkpoint.state_dict", "_init_optim_state")


def uses_instead_of_rate(optimizer: torch.optim.Optimizer) -> str:
    """What an optimizer of torch uses in place of the rate in its param groups; "" for most."""
    if isinstance(optimizer, torch.optim.ASGD):
        return "a rate that it derives from lr and lets decay (its eta)"
    if isinstance(optimizer, torch.optim.Rprop):
        return "step sizes of its own, which only begin at lr"
    decays = any(group.get("lr_decay", 0) != 0 for group in optimizer.param_groups)
    if isinstance(optimizer, torch.optim.Adagrad) and decays:
        return "lr / (1 + lr_decay * update)"
    return ""


def steps_with_torch_s_code(optimizer: torch.optim.Optimizer) -> bool:
    """Whether ``step`` is torch's own, which leaves the rates alone and calls the closure first.

    The code of others may do anything: set a rate of its own before the update, for instance.
    """
    owner = next(kind for kind in type(optimizer).__mro__ if "step" in vars(kind))
    return owner.__module__.startswith("torch.optim.")


def reads_rate_before_closure(optimizer: torch.optim.Optimizer) -> bool:
    """Whether ``step`` takes the rate before it calls the closure. Only LBFGS does.

    It keeps what the group held then. A number stays what it was, whatever the closure writes. A
    tensor stays the same tensor, which the closure may fill with another rate.
    """
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


@contextlib.contextmanager
def around_parents_steps(
    optimizer: torch.optim.Optimizer, before: Callable[[], None], after: Callable[[], None]
) -> Iterator[None]:
    """Call two functions around every ``step`` of a parent class that the optimizer's own calls.

    torch runs hooks for the ``step`` of a class once an optimizer of just this class was built. So
    for a parent's it depends on the rest of the program whether hooks run. The hooks of others stay
    as they are here: a hook that began to run twice in each update would change the training.
    """
    for kind in type(optimizer).__mro__[1:]:
        step = vars(kind).get("step")
        if kind is torch.optim.Optimizer or not callable(step):
            continue
        if not (getattr(step, "hooked", False) or getattr(step, "tells", False)):
            kind.step = _telling(step)  # type: ignore[attr-defined]
    told = vars(optimizer).setdefault("_told_of_parents_steps", [])
    told.append((before, after))
    try:
        yield
    finally:
        told.remove((before, after))


def _telling(step: Callable[..., Any]) -> Callable[..., Any]:
    """The ``step`` of a class, which also tells those who listen to its optimizer."""

    @functools.wraps(step)
    def telling(self: torch.optim.Optimizer, *args: Any, **kwargs: Any) -> Any:
        told = list(getattr(self, "_told_of_parents_steps", ()))
        for before, _ in told:
            before()
        result = step(self, *args, **kwargs)
        for _, after in told:
            after()
        return result

    telling.tells = True  # type: ignore[attr-defined]
    return telling
