"""The exercises of notebook 02, Other schedules."""

from collections.abc import Callable

import numpy as np

from coslr.course.checks.answers import (
    NOT_ATTEMPTED,
    Feedback,
    correct,
    first_difference,
    not_attempted,
    same,
    values,
    wrong,
)
from coslr.schedules import Cosine, Linear, MultiStep, Schedule, Step, warmup


def exponential_mean(answer: Callable[[float], float]) -> Feedback:
    """Does ``answer(floor)`` give the mean rate of an exponential from 1 down to `floor`?

    >>> exponential_mean(lambda floor: (1 + floor) / 2)
    ✗ Not yet. That is the mean of a straight line between the two ends, and of a cosine.
    """
    r = np.array([0.5, 0.1, 0.01, 0.001])
    found = values(answer, [(one,) for one in r.tolist()])
    if isinstance(found, Feedback):
        return found
    right = (1 - r) / np.log(1 / r)
    if np.allclose(found, right, rtol=1e-3):
        return correct("At a floor of a thousandth, 0.145 of the peak.")
    impostors = {
        "That is the mean of a straight line between the two ends, and of a cosine.": (1 + r) / 2,
        "That is the rate in the middle of the run, below the mean: the curve is hollow.": r**0.5,
        "That is negative: the logarithm of the floor is, so turn the sign.": -right,
        "That uses the logarithm to base 10; the integral brings the natural one.": right
        * np.log(10),
        "The integral goes from 1 to the floor: 1 - floor above the line, not 1.": 1
        / np.log(1 / r),
        "The integral has 1 - floor above the line, not 1 + floor.": (1 + r) / np.log(1 / r),
        "The division by the logarithm is missing.": 1 - r,
        "That is 1 over the mean: turn the fraction.": 1 / right,
        "That is the floor itself, where the curve ends.": r,
        "That is the mean of a square: the rate's, not its square's, was asked.": (1 - r**2)
        / (2 * np.log(1 / r)),
    }
    for hint, mistake in impostors.items():
        if np.allclose(found, mistake, rtol=1e-3):
            return wrong(hint)
    worst = int(np.argmax(~np.isclose(found, right, rtol=1e-3)))
    message = f"For floor={r[worst]:g} it gives {found[worst]:.4g}"
    if not r[worst] <= found[worst] <= 1:
        return wrong(f"{message}: a mean lies between the floor and the peak, 1.")
    side = "low" if found[worst] < right[worst] else "high"
    return wrong(f"{message}, which is too {side}. Integrate floor**s over s from 0 to 1.")


# The plan of the second exercise, in updates.
PER_EPOCH, EPOCHS, PEAK, FLOOR = 40, 10, 0.1, 0.001


def plan(schedule: Callable[[float], float]) -> Feedback:
    """Is `schedule`, in updates, one epoch of warm-up to 0.1, then a cosine to 0.001 at the end?

    The run has 10 epochs of 40 updates. The warm-up may start at 0 or one step above it.

    >>> plan(warmup(Cosine(T_max=400, eta_max=0.1, eta_min=0.001), updates=40))
    ✗ Not yet. The run ends at 0.00342, not at the floor: T_max counts from the warm-up's end.
    """
    if not_attempted(schedule):
        return NOT_ATTEMPTED
    if not callable(schedule):
        return wrong(f"The answer must be a schedule, such as Cosine(...), not {schedule!r}.")
    W, N = PER_EPOCH, PER_EPOCH * EPOCHS
    found = values(schedule, [(t,) for t in range(N + 1)])
    if isinstance(found, Feedback):
        return found

    def made(inner: Schedule, updates: float = W, start: float | None = None) -> np.ndarray:
        return warmup(inner, updates, start)(np.arange(N + 1))

    def is_like(inner: Schedule, updates: float = W) -> bool:
        return any(same(found, made(inner, updates, start)) for start in (None, 0.0))

    main = N - W
    if is_like(Cosine(main, PEAK, FLOOR)):
        return correct(f"It is at {PEAK:g} at update {W}, and at {FLOOR:g} at update {N}, the end.")
    if is_like(Cosine(N, PEAK, FLOOR)):
        return wrong(
            f"The run ends at {found[-1]:.3g}, not at the floor: T_max counts from the warm-up's "
            "end."
        )
    hints: dict[str, list[tuple[Schedule, int]]] = {
        "T_max and the warm-up are in epochs; the plan is asked at every update.": [
            (Cosine(EPOCHS - 1, PEAK, FLOOR), 1),
            (Cosine(EPOCHS, PEAK, FLOOR), 1),
        ],
        f"T_max is in epochs: the floor is there {EPOCHS - 1} or {EPOCHS} updates after the "
        "warm-up.": [(Cosine(EPOCHS - 1, PEAK, FLOOR), W), (Cosine(EPOCHS, PEAK, FLOOR), W)],
        "The warm-up lasts one update; it should last one epoch.": [
            (Cosine(main, PEAK, FLOOR), 1),
            (Cosine(N - 1, PEAK, FLOOR), 1),
            (Cosine(N, PEAK, FLOOR), 1),
        ],
        f"The floor is 0, and should be {FLOOR:g}.": [(Cosine(main, PEAK), W)],
        "After the warm-up it is a straight line; a cosine was asked.": [
            (Linear(main, PEAK, FLOOR), W)
        ],
        "It ends one update early: T_max is one too small.": [(Cosine(main - 1, PEAK, FLOOR), W)],
    }
    for hint, mistakes in hints.items():
        if any(is_like(inner, updates) for inner, updates in mistakes):
            return wrong(hint)
    t = np.arange(N + 1)
    if any(same(found, Cosine(T, PEAK, FLOOR)(t)) for T in (N, main, EPOCHS)):
        return wrong("There is no warm-up: the first update is at the peak.")
    clock = Cosine(N, PEAK, FLOOR)(t)
    if same(found[W:], clock[W:]):
        return wrong("The cosine's clock runs during the warm-up: its peak is never used.")
    right = made(Cosine(main, PEAK, FLOOR))
    if same(found[W:], right[W:]):
        return wrong(
            "The cosine is right, and the warm-up is not: it should be a straight line to the "
            "peak, from 0 or from one step above it."
        )
    if not np.isclose(found.max(), PEAK, rtol=1e-9):
        return wrong(f"The largest rate is {found.max():.4g}, and should be {PEAK:g}.")
    late = W + (first_difference(found[W:], right[W:]) or 0)
    return wrong(f"At update {late} it is {found[late]:.6g}, and the plan says {right[late]:.6g}.")


def same_area(schedule: object, updates: int = 1000, eta_max: float = 0.1) -> Feedback:
    """Is `schedule` a staircase from `eta_max` whose rates add up to the cosine's, to 1 %?

    >>> same_area(Step(step_size=333, eta_max=0.1))
    ✗ Not yet. Its rates add up to 36.96, 26 % less than the cosine's: drop later, or by less.
    """
    if not_attempted(schedule):
        return NOT_ATTEMPTED
    if not isinstance(schedule, Step | MultiStep):
        return wrong(f"The answer must be a Step(...) or MultiStep(...), not {schedule!r}.")
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
    if drops[0] <= 1:
        return wrong(
            "It drops before update 2: milestones and step_size are in updates, not shares."
        )
    by = abs(100 * (found / total - 1))
    side, advice = (
        ("less", "drop later, or by less")
        if found < total
        else ("more", "drop earlier, or by more")
    )
    return wrong(f"Its rates add up to {found:.2f}, {by:.0f} % {side} than the cosine's: {advice}.")
