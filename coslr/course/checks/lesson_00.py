"""The exercises of notebook 00, Start here."""

import math

from coslr.course.checks.answers import (
    NOT_ATTEMPTED,
    Feedback,
    check_number,
    correct,
    not_attempted,
    wrong,
)
from coslr.schedules import Cosine, Schedule


def tenth_of_peak(answer: float) -> Feedback:
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
    return check_number(answer, 2 / math.pi * math.acos(math.sqrt(0.1)), hints, digits=2)


def own_run(
    schedule: Schedule, epochs: int, updates: int, eta_max: float, eta_min: float
) -> Feedback:
    """Is `schedule` the cosine for a run of `epochs`, each of so many `updates`, in updates?

    >>> own_run(Cosine(T_max=12, eta_max=0.05), epochs=12, updates=78, eta_max=0.05, eta_min=0.0)
    ✗ Not yet. T_max=12 is in epochs, but the schedule is asked at every update: multiply.
    """
    if not_attempted(schedule):
        return NOT_ATTEMPTED
    if not isinstance(schedule, Cosine):
        return wrong(f"The answer must be a Cosine(T_max=..., eta_max=...), not {schedule!r}.")
    total = epochs * updates
    T_max = schedule.T_max
    if T_max == total:
        for name, value in (("eta_max", eta_max), ("eta_min", eta_min)):
            if not math.isclose(getattr(schedule, name), value, rel_tol=1e-9):
                return wrong(f"{name} is {getattr(schedule, name):g}, and should be {value:g}.")
        return correct(f"It reaches {eta_min:g} as update {total} would begin, the run's end.")
    if T_max == epochs:
        return wrong(
            f"T_max={T_max} is in epochs, but the schedule is asked at every update: multiply."
        )
    if T_max == updates:
        return wrong(f"T_max={T_max} is one epoch: the rate would be at its floor for the rest.")
    if T_max == total - 1:
        return wrong(f"The last update has t = {total - 1}; T_max is the end of the run, one more.")
    return wrong(f"T_max={T_max}: how many updates has the whole run?")
