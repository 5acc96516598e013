"""The exercises of notebook 00, Start here."""

import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR

from coslr.course.checks.answers import (
    NOT_ATTEMPTED,
    RETURNS_NOTHING,
    Feedback,
    correct,
    failed_with,
    not_attempted,
    same,
    wrong,
)
from coslr.pytorch import AuditError, audit
from coslr.schedules import Cosine, Schedule

LOOP = Cosine(T_max=20, eta_max=0.1)  # exercise 1
MEANT = Cosine(T_max=390, eta_max=0.1, eta_min=0.0001)  # the run of the lesson, and of exercise 2
EARLIEST = 10  # the first update at which exercise 1 accepts an error


def caught(answer: Callable[[Any, Any], object]) -> Feedback:
    """Does the audit stop ``answer(optimizer, scheduler)``, and not before update 10?

    >>> def right_loop(optimizer, scheduler):
    ...     for _ in range(20):
    ...         optimizer.step()
    ...         scheduler.step()
    >>> caught(right_loop)
    ✗ Not yet. All 20 updates use the right rate, so the audit stays silent.
    """
    if not_attempted(answer):
        return NOT_ATTEMPTED
    if not callable(answer):
        return wrong(f"The answer must be a function of optimizer and scheduler, not {answer!r}.")
    optimizer = _optimizer()
    scheduler = CosineAnnealingLR(optimizer, T_max=int(LOOP.T_max))
    returned: object = wrong  # anything but dots, in case the audit stops the answer
    made = 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch's and the audit's, on purpose broken loops
            with audit(optimizer, LOOP) as trace:
                returned = answer(optimizer, scheduler)
                made = len(trace.rates)
    except AuditError as error:
        message = _first_line(error)
        stopped = re.match(r"update (\d+)", message)
        if not stopped:
            if not_attempted(returned) and scheduler.last_epoch == 0:
                return NOT_ATTEMPTED  # the body is still `...`
            return wrong("It makes no update, so there is nothing to compare.")
        if int(stopped[1]) >= EARLIEST:
            return correct(f"The audit says: {message}.")
        return wrong(
            f"The audit stops it at update {stopped[1]}: let the mistake begin at update "
            f"{EARLIEST} or later."
        )
    except Exception as error:
        return failed_with(error)
    if made < LOOP.T_max:
        return wrong(
            f"It ends after {made} updates with the optimizer that it was given, and all of these "
            "use the right rate."
        )
    return wrong(f"All {made} updates use the right rate, so the audit stays silent.")


def unseen(answer: Callable[[Any], object]) -> Feedback:
    """Does the audit miss that ``scheduler, schedule = answer(optimizer)`` is not the run meant?

    >>> def build(optimizer):
    ...     return CosineAnnealingLR(optimizer, T_max=390, eta_min=0.0001), MEANT
    >>> unseen(build)
    ✗ Not yet. The audit is silent because these are the rates that you mean: make a mistake.
    """
    if not_attempted(answer):
        return NOT_ATTEMPTED
    if not callable(answer):
        return wrong(f"The answer must be a function of the optimizer, not {answer!r}.")
    optimizer = _optimizer()
    try:
        returned = answer(optimizer)
        if not_attempted(returned):
            return RETURNS_NOTHING
        if not isinstance(returned, tuple | list) or len(returned) != 2:
            return wrong("It must return two things, a scheduler and a schedule.")
        scheduler, schedule = returned
        if not_attempted(scheduler):
            return NOT_ATTEMPTED
        if isinstance(scheduler, Schedule):
            return wrong(
                "The first of the two is a schedule, which cannot step. Return a scheduler first, "
                "such as ScheduleLR(optimizer, schedule), and the schedule second."
            )
        if not_attempted(schedule):
            return wrong("Without a schedule the audit only records: name one.")
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            with audit(optimizer, schedule) as trace:
                for _ in range(int(MEANT.T_max)):
                    optimizer.step()
                    scheduler.step()
    except AuditError as error:
        return wrong(f"The audit sees it, at {_first_line(error)}.")
    except Exception as error:
        return failed_with(error)
    if ended := [str(w.message) for w in warned if "before its schedule" in str(w.message)]:
        return wrong(f"The audit warns: {ended[0].partition('. ')[0]}.")
    right = MEANT(np.arange(int(MEANT.T_max)))
    if same(trace.rates, right):
        return wrong(
            "The audit is silent because these are the rates that you mean: make a mistake."
        )
    update = int(np.argmax(np.abs(trace.rates - right)))  # where it shows best
    return correct(
        f"No word from the audit, and yet update {update} has the rate "
        f"{trace.rates[update]:.6g} where you meant {MEANT(update):.6g}."
    )


def _optimizer() -> torch.optim.SGD:
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)


def _first_line(error: AuditError) -> str:
    return str(error).splitlines()[0]
