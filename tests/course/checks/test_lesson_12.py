import numpy as np
import pytest

from coslr.course.checks import lesson_12
from coslr.course.checks.lesson_12 import MADE_UP, eight_seeds, find_the_leak, plan_a_study
from coslr.experiments.outcomes import judge
from tests.course.checks.harness import Checkers

LEAKS = {"A": "effort", "B": "none", "C": "images", "D": "seeds", "E": "edge"}

RIGHT = {
    eight_seeds: [0.3966, 0.40, np.float32(0.4)],
    plan_a_study: [(0.3, 16), [0.25, 20], np.array([0.35, 12.0]), (0.3, 14)],
    find_the_leak: [LEAKS, dict(reversed(LEAKS.items()))],
}

IMPOSTORS = [
    (eight_seeds, 0.003966, "is a fraction"),
    (eight_seeds, 0.39, "spread of eight pairs"),
    (eight_seeds, 0.343, "spread of one pair"),
    (eight_seeds, 0.3398, "spread of one pair"),
    (eight_seeds, 0.3854, "spread of eight pairs"),
    (eight_seeds, 0.305, "all twelve"),
    (eight_seeds, 0.3797, "ddof=1"),
    (eight_seeds, 0.1213, "standard error"),
    (eight_seeds, 0.2868, "half the width"),
    (eight_seeds, 0.4526, "not paired"),
    (eight_seeds, 0.9, "too large"),
    (plan_a_study, (0.4, 12), "no difference to ignore"),
    (plan_a_study, (0.05, 20), "can ignore at least"),
    (plan_a_study, (0.3, 6), "finds a gain of 0.4 points in"),
    (plan_a_study, (0.3, 8), "finds a gain of 0.4 points in"),
    (plan_a_study, (0.3, 10), "'equivalent' in only 60.1 %"),
    (plan_a_study, (0.2, 20), "'equivalent' in only 58.6 %"),
    (plan_a_study, (0.32, 12), "79.7 %"),
    (plan_a_study, (0.3, 40), "from 2 to 20"),
    (plan_a_study, (0.3, 14.5), "from 2 to 20"),
    (plan_a_study, (14, 0.3), "margin comes first"),
    (plan_a_study, 0.3, "a margin and a number"),
    (find_the_leak, LEAKS | {"A": "none"}, "Study A: one rule is broken"),
    (find_the_leak, LEAKS | {"B": "seeds"}, "Study B: none of its judged seeds"),
    (find_the_leak, LEAKS | {"C": "edge"}, "Study C: on validation images"),
    (find_the_leak, LEAKS | {"D": "effort"}, "Study D: both schedules"),
    (find_the_leak, LEAKS | {"E": "images"}, "Study E: each schedule is judged"),
    (find_the_leak, LEAKS | {"E": "grid"}, "must be one of seeds"),
    (find_the_leak, {"A": "effort"}, "each of the studies A to E"),
    (find_the_leak, list(LEAKS.values()), "each of the studies A to E"),
]


class TestCheckers(Checkers):
    module, right, impostors = lesson_12, RIGHT, IMPOSTORS


def test_a_study_without_an_answer_is_not_attempted():
    assert find_the_leak(LEAKS | {"C": ...}).is_right is None
    assert plan_a_study((..., 12)).is_right is None


@pytest.mark.parametrize(("margin", "n"), [(0.3, 8), (0.3, 16), (0.2, 20)])
def test_how_often_equals_that_say_equivalent(margin, n):
    """The integral agrees with simulated studies, each judged by the course's own rule."""
    rng = np.random.default_rng(0)
    studies = rng.normal(0, 0.35, (2000, n))
    said = np.mean([judge(pairs, "accuracy", margin).word == "equivalent" for pairs in studies])
    assert lesson_12._says_equivalent(0.35, margin, n) == pytest.approx(said, abs=0.04)


# Each rule of the protocol, read from the rows alone.


def means(rows, measure):
    return rows[rows["role"] == "search"].groupby("eta_max")[measure].mean()


def broken(study):
    found = set()
    roles = study.groupby("role")["seed"].agg(set)
    if roles["search"] & roles["judge"]:
        found.add("seeds")
    schedules = [rows for _, rows in study.groupby("schedule")]
    if len({rows["eta_max"].nunique() for rows in schedules}) > 1:
        found.add("effort")
    for rows in schedules:
        scores = means(rows, "validation_accuracy")
        if scores.idxmax() in (scores.index.min(), scores.index.max()):
            found.add("edge")
        if {scores.idxmax()} != set(rows[rows["role"] == "judge"]["eta_max"]):
            found.add("images")
            assert means(rows, "test_accuracy").idxmax() == rows["eta_max"].iloc[-1]
    return found


@pytest.mark.parametrize(("study", "leak"), LEAKS.items())
def test_a_made_up_study_breaks_the_one_rule_that_the_answer_names(study, leak):
    assert broken(MADE_UP[MADE_UP["study"] == study]) == {leak} - {"none"}


def test_the_made_up_gains_look_real():
    for study, leak in LEAKS.items():
        rows = MADE_UP[(MADE_UP["study"] == study) & (MADE_UP["role"] == "judge")]
        by = rows.pivot(index="seed", columns="schedule", values="test_accuracy")
        word = judge(by["ours"] - by["rival"], "test_accuracy").word
        assert word == ("equivalent" if leak == "none" else "better")


def test_none_is_no_answer_for_a_single_study():
    assert find_the_leak(LEAKS | {"B": None}).is_right is False
    assert find_the_leak(LEAKS | {"B": ...}).is_right is None
