"""The exercises of notebook 10, A language model."""

import dataclasses
import math
from collections.abc import Sequence
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from coslr._optional import extra
from coslr.course.checks.answers import (
    NOT_ATTEMPTED,
    Feedback,
    check_number,
    correct,
    floats_or_nan,
    not_attempted,
    number_or_nan,
    rates_of_a_run,
    wrong,
)
from coslr.course.language_study import mean_network
from coslr.experiments.one_trial import Snapshot, load_data
from coslr.experiments.studies import Study
from coslr.experiments.text import TEST, VALIDATION, novel
from coslr.experiments.training import evaluate, fit
from coslr.experiments.trials import Trial

with extra("train"):
    import torch

STOPPED, ENOUGH = 9, 0.02  # of the second exercise: the last epoch, and nats below its loss
UPDATES, COOLED = 100, 0.035  # of the third: its length, and nats below the plateau's run
SEED = 7  # of the windows that the third draws


def pair_loss(answer: float) -> Feedback:
    """Which test loss has a model that knows only how often a character follows another?

    It counts the pairs in the training text and adds 1 to each count.

    >>> pair_loss(4.317)
    ✗ Not yet. That is the loss of a uniform guess.
    """
    expected, hints = _counted()
    note = (
        "A table of counts knows that much. See when your runs fell below it. (Columns in place "
        "of rows give nearly the same number: does each row of your table sum to 1?)"
    )
    if math.isinf(number_or_nan(answer)):
        return wrong(
            "A pair that was never counted has the probability 0, and its loss is infinite: add 1 "
            "to each count."
        )
    return check_number(answer, expected, hints, digits=4, note=note)


@lru_cache(maxsize=1)
def _counted() -> tuple[float, dict[str, float]]:
    """The right loss, and those of usual mistakes."""
    text = novel()
    alphabet = sorted(set(text))
    places = {character: i for i, character in enumerate(alphabet)}
    numbers = np.array([places[character] for character in text])
    train, test = numbers[: int(VALIDATION * len(text))], numbers[int(TEST * len(text)) :]
    counts = np.ones((len(alphabet), len(alphabet)))
    np.add.at(counts, (train[:-1], train[1:]), 1)
    follows = counts / counts.sum(axis=1, keepdims=True)
    often = 32 * (counts - 1) + 1
    often /= often.sum(axis=1, keepdims=True)
    changes = counts.copy()
    np.fill_diagonal(changes, 1)
    changes /= changes.sum(axis=1, keepdims=True)
    single = np.bincount(train, minlength=len(alphabet)) + 1.0
    single /= single.sum()
    seen, right = test[:-1], test[1:]
    expected = float(-np.log(follows[seen, right]).mean())
    return expected, {
        "That is the loss of a uniform guess.": float(np.log(len(alphabet))),
        "That is the mean of ln p: the loss is its negative.": -expected,
        "That is in bits: take the natural logarithm.": expected / float(np.log(2)),
        "That is the perplexity: the loss is its logarithm.": float(np.exp(expected)),
        "Pairs of the same character, such as ll, count too.": float(
            -np.log(changes[seen, right]).mean()
        ),
        "That is the loss on the training text: report.x_test and report.y_test hold the test "
        "text.": float(-np.log(follows[train[:-1], train[1:]]).mean()),
        "That counts each pair 32 times: windows that begin 32 characters apart cover the text "
        "once.": float(-np.log(often[seen, right]).mean()),
        "That counts single characters, not pairs.": float(-np.log(single[right]).mean()),
        "Divide each row by its own sum, not by the sum of all counts.": float(
            -np.log(counts[seen, right] / counts.sum()).mean()
        ),
        "Take the mean of the logarithms, not the logarithm of the mean.": float(
            -np.log(follows[seen, right].mean())
        ),
    }


def good_average(answer: Sequence[int], study: Study) -> Feedback:
    """Is the mean of these snapshots 0.02 nats better than the constant's network of epoch 9?

    Args:
        answer: epochs from 1 to 9.
        study: has a run named "constant", with its weights after each of them.

    Example:
        A wrong list is refused before any network is looked at:

        >>> good_average([9, 9], study=None)
        ✗ Not yet. Give each epoch once.
    """
    if not_attempted(answer):
        return NOT_ATTEMPTED
    numbers = floats_or_nan(list(answer) if isinstance(answer, set) else answer)
    if numbers.ndim != 1 or not len(numbers) or (numbers % 1 != 0).any() or (numbers < 1).any():
        return wrong(f"The answer must be a list of epochs, such as [1, 2], not {answer!r}.")
    epochs = sorted(int(number) for number in numbers)
    if len(set(epochs)) < len(epochs):
        return wrong("Give each epoch once.")
    if epochs[-1] > STOPPED:
        return wrong(f"After epoch {STOPPED} there is no epoch {epochs[-1]} yet.")
    if len(epochs) == 1:
        return wrong("That is one network, and no average.")
    gain = _loss(study, [STOPPED]) - _loss(study, epochs)
    if gain >= ENOUGH:
        return correct(f"The mean is {gain:.4f} nats better, and nobody lowered a rate.")
    if gain < 0:
        return wrong(f"The mean is {-gain:.4f} nats worse: the early networks drag it back.")
    return wrong(f"The mean is {gain:.4f} nats better, which is not enough yet.")


def _constant(study: Study) -> tuple[Trial, dict[int, Snapshot]]:
    """The constant's trial, and what was kept of its networks."""
    (row,) = (i for i, trial in enumerate(study.trials) if trial.name == "constant")
    return study.trials[row], study.snapshots[row]


def _mean_network(study: Study, epochs: Sequence[int]) -> torch.nn.Module:
    """The mean of the constant run's networks after these epochs."""
    return mean_network(*_constant(study), dict.fromkeys(epochs, 1.0))


def _loss(study: Study, epochs: Sequence[int]) -> float:
    report = load_data(_constant(study)[0].data)[1]
    return evaluate(_mean_network(study, epochs), report.x_test, report.y_test)[1]


def cool_down(answer: Sequence[float], study: Study) -> Feedback:
    """Do 100 updates with these rates, from the plateau of epoch 9, end 0.035 nats lower?

    Lower, that is, than 100 more updates at the plateau's own rate. Both have a fresh AdamW.

    Args:
        answer: a rate for each of 100 updates.
        study: as `good_average` takes it.

    Example:
        >>> cool_down([0.004, 0.0], study=None)
        ✗ Not yet. The answer must be 100 rates, one for each update.
    """
    rates = rates_of_a_run(answer, UPDATES)
    if isinstance(rates, Feedback):
        return rates
    plateau = _constant(study)[0].eta_max
    if rates.max() > 2 * plateau:
        return wrong(f"No rate may be above {2 * plateau:g}, twice the plateau's.")
    gain = _branch(study, np.full(UPDATES, plateau)) - _branch(study, rates)
    said = f"It ends {abs(gain):.4f} nats {'below' if gain > 0 else 'above'} the plateau's run"
    if gain >= COOLED:
        return correct(f"{said}. Any network of a plateau can be cooled down.")
    if rates[-1] > 0.4 * plateau:
        return wrong(f"{said}: the last rate, {rates[-1]:.2g}, is still high.")
    if rates.max() < 0.2 * plateau:
        return wrong(f"{said}: with such low rates it does not come far in {UPDATES} updates.")
    if rates.mean() > 0.6 * plateau:
        return wrong(f"{said}: the rate stays high for too long. Begin the fall earlier.")
    if rates.mean() < 0.1 * plateau:
        return wrong(f"{said}: the rate is near 0 for most of the run. Let it fall later.")
    return wrong(f"{said}: begin the fall at another update, or from another rate.")


def _branch(study: Study, rates: NDArray[np.float64]) -> float:
    """The test loss after training on from the constant run's network of epoch 9."""
    trial, _ = _constant(study)
    model = _mean_network(study, [STOPPED])
    data = dataclasses.replace(trial.data, n_train=UPDATES * trial.batch_size)
    history = fit(
        model,
        load_data(data)[1],
        lambda t: float(rates[min(int(t), UPDATES - 1)]),
        epochs=1,
        batch_size=trial.batch_size,
        optimizer=partial(torch.optim.AdamW, weight_decay=0.1),
        seed=SEED,
        progress=False,
    )
    return float(history.test_loss[-1])
