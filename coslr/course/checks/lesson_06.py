"""The exercises of notebook 06, Warm restarts."""

from collections.abc import Callable

import numpy as np

from coslr.course.checks.answers import (
    NOT_ATTEMPTED,
    Feedback,
    correct,
    failed_with,
    first_difference,
    floats,
    not_attempted,
    same,
    wrong,
)
from coslr.schedules import CosineWarmRestarts, Schedule

# The run of the first exercise: 4 cycles, each twice as long as the one before, fill it exactly.
RUN_EPOCHS, PER_EPOCH, PEAK, CYCLES = 60, 78, 0.1, 4


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
        updates / (2 ** (CYCLES - 1) - 1): "With it three cycles fill the run, and four were "
        "asked.",
        updates / (2 ** (CYCLES + 1) - 1): "With it five cycles fill the run, and four were asked.",
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


def restarts(answer: Callable[[int, int, int], list[int]]) -> Feedback:
    """Does ``answer(T_0, T_mult, cycles)`` list the updates at which a restart is in force?

    These are the first updates of each cycle after the first.

    >>> restarts(lambda T_0, T_mult, cycles: [T_0 * T_mult**i for i in range(1, cycles)])
    ✗ Not yet. For T_0=10, T_mult=2, cycles=4: those are lengths of cycles; add them up.
    """
    if not_attempted(answer):
        return NOT_ATTEMPTED
    if not callable(answer):
        return wrong(f"The answer must be a function, not {answer!r}.")
    for T_0, T_mult, cycles in ((10, 2, 4), (7, 1, 3), (5, 3, 3), (1, 3, 6), (20, 2, 1)):
        try:
            returned: object = answer(T_0, T_mult, cycles)
            if not_attempted(returned):
                return NOT_ATTEMPTED
            found = floats(list(returned) if isinstance(returned, map | zip | range) else returned)
        except Exception as error:
            return failed_with(error)
        case = f"For T_0={T_0}, T_mult={T_mult}, cycles={cycles}"
        if found.ndim != 1:
            return wrong("It must return a list of updates.")
        lengths = T_0 * T_mult ** np.arange(cycles)
        right = np.cumsum(lengths)[:-1]
        end = int(lengths.sum())
        if found.shape == right.shape and same(found, right):
            continue
        added = "those are lengths of cycles; add them up."
        ends = np.cumsum(lengths)
        impostors = [
            (lengths, added),
            (lengths[:-1], added),
            (lengths[1:], added),
            (ends, f"{end} is the end of the last cycle, and nothing restarts there."),
            (np.append(0, right), "0 is the start, and no restart."),
            (np.append(0, ends), f"0 is the start, and {end} the end: neither is a restart."),
            (right - 1, "those are the last updates of the old cycles, not the first of the new."),
            (right + 1, "those are second updates of a cycle; a restart is its first."),
            (
                T_0 * np.arange(1, cycles),
                "all cycles have the length T_0 there; each should be T_mult times the last.",
            ),
        ]
        for mistake, hint in impostors:
            if found.shape == mistake.shape and same(found, mistake):
                return wrong(f"{case}: {hint}")
        if found.shape != right.shape:
            return wrong(
                f"{case} it gives {found.size} updates, and there are {right.size} restarts."
            )
        i = first_difference(found, right) or 0
        return wrong(f"{case} it gives {found[i]:g} for restart {i + 1}, which is at {right[i]}.")
    return correct()


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
            return NOT_ATTEMPTED
        found = floats(found)
    except Exception as error:
        return failed_with(error)
    each = np.exp(logs)
    right = each.mean(axis=0)
    if found.shape == right.shape and same(found, right):
        return correct("Each row adds up to 1.")
    geometric = np.exp(logs.mean(axis=0))
    votes = np.eye(4)[each.argmax(axis=2)].mean(axis=0)
    logarithms = "That is the mean of the logarithms: take the exponential first, then the mean."
    impostors = [
        (geometric, logarithms),
        (logs.mean(axis=0), logarithms),
        (
            geometric / geometric.sum(axis=1, keepdims=True),
            "That is the mean of the logarithms, made to add up to 1: a geometric mean of the "
            "probabilities, in which one network can veto a class. Take their plain mean.",
        ),
        (np.log(right), "Those are log-probabilities of the ensemble; leave the last log out."),
        (each.sum(axis=0), "Each row adds up to 3: divide by the number of networks."),
        (votes, "That counts votes: it forgets how sure each network is."),
        (right.argmax(axis=1), "That is the class alone; its probabilities were asked."),
        (np.eye(4)[right.argmax(axis=1)], "That is the winner alone, with probability 1."),
        (each[-1], "That is the last network alone."),
        (each[0], "That is the first network alone."),
        (each.mean(axis=1), "That is a mean over the images; it should be over the networks."),
        (each.mean(axis=2), "That is a mean over the classes; it should be over the networks."),
        (each.max(axis=0), "That is the largest probability, not the mean."),
        (np.median(each, axis=0), "That is the median, whose rows do not add up to 1."),
        (each, "Those are the probabilities of each network; their mean is missing."),
    ]
    for mistake, hint in impostors:
        if found.shape == mistake.shape and same(found, mistake):
            return wrong(hint)
    if found.shape != right.shape:
        return wrong(
            f"From {logs.shape} it makes the shape {found.shape}, and should make {right.shape}."
        )
    return wrong(
        f"For the first image it gives {found[0].round(3).tolist()}, and the mean of the "
        f"probabilities is {right[0].round(3).tolist()}."
    )
