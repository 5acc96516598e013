import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from coslr import Cosine
from coslr.experiments.batchnorm import recompute_statistics
from coslr.experiments.data import fashion_mnist
from coslr.experiments.landscape import along_line, barrier
from coslr.experiments.models import SmallCNN
from coslr.experiments.training import evaluate, fit


@pytest.fixture(scope="module")
def data():
    return fashion_mnist(size=14).subset(1000, 200)


@pytest.fixture(scope="module")
def trained(data):
    models = [SmallCNN(size=14, seed=seed) for seed in (0, 1)]
    for seed, model in enumerate(models):
        fit(model, data, Cosine(50, 0.1), epochs=7, seed=seed, progress=False)
    return models


def arrays(model):
    return {name: value.numpy().copy() for name, value in model.state_dict().items()}


def test_the_ends_are_the_two_networks(data, trained):
    line = along_line(*map(arrays, trained), data, points=3)
    for row, model in zip((0, 2), trained, strict=True):
        accuracy, loss = evaluate(model, data.x_test, data.y_test)
        # Its own statistics are averages over its last batches, and those of the line are new.
        assert line["accuracy"][row] == pytest.approx(accuracy, abs=0.05)
        assert line["loss"][row] == pytest.approx(loss, abs=0.15)


def test_between_two_initialisations_there_is_a_barrier_and_from_one_to_itself_there_is_none(
    data, trained
):
    first, second = map(arrays, trained)
    assert barrier(along_line(first, second, data, points=5)) > 0.1
    same = along_line(first, first, data, points=3)
    assert barrier(same) == pytest.approx(0, abs=1e-6)
    assert same["loss"].nunique() == 1


def test_backwards_it_is_the_same_line(data, trained):
    first, second = map(arrays, trained)
    there = along_line(first, second, data, points=5)
    back = along_line(second, first, data, points=5)
    np.testing.assert_allclose(there["loss"], back["loss"][::-1], rtol=1e-4)
    assert barrier(there) == pytest.approx(barrier(back), rel=1e-3)


def test_neither_the_weights_nor_the_random_state_are_touched(data, trained):
    ends = [model.state_dict() for model in trained]
    before = [arrays(model) for model in trained]
    state = torch.get_rng_state()
    along_line(*ends, data, points=2)
    assert torch.equal(torch.get_rng_state(), state)
    for model, kept in zip(trained, before, strict=True):
        for name, value in model.state_dict().items():
            np.testing.assert_array_equal(value.numpy(), kept[name])


@pytest.mark.parametrize("n_statistics", [100, 1000, 5000])
def test_each_point_is_the_network_of_the_mixed_weights(data, trained, n_statistics):
    """With statistics of the first training images, and of all where there are fewer."""
    first, second = map(arrays, trained)
    line = along_line(first, second, data, points=5, n_statistics=n_statistics)
    assert line["share"].tolist() == [0, 0.25, 0.5, 0.75, 1]
    network = SmallCNN(size=14)
    for share, accuracy, loss in line.itertuples(index=False):
        mixed = {
            name: torch.tensor((1 - share) * first[name] + share * second[name]) for name in first
        }
        network.load_state_dict(mixed)
        recompute_statistics(network, data.x_train[:n_statistics])
        expected = evaluate(network, data.x_test, data.y_test)
        assert (accuracy, loss) == pytest.approx(expected, rel=1e-4, abs=0.006)  # one image of 200


def test_a_scale_that_batch_normalisation_undoes_changes_nothing(data, trained):
    """Statistics are those of the point: with those of the end, this line would not be flat."""
    first = arrays(trained[0])
    second = first | {"layers.0.weight": 2 * first["layers.0.weight"]}
    line = along_line(first, second, data, points=3)
    np.testing.assert_allclose(line["loss"], line["loss"][0], rtol=1e-3)


def test_batch_normalisation_of_every_kind_sees_each_point_anew(data):
    class Flat(nn.Sequential):
        def __init__(self, size=14, seed=0):
            super().__init__(nn.Flatten(), nn.Linear(size**2, 10), nn.BatchNorm1d(10))

    first, second = (arrays(Flat()) for _ in range(2))
    line = along_line(first, second, data, points=3, model=Flat)
    other = first | {"2.running_mean": 100 * np.arange(10, dtype="float32")}
    pd.testing.assert_frame_equal(along_line(other, second, data, points=3, model=Flat), line)


def test_dropout_stays_off_while_statistics_are_collected(data):
    class Dropping(SmallCNN):
        def forward(self, x):
            return super().forward(nn.functional.dropout(x, 0.9, self.training))

    ends = [arrays(SmallCNN(size=14, seed=seed)) for seed in (0, 1)]
    with_it = along_line(*ends, data, points=3, model=Dropping)
    pd.testing.assert_frame_equal(with_it, along_line(*ends, data, points=3))


def renamed(end):
    return {name: value for name, value in end.items() if "bias" not in name}


def reshaped(end):
    return end | {"layers.13.bias": np.zeros(9, dtype="float32")}


def retyped(end):
    return end | {"layers.13.bias": np.zeros(10)}


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"points": 1}, ValueError, "points=1: must be a whole number from 2"),
        ({"points": 0}, ValueError, "points=0: must be a whole number from 2"),
        ({"points": 2.5}, TypeError, "points=2.5: must be a whole number from 2, not float"),
        ({"points": True}, TypeError, "points=True: must be a whole number from 2, not bool"),
        ({"points": "9"}, TypeError, "points='9': must be a whole number from 2, not str"),
        ({"n_statistics": 0}, ValueError, "n_statistics=0: must be a whole number from 1"),
        ({"n_statistics": -2}, ValueError, "n_statistics=-2: must be a whole number from 1"),
        ({"images": "sample"}, TypeError, "images='sample': must be coslr.experiments.data.Images"),
        ({"model": 3}, TypeError, "model=3: must be a function of size"),
        ({"first": [1.0]}, TypeError, r"first=\[1.0\]: must be weights by name"),
        (
            {"second": renamed},
            ValueError,
            r"names in only one .*=\['layers.1.bias', .*: must be in",
        ),
        (
            {"second": reshaped},
            ValueError,
            r"second\['layers.13.bias'\]=\(\(9,\), .*: must be as in",
        ),
        ({"second": retyped}, ValueError, r"second\['layers.13.bias'\]=.*float64\): must be as in"),
    ],
)
def test_a_wrong_argument_is_an_error(data, arguments, error, message):
    end = arrays(SmallCNN(size=14))
    given = {"first": end, "second": end, "images": data} | arguments
    if given["second"] is not end:
        given["second"] = given["second"](end)
    with pytest.raises(error, match="^" + message):
        along_line(given.pop("first"), given.pop("second"), given.pop("images"), **given)


def test_the_barrier_is_measured_from_the_line_between_the_ends():
    def of(*loss):
        return barrier(pd.DataFrame({"share": np.linspace(0, 1, len(loss)), "loss": loss}))

    assert of(0.4, 0.5, 0.6) == pytest.approx(0)
    assert of(0.4, 0.3, 0.6) == 0
    assert of(0.5, 0.7, 1.5, 0.5, 0.5) == pytest.approx(1)
    assert of(0.4, 0.4) == 0
    assert np.isnan(of(0.4, np.nan, 0.4))


@pytest.mark.parametrize(
    ("line", "error", "message"),
    [
        ([0.1, 0.2], TypeError, "line=.*: must be a table made by along_line, not list"),
        (pd.DataFrame({"loss": [1, 2]}), ValueError, r"line.columns=\['loss'\]: must be those of"),
        (
            pd.DataFrame({"share": [0.0], "loss": [1]}),
            ValueError,
            r".*=\[0.0, 0.0\]: must be \[0, 1",
        ),
        (pd.DataFrame({"share": [], "loss": []}), ValueError, r".*=\[\]: must be \[0, 1"),
        # A part of the line would be measured from the wrong straight line.
        (
            pd.DataFrame({"share": [0, 0.5], "loss": [1, 2]}),
            ValueError,
            r".*=\[0.0, 0.5\]: must be",
        ),
    ],
)
def test_a_barrier_needs_the_whole_line(line, error, message):
    with pytest.raises(error, match="^" + message):
        barrier(line)
