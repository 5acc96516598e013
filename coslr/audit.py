"""An audit reads what an optimizer's updates use, and compares it with a schedule.

``audit`` reads the rates inside ``optimizer.step`` and knows nothing of any scheduler, so it can
catch the mistakes of every scheduler, ours included.

Code that runs inside ``step`` may change a rate: the closure, and hooks of others. So the audit
reads twice. The reading before the update can stop a wrong one. The reading right after it, before
any other hook, is what the update used. LBFGS is the exception: it takes its rate out of the group
before it calls the closure. So there the audit keeps what the group held when the closure was
called, and reads that.
"""

import contextlib
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from coslr._arguments import require, require_type, whole
from coslr._comparing import explained, one_per_group, wrong_rate
from coslr._optimizers import (
    OptimizerWrapper,
    around_parents_steps,
    called_by_a_subclass,
    closure_of,
    only_initialises,
    reads_rate_before_closure,
    require_rate,
    scaler_found_overflow,
    steps_with_torch_s_code,
    unwrapped,
    uses_instead_of_rate,
    value_at,
)
from coslr._optional import extra
from coslr._rates import (
    RateFunction,
    Schedules,
    at_updates,
    checked_steps_per_unit,
    checked_tolerance,
    held,
    margin,
    stretched_twice,
)
from coslr.diagnosis import Diagnosis, diagnose
from coslr.schedules import Schedule
from coslr.trace import Trace, TraceError

with extra("train"):
    import torch

Closure = Callable[..., Any]  # a subclass's step may pass arguments
StepArguments = tuple[tuple[Any, ...], dict[str, Any]]  # positional (the optimizer first), named


class AuditError(TraceError):
    """An update used, or would use, another value than the schedule's, or their number is wrong.

    For a wrong value, the first line of the message names the update, the value expected and the
    value found. For a wrong learning rate, the lines after it name the mistakes that fit so far.
    For a wrong number of updates, the message says how many were seen. Like every `TraceError`, it
    is an ``AssertionError``.
    """


@contextlib.contextmanager
def audit(
    optimizer: torch.optim.Optimizer | OptimizerWrapper,
    schedule: Schedules | Mapping[str, Schedules] | None = None,
    *,
    steps_per_unit: float = 1,
    hold: int = 1,
    first_update: int = 0,
    updates: int | None = None,
    tolerance: float = 1e-9,
    group: int | None = None,
    name: str | None = None,
) -> Iterator[Trace]:
    """Compare the learning rate in force at every update with a schedule, or only record it.

    The audit reads the rate inside ``optimizer.step``. It therefore sees what the update uses,
    whoever wrote it: any scheduler, any trainer, a closure, a hook, or nobody. Not every call of
    ``step`` is an update: not if it raises, if GradScaler skips it, or if a checkpoint library
    makes it at rate 0 to create the optimizer's state.

    The rate in force is the ``lr`` of the param group. A few optimizers make another one of it, and
    that one the audit does not see: ASGD, Rprop, Adagrad with `lr_decay` (for these the audit
    warns), torch's Adafactor, and schedulefree's with `warmup_steps`.

    Args:
        optimizer: any torch optimizer, or a wrapper that keeps one in ``.optimizer`` (Accelerate).
        schedule: the rates that should be in force: a schedule, any function of t, or a list of one
            per param group. A dict checks more than the rate: its keys are ``"lr"``,
            ``"weight_decay"`` and ``"momentum"`` (Adam's ``betas[0]``), its values such schedules.
            None only records.
        steps_per_unit: optimizer updates in one unit of the schedule; ``len(loader)`` for epochs.
            With `hold` above 1, the number of stairs in one unit; each stair has `hold` updates.
        hold: updates for which the loop leaves a rate in force: update k should have the rate at
            ``(k // hold) / steps_per_unit``. For a loop that steps its scheduler once an epoch,
            pass ``hold=len(loader)``, a schedule in epochs, and no `steps_per_unit`.
        first_update: index of the first update in the block, above 0 if a run goes on.
        updates: how many updates the block makes; fewer or more are an error. None takes any
            number, but warns if the block leaves a schedule before its end.
        tolerance: largest relative difference that passes, from 0 to 0.1. A rate in a tensor may
            also differ by rounding: by 2e-6 in float32, by 1.6 % in bfloat16. Some of torch's
            schedulers compute each rate from the last one, and their rounding errors in float32
            add up to more. Pass 1e-4 for these. The audit does not allow it by itself, because a
            long schedule that is one update off may differ by less.
        group: index of the only param group to audit. None audits all of them.
        name: what errors call this optimizer, where a program has several.

    Yields:
        A `Trace`, which grows while the block runs; ``trace.rates`` are the rates of the first
        group audited. Scheduled weight decay and momentum are in ``trace.other``.

    Raises:
        AuditError: an update uses another value than the schedule's. The error comes before the
            update if nothing can change the value any more. Otherwise it comes right after the
            update: a hook that was registered later, or an optimizer that is not torch's own,
            could still have written another value. The audit also raises it

            - at the first update beyond `updates`;
            - after the first update, if the block began while ``step`` was running, as in a
              closure or a hook;
            - at the end of the block, if it made fewer than `updates` updates, or none (an audit
              that only records allows none, if `updates` is None).

            If the block catches an error of the audit, of any type, the audit raises it again at
            the end. It forgets an error that stopped an update once the block makes another
            update. So pass `updates` if the block may skip a batch.
        TypeError, ValueError: an argument is wrong; the schedule gives no finite number; or param
            groups came or went within the block.

    Example:
        >>> from coslr import Cosine
        >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        >>> with audit(optimizer, Cosine(T_max=50, eta_max=0.1)):  # doctest: +ELLIPSIS
        ...     for _ in range(2):
        ...         optimizer.step()  # nobody moves the learning rate
        Traceback (most recent call last):
        ...
        coslr.audit.AuditError: update 1: the schedule says 0.0999013, but 0.1 is in force
        ...
    """
    optimizer = unwrapped(optimizer)
    groups = optimizer.param_groups
    if group is not None:
        must_be = f"from 0 to {len(groups) - 1}, or None for all param groups"
        group = whole("group", group, must_be, least=0)
        require(group < len(groups), "group", group, must_be)
    audited = list(range(len(groups))) if group is None else [group]
    for i in audited:
        require_rate(groups[i])
    schedules = _by_quantity(schedule, [groups[i] for i in audited])
    units, hold = checked_steps_per_unit(steps_per_unit), whole("hold", hold)
    first_update = whole("first_update", first_update, least=0)
    if updates is not None:
        updates = whole("updates", updates, "a whole number from 1, or None for any number")
    tolerance = checked_tolerance(tolerance)
    require_type(name is None or isinstance(name, str), "name", name, "a string or None")
    if twice := stretched_twice(units, hold):
        warnings.warn(twice, UserWarning, stacklevel=3)

    trace = Trace([[] for _ in audited], first_update)
    values: list[_Value] = []
    for quantity, of_groups in schedules.items():
        recorded = trace.groups
        if quantity != "lr":
            recorded = trace.other[quantity] = [[] for _ in audited]
        for i, rates, scheduled in zip(audited, recorded, of_groups, strict=True):
            in_updates = _in_updates(scheduled, units, hold)
            values.append(_Value(quantity, i, rates, scheduled, *in_updates))

    if instead := uses_instead_of_rate(optimizer):
        message = (
            f"the updates of {type(optimizer).__name__} use {instead}. The audit reads the lr in "
            "the param group, which is another number"
        )
        warnings.warn(message, UserWarning, stacklevel=3)
    record = _call("audit(optimizer", first_update=(first_update, 0), group=(group, None))
    of_rate = "schedule['lr']" if isinstance(schedule, Mapping) else "schedule"
    clock = {"steps_per_unit": (steps_per_unit, 1), "hold": (hold, 1)}
    compare = _call(f"trace.diagnose({of_rate}", **clock)
    whole_run = f"`with {record} as trace:`, and after it `{compare}`"
    watch = _Watch(optimizer, trace, values, updates, tolerance, name, group is None, whole_run)
    with watch.hooks():
        yield trace
    # Where the block raised an exception, it has left this function by now: nothing hides it.
    watch.check_end()
    if unfinished := watch.unfinished():
        warnings.warn(unfinished, UserWarning, stacklevel=3)


def _call(begins: str, **arguments: tuple[Any, Any]) -> str:
    """A call as a reader would write it, with those arguments that are not the default.

    >>> _call("audit(optimizer", first_update=(70, 0), group=(None, None))
    'audit(optimizer, first_update=70)'
    """
    given = (
        f", {name}={value!r}" for name, (value, default) in arguments.items() if value != default
    )
    return f"{begins}{''.join(given)})"


# ----------------------------------------------------------------------------- the arguments


def _by_quantity(
    schedule: Schedules | Mapping[str, Schedules] | None, groups: list[dict[str, Any]]
) -> dict[str, Sequence[RateFunction | None]]:
    """What to record, the learning rate first, each with a schedule or None for every group."""
    result: dict[str, Sequence[RateFunction | None]] = {"lr": [None] * len(groups)}
    if schedule is None:
        return result
    if not isinstance(schedule, Mapping):
        return {"lr": one_per_group("schedule", schedule, len(groups))}
    require(schedule, "schedule", schedule, "a schedule, or a dict with at least one")
    for quantity, scheduled in schedule.items():
        name = f"schedule[{quantity!r}]"
        known = quantity in ("lr", "weight_decay", "momentum")
        require(known, "schedule's key", quantity, "'lr', 'weight_decay' or 'momentum'")
        has_it = all(quantity in g or (quantity == "momentum" and "betas" in g) for g in groups)
        require(has_it, name, scheduled, f"left out, because this optimizer has no {quantity}")
        result[quantity] = one_per_group(name, scheduled, len(groups))
    return result


def _in_updates(
    schedule: RateFunction | None, steps_per_unit: float, hold: int
) -> tuple[RateFunction | None, float]:
    """The schedule as a function of the update, and the number of updates until its end."""
    if schedule is None:
        return None, math.inf
    expected = held(at_updates(schedule, steps_per_unit), hold)
    length = schedule.length * steps_per_unit if isinstance(schedule, Schedule) else math.inf
    if math.isfinite(length):
        # Rounding errors must not add an update: 3 * 0.1 is 0.30000000000000004.
        length = math.ceil(length * (1 - 1e-12)) * hold
    return expected, length


# --------------------------------------------------------------------- one value of one group


class _Found(NamedTuple):
    """A value as it was found, and how far its precision lets it be off."""

    value: float
    relative: float = 0.0
    absolute: float = 0.0
    is_float32_tensor: bool = False


@dataclass
class _Value:
    """One value of one param group: where it is, what it should be, and where to record it."""

    quantity: str
    group: int
    recorded: list[float]
    scheduled: RateFunction | None  # as it was given; None only records
    expected: RateFunction | None  # of the update
    length: float  # updates until the schedule ends
    largest: float = 0.0  # of the values expected so far

    @property
    def argument(self) -> str:
        """What an error calls the schedule."""
        return "schedule" if self.quantity == "lr" else f"schedule[{self.quantity!r}]"

    def find(self, groups: list[dict[str, Any]]) -> _Found:
        """The value in force now."""
        group = groups[self.group]
        if self.quantity == "momentum" and "momentum" not in group:
            value = group["betas"][0]
        else:
            value = group[self.quantity]
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            rounding = _rounding(torch.finfo(value.dtype))
            return _Found(float(value), *rounding, value.dtype is torch.float32)
        if isinstance(value, np.floating):
            return _Found(float(value), *_rounding(np.finfo(value.dtype)))
        return _Found(float(value))

    def agrees(self, found: _Found, right: float, tolerance: float) -> bool:
        """Whether the value found is the right one, but for rounding errors.

        Where a schedule ends at exactly 0, other code may end at a rounding error of the peak. So
        there is an absolute margin too, the one that `coslr.diagnose` has.
        """
        self.largest = max(self.largest, abs(right))
        relative = max(tolerance, found.relative)
        absolute = max(margin(self.largest, relative), found.absolute)
        return math.isclose(found.value, right, rel_tol=relative, abs_tol=absolute)


def _rounding(limits: Any) -> tuple[float, float]:
    """Relative and absolute error that a value of this precision may have.

    To store a rate and to multiply it once takes two roundings. A scheduler that computes each rate
    from the last adds up more, at random: 16 of them are room for thousands of updates. Half
    precision is too coarse for such a margin, so it gets the two alone.
    """
    eps = float(limits.eps)
    return max(2 * eps, min(16 * eps, 1e-5)), float(limits.tiny) * eps


# ---------------------------------------------------------------------------------- the hooks


@dataclass
class _Watch:
    """Reads an optimizer's values inside ``step`` and compares them with the schedules."""

    optimizer: torch.optim.Optimizer
    trace: Trace
    values: list[_Value]
    updates: int | None
    tolerance: float
    name: str | None
    all_groups: bool
    whole_run: str  # the code that records and compares a run without stopping it

    def __post_init__(self) -> None:
        self.group_count = len(self.optimizer.param_groups)
        self.torch_s_code = steps_with_torch_s_code(self.optimizer)
        self.calls = 0  # of step, whether or not they became updates
        # About the call of step that is going on, or the last one:
        self.is_no_update = False
        self.is_innermost = True  # of the calls that a subclass's step and its parents' make
        self.is_counted = False
        self.before: list[_Found] = []
        self.at_closure: list[_Found] | None = None
        # Errors that the block may catch: about an update that was made, or one that was stopped.
        self.wrong: Exception | None = None
        self.stopped: Exception | None = None

    @property
    def next_update(self) -> int:
        """Index of the update to come."""
        return self.trace.first_update + len(self.trace.rates)

    @contextlib.contextmanager
    def hooks(self) -> Iterator[None]:
        """Keep the hooks on the optimizer while a block runs."""
        self.pre_hook = self.optimizer.register_step_pre_hook(self.before_update)
        post_hook = self.optimizer.register_step_post_hook(self.after_update)
        # A post-hook of others may already write the next rate, so ours must run first. torch has
        # no public way to ask for that.
        self.optimizer._optimizer_step_post_hooks.move_to_end(post_hook.id, last=False)  # type: ignore[attr-defined]
        try:
            with around_parents_steps(self.optimizer, self.enter_step, self.leave_step):
                yield
        finally:
            self.pre_hook.remove()
            post_hook.remove()

    def before_update(
        self, optimizer: torch.optim.Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> StepArguments | None:
        """The pre-hook. Where ``step`` has a closure, return one that reads the values too."""
        self.enter_step()
        if called_by_a_subclass(optimizer):
            return None
        self.calls += 1
        self.is_counted = False
        self.is_no_update = scaler_found_overflow(optimizer) or only_initialises(
            optimizer, args, kwargs
        )
        if self.is_no_update:
            return None
        self._check_group_count()
        self.before = self._find()
        self.at_closure = None

        closure = closure_of(args, kwargs)
        if not callable(closure):  # the step of a subclass may take other arguments
            closure = None
        if reads_rate_before_closure(optimizer):
            if closure is None:
                return None
            return _with_closure(args, kwargs, self._read_as_taken(closure))
        # A hook that runs after this one, or code that is not torch's, may still write the right
        # rate or a wrong one. Then only the post-hook can tell.
        is_last = next(reversed(optimizer._optimizer_step_pre_hooks)) == self.pre_hook.id
        if not (is_last and self.torch_s_code):
            return None
        if closure is not None:
            return _with_closure(args, kwargs, self._checked_after(closure))
        self._stop_if_wrong(self.before)
        return None

    def after_update(self, *_: object) -> None:
        """The post-hook."""
        self.leave_step()

    def enter_step(self) -> None:
        """Note that a ``step`` began: the optimizer's own, or a parent's that it calls."""
        self.is_innermost = True

    def leave_step(self) -> None:
        """Read the values right after a ``step``, and count the update."""
        # Of a subclass's call and its parent's, the inner one is closer to the update, and the
        # outer one has nothing to add.
        if self.is_no_update or not self.is_innermost:
            return
        self.is_innermost = False
        if not self.calls:
            self.wrong = AuditError(
                f"an update{self._of_name} cannot be compared: step() of this "
                f"{type(self.optimizer).__name__} was running when the audit began. Begin it "
                "before step() is called, not in a closure or a hook. If you did, torch runs no "
                "hooks for this step(): functools.wraps may have copied torch's mark `hooked` to it"
            )
            raise self.wrong
        found = self._find() if self.at_closure is None else self.at_closure
        if not self.is_counted:
            for value, one in zip(self.values, found, strict=True):
                value.recorded.append(one.value)
            self.is_counted = True
            self.stopped = None
        try:
            error = self._error(self.next_update - 1, found)
        except Exception as of_schedule:  # the schedule gives no number at this update
            self.wrong = self.wrong or of_schedule
            raise
        if error is not None:
            self.wrong = self.wrong or error
            raise error

    def _checked_after(self, closure: Closure) -> Closure:
        """The closure, which fails if the update after it would be wrong."""

        def closure_and_check(*args: Any, **kwargs: Any) -> Any:
            loss = closure(*args, **kwargs)
            self._stop_if_wrong(self._find())
            return loss

        return closure_and_check

    def _read_as_taken(self, closure: Closure) -> Closure:
        """The same for LBFGS, which has taken its rate out of the group by now."""
        taken: list[dict[str, Any]] = []

        def keep_and_closure(*args: Any, **kwargs: Any) -> Any:
            if not taken:  # the first call in this update
                taken.extend(dict(group) for group in self.optimizer.param_groups)
            loss = closure(*args, **kwargs)
            found = self._find(taken)
            if self.at_closure is None:
                self.at_closure = found
                self._stop_if_wrong(found)
            elif found != self.at_closure:  # the closure has filled the tensor of the rate again
                self._stop_if_wrong(found)
            return loss

        return keep_and_closure

    def _find(self, groups: list[dict[str, Any]] | None = None) -> list[_Found]:
        groups = self.optimizer.param_groups if groups is None else groups
        return [value.find(groups) for value in self.values]

    # ------------------------------------------------------------------------ is it the right one?

    def _stop_if_wrong(self, found: list[_Found]) -> None:
        try:
            error = self._error(self.next_update, found)
        except Exception as of_schedule:  # the schedule gives no number at this update
            self.stopped = of_schedule
            raise
        if error is not None:
            self.stopped = error
            raise error

    def _error(self, update: int, found: list[_Found]) -> AuditError | None:
        """The error about this update, if it is one too many or a value is not the schedule's."""
        if self.updates is not None and update >= self.trace.first_update + self.updates:
            return AuditError(
                f"update {update}{self._of_name} comes after the last of "
                f"updates={self.updates}: {self._position}"
            )
        for value, before, now in zip(self.values, self.before, found, strict=True):
            if value.expected is None:
                continue
            right = value_at(value.argument, value.expected, update, "a number")
            if not value.agrees(now, right, self.tolerance):
                # torch.compile, which may be tracing step(), must not compile the diagnosis.
                explain: Callable[..., AuditError] = torch.compiler.disable(self._wrong_value)
                return explain(value, update, right, before.value, now)
        return None

    def _wrong_value(
        self, value: _Value, update: int, right: float, before: float, now: _Found
    ) -> AuditError:
        where = self._of_name
        where += "" if value.quantity == "lr" else f" ({value.quantity})"
        where += f" (param group {value.group})" if self.group_count > 1 else ""
        message = wrong_rate(update, where, right, now.value)
        if before != now.value:
            message += (
                f"\nIt was {before:.9g} when step() was called. The closure, a hook or the "
                "optimizer's own code changed it."
            )
        causes: list[Diagnosis] = []
        if value.quantity == "lr":
            earlier = value.recorded[: update - self.trace.first_update]
            causes = self._causes(value, [*earlier, now.value], now.relative)
        if now.is_float32_tensor and not causes and math.isclose(now.value, right, rel_tol=1e-4):
            message += (
                "\nIt is in a float32 tensor. A scheduler that computes each rate from the last "
                "adds up rounding errors there. If yours does, pass tolerance=1e-4."
            )
        if value.quantity == "lr":
            message += explained(causes)
            if self._is_shared(value):
                message += (
                    "\nEarlier param groups have the schedule's rate. If the groups have rates of "
                    "their own, pass a list of schedules, one for each group, such as a "
                    "ScheduleLR's scheduler.schedules."
                )
            message += f"\nTo be sure, record the whole run: {self.whole_run}."
        return AuditError(message)

    def _is_shared(self, value: _Value) -> bool:
        """Whether the groups before this one have one schedule with it."""
        before = [v for v in self.values if v.quantity == "lr" and v.group < value.group]
        return bool(before) and all(one.scheduled is value.scheduled for one in before)

    def _causes(self, value: _Value, rates: list[float], precision: float) -> list[Diagnosis]:
        assert value.expected is not None
        try:
            return diagnose(
                rates,
                value.expected,
                first_update=self.trace.first_update,
                tolerance=max(self.tolerance, precision),
            )
        except Exception:
            # A function of the reader's own may know only the updates of this block. Its error must
            # not replace ours.
            return []

    # ----------------------------------------------------------------------- how many updates?

    def _check_group_count(self) -> None:
        count = len(self.optimizer.param_groups)
        # Where one group is audited, others may come. If one goes, its index may be another's.
        if count < self.group_count or (self.all_groups and count > self.group_count):
            self.stopped = ValueError(
                f"optimizer: has {count} param groups at update {self.next_update}, but had "
                f"{self.group_count} when the audit began. Begin a new audit with "
                f"first_update={self.next_update}"
            )
            raise self.stopped

    def check_end(self) -> None:
        """Raise an error if the block caught one, or if it made too few updates."""
        error = self.wrong or self.stopped
        if error is not None:
            raise error
        made = len(self.trace.rates)
        only_records = all(value.expected is None for value in self.values)
        if made == 0 and not (only_records and self.updates is None):
            raise AuditError(f"no update{self._of_name} was seen: {self._why_none}")
        if self.updates is not None and made < self.updates:
            raise AuditError(
                f"the block ended after {made} of updates={self.updates} updates{self._of_name}: "
                f"{self._position}"
            )

    def unfinished(self) -> str:
        """What to warn of if the block ended before the schedule and nobody said it would."""
        if self.updates is not None or self.next_update >= self._length:
            return ""
        return (
            f"the audit{self._of_name} ended before its schedule: {self._position}. If you mean "
            f"it to, pass updates={len(self.trace.rates)} to audit."
        )

    @property
    def _of_name(self) -> str:
        return f" of {self.name}" if self.name else ""

    @property
    def _length(self) -> float:
        """Updates until the last schedule that ends has ended; 0 if none ends."""
        return max((v.length for v in self.values if math.isfinite(v.length)), default=0)

    @property
    def _position(self) -> str:
        of = f" of {self._length}" if self._length else ""
        return f"the schedule is at update {self.next_update}{of}"

    @property
    def _why_none(self) -> str:
        kind = type(self.optimizer).__name__
        if self.calls:
            return (
                f"step() of this {kind} was called ({self.calls} times), but each call raised an "
                "error or was skipped"
            )
        return (
            f"step() of this {kind} was never called. Pass the optimizer that updates the weights: "
            "a wrapper such as Lookahead or SAM steps another object, often its .base_optimizer"
        )


def _with_closure(args: tuple[Any, ...], kwargs: dict[str, Any], closure: Closure) -> StepArguments:
    """The arguments of ``step`` with this closure in place of their own."""
    if len(args) > 1:
        return (args[0], closure, *args[2:]), kwargs
    return args, {**kwargs, "closure": closure}
