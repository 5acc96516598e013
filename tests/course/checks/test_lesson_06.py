import numpy as np
import pandas as pd
import torch

from coslr import Cosine, CosineWarmRestarts
from coslr.course.checks import lesson_06
from tests.course.checks.harness import Checkers

Restarts = CosineWarmRestarts


def doubling(T_0, eta_max=0.1, T_mult=2, **settings):
    return Restarts(T_0, eta_max, T_mult=T_mult, **settings)


LEAD = pd.DataFrame({0.03: [-4.0, 0.5], 0.4: [20.0, 14.0]}, index=[4, 9])


def both_answers(pairs):
    """The checker takes two pairs and a table, and the tests hand it one value."""
    two = pairs if isinstance(pairs, tuple) and len(pairs) == 2 else (pairs, pairs)
    return lesson_06.both_answers(*two, LEAD)


def geometric(logs):
    mean = np.exp(logs.mean(axis=0))
    return mean / mean.sum(axis=1, keepdims=True)


def torch_ensemble(logs):
    return torch.as_tensor(logs).exp().mean(dim=0)


RIGHT = {
    lesson_06.whole_cycles: [
        doubling(312),
        doubling(312, cycles=4),
        doubling(312.0, cycles=5),
        doubling(60 * 78 / 15),
    ],
    both_answers: [((0.4, 4), (0.03, 4)), ((0.4, 9), (0.03, 4)), ([0.4, 9], [0.03, 4])],
    lesson_06.ensemble: [
        lambda logs: np.exp(logs).mean(axis=0),
        lambda logs: np.exp(logs).sum(0) / len(logs),
        lambda logs: (np.exp(logs).mean(axis=0)).tolist(),
        torch_ensemble,
        lambda logs: np.exp(logs.astype(np.float32)).mean(axis=0),
    ],
}

# A checker, a usual mistake, and a part of the hint that only this mistake must get.
IMPOSTORS = [
    (lesson_06.whole_cycles, doubling(4), "is in epochs"),
    (lesson_06.whole_cycles, doubling(4, cycles=4), "is in epochs"),
    (lesson_06.whole_cycles, doubling(1170), "quarter of the run"),
    (lesson_06.whole_cycles, doubling(1170, T_mult=1), "T_mult=1:"),
    (lesson_06.whole_cycles, doubling(312, T_mult=3), "T_mult=3:"),
    (lesson_06.whole_cycles, doubling(292.5), "one too many"),
    (lesson_06.whole_cycles, doubling(585), "last cycle alone"),
    (lesson_06.whole_cycles, doubling(668.571), "three cycles"),
    (lesson_06.whole_cycles, doubling(151), "five cycles"),
    (lesson_06.whole_cycles, doubling(4680 / 31), "five cycles"),
    (lesson_06.whole_cycles, doubling(4680 * 15), "the product"),
    (lesson_06.whole_cycles, doubling(60), "less than one epoch"),
    (lesson_06.whole_cycles, doubling(312, eta_max=0.2), "eta_max is 0.2"),
    (lesson_06.whole_cycles, doubling(312, eta_min=0.01), "eta_min is 0.01"),
    (lesson_06.whole_cycles, doubling(312, decay=0.5), "decay is 0.5"),
    (lesson_06.whole_cycles, doubling(312, cycles=2), "cycles=2"),
    (lesson_06.whole_cycles, doubling(311), "end at update 4665"),
    (lesson_06.whole_cycles, Cosine(4680, 0.1), "must be a CosineWarmRestarts"),
    (both_answers, ((0.03, 4), (0.4, 4)), "The two are swapped"),
    (both_answers, ((0.4, 9), (0.03, 9)), "0.03 after epoch 9 the restarts are ahead by 0.5"),
    (both_answers, ((0.03, 4), (0.03, 4)), "are behind by 4.0"),
    (both_answers, ((9, 0.4), (0.03, 4)), "ahead: the peak comes first"),
    (both_answers, ((0.4, 9), (4, 0.03)), "behind: the peak comes first"),
    (both_answers, ((0.4, 9), (0.05, 4)), "behind: the table has"),
    (both_answers, ((0.4, 5), (0.03, 4)), "ahead: the table has"),
    (both_answers, (0.4, (0.03, 4)), "ahead must be a pair"),
    (lesson_06.ensemble, lambda logs: np.exp(logs.mean(axis=0)), "take the exponential first"),
    (lesson_06.ensemble, lambda logs: logs.mean(axis=0), "take the exponential first"),
    (lesson_06.ensemble, geometric, "veto"),
    (lesson_06.ensemble, lambda logs: np.log(np.exp(logs).mean(axis=0)), "leave the last log"),
    (lesson_06.ensemble, lambda logs: np.exp(logs).sum(axis=0), "adds up to 3"),
    (lesson_06.ensemble, lambda logs: np.exp(logs).sum(0) / 3, "divide by len(logs)"),
    (lesson_06.ensemble, lambda logs: np.eye(4)[logs.argmax(2)].mean(0), "counts votes"),
    (lesson_06.ensemble, lambda logs: np.exp(logs).mean(0).argmax(1), "the class alone"),
    (lesson_06.ensemble, lambda logs: np.eye(4)[np.exp(logs).mean(0).argmax(1)], "winner alone"),
    (lesson_06.ensemble, lambda logs: np.exp(logs)[-1], "last network alone"),
    (lesson_06.ensemble, lambda logs: np.exp(logs[0]), "first network alone"),
    (lesson_06.ensemble, lambda logs: np.exp(logs).mean(axis=1), "over the images"),
    (lesson_06.ensemble, lambda logs: np.exp(logs).mean(axis=-1), "over the classes"),
    (lesson_06.ensemble, lambda logs: np.exp(logs).max(axis=0), "the largest probability"),
    (lesson_06.ensemble, lambda logs: np.median(np.exp(logs), axis=0), "the median"),
    (lesson_06.ensemble, np.exp, "their mean is missing"),
    (lesson_06.ensemble, lambda logs: logs.ravel(), "the shape (60,)"),
    (lesson_06.ensemble, lambda logs: np.exp(logs).mean(0) ** 2, "For the first image"),
    (lesson_06.ensemble, np.ones((5, 4)), "must be a function"),
]


class TestCheckers(Checkers):
    module, right, impostors = lesson_06, RIGHT, IMPOSTORS
    functions = [lesson_06.ensemble]


def test_a_lead_counts_as_the_table_shows_it():
    lead = pd.DataFrame({0.03: [-2.96, 0.5], 0.4: [20.0, 2.97]}, index=[4, 9])
    assert lesson_06.both_answers((0.4, 9), (0.03, 4), lead).is_right is True
