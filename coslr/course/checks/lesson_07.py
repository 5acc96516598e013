"""The exercises of notebook 07, Choosing the parameters."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coslr.course.checks.answers import (
    NOT_ATTEMPTED,
    Feedback,
    correct,
    failed_with,
    first_difference,
    floats,
    not_attempted,
    same,
    values,
    wrong,
)


def stops_at(answer: Callable[[float], float]) -> Feedback:
    """Does ``answer(k)`` give the share of its peak at which a cosine to zero, planned for k times
    the budget, stands when the budget is spent?

    >>> stops_at(lambda k: 1 - 1 / k)
    ✗ Not yet. That is right for a straight line, not for a cosine.
    """
    k = np.array([1.0, 1.1, 1.25, 1.5, 2.0, 3.0, 5.0])
    found = values(answer, [(one,) for one in k.tolist()])
    if isinstance(found, Feedback):
        return found
    right = (1 + np.cos(np.pi / k)) / 2
    impostors = {
        "That is right for a straight line, not for a cosine.": 1 - 1 / k,
        "k is upside down: the run stops at the share 1/k of the plan, not at k.": (
            1 + np.cos(np.pi * k)
        )
        / 2,
        "It answers for a curve that rises: planned to fit, k = 1, it must end at 0.": 1 - right,
        "The square is missing: the cosine schedule is cos² of half the angle.": np.cos(
            np.pi / (2 * k)
        ),
        "The angle is half of what it should be: at k = 1 it must be π in (1 + cos)/2.": (
            1 + np.cos(np.pi / (2 * k))
        )
        / 2,
        "In the form cos² the angle is π/2 times 1/k: yours is twice that.": np.cos(np.pi / k) ** 2,
        "1 + cos goes from 2 to 0: the factor 1/2 is missing.": 2 * right,
        "The 1 in 1 + cos is missing: a cosine alone goes below zero.": np.cos(np.pi / k),
        "The 1 in 1 + cos is missing: a rate is never below zero.": np.cos(np.pi / k) / 2,
        "The cosine takes an angle in radians: half a turn is π, not 180.": (1 + np.cos(180 / k))
        / 2,
        "The angle must have the factor π.": (1 + np.cos(1 / k)) / 2,
    }
    if np.allclose(found, right, rtol=0, atol=1e-9):
        return correct("A plan twice too long stops at half its peak, one of five times at 0.905.")
    for hint, mistake in impostors.items():
        if np.allclose(found, mistake, rtol=0, atol=1e-9):
            return wrong(hint)
    worst = int(np.argmax(~np.isclose(found, right, rtol=0, atol=1e-9)))
    return wrong(
        f"For k={k[worst]:g} it gives {found[worst]:.4g}, and the cosine stops at "
        f"{right[worst]:.4f} of its peak."
    )


# Peaks; validation and test accuracy, one row a seed; and the peak to choose, if there is one.
Sweep = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], float | None]


def _sweeps() -> dict[str, Sweep]:
    """Made-up sweeps, each a case that a careless choice gets wrong."""
    peaks = np.array([0.01, 0.02, 0.04, 0.08, 0.16])

    def rows(means: list[float]) -> NDArray[np.float64]:
        return np.array([np.array(means) + shift for shift in (-0.01, 0.0, 0.01)])

    inside, falling = [0.80, 0.83, 0.85, 0.84, 0.70], [0.88, 0.86, 0.84, 0.81, 0.70]
    lucky = rows([0.80, 0.83, 0.85, 0.82, 0.70])
    lucky[:, 3] = [0.78, 0.78, 0.90]  # one good seed of three; its mean is 0.82
    return {
        "plain": (peaks, rows(inside), rows(inside), 0.04),
        "test": (peaks, rows(inside), rows([0.80, 0.86, 0.84, 0.83, 0.70]), 0.04),
        "lucky": (peaks, lucky, rows(inside), 0.04),
        "low": (peaks, rows(falling), rows(falling), None),
        "high": (peaks, rows(falling[::-1]), rows(falling[::-1]), None),
    }


def choose(answer: Callable[[Any, Any, Any], float | None]) -> Feedback:
    """Does ``answer(peaks, validation, test)`` choose the best peak, or None where there is none?

    It is tried on made-up sweeps: `peaks` rise, and `validation` and `test` are arrays of
    accuracies with one row per seed and one column per peak.

    >>> choose(lambda peaks, validation, test: peaks[validation.mean(axis=0).argmax()])
    ✗ Not yet. The best of that sweep is at the edge of its grid, at 0.01: that is no result, so \
return None.
    """
    if not_attempted(answer):
        return NOT_ATTEMPTED
    if not callable(answer):
        return wrong(f"The answer must be a function, not {answer!r}.")
    sweeps = _sweeps()
    found: dict[str, float | None] = {}
    try:
        for case, (peaks, validation, test, _) in sweeps.items():
            returned: object = answer(peaks.copy(), validation.copy(), test.copy())
            if not_attempted(returned):  # None may also be meant: there is no best peak
                found[case] = None
                continue
            chosen = floats(returned)
            if chosen.shape != ():
                return wrong("It must return one peak, or None.")
            found[case] = float(chosen)
    except Exception as error:
        return failed_with(error)
    if all(peak is None for peak in found.values()):
        return NOT_ATTEMPTED
    return _judge(sweeps, found)


def _judge(sweeps: dict[str, Sweep], found: dict[str, float | None]) -> Feedback:
    validation = sweeps["plain"][1]
    if found["plain"] is None:
        return wrong("It returns None for a sweep whose best peak, 0.04, is well inside its grid.")
    if found["plain"] in (2.0, 3.0):
        return wrong("That is the place of the best peak in the list: return the peak itself.")
    if np.isclose(found["plain"], validation.mean(axis=0).max()):
        return wrong("That is the best accuracy: return the peak that reached it.")
    if found["plain"] == 0.16:
        return wrong("It returns the worst peak: accuracies should be high.")
    if found["test"] == 0.02:
        return wrong(
            "It chooses by the test images. They are for the report; choose by validation."
        )
    if found["lucky"] == 0.08:
        return wrong(
            "It falls for one lucky run: compare the means over the seeds, not the best single run."
        )
    for case, edge in (("low", 0.01), ("high", 0.16)):
        if found[case] == edge:
            return wrong(
                f"The best of that sweep is at the edge of its grid, at {edge}: that is no "
                "result, so return None."
            )
    for case, (_, _, _, right) in sweeps.items():
        if found[case] != right:
            return wrong(f"For one sweep it returns {found[case]}, and {right} would be right.")
    return correct("By validation, by the mean of the seeds, and nothing from the edge.")


def rising(answer: Callable[[int, int, float, float], float]) -> Feedback:
    """Does ``answer(t, n, low, high)`` rise by one factor at each of n updates, from low at t = 0
    to high at the last?

    >>> rising(lambda t, n, low, high: low + (high - low) * t / (n - 1))
    ✗ Not yet. It rises by the same amount at each update; by the same factor was asked.
    """
    n, low, high = 9, 1e-4, 10.0
    t = np.arange(n)
    found = values(answer, [(one, n, low, high) for one in t.tolist()])
    if isinstance(found, Feedback):
        return found

    def power(share: np.ndarray) -> np.ndarray:
        return low * (high / low) ** share

    right = power(t / (n - 1))
    if same(found, right):
        return correct(f"From {low:g} by a factor of {right[1] / right[0]:.3g} at each update.")
    linear = "It rises by the same amount at each update; by the same factor was asked."
    impostors = {
        linear: [low + (high - low) * s for s in (t / (n - 1), t / n, (t + 1) / n)],
        "The last update must be at high: n updates make n - 1 steps.": [power(t / n)],
        "The first update, t = 0, must be at low.": [power((t + 1) / n)],
        "It is one update late: t = 0 must be at low.": [power((t - 1) / (n - 1))],
        "It is one update early: t = 0 must be at low.": [power((t + 1) / (n - 1))],
        "It falls: low and high are exchanged.": [right[::-1]],
        "It begins at high: the factor low in front is missing or wrong.": [
            high * (high / low) ** (t / (n - 1))
        ],
        "It begins at 1: the factor low in front is missing.": [(high / low) ** (t / (n - 1))],
        "It is the logarithm of the rate: take the exponential.": [np.log(right), np.log10(right)],
    }
    for hint, mistakes in impostors.items():
        if any(same(found, mistake) for mistake in mistakes):
            return wrong(hint)
    worst = first_difference(found, right)
    return wrong(
        f"For t={worst}, n={n}, low={low:g}, high={high:g} it gives {found[worst]:.6g}, and "
        f"{right[worst]:.6g} would be right."
    )
