"""An audit reads the learning rates that an optimizer used, and compares them with a schedule.

``audit`` reads the rates inside ``optimizer.step`` and knows nothing of any scheduler, so it can
catch the mistakes of every scheduler, ours included.
"""

import contextlib
import math
import sys
from collections.abc import Iterator, Sequence

from coslr._arguments import require, whole
from coslr._optimizers import OptimizerWrapper, scaler_found_overflow, unwrapped
from coslr._optional import extra
from coslr.trace import RateFunction, Trace, checked_steps_per_unit, one_per_group

with extra("train"):
    import torch


class AuditError(AssertionError):
    """An update would use a learning rate that is not the schedule's."""


@contextlib.contextmanager
def audit(
    optimizer: torch.optim.Optimizer | OptimizerWrapper,
    schedule: RateFunction | Sequence[RateFunction] | None = None,
    *,
    steps_per_unit: float = 1,
    first_update: int = 0,
    tolerance: float = 1e-9,
    group: int | None = None,
) -> Iterator[Trace]:
    """Compare the learning rate in force at every update with a schedule, or only record it.

    The audit reads the rate inside ``optimizer.step``. It therefore sees what the update uses,
    whoever wrote it: any scheduler, any trainer, or nobody.

    Args:
        optimizer: any torch optimizer, or a wrapper that keeps one in ``.optimizer`` (Accelerate).
        schedule: the rates that should be in force: a schedule, any function of t, or a list of one
            per param group. None only records.
        steps_per_unit: optimizer updates in one unit of the schedule; ``len(loader)`` for epochs.
        first_update: index of the first update in the block, above 0 if a run goes on.
        tolerance: largest relative difference that passes; float32 rates need about 1e-6.
        group: index of the only param group to audit. None audits all of them.

    Yields:
        A `Trace`, which grows while the block runs; ``trace.rates`` are the rates of the first
        group audited.

    Raises:
        AuditError: at the first update that differs, before the optimizer makes it. The error names
            the update, the rate expected and the rate found.
        ValueError: param groups were added to the optimizer within the block.

    Example:
        >>> from coslr import Cosine
        >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        >>> with audit(optimizer, Cosine(T_max=50, eta_max=0.1)):
        ...     for _ in range(2):
        ...         optimizer.step()  # nobody moves the learning rate
        Traceback (most recent call last):
        ...
        coslr.audit.AuditError: update 1: the schedule says 0.0999013, but 0.1 is in force
    """
    optimizer = unwrapped(optimizer)
    count = len(optimizer.param_groups)
    if group is not None:
        must_be = f"from 0 to {count - 1}, or None for all param groups"
        group = whole("group", group, must_be, least=0)
        require(group < count, "group", group, must_be)
    audited = range(count) if group is None else [group]
    schedules = None if schedule is None else one_per_group("schedule", schedule, len(audited))
    units = checked_steps_per_unit(steps_per_unit)
    trace = Trace([[] for _ in audited])

    def before_update(optimizer: torch.optim.Optimizer, *_: object) -> None:
        if scaler_found_overflow(optimizer) or _called_by_a_subclass(optimizer):
            return
        update = first_update + len(trace.rates)
        if group is None and len(optimizer.param_groups) != count:
            raise ValueError(
                f"optimizer: has {len(optimizer.param_groups)} param groups at update {update}, "
                f"but had {count} when the audit began. Begin a new audit with "
                f"first_update={update}"
            )
        for rates, i in zip(trace.groups, audited, strict=True):
            rates.append(float(optimizer.param_groups[i]["lr"]))
        if schedules is None:
            return
        for rates, scheduled, i in zip(trace.groups, schedules, audited, strict=True):
            expected = float(scheduled(update / units if units != 1 else update))
            if not math.isclose(rates[-1], expected, rel_tol=tolerance, abs_tol=1e-15):
                where = f" (param group {i})" if count > 1 else ""
                raise AuditError(
                    f"update {update}{where}: the schedule says {expected:.6g}, "
                    f"but {rates[-1]:.6g} is in force"
                )

    hook = optimizer.register_step_pre_hook(before_update)
    try:
        yield trace
    finally:
        hook.remove()


def _called_by_a_subclass(optimizer: torch.optim.Optimizer) -> bool:
    """Whether the current ``step`` was called by the ``step`` of a subclass.

    torch runs the hooks for both calls, but they make one update.
    """
    # From here: the hook that called us, and then the function of torch's that runs the hooks.
    runs_hooks = sys._getframe(2)
    outer = runs_hooks.f_back
    while outer is not None:
        if outer.f_code is runs_hooks.f_code and outer.f_locals.get("self") is optimizer:
            return True
        outer = outer.f_back
    return False
