"""A schedule drives a PyTorch optimizer.

``ScheduleLR`` writes learning rates into the optimizer. `coslr.audit.audit`, which can be imported
from here too, reads them inside ``optimizer.step``, so each of the two can catch a mistake of the
other.

The file reads from top to bottom: the scheduler, what belongs to the param groups, and the text by
which a state recognises its schedule.
"""

import hashlib
import json
import math
import warnings
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from coslr._arguments import require, require_type, whole
from coslr._comparing import one_per_group
from coslr._optimizers import (
    OptimizerWrapper,
    called_by_a_subclass,
    only_initialises,
    require_rate,
    scaler_found_overflow,
    unwrapped,
    value_at,
)
from coslr._optional import extra
from coslr._rates import (
    RateFunction,
    at_updates,
    checked_steps_per_unit,
    held,
    stretched_twice,
)
from coslr.audit import AuditError, audit
from coslr.schedules import Rate, Schedule, Time
from coslr.trace import Trace

with extra("train"):
    import torch
    from torch.optim.lr_scheduler import LRScheduler

__all__ = ["AuditError", "ScheduleLR", "Trace", "audit"]

Group = dict[str, Any]  # a param group of an optimizer


class ScheduleLR(LRScheduler):
    """A PyTorch scheduler whose rate at update k is ``schedule(k / steps_per_unit)``.

    Its state is the counter k = ``last_epoch``. A run therefore resumes exactly, from the
    scheduler's ``state_dict`` (loaded before or after the optimizer's) or from `last_epoch` alone.
    The scheduler overwrites the optimizer's own `lr` from the first update on.

    Args:
        optimizer: any torch optimizer, or a wrapper that keeps one in ``.optimizer`` (Accelerate).
            A learning rate held in a tensor is filled in place. Where groups share one tensor, each
            gets its own.
        schedule: a schedule for all param groups, or a list of one per group. Any function from t
            to a rate works too, but ``load_state_dict`` recognises such a function only by its
            name: it takes two lambdas, or two `functools.partial`, for the same schedule.
        steps_per_unit: calls of ``step()`` in one unit of the schedule, above 0. With `hold` above
            1, the number of stairs in one unit; each stair has `hold` calls. Keep 1 if the schedule
            counts what you step: updates, or epochs if you step once an epoch. Pass ``len(loader)``
            if the schedule counts epochs and you step at every update. A schedule is then stretched
            by this factor, so that its restarts come at the exact update.
        hold: calls of ``step()`` that share one rate: call k has the rate of
            ``(k // hold) / steps_per_unit``. Keep 1 for a rate that moves with every call. To have
            the staircase of a loop that steps once an epoch of n updates, while you step at every
            update, pass n, a schedule in epochs, and no `steps_per_unit`. `audit` takes the same
            number for a loop that steps once an epoch.
        last_epoch: index of the last update that is done, -1 for a new run. To continue a run after
            k updates, pass ``k - 1``.
        momentum: a schedule (or a list) for the `momentum` of SGD and RMSprop or for `betas[0]` of
            Adam, with values from 0 to below 1. None leaves both alone.
        weight_decay: a schedule (or a list) for the `weight_decay` of the groups, with values from
            0. None leaves it alone.
        relative: let one schedule drive groups whose own rates differ. The group with the highest
            rate follows the schedule, and the others keep their ratio to it. The same holds for
            `weight_decay`. Audit such a run with ``scheduler.schedules``, one for each group.
        only_after_update: count a call of ``step()`` only if the optimizer has made an update since
            the last one. Use it for gradient accumulation, and for GradScaler, which skips updates
            that overflow.
        extend: let ``load_state_dict`` take the state of another schedule. It is for trainers that
            load the state for you; otherwise pass it to ``load_state_dict``.

    Attributes:
        schedules, momenta, weight_decays: one function per param group; the last two are empty
            lists where None was given.

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
        hold: int = 1,
        last_epoch: int = -1,
        momentum: RateFunction | Sequence[RateFunction] | None = None,
        weight_decay: RateFunction | Sequence[RateFunction] | None = None,
        relative: bool = False,
        only_after_update: bool = False,
        extend: bool = False,
    ):
        optimizer = unwrapped(optimizer)
        groups = optimizer.param_groups
        for group in groups:
            require_rate(group)
            lr = group["lr"]
            is_real = not isinstance(lr, torch.Tensor) or lr.is_floating_point()
            require_type(is_real, "optimizer's lr", lr, "a number or a tensor of floats")
            is_constant = not isinstance(lr, torch.Tensor) or not lr.requires_grad
            require(is_constant, "optimizer's lr", lr, "a tensor without requires_grad")
        _separate_tensors(groups)
        self.schedules = _one_per_group("schedule", schedule, groups, "lr", relative)
        self.momenta: list[RateFunction] = []
        if momentum is not None:
            self.momenta = one_per_group("momentum", momentum, len(groups))
            has_momentum = all("momentum" in group or "betas" in group for group in groups)
            must_be = "None, because this optimizer has neither momentum nor betas"
            require(has_momentum, "momentum", momentum, must_be)
        self.weight_decays: list[RateFunction] = []
        if weight_decay is not None:
            has_decay = all("weight_decay" in group for group in groups)
            must_be = "None, because this optimizer has no weight_decay"
            require(has_decay, "weight_decay", weight_decay, must_be)
            self.weight_decays = _one_per_group(
                "weight_decay", weight_decay, groups, "weight_decay", relative
            )
        self.steps_per_unit = checked_steps_per_unit(steps_per_unit)
        self.hold = whole("hold", hold, "a whole number of calls of step() from 1")
        if twice := stretched_twice(self.steps_per_unit, self.hold):
            warnings.warn(twice, UserWarning, stacklevel=2)
        must_be = "-1 for a new run, or the index of the last update that is done"
        last_epoch = whole("last_epoch", last_epoch, must_be, least=-1)
        self.only_after_update = bool(only_after_update)
        self.extend = bool(extend)
        self._update_seen = False  # since the last step(); only_after_update asks for it
        self._is_active = True  # whether it writes when the optimizer's state is loaded
        self._overwritten: list[Group] = []  # what the optimizer's state held where we wrote again
        self._make_functions()
        for one in (self.schedules, self.momenta, self.weight_decays):
            _as_json(one)  # what cannot be saved is an error now, not at the first checkpoint

        # torch requires `initial_lr` when a run goes on. Schedulers of torch on the same optimizer
        # start from it, so it must be the optimizer's own rate, not ours.
        for group in groups:
            lr = group["lr"]
            group.setdefault("initial_lr", lr.clone() if isinstance(lr, torch.Tensor) else lr)
            if self.weight_decays:
                group.setdefault("initial_weight_decay", group["weight_decay"])
        super().__init__(optimizer, last_epoch)
        self._register_hooks()

    def _make_functions(self) -> None:
        """The functions of the update index that belong to our schedules."""

        def functions(schedules: list[RateFunction]) -> list[RateFunction]:
            return [held(at_updates(one, self.steps_per_unit), self.hold) for one in schedules]

        self._rates = functions(self.schedules)
        others = {"momentum": self.momenta, "weight_decay": self.weight_decays}
        self._others = {name: functions(theirs) for name, theirs in others.items() if theirs}

    def _register_hooks(self) -> None:
        """Let the optimizer report its loads and updates, as long as this scheduler is in use."""
        # A strong reference would keep a replaced scheduler alive, and it would go on writing.
        reference = weakref.ref(self)

        def before_load(_: torch.optim.Optimizer, state_dict: Group) -> None:
            if (scheduler := reference()) is not None:
                scheduler._before_load(state_dict)

        def after_load(optimizer: torch.optim.Optimizer) -> None:
            scheduler = reference()
            if scheduler is None:
                return
            _separate_tensors(optimizer.param_groups)  # the state may be of groups that shared one
            if scheduler._overwritten:
                scheduler._write()

        initialises = False

        def before_update(
            optimizer: torch.optim.Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]
        ) -> None:
            nonlocal initialises
            if not called_by_a_subclass(optimizer):
                initialises = only_initialises(optimizer, args, kwargs)

        def after_update(optimizer: torch.optim.Optimizer, *_: object) -> None:
            scheduler = reference()
            if scheduler is None or scaler_found_overflow(optimizer) or initialises:
                return
            scheduler._update_seen = True

        self.optimizer.register_load_state_dict_pre_hook(before_load)
        self.optimizer.register_load_state_dict_post_hook(after_load)
        if self.only_after_update:
            self.optimizer.register_step_pre_hook(before_update)
            self.optimizer.register_step_post_hook(after_update)

    def __getstate__(self) -> dict[str, object]:
        # The functions may be lambdas, which cannot be pickled. They are made again.
        return {n: v for n, v in self.__dict__.items() if n not in ("_rates", "_others")}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._make_functions()
        # Copying and pickling an optimizer drop its hooks, and torch's record of its steps, without
        # which the warning of step() would be wrong.
        self._register_hooks()
        self.optimizer._opt_called = True  # type: ignore[attr-defined]

    # ------------------------------------------------------------------------------- stepping

    def get_lr(self) -> list[float | torch.Tensor]:
        """The rate of each param group at update ``last_epoch``."""
        k = self.last_epoch
        rates: list[float | torch.Tensor] = []
        for schedule in self._rates:
            # Most values are right as they are, and value_at would take a tenth of step()'s time.
            try:
                rate = schedule(k)
            except LookupError:
                rate = None
            if type(rate) is not float or not 0 <= rate < math.inf:
                rate = value_at("schedule", schedule, k, "a rate from 0")
                require(rate >= 0, f"schedule at update {k}", rate, "a rate from 0")
            rates.append(rate)
        return rates

    def step(self, epoch: int | None = None) -> None:
        """Set the rate for the next update; call it after ``optimizer.step()``.

        Args:
            epoch: jump to this update; None goes on to the next one. Older releases of torch's
                SequentialLR pass it. A loss or another metric has no place here.

        Raises:
            TypeError: `epoch` is no whole number, or a schedule gives no number.
            ValueError: `epoch` is negative; a schedule has no value at this update, or one that is
                not finite; a rate or a weight decay is negative; a momentum is not from 0 to below
                1; or the optimizer has gained or lost a param group.
        """
        if epoch is not None:
            must_be = "None, or the whole number of an update to jump to; it takes no metric"
            epoch = whole("epoch", epoch, must_be, least=0)
        elif self.only_after_update and not self._update_seen:
            return
        self._update_seen = False
        self._step_count += 1
        self._warn_if_optimizer_has_not_stepped()
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        self._write()

    def _update_lr(self, epoch: int | None = None) -> None:
        """Jump to update `epoch`: torch's SequentialLR calls this when our turn comes."""
        self._update_seen = False
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        self._write()

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
        self._step_count = 1
        self.last_epoch += 1
        self._write()

    def _write(self) -> None:
        """Write the values of update ``last_epoch`` into the optimizer."""
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
        self._is_active = True
        if self._others:
            self._write_others()

    def _write_others(self) -> None:
        k = self.last_epoch
        for name, functions in self._others.items():
            for group, function in zip(self.optimizer.param_groups, functions, strict=True):
                value = value_at(name, function, k, "a number from 0")
                if name == "momentum":
                    require(0 <= value < 1, f"momentum({k})", value, "from 0 to below 1")
                else:
                    require(value >= 0, f"{name}({k})", value, "from 0")
                if name in group:
                    group[name] = value
                else:
                    group["betas"] = (value, *group["betas"][1:])

    # ----------------------------------------------------------------------- saving and loading

    def _is_in_force(self) -> bool:
        """Whether the optimizer holds our values. If not, another scheduler has its turn."""
        groups = self.optimizer.param_groups
        if self.last_epoch < 0 or len(groups) != len(self._rates):  # a SequentialLR sets -1
            return False
        k = self.last_epoch
        return all(
            # A tensor compares in its own precision, to which it has rounded our rate.
            bool(_value(group, name) == value_at(name, function, k, "a number"))
            for name, functions in {"lr": self._rates, **self._others}.items()
            for group, function in zip(groups, functions, strict=True)
        )

    def _before_load(self, state_dict: Group) -> None:
        """Prepare for the optimizer's load, which restores the values of when it was saved.

        If our values are in force, we write them again afterwards, because the state may be of
        another run. If our own state, loaded later, says that our phase was over when it was
        saved, we give back what we overwrote.
        """
        self._overwritten = []
        if self._is_active and self._is_in_force():
            self._overwritten = [
                {name: group[name] for name in ("lr", *_keys(group, self._others)) if name in group}
                for group in state_dict["param_groups"]
            ]

    def _give_back(self) -> None:
        for group, values in zip(self.optimizer.param_groups, self._overwritten, strict=True):
            lr = values.pop("lr")
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(lr)
            else:
                group["lr"] = lr
            group.update(values)

    def state_dict(self) -> dict[str, float | str]:
        """The counter, and which schedule it belongs to: strings and numbers only.

        Two more values are about the moment of saving: ``update_seen``, whether the optimizer has
        made an update that ``step()`` has not counted yet, and ``in_force``, whether the optimizer
        held our rate.
        """
        return {
            "last_epoch": self.last_epoch,
            "_step_count": self._step_count,
            "steps_per_unit": self.steps_per_unit,
            "hold": self.hold,
            "schedule": _as_json(self.schedules),
            "momentum": _as_json(self.momenta),
            "weight_decay": _as_json(self.weight_decays),
            "update_seen": self._update_seen,
            "in_force": self._is_in_force(),
        }

    def load_state_dict(self, state_dict: dict[str, Any], *, extend: bool = False) -> None:
        """Go on where `state_dict` was saved, and write that update's rate into the optimizer.

        A scheduler whose phase was over when it was saved writes nothing. Nor does one whose rate
        somebody else had changed: the next ``step()`` sets the schedule's rate then.

        Args:
            state_dict: what ``state_dict()`` returned, with the same schedule, momentum, weight
                decay, `steps_per_unit` and `hold` as this scheduler has. A value that the release
                which saved it did not know may be missing.
            extend: take a state of another schedule too: the position stays, counted in calls of
                ``step()``, and the rate is that of this scheduler's schedule from there on.

        Raises:
            TypeError: the state's `last_epoch` is no whole number.
            ValueError: the state belongs to another schedule, or to another kind of scheduler.

        Example:
            >>> from coslr import Linear
            >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
            >>> short = ScheduleLR(optimizer, Linear(T_max=4, eta_max=0.4), last_epoch=1)
            >>> state = short.state_dict()
            >>> longer = ScheduleLR(optimizer, Linear(T_max=8, eta_max=0.4))
            >>> longer.load_state_dict(state, extend=True)
            >>> round(longer.get_last_lr()[0], 6)  # of update 2
            0.3
        """
        is_ours = isinstance(state_dict, Mapping) and {"last_epoch", "schedule"} <= set(state_dict)
        must_be = "the state_dict of a ScheduleLR, which has last_epoch and schedule"
        require(is_ours, "state_dict", state_dict, must_be)
        own = self.state_dict()
        checked = ("schedule", "momentum", "weight_decay", "steps_per_unit", "hold")
        for name in () if extend or self.extend else checked:
            saved = state_dict.get(name, own[name])
            must_be = (
                f"{own[name]!r}, as in this scheduler. Build the scheduler with the saved one; or "
                "call load_state_dict(state, extend=True) to keep the position and go on with "
                "this scheduler's own"
            )
            is_same = _is_same(saved, own[name])
            require(is_same, f"state_dict[{name!r}]", saved, must_be)
        was_ours = self._is_active and own["in_force"]
        must_be = "the index of the next update, or -1"
        position = state_dict["last_epoch"]
        self.last_epoch = whole("state_dict['last_epoch']", position, must_be, least=-1)
        self._step_count = state_dict.get("_step_count", self.last_epoch + 1)
        self._update_seen = bool(state_dict.get("update_seen", False))
        if self.last_epoch >= 0 and state_dict.get("in_force", True):
            self._write()
        else:
            self._is_active = False
            if was_ours and self._overwritten:
                self._give_back()
        self._overwritten = []


# ------------------------------------------------------------------------------ param groups


@dataclass(frozen=True)
class _InRatio(Schedule):
    """The schedule of a group that keeps its ratio to the group with the highest rate."""

    inner: RateFunction
    ratio: float

    @property
    def length(self) -> float:
        return getattr(self.inner, "length", super().length)

    def stretch(self, factor: float) -> Schedule:
        return _InRatio(at_updates(self.inner, factor), self.ratio)

    def formula(self, t: Time, xp: object) -> Rate:
        return cast(Rate, self.ratio * self.inner(t))


def _one_per_group(
    name: str,
    schedule: RateFunction | Sequence[RateFunction],
    groups: list[Group],
    key: str,
    relative: bool,
) -> list[RateFunction]:
    """One schedule for each group, where one for all is refused if the groups' own values differ.

    Args:
        name: of the argument.
        schedule: the argument.
        groups: the optimizer's.
        key: of the value that is scheduled, such as "lr".
        relative: let the groups keep their ratios instead.
    """
    schedules = one_per_group(name, schedule, len(groups))
    if isinstance(schedule, list | tuple):
        require(not relative, "relative", relative, f"False, because {name} is a list")
        return schedules
    own = _own_values(name, schedule, groups, key, relative)
    if len(set(own)) == 1:
        return schedules
    must_be = (
        f"a list of {len(groups)}, one for each param group, because the groups have different "
        f"values of {key}: {_listed(own)}. Or pass relative=True: the "
        "highest follows the schedule, and the others keep their ratio to it"
    )
    require(relative, name, schedule, must_be)
    return [
        one if value == max(own) else _InRatio(one, value / max(own))
        for one, value in zip(schedules, own, strict=True)
    ]


def _own_values(
    name: str, schedule: object, groups: list[Group], key: str, relative: bool
) -> list[float]:
    """The groups' own values, by which one schedule may drive them all.

    A scheduler that ran before has written values of its own, and kept the groups' under "initial".
    These keep the ratios, unless somebody set new values since.
    """
    stored = f"initial_{key}"
    now = [float(group[key]) for group in groups]
    initial = [float(group[stored if stored in group else key]) for group in groups]
    # A group that was added since has no initial value, and where all are 0 there is no ratio.
    if not any(now) or not all(stored in group for group in groups):
        return initial
    tensors = [group[key] for group in groups if isinstance(group[key], torch.Tensor)]
    precision = max([1e-9, *(4 * torch.finfo(tensor.dtype).eps for tensor in tensors)])
    if all(
        math.isclose(a * max(initial), b * max(now), rel_tol=precision)
        for a, b in zip(now, initial, strict=True)
    ):
        return initial
    must_be = (
        f"a list of {len(groups)}, one for each param group, because it is not clear what the "
        f"groups' own values are: {key} is {_listed(now)} now, but {stored}, which an earlier "
        f"scheduler left, is {_listed(initial)}. Or delete {stored} from the groups, and {key} "
        "counts"
    )
    require(not relative and len(set(now)) == 1, name, schedule, must_be)
    return now


def _listed(values: list[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _separate_tensors(groups: list[Group]) -> None:
    """Give each group a rate of its own: torch puts one tensor into all of them."""
    seen = set()
    for group in groups:
        lr = group["lr"]
        if isinstance(lr, torch.Tensor) and id(lr) in seen:
            group["lr"] = lr.clone()
        seen.add(id(group["lr"]))


def _value(group: Group, name: str) -> Any:
    return group[name] if name in group else group["betas"][0]


def _keys(group: Group, names: Mapping[str, object]) -> list[str]:
    """Under which keys a group holds these values: Adam's momentum is the first of its betas."""
    return [name if name in group else "betas" for name in names]


# ------------------------------------------------------------- what a state says of a schedule


def _as_json(schedules: list[RateFunction]) -> str:
    """One string by which ``load_state_dict`` recognises the schedules that a state belongs to."""
    text = json.dumps(
        [
            s.to_dict() if isinstance(s, Schedule) else getattr(s, "__qualname__", type(s).__name__)
            for s in schedules
        ],
        default=_described,  # a reader's schedule may hold anything
    )
    if len(text) <= LONGEST:
        return text
    digest = hashlib.sha256(json.dumps(_parsed(text)).encode()).hexdigest()
    return json.dumps([text[:100], digest])


LONGEST = 20_000  # characters: a table of a million rates has no place in a state


def _described(value: object) -> str:
    """Something that is no JSON value: by its contents, if it has any, else by its name."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    if hasattr(value, "tobytes"):
        return f"{type(value).__name__} {hashlib.sha256(value.tobytes()).hexdigest()}"
    return getattr(value, "__qualname__", type(value).__name__)


def _is_same(saved: object, own: float | str) -> bool:
    """Whether two descriptions mean the same; a text that we did not write does not."""
    try:
        return bool(_parsed(saved) == _parsed(own))
    except (ValueError, RecursionError):
        return False


def _parsed(value: Any) -> Any:
    """A description as Python values, in which 50 and 50.0 are equal; numbers stay as they are."""
    return json.loads(value) if isinstance(value, str) else value
