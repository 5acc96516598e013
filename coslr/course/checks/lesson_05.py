"""The exercises of notebook 05, Train a CNN."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from coslr._optional import extra
from coslr.course.checks.answers import (
    EPOCHS,
    ETA_MAX,
    ETA_MIN,
    NOT_ATTEMPTED,
    Feedback,
    check_number,
    correct,
    failed_with,
    first_difference,
    floats,
    not_attempted,
    same,
    wrong,
)
from coslr.pytorch import audit
from coslr.schedules import cosine

with extra("train"):
    import torch

SHORT = 10  # epochs


def last_rate(answer: float) -> Feedback:
    """At which rate does the article's example train in its last epoch, if it has ten?

    >>> last_rate(0.0001)
    ✗ Not yet. That is what is printed after the last epoch, when no epoch is left to use it.
    """
    hints = {
        "That is what is printed after the last epoch, when no epoch is left to use it.": ETA_MIN,
        "That is one epoch too early.": cosine(SHORT - 2, SHORT, ETA_MAX, ETA_MIN),
        "That is with the article's 50 epochs.": cosine(EPOCHS - 1, EPOCHS, ETA_MAX, ETA_MIN),
        "The floor is missing: eta_min is 0.0001.": cosine(SHORT - 1, SHORT, ETA_MAX),
    }
    return check_number(answer, cosine(SHORT - 1, SHORT, ETA_MAX, ETA_MIN), hints, digits=3)


def _toy() -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=ETA_MAX)


def print_line(answer: Callable[[Any, Any, int], list[float]]) -> Feedback:
    """Does ``answer(optimizer, scheduler, epochs)``, one update an epoch, return the rates used?

    It is run with the article's optimizer and scheduler, and an audit reads what each epoch used.
    """
    if not_attempted(answer):
        return NOT_ATTEMPTED
    optimizer = _toy()
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS, eta_min=ETA_MIN)
    try:
        with audit(optimizer) as trace:
            returned: object = answer(optimizer, scheduler, EPOCHS)
        if returned is None and trace.rates:
            return wrong(
                "It trains, but returns nothing: collect the rates in a list and return it."
            )
        rates = returned if isinstance(returned, list | tuple) else [returned]
        if not_attempted(*rates):
            return NOT_ATTEMPTED
        reported = floats(returned)
    except Exception as error:
        return failed_with(error)
    used = np.array(trace.rates)
    expected = cosine(np.arange(EPOCHS), EPOCHS, ETA_MAX, ETA_MIN)
    if len(used) != EPOCHS:
        return wrong(
            f"It makes {len(used)} updates; one for each of the {EPOCHS} epochs was asked."
        )
    if reported.shape == (EPOCHS, 1):
        return wrong(
            "Each entry is a list: get_last_lr() has a rate per param group. Take its [0]."
        )
    if reported.shape != used.shape:
        return wrong(f"It must return {EPOCHS} rates, one per epoch; it returns {reported.size}.")
    changed = first_difference(used, expected)
    if changed is not None:
        return wrong(
            f"The training itself changed: epoch {changed + 1} no longer trains at the cosine's "
            "rate. Only the report should."
        )
    epoch = first_difference(reported, used)
    if epoch is None:
        return correct("What is reported is what was used.")
    if same(reported[:-1], used[1:]):
        return wrong(
            "It still reports the rate of the epoch to come: read it before scheduler.step()."
        )
    return wrong(
        f"For epoch {epoch + 1} it reports {reported[epoch]:.6g}, but {used[epoch]:.6g} was used."
    )


def per_update(
    answer: Callable[[Any, int, int], Any], epochs: int = EPOCHS, updates: int = 20
) -> Feedback:
    """Does ``answer(optimizer, epochs, updates)`` give a scheduler for one step after each update?

    The rate must follow one cosine over the whole run, from 0.1 to 0.0001.
    """
    if not_attempted(answer):
        return NOT_ATTEMPTED
    optimizer = _toy()
    try:
        scheduler = answer(optimizer, epochs, updates)
        if not_attempted(scheduler):
            return NOT_ATTEMPTED
        with audit(optimizer) as trace:
            for _ in range(epochs * updates):
                optimizer.step()
                scheduler.step()
    except Exception as error:
        return failed_with(error)
    used = np.array(trace.rates)
    t, total = np.arange(len(used)), len(used)
    right = cosine(t, total, ETA_MAX, ETA_MIN)
    update = first_difference(used, right)
    if update is None:
        return correct(f"The last update trains at {used[-1]:.6g}.")
    if same(used, np.full(total, ETA_MAX)):
        return wrong("The rate never moves: is the scheduler bound to this optimizer?")

    def at_floor(k: int) -> bool:
        return k < total and math.isclose(used[k], ETA_MIN, rel_tol=1e-6)

    if at_floor(updates):
        return wrong(f"The floor is reached after one epoch, {updates} updates.")
    if at_floor(epochs):
        return wrong(
            f"T_max={epochs} counts epochs, but the scheduler steps at every update: "
            f"the floor is there after {epochs} of the {total} updates."
        )
    if same(used, cosine(t, total, ETA_MAX)):
        return wrong(f"The floor is 0, and should be {ETA_MIN:g}.")
    if same(used, cosine(t, total - 1, ETA_MAX, ETA_MIN)):
        return wrong(f"It ends one update early: the last has t = {total - 1}, T_max is {total}.")
    if same(used, cosine(t // updates, epochs, ETA_MAX, ETA_MIN)):
        return wrong("It moves once an epoch, a staircase: it should move at every update.")
    return wrong(
        f"Update {update} trains at {used[update]:.6g}, and the cosine says {right[update]:.6g}."
    )
