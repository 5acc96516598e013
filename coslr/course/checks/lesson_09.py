"""The exercises of notebook 09, Broken schedules."""

import copy
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from coslr._optional import extra
from coslr.course.checks.answers import (
    ETA_MAX,
    ETA_MIN,
    NOT_ATTEMPTED,
    Feedback,
    check_choice,
    correct,
    failed_with,
    not_attempted,
    same,
    values,
    wrong,
)
from coslr.course.museum import EXHIBITS, toy
from coslr.pytorch import AuditError, audit
from coslr.schedules import Cosine, Schedule, cosine, warmup

with extra("train"):
    import torch
    from torch.optim.lr_scheduler import CosineAnnealingLR


def diagnose(number: int, answer: str) -> Feedback:
    """Is `answer` the letter of the bug in that exhibit of the museum?

    >>> diagnose(1, "a")
    ✗ Not yet. With that bug the training begins where the schedule ends.
    >>> diagnose(1, "d")
    ✓ Right. The boundaries are in another unit, and are never reached.
    """
    exhibit = EXHIBITS[number]
    why = {
        other.letter: f"With that bug {other.symptom}."
        for other in EXHIBITS.values()
        if other is not exhibit
    }
    feedback = check_choice(answer, exhibit.letter, why)
    if feedback.is_right:
        return correct(f"{exhibit.bug[0].upper()}{exhibit.bug[1:]}.")
    return feedback


def _sentence(rates: np.ndarray, schedule: Schedule, first_update: int = 0) -> str:
    """What the audit says of these rates, or ""."""
    optimizer = toy(lr=0.1)
    try:
        with audit(optimizer, schedule, first_update=first_update):
            for rate in rates:
                optimizer.param_groups[0]["lr"] = rate
                optimizer.step()
    except AuditError as error:
        return f"The audit says: {str(error).splitlines()[0]}."
    return ""


def _as_found(said: str) -> Feedback:
    return Feedback(None, f"This is still the loop as it was found. {said}")


def repaired_loop(
    answer: Callable[[torch.optim.Optimizer, int, int], object], epochs: int = 5, batches: int = 8
) -> Feedback:
    """Does ``answer(optimizer, epochs, batches)`` train under one cosine over the whole run?

    From 0.1 to 0 in epochs * batches updates, moving at each of them.
    """
    if not_attempted(answer):
        return NOT_ATTEMPTED
    optimizer = toy(lr=ETA_MAX)
    try:
        with audit(optimizer) as trace, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch warns of the wrong order
            returned: object = answer(optimizer, epochs, batches)
    except Exception as error:
        return failed_with(error)
    total = epochs * batches
    used, t = np.array(trace.rates), np.arange(total)
    if not len(used) and not_attempted(returned):
        return NOT_ATTEMPTED
    if len(used) != total:
        return wrong(f"It makes {len(used)} updates; {epochs} x {batches} = {total} were asked.")
    said = _sentence(used, Cosine(total, ETA_MAX))
    if not said:
        return correct("The audit is silent.")

    def wave(t: np.ndarray, T_max: int) -> np.ndarray:
        return ETA_MAX * (1 + np.cos(np.pi * t / T_max)) / 2  # PyTorch's cosine climbs again

    if same(used, wave(t + 1, epochs)):
        return _as_found(said)
    if same(used, wave(t, epochs)):
        return wrong(f"{said} The order is right now, but T_max={epochs} counts epochs.")
    if same(used, wave(t, batches)):
        return wrong(f"{said} T_max={batches} is a single epoch; the cosine takes all of them.")
    if same(used, wave(t + 1, total)):
        return wrong(f"{said} The length is right now, but each rate comes one update early.")
    if same(used[1:], wave(t, total)[:-1]):
        return wrong(f"{said} The length is right now, but each rate comes one update late.")
    if same(used, wave(t // batches, epochs)):
        return wrong(f"{said} The rate moves once an epoch: it should move at every update.")
    if same(used, np.full(total, used[0])):
        return wrong(f"{said} The rate never moves.")
    return wrong(said)


def repaired_warmup(
    answer: Callable[[float, int, int], float], rise: int = 5, updates: int = 25
) -> Feedback:
    """Is ``answer(t, rise, updates)`` a warm-up in equal steps to 0.1 and a cosine from there to 0?

    No update has the rate 0; the cosine begins at t = `rise` and ends at t = `updates`.
    """
    t = np.arange(updates)
    found = values(answer, [(int(i), rise, updates) for i in t])
    if isinstance(found, Feedback):
        return found
    said = _sentence(found, warmup(Cosine(updates - rise, ETA_MAX), rise))
    if not said:
        return correct("The audit is silent.")
    zero = found[0] == 0
    after = found[rise:]
    running = same(after, cosine(t[rise:], updates, ETA_MAX))
    if zero and running and same(found[:rise], ETA_MAX * t[:rise] / rise):
        return _as_found(said)
    if zero:
        return wrong(f"{said} The first update still has the rate 0.")
    if running:
        return wrong(f"{said} The cosine's clock still runs during the warm-up.")
    if same(after, cosine(t[rise:] - rise, updates, ETA_MAX)):
        return wrong(
            f"{said} The cosine's clock starts after the warm-up now, but it still takes all "
            f"{updates} updates, and only {updates - rise} are left."
        )
    if same(found[:rise], ETA_MAX * (t[:rise] + 1) / rise):
        return wrong(
            f"{said} The warm-up is at the peak one update too early: {rise} equal steps lie "
            f"between its first rate and t = {rise}, and one before."
        )
    return wrong(said)


def repaired_resume(
    answer: Callable[[torch.optim.Optimizer, dict[str, Any]], Any], done: int = 40, total: int = 100
) -> Feedback:
    """Does ``answer(optimizer, saved)`` go on with a run as if it had not been interrupted?

    `optimizer` is new, `saved` holds the state of the old one and of its scheduler, and what is
    returned is the scheduler for the rest of the run.
    """
    if not_attempted(answer):
        return NOT_ATTEMPTED
    optimizer = _with_momentum()
    scheduler = CosineAnnealingLR(optimizer, T_max=total, eta_min=ETA_MIN)
    for _ in range(done):
        optimizer.step()
        scheduler.step()
    saved = {"optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict()}
    velocity = _velocity(optimizer)

    optimizer = _with_momentum()
    try:
        scheduler = answer(optimizer, copy.deepcopy(saved))
        if not_attempted(scheduler):
            return NOT_ATTEMPTED
        restored = _velocity(optimizer)
        with audit(optimizer) as trace:
            for _ in range(total - done):
                optimizer.step()
                scheduler.step()
    except Exception as error:
        return failed_with(error)
    used, t = np.array(trace.rates), np.arange(done, total)
    schedule = Cosine(total, ETA_MAX, ETA_MIN)
    right = np.array([schedule(int(i)) for i in t])
    said = _sentence(used, schedule, first_update=done)
    if not said:
        if restored == velocity:
            return correct("The audit is silent, and the momentum is there too.")
        return wrong(
            "The audit is silent: the rates are right. But the optimizer's momentum was not "
            "restored, and that no audit of rates can see. Load the optimizer's state as well."
        )
    above = (used - ETA_MIN) / (right - ETA_MIN)
    if used[0] == ETA_MAX and same(above, np.full(len(t), above[0])):
        return _as_found(said)
    if same(used, cosine(t - done, total, ETA_MAX, ETA_MIN)):
        return wrong(f"{said} The run starts from the beginning: nothing of the old one is there.")
    if same(used[:1], right[:1]):
        return wrong(
            f"{said} Its first rate is the old optimizer's, and right; the scheduler counts from "
            "another update."
        )
    if same(used[:-1], right[1:]):
        return wrong(f"{said} Each rate comes one update early: update {done} is next.")
    if same(used[1:], right[:-1]):
        return wrong(f"{said} Each rate comes one update late: update {done} is next.")
    return wrong(said)


def _with_momentum() -> torch.optim.Optimizer:
    """A toy optimizer with a momentum, which a resumed run must restore."""
    weight = torch.zeros(1, requires_grad=True)
    weight.grad = torch.ones(1)
    return torch.optim.SGD([weight], lr=ETA_MAX, momentum=0.9)


def _velocity(optimizer: torch.optim.Optimizer) -> float | None:
    state = optimizer.state.get(optimizer.param_groups[0]["params"][0], {})
    buffer = state.get("momentum_buffer")
    return None if buffer is None else float(buffer)
