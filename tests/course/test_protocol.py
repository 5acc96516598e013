"""The studies' rules are whole, and the committed tables are what the rules ask for."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from coslr.course import evidence, language_study, protocol
from coslr.course.claims import AllStandings
from coslr.course.evidence import load
from coslr.course.protocol import STUDIES
from coslr.experiments import studies
from coslr.experiments.contests import ROW, Contest, Entry
from coslr.experiments.one_trial import load_data
from coslr.experiments.outcomes import kind_of
from coslr.experiments.text import Excerpt

EACH = pytest.mark.parametrize("study", STUDIES.values(), ids=STUDIES)
EMPTY = pd.DataFrame(columns=ROW)


@EACH
def test_the_rules_are_whole(study):
    least = 8 if study.name == "language_model" else 12
    for contest in study.contests:
        assert len(contest.search_seeds) >= 2
        assert len(contest.judge_seeds) >= least or contest.name == protocol.FOLDS
        assert min(contest.search_seeds) >= 900, "the first edition used seeds below 900"
        assert min(contest.judge_seeds, default=1000) >= 1000
        if study.name == "language_model":
            assert contest.by == "validation_loss"
            assert isinstance(contest.settings["data"], Excerpt)
        elif study.walk is None:
            images = contest.settings["data"]
            assert images.full
            assert images.n_test is None
            assert images.n_validation == 10_000
    assert all(kind_of(measure).margin > 0 for measure in study.measures)
    for derived in study.derived:
        assert len(derived.seeds) >= least
        assert study.contest(derived.contest)


@EACH
def test_every_comparison_is_of_entries_of_its_contest(study):
    assert len(set(study.comparisons)) == len(study.comparisons)
    for name, *pair in study.comparisons:
        names = {entry.name for entry in study.contest(name).entries}
        names |= {derived.name for derived in study.derived if derived.contest == name}
        parts = {part.partition("@")[0] for entry in pair for part in entry.split(" minus ")}
        assert parts <= names
        assert pair[0] != pair[1]


@EACH
def test_every_trial_can_be_described(study):
    """Schedules, settings and images of the first round of every contest are valid."""
    for contest in study.contests:
        trials = contest.pending(EMPTY)
        searched = [entry for entry in contest.entries if not entry.peak_from]
        assert {trial.name for trial in trials} == {entry.name for entry in searched}
        for trial in trials:
            updates = trial.epochs * (trial.data.n_train // trial.batch_size)
            rates = trial.schedule(np.arange(updates))
            assert np.isfinite(rates).all()
            assert rates.max() == pytest.approx(trial.eta_max)


def test_where_the_decay_matters_it_takes_a_third_of_a_weight():
    """At the middle of the search, AdamW's smallest decay shrinks a weight by 30 % or more."""
    (cosine, _) = STUDIES["combining"].contest(protocol.ADAMW).entries
    rates = cosine.variants["weight decay 0.1"](cosine.centre, protocol.UPDATES)
    shrunk = 1 - math.exp(-0.1 * rates(np.arange(protocol.UPDATES)).sum())
    assert shrunk >= 0.3


def test_the_same_effective_rate_is_the_same():
    t = np.arange(protocol.UPDATES)
    cosine = protocol.Cosine(protocol.UPDATES, 0.1)
    fixed = protocol.SameEffect(cosine, protocol.RISE, 0.9)
    np.testing.assert_allclose(fixed(t) / (1 - 0.9), cosine(t) / (1 - protocol.RISE(t)))


def test_a_cooldown_from_the_plateau_leaves_it_for_the_last_fifth():
    entries = {
        e.name: e for e in STUDIES["language_model"].contest(language_study.FULL_RUN).entries
    }
    full = entries["plateau"].variants["-"](0.004, 6000)
    rise = np.arange(600)
    np.testing.assert_allclose(full(np.arange(600, 6000)), 0.004)
    assert full(0) < 0.0001
    for name, updates in {"WSD": 6000, "WSD at half": 3000, "WSD at three quarters": 4500}.items():
        cooled = entries[name].variants["-"](0.004, updates)
        start = updates * 4 // 5
        np.testing.assert_allclose(cooled(rise), full(rise))
        np.testing.assert_allclose(cooled(np.arange(600, start + 1)), 0.004)
        assert cooled(start + 1) < 0.004
        assert cooled(updates - 1) == pytest.approx(0.004 / (updates // 5))


def test_an_average_of_weights_is_their_mean_and_the_network_s_own_loss(tmp_path, monkeypatch):
    monkeypatch.setenv("COSLR_STUDIES", str(tmp_path))
    settings = language_study._settings(3) | {"data": Excerpt(16, 32)}
    kept = {"snapshots": (1, 2, 3), "weights": True, "predictions": False}
    plateau = Entry("plateau", lambda eta, T: protocol.Constant(eta), settings=kept)
    tiny = Contest("tiny", (plateau,), (900,), (1000,), settings, shared_peak=0.004)
    found = language_study.averaged(tiny, EMPTY, 1000, {2: 1.0, 3: 3.0})
    (trial,) = tiny.at_best("plateau", EMPTY, [1000])
    snapshots = studies.run([trial], workers=1, progress=False).snapshots[0]
    assert set(snapshots[2]) == {"weights"}
    model = trial.model(size=16)
    model.load_state_dict(
        {
            name: torch.tensor(0.25 * snapshots[2]["weights"][name] + 0.75 * last)
            for name, last in snapshots[3]["weights"].items()
        }
    )
    x, y = (getattr(load_data(trial.data)[1], name) for name in ("x_test", "y_test"))
    with torch.no_grad():
        right = torch.nn.functional.cross_entropy(model(x).flatten(0, 1), y.flatten())
    assert found["test_loss"] == pytest.approx(float(right), rel=1e-5)
    assert found["eta_max"] == 0.004


# --------------------------------------------------------------------- the committed tables


@EACH
def test_committed_rows_are_those_that_the_rules_ask_for(study):
    """Every committed row is one that the contests asked for, given the rows of the search."""
    table = load(study.name)
    assert not table.duplicated(evidence.ROW).any()
    assert set(table["contest"]) <= {contest.name for contest in study.contests}
    for contest in study.contests:
        rows = table[table["contest"] == contest.name]
        derived = {made.name: made for made in study.derived if made.contest == contest.name}
        searched = rows[rows["role"] == "search"]
        judged = rows[(rows["role"] == "judge") & ~rows["name"].isin(derived)]
        assert set(searched["seed"]) <= set(contest.search_seeds)
        assert set(judged["seed"]) <= set(contest.judge_seeds)
        best = contest.best(rows)
        for (name, variant), runs in judged.groupby(["name", "variant"]):
            assert set(runs["eta_max"]) == {best.loc[name, "eta_max"]}
            assert variant == best.loc[name, "variant"]
        for name, made in derived.items():
            assert set(rows[rows["name"] == name]["seed"]) <= set(made.seeds)


@EACH
def test_every_interval_is_that_of_the_raw_rows(study):
    """Recomputed without our code: paired t intervals of the rows of the table."""
    table, held = load(study.name), AllStandings()
    compared = 0
    for contest, a, b in study.comparisons:
        if "@" in a + b:
            continue  # test_comparisons.py
        found = held[study.name, contest].compare(a, b)
        if found.outcome is None:
            continue
        rows = table[(table["contest"] == contest) & (table["role"] == "judge")]

        def values(name, rows=rows):
            runs = rows[rows["name"] == name].sort_values("seed")
            return runs[study.measures[0]].to_numpy()

        if " minus " in a:
            (one, less), (other, less_too) = (map(values, name.split(" minus ")) for name in (a, b))
            one, other = one - less, other - less_too
        else:
            one, other = values(a), values(b)
        test = stats.ttest_rel(one, other)
        for level, ends in ((0.95, ("low", "high")), (0.90, ("low90", "high90"))):
            independent = test.confidence_interval(level)
            for ours, theirs in zip(ends, independent, strict=True):
                assert getattr(found.outcome, ours) == pytest.approx(theirs, rel=1e-6, abs=1e-12)
        compared += 1
    if not compared:
        pytest.skip("no comparison of this study has its rows yet")
