"""The exercises of notebook 06, Warm restarts."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from coslr.course.checks.answers import (
    NOT_ATTEMPTED,
    RETURNS_NOTHING,
    Feedback,
    correct,
    failed_with,
    floats,
    floats_or_nan,
    known_mistake,
    not_attempted,
    same,
    wrong,
)
from coslr.schedules import CosineWarmRestarts, Schedule

# The run of the first exercise: 4 cycles, each twice as long as the one before, fill it exactly.
RUN_EPOCHS, PER_EPOCH, PEAK, CYCLES = 60, 78, 0.1, 4
ENOUGH = 3.0  # points, of the second exercise


def whole_cycles(answer: Schedule) -> Feedback:
    """Is it four doubling cycles from 0.1 to 0 that end with 60 epochs of 78 updates?

    >>> whole_cycles(CosineWarmRestarts(T_0=4, eta_max=0.1, T_mult=2))
    ✗ Not yet. T_0=4 is in epochs, but the schedule is asked at every update: an epoch has 78.
    """
    if not_attempted(answer):
        return NOT_ATTEMPTED
    if not isinstance(answer, CosineWarmRestarts):
        return wrong(f"The answer must be a CosineWarmRestarts(...), not {answer!r}.")
    updates = RUN_EPOCHS * PER_EPOCH
    units = 2**CYCLES - 1  # 1 + 2 + 4 + 8: the length of the run in first cycles
    t = np.arange(updates)
    right = CosineWarmRestarts(updates / units, PEAK, T_mult=2)(t)
    if same(answer(t), right):
        return correct(f"The cycles begin at {[0, *answer.boundaries_before(updates)]}.")
    if answer.T_mult != 2:
        return wrong(f"T_mult={answer.T_mult:g}: each cycle should be twice as long as the last.")
    hints = {
        updates / CYCLES: "That is a quarter of the run: the cycles would have to be equal.",
        updates / 2**CYCLES: "2⁴ = 16 is one too many: 1 + 2 + 4 + 8 first cycles fit in the run.",
        updates / 2 ** (CYCLES - 1): "That leaves room for the last cycle alone: those before it "
        "take their time too.",
        updates / (2 ** (CYCLES - 1) - 1): "With it three cycles fill the run, and there should "
        "be four.",
        updates / (2 ** (CYCLES + 1) - 1): "With it five cycles fill the run, and there should be "
        "four.",
        updates * units: "Divide the run by 1 + 2 + 4 + 8; that is the product.",
        RUN_EPOCHS: "That many updates are less than one epoch.",
    }
    first = answer.T_0
    if np.isclose(first, RUN_EPOCHS / units):
        return wrong(
            f"T_0={first:g} is in epochs, but the schedule is asked at every update: an epoch has "
            f"{PER_EPOCH}."
        )
    for mistake, hint in hints.items():
        if np.isclose(first, mistake, rtol=1e-3):
            return wrong(f"T_0={first:g}: {hint[0].lower()}{hint[1:]}")
    if np.isclose(first, updates / units):
        for name, value in (("eta_max", PEAK), ("eta_min", 0.0), ("decay", 1.0)):
            if getattr(answer, name) != value:
                return wrong(f"{name} is {getattr(answer, name):g}, and should be {value:g}.")
        return wrong(f"It has cycles={answer.cycles}, and should have {CYCLES}.")
    end = first * units
    return wrong(f"Four cycles from T_0={first:g} end at update {end:g}, and the run at {updates}.")


def both_answers(
    ahead: tuple[float, int], behind: tuple[float, int], lead: pd.DataFrame
) -> Feedback:
    """Are the restarts ahead by 3 points at the first (peak, epoch), and behind by 3 at the second?

    Args:
        ahead, behind: a shared peak, and the epoch after which both runs are compared.
        lead: how many points the restarts are ahead; a row per epoch, a column per peak.

    >>> lead = pd.DataFrame({0.03: [-4.0, 0.5], 0.4: [20.0, 14.0]}, index=[4, 9])
    >>> both_answers((0.4, 9), (0.03, 9), lead)
    ✗ Not yet. behind: at a peak of 0.03 after epoch 9 the restarts are ahead by 0.5 points. They \
should be behind by 3 or more.
    """
    if not_attempted(ahead, behind):
        return NOT_ATTEMPTED
    leads = []
    for name, pair in (("ahead", ahead), ("behind", behind)):
        place = floats_or_nan(pair)
        if place.shape != (2,):
            return wrong(f"{name} must be a pair (peak, epoch), not {pair!r}.")
        peak, epoch = place.tolist()
        if peak in lead.index and epoch in lead.columns:
            return wrong(f"{name}: the peak comes first, then the epoch.")
        if peak not in lead.columns or epoch not in lead.index:
            known = (
                f"the peaks {[*lead.columns]} and the epochs {lead.index[0]} to {lead.index[-1]}"
            )
            return wrong(f"{name}: the table has {known}, and not {pair!r}.")
        leads.append(round(float(lead.loc[int(epoch), peak]), 1))  # as the table shows it
    first, second = leads
    if first >= ENOUGH and second <= -ENOUGH:
        return correct(
            f"Ahead by {first:.1f} points and behind by {-second:.1f}, from the same runs. A "
            "report that gives one of them must say how its peak and its moment were chosen."
        )
    if first <= -ENOUGH and second >= ENOUGH:
        return wrong("The two are swapped: the first pair is where the restarts are ahead.")
    name, (peak, epoch), points = (
        ("ahead", ahead, first) if first < ENOUGH else ("behind", behind, second)
    )
    side = "ahead" if points >= 0 else "behind"
    return wrong(
        f"{name}: at a peak of {peak:g} after epoch {epoch:g} the restarts are {side} by "
        f"{abs(points):.1f} points. They should be {name} by {ENOUGH:g} or more."
    )


def ensemble(answer: Callable[[np.ndarray], np.ndarray]) -> Feedback:
    """Does ``answer(logs)`` give the mean of several networks' probabilities?

    `logs` has log-probabilities, (networks, images, classes); the answer has probabilities,
    (images, classes).

    >>> ensemble(lambda logs: np.exp(logs.mean(axis=0)))
    ✗ Not yet. That is the mean of the logarithms: take the exponential first, then the mean.
    """
    if not_attempted(answer):
        return NOT_ATTEMPTED
    if not callable(answer):
        return wrong(f"The answer must be a function, not {answer!r}.")
    logs = np.random.default_rng(0).normal(0, 2, size=(3, 5, 4))
    logs -= np.log(np.exp(logs).sum(axis=2, keepdims=True))
    try:
        found = answer(logs.copy())
        if not_attempted(found):
            return RETURNS_NOTHING
        found = floats(found)
    except Exception as error:
        return failed_with(error)
    each = np.exp(logs)
    right = each.mean(axis=0)
    if _equal(found, right):
        try:
            of_two = floats(answer(logs[:2].copy()))
        except Exception as error:
            return wrong(f"That is right for three networks, and fails for two: {error}.")
        if _equal(of_two, each[:2].mean(axis=0)):
            return correct("Each row adds up to 1.")
        return wrong("That is right for three networks and not for two: divide by len(logs).")
    geometric = np.exp(logs.mean(axis=0))
    votes = np.eye(4)[each.argmax(axis=2)].mean(axis=0)
    logarithms = "That is the mean of the logarithms: take the exponential first, then the mean."
    impostors = [
        (logarithms, geometric),
        (logarithms, logs.mean(axis=0)),
        (
            "That is the mean of the logarithms, made to add up to 1: a geometric mean of the "
            "probabilities, in which one network can veto a class. Take their plain mean.",
            geometric / geometric.sum(axis=1, keepdims=True),
        ),
        ("Those are log-probabilities of the ensemble; leave the last log out.", np.log(right)),
        ("Each row adds up to 3: divide by the number of networks.", each.sum(axis=0)),
        ("That counts votes: it forgets how sure each network is.", votes),
        ("That is the class alone; return the probabilities of all classes.", right.argmax(axis=1)),
        ("That is the winner alone, with probability 1.", np.eye(4)[right.argmax(axis=1)]),
        ("That is the last network alone.", each[-1]),
        ("That is the first network alone.", each[0]),
        ("That is a mean over the images; it should be over the networks.", each.mean(axis=1)),
        ("That is a mean over the classes; it should be over the networks.", each.mean(axis=2)),
        ("That is the largest probability, not the mean.", each.max(axis=0)),
        ("That is the median, whose rows do not add up to 1.", np.median(each, axis=0)),
        ("Those are the probabilities of each network; their mean is missing.", each),
    ]
    if hint := known_mistake(found, impostors):
        return hint
    if found.shape != right.shape:
        return wrong(
            f"From {logs.shape} it makes the shape {found.shape}, and should make {right.shape}."
        )
    return wrong(
        f"For the first image it gives {found[0].round(3).tolist()}, and the mean of the "
        f"probabilities is {right[0].round(3).tolist()}."
    )


def _equal(found: np.ndarray, right: np.ndarray) -> bool:
    """Whether the probabilities are equal up to the rounding of float32."""
    return found.shape == right.shape and same(found, right, rtol=1e-5)
