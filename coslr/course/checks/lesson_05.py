"""The exercises of notebook 05, Train a CNN."""

import math
import reprlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from coslr._optional import extra
from coslr.course.checks.answers import (
    EPOCHS,
    ETA_MAX,
    ETA_MIN,
    NOT_ATTEMPTED,
    Feedback,
    correct,
    failed_with,
    first_difference,
    floats,
    not_attempted,
    number_or_nan,
    same,
    wrong,
)
from coslr.experiments import comparisons
from coslr.experiments.contests import Contest, Entry
from coslr.experiments.outcomes import WORSE
from coslr.experiments.trials import Split
from coslr.pytorch import audit
from coslr.schedules import Constant, Cosine, cosine

with extra("train"):
    import pandas as pd
    import torch

# The small contest of the second exercise: seconds of training for each answer.
PAIR = (
    Entry("cosine", lambda eta, T: Cosine(T, eta)),
    Entry("constant", lambda eta, T: Constant(eta)),
)
SMALL = {
    "epochs": 3,
    "batch_size": 40,
    "data": Split(n_train=800, n_validation=10, n_test=1000),
    "options": {"momentum": 0.9, "nesterov": True},
}
SEEDS = (700, 701, 702, 703)
CLOSE = 0.004  # nats above the lowest validation loss that still pass in the third exercise


def _losses() -> dict[str, pd.DataFrame]:
    """Made-up learning curves of four networks, in nats, one row an epoch."""
    epoch = np.arange(1, EPOCHS + 1)
    fall = np.exp(-epoch / 6)
    curves = {
        # Learns its images by heart.
        "A": (0.05 + 0.9 * np.exp(-epoch / 9), 0.36 + 0.6 * fall + 0.006 * epoch),
        # The gap is wide, and new images still gain.
        "B": (0.04 + 0.9 * fall, 0.30 + 0.7 * np.exp(-epoch / 14)),
        # The gap is narrow, and new images lose from the middle on.
        "C": (0.52 - 0.001 * epoch + 0.5 * fall, 0.50 + 0.5 * fall + 0.00003 * epoch**2),
        # Has not learned much yet.
        "D": (0.7 + 0.8 * np.exp(-epoch / 30), 0.72 + 0.8 * np.exp(-epoch / 30)),
    }
    return {
        name: pd.DataFrame({"training": training, "validation": validation}, index=epoch)
        for name, (training, validation) in curves.items()
    }


LOSSES = _losses()


def print_line(answer: Callable[[Any, Any, int], list[float]]) -> Feedback:
    """Does ``answer(optimizer, scheduler, epochs)``, one update an epoch, return the rates used?

    It is run with the article's optimizer and scheduler, and an audit reads what each epoch used.
    """
    if not_attempted(answer):
        return NOT_ATTEMPTED
    if not callable(answer):
        return wrong(
            "The answer must be a function of optimizer, scheduler and epochs, and not what it "
            f"returns: {reprlib.repr(answer)}."
        )
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=ETA_MAX)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS, eta_min=ETA_MIN)
    try:
        with audit(optimizer) as trace:
            returned: object = answer(optimizer, scheduler, EPOCHS)
        if returned is None and trace.rates:
            return wrong(
                "It trains, but returns nothing: collect the rates in a list and return it."
            )
        rates = returned if isinstance(returned, list | tuple) else [returned]
        if not_attempted(*rates):
            return NOT_ATTEMPTED
    except Exception as error:
        return failed_with(error)
    try:
        reported = floats(returned)
    except Exception:  # numpy and the answer's own methods raise what they like
        said = reprlib.repr(returned)
        return wrong(f"It must return a list of {EPOCHS} numbers, and it returns {said}.")
    used = np.array(trace.rates)
    expected = cosine(np.arange(EPOCHS), EPOCHS, ETA_MAX, ETA_MIN)
    if len(used) != EPOCHS:
        return wrong(
            f"It makes {len(used)} updates; it should make one for each of the {EPOCHS} epochs."
        )
    if reported.shape == (EPOCHS, 1):
        return wrong(
            "Each entry is a list: get_last_lr() has a rate per param group. Take its [0]."
        )
    if reported.shape != used.shape:
        return wrong(f"It must return {EPOCHS} rates, one per epoch; it returns {reported.size}.")
    changed = first_difference(used, expected)
    if changed is not None:
        return wrong(
            f"The training itself changed: epoch {changed + 1} no longer trains at the cosine's "
            "rate. Only the report should."
        )
    epoch = first_difference(reported, used, rtol=1e-6)  # float32 is exact enough
    if epoch is None:
        return correct("What is reported is what was used.")
    if same(reported[:-1], used[1:]):
        return wrong(
            "It still reports the rate of the epoch to come: read it before scheduler.step()."
        )
    return wrong(
        f"For epoch {epoch + 1} it reports {reported[epoch]:.8g}, but {used[epoch]:.8g} was used."
    )


def cosine_loses(answer: float) -> Feedback:
    """Does a cosine from this peak lose to the constant rate at the same peak?

    Four seeds of each are trained for 60 updates, which takes some seconds.
    """
    if not_attempted(answer):
        return NOT_ATTEMPTED
    peak = number_or_nan(answer)
    if not math.isfinite(peak):
        return wrong(f"The answer must be a number, not {answer!r}.")
    if not 1e-6 <= peak <= 10:
        return wrong(f"{peak:g} is no peak to train at: choose one from 0.000001 to 10.")
    contest = Contest("exercise", PAIR, (), SEEDS, SMALL, shared_peak=peak)
    found = comparisons.run(contest, workers=1, progress=False).compare("cosine", "constant")
    if found.outcome is None:
        return wrong(f"No result: {found.obstacle}.")
    if found.word == WORSE:
        return correct(
            f"At a peak of {peak:g} the cosine is {found}. Its mean rate is half of the constant's."
        )
    return wrong(
        f"At a peak of {peak:g} the cosine is {found}. Which of the two has the larger mean rate, "
        "and at which peaks is that worth something?"
    )


def epochs_to_keep(answer: Mapping[str, int]) -> Feedback:
    """After which epoch is each of the networks A to D best on validation images?

    >>> epochs_to_keep({"A": 50, "B": 50, "C": 50, "D": 50})
    ✗ Not yet. A: after epoch 50 the validation loss is higher than it has been before.
    """
    if not_attempted(answer):
        return NOT_ATTEMPTED
    if not isinstance(answer, Mapping) or set(answer) != set(LOSSES):
        return wrong('The answer must be a dict with an epoch each for "A", "B", "C" and "D".')
    if not_attempted(*answer.values()):
        return NOT_ATTEMPTED
    for name, curves in LOSSES.items():
        epoch, losses = number_or_nan(answer[name]), curves["validation"]
        if epoch not in losses.index:
            return wrong(f"{name}: the epoch must be a whole number from 1 to {EPOCHS}.")
        if losses[epoch] <= losses.min() + CLOSE:
            continue
        if epoch < losses.idxmin():
            gap = ". A wide gap alone is no reason to stop" if name == "B" else ""
            return wrong(f"{name}: after epoch {epoch:g} the validation loss goes on falling{gap}.")
        return wrong(
            f"{name}: after epoch {epoch:g} the validation loss is higher than it has been before."
        )
    return correct("The gap did not decide in any of the four; the validation loss did.")
