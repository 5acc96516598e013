"""The exercise checkers of the notebooks: an answer goes in, and what is right or wrong comes out.

A checker never raises for a wrong answer, and it says what is wrong: it knows the usual mistakes
and looks which of them the answer makes. An answer of None or `...` is not attempted yet.
"""

import math
from collections.abc import Callable, Mapping, Sequence
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
    """Right to one unit of so many significant digits; `hints`: mistake -> the number it gives."""
    if _untouched(answer):
        return NOT_YET
    try:
        value = _floats(answer)
    except Exception:
        value = np.array(math.nan)
    if value.shape != () or np.isnan(value):
        return _wrong(f"The answer must be a number, not {answer!r}.")
    value = float(value)

    def near(number: float) -> bool:
        unit = 10.0 ** (math.floor(math.log10(number)) + 1 - digits)
        return abs(value - number) <= unit

    if near(expected):
        return _right()
    for hint, number in hints.items():
        if near(number):
            return _wrong(hint)
    if math.isclose(value, expected, rel_tol=0.01):
        return _wrong(f"{value:.6g} is close, but not right to {digits} digits.")
    return _wrong(f"{value:.6g} is too {'small' if value < expected else 'large'}.")


def _floats(answer: Any) -> np.ndarray:
    """`answer` as floats; numpy would take the text "0.9" for a number, and learners would too."""
    array = np.asarray(answer)
    if array.dtype.kind in "USbc":
        raise TypeError(f"{answer!r} is not made of real numbers")
    return array.astype(float)


def _values(answer: Callable, arguments: Sequence[tuple]) -> np.ndarray | Verdict:
    """What the function `answer` gives for each of `arguments`, or a verdict where it cannot."""
    if _untouched(answer):
        return NOT_YET
    if not callable(answer):
        return _wrong(f"The answer must be a function, not {answer!r}.")
    try:
        found = [answer(*one) for one in arguments]
        if _untouched(*found):
            return NOT_YET
        found = _floats(found)
    except Exception as error:
        return _fails(error)
    if found.shape != (len(arguments),):
        return _wrong("Called once, it must return one number.")
    return found


def _fails(error: Exception) -> Verdict:
    return _wrong(f"It fails: {type(error).__name__}: {error}")


def _first_difference(found: np.ndarray, right: np.ndarray) -> int | None:
    """Where two rows of rates first differ; None where they do not. NaN always differs."""
    differ = ~np.isclose(found, right, rtol=1e-9, atol=1e-12)
    return int(np.argmax(differ)) if differ.any() else None


def _same(found: np.ndarray, right: np.ndarray) -> bool:
    return _first_difference(found, right) is None


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
    T_max = schedule.T_max
    if T_max == total:
        for name, value in (("eta_max", eta_max), ("eta_min", eta_min)):
            if not math.isclose(getattr(schedule, name), value, rel_tol=1e-9):
                return _wrong(f"{name} is {getattr(schedule, name):g}, and should be {value:g}.")
        return _right(f"It reaches {eta_min:g} as update {total} would begin, the run's end.")
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
    return _wrong(f"T_max={T_max}: how many updates has the whole run?")


# ---------------------------------------------------------------------- 01_the_formula


def formula(answer: Callable[[float, float, float, float], float]) -> Verdict:
    """Is ``answer(t, T_max, eta_max, eta_min)`` the cosine formula for t from 0 to T_max?

    >>> formula(lambda t, T_max, eta_max, eta_min: eta_max + (eta_min - eta_max) * t / T_max)
    ✗ Not yet. That is a straight line from eta_max to eta_min: where is the cosine?
    """
    T, peak, floor = 10, 0.4, 0.1
    t = np.arange(T + 1)
    found = _values(answer, [(one, T, peak, floor) for one in t.tolist()])
    if isinstance(found, Verdict):
        return found
    right = cosine(t, T, peak, floor)
    if _same(found, right):
        gap = abs(found - right).max()
        return _right(
            f"It differs from coslr.cosine by at most {gap:.0e}." if gap else "To the bit."
        )

    def wave(angle: np.ndarray) -> np.ndarray:
        return floor + (peak - floor) * (1 + np.cos(angle)) / 2

    angle = np.pi * t / T
    impostors = {
        "That is a straight line from eta_max to eta_min: where is the cosine?": peak
        + (floor - peak) * t / T,
        "The floor is missing: at t = T_max the rate must be eta_min.": cosine(t, T, peak),
        "The cosine spans eta_max - eta_min, as it must, but eta_min is not added to it.": right
        - floor,
        "The floor is added twice: the cosine must span eta_max - eta_min.": floor
        + cosine(t, T, peak),
        "It begins one update too far: at t = 0 the rate must be eta_max.": wave(
            np.pi * (t + 1) / T
        ),
        "It begins one update late: at t = 0 the angle must be 0.": wave(np.pi * (t - 1) / T),
        "It ends one update early: at t = T_max the angle must be π.": wave(np.pi * t / (T - 1)),
        "It ends one update late: at t = T_max the angle must be π.": wave(np.pi * t / (T + 1)),
        "It rises: check the sign of the cosine, or which of eta_max and eta_min is which.": floor
        + peak
        - right,
        "The factor 1/2 is missing: 1 + cos goes from 2 to 0.": 2 * right - floor,
        "The 1 in 1 + cos is missing: cos alone goes below zero.": right - (peak - floor) / 2,
        "The angle must go to π: this one goes to 1.": wave(t / T),
        "The angle must go to π: this one goes to 2π, down and up again.": wave(2 * angle),
        "That is a quarter of the wave: the rate is steepest at its end.": floor
        + (peak - floor) * np.cos(angle / 2),
        "The cosine takes an angle in radians: half a turn is π, not 180.": wave(180 * t / T),
    }
    for hint, wrong in impostors.items():
        # Not at t = T_max, where a mistake looks different in a formula that holds its last value.
        if _same(found[:-1], wrong[:-1]):
            return _wrong(hint)
    worst = _first_difference(found, right)
    return _wrong(
        f"For t={worst}, T_max={T}, eta_max={peak}, eta_min={floor} it gives {found[worst]:.6g}, "
        f"and the formula {right[worst]:.6g}."
    )


def inverse(answer: Callable[[float], float]) -> Verdict:
    """Does ``answer(q)`` give the share of the run at which a cosine to zero is at q of its peak?

    >>> inverse(lambda q: 1 - q)
    ✗ Not yet. That is the inverse of a straight line.
    """
    q = np.array([1.0, 0.9, 0.6, 0.5, 0.25, 0.1, 0.0])
    found = _values(answer, [(one,) for one in q.tolist()])
    if isinstance(found, Verdict):
        return found
    right = np.arccos(2 * q - 1) / np.pi
    impostors = {
        "That is the inverse of a straight line.": 1 - q,
        "It answers for a curve that rises: q = 1 is the start, share 0.": 1 - right,
        "That is an angle: divide it by π to have a share of the run.": np.pi * right,
        "That is an angle in degrees: a share of the run is from 0 to 1.": 180 * right,
        "Solve q = (1 + cos πs)/2 for cos πs first: it is 2q - 1.": np.arccos(q) / np.pi,
        "In the form cos²(πs/2) the square root of q is missing.": 2 * np.arccos(q) / np.pi,
        "That is the rate at share q; the share at rate q was asked.": cosine(q, 1, 1.0),
    }
    if np.allclose(found, right, atol=1e-7):
        return _right()
    for hint, wrong in impostors.items():
        if np.allclose(found, wrong, atol=1e-7):
            return _wrong(hint)
    worst = int(np.argmax(~np.isclose(found, right, atol=1e-7)))
    message = f"For q={q[worst]:g} it gives {found[worst]:.4g}"
    if not 0 <= found[worst] <= 1:
        return _wrong(f"{message}, which is no share of the run: they go from 0 to 1.")
    at = cosine(found[worst], 1, 1.0)
    return _wrong(f"{message}, where the cosine is at {at:.4g} of its peak.")


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
        "That is the sum for a floor of 0: it is 0.0001 here.": ETA_MAX * (EPOCHS + 1) / 2,
        "That is the mean of the rates; the sum is 50 times as much.": rates[:-1].mean(),
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
        rates = reported if isinstance(reported, list | tuple) else [reported]
        if _untouched(*rates):
            return NOT_YET
        reported = _floats(reported)
    except Exception as error:
        return _fails(error)
    used = np.array(trace.rates)
    expected = cosine(np.arange(EPOCHS), EPOCHS, ETA_MAX, ETA_MIN)
    if len(used) != EPOCHS:
        return _wrong(
            f"It makes {len(used)} updates; one for each of the {EPOCHS} epochs was asked."
        )
    if reported.shape != used.shape:
        return _wrong(f"It must return {EPOCHS} rates, one per epoch; it returns {reported.size}.")
    changed = _first_difference(used, expected)
    if changed is not None:
        return _wrong(
            f"The training itself changed: epoch {changed + 1} no longer trains at the cosine's "
            "rate. Only the report should."
        )
    epoch = _first_difference(reported, used)
    if epoch is None:
        return _right("What is reported is what was used.")
    if _same(reported[:-1], used[1:]):
        return _wrong(
            "It still reports the rate of the epoch to come: read it before scheduler.step()."
        )
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
        return _fails(error)
    used = np.array(trace.rates)
    t, total = np.arange(len(used)), len(used)
    right = cosine(t, total, ETA_MAX, ETA_MIN)
    update = _first_difference(used, right)
    if update is None:
        return _right(f"The last update trains at {used[-1]:.6g}.")
    if _same(used, np.full(total, ETA_MAX)):
        return _wrong("The rate never moves: is the scheduler bound to this optimizer?")

    def at_floor(k: int) -> bool:
        return k < total and math.isclose(used[k], ETA_MIN, rel_tol=1e-6)

    if at_floor(updates):
        return _wrong(f"The floor is reached after one epoch, {updates} updates.")
    if at_floor(epochs):
        return _wrong(
            f"T_max={epochs} counts epochs, but the scheduler steps at every update: "
            f"the floor is there after {epochs} of the {total} updates."
        )
    if _same(used, cosine(t, total, ETA_MAX)):
        return _wrong(f"The floor is 0, and should be {ETA_MIN:g}.")
    if _same(used, cosine(t, total - 1, ETA_MAX, ETA_MIN)):
        return _wrong(f"It ends one update early: the last has t = {total - 1}, T_max is {total}.")
    if _same(used, cosine(t // updates, epochs, ETA_MAX, ETA_MIN)):
        return _wrong("It moves once an epoch, a staircase: it should move at every update.")
    return _wrong(
        f"Update {update} trains at {used[update]:.6g}, and the cosine says {right[update]:.6g}."
    )
