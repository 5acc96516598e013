"""What predictions are worth: alone, averaged over networks, and with a fitted temperature.

`mean_weights` averages the networks themselves.

Predictions are log-probabilities of classes, (images, classes), as snapshots keep them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coslr._arguments import positive, require
from coslr._optional import extra

with extra("train"):
    from scipy import optimize
    from scipy.special import log_softmax, logsumexp

Predictions = NDArray[np.floating]


def score(predictions: Predictions, labels: NDArray[np.integer]) -> tuple[float, float]:
    """Accuracy (a fraction) and mean cross entropy (in nats).

    Args:
        predictions: log-probabilities, (images, classes).
        labels: the right classes, (images,), from 0 to classes - 1.

    Raises:
        ValueError: other shapes; a label that is no class; scores that are not log-probabilities,
            such as a network's raw ones.

    Example:
        >>> half = np.log([[0.5, 0.5], [0.9, 0.1]])
        >>> accuracy, loss = score(half, np.array([0, 1]))
        >>> accuracy, round(loss, 4)
        (0.5, 1.4979)
    """
    right = f"(images, classes), with a row for each of the {len(labels)} labels"
    fits = predictions.ndim == 2 and len(predictions) == len(labels) > 0
    require(fits, "predictions.shape", predictions.shape, right)
    require(np.shape(labels) == (len(predictions),), "labels.shape", np.shape(labels), "(images,)")
    whole_numbers = np.issubdtype(labels.dtype, np.integer)
    require(whole_numbers, "labels.dtype", labels.dtype, "integers, each the place of a class")
    wrong = labels[(labels < 0) | (labels >= predictions.shape[1])]
    right = f"from 0 to {predictions.shape[1] - 1}"
    require(not len(wrong), "a label", wrong[:1].tolist(), right)
    _check_log_probabilities("predictions", predictions)
    accuracy = float((predictions.argmax(axis=1) == labels).mean())
    return accuracy, float(-predictions[np.arange(len(labels)), labels].mean())


def average(members: Sequence[Predictions]) -> Predictions:
    """The mean of the members' probabilities, as log-probabilities.

    Source: Huang et al., "Snapshot Ensembles: Train 1, Get M for Free", ICLR 2017.

    Example:
        >>> np.exp(average([np.log([[0.5, 0.5]]), np.log([[0.9, 0.1]])])).round(2).tolist()
        [[0.7, 0.3]]
    """
    require(len(members) > 0, "members", [*members], "the predictions of at least one network")
    for i, member in enumerate(members):
        _check_log_probabilities(f"members[{i}]", member)
    logs = np.stack([np.asarray(member, dtype=float) for member in members])
    mean: Predictions = logsumexp(logs, axis=0) - np.log(len(logs))
    return mean


def _check_log_probabilities(name: str, predictions: Predictions) -> None:
    totals = np.exp(logsumexp(np.asarray(predictions, dtype=float), axis=-1))
    wrong = totals[np.abs(totals - 1) > 0.01]  # float16 is rounded; NaN passes
    right = "log-probabilities, whose exponentials sum to 1: log_softmax of a network's scores"
    require(not len(wrong), f"sum of exp({name})", wrong[:1].tolist(), right)


def mean_weights(
    states: Sequence[Mapping[str, NDArray[Any]]], shares: Sequence[float]
) -> dict[str, NDArray[Any]]:
    """The weighted mean of the weights of several networks, as the weights of one.

    The means and variances of batch normalisation are averaged too, but they do not fit averaged
    weights: call `coslr.experiments.batchnorm.recompute_statistics` before you evaluate. Integer
    buffers such as batch counts are the first network's.

    Source: Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization",
    UAI 2018.

    Args:
        states: the weights of each network by name, as in a study's snapshots.
        shares: one for each network; only their ratios count.

    Raises:
        ValueError: no network; networks with different names of weights; another number of shares
            than of networks.

    Example:
        >>> mean_weights([{"w": np.zeros(2)}, {"w": np.ones(2)}], [1, 3])["w"].tolist()
        [0.75, 0.75]
    """
    require(len(states) > 0, "states", [*states], "the weights of at least one network")
    require(len(shares) == len(states), "shares", [*shares], f"{len(states)} numbers")
    for i, state in enumerate(states):
        lacking = sorted(state.keys() ^ states[0].keys())
        require(not lacking, f"names in only one of states[0] and states[{i}]", lacking, "in both")

    def mean(name: str) -> NDArray[Any]:
        values = [np.asarray(state[name]) for state in states]
        # Integer buffers such as batch counts cannot be averaged, so we keep the first network's.
        if not np.issubdtype(values[0].dtype, np.floating):
            return values[0]
        average_value: NDArray[Any] = np.average(values, 0, shares).astype(values[0].dtype)
        return average_value

    return {name: mean(name) for name in states[0]}


def fitted_temperature(predictions: Predictions, labels: NDArray[np.integer]) -> float:
    r"""The temperature :math:`\tau` with the smallest loss of softmax(predictions / :math:`\tau`).

    Fit it on images that are not tested. Above 1, the network was too sure of itself.

    Source: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.

    Args:
        predictions, labels: as in `score`.

    Returns:
        A number from 0.05 to 20.

    Example:
        A network that is sure of every answer and wrong in one of four:

        >>> sure = np.log([[0.999, 0.001]] * 4)
        >>> tau = fitted_temperature(sure, np.array([0, 0, 0, 1]))
        >>> np.exp(at_temperature(sure, tau))[0].round(2).tolist()
        [0.75, 0.25]
    """

    def loss(log_tau: float) -> float:
        return score(at_temperature(predictions, float(np.exp(log_tau))), labels)[1]

    ends = (float(np.log(0.05)), float(np.log(20)))
    found = optimize.minimize_scalar(loss, bounds=ends, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def at_temperature(predictions: Predictions, tau: float) -> Predictions:
    """The log-probabilities of softmax(predictions / tau).

    Args:
        predictions: log-probabilities, (images, classes).
        tau: the temperature, above 0. Below 1 makes the predictions surer, above 1 less sure; 1
            changes rounding errors at most.

    Raises:
        ValueError, TypeError: `tau` is no number above 0.
    """
    tau = positive("tau", tau)
    cooled: Predictions = log_softmax(np.asarray(predictions, dtype=float) / tau, axis=1)
    return cooled
