"""Averages of probabilities, and temperatures that are fitted and change no answer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax

from coslr.experiments.ensembles import (
    at_temperature,
    average,
    fitted_temperature,
    mean_weights,
    score,
)


def drawn(seed, images=400, classes=5):
    """Calibrated predictions: each label is drawn from the probabilities that are predicted."""
    rng = np.random.default_rng(seed)
    logs = log_softmax(rng.normal(0, 1.5, (images, classes)), axis=1)
    labels = np.array([rng.choice(classes, p=np.exp(row)) for row in logs])
    return logs, labels


def test_the_score_is_accuracy_and_cross_entropy():
    logs, labels = drawn(0)
    accuracy, loss = score(logs, labels)
    assert accuracy == np.mean([np.argmax(row) == y for row, y in zip(logs, labels, strict=True)])
    assert loss == pytest.approx(np.mean([-row[y] for row, y in zip(logs, labels, strict=True)]))
    with pytest.raises(ValueError, match="a row for each of the 399 labels"):
        score(logs, labels[:-1])


@given(st.integers(0, 2**16), st.integers(1, 4))
def test_an_average_is_of_probabilities_and_no_worse_than_its_members(seed, members):
    logs = [drawn(seed + i, images=20)[0] for i in range(members)]
    labels = drawn(seed, images=20)[1]
    mean = average(logs)
    np.testing.assert_allclose(np.exp(mean), np.mean(np.exp(logs), axis=0), rtol=1e-9)
    losses = [score(member, labels)[1] for member in logs]
    assert score(mean, labels)[1] <= np.mean(losses) + 1e-12  # Jensen


def test_no_members_are_refused():
    with pytest.raises(ValueError, match="at least one network"):
        average([])


@pytest.mark.parametrize("tau", [0.4, 1.0, 2.5])
def test_the_temperature_undoes_the_one_that_was_put_in(tau):
    logs, labels = drawn(1, images=20_000)
    spoilt = at_temperature(logs, 1 / tau)
    assert fitted_temperature(spoilt, labels) == pytest.approx(tau, rel=0.03)
    mended = at_temperature(spoilt, fitted_temperature(spoilt, labels))
    assert score(mended, labels)[1] <= score(spoilt, labels)[1]
    assert score(mended, labels)[0] == score(spoilt, labels)[0]


@pytest.mark.parametrize("tau", [0, -1, np.nan, "1"])
def test_a_temperature_is_above_zero(tau):
    with pytest.raises((ValueError, TypeError), match=r"^tau="):
        at_temperature(np.log([[0.5, 0.5]]), tau)


def test_a_temperature_of_one_changes_nothing():
    logs, _ = drawn(2)
    np.testing.assert_allclose(at_temperature(logs, 1.0), logs, atol=1e-12)


@pytest.mark.parametrize("labels", [np.array([[0], [1]]), np.array([-1, 0]), np.array([0, 2])])
def test_wrong_labels_are_named(labels):
    with pytest.raises(ValueError, match="label"):
        score(np.log([[0.5, 0.5], [0.9, 0.1]]), labels)


def test_scores_that_are_no_log_probabilities_are_named():
    with pytest.raises(ValueError, match="log_softmax"):
        score(np.array([[5.0, 3.0]]), np.array([0]))
    with pytest.raises(ValueError, match=r"members\[1\]"):
        average([np.log([[0.5, 0.5]]), np.array([[5.0, 3.0]])])
    score(np.log(np.full((1, 75), 1 / 75)).astype(np.float16), np.array([0]))  # rounded, and right


def test_a_mean_of_weights_is_a_network_like_its_members():
    states = [{"w": np.full(2, x, "float32"), "n": np.array(4)} for x in (0, 1)]
    mean = mean_weights(states, [1, 3])
    assert {k: v.dtype for k, v in mean.items()} == {k: v.dtype for k, v in states[0].items()}
    assert mean["w"].tolist() == [0.75, 0.75]
    count = {"n": np.array(39)}
    assert mean_weights([count] * 10, [0.5 ** (k / 2) for k in range(9, -1, -1)])["n"] == 39
    for pair in ([states[0], {"w": states[1]["w"]}], [{"w": states[1]["w"]}, states[0]]):
        with pytest.raises(ValueError, match="must be in both"):
            mean_weights(pair, [1, 1])
