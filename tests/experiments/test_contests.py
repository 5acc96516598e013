"""A contest asks for the right runs: equal effort, seeds apart, validation alone chooses."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest

from coslr import Constant, Cosine, Exponential
from coslr.experiments.contests import JUDGE, ROW, SEARCH, Contest, Entry
from coslr.experiments.trials import Split

TINY = {"epochs": 1, "batch_size": 50, "data": Split(n_train=100, n_validation=100, n_test=100)}
COSINE = Entry("cosine", lambda eta, T: Cosine(T, eta))
FLOORS = Entry(
    "exponential",
    {
        "to 1/100": lambda eta, T: Exponential(T, eta, eta / 100),
        "to 1/10": lambda eta, T: Exponential(T, eta, eta / 10),
    },
)
LOW = Entry("constant", lambda eta, T: Constant(eta), centre=0.02)
CONTEST = Contest("tiny", (COSINE, FLOORS, LOW), (900, 901), (1000, 1001, 1002), TINY)
TOPS = {"cosine": 0.2, "to 1/100": 0.1, "to 1/10": 0.05, "constant": 0.02}
TOPS |= dict.fromkeys(("hot cosine", "constant, cosine's peak", "decay 0.1", "decay 0.3"), 0.1)


def validation(trial, tops=TOPS):
    """A score with its top at a known peak; "to 1/10" is the better exponential."""
    variant = dict(trial.extras)["variant"]
    top = tops[trial.name if variant == "-" else variant]
    return 0.9 - 0.1 * abs(math.log2(trial.eta_max / top)) + 0.01 * (variant == "to 1/10")


def row(trial, **measures):
    return {
        "name": trial.name, "eta_max": trial.eta_max, "seed": trial.seed, **dict(trial.extras),
        "status": "ok", "validation_accuracy": validation(trial), "test_accuracy": 0.5, **measures,
    }  # fmt: skip


def play(contest, table=None, row=row, rounds=20):
    """Give the contest all that it asks for; every trial that it asked for, and the table."""
    table = pd.DataFrame(columns=ROW) if table is None else table
    asked = []
    for _ in range(rounds):
        pending = contest.pending(table)
        if not pending:
            return asked, table
        asked += pending
        table = pd.DataFrame(table.to_dict("records") + [row(trial) for trial in pending])
    raise AssertionError("the contest does not end")


def role(trial):
    return dict(trial.extras)["role"]


def test_each_schedule_gets_the_same_search_and_is_judged_at_its_best_peak():
    asked, table = play(CONTEST)
    searches = [trial for trial in asked if role(trial) == SEARCH]
    assert len(searches) == 4 * 7 * 2  # three schedules, one of them with two floors
    best = CONTEST.best(table)
    assert best["eta_max"].to_dict() == {"cosine": 0.2, "exponential": 0.05, "constant": 0.02}
    assert best.loc["exponential", "variant"] == "to 1/10"
    judged = [trial for trial in asked if role(trial) == JUDGE]
    assert {(trial.name, trial.eta_max) for trial in judged} == set(best["eta_max"].items())
    assert len(judged) == 3 * 3


def test_no_seed_that_chooses_is_judged():
    asked, _ = play(CONTEST)
    seeds = {
        kind: {trial.seed for trial in asked if role(trial) == kind} for kind in (SEARCH, JUDGE)
    }
    assert seeds == {SEARCH: {900, 901}, JUDGE: {1000, 1001, 1002}}
    with pytest.raises(ValueError, match="judge_seeds=\\[901\\]"):
        Contest("wrong", (COSINE,), (900, 901), (901, 902), TINY)


def test_test_images_choose_nothing():
    def misleading(trial):
        return row(trial, test_accuracy=1 - validation(trial))

    assert CONTEST.best(play(CONTEST, row=misleading)[1]).equals(CONTEST.best(play(CONTEST)[1]))


def test_judged_runs_choose_nothing():
    _, table = play(CONTEST)
    table.loc[table["role"] == JUDGE, "validation_accuracy"] = 0.0
    assert CONTEST.best(table).equals(CONTEST.best(play(CONTEST)[1]))


def test_nothing_is_asked_for_twice_and_a_stopped_contest_goes_on():
    asked, table = play(CONTEST)
    assert len({(t.name, t.eta_max, t.seed, t.extras) for t in asked}) == len(asked)
    for kept in (1, 7, 30, len(table) - 1):
        again, _ = play(CONTEST, table.iloc[:kept])
        assert len(again) == len(asked) - kept


def test_rows_of_another_contest_do_not_count():
    _, table = play(CONTEST)
    assert len(CONTEST.pending(table.assign(contest="another"))) == 4 * 5 * 2


def test_a_loss_chooses_the_lowest():
    contest = Contest("tiny", (COSINE,), (900, 901), (1000,), TINY, by="validation_loss")
    _, table = play(contest, row=lambda trial: row(trial, validation_loss=-validation(trial)))
    assert contest.best(table).loc["cosine", "eta_max"] == 0.2


def test_a_peak_with_a_diverged_run_is_not_chosen():
    def some_diverge(trial):
        bad = trial.eta_max >= 0.2 and trial.seed == 901
        return row(trial, status="diverged" if bad else "ok")

    assert CONTEST.best(play(CONTEST, row=some_diverge)[1]).loc["cosine", "eta_max"] == 0.1414


def test_a_schedule_at_the_edge_is_not_judged_and_says_why():
    edge = Contest("tiny", (COSINE,), (900, 901), (1000,), TINY)
    asked, table = play(edge, row=lambda trial: row(trial, validation_accuracy=trial.eta_max))
    assert not [trial for trial in asked if role(trial) == JUDGE]
    assert "at the edge" in edge.best(table).loc["cosine", "obstacle"]


def test_a_shared_peak_needs_no_search():
    contest = Contest("shared", (COSINE, LOW), (900,), (1000, 1001), TINY, shared_peak=0.1)
    asked, _ = play(contest)
    assert {(trial.name, trial.eta_max, role(trial)) for trial in asked} == {
        ("cosine", 0.1, JUDGE),
        ("constant", 0.1, JUDGE),
    }


def test_an_entry_has_its_own_settings():
    entry = Entry("adam", COSINE.schedule, 0.001, {"optimizer": "Adam", "options": {}})
    (first, *_) = Contest("tiny", (entry,), (900,), (1000,), TINY).pending(pd.DataFrame())
    assert (first.optimizer, first.options, first.eta_max) == ("Adam", (), 0.00025)


@pytest.mark.parametrize("entries", [(), (COSINE, COSINE)])
def test_wrong_entries_are_named(entries):
    with pytest.raises(ValueError, match="entries="):
        Contest("wrong", entries, (900,), (1000,), TINY)


def test_what_chooses_must_be_a_validation_measure():
    with pytest.raises(ValueError, match="by='test_accuracy'"):
        Contest("wrong", (COSINE,), (900,), (1000,), TINY, by="test_accuracy")


def test_a_measure_that_may_be_good_high_or_low_chooses_nothing():
    with pytest.raises(ValueError, match="by='validation_perplexity': must be a name that ends in"):
        Contest("wrong", (COSINE,), (900,), (1000,), TINY, by="validation_perplexity")


# ------------------------------------------------------------- at the best peak of another entry

HOT = Entry("hot cosine", COSINE.schedule, peak_from="cosine", times=4)
SAME = Entry("constant, cosine's peak", LOW.schedule, peak_from="cosine")


def test_an_entry_may_be_judged_at_the_best_peak_of_another_and_is_not_searched():
    contest = Contest("tiny", (HOT, COSINE, SAME), (900, 901), (1000, 1001), TINY)
    asked, table = play(contest)
    assert {trial.name for trial in asked if role(trial) == SEARCH} == {"cosine"}
    judged = {(trial.name, trial.eta_max) for trial in asked if role(trial) == JUDGE}
    assert judged == {("cosine", 0.2), ("hot cosine", 0.8), ("constant, cosine's peak", 0.2)}
    assert contest.best(table)["eta_max"].to_dict() == dict(judged)
    hot = next(trial for trial in asked if trial.name == "hot cosine")
    assert hot.schedule(0) == 0.8


def test_it_waits_for_the_search_of_the_other_and_shares_its_obstacle():
    contest = Contest("tiny", (COSINE, HOT), (900, 901), (1000,), TINY)
    assert {trial.name for trial in contest.pending(pd.DataFrame(columns=ROW))} == {"cosine"}
    asked, table = play(contest, row=lambda trial: row(trial, validation_accuracy=trial.eta_max))
    assert not [trial for trial in asked if role(trial) == JUDGE]
    assert "at the edge" in contest.best(table).loc["hot cosine", "obstacle"]


def test_each_variant_may_have_settings_of_its_own():
    decays = {f"decay {d}": {"options": {"weight_decay": d}} for d in (0.1, 0.3)}
    entry = Entry(
        "adam", dict.fromkeys(decays, COSINE.schedule), 0.1, {"optimizer": "AdamW"}, decays
    )
    asked, _ = play(
        Contest("tiny", (entry,), (900,), (1000,), TINY),
        row=lambda trial: row(
            trial, validation_accuracy=1 - abs(math.log2(trial.eta_max / 0.1)) / 9
            + dict(trial.options)["weight_decay"],
        ),
    )  # fmt: skip
    assert {(dict(t.extras)["variant"], t.optimizer, t.options) for t in asked} == {
        (name, "AdamW", tuple(settings["options"].items())) for name, settings in decays.items()
    }
    (judged,) = (trial for trial in asked if role(trial) == JUDGE)
    assert dict(judged.options) == {"weight_decay": 0.3}


def test_trials_at_the_best_peak_for_any_seeds():
    _, table = play(CONTEST)
    trials = CONTEST.at_best("exponential", table, [7, 8])
    assert [(t.eta_max, t.seed, dict(t.extras)["variant"]) for t in trials] == [
        (0.05, 7, "to 1/10"), (0.05, 8, "to 1/10"),
    ]  # fmt: skip
    with pytest.raises(ValueError, match="name='cosine': must be an entry with a best peak"):
        CONTEST.at_best("cosine", table.iloc[:3], [7])
    with pytest.raises(ValueError, match="name='rising': must be one of cosine, "):
        CONTEST.at_best("rising", table, [7])


@pytest.mark.parametrize(
    ("entries", "name"),
    [
        (lambda: (COSINE, Entry("a", COSINE.schedule, peak_from="linear")), "peak_from='linear'"),
        (lambda: (COSINE, HOT, Entry("a", LOW.schedule, peak_from="hot cosine")), "peak_from='hot"),
        (lambda: (COSINE, Entry("a", FLOORS.schedule, peak_from="cosine")), "schedule="),
        (lambda: (Entry("a", COSINE.schedule, variant_settings={"b": {}}),), "variant_settings="),
    ],
)
def test_a_peak_from_nowhere_is_named(entries, name):
    with pytest.raises(ValueError, match=name):
        Contest("wrong", entries(), (900,), (1000,), TINY)


def test_a_failed_run_is_asked_for_again_and_chooses_nothing():
    whole = play(CONTEST)[1]
    lost = whole.assign(status=np.where(whole.index == 3, "failed: OSError", "ok"))
    assert len(CONTEST.pending(lost)) == 1
    assert CONTEST.best(lost)["obstacle"].iloc[0] == "the search goes on"


def test_seeds_of_another_search_choose_nothing():
    def other(trial):
        low = 0.9 - 0.1 * abs(math.log2(trial.eta_max / 0.05))
        return row(trial, validation_accuracy=validation(trial) if trial.seed == 900 else low)

    narrow = Contest("tiny", (COSINE,), (900,), (1000,), TINY)
    wide = dataclasses.replace(narrow, search_seeds=(900, 901, 902))
    table = play(wide, row=other)[1]
    assert narrow.best(table).loc["cosine", "eta_max"] != 0.05
    assert wide.best(table).loc["cosine", "eta_max"] == 0.05


@pytest.mark.parametrize("name", ["adam@2", "a minus b"])
def test_a_name_that_standings_would_read_otherwise_is_refused(name):
    with pytest.raises(ValueError, match="entries="):
        Contest("c", (COSINE, Entry(name, COSINE.schedule)), (900,), (1000,), TINY)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Contest("c", (COSINE, HOT), (), (1,), TINY, shared_peak=0.1),
        lambda: Contest("c", (FLOORS,), (), (1,), TINY, shared_peak=0.1),
        lambda: Contest("c", (COSINE,), (), (1,), TINY),
        lambda: Contest("c", (COSINE,), (), (1,), TINY, shared_peak=math.nan),
        lambda: Entry("a", COSINE.schedule, times=4),
        lambda: Entry("a", COSINE.schedule, peak_from="cosine", times=math.nan),
        lambda: Entry("a", COSINE.schedule, centre=-1),
    ],
)
def test_what_would_be_ignored_or_fail_later_is_named_at_once(make):
    with pytest.raises(ValueError, match="must be"):
        make()
