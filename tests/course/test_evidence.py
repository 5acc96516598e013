"""The evidence: rules that are written down, tables that go on where they stopped."""

import dataclasses
import json
import re

import numpy as np
import pandas as pd
import pytest

from coslr.course import evidence, protocol
from coslr.course.evidence import collect, load, standings
from coslr.course.rules import Derived, Evidence
from coslr.experiments import studies
from coslr.experiments.contests import Contest, Entry
from coslr.experiments.ensembles import at_temperature, fitted_temperature
from coslr.experiments.one_trial import load_data
from coslr.experiments.trials import Split
from coslr.schedules import Constant, Cosine

TINY = {
    "epochs": 2,
    "batch_size": 50,
    "data": Split(n_train=200, n_validation=100, n_test=100),
}
FAMILY = (
    Entry("cosine", lambda eta, T: Cosine(T, eta)),
    Entry("constant", lambda eta, T: Constant(eta)),
)
STUDY = Evidence(
    "train_a_cnn",  # a name that `load` knows
    (
        Contest("first", FAMILY, (900,), (1000, 1001), TINY, by="validation_loss"),
        Contest("shared", FAMILY, (900,), (1000, 1001), TINY, shared_peak=0.05),
    ),
    (("first", "cosine", "constant"), ("shared", "cosine", "constant")),
)


@pytest.fixture(scope="module")
def collected(tmp_path_factory):
    """The tables of a whole tiny study."""
    folder = tmp_path_factory.mktemp("evidence")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COSLR_STUDIES", str(tmp_path_factory.mktemp("studies")))
        collect(STUDY, folder, workers=1)
    return folder


# ------------------------------------------------------------------------------ the tables


def test_each_finished_trial_is_a_row(collected):
    table = load("train_a_cnn", collected)
    assert not STUDY.pending(table)
    assert (table["role"] == "judge").sum() == 2 * 2 * 2
    assert (table["status"] == "ok").all()
    assert (table["updates"] == 8).all()
    for measure in ("validation", "test", "half_test", "training"):
        assert table[f"{measure}_accuracy"].between(0, 1).all()
        assert (table[f"{measure}_loss"] > 0).all()
    assert table["machine"].str.len().min() > 3


def test_curves_are_those_of_the_judged_runs(collected):
    table, curves = load("train_a_cnn", collected), load("train_a_cnn-curves", collected)
    judged = table[table["role"] == "judge"]
    assert len(curves) == len(judged) * TINY["epochs"]
    last = curves[curves["epoch"] == 2]
    merged = judged.merge(last, on=evidence.ROW, suffixes=("", "_curve"))
    assert (merged["test_accuracy"] - merged["test_accuracy_curve"]).abs().max() < 1e-4
    first = judged.merge(curves[curves["epoch"] == 1], on=evidence.ROW, suffixes=("", "_curve"))
    assert (first["half_test_loss"] - first["test_loss_curve"]).abs().max() < 1e-3


def test_the_manifest_says_what_trained_the_tables(collected):
    manifest = json.loads((collected / "manifest.json").read_text())["train_a_cnn"]
    assert manifest["trials"] == len(load("train_a_cnn", collected))
    assert re.fullmatch(r"[0-9a-f]{12}", manifest["commits"][0])
    assert {"torch", "numpy", "coslr", "python"} == set(manifest["releases"][0])


def test_the_manifest_counts_the_hours_of_derived_rows_too(collected, tmp_path, monkeypatch):
    for name in ("train_a_cnn", "train_a_cnn-curves"):
        (tmp_path / f"{name}.csv").write_bytes((collected / f"{name}.csv").read_bytes())
    clock = [0.0]
    monkeypatch.setattr(evidence.time, "monotonic", lambda: clock[0])

    def takes_an_hour(contest, table, seed):
        clock[0] += 3600
        return {"eta_max": 0.05, "test_accuracy": 0.5, "test_loss": 1.0}

    made = Derived("made", "shared", takes_an_hour, (1000, 1001))
    collect(dataclasses.replace(STUDY, derived=(made,)), tmp_path, workers=1)
    assert json.loads((tmp_path / "manifest.json").read_text())["train_a_cnn"]["hours"] == 2.0


@pytest.mark.parametrize(
    "kept",
    [3, pytest.param(0, marks=pytest.mark.slow), pytest.param(11, marks=pytest.mark.slow)],
)
def test_a_stopped_study_goes_on_to_the_same_table(collected, tmp_path, monkeypatch, kept):
    monkeypatch.setenv("COSLR_STUDIES", str(tmp_path / "studies"))
    whole = (collected / "train_a_cnn.csv").read_bytes()
    load("train_a_cnn", collected).iloc[:kept].to_csv(tmp_path / "train_a_cnn.csv", index=False)
    collect(STUDY, tmp_path, workers=1)
    assert (tmp_path / "train_a_cnn.csv").read_bytes() == whole


def test_committed_rows_are_not_trained_again(collected, tmp_path, monkeypatch):
    for name in ("train_a_cnn", "train_a_cnn-curves"):
        (tmp_path / f"{name}.csv").write_bytes((collected / f"{name}.csv").read_bytes())
    monkeypatch.setattr(evidence.studies, "run", lambda *_, **__: pytest.fail("trained"))
    collect(STUDY, tmp_path, workers=1)


def test_a_run_that_two_contests_ask_for_is_trained_once(collected, tmp_path, monkeypatch):
    """And no other: a cosine of another weight decay is another run."""
    tables = ("train_a_cnn", "train_a_cnn-curves")
    for name in tables:
        (tmp_path / f"{name}.csv").write_bytes((collected / f"{name}.csv").read_bytes())
    again = dataclasses.replace(FAMILY[0], name="cosine again")
    decay = {"options": {"weight_decay": 0.1}}
    decayed = dataclasses.replace(again, name="decayed", settings=decay)
    second = dataclasses.replace(STUDY.contests[0], name="second", entries=(again, decayed))
    study = dataclasses.replace(STUDY, contests=(*STUDY.contests, second))
    trained = []

    def run(trials, **options):
        trained.extend(trials)
        return studies_run(trials, **options)

    studies_run = evidence.studies.run
    monkeypatch.setattr(evidence.studies, "run", run)
    monkeypatch.setenv("COSLR_STUDIES", str(tmp_path / "studies"))
    collect(study, tmp_path, workers=1)
    assert {trial.name for trial in trained} == {"decayed"}
    for name in tables:
        table = load(name, tmp_path)
        first = table[(table["contest"] == "first") & (table["name"] == "cosine")]
        taken = table[(table["contest"] == "second") & (table["name"] == "cosine again")]
        taken = taken.assign(contest="first", name="cosine")
        pd.testing.assert_frame_equal(taken.reset_index(drop=True), first.reset_index(drop=True))


def test_curves_of_a_trial_that_comes_again_are_there_once(collected, tmp_path, monkeypatch):
    monkeypatch.setenv("COSLR_STUDIES", str(tmp_path / "studies"))
    whole = (collected / "train_a_cnn-curves.csv").read_bytes()
    (tmp_path / "train_a_cnn-curves.csv").write_bytes(whole)
    load("train_a_cnn", collected).iloc[:-1].to_csv(tmp_path / "train_a_cnn.csv", index=False)
    collect(STUDY, tmp_path, workers=1)
    assert (tmp_path / "train_a_cnn-curves.csv").read_bytes() == whole


@pytest.mark.filterwarnings("ignore:.*trials failed")
def test_a_failed_trial_becomes_no_row(tmp_path, monkeypatch):
    monkeypatch.setenv("COSLR_STUDIES", str(tmp_path / "studies"))
    settings = {**TINY, "optimizer": "SGD", "options": {"unknown": 1}}
    contest = Contest("first", FAMILY, (900,), (1000,), settings, shared_peak=0.05)
    with pytest.raises(RuntimeError, match="train_a_cnn, cosine: failed: TypeError"):
        collect(Evidence("train_a_cnn", (contest,), ()), tmp_path, workers=1)
    assert not list(tmp_path.glob("*.csv"))


def test_an_unknown_study_is_named():
    with pytest.raises(ValueError, match="name='train': must be one of train_a_cnn"):
        load("train")


def test_an_install_without_the_tables_is_no_study_that_has_not_run(tmp_path, monkeypatch):
    monkeypatch.setattr(evidence, "evidence_folder", lambda: tmp_path / "not there")
    with pytest.raises(FileNotFoundError, match="install coslr from one"):
        load("train_a_cnn")


def test_an_unknown_contest_is_named():
    with pytest.raises(ValueError, match="contest='nope': must be one of no weight decay"):
        standings("train_a_cnn", "nope")


# ----------------------------------------------------------------------------- derived rows

SMALL = Split(n_train=200, n_validation=100, n_test=100)


@pytest.fixture(scope="module")
def restarts(tmp_path_factory):
    """The study of warm restarts on few images, at one peak, with the folder of its tables."""
    settings = {**TINY, "epochs": 21, "batch_size": 100, "data": SMALL}
    contest = Contest(
        protocol.WHOLE,
        tuple(
            dataclasses.replace(entry, peak_from="")
            for entry in protocol.WARM_RESTARTS.contest(protocol.WHOLE).entries
            if entry.name in ("one cycle", "equal", "short run")
        ),
        (900,), (1000, 1001), settings, shared_peak=0.05,
    )  # fmt: skip
    derived = tuple(
        dataclasses.replace(row, seeds=(1000, 1001)) for row in protocol.WARM_RESTARTS.derived
    )
    study = Evidence("warm_restarts", (contest,), (), derived=derived)
    folder = tmp_path_factory.mktemp("restarts")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COSLR_STUDIES", str(folder / "studies"))
        collect(study, folder, workers=1)
        yield study, folder


def mean_of_probabilities(logs, trial):
    probabilities = np.mean([np.exp(part) for part in logs], axis=0)
    labels = load_data(trial.data)[1].y_test.numpy()
    right = (probabilities.argmax(axis=1) == labels).mean()
    return right, -np.log(probabilities[np.arange(len(labels)), labels]).mean()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["snapshots", "three short runs"])
def test_an_ensemble_is_the_mean_of_its_networks_probabilities(restarts, name):
    study, folder = restarts
    table = load("warm_restarts", folder)
    for seed in (1000, 1001):
        (contest,) = study.contests
        if name == "snapshots":
            trials = contest.at_best("equal", table, [seed])
            kept = studies.run(trials, progress=False).snapshots[0]
            logs = [kept[epoch]["predictions"] for epoch in (7, 14, 21)]
        else:
            trials = contest.at_best("short run", table, [seed, seed + 100, seed + 200])
            study_of_three = studies.run(trials, progress=False)
            logs = [study_of_three.snapshots[i][7]["predictions"] for i in range(3)]
            assert len({part.tobytes() for part in logs}) == 3
        row = table[(table["name"] == name) & (table["seed"] == seed)].iloc[0]
        expected = mean_of_probabilities(logs, trials[0])
        assert (row["test_accuracy"], row["test_loss"]) == pytest.approx(expected, abs=1e-5)


@pytest.mark.slow
def test_a_fitted_temperature_keeps_the_accuracy_and_is_fitted_on_validation_images(restarts):
    study, folder = restarts
    table = load("warm_restarts", folder).set_index(["name", "seed"])
    for seed in (1000, 1001):
        plain, fitted = table.loc["one cycle", seed], table.loc["single with temperature", seed]
        assert fitted["test_accuracy"] == plain["test_accuracy"]
        assert fitted["test_loss"] != plain["test_loss"]
        (trial,) = study.contests[0].at_best("one cycle", table.reset_index(), [seed])
        kept = studies.run([trial], progress=False).snapshots[0][21]
        labels = load_data(trial.data)[0].y_test.numpy()
        tau = fitted_temperature(kept["validation"], labels)
        cooled = at_temperature(kept["predictions"], tau)
        expected = mean_of_probabilities([cooled], trial)[1]
        assert fitted["test_loss"] == pytest.approx(expected, abs=1e-5)


@pytest.mark.slow
def test_derived_rows_are_made_once(restarts):
    study, folder = restarts
    before = (folder / "warm_restarts.csv").read_bytes()
    collect(study, folder, workers=1)
    assert (folder / "warm_restarts.csv").read_bytes() == before
    table = load("warm_restarts", folder)
    assert (table["name"].isin([row.name for row in study.derived])).sum() == 6


def test_folds_choose_by_their_mean_and_the_next_seed_judges():
    peaks = {0.1: (0.80, 0.90), 0.2: (0.85, 0.70)}  # validation accuracy in fold 0, and elsewhere
    table = pd.DataFrame(
        {"contest": protocol.FOLDS, "name": f"fold {k}", "variant": "-", "eta_max": eta,
         "seed": seed, "role": "search", "status": "ok",
         "validation_accuracy": first if k == 0 else others,
         # The runs of 1100, which choose, are far better on the test images than they should be.
         "test_accuracy": 1 - eta if seed == 1100 else eta + k / 100,
         "test_loss": eta if seed == 1100 else 1 - eta}
        for eta, (first, others) in peaks.items() for k in range(5) for seed in (1100, 1101)
    )  # fmt: skip
    contest = protocol.CHOOSING_PARAMETERS.contest(protocol.FOLDS)
    assert protocol.chosen_by_one_split(contest, table, 1100) == pytest.approx(
        {"eta_max": 0.2, "test_accuracy": 0.22, "test_loss": 0.8}
    )
    assert protocol.chosen_by_folds(contest, table, 1100) == pytest.approx(
        {"eta_max": 0.1, "test_accuracy": 0.12, "test_loss": 0.9}
    )
    with pytest.raises(ValueError, match=r"seed 1102 has 0 runs at the peak 0\.2, not five"):
        protocol.chosen_by_one_split(contest, table, 1101)
