"""The evidence: rules that are written down, tables that go on where they stopped."""

import json
import re

import pytest

from coslr.course import evidence
from coslr.course.evidence import collect, load
from coslr.course.protocol import Evidence
from coslr.experiments.contests import Contest, Entry
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
    with pytest.raises(RuntimeError, match="train_a_cnn: failed: TypeError"):
        collect(Evidence("train_a_cnn", (contest,), ()), tmp_path, workers=1)
    assert not list(tmp_path.glob("*.csv"))


def test_an_unknown_study_is_named():
    with pytest.raises(ValueError, match="name='train': must be one of train_a_cnn"):
        load("train")
