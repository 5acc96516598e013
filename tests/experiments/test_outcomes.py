"""Outcomes: the intervals are Student's, and over many simulated studies the errors are rare."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from coslr.experiments.outcomes import (
    BETTER,
    EQUIVALENT,
    KINDS,
    OPEN,
    WORSE,
    detectable,
    in_words,
    judge,
    kind_of,
    power_to_find,
)

STUDIES, SEEDS = 2000, 12
MARGIN = KINDS["accuracy"].margin
# The share of 2,000 studies that go wrong varies by chance: three standard errors of 5 %.
NOISE = 3 * math.sqrt(0.05 * 0.95 / STUDIES)

finite = st.floats(-1, 1, allow_nan=False)


def simulated(difference, spread, seed=0):
    """The outcomes of many studies with a known true difference."""
    draws = np.random.default_rng(seed).normal(difference, spread, (STUDIES, SEEDS))
    return [judge(row, "test_accuracy") for row in draws]


def share(outcomes, word):
    return np.mean([outcome.word == word for outcome in outcomes])


# ---------------------------------------------------------------------------- the intervals


@given(st.lists(finite, min_size=2, max_size=30))
def test_the_intervals_are_those_of_a_paired_t_test(values):
    assume(np.std(values) > 1e-9)
    outcome = judge(values, "test_accuracy")
    for level, ends in (
        (0.95, (outcome.low, outcome.high)),
        (0.9, (outcome.low90, outcome.high90)),
    ):
        expected = stats.ttest_1samp(values, 0).confidence_interval(level)
        assert ends == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert outcome.difference == pytest.approx(np.mean(values))
    assert outcome.n == len(values)


@given(st.lists(finite, min_size=2, max_size=30), st.floats(1e-4, 0.1))
def test_the_word_follows_from_the_intervals(values, margin):
    outcome = judge(values, "test_accuracy", margin)
    if outcome.word in (BETTER, WORSE):
        assert not outcome.low <= 0 <= outcome.high
        assert (outcome.difference > 0) == (outcome.word == BETTER)
    else:
        assert outcome.low <= 0 <= outcome.high
        inside = -margin <= outcome.low90 and outcome.high90 <= margin
        assert outcome.word == (EQUIVALENT if inside else OPEN)


@given(st.lists(finite, min_size=2, max_size=12))
def test_a_low_loss_is_as_good_as_a_high_accuracy(values):
    as_loss = judge(values, "test_loss", MARGIN)
    as_accuracy = judge(np.negative(values), "test_accuracy", MARGIN)
    assert as_loss.word == as_accuracy.word


def test_equal_differences_have_an_interval_of_one_point():
    outcome = judge([0.01] * 5, "test_accuracy")
    assert (outcome.low, outcome.high, outcome.word) == (0.01, 0.01, BETTER)
    assert judge([0.0] * 5, "test_accuracy").word == EQUIVALENT


def test_slightly_is_a_difference_within_the_margin():
    small = np.array([0.001, 0.0011, 0.0009, 0.001])
    assert judge(small, "test_accuracy").slightly
    assert not judge(10 * small, "test_accuracy").slightly
    assert not judge([0.001, -0.001, 0.001, -0.001], "test_accuracy").slightly
    assert judge(-small, "test_accuracy").spoken == "slightly worse"
    assert judge(-10 * small, "test_accuracy").spoken == "worse"


@pytest.mark.parametrize(
    ("differences", "measure", "margin", "message"),
    [
        ([0.1], "test_accuracy", None, "differences="),
        ([0.1, math.nan], "test_accuracy", None, "differences="),
        ([[0.1, 0.2]], "test_accuracy", None, "differences="),
        ([0.1, 0.2], "speed", None, "measure='speed'"),
        ([0.1, 0.2], "speed", 0.3, "measure='speed'"),
        ([0.1, 0.2], "test_loss", 0.0, "margin=0.0"),
    ],
)
def test_wrong_arguments_are_named(differences, measure, margin, message):
    with pytest.raises(ValueError, match=message):
        judge(differences, measure, margin)


# ------------------------------------------------------------------- how often it goes wrong


@pytest.mark.parametrize("spread", [0.004, pytest.param(0.001, marks=pytest.mark.slow)])
def test_where_there_is_nothing_better_and_worse_are_rare(spread):
    outcomes = simulated(0.0, spread)
    assert share(outcomes, BETTER) + share(outcomes, WORSE) <= 0.05 + NOISE


@pytest.mark.parametrize("spread", [0.001, pytest.param(0.004, marks=pytest.mark.slow)])
@pytest.mark.parametrize("sign", [1, pytest.param(-1, marks=pytest.mark.slow)])
def test_at_the_margin_equivalent_is_rare(spread, sign):
    assert share(simulated(sign * MARGIN, spread), EQUIVALENT) <= 0.05 + NOISE


def test_twice_the_margin_is_never_called_equivalent_and_mostly_found():
    outcomes = simulated(2 * MARGIN, 0.004)
    assert share(outcomes, EQUIVALENT) <= 0.001
    assert share(outcomes, BETTER) > 0.9


def test_intervals_cover_the_true_difference_as_often_as_they_say():
    outcomes = simulated(MARGIN, 0.004)
    for level, low, high in ((0.95, "low", "high"), (0.9, "low90", "high90")):
        covered = np.mean([getattr(o, low) <= MARGIN <= getattr(o, high) for o in outcomes])
        assert covered == pytest.approx(level, abs=3 * math.sqrt(level * (1 - level) / STUDIES))


# ---------------------------------------------------------------------------------- the power


@pytest.mark.parametrize(
    "difference", [MARGIN, *(pytest.param(d, marks=pytest.mark.slow) for d in (0.0, 2 * MARGIN))]
)
def test_the_power_stated_is_the_power_seen(difference):
    outcomes = simulated(difference, 0.004, seed=1)
    assert share(outcomes, BETTER) == pytest.approx(
        power_to_find(difference, 0.004, SEEDS), abs=0.03
    )


@given(st.floats(1e-4, 10), st.integers(2, 50), st.floats(0.05, 0.99))
def test_detectable_and_power_are_inverse(spread, n, power):
    assert power_to_find(detectable(spread, n, power), spread, n) == pytest.approx(power, abs=1e-6)


def test_more_seeds_detect_less():
    found = [detectable(0.005, n) for n in (4, 8, 12, 24)]
    assert found == sorted(found, reverse=True)


# ------------------------------------------------------------------------------- in words


def test_words_say_equivalent_only_where_it_was_shown():
    same = np.array([0.001, -0.001, 0.0005, -0.0005, 0.0, 0.0])
    assert in_words(judge(same, "test_accuracy"), "test_accuracy").startswith("equivalent within")
    assert "not told apart" in in_words(judge(30 * same, "test_accuracy"), "test_accuracy")
    assert in_words(judge(same + 0.001, "test_accuracy"), "test_accuracy").startswith("slightly")
    loss = in_words(judge([-0.02, -0.021, -0.019], "test_loss"), "test_loss")
    assert loss.startswith("better by 0.0200 nats")


def test_a_margin_belongs_to_the_last_word_of_a_measure():
    assert kind_of("half_test_accuracy").margin == MARGIN


@pytest.mark.parametrize("measure", ["accuracy_of_nothing", "test_perplexity", ""])
def test_an_unknown_measure_is_named(measure):
    with pytest.raises(ValueError, match=r"^measure='.*': must be a name that ends in one of"):
        kind_of(measure)


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_the_difference_to_find_must_be_finite(wrong):
    with pytest.raises(ValueError, match="difference="):
        power_to_find(wrong, 0.5, 8)


def test_differences_that_are_no_numbers_are_named():
    with pytest.raises(TypeError, match=r"^differences=\['a', 'b'\]: must be"):
        judge(["a", "b"], "test_loss")
