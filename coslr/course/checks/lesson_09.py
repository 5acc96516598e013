"""The exercises of notebook 09, Broken schedules."""

import copy
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from coslr._optional import extra
from coslr.course.checks.answers import (
    ETA_MAX,
    ETA_MIN,
    NOT_ATTEMPTED,
    RETURNS_NOTHING,
    TRAINS_NOTHING,
    Feedback,
    correct,
    failed_with,
    first_difference,
    not_attempted,
    number_or_nan,
    same,
    wrong,
)
from coslr.course.museum import EXHIBITS, toy
from coslr.diagnosis import diagnose as explain
from coslr.pytorch import AuditError, audit
from coslr.schedules import Cosine, Schedule, cosine

with extra("train"):
    import torch
    from torch.optim.lr_scheduler import CosineAnnealingLR


# The words for a guess, from `coslr.diagnosis.CAUSES`: what a trace with this mistake looks like.
SIGNS = {
    "never_moves": "the rate would never change",
    "one_early": "every change would come one update early",
    "one_late": "every rate would come one update late, and the first update would use the "
    "optimizer's own rate",
    "too_fast": "the whole schedule would be squeezed into a half, a third or less of the run",
    "too_slow": "only the beginning of the schedule would be seen, drawn out over the run",
    "scaled": "every rate would be the same multiple of the right one, from the first update on",
    "scaled_from": "the rates would be right for some time, and then all the same multiple",
    "restarted": "the schedule would begin anew in the middle of the run",
    "never_restarts": "the first cycle would be right, and the rate would then stay at its end",
    "missed_restart": "a single update, the first of a cycle, would have a wrong rate",
    "used_up": "the run would begin with a rate from a later part of the schedule",
    "climbs_again": "the rate would reach the floor too early and rise from there",
    "clock_in_warmup": "the rate would jump where the warm-up ends",
    "warmup_from_zero": "the first update would have the rate 0",
}


# Words that are true of an exhibit, and not what `diagnose` says of it.
FIT_TOO = {
    (1, "too_slow"): "too_slow is the reason, but the run ends before the first drop, so no trace "
    "can show it. Which word says what the rates do?",
    (9, "scaled_from"): "the factor would be 0. Another word says why the rate stays at 0.",
}


def guesses(answer: Mapping[int, str]) -> Feedback:
    """Are these the words of `SIGNS` that explain the exhibits with these numbers?

    >>> guesses({1: "one_late", 2: "too_fast"})
    ✗ Not yet. Exhibit 1: with one_late, every rate would come one update late, and the first \
update would use the optimizer's own rate.
    >>> guesses({1: "never_moves", 2: ...})
    … Not attempted yet. Right so far: 1. Still open: 2.
    """
    if not_attempted(answer):
        return NOT_ATTEMPTED
    if not isinstance(answer, Mapping) or not answer or not set(answer) <= set(EXHIBITS):
        return wrong(
            f"The answer must be a dict from an exhibit's number to a word, not {answer!r}."
        )
    made = {number: word for number, word in answer.items() if not not_attempted(word)}
    if not made:
        return NOT_ATTEMPTED
    for number, word in made.items():
        if not isinstance(word, str) or word.strip().lower() not in SIGNS:
            return wrong(f"Exhibit {number}: {word!r} is none of {', '.join(SIGNS)}.")
        guess = word.strip().lower()
        exhibit = EXHIBITS[number]
        fitting = [found.cause for found in explain(exhibit.rates(), exhibit.meant)]
        if guess in fitting[1:]:
            return wrong(f"Exhibit {number}: {guess} fits too, but diagnose prefers another cause.")
        if guess != fitting[0]:
            why = FIT_TOO.get((number, guess), f"with {guess}, {SIGNS[guess]}.")
            return wrong(f"Exhibit {number}: {why}")
    if waiting := [str(number) for number in answer if number not in made]:
        so_far = ", ".join(map(str, made))
        return Feedback(None, f"Right so far: {so_far}. Still open: {', '.join(waiting)}.")
    return correct("diagnose says the same of each of these traces.")


# The loop of the second exercise is to be broken at this update or later.
BROKEN_FROM, BROKEN_UPDATES = 50, 100


def broken_late(answer: Callable[[torch.optim.Optimizer, int], object]) -> Feedback:
    """Does ``answer(optimizer, updates)`` break a cosine late, by a mistake that has a name?

    The schedule is a cosine from 0.1 to 0 over 100 updates. The audit must stop at update 50 or
    later, and `coslr.diagnose` must know a cause that explains the whole trace.
    """
    if not_attempted(answer):
        return NOT_ATTEMPTED
    used = _used(answer, BROKEN_UPDATES)
    if isinstance(used, Feedback):
        return used
    if len(used) != BROKEN_UPDATES:
        return wrong(
            f"It makes {len(used)} updates with the optimizer that it is given, and "
            f"{BROKEN_UPDATES} were asked for."
        )
    schedule = Cosine(BROKEN_UPDATES, ETA_MAX)
    said = _sentence(used, schedule)
    if not said:
        return Feedback(None, "The audit is silent: every rate is right.")
    found = explain(used, schedule)
    first = first_difference(used, schedule(np.arange(BROKEN_UPDATES)))
    if first is not None and first < BROKEN_FROM:
        return wrong(f"{said} That is before update {BROKEN_FROM}.")
    if not found:
        return wrong(
            f"{said} But diagnose knows no cause for this trace. Late in a run it knows a "
            "schedule that begins anew from its peak, and a factor on all rates from then on."
        )
    return correct(f"{said} And diagnose says: {found[0].cause}. {found[0].says}")


def _used(answer: Callable[..., object], *arguments: int) -> np.ndarray | Feedback:
    """The rates that ``answer(optimizer, *arguments)`` uses, or what keeps it from any."""
    optimizer = toy(lr=ETA_MAX)
    try:
        with audit(optimizer) as trace, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch may warn of the mistake
            returned = answer(optimizer, *arguments)
    except Exception as error:
        return failed_with(error)
    if not trace.rates and not_attempted(returned):
        return TRAINS_NOTHING
    return np.array(trace.rates)


def read_log(answer: tuple[str, int]) -> Feedback:
    """Is this the cause that explains the museum's log, and the length that the cosine had?

    >>> read_log(("wrong_length", 900))
    ✗ Not yet. The cause is right. 900 is the length that was meant; which one was used?
    """
    if not_attempted(answer):
        return NOT_ATTEMPTED
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        return wrong(f"The answer must be a cause and a number, not {answer!r}.")
    if not_attempted(*answer):
        return NOT_ATTEMPTED
    cause, length = answer
    if not isinstance(cause, str):
        return wrong(f"The cause must be a word, such as 'too_fast', not {cause!r}.")
    cause = cause.strip().lower()
    if cause != "wrong_length":
        return wrong(
            f"{cause!r} does not explain every row. Ask diagnose, and tell it which updates the "
            "rows are: updates=trace.indices."
        )
    if number_or_nan(length) == 900:
        return wrong("The cause is right. 900 is the length that was meant; which one was used?")
    if number_or_nan(length) != 1000:
        return wrong(f"The cause is right, and the length is not {length!r}: see its parameters.")
    return correct("The cosine's 1,000 updates count the 100 of the warm-up: the run ends first.")


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
    return Feedback(None, f"These are still the rates of the code as you found it. {said}")


def repaired_loop(
    answer: Callable[[torch.optim.Optimizer, int, int], object], epochs: int = 5, batches: int = 8
) -> Feedback:
    """Does ``answer(optimizer, epochs, batches)`` train under one cosine over the whole run?

    From 0.1 to 0 in epochs * batches updates, moving at each of them.
    """
    if not_attempted(answer):
        return NOT_ATTEMPTED
    used = _used(answer, epochs, batches)
    if isinstance(used, Feedback):
        return used
    total = epochs * batches
    t = np.arange(total)
    if len(used) != total:
        return wrong(
            f"It makes {len(used)} updates; it should make {epochs} x {batches} = {total}."
        )
    said = _sentence(used, Cosine(total, ETA_MAX))
    if not said:
        more = (epochs + 1) * (batches + 2)
        again = _used(answer, epochs + 1, batches + 2)
        if isinstance(again, Feedback):
            return again
        if len(again) != more or _sentence(again, Cosine(more, ETA_MAX)):
            return wrong(
                f"The audit is silent for {epochs} x {batches} updates, and not for "
                f"{epochs + 1} x {batches + 2}: take the length from epochs and batches."
            )
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
            return RETURNS_NOTHING
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        if any(bool(weight.any()) for weight in weights):
            return wrong(
                "It makes updates of its own, and the 40 of the old run are made already: load "
                "the two states instead."
            )
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
