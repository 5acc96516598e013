"""The exercises of notebook 02, Other schedules."""

import reprlib
from collections.abc import Mapping

import numpy as np

from coslr.course.checks.answers import (
    NOT_ATTEMPTED,
    Feedback,
    correct,
    floats,
    not_attempted,
    wrong,
)
from coslr.course.valley import CURVATURES, NOISE
from coslr.schedules import Constant, Cosine, MultiStep, Schedule, Step
from coslr.theory import noisy_quadratic

# What each report of the first exercise held equal.
REPORTS = {"A": "mean rate", "B": "one's best peak", "C": "peak"}

# What speaks against an answer: (report, answer) -> a hint.
AGAINST = {
    ("A", "peak"): "the constant rate has half of the others' peak.",
    ("A", "one's best peak"): "no search of a peak is mentioned.",
    ("A", "each its best peak"): "no search of a peak is mentioned, let alone three.",
    ("A", "last rate"): "the constant rate ends at 0.04, and the line at 0.",
    ("B", "peak"): "the peaks are equal, but look at where this peak comes from.",
    ("B", "mean rate"): "at one peak the cosine's mean is 0.5 of it, and this step's is 0.37.",
    ("B", "each its best peak"): "nine peaks were tried, but with one of the schedules only.",
    ("B", "last rate"): "the cosine ends at 0, and the step at a hundredth of its peak.",
    ("C", "mean rate"): "at one peak the cosine's mean is 0.5 of it, this exponential's 0.145.",
    ("C", "one's best peak"): "0.08 is the library's default; nobody searched for a best peak.",
    ("C", "each its best peak"): "0.08 is the library's default; nobody searched for a best peak.",
    ("C", "last rate"): "the cosine ends at 0, and the exponential at a thousandth of its peak.",
}


def held_equal(answer: Mapping[str, str]) -> Feedback:
    """Does the answer say what each of the reports A, B and C held equal?

    >>> held_equal({"A": "peak", "B": "one's best peak", "C": "peak"})
    ✗ Not yet. Report A: the constant rate has half of the others' peak.
    """
    if not_attempted(answer):
        return NOT_ATTEMPTED
    if not isinstance(answer, Mapping) or set(answer) != set(REPORTS):
        return wrong(f"The answer must be a dict with a word for A, B and C, not {answer!r}.")
    if not_attempted(*answer.values()):
        return NOT_ATTEMPTED
    options = sorted({*REPORTS.values(), *(word for _, word in AGAINST)})
    for report, right in REPORTS.items():
        word = answer[report]
        word = word.strip().lower() if isinstance(word, str) else word
        if not isinstance(word, str) or word not in options:
            return wrong(f"{report} must be one of {', '.join(map(repr, options))}, not {word!r}.")
        if word != right:
            return wrong(f"Report {report}: {AGAINST[report, word]}")
    return correct("None of the three compares the schedules each at its best peak.")


UPDATES, HIGHEST = 300, 1.9  # of the second exercise, in the lesson's bowl


def _final_loss(schedule: Schedule) -> float:
    rates = schedule(np.arange(UPDATES))
    return float(noisy_quadratic(rates, CURVATURES, NOISE)[-1])


def two_headlines(peaks: tuple[float, float]) -> Feedback:
    """Two shared peaks: at the first the cosine ends twice as high as the constant, or higher.

    At the second it is the other way round. Both runs have 300 updates on the lesson's bowl.

    >>> two_headlines((1.0, 0.2))
    ✗ Not yet. They are in the wrong order: the first peak is the one at which the cosine loses.
    """
    if not_attempted(peaks):
        return NOT_ATTEMPTED
    try:
        if not_attempted(*peaks):
            return NOT_ATTEMPTED
        found = floats(peaks)
    except Exception as error:  # numpy and the answer's own methods raise what they like
        return wrong(f"The answer must be two numbers, not {peaks!r} ({type(error).__name__}).")
    if found.shape != (2,) or not ((found > 0) & (found <= HIGHEST)).all():
        return wrong(f"The answer must be two peaks above 0 and at most {HIGHEST}, not {peaks!r}.")
    cosines, constants = (
        [_final_loss(make(peak)) for peak in found.tolist()]
        for make in (lambda peak: Cosine(UPDATES, peak), Constant)
    )
    loses, wins = cosines[0] / constants[0], cosines[1] / constants[1]
    if loses <= 0.5 and wins >= 2:
        return wrong(
            "They are in the wrong order: the first peak is the one at which the cosine loses."
        )
    if loses < 2:
        return wrong(
            f"At {found[0]:g} the cosine ends at {cosines[0]:.3f} and the constant at "
            f"{constants[0]:.3f}. Look where the cosine's line is highest above the constant's."
        )
    if wins > 0.5:
        return wrong(
            f"The first is right. At {found[1]:g} the cosine ends at {cosines[1]:.3f} and the "
            f"constant at {constants[1]:.3f}: a higher peak shakes the constant more."
        )
    return correct(
        f"The cosine's loss is {loses:.1f} times the constant's at {found[0]:g}, and the "
        f"constant's is {1 / wins:.1f} times the cosine's at {found[1]:g}. Nothing else differs."
    )


def same_area(schedule: object, updates: int = 1000, eta_max: float = 0.1) -> Feedback:
    """Is `schedule` a staircase from `eta_max` whose rates add up to the cosine's, to 1 %?

    >>> same_area(Step(step_size=333, eta_max=0.1))
    ✗ Not yet. Its rates add up to 36.96, 26 % less than the cosine's: drop later, or by less.
    """
    if not_attempted(schedule):
        return NOT_ATTEMPTED
    if not isinstance(schedule, Step | MultiStep):
        return wrong(
            f"The answer must be a Step(...) or MultiStep(...), not {reprlib.repr(schedule)}."
        )
    if not np.isclose(schedule.eta_max, eta_max, rtol=1e-9):
        return wrong(f"The peak is {schedule.eta_max:g}, and should stay {eta_max:g}.")
    t = np.arange(updates)
    rates, total = schedule(t), float(Cosine(updates, eta_max)(t).sum())
    drops = schedule.boundaries_before(updates)
    if not drops or rates[-1] == rates[0]:
        return wrong(f"The rate never drops in {updates} updates.")
    found = float(rates.sum())
    if abs(found / total - 1) <= 0.01:
        levels = f"{len(drops)} drop{'s' if len(drops) > 1 else ''}"
        return correct(
            f"With {levels} its rates add up to {found:.2f}, and the cosine's to {total:.2f}."
        )
    if drops[0] < 1:
        return wrong(
            "It drops before update 1: milestones and step_size are in updates, not shares."
        )
    off = abs(100 * (found / total - 1))
    by = f"{off:.0f}" if off >= 10 else f"{off:.2f}"
    side, advice = (
        ("less", "drop later, or by less")
        if found < total
        else ("more", "drop earlier, or by more")
    )
    return wrong(f"Its rates add up to {found:.2f}, {by} % {side} than the cosine's: {advice}.")
