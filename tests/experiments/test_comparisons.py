import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coslr.experiments.comparisons import (
    Comparison,
    best_rates,
    compare,
    interval,
    paired,
    sensitivity,
    tolerance,
)


def table(seeds=8, noise=0.002, gain=0.0, peaks=(0.1, 0.2, 0.4), rng=None, best=0.2):
    """Two schedules, "a" better than "b" by `gain`; runs of one seed share some of their luck."""
    rng = rng or np.random.default_rng(0)
    luck = rng.normal(0, 0.01, seeds)
    rows = []
    for name in ("a", "b"):
        for eta in peaks:
            for seed in range(seeds):
                score = 0.85 + gain * (name == "a") - 0.05 * abs(np.log(eta / best)) + luck[seed]
                validation, test = score + rng.normal(0, noise, 2)
                rows.append((name, eta, seed, "ok", validation, test, 1 - test))
    columns = ["name", "eta_max", "seed", "status", "validation_accuracy", "test_accuracy"]
    return pd.DataFrame(rows, columns=[*columns, "test_loss"])


@pytest.mark.slow
@pytest.mark.parametrize("n", [4, 8])
def test_interval_covers_the_truth_in_95_of_100(n):
    draws = np.random.default_rng(1).normal(0.3, 2, (4000, n))
    covered = np.mean([low <= 0.3 <= high for _, low, high in map(interval, draws)])
    assert abs(covered - 0.95) < 0.015  # four standard errors


@pytest.mark.slow
def test_no_false_better_more_often_than_promised():
    """Whole studies of two equal schedules, the choice of the best peak among three included."""
    rng = np.random.default_rng(2)
    outcomes = [compare(table(rng=rng), "a", "b").outcome for _ in range(300)]
    for wrong in ("better", "worse"):
        assert outcomes.count(wrong) / 300 <= 0.025 + 3 * 0.009
    assert outcomes.count("within noise") / 300 >= 0.95 - 3 * 0.0126


def test_pairing_removes_the_seeds_luck():
    """The same runs with one schedule's seeds shuffled have a far wider interval."""
    paired = table(gain=0.005, noise=0.001)
    shuffled = paired.copy()
    b = shuffled["name"] == "b"
    shuffled.loc[b, "seed"] = (shuffled.loc[b, "seed"] + 3) % 8
    narrow, wide = (compare(t, "a", "b") for t in (paired, shuffled))
    assert narrow.outcome == "better"
    assert wide.high - wide.low > 3 * (narrow.high - narrow.low)


def test_better_worse_and_losses():
    t = table(gain=0.02)
    assert compare(t, "a", "b").outcome == "better"
    assert compare(t, "b", "a").outcome == "worse"
    assert compare(t, "a", "b", measure="test_loss").outcome == "better"  # low is good
    assert str(compare(t, "a", "b")).startswith("better by 1.")
    assert str(compare(t, "a", "b")).endswith("points, n=8")
    assert "nats, n=8" in str(compare(t, "a", "b", measure="test_loss"))


def test_each_at_its_own_best_peak():
    """At one shared peak b would look far worse; at its own it is as good."""
    t = table(peaks=(0.05, 0.1, 0.2, 0.4, 0.8))
    b = t["name"] == "b"
    t.loc[b, "eta_max"] *= 2  # b's best peak is now 0.4
    comparison = compare(t, "a", "b")
    assert (comparison.eta_a, comparison.eta_b) == (0.2, 0.4)
    assert comparison.outcome == "within noise"


@pytest.mark.parametrize("best", [0.1, 0.4])
def test_best_at_the_edge_is_no_result(best):
    t = table(gain=0.05, best=best)
    assert (best_rates(t)["note"] == "edge").all()
    comparison = compare(t, "a", "b")
    assert comparison.outcome == "no result"
    assert np.isnan(comparison.difference)
    assert f"{best:g}, is at the edge of its grid" in str(comparison)


def test_diverged_peak_is_never_best_and_bounds_the_grid():
    t = table(best=0.4)
    t.loc[(t["eta_max"] == 0.4) & (t["seed"] == 3), ["status", "validation_accuracy"]] = [
        "diverged",
        np.nan,
    ]
    best = best_rates(t)
    assert (best["eta_max"] == 0.2).all()
    assert (best["note"] == "").all()
    assert (best["n"] == 8).all()  # seeds, not runs


def test_everything_diverged():
    t = table()
    t.loc[t["name"] == "b", "status"] = "diverged"
    assert best_rates(t).loc["b", "note"] == "none"
    assert "at every peak of b" in str(compare(t, "a", "b"))


def test_tie_asks_for_a_finer_grid():
    flat = table(peaks=(0.05, 0.1, 0.2, 0.4), noise=0.003, seeds=8)
    near = flat["eta_max"] == 0.1
    twin = flat[flat["eta_max"] == 0.2]["validation_accuracy"].to_numpy()
    wobble = np.tile([0.0005, -0.0006], len(twin) // 2)
    flat.loc[near, "validation_accuracy"] = twin + wobble
    assert (best_rates(flat)["note"] == "tie").all()

    fine = flat.copy()
    fine.loc[near, "eta_max"] = 0.15  # so close that nothing better fits in between
    assert (best_rates(fine)["note"] == "").all()
    assert (best_rates(table())["note"] == "").all()


def test_tie_with_a_peak_further_off():
    """The next best is near and clearly worse; one beyond it ties, with a wide step on the way."""
    peaks = {0.02: 0.80, 0.1: 0.8495, 0.2: 0.85, 0.28: 0.8498, 0.8: 0.7}
    wobble = np.tile([0.002, -0.002], 4)
    rows = [("a", eta, seed, "ok", score + wobble[seed] * (eta == 0.1))
            for eta, score in peaks.items() for seed in range(8)]  # fmt: skip
    t = pd.DataFrame(rows, columns=["name", "eta_max", "seed", "status", "validation_accuracy"])
    assert best_rates(t).loc["a", ["eta_max", "note"]].tolist() == [0.2, "tie"]
    # A peak close by on that side answers the question.
    near = pd.DataFrame([("a", 0.14, s, "ok", 0.849) for s in range(8)], columns=t.columns)
    assert best_rates(pd.concat([t, near])).loc["a", "note"] == ""


def test_a_run_lost_at_the_chosen_peak_is_no_result():
    """The peak was chosen on other seeds; NaN is neither better nor worse."""
    judged = table(peaks=(0.2,), gain=0.05)
    judged.loc[(judged["name"] == "b") & (judged["seed"] == 5), ["status", "test_accuracy"]] = [
        "diverged",
        np.nan,
    ]
    comparison = compare(judged, "a", "b", best=best_rates(table(seeds=3)))
    assert comparison.outcome == "no result"
    assert str(comparison) == "no result: at the chosen peak of b, a run diverged or failed"
    with pytest.raises(ValueError, match=r"^differences\[1\]=nan: must be a number, and finite"):
        paired("a", "b", [0.1, np.nan], "test_accuracy")


@pytest.mark.parametrize(
    ("low", "high", "measure", "sentence"),
    [
        (0.004, 0.009, "test_accuracy", "better by 0.4 to 0.9 points, n=8"),
        (-0.009, -0.004, "test_accuracy", "worse by 0.4 to 0.9 points, n=8"),
        (0.0002, 0.009, "test_accuracy", "better by 0.02 to 0.90 points, n=8"),
        (-0.001, 0.009, "test_accuracy", "within noise (-0.1 to +0.9 points, n=8)"),
        (-0.02, -0.00001, "test_loss", "better by 0.00001 to 0.02000 nats, n=8"),
        (0.01, 0.02, "test_loss", "worse by 0.010 to 0.020 nats, n=8"),
        (0.0, 0.0, "test_accuracy", "the same in every pair, n=8"),
        (-3.25, -1.5, "epochs", "lower by 1.5 to 3.25, n=8"),
        (0.02, 0.031, "share in the basin", "higher by 2.0 to 3.1 points, n=8"),
    ],
)
def test_sentences(low, high, measure, sentence):
    middle = (low + high) / 2
    assert str(Comparison("a", "b", 0.1, 0.1, measure, middle, low, high, 8)) == sentence


def test_peaks_chosen_by_a_smaller_study():
    """The seeds that choose and the seeds that judge are different ones."""
    search = table(seeds=3, gain=0.01)
    judged = table(seeds=8, gain=0.01, peaks=(0.2,), rng=np.random.default_rng(7))
    assert compare(judged, "a", "b").outcome == "no result"  # one peak is the edge of its grid
    comparison = compare(judged, "a", "b", best=best_rates(search))
    assert (comparison.eta_a, comparison.eta_b, comparison.n) == (0.2, 0.2, 8)
    assert comparison.outcome == "better"
    edge = best_rates(table(seeds=3, best=0.4))
    assert compare(judged, "a", "b", best=edge).outcome == "no result"


def test_paired_differences_of_anything():
    assert str(paired("a", "b", [-0.02, -0.03], "test_loss")).startswith("within noise")
    assert paired("a", "b", [-0.02, -0.021, -0.02], "test_loss").outcome == "better"
    assert paired("a", "b", [2.0, 2.1, 2.05], "epochs").outcome == "higher"
    assert paired("a", "b", [-2.0, -2.1, -2.05], "epochs").outcome == "lower"
    assert str(paired("a", "b", [2.0, 2.1, 2.05], "epochs")) == "higher by 1.93 to 2.17, n=3"


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=20), st.floats(-5, 5))
def test_interval_moves_with_its_values(values, shift):
    mean, low, high = interval(np.array(values))
    assert low <= mean <= high
    assert mean == pytest.approx(np.mean(values), abs=1e-12)
    moved = interval(np.array(values) + shift)
    np.testing.assert_allclose(moved, np.add((mean, low, high), shift), atol=1e-6)


@given(st.floats(-1e9, 1e9), st.integers(2, 20))
def test_equal_values_have_an_interval_of_no_width(value, n):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert interval([value] * n) == (value, value, value)
        assert str(paired("a", "b", [0.0] * n, "loss")) == f"the same in every pair, n={n}"


@given(st.floats(0.1, 1e9), st.lists(st.integers(0, 3), min_size=2, max_size=20))
def test_nearly_equal_values_have_an_interval_without_a_warning(value, steps):
    values = value * (1 + np.array(steps) * np.finfo(float).eps)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mean, low, high = interval(values)
    assert low <= mean <= high
    assert low >= value * (1 - 1e-13)
    assert high <= value * (1 + 1e-13)


def test_the_interval_is_student_s():
    """Against the printed table of t at 95 %: 4.303 for three values, 2.262 for ten."""
    for n, t in ((3, 4.303), (10, 2.262)):
        values = np.arange(n) ** 2
        mean, low, high = interval(values)
        half = t * values.std(ddof=1) / np.sqrt(n)
        expected = values.mean(), values.mean() - half, values.mean() + half
        assert (mean, low, high) == pytest.approx(expected, rel=1e-3)


numbers = st.lists(st.floats(-1, 1), min_size=2, max_size=12)


@given(numbers, st.sampled_from([-100, -1, 0.01, 3]))
def test_interval_grows_with_its_values(values, factor):
    mean, low, high = interval(values)
    low, high = sorted((factor * low, factor * high))
    expected = pytest.approx((factor * mean, low, high), rel=1e-6, abs=1e-9)
    assert interval(factor * np.array(values)) == expected


@given(numbers, st.sampled_from(["accuracy", "loss", "epochs"]))
def test_a_comparison_the_other_way_round_says_the_opposite(values, measure):
    one = paired("a", "b", values, measure)
    other = paired("b", "a", -np.array(values), measure)
    assert (other.difference, other.low, other.high) == (-one.difference, -one.high, -one.low)
    opposite = {"better": "worse", "higher": "lower"}
    opposite |= {after: before for before, after in opposite.items()} | {"within noise": None}
    assert other.outcome == (opposite[one.outcome] or "within noise")
    if one.outcome != "within noise":
        # The same numbers: both sentences give sizes without signs.
        assert str(other) == str(one).replace(one.outcome, other.outcome)


@given(st.floats(1e-9, 1), st.floats(1, 5), st.sampled_from(["accuracy", "loss", "epochs"]))
def test_a_difference_is_never_printed_as_nothing(low, ratio, measure):
    sentence = str(Comparison("a", "b", 0.1, 0.1, measure, low, low, ratio * low, 8))
    near = float(sentence.split(" by ")[1].split(" to ")[0])
    size = 100 * low if measure == "accuracy" else low
    assert 0.5 * size <= near <= 2 * size * (1 + 1e-9)


@settings(max_examples=10)
@given(st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_nothing(random):
    t = table(gain=0.01, noise=0.004)
    rows = list(range(len(t)))
    random.shuffle(rows)
    shuffled = t.iloc[rows]
    pd.testing.assert_frame_equal(best_rates(shuffled).sort_index(), best_rates(t))
    other, one = compare(shuffled, "a", "b"), compare(t, "a", "b")
    assert (other.difference, other.low, other.high) == pytest.approx(
        (one.difference, one.low, one.high)
    )
    wide = tolerance(t, within=0.2)
    assert wide.tolist() == [4, 4]
    assert tolerance(shuffled, within=0.2).to_dict() == wide.to_dict()


@pytest.mark.parametrize("seed", range(5))
def test_a_loss_that_falls_as_accuracy_rises_chooses_the_same_peak(seed):
    t = table(noise=0.02, rng=np.random.default_rng(seed), peaks=(0.05, 0.1, 0.2, 0.4))
    t["validation_loss"] = 1 - t["validation_accuracy"]
    by_accuracy, by_loss = best_rates(t), best_rates(t, by="validation_loss")
    for column in ("eta_max", "n", "note"):
        assert by_loss[column].tolist() == by_accuracy[column].tolist()
    assert by_loss["mean"].tolist() == pytest.approx((1 - by_accuracy["mean"]).tolist())
    wide = tolerance(t, 0.05, "validation_accuracy"), tolerance(t, 0.05, "validation_loss")
    assert wide[0].to_dict() == wide[1].to_dict()


@settings(max_examples=20)
@given(st.floats(0, 1), st.floats(0, 1))
def test_more_is_tolerated_within_a_wider_margin(one, other):
    t = table()
    narrow, wide = (tolerance(t, within) for within in sorted((one, other)))
    assert (narrow >= 1).all()
    assert (wide >= narrow).all()


def test_sensitivity_and_tolerance():
    t = table(noise=0.0)
    found = sensitivity(t).set_index(["name", "eta_max"])
    assert found.loc[("a", 0.2), "mean"] == pytest.approx(
        t[(t["name"] == "a") & (t["eta_max"] == 0.2)]["test_accuracy"].mean()
    )
    assert (found["n"] == 8).all()
    assert tolerance(t, within=0.01).to_dict() == {"a": 1.0, "b": 1.0}
    assert tolerance(t, within=0.04).to_dict() == {"a": 4.0, "b": 4.0}
    t.loc[t["eta_max"] == 0.4, "status"] = "diverged"
    assert np.isnan(sensitivity(t).set_index(["name", "eta_max"]).loc[("a", 0.4), "mean"])
    assert tolerance(t, within=0.04).to_dict() == {"a": 2.0, "b": 2.0}
    t.loc[t["name"] == "b", "status"] = "diverged"
    assert tolerance(t, within=0.04)["a"] == 2.0
    assert np.isnan(tolerance(t, within=0.04)["b"])


BEST = best_rates(table())


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda t: compare(t, "c", "a"), ValueError, r"a='c': must be one of \['a', 'b'\]"),
        (lambda t: compare(t, "a", "c"), ValueError, r"b='c': must be one of \['a', 'b'\]"),
        (
            lambda t: compare(t, "a", "b", measure="speed"),
            ValueError,
            "measure='speed': must be a ",
        ),
        (lambda t: compare(t, "a", "b", measure=3), TypeError, "measure=3: must be the name"),
        (lambda t: compare(t, "a", "b", by="speed"), ValueError, "by='speed': must be a column"),
        (lambda t: compare(t, "a", "b", best={}), TypeError, "best={}: must be a table made by"),
        (
            lambda t: compare(t, "a", "b", best=BEST.drop("b")),
            ValueError,
            r"best.index=\['a'\]: must be names with 'b' among them",
        ),
        (
            lambda t: compare(t[t["eta_max"] != 0.2], "a", "b", best=BEST),
            ValueError,
            r"best.loc\['a', 'eta_max'\]=0.2: must be one at which table has runs",
        ),
        (
            lambda t: compare(t[(t["name"] == "a") | (t["seed"] < 4)], "a", "b"),
            ValueError,
            r"seeds of 'b'=\[0, 1, 2, 3\]: must be those of 'a', \[0, 1, .*, for pairs",
        ),
        (
            lambda t: compare(t[t["seed"] < 1], "a", "b"),
            ValueError,
            "differences=.*: must be at least two numbers",
        ),
        (lambda t: best_rates([t]), TypeError, "table=.*: must be the table of a study, not"),
        (
            lambda t: best_rates(t.drop(columns="status")),
            ValueError,
            "table.columns=.*: must be a study's, with 'status'",
        ),
        (
            lambda t: best_rates(pd.concat([t, t[3:4]])),
            ValueError,
            r"repeated rows of table=\[\('a', 0.1, 3\)\]: must be none",
        ),
        # Whether a high value or a low one is best is known of accuracies and losses alone.
        (lambda t: best_rates(t, by="seed"), ValueError, "by='seed': must be a measure that ends"),
        (lambda t: tolerance(t, measure="seed"), ValueError, "measure='seed': must be a measure"),
        (lambda t: tolerance(t, within=-0.1), ValueError, "within=-0.1: must be a number from 0"),
        (lambda t: tolerance(t, within="1"), TypeError, "within='1': must be a number from 0, not"),
        (lambda t: sensitivity(t, "speed"), ValueError, "measure='speed': must be a column"),
        (lambda t: interval([1.0]), ValueError, r"values=\[1.0\]: must be at least two numbers"),
        (
            lambda t: interval("12"),
            TypeError,
            "values='12': must be at least two numbers, .* not str",
        ),
        (lambda t: interval(3.0), TypeError, "values=3.0: must be at least two numbers, .* not"),
        (
            lambda t: interval([1, np.nan]),
            ValueError,
            r"values\[1\]=nan: must be a number, and fin",
        ),
        (lambda t: interval(np.ones((2, 2))), TypeError, r"values\[0\]=.*: must be a number, not"),
        (lambda t: paired("a", "b", [1, "2"], "loss"), TypeError, r"differences\[1\]='2': must be"),
        (lambda t: paired("a", "b", [1, 2], None), TypeError, "measure=None: must be the name of"),
    ],
)
def test_refusals(call, error, message):
    with pytest.raises(error, match="(?s)^" + message):
        call(table())


def test_one_seed_gives_no_clear_best():
    runs = table(seeds=1, noise=0.0001)
    assert set(best_rates(runs)["note"]) == {"tie"}
