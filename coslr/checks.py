"""The exercise checkers of the notebooks: an answer goes in, and what is right or wrong comes out.

A checker never raises for a wrong answer, and it says what is wrong: it knows the usual mistakes
and looks which of them the answer makes. An answer of None or `...` is not attempted yet.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from coslr.pytorch import audit
from coslr.schedules import Cosine, Schedule, cosine

# The article's example, on which several exercises stand.
ETA_MAX, ETA_MIN, EPOCHS = 0.1, 0.0001, 50


@dataclass(frozen=True)
class Verdict:
    """What a checker says: `right` is True, False, or None where nothing was attempted."""

    right: bool | None
    message: str

    def __repr__(self) -> str:
        sign = {True: "✓ Right.", False: "✗ Not yet.", None: "… Not attempted yet."}[self.right]
        return f"{sign} {self.message}".strip()


def _right(message: str = "") -> Verdict:
    return Verdict(True, message)


def _wrong(message: str) -> Verdict:
    return Verdict(False, message)


def _untouched(*answers: Any) -> bool:
    return any(answer is None or answer is ... for answer in answers)


NOT_YET = Verdict(None, "Put your answer in place of the dots, and run the cell again.")


def _check_number(answer: Any, expected: float, hints: Mapping[str, float], digits: int) -> Verdict:
    """Right to so many significant digits; `hints` maps what went wrong -> the number it gives."""
    if _untouched(answer):
        return NOT_YET
    try:
        value = float(answer)
    except (TypeError, ValueError):
        return _wrong(f"The answer must be a number, not {answer!r}.")

    def near(number: float) -> bool:
        return math.isclose(value, number, rel_tol=0.5 * 10.0 ** (1 - digits))

    if near(expected):
        return _right()
    for hint, number in hints.items():
        if near(number):
            return _wrong(hint)
    return _wrong(f"{value:.6g} is too {'small' if value < expected else 'large'}.")


# ---------------------------------------------------------------------- 00_start_here


def tenth_of_peak(answer: float) -> Verdict:
    """At which share of the run, 0 ... 1, has a cosine to zero fallen to a tenth of its peak?

    >>> tenth_of_peak(0.9)
    ✗ Not yet. That is where a straight line is at a tenth. The cosine falls faster in the middle.
    """
    hints = {
        "That is where a straight line is at a tenth. The cosine falls faster in the middle.": 0.9,
        "There it has fallen by a tenth, to nine tenths of the peak.": 0.2048,
        "That is in percent; the share is a number from 0 to 1.": 79.5,
        "That is an angle, in radians: divide it by π, the angle at the end of the run.": 2.498,
    }
    return _check_number(answer, 2 / math.pi * math.acos(math.sqrt(0.1)), hints, digits=2)


def own_run(
    schedule: Schedule, epochs: int, updates: int, eta_max: float, eta_min: float
) -> Verdict:
    """Is `schedule` the cosine for a run of `epochs`, each of so many `updates`, in updates?

    >>> own_run(Cosine(T_max=12, eta_max=0.05), epochs=12, updates=78, eta_max=0.05, eta_min=0.0)
    ✗ Not yet. T_max=12 is in epochs, but the schedule is asked at every update: multiply.
    """
    if _untouched(schedule):
        return NOT_YET
    if not isinstance(schedule, Cosine):
        return _wrong(f"The answer must be a Cosine(T_max=..., eta_max=...), not {schedule!r}.")
    total = epochs * updates
    if schedule == Cosine(total, eta_max, eta_min):
        return _right(f"It reaches {eta_min:g} as update {total} would begin, the run's end.")
    T_max = schedule.T_max
    if T_max == epochs:
        return _wrong(
            f"T_max={T_max} is in epochs, but the schedule is asked at every update: multiply."
        )
    if T_max == updates:
        return _wrong(f"T_max={T_max} is one epoch: the rate would be at its floor for the rest.")
    if T_max == total - 1:
        return _wrong(
            f"The last update has t = {total - 1}; T_max is the end of the run, one more."
        )
    if T_max != total:
        return _wrong(f"T_max={T_max}: how many updates has the whole run?")
    for name, value in (("eta_max", eta_max), ("eta_min", eta_min)):
        if getattr(schedule, name) != value:
            return _wrong(f"{name} is {getattr(schedule, name):g}, and should be {value:g}.")
    return _wrong(f"{schedule!r} is not the schedule asked for.")


# ---------------------------------------------------------------------- 01_the_formula

_ANGLES = "The cosine takes an angle in radians: half a turn is π, not 180."


def formula(answer: Callable[[float, float, float, float], float]) -> Verdict:
    """Is ``answer(t, T_max, eta_max, eta_min)`` the cosine formula for t from 0 to T_max?

    >>> formula(lambda t, T_max, eta_max, eta_min: eta_max + (eta_min - eta_max) * t / T_max)
    ✗ Not yet. That is a straight line from eta_max to eta_min: where is the cosine?
    """
    if _untouched(answer):
        return NOT_YET
    T, peak, floor = 10, 0.4, 0.1
    try:
        found = [answer(t, T, peak, floor) for t in range(T + 1)]
        if _untouched(*found):
            return NOT_YET
        found = np.array(found, dtype=float)
    except Exception as error:
        return _wrong(f"It fails: {type(error).__name__}: {error}")
    t = np.arange(T + 1)
    right = cosine(t, T, peak, floor)
    impostors = {
        "That is a straight line from eta_max to eta_min: where is the cosine?": peak
        + (floor - peak) * t / T,
        "The floor is missing: at t = T_max the rate must be eta_min.": cosine(t, T, peak),
        "It begins one update late or early: at t = 0 the rate must be eta_max.": cosine(
            t + 1, T, peak, floor
        ),
        "It ends one update early: at t = T_max the angle must be π.": cosine(
            t, T - 1, peak, floor
        ),
        "It ends one update late: at t = T_max the angle must be π.": cosine(t, T + 1, peak, floor),
        "It rises: check the sign of the cosine, or which of eta_max and eta_min is which.": floor
        + peak
        - right,
        "The factor 1/2 is missing: 1 + cos goes from 2 to 0.": floor
        + (peak - floor) * (1 + np.cos(np.pi * t / T)),
        "The 1 in 1 + cos is missing: cos alone goes below zero.": floor
        + (peak - floor) * np.cos(np.pi * t / T) / 2,
        "The angle must go to π: this one goes to 1.": floor
        + (peak - floor) * (1 + np.cos(t / T)) / 2,
        "The angle must go to π: this one goes to 2π, down and up again.": floor
        + (peak - floor) * (1 + np.cos(2 * np.pi * t / T)) / 2,
        _ANGLES: floor + (peak - floor) * (1 + np.cos(180 * t / T)) / 2,
        "The floor is added twice: the cosine must span eta_max - eta_min.": floor
        + peak * (1 + np.cos(np.pi * t / T)) / 2,
    }
    if found.shape != right.shape:
        return _wrong("For one t it must return one number.")
    if np.allclose(found, right, rtol=1e-9, atol=0):
        return _right(f"It differs from coslr.cosine by at most {abs(found - right).max():.0e}.")
    for hint, wrong in impostors.items():
        if np.allclose(found, wrong, rtol=1e-9, atol=1e-12):
            return _wrong(hint)
    worst = int(np.argmax(~np.isclose(found, right, rtol=1e-9, atol=0)))
    return _wrong(
        f"For t={worst}, T_max={T}, eta_max={peak}, eta_min={floor} it gives {found[worst]:.6g}, "
        f"and the formula {right[worst]:.6g}."
    )


def inverse(answer: Callable[[float], float]) -> Verdict:
    """Does ``answer(q)`` give the share of the run at which a cosine to zero is at q of its peak?

    >>> inverse(lambda q: 1 - q)
    ✗ Not yet. That is the inverse of a straight line.
    """
    if _untouched(answer):
        return NOT_YET
    q = np.array([1.0, 0.9, 0.6, 0.5, 0.25, 0.1, 0.0])
    try:
        found = [answer(float(one)) for one in q]
        if _untouched(*found):
            return NOT_YET
        found = np.array(found, dtype=float)
    except Exception as error:
        return _wrong(f"It fails: {type(error).__name__}: {error}")
    right = np.arccos(2 * q - 1) / np.pi
    impostors = {
        "That is the inverse of a straight line.": 1 - q,
        "It answers for a curve that rises: q = 1 is the start, share 0.": 1 - right,
        "That is an angle: divide it by π to have a share of the run.": np.pi * right,
        "Solve q = (1 + cos πs)/2 for cos πs first: it is 2q - 1.": np.arccos(q) / np.pi,
    }
    if found.shape != right.shape:
        return _wrong("For one q it must return one number.")
    if np.allclose(found, right, atol=1e-7):
        return _right()
    for hint, wrong in impostors.items():
        if np.allclose(found, wrong, atol=1e-7):
            return _wrong(hint)
    worst = int(np.argmax(~np.isclose(found, right, atol=1e-7)))
    return _wrong(
        f"For q={q[worst]:g} it gives {found[worst]:.4g}, where the cosine is at "
        f"{cosine(found[worst], 1, 1.0):.4g} of its peak."
    )


def area(answer: float) -> Verdict:
    """What do the rates of the article's 50 epochs, t = 0 ... 49, add up to?

    >>> area(2.5025)
    ✗ Not yet. That is 50 times the mean of the curve; the sum has the peak, but not the floor.
    """
    rates = cosine(np.arange(EPOCHS + 1), EPOCHS, ETA_MAX, ETA_MIN)
    hints = {
        "That is 50 times the mean of the curve; the sum has the peak, but not the floor.": EPOCHS
        * (ETA_MAX + ETA_MIN)
        / 2,
        "That is the sum over 51 rates: the last, the floor, belongs to no epoch.": rates.sum(),
        "That leaves the first rate out: epoch 1 trains at the peak.": rates[1:].sum(),
        "That is 50 times the peak: a constant rate.": EPOCHS * ETA_MAX,
    }
    return _check_number(answer, rates[:-1].sum(), hints, digits=6)


# ---------------------------------------------------------------------- 04_train_a_cnn


def last_rate(answer: float) -> Verdict:
    """At which rate does the article's example train in its last epoch?

    >>> last_rate(0.0001)
    ✗ Not yet. That is what is printed after the last epoch, when no epoch is left to use it.
    """
    hints = {
        "That is what is printed after the last epoch, when no epoch is left to use it.": ETA_MIN,
        "That is one epoch too early.": cosine(EPOCHS - 2, EPOCHS, ETA_MAX, ETA_MIN),
    }
    return _check_number(answer, cosine(EPOCHS - 1, EPOCHS, ETA_MAX, ETA_MIN), hints, digits=3)


def _toy() -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=ETA_MAX)


def print_line(answer: Callable[[Any, Any, int], list[float]]) -> Verdict:
    """Does ``answer(optimizer, scheduler, epochs)``, one update an epoch, return the rates used?

    It is run with the article's optimizer and scheduler, and an audit reads what each epoch used.
    """
    if _untouched(answer):
        return NOT_YET
    optimizer = _toy()
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS, eta_min=ETA_MIN)
    try:
        with audit(optimizer) as trace:
            reported = answer(optimizer, scheduler, EPOCHS)
        if _untouched(reported):
            return NOT_YET
        reported = np.array(reported, dtype=float)
    except Exception as error:
        return _wrong(f"It fails: {type(error).__name__}: {error}")
    used = np.array(trace.rates)
    expected = cosine(np.arange(EPOCHS), EPOCHS, ETA_MAX, ETA_MIN)
    if len(used) != EPOCHS:
        return _wrong(
            f"It makes {len(used)} updates; one for each of the {EPOCHS} epochs was asked."
        )
    if reported.shape != used.shape:
        return _wrong(f"It must return {EPOCHS} rates, one per epoch; it returns {reported.size}.")
    if not np.allclose(used, expected, rtol=1e-9):
        return _wrong(
            f"The training itself changed: epoch {np.argmax(~np.isclose(used, expected)) + 1} no "
            "longer trains at the cosine's rate. Only the report should."
        )
    if np.allclose(reported, used, rtol=1e-12):
        return _right("What is reported is what was used.")
    if np.allclose(reported[:-1], used[1:], rtol=1e-12):
        return _wrong(
            "It still reports the rate of the epoch to come: read it before scheduler.step()."
        )
    epoch = int(np.argmax(~np.isclose(reported, used, rtol=1e-12)))
    return _wrong(
        f"For epoch {epoch + 1} it reports {reported[epoch]:.6g}, but {used[epoch]:.6g} was used."
    )


def per_update(
    answer: Callable[[Any, int, int], Any], epochs: int = EPOCHS, updates: int = 20
) -> Verdict:
    """Does ``answer(optimizer, epochs, updates)`` give a scheduler for one step after each update?

    The rate must follow one cosine over the whole run, from 0.1 to 0.0001.
    """
    if _untouched(answer):
        return NOT_YET
    optimizer = _toy()
    try:
        scheduler = answer(optimizer, epochs, updates)
        if _untouched(scheduler):
            return NOT_YET
        with audit(optimizer) as trace:
            for _ in range(epochs * updates):
                optimizer.step()
                scheduler.step()
    except Exception as error:
        return _wrong(f"It fails: {type(error).__name__}: {error}")
    used = np.array(trace.rates)
    right = cosine(np.arange(len(used)), len(used), ETA_MAX, ETA_MIN)
    if np.allclose(used, right, rtol=1e-9):
        return _right(f"The last update trains at {used[-1]:.6g}.")
    if np.allclose(used, ETA_MAX):
        return _wrong("The rate never moves: is the scheduler bound to this optimizer?")
    if np.isclose(used[epochs], ETA_MIN, rtol=1e-6):
        return _wrong(
            f"T_max={epochs} counts epochs, but the scheduler steps at every update: "
            f"the floor is there after {epochs} of the {len(used)} updates."
        )
    if np.isclose(used[updates], ETA_MIN, rtol=1e-6):
        return _wrong(f"The floor is reached after one epoch, {updates} updates.")
    update = int(np.argmax(~np.isclose(used, right, rtol=1e-9)))
    return _wrong(
        f"Update {update} trains at {used[update]:.6g}, and the cosine says {right[update]:.6g}."
    )
