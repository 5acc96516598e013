"""The exercises of notebook 01, The formula."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from coslr.course.checks.answers import (
    EPOCHS,
    ETA_MAX,
    ETA_MIN,
    Feedback,
    check_number,
    correct,
    first_difference,
    same,
    values,
    wrong,
)
from coslr.schedules import cosine


def formula(answer: Callable[[float, float, float, float], float]) -> Feedback:
    """Is ``answer(t, T_max, eta_max, eta_min)`` the cosine formula for t from 0 to T_max?

    >>> formula(lambda t, T_max, eta_max, eta_min: eta_max + (eta_min - eta_max) * t / T_max)
    ✗ Not yet. That is a straight line from eta_max to eta_min: where is the cosine?
    """
    T, peak, floor = 10, 0.4, 0.1
    t = np.arange(T + 1)
    found = values(answer, [(one, T, peak, floor) for one in t.tolist()])
    if isinstance(found, Feedback):
        return found
    right = cosine(t, T, peak, floor)
    if same(found, right):
        gap = abs(found - right).max()
        return correct(
            f"It differs from coslr.cosine by at most {gap:.0e}." if gap else "To the bit."
        )

    def wave(angle: NDArray[np.float64]) -> NDArray[np.float64]:
        height: NDArray[np.float64] = (1 + np.cos(angle)) / 2
        return floor + (peak - floor) * height

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
    for hint, mistake in impostors.items():
        # Leave out t = T_max: a formula that holds its last value hides some mistakes there.
        if same(found[:-1], mistake[:-1]):
            return wrong(hint)
    worst = first_difference(found, right)
    return wrong(
        f"For t={worst}, T_max={T}, eta_max={peak}, eta_min={floor} it gives {found[worst]:.6g}, "
        f"and the formula {right[worst]:.6g}."
    )


def inverse(answer: Callable[[float], float]) -> Feedback:
    """Does ``answer(q)`` give the share of the run at which a cosine to zero is at q of its peak?

    >>> inverse(lambda q: 1 - q)
    ✗ Not yet. That is the inverse of a straight line.
    """
    q = np.array([1.0, 0.9, 0.6, 0.5, 0.25, 0.1, 0.0])
    found = values(answer, [(one,) for one in q.tolist()])
    if isinstance(found, Feedback):
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
        return correct()
    for hint, mistake in impostors.items():
        if np.allclose(found, mistake, atol=1e-7):
            return wrong(hint)
    worst = int(np.argmax(~np.isclose(found, right, atol=1e-7)))
    message = f"For q={q[worst]:g} it gives {found[worst]:.4g}"
    if not 0 <= found[worst] <= 1:
        return wrong(f"{message}, which is no share of the run: they go from 0 to 1.")
    at = cosine(found[worst], 1, 1.0)
    return wrong(f"{message}, where the cosine is at {at:.4g} of its peak.")


def area(answer: float) -> Feedback:
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
    return check_number(answer, rates[:-1].sum(), hints, digits=6)
