"""The search for a peak: the same rule for every schedule, and no result at an edge."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coslr.experiments.search import EXTENSIONS, GRID, peak, progress, significant


def searched(score, centre=0.1):
    """Run a whole search on a function of the peak; the scores it asked for, and where it ended."""
    scores = {}
    while wanted := progress(scores, centre).wanted:
        assert not set(wanted) & scores.keys(), "no peak is asked for twice"
        scores |= {eta: score(eta) for eta in wanted}
        assert len(scores) < 20
    return scores, progress(scores, centre)


def hill(top):
    return lambda eta: -abs(math.log2(eta / top))


@given(st.floats(0.036, 0.28))
def test_a_top_inside_the_grid_costs_seven_runs_and_is_found_within_a_quarter_octave(top):
    scores, end = searched(hill(top))
    assert len(scores) == len(GRID) + 2
    assert abs(math.log2(end.best / top)) <= 0.26
    assert not end.obstacle


@given(st.floats(0.003, 4.4))
def test_a_top_beyond_the_grid_is_found_by_extending_it(top):
    scores, end = searched(hill(top))
    assert abs(math.log2(end.best / top)) <= 0.26
    assert len(scores) <= len(GRID) + EXTENSIONS + 2


@pytest.mark.parametrize("top", [1e-6, 1e6])
def test_a_best_peak_at_the_edge_is_no_result(top):
    scores, end = searched(hill(top))
    assert len(scores) == len(GRID) + EXTENSIONS
    assert end.best is None
    assert "at the edge" in end.obstacle


def test_a_diverged_peak_is_never_best():
    _, end = searched(lambda eta: math.nan if eta > 0.15 else eta)
    assert end.best == 0.1414


def test_where_all_diverge_the_search_goes_down_and_then_says_so():
    scores, end = searched(lambda eta: math.nan)
    assert min(scores) == peak(0.1, GRID[0] - 2 * EXTENSIONS)
    assert (end.best, end.obstacle) == (None, "a run diverged at every peak")


def test_ties_go_to_the_smaller_peak():
    scores, end = searched(lambda eta: float(0.06 < eta < 0.3))
    assert end.best == 0.07071
    assert scores[0.07071] == scores[0.1] == scores[0.1414] == scores[0.2]


@given(st.randoms())
def test_the_order_in_which_scores_arrive_does_not_matter(random):
    scores, end = searched(hill(0.3))
    shuffled = list(scores.items())
    random.shuffle(shuffled)
    assert progress(dict(shuffled), 0.1) == end


def test_peaks_are_short_numbers_half_a_factor_two_apart():
    assert peak(0.025, 3) == 0.07071
    assert all(peak(0.1, k + 2) == pytest.approx(2 * peak(0.1, k), rel=1e-3) for k in range(-9, 9))


def test_a_peak_is_rounded_to_four_digits_whatever_its_size():
    assert [significant(x) for x in (0.0, 1.23456e-7, 12345.6)] == [0.0, 1.235e-7, 12350.0]
    assert math.isnan(significant(math.nan))


@pytest.mark.parametrize("centre", [0, -0.1, math.inf])
def test_a_wrong_centre_is_named(centre):
    with pytest.raises(ValueError, match="centre="):
        progress({}, centre)


def test_a_tie_is_not_decided_by_rounding():
    scores = dict.fromkeys((0.025, 0.05, 0.07071, 0.2, 0.4), 0.8)
    for tried, right in ((0.1, (1782, 1759, 1759)), (0.1414, (1720, 1754, 1826))):
        scores[tried] = pd.Series(np.array(right) / 2000).mean()  # both sums are 5,300
    assert scores[0.1] != scores[0.1414]
    assert progress(scores, centre=0.1).best == 0.1
