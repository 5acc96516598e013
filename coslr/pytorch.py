"""A schedule driving a PyTorch optimizer, and the audit that reads what the optimizer really used.

``ScheduleLR`` writes learning rates; ``audit`` reads them, inside ``optimizer.step`` and knowing
nothing of any scheduler. Neither trusts the other.
"""

import contextlib
import json
import math
import numbers
import sys
import warnings
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.optim.lr_scheduler import LRScheduler

from coslr.schedules import Schedule

Rate = Callable[[float], float]


class ScheduleLR(LRScheduler):
    """A real ``LRScheduler`` whose rate at update k is ``schedule(k / steps_per_unit)``.

    Its only state is the counter k = ``last_epoch``, so that it resumes exactly: from its
    ``state_dict``, loaded before or after the optimizer's, or from `last_epoch` alone. The
    optimizer's own `lr` is overwritten from the first update on.

    Args:
        optimizer: any torch optimizer, or a wrapper that keeps one in ``.optimizer`` (Accelerate).
            Learning rates held in tensors are filled in place.
        schedule: a schedule for all param groups, or a list of one per group. Any function from t
            to a rate is taken as well; only the schedules of ``coslr`` can be recognised in a
            state_dict.
        steps_per_unit: calls of ``step()`` in one unit of the schedule. 1 where the schedule counts
            what you step (updates, or epochs if you step once an epoch); ``len(loader)`` where the
            schedule is written in epochs and stepped at every update.
        last_epoch: the update whose rate was the last in force, -1 for a new run. After k updates
            of an earlier run, ``last_epoch=k - 1`` goes on with update k.
        momentum: a schedule (or list) for SGD's and RMSprop's `momentum` or Adam's `betas[0]`, if
            it should move too.
        only_after_update: ``step()`` counts only if the optimizer has stepped since the last call.
            For gradient accumulation, and for GradScaler, which skips updates that overflow.

    Raises:
        TypeError, ValueError: the argument, its value, and what would be right.

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
        optimizer: torch.optim.Optimizer,
        schedule: Rate | list[Rate],
        *,
        steps_per_unit: float = 1,
        last_epoch: int = -1,
        momentum: Rate | list[Rate] | None = None,
        only_after_update: bool = False,
    ):
        optimizer = _unwrapped(optimizer)
        groups = optimizer.param_groups
        self.schedules = _per_group("schedule", schedule, len(groups))
        self.momenta = None if momentum is None else _per_group("momentum", momentum, len(groups))
        if self.momenta and not all("momentum" in g or "betas" in g for g in groups):
            raise ValueError("momentum: this optimizer has neither momentum nor betas to schedule")
        self.steps_per_unit = _units(steps_per_unit)
        if isinstance(last_epoch, bool) or not isinstance(last_epoch, int) or last_epoch < -1:
            raise ValueError(f"last_epoch={last_epoch!r}: must be -1, or the last update done")
        self.only_after_update = bool(only_after_update)
        self._updated = True
        self._in_sequence = False
        self._described = _describe(self.schedules), _describe(self.momenta)

        # torch asks for `initial_lr` when a run goes on. It is not used here, but torch's own
        # schedulers beside this one take their rates from it: so it is the optimizer's.
        for group in groups:
            lr = group["lr"]
            group.setdefault("initial_lr", lr.clone() if isinstance(lr, torch.Tensor) else lr)
        super().__init__(optimizer, last_epoch)
        self._updated = not self.only_after_update
        self._listen()

    def _listen(self) -> None:
        """Hear of the optimizer's loads and updates, for as long as this scheduler is in use."""
        me = weakref.ref(self)

        # An optimizer's state brings the rates of its day: write ours again, in any load order.
        def loaded(_: torch.optim.Optimizer) -> None:
            if (scheduler := me()) is not None:
                scheduler._rewrite()

        def stepped(optimizer: torch.optim.Optimizer, *_: Any) -> None:
            if (scheduler := me()) is not None:
                scheduler._note_update(optimizer)

        self.optimizer.register_load_state_dict_post_hook(loaded)
        if self.only_after_update:
            self.optimizer.register_step_post_hook(stepped)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._listen()  # a copied optimizer has no hooks

    def get_lr(self) -> list[Any]:
        """The rate of each param group at update ``last_epoch``."""
        t: float = self.last_epoch
        if self.steps_per_unit != 1:
            t = t / self.steps_per_unit
        if len(self.schedules) == 1:
            return [self.schedules[0](t)]
        return [rate(t) for rate in self.schedules]

    def step(self, epoch: int | None = None) -> None:
        """Go on to the next update's rate; call it after ``optimizer.step()``."""
        if self.only_after_update:
            if not self._updated:
                return
            self._updated = False
        self._step_count += 1
        self._check_order()
        if epoch is not None:
            self._update_lr(epoch)
            return
        self.last_epoch += 1
        self._write()

    def _update_lr(self, epoch: int | None = None) -> None:
        """Jump, as torch's SequentialLR does when the turn of this scheduler comes."""
        self._in_sequence = True
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        self._write()

    def _check_order(self) -> None:
        if self._step_count == 2 and not getattr(self.optimizer, "_opt_called", False):
            warnings.warn(
                "scheduler.step() was called before optimizer.step(): the schedule's first value "
                "is skipped. Call optimizer.step() first.",
                UserWarning,
                stacklevel=3,
            )

    def _initial_step(self) -> None:
        self._in_sequence = hasattr(self, "_last_lr")  # SequentialLR repeats it for its first one
        self._step_count = 1
        self.last_epoch += 1
        self._write()

    def _write(self) -> None:
        rates = self.get_lr()
        groups = self.optimizer.param_groups
        if len(groups) != len(rates):
            raise ValueError(
                f"optimizer: has {len(groups)} param groups, but had {len(rates)} when this "
                f"scheduler was built: build it anew, with last_epoch={self.last_epoch - 1}"
            )
        for group, rate in zip(groups, rates, strict=True):
            lr = group["lr"]
            if type(lr) is float or not isinstance(lr, torch.Tensor):
                group["lr"] = rate
            else:
                lr.fill_(rate)
        self._last_lr = rates
        if self.momenta:
            self._write_momenta(self.momenta)

    def _write_momenta(self, momenta: list[Rate]) -> None:
        t = self.last_epoch / self.steps_per_unit
        for group, momentum in zip(self.optimizer.param_groups, momenta, strict=True):
            value = momentum(t)
            if not 0 <= value < 1:
                raise ValueError(f"momentum: is {value!r} at {t:g}, and must be from 0 to below 1")
            if "momentum" in group:
                group["momentum"] = value
            else:
                group["betas"] = (value, *group["betas"][1:])

    def _rewrite(self) -> None:
        """Write after a load, but not in a SequentialLR: who has the turn, only torch knows there.

        It leaves the rate to the optimizer's state, and its schedulers wait for their turn at -1.
        """
        if not self._in_sequence and self.last_epoch >= 0:
            self._write()

    def _note_update(self, optimizer: torch.optim.Optimizer) -> None:
        self._updated = self._updated or not _skips(optimizer)

    def state_dict(self) -> dict[str, Any]:
        """The counter, and which schedule it belongs to: strings and numbers only."""
        schedule, momentum = self._described
        return {
            "last_epoch": self.last_epoch,
            "_step_count": self._step_count,
            "steps_per_unit": self.steps_per_unit,
            "schedule": schedule,
            "momentum": momentum,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where `state_dict` was saved, and write that update's rate into the optimizer.

        Raises:
            ValueError: the state was saved under another schedule, or is no ScheduleLR's.
        """
        here = self.state_dict()
        missing = here.keys() - state_dict.keys()
        if missing:
            raise ValueError(
                f"state_dict={state_dict!r}: must be a ScheduleLR's, and lacks {sorted(missing)}"
            )
        for name in ("schedule", "momentum", "steps_per_unit"):
            if _values(state_dict[name]) != _values(here[name]):  # 50 and 50.0 are one length
                raise ValueError(
                    f"state_dict was saved with {name}={state_dict[name]!r}, but this scheduler "
                    f"has {here[name]!r}: build it with the same one, or begin with last_epoch="
                )
        self._in_sequence = self._in_sequence or self.last_epoch < 0
        self.last_epoch = state_dict["last_epoch"]
        self._step_count = state_dict["_step_count"]
        self._rewrite()


def _unwrapped(optimizer: Any) -> torch.optim.Optimizer:
    """The optimizer inside wrappers that keep it in ``.optimizer``: only it has working hooks."""
    while hasattr(optimizer, "optimizer"):  # Accelerate's wrapper is an Optimizer by its class
        optimizer = optimizer.optimizer
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise TypeError(f"optimizer={optimizer!r}: must be a torch.optim.Optimizer")
    return optimizer


def _skips(optimizer: torch.optim.Optimizer) -> bool:
    """Whether GradScaler found an overflow: a fused optimizer is called then, and does nothing."""
    overflow = getattr(optimizer, "found_inf", None)  # there only while GradScaler calls it
    return overflow is not None and bool(overflow)


def _inner(optimizer: torch.optim.Optimizer) -> bool:
    """Whether a subclass's ``step`` called its parent's: torch runs the hooks for each of them."""
    around = sys._getframe(2)  # the function of torch's that runs the hooks, and then the step
    outer = around.f_back
    while outer is not None:
        if outer.f_code is around.f_code and outer.f_locals.get("self") is optimizer:
            return True
        outer = outer.f_back
    return False


def _per_group(name: str, schedule: Any, groups: int) -> list[Rate]:
    if isinstance(schedule, list | tuple):
        if len(schedule) != groups:
            raise ValueError(
                f"{name}: must be one schedule, or one for each of the {groups} param groups, "
                f"got {len(schedule)}"
            )
        schedules = list(schedule)
    else:
        schedules = [schedule] * groups
    for one in schedules:
        if isinstance(one, type) or not callable(one):
            raise TypeError(f"{name}={one!r}: must be a schedule such as Cosine(50, eta_max=0.1)")
    return schedules


def _units(steps_per_unit: Any) -> float:
    right = "a finite number above 0, such as len(loader)"
    if isinstance(steps_per_unit, bool) or not isinstance(steps_per_unit, numbers.Real):
        raise TypeError(f"steps_per_unit={steps_per_unit!r}: must be {right}")
    given: Any = steps_per_unit  # a state_dict should hold no numbers of numpy's
    value: float = int(given) if isinstance(given, numbers.Integral) else float(given)
    if not 0 < value < math.inf:
        raise ValueError(f"steps_per_unit={steps_per_unit!r}: must be {right}")
    return value


def _describe(schedules: list[Rate] | None) -> str:
    """One string by which a state_dict recognises its schedules."""
    return json.dumps(
        [
            s.to_dict() if isinstance(s, Schedule) else getattr(s, "__qualname__", type(s).__name__)
            for s in schedules or []
        ],
        default=lambda value: type(value).__name__,  # what a schedule of the reader's may hold
    )


def _values(described: Any) -> Any:
    return json.loads(described) if isinstance(described, str) else described


# -------------------------------------------------------------------------------- the audit


class AuditError(AssertionError):
    """A learning rate in force was not the schedule's."""


@dataclass
class Trace:
    """What an audit recorded.

    Attributes:
        rates: the learning rate in force at each update, of the first param group.
        groups: the same for every param group: ``groups[i][k]`` is group i at update k.
    """

    groups: list[list[float]] = field(default_factory=list)

    @property
    def rates(self) -> list[float]:
        """The rates of the first param group."""
        return self.groups[0] if self.groups else []

    def differences(
        self, schedule: Rate | list[Rate], *, steps_per_unit: float = 1, first_update: int = 0
    ) -> list[list[float]]:
        """Found minus expected, by param group and update; the arguments are those of `audit`.

        `coslr.course.plotting.recorded` draws the rates over the schedule.

        >>> from coslr import Linear
        >>> trace = Trace([[0.4, 0.4, 0.4]])  # the rate never moved
        >>> [round(d, 9) for d in trace.differences(Linear(T_max=4, eta_max=0.4))[0]]
        [0.0, 0.1, 0.2]
        """
        rules = _per_group("schedule", schedule, len(self.groups))
        units = _units(steps_per_unit)
        updates = range(first_update, first_update + len(self.rates))
        times = [k / units if units != 1 else k for k in updates]
        return [
            [rate - float(rule(t)) for rate, t in zip(rates, times, strict=True)]
            for rates, rule in zip(self.groups, rules, strict=True)
        ]


@contextlib.contextmanager
def audit(
    optimizer: Any,
    schedule: Rate | list[Rate] | None = None,
    *,
    steps_per_unit: float = 1,
    first_update: int = 0,
    tolerance: float = 1e-9,
    group: int | None = None,
) -> Iterator[Trace]:
    """Hold the learning rate in force at every update against a schedule, or only record it.

    It reads the rate inside ``optimizer.step``, so it sees what the update uses, whoever wrote it:
    any scheduler, any trainer, or nobody.

    Args:
        optimizer: any torch optimizer, or a wrapper that keeps one in ``.optimizer`` (Accelerate).
        schedule: what the rates should be: a schedule, any function of t, or a list of one per
            param group. None records only.
        steps_per_unit: optimizer updates in one unit of the schedule; ``len(loader)`` for epochs.
        first_update: the number of the first update under the audit, for a run that goes on.
        tolerance: largest relative difference that passes; float32 rates need about 1e-6.
        group: audit this param group alone; None is all of them.

    Yields:
        Trace: filled while the block runs; ``trace.rates`` are the rates of the first group
            audited.

    Raises:
        AuditError: at the first update that differs, before it is made. It names the update, the
            rate expected and the rate found.
        ValueError: param groups were added to the optimizer within the block.

    Example:
        >>> from coslr import Cosine
        >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        >>> with audit(optimizer, Cosine(T_max=50, eta_max=0.1)):
        ...     for _ in range(2):
        ...         optimizer.step()  # nobody moves the learning rate
        Traceback (most recent call last):
        ...
        coslr.pytorch.AuditError: update 1: the schedule says 0.0999013, but 0.1 is in force
    """
    optimizer = _unwrapped(optimizer)
    count = len(optimizer.param_groups)
    if group is not None and not 0 <= group < count:
        raise ValueError(f"group={group!r}: must be from 0 to {count - 1}, or None for all")
    chosen = range(count) if group is None else [group]
    expected = None if schedule is None else _per_group("schedule", schedule, len(chosen))
    units = _units(steps_per_unit)
    trace = Trace([[] for _ in chosen])

    def read(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        if _skips(optimizer) or _inner(optimizer):
            return
        update = first_update + len(trace.rates)
        if group is None and len(optimizer.param_groups) != count:
            raise ValueError(
                f"optimizer: has {len(optimizer.param_groups)} param groups at update {update}, "
                f"but had {count} when the audit began: begin a new one, with first_update={update}"
            )
        for rates, i in zip(trace.groups, chosen, strict=True):
            rates.append(float(optimizer.param_groups[i]["lr"]))
        if expected is None:
            return
        for rates, rule, i in zip(trace.groups, expected, chosen, strict=True):
            right = float(rule(update / units if units != 1 else update))
            if not math.isclose(rates[-1], right, rel_tol=tolerance, abs_tol=1e-15):
                where = f" (param group {i})" if count > 1 else ""
                raise AuditError(
                    f"update {update}{where}: the schedule says {right:.6g}, "
                    f"but {rates[-1]:.6g} is in force"
                )

    hook = optimizer.register_step_pre_hook(read)
    try:
        yield trace
    finally:
        hook.remove()
