from functools import partial

import pandas as pd

from coslr.course.checks import lesson_12
from tests.course.checks.harness import Checkers

RUNS = pd.DataFrame(
    {
        "schedule": ["cosine"] * 5 + ["wsd"],
        "eta_max": [0.001, 0.002, 0.005, 0.001, 0.002, 0.001],
        "eta_min": [1e-7, 1e-7, 1e-7, 0.0001, 0.0002, 0.0],
        "final_val_loss": [2.9635, 2.9534, 7.585, 2.9819, 2.9911, 2.5],
    }
)
floor_gap = partial(lesson_12.floor_gap, runs=RUNS)
updates_saved = partial(lesson_12.updates_saved, lengths=[15_000, 25_000, 50_000], cooldown=0.2)

RIGHT = {
    floor_gap: [0.0285, 0.029, 0.028],
    updates_saved: [32_000, 32000.0],
    lesson_12.one_seed: ["a", "A"],
}

IMPOSTORS = [
    (floor_gap, -0.0285, "other way round"),
    (floor_gap, 0.0377, "best peak of the cosine to zero;"),
    (floor_gap, 0.0184, "best peak of the cosine to a tenth;"),
    (floor_gap, 0.5, "too large"),
    (updates_saved, 40_000, "leaves out the cooldowns"),
    (updates_saved, 22_000, "no extra"),
    (updates_saved, 58_000, "what WSD trains:"),
    (updates_saved, 90_000, "what the cosines train:"),
    (updates_saved, 8_000, "not what is saved"),
    (updates_saved, 31_900, "close, but"),
    (lesson_12.one_seed, "b", "third decimal"),
    (lesson_12.one_seed, "c", "one length alone"),
    (lesson_12.one_seed, "d", "no spread"),
]


class TestCheckers(Checkers):
    module, right, impostors = lesson_12, RIGHT, IMPOSTORS
