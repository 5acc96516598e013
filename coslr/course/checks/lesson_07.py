"""The exercises of notebook 07, Choosing the parameters."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coslr.course.checks.answers import (
    NOT_ATTEMPTED,
    Feedback,
    correct,
    failed_with,
    floats,
    not_attempted,
    rates_of_a_run,
    wrong,
)
from coslr.course.valley import CURVATURES, NOISE
from coslr.schedules import Cosine, Schedule
from coslr.theory import noisy_quadratic

# In the valley of lesson 03, the loss of the best cosine to zero that is planned for each length.
PLANNED = {300: 0.02944, 400: 0.02262, 500: 0.01842, 600: 0.01556}
ALLOWED = 0.1  # of the second exercise: so much above the planned run's loss
FINISHED = Cosine(300, 1.2)  # the run that the third exercise prolongs to 600 updates
LAST, STEP = 100, 0.02  # a hint moves so many rates by so much

# Peaks; validation and test accuracy, one row a seed; and the peak to choose, if there is one.
Sweep = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], float | None]


def _sweeps() -> dict[str, Sweep]:
    """Made-up sweeps, each a case that a careless choice gets wrong."""
    peaks = np.array([0.01, 0.02, 0.04, 0.08, 0.16])

    def rows(means: list[float]) -> NDArray[np.float64]:
        return np.array([np.array(means) + shift for shift in (-0.01, 0.0, 0.01)])

    inside, falling = [0.80, 0.83, 0.85, 0.84, 0.70], [0.88, 0.86, 0.84, 0.81, 0.70]
    lucky = rows([0.80, 0.83, 0.85, 0.82, 0.70])
    lucky[:, 3] = [0.90, 0.78, 0.78]  # one good seed of three; its mean is 0.82
    unlucky = rows(inside)
    unlucky[:, 2] = [0.88, 0.88, 0.80]  # one bad seed of three; its mean is the best still
    outvoted = rows(inside)
    outvoted[:, 3] = [0.86, 0.87, 0.70]  # two of three seeds like it better; its mean is lower
    return {
        "unlucky": (peaks, unlucky, rows(inside), 0.04),
        "outvoted": (peaks, outvoted, rows(inside), 0.04),
        # A sixth peak, so that the edge is not at a place known beforehand.
        "longer": (
            np.r_[0.005, peaks],
            rows([0.70, *inside[:-1], 0.86]),
            rows([0.70, *inside]),
            None,
        ),
        "plain": (peaks, rows(inside), rows(inside), 0.04),
        "test": (peaks, rows(inside), rows([0.80, 0.86, 0.84, 0.83, 0.70]), 0.04),
        # Each seed is the lucky one in turn, so no rule that looks at one seed alone passes.
        **{
            f"lucky {row}": (peaks, np.roll(lucky, row, axis=0), rows(inside), 0.04)
            for row in range(3)
        },
        "low": (peaks, rows(falling), rows(falling), None),
        "high": (peaks, rows(falling[::-1]), rows(falling[::-1]), None),
    }


def choose(answer: Callable[[Any, Any, Any], float | None]) -> Feedback:
    """Does ``answer(peaks, validation, test)`` choose the best peak, or None where there is none?

    It is tried on made-up sweeps: `peaks` rise, and `validation` and `test` are arrays of
    accuracies with one row per seed and one column per peak.

    >>> choose(lambda peaks, validation, test: peaks[validation.mean(axis=0).argmax()])
    ✗ Not yet. It returns 0.01 for a sweep whose best peak is at the edge of its grid. That is no \
result, so return None.
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
    across = {case: peaks[v.mean(axis=1).argmax()] for case, (peaks, v, _, _) in sweeps.items()}
    if all(found[case] in (across[case], None) for case in sweeps):
        return wrong("It takes the mean over the peaks. The rows are the seeds: take axis=0.")
    if found["test"] == 0.02:
        return wrong(
            "It chooses by the test images. They are for the report; choose by validation."
        )
    if 0.08 in [found[f"lucky {row}"] for row in range(3)]:
        return wrong(
            "It falls for one lucky run: compare the means over the seeds, not the best single run."
        )
    if found["unlucky"] == 0.08:
        return wrong("It goes by the worst seed: compare the means over the seeds.")
    if found["outvoted"] == 0.08:
        return wrong(
            "Two of three seeds prefer 0.08 in one sweep, and the third fails there. Compare the "
            "means over the seeds: a vote or a median does not see how far a seed falls."
        )
    for case, edge in (("low", 0.01), ("high", 0.16), ("longer", 0.16)):
        if found[case] == edge:
            return wrong(
                f"It returns {edge} for a sweep whose best peak is at the edge of its grid. That "
                "is no result, so return None."
            )
    for case, (_, _, _, right) in sweeps.items():
        if found[case] != right:
            return wrong(f"For one sweep it returns {found[case]}, and {right} would be right.")
    return correct("By validation, by the mean of the seeds, and nothing from the edge.")


def uncertain_end(answer: Schedule) -> Feedback:
    """Is this cosine's loss in the valley near the planned run's, after 300, 400, 500 and 600?

    >>> uncertain_end(Cosine(400, 0.75))
    ✗ Not yet. After 600 updates the loss is 58.5 % above the planned run's. The last 100 \
rates are too low: with these raised by 0.02, the loss ends at 0.0215.
    """
    if not_attempted(answer):
        return NOT_ATTEMPTED
    if not isinstance(answer, Cosine):
        return wrong(f"The answer must be a Cosine, such as Cosine(450, 0.75), not {answer!r}.")
    rates = np.asarray(answer(np.arange(max(PLANNED))), dtype=float)
    losses = _loss(rates)
    above = {end: float(losses[end]) / planned - 1 for end, planned in PLANNED.items()}
    worst = max(above, key=lambda end: above[end])
    if not np.isfinite(above[worst]) or above[worst] > 100:
        return wrong("The loss explodes: a peak much above 2 is too high for this valley.")
    if above[worst] <= ALLOWED:
        most = math.ceil(100 * max(above[worst], 0))
        return correct(
            f"At each of the four ends it is at most {most} % above the run planned for that end."
        )
    said = f"After {worst} updates the loss is {_percent(above[worst])} above the planned run's."
    return wrong(f"{said} {_why(rates[:worst])}")


def prolong(answer: Sequence[float]) -> Feedback:
    """Do these 300 rates take the finished run to the loss of the one planned for 600 updates?

    >>> prolong(FINISHED(np.arange(300)))
    ✗ Not yet. It ends at 0.02657, and the planned run at 0.01556. The last 100 rates are too low: \
with these raised by 0.02, the loss ends at 0.0250.
    """
    rates = rates_of_a_run(answer, 300)
    if isinstance(rates, Feedback):
        return rates
    whole = np.concatenate([FINISHED(np.arange(300)), rates])
    end = float(_loss(whole)[-1])
    goal = PLANNED[600]
    if end <= goal:
        return correct(f"It ends at {end:.4f}, and the planned run at {goal:.4f}.")
    if not end < 10:
        return wrong("The loss explodes: too many of the rates are above 2.")
    return wrong(f"It ends at {end:.5f}, and the planned run at {goal:.5f}. {_why(whole)}")


def _why(rates: NDArray[np.float64]) -> str:
    """Whether the last rates are too high or too low, tried by moving them a little."""
    moved = {"low": np.r_[rates[:-LAST], rates[-LAST:] + STEP]}
    moved["high"] = np.r_[rates[:-LAST], np.maximum(rates[-LAST:] - STEP, 0)]
    ends = {word: float(_loss(tried)[-1]) for word, tried in moved.items()}
    word = min(ends, key=lambda word: ends[word])
    if ends[word] < 0.99 * _loss(rates)[-1]:
        how = {"low": "raised", "high": "lowered"}[word]
        return (
            f"The last {LAST} rates are too {word}: with these {how} by {STEP}, the loss ends at "
            f"{ends[word]:.4f}."
        )
    return f"The last {LAST} rates suit what came before: change the rates before them."


def _loss(rates: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(noisy_quadratic(rates, CURVATURES, NOISE))


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
