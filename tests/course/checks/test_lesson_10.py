import functools

import numpy as np
import pytest
import torch

from coslr import Constant, Cosine, Linear
from coslr.course.checks import lesson_10
from coslr.experiments.one_trial import load_data
from coslr.experiments.studies import Study
from coslr.experiments.text import Excerpt
from coslr.experiments.trials import Trial
from tests.course.checks.harness import Checkers

PEAK = 1.0


class Pairs(torch.nn.Module):
    """A model of pairs of characters; it is trained in no time, and so takes a Transformer's place.

    Its plateau has noise, and its networks come closer to the best one from epoch to epoch.
    """

    def __init__(self, size, seed):
        super().__init__()
        self.size = size
        self.table = torch.nn.Embedding(75, 75)

    def forward(self, x):
        return self.table(x)


@functools.lru_cache(maxsize=1)
def study():
    trial = Trial(
        name="constant",
        schedule=Constant(PEAK),
        eta_max=PEAK,
        seed=0,
        batch_size=16,
        data=Excerpt(context=32, n_train=800),
        model=Pairs,
    )
    data = load_data(trial.data)[1]
    counts = np.ones((75, 75), np.float32)
    np.add.at(counts, (data.x_train[::32].flatten(), data.y_train[::32].flatten()), 1)
    best = np.log(counts / counts.sum(axis=1, keepdims=True))
    rng = np.random.default_rng(0)
    snapshots = {
        epoch: {"weights": {"table.weight": _network(best, epoch, rng)}} for epoch in range(1, 13)
    }
    return Study((trial,), None, None, {0: snapshots})


def _network(best, epoch, rng):
    noise = 0.5 * rng.standard_normal(best.shape, np.float32)
    return best * np.float32(1 - 0.8**epoch) + noise


def with_study(checker):
    @functools.wraps(checker)
    def answered(answer):
        return checker(answer, study())

    return answered


good_average, cool_down = map(with_study, (lesson_10.good_average, lesson_10.cool_down))
t = np.arange(100)

RIGHT = {
    lesson_10.pair_loss: [2.368, 2.3679, np.float32(2.3682), torch.tensor(2.3682)],
    good_average: [[7, 8, 9], (8, 9), {8, 9}, np.array([9, 8, 7, 6])],
    cool_down: [Linear(100, PEAK)(t), Cosine(100, PEAK)(t).tolist()],
}

# A checker, a usual mistake, and a part of the hint that only this mistake must get.
IMPOSTORS = [
    (lesson_10.pair_loss, np.log(75), "uniform guess"),
    (lesson_10.pair_loss, np.inf, "add 1 to each count"),
    (lesson_10.pair_loss, -2.3682, "its negative"),
    (lesson_10.pair_loss, 2.3682 / np.log(2), "in bits"),
    (lesson_10.pair_loss, np.exp(2.3682), "perplexity"),
    (lesson_10.pair_loss, 2.49, "such as ll, count too"),
    (lesson_10.pair_loss, 2.3717, "training text"),
    (lesson_10.pair_loss, 2.3619, "32 times"),
    (lesson_10.pair_loss, 2.3649, "4 digits"),
    (lesson_10.pair_loss, 3.005, "single characters"),
    (lesson_10.pair_loss, 5.3775, "its own sum"),
    (lesson_10.pair_loss, 1.8033, "mean of the logarithms"),
    (good_average, [9], "no average"),
    (good_average, [9, 9], "once"),
    (good_average, [10, 11, 12], "no epoch 12"),
    (good_average, [8.5, 9], "list of epochs"),
    (good_average, [0, 9], "list of epochs"),
    (good_average, range(1, 10), "drag it back"),
    (good_average, [1, 2, 3], "drag it back"),
    (good_average, range(3, 10), "not enough yet"),
    (cool_down, np.full(100, PEAK), "still high"),
    (cool_down, np.full(100, PEAK / 1000), "such low rates"),
    (cool_down, np.full(100, 3 * PEAK), "twice the plateau's"),
    (cool_down, np.full(50, PEAK), "must be 100 rates"),
    (cool_down, Linear(4, PEAK)(t), "Let it fall later"),
    (cool_down, np.r_[np.full(99, PEAK), 0], "Begin the fall earlier"),
]


class TestCheckers(Checkers):
    module, right, impostors = lesson_10, RIGHT, IMPOSTORS


def test_the_counts_are_those_of_the_training_text():
    """The loss, computed a second time from the windows that the reader has."""
    data = load_data(Excerpt(context=32, n_train=800))[1]
    counts = torch.ones(75, 75)
    x, y = data.x_train[::32].flatten(), data.y_train[::32].flatten()
    counts.index_put_((x, y), torch.ones(len(x)), accumulate=True)
    log_p = (counts / counts.sum(1, keepdim=True)).log()
    loss = -log_p[data.x_test, data.y_test].mean()
    assert float(loss) == pytest.approx(lesson_10._counted()[0], abs=0.002)


def test_a_mean_of_two_networks_is_between_them():
    mean = lesson_10._mean_network(study(), [8, 9]).table.weight.detach().numpy()
    kept = study().snapshots[0]
    both = [kept[epoch]["weights"]["table.weight"] for epoch in (8, 9)]
    assert np.allclose(mean, (both[0] + both[1]) / 2)
