"""A schedule drives a PyTorch optimizer.

``ScheduleLR`` writes learning rates into the optimizer. `coslr.audit.audit`, which can be imported
from here too, reads them inside ``optimizer.step``, so each of the two can catch a mistake of the
other.
"""

import json
import warnings
import weakref
from collections.abc import Sequence
from typing import Any

from coslr._arguments import require, whole
from coslr._optimizers import OptimizerWrapper, scaler_found_overflow, unwrapped
from coslr._optional import extra
from coslr.audit import AuditError, audit
from coslr.schedules import Schedule
from coslr.trace import RateFunction, Trace, checked_steps_per_unit, one_per_group

with extra("train"):
    import torch
    from torch.optim.lr_scheduler import LRScheduler

__all__ = ["AuditError", "ScheduleLR", "Trace", "audit"]


class ScheduleLR(LRScheduler):
    """A PyTorch scheduler whose rate at update k is ``schedule(k / steps_per_unit)``.

    Its only state is the counter k = ``last_epoch``. A run therefore resumes exactly, from the
    scheduler's ``state_dict`` (loaded before or after the optimizer's) or from `last_epoch` alone.
    The scheduler overwrites the optimizer's own `lr` from the first update on.

    Args:
        optimizer: any torch optimizer, or a wrapper that keeps one in ``.optimizer`` (Accelerate).
            A learning rate held in a tensor is filled in place.
        schedule: a schedule for all param groups, or a list of one per group. Any function from t
            to a rate works too, but ``load_state_dict`` recognises such a function only by its
            name.
        steps_per_unit: calls of ``step()`` in one unit of the schedule, above 0. Keep 1 if the
            schedule counts what you step: updates, or epochs if you step once an epoch. Pass
            ``len(loader)`` if the schedule counts epochs and you step at every update.
        last_epoch: index of the last update that is done, -1 for a new run. To continue a run after
            k updates, pass ``k - 1``.
        momentum: a schedule (or a list) for the `momentum` of SGD and RMSprop or for `betas[0]` of
            Adam, with values from 0 to below 1. None leaves both alone.
        only_after_update: count a call of ``step()`` only if the optimizer has made an update since
            the last one. Use it for gradient accumulation, and for GradScaler, which skips updates
            that overflow.

    Raises:
        TypeError, ValueError: an argument is wrong; the message names it and says what is right.

    Example:
        >>> from coslr import Cosine
        >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> scheduler = ScheduleLR(optimizer, Cosine(T_max=2, eta_max=0.1))
        >>> for _ in range(3):
        ...     print(round(scheduler.get_last_lr()[0], 6))
        ...     optimizer.step()
        ...     scheduler.step()
        0.1
        0.05
        0.0
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer | OptimizerWrapper,
        schedule: RateFunction | Sequence[RateFunction],
        *,
        steps_per_unit: float = 1,
        last_epoch: int = -1,
        momentum: RateFunction | Sequence[RateFunction] | None = None,
        only_after_update: bool = False,
    ):
        optimizer = unwrapped(optimizer)
        groups = optimizer.param_groups
        self.schedules = one_per_group("schedule", schedule, len(groups))
        self.momenta: list[RateFunction] = []
        if momentum is not None:
            self.momenta = one_per_group("momentum", momentum, len(groups))
            has_momentum = all("momentum" in group or "betas" in group for group in groups)
            must_be = "None, because this optimizer has neither momentum nor betas"
            require(has_momentum, "momentum", momentum, must_be)
        self.steps_per_unit = checked_steps_per_unit(steps_per_unit)
        must_be = "-1 for a new run, or the index of the last update that is done"
        last_epoch = whole("last_epoch", last_epoch, must_be, least=-1)
        self.only_after_update = bool(only_after_update)
        self._updated_since_step = not self.only_after_update
        self._inside_sequential_lr = False

        # torch requires `initial_lr` when a run goes on. We do not use it, but schedulers of torch
        # on the same optimizer start from it, so it must be the optimizer's own rate, not ours.
        for group in groups:
            lr = group["lr"]
            group.setdefault("initial_lr", lr.clone() if isinstance(lr, torch.Tensor) else lr)
        super().__init__(optimizer, last_epoch)
        self._register_hooks()

    def _register_hooks(self) -> None:
        """Let the optimizer report its loads and updates, as long as this scheduler is in use."""
        # A strong reference would keep a replaced scheduler alive, and it would go on writing.
        reference = weakref.ref(self)

        def after_load(_: torch.optim.Optimizer) -> None:
            if (scheduler := reference()) is not None:
                scheduler._reapply_after_load()

        def after_update(optimizer: torch.optim.Optimizer, *_: object) -> None:
            scheduler = reference()
            if scheduler is not None and not scaler_found_overflow(optimizer):
                scheduler._updated_since_step = True

        self.optimizer.register_load_state_dict_post_hook(after_load)
        if self.only_after_update:
            self.optimizer.register_step_post_hook(after_update)

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._register_hooks()  # copying and pickling an optimizer drop its hooks

    def get_lr(self) -> list[float | torch.Tensor]:
        """The rate of each param group at update ``last_epoch``."""
        t: float = self.last_epoch
        if self.steps_per_unit != 1:
            t = t / self.steps_per_unit
        if len(self.schedules) == 1:
            return [self.schedules[0](t)]
        return [schedule(t) for schedule in self.schedules]

    def step(self, epoch: int | None = None) -> None:
        """Set the rate for the next update; call it after ``optimizer.step()``.

        Args:
            epoch: jump to this update; None goes on to the next one. Older releases of torch's
                SequentialLR pass it.
        """
        if self.only_after_update:
            if not self._updated_since_step:
                return
            self._updated_since_step = False
        self._step_count += 1
        self._warn_if_optimizer_has_not_stepped()
        if epoch is not None:
            self._update_lr(epoch)
            return
        self.last_epoch += 1
        self._write_rates()

    def _update_lr(self, epoch: int | None = None) -> None:
        """Jump to update `epoch`: torch's SequentialLR calls this when our turn comes."""
        self._inside_sequential_lr = True
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        self._write_rates()

    def _warn_if_optimizer_has_not_stepped(self) -> None:
        if self._step_count == 2 and not getattr(self.optimizer, "_opt_called", False):
            warnings.warn(
                "scheduler.step() was called before optimizer.step(), so no update uses the "
                "schedule's first value. Call optimizer.step() first.",
                UserWarning,
                stacklevel=3,
            )

    def _initial_step(self) -> None:
        # torch calls this once, and a SequentialLR calls it again for its first scheduler.
        self._inside_sequential_lr = hasattr(self, "_last_lr")
        self._step_count = 1
        self.last_epoch += 1
        self._write_rates()

    def _write_rates(self) -> None:
        rates = self.get_lr()
        groups = self.optimizer.param_groups
        if len(groups) != len(rates):
            raise ValueError(
                f"optimizer: has {len(groups)} param groups, but had {len(rates)} when this "
                f"scheduler was built. Build a new one with last_epoch={self.last_epoch - 1}"
            )
        for group, rate in zip(groups, rates, strict=True):
            lr = group["lr"]
            # Ask for float first: isinstance with torch.Tensor takes a seventh of step()'s time.
            if type(lr) is not float and isinstance(lr, torch.Tensor):
                lr.fill_(rate)
            else:
                group["lr"] = rate
        self._last_lr = rates
        if self.momenta:
            self._write_momenta()

    def _write_momenta(self) -> None:
        t = self.last_epoch / self.steps_per_unit
        for group, momentum in zip(self.optimizer.param_groups, self.momenta, strict=True):
            value = momentum(t)
            require(0 <= value < 1, f"momentum({t:g})", value, "from 0 to below 1")
            if "momentum" in group:
                group["momentum"] = value
            else:
                group["betas"] = (value, *group["betas"][1:])

    def _reapply_after_load(self) -> None:
        """Write our rate again, because loading the optimizer's state restored its old rates.

        Inside a SequentialLR we leave the rate alone: only torch knows which scheduler is active,
        and those that wait for their turn are at -1.
        """
        if not self._inside_sequential_lr and self.last_epoch >= 0:
            self._write_rates()

    def state_dict(self) -> dict[str, float | str]:
        """The counter, and which schedule it belongs to: strings and numbers only."""
        return {
            "last_epoch": self.last_epoch,
            "_step_count": self._step_count,
            "steps_per_unit": self.steps_per_unit,
            "schedule": _as_json(self.schedules),
            "momentum": _as_json(self.momenta),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where `state_dict` was saved, and write that update's rate into the optimizer.

        Args:
            state_dict: what ``state_dict()`` returned, with the same schedule, momentum and
                `steps_per_unit` as this scheduler has.

        Raises:
            ValueError: the state belongs to another schedule, or to another kind of scheduler.
        """
        own = self.state_dict()
        missing = sorted(own.keys() - state_dict.keys())
        must_be = f"the state_dict of a ScheduleLR, which also has {missing}"
        require(not missing, "state_dict", state_dict, must_be)
        for name in ("schedule", "momentum", "steps_per_unit"):
            saved = state_dict[name]
            must_be = (
                f"{own[name]!r}, as in this scheduler. Build the scheduler with the saved one, or "
                "start with last_epoch= instead of loading"
            )
            require(_parsed(saved) == _parsed(own[name]), f"state_dict[{name!r}]", saved, must_be)
        # A SequentialLR leaves the schedulers that wait for their turn at -1.
        self._inside_sequential_lr = self._inside_sequential_lr or self.last_epoch < 0
        self.last_epoch = state_dict["last_epoch"]
        self._step_count = state_dict["_step_count"]
        self._reapply_after_load()


def _as_json(schedules: list[RateFunction]) -> str:
    """One string by which ``load_state_dict`` recognises the schedules that a state belongs to."""
    return json.dumps(
        [
            s.to_dict() if isinstance(s, Schedule) else getattr(s, "__qualname__", type(s).__name__)
            for s in schedules
        ],
        default=lambda value: type(value).__name__,  # a reader's schedule may hold anything
    )


def _parsed(value: float | str) -> object:
    """A description as Python values, in which 50 and 50.0 are equal; numbers stay as they are."""
    return json.loads(value) if isinstance(value, str) else value
