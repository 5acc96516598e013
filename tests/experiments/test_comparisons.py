"""The standings of a contest: paired at judged seeds alone, and nothing else counts."""

import dataclasses
import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from coslr import Constant, Cosine
from coslr.experiments import comparisons
from coslr.experiments.comparisons import Standings, forest
from coslr.experiments.contests import Contest, Entry
from coslr.experiments.outcomes import judge, power_to_find
from coslr.experiments.trials import Split

TINY = {"epochs": 2, "batch_size": 50, "data": Split(n_train=200, n_validation=100, n_test=100)}
SEEDS = tuple(range(1000, 1012))
ENTRIES = (
    Entry("cosine", lambda eta, T: Cosine(T, eta)),
    Entry("constant", lambda eta, T: Constant(eta)),
    Entry("late", lambda eta, T: Constant(eta)),
)
CONTEST = Contest("here", ENTRIES, (900,), SEEDS, TINY, shared_peak=0.1)
LEADS = {"cosine": 0.01, "constant": 0.0}


def rows(leads=LEADS, seed=0, contest="here", role="judge"):
    """Judged runs in which a seed shifts all entries, and each has a lead of its own."""
    rng = np.random.default_rng(seed)
    shift = rng.normal(0, 0.05, len(SEEDS))
    return pd.DataFrame(
        {
            "contest": contest, "name": name, "variant": "-", "eta_max": 0.1, "seed": run,
            "role": role, "status": "ok", "test_accuracy": 0.8 + shift[i] + lead + noise,
            "test_loss": 0.6 + lead - noise,
        }
        for name, lead in leads.items()
        for i, (run, noise) in enumerate(zip(SEEDS, rng.normal(0, 0.002, len(SEEDS)), strict=True))
    )  # fmt: skip


def curves(table):
    """Two epochs: the first one is worse by 0.1 in every run."""
    first = table.assign(epoch=1, test_accuracy=table["test_accuracy"] - 0.1)
    return pd.concat([first, table.assign(epoch=2)])


def test_differences_are_paired_over_the_seeds():
    table = rows()
    found = Standings(CONTEST, table.sample(frac=1, random_state=0)).compare("cosine", "constant")
    wide = table.pivot(index="seed", columns="name", values="test_accuracy")
    expected = judge((wide["cosine"] - wide["constant"]).to_numpy(), "test_accuracy")
    assert found.outcome.n == 12
    for ours, independent in zip(
        dataclasses.astuple(found.outcome), dataclasses.astuple(expected), strict=True
    ):
        assert ours == independent or ours == pytest.approx(independent, rel=1e-9)
    low, high = stats.ttest_rel(wide["cosine"], wide["constant"]).confidence_interval(0.95)
    assert (found.outcome.low, found.outcome.high) == pytest.approx((low, high))
    assert found.word == "better"


def test_neither_searches_nor_other_contests_count():
    own = rows()
    misleading = pd.concat(
        [own, rows({"cosine": -0.5, "constant": 0.0}, role="search"),
         rows({"cosine": -0.5, "constant": 0.0}, contest="elsewhere")]
    )  # fmt: skip
    one, other = Standings(CONTEST, own), Standings(CONTEST, misleading)
    assert one.compare("cosine", "constant") == other.compare("cosine", "constant")


def test_what_has_no_result_says_why():
    table = rows()
    assert "late: no judged run yet" in str(Standings(CONTEST, table).compare("cosine", "late"))
    diverged = table.copy()
    diverged.loc[3, "test_accuracy"] = math.nan
    found = Standings(CONTEST, diverged).compare("cosine", "constant")
    assert (found.word, found.obstacle) == (
        "no result", "cosine: a run diverged at the chosen peak",
    )  # fmt: skip
    found = Standings(CONTEST, table.drop(index=3)).compare("cosine", "constant")
    assert found.obstacle == "not all seeds have been judged yet"
    with pytest.raises(ValueError, match="name='cosinus': must be one of"):
        Standings(CONTEST, table).compare("cosinus", "constant")
    with pytest.raises(ValueError, match="measure='speed'"):
        Standings(CONTEST, table).compare("cosine", "constant", "speed")


def test_a_run_at_another_moment():
    table = rows()
    standings = Standings(CONTEST, table, curves(table))
    end, middle = standings.compare("cosine", "constant"), standings.compare("cosine@2", "cosine@1")
    assert standings.compare("cosine@2", "constant@2").outcome == end.outcome
    assert middle.outcome.difference == pytest.approx(0.1)
    with pytest.raises(ValueError, match="because there are no curves"):
        Standings(CONTEST, table).compare("cosine@1", "constant@1")
    with pytest.raises(ValueError, match="an epoch from 1 to 2"):
        standings.compare("cosine@3", "constant")


def test_a_difference_of_two_moments_is_compared_seed_by_seed():
    table = rows()
    both = curves(table)
    # In the second epoch each seed of the cosine gains what no other does.
    gains = np.linspace(0.05, 0.1, len(SEEDS))
    later = (both["name"] == "cosine") & (both["epoch"] == 2)
    both.loc[later, "test_accuracy"] += gains
    standings = Standings(CONTEST, table, both)
    names = ("cosine@2 minus cosine@1", "constant@2 minus constant@1")
    found = standings.compare(*names)
    low, high = stats.ttest_1samp(gains, 0).confidence_interval(0.95)
    assert (found.outcome.low, found.outcome.high) == pytest.approx((low, high))
    assert (found.eta_a, found.word) == (0.1, "better")
    assert standings.values(names[0]).to_numpy() == pytest.approx(0.1 + gains)
    assert standings.compare(*names[::-1]).word == "worse"
    late = standings.compare("late minus cosine", "constant minus cosine")
    assert (late.word, late.waiting) == ("no result", True)
    fewer = Standings(CONTEST, table, both[(both["seed"] > 1000) | (both["epoch"] == 2)])
    assert fewer.compare(*names).obstacle == "not all seeds have been judged yet"
    with pytest.raises(ValueError, match="name='cosinus': must be one of"):
        standings.compare("cosine minus cosinus", "constant")


def test_rows_that_break_the_rules_are_no_result():
    """A stale peak, another variant, a seed judged twice, a failed run, or no search at all."""
    table = rows()
    stale = table[table["name"] == "cosine"].assign(eta_max=0.4, test_accuracy=1.0)
    twice = Standings(CONTEST, pd.concat([table, stale]))
    with pytest.raises(ValueError, match="must be one judged run of cosine for each seed"):
        twice.compare("cosine", "constant")
    for broken in ({"eta_max": 0.4}, {"variant": "another"}):
        changed = table.assign(**broken)
        with pytest.raises(ValueError, match=r"the search chose, \('-', 0\.1\)"):
            Standings(CONTEST, changed).compare("cosine", "constant")
        with pytest.raises(ValueError, match="the search chose"):
            Standings(CONTEST, table, curves(changed)).compare("cosine@1", "constant@1")
    lost = table.assign(status=["diverged" if i == 3 else "ok" for i in range(len(table))])
    found = Standings(CONTEST, lost).compare("cosine", "constant")
    assert found.obstacle == "cosine: a run diverged at the chosen peak"
    searched = Contest("here", ENTRIES, (900,), SEEDS, TINY)
    found = Standings(searched, table).compare("cosine", "constant")
    assert (found.word, found.waiting) == ("no result", True)


def test_the_table_has_every_other_entry_in_every_measure():
    table = Standings(CONTEST, rows()).table("constant")
    assert table.index.tolist() == ["cosine"]
    row = table.loc["cosine"]
    assert (row["outcome"], row["test_loss outcome"], row["n"]) == ("better", "worse", 12)
    with pytest.raises(ValueError, match="reference='late'"):
        Standings(CONTEST, rows()).table("late")


def test_a_disagreement_of_the_measures_is_said():
    said = Standings(CONTEST, rows()).sentence("cosine", "constant")
    assert said.startswith("cosine against constant is better by ")
    assert "in test loss it is worse by " in said
    assert said.endswith("The two measures disagree.")
    agree = rows().assign(test_loss=lambda table: 1 - table["test_accuracy"])
    assert "disagree" not in Standings(CONTEST, agree).sentence("cosine", "constant")


def test_the_power_is_that_of_the_differences_seen():
    power = Standings(CONTEST, rows()).power("constant", seeds=(4, 12)).loc["cosine"]
    wide = rows().pivot(index="seed", columns="name", values="test_accuracy")
    assert power["spread"] == pytest.approx((wide["cosine"] - wide["constant"]).std())
    for n in (4, 12):
        assert power_to_find(power[f"n={n}"], power["spread"], n) == pytest.approx(0.8)
    same = rows({"cosine": 0.0}).assign(name="constant")
    both = pd.concat([same, same.assign(name="cosine")])
    assert math.isnan(Standings(CONTEST, both).power("constant").loc["cosine", "n=4"])


def test_the_forest_shows_interval_margin_and_outcome():
    table = pd.concat([rows(), rows({"late": 0.5})])
    ax = Standings(CONTEST, table).forest("constant")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["cosine", "late"]
    drawn = [line for line in ax.lines if len(line.get_xdata()) == 3]
    outcome = Standings(CONTEST, table).compare("cosine", "constant").outcome
    low, middle, high = 100 * outcome.low, 100 * outcome.difference, 100 * outcome.high
    np.testing.assert_allclose(drawn[0].get_xdata(), [low, middle, high])
    assert drawn[0].get_markevery() == [1], "the dot is at the difference"
    assert {text.get_text() for text in ax.texts} == {"better"}
    band = ax.patches[0].get_extents().transformed(ax.transData.inverted())
    assert (band.x0, band.x1) == pytest.approx((-0.3, 0.3))
    assert "points" in ax.get_xlabel()
    plt.close("all")
    with pytest.raises(ValueError, match="at least one"):
        forest([], [], "constant")


def test_a_contest_is_held_from_the_first_search_to_the_last_judged_run(tmp_path):
    entries = tuple(dataclasses.replace(entry, centre=0.02) for entry in ENTRIES[:2])
    contest = Contest("small", entries, (900,), (1000, 1001), TINY, by="validation_loss")
    held = comparisons.run(contest, workers=1, cache=tmp_path, progress=False)
    assert not contest.pending(held.rows)
    judged = held.rows[held.rows["role"] == "judge"]
    assert len(held.curves) == 2 * len(judged)
    for name in judged["name"].unique():
        last, end = (held.compare(a, a, "test_loss") for a in (name, f"{name}@2"))
        assert last.outcome == end.outcome


def test_a_failed_run_is_not_taken_for_a_diverged_one(tmp_path):
    adam = Entry("AdamW", lambda eta, T: Cosine(T, eta), 0.003, {"optimizer": "AdamW"})
    tiny = {"epochs": 1, "batch_size": 50, "data": Split(500, 100, 100)}
    contest = Contest("tiny", (adam,), (900,), (1000, 1001), tiny)  # with SGD's options
    with (
        pytest.warns(UserWarning, match="failed"),
        pytest.raises(RuntimeError, match="AdamW: failed: TypeError"),
    ):
        comparisons.run(contest, workers=1, cache=tmp_path, progress=False)


def test_a_table_with_a_failed_run_says_so():
    table = rows().assign(status=["failed: x" if i == 3 else "ok" for i in range(24)])
    found = Standings(CONTEST, table).compare("cosine", "constant")
    assert "a run failed" in str(found)
    assert found.waiting, "it is trained again"


def test_a_run_counts_once_its_row_is_there():
    """A process that is killed between curves and rows leaves curves of a run that comes again."""
    table = rows()
    half = Standings(CONTEST, table.drop(index=3), curves(table))
    for a, b in (("cosine", "constant"), ("cosine@1", "constant@1")):
        assert half.compare(a, b).waiting
    assert half.compare("constant@1", "constant").outcome.n == 12


def test_what_is_derived_waits_for_the_seeds_that_it_is_made_for():
    contest = dataclasses.replace(CONTEST, judge_seeds=())
    derived = dict.fromkeys(("folds", "split"), SEEDS)
    table = rows({"folds": 0.01, "split": 0.0})
    found = Standings(contest, table, derived=derived).compare("folds", "split")
    assert found.outcome.n == 12
    fewer = table[table["seed"] < 1003]
    assert Standings(contest, fewer, derived=derived).compare("folds", "split").waiting


def test_seeds_judged_beside_those_of_the_contest_do_not_count():
    fewer = dataclasses.replace(CONTEST, judge_seeds=SEEDS[:8])
    found = Standings(fewer, rows()).compare("cosine", "constant")
    assert found.outcome.n == 8


def test_two_seeds_with_equal_differences_show_nothing():
    contest = dataclasses.replace(CONTEST, judge_seeds=(1000, 1001))
    table = rows()
    table = table[table["seed"].isin([1000, 1001])]
    for lead in (0.01, 0.0):
        equal = table.assign(test_accuracy=0.8 + lead * (table["name"] == "cosine"))
        found = Standings(contest, equal).compare("cosine", "constant")
        assert (found.word, found.waiting) == ("no result", False)


@pytest.mark.parametrize("measures", ["test_loss", ("test_f1",), ()])
def test_wrong_measures_are_named_before_the_training(tmp_path, measures):
    with pytest.raises((ValueError, TypeError), match="measures="):
        comparisons.run(CONTEST, measures=measures, cache=tmp_path, progress=False)
    assert not any(tmp_path.iterdir())


def test_what_is_measured_at_the_end_alone_did_not_diverge_before():
    table = rows().assign(training_loss=0.5)
    both = curves(table)
    both.loc[both["epoch"] == 1, "training_loss"] = math.nan
    with pytest.raises(ValueError, match="measure='training_loss'"):
        Standings(CONTEST, table, both).compare("cosine@1", "constant@1", "training_loss")
