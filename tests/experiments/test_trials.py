"""Trials are plain values that refuse what could not be trained."""

import dataclasses

import numpy as np
import pytest
import torch

from coslr import Constant, Cosine
from coslr.experiments.data import fashion_mnist
from coslr.experiments.trials import Split, Trial, grid

DATA = Split(n_train=200, n_validation=100, n_test=100)
SMALL = {"epochs": 2, "batch_size": 50, "data": DATA}
SCHEDULES = {"constant": lambda eta, T: Constant(eta), "cosine": lambda eta, T: Cosine(T, eta)}


def trials(schedules=SCHEDULES, eta_max=(0.1,), seeds=(0, 1), **settings):
    return grid(schedules, eta_max, seeds, **(SMALL | settings))


# ---------------------------------------------------------------------------------- the grid


def test_grid():
    wanted = trials(
        eta_max={"constant": [0.1], "cosine": np.array([0.1, 0.2])}, seeds=np.arange(2),
        optimizer="AdamW", options={"weight_decay": 0.1, "betas": (0.8, 0.9)},
    )  # fmt: skip
    found = [(trial.name, trial.eta_max, trial.seed, trial.schedule) for trial in wanted]
    assert found == [
        ("constant", 0.1, 0, Constant(0.1)),
        ("constant", 0.1, 1, Constant(0.1)),
        ("cosine", 0.1, 0, Cosine(8, 0.1)),
        ("cosine", 0.1, 1, Cosine(8, 0.1)),
        ("cosine", 0.2, 0, Cosine(8, 0.2)),
        ("cosine", 0.2, 1, Cosine(8, 0.2)),
    ]
    assert {trial.options for trial in wanted} == {(("betas", (0.8, 0.9)), ("weight_decay", 0.1))}
    assert all((t.epochs, t.batch_size, t.data, t.optimizer) == (2, 50, DATA, "AdamW")
               for t in wanted)  # fmt: skip


def test_numbers_become_pythons_own():
    """The key of a result would otherwise depend on where a number came from."""
    n = np.int64(10)
    data = Split(n_train=n * 20, n_validation=n * 10, n_test=n, fold=np.int64(1))
    (trial,) = grid(
        {"a": lambda eta, T: Constant(eta)}, np.array([0.1], "float64"), np.arange(1),
        epochs=np.int64(2), batch_size=n, data=data, snapshots=np.array([2]),
    )  # fmt: skip
    numbers = [trial.seed, trial.epochs, trial.batch_size, *trial.snapshots]
    numbers += [data.n_train, data.n_validation, data.n_test, data.fold]
    assert {type(number) for number in numbers} == {int}
    assert type(trial.eta_max) is float


@pytest.mark.parametrize("make", [Cosine, Cosine(10, 0.1), "cosine"])
def test_a_schedule_in_place_of_what_makes_one_is_refused(make):
    """Cosine itself would be called with its two arguments the wrong way round."""
    with pytest.raises(TypeError, match=r"schedules\['a'\]=.*lambda eta, T: Cosine\(T, eta\)"):
        grid({"a": make}, [0.1], [0])


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"batch_size": 201}, ValueError, "batch_size=201: must be a whole number from 1 to n_tr"),
        ({"epochs": 0}, ValueError, "epochs=0: must be a whole number from 1"),
        ({"eta_max": {"cosine": [1]}}, ValueError, r"eta_max=.*: must be peaks .*'constant', 'cos"),
        ({"eta_max": 0.1}, TypeError, "eta_max=0.1: must be a sequence of peaks"),
        ({"eta_max": ["high"]}, TypeError, r"eta_max\[0\]='high': must be a number"),
        ({"eta_max": {"constant": [1], "cosine": 0.1}}, TypeError, r"eta_max\['cosine'\]=0.1: m"),
        ({"schedules": {"a": lambda e, T: 0.1}}, TypeError, "schedule=0.1: must be a schedule"),
        ({"momentum": 0.9}, TypeError, "momentum=0.9: must be a schedule, .*, or None"),
        ({"optimizer": "SDG"}, ValueError, "optimizer='SDG': must be the name"),
        ({"optimizer": "lr_scheduler"}, ValueError, "optimizer='lr_scheduler': must be the name"),
        ({"optimizer": 3}, TypeError, "optimizer=3: must be the name .* or a class or function"),
        ({"model": "cnn"}, TypeError, "model='cnn': must be a class or function that is called"),
        ({"data": 200}, TypeError, "data=200: must be a Split"),
        ({"snapshots": [3]}, ValueError, r"snapshots=\[3\]: must be epochs from 1 to 2"),
        ({"snapshots": [0]}, ValueError, r"snapshots\[0\]=0: must be one of the epochs from 1 to"),
        ({"snapshots": 2}, TypeError, "snapshots=2: must be epochs from 1 to 2"),
        ({"options": {"betas": [0.9]}}, TypeError, "options=.* tuples, not lists"),
        ({"options": 3}, TypeError, "options=3: must be a dict, not int"),
        ({"weights": 1}, TypeError, "weights=1: must be True or False, not int"),
        ({"schedules": {1: SCHEDULES["cosine"]}}, TypeError, "name=1: must be a text, not int"),
        ({"extras": {"seed": 3}}, ValueError, r"extras=\['seed'\]: must be named otherwise"),
        ({"seeds": [0.5]}, TypeError, "seed=0.5: must be a whole number"),
        ({"seeds": [-1]}, ValueError, "seed=-1: must be a whole number from 0"),
    ],
)  # fmt: skip
def test_a_trial_refuses(settings, error, message):
    with pytest.raises(error, match=message):
        trials(**settings)


# ---------------------------------------------------------------------------------- the split


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"n_train": 205}, ValueError, "n_train=205: must be a multiple of 10"),
        ({"n_train": 20.0}, TypeError, "n_train=20.0: must be a whole number"),
        ({"n_validation": 0}, ValueError, "n_validation=0: must be a whole number from 1"),
        ({"n_test": 7}, ValueError, "n_test=7: must be a multiple of 10"),
        ({"fold": 4}, ValueError, "fold=4: must be a whole number from 0 to 3"),
        ({"fold": -1}, ValueError, "fold=-1: must be a whole number from 0 to 3"),
        ({"fold": True}, TypeError, "fold=True: must be a whole number from 0 to 3"),
    ],
)
def test_a_split_refuses(settings, error, message):
    with pytest.raises(error, match=message):
        Split(**settings)


@pytest.fixture(scope="module")
def folds():
    return [dataclasses.replace(DATA, fold=fold).load() for fold in (0, 1, 2)]


@pytest.mark.parametrize("fold", [0, 1, 2])
def test_folds(folds, fold):
    choose, report = folds[fold]
    assert torch.equal(choose.x_train, report.x_train)
    assert torch.equal(report.x_test, folds[0][1].x_test)
    assert choose.y_train.bincount().tolist() == [20] * 10
    assert choose.y_test.bincount().tolist() == [10] * 10
    assert report.y_test.bincount().tolist() == [10] * 10
    # Every image is in exactly one of the two, and validates in exactly one fold.
    pixels = [{x.numpy().tobytes() for x in images} for images in (choose.x_train, choose.x_test)]
    assert (len(pixels[0]), len(pixels[1]), len(pixels[0] & pixels[1])) == (200, 100, 0)
    held_out = {x.numpy().tobytes() for one, _ in folds for x in one.x_test}
    assert held_out == pixels[0] | pixels[1]


def test_a_split_of_more_images_than_there_are_names_what_is_too_large():
    with pytest.raises(ValueError, match=r"^n_train \+ n_validation=11000: must be at most 10000"):
        Split(n_train=9000, n_validation=2000).load()


def test_test_images_are_those_of_the_test_set():
    images = fashion_mnist(size=14)
    _, report = DATA.load()
    own = {x.numpy().tobytes() for x in images.x_test}
    assert all(x.numpy().tobytes() in own for x in report.x_test)
    assert len(Split(n_train=200, n_validation=100).load()[1].x_test) == len(images.x_test)


def test_trials_are_values():
    one, other = trials()[:2]
    assert one == trials()[0]
    assert hash(one) == hash(trials()[0])
    assert one != other
    assert isinstance(one, Trial)
