"""The published language-model runs: complete, as their README says, and made by their script."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
DATA = ROOT / "notebooks" / "data" / "llm_schedules"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("make", ROOT / "scripts" / "make_llm_data.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def runs():
    return pd.read_csv(DATA / "all_runs.csv", index_col="run")


@pytest.fixture(scope="module")
def curves():
    return pd.read_csv(DATA / "all_curves.csv.gz")


def test_the_script_makes_the_same_files(script, curves, tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    (source / "runs.csv").write_bytes((DATA / "all_runs.csv").read_bytes())
    curves.to_csv(source / "curves.csv", index=False)
    script.main(source, target)
    assert (target / "all_runs.csv").read_bytes() == (DATA / "all_runs.csv").read_bytes()
    # Another zlib may compress to other bytes, so the contents are compared.
    made = pd.read_csv(target / "all_curves.csv.gz")
    pd.testing.assert_frame_equal(made, curves)


@pytest.mark.parametrize(
    ("says", "spoil"),
    [
        ("different runs", lambda runs, curves: (runs.iloc[1:], curves)),
        ("different runs", lambda runs, curves: (runs, curves[curves["run"] != 7])),
        ("twice", lambda runs, curves: (pd.concat([runs, runs.iloc[:1]]), curves)),
        ("twice", lambda runs, curves: (runs, pd.concat([curves, curves.iloc[:1]]))),
        ("after the end", lambda runs, curves: (runs.assign(updates=2000), curves)),
        ("missing", lambda runs, curves: (runs.assign(final_val_loss=np.nan), curves)),
        ("missing", lambda runs, curves: (runs, curves.assign(val_loss=np.nan))),
    ],
)
def test_the_script_refuses_broken_data(script, runs, curves, says, spoil):
    script.check(runs.reset_index(), curves)
    with pytest.raises(SystemExit, match=says):
        script.check(*spoil(runs.reset_index(), curves))


def test_the_data_are_small_and_have_their_licence():
    assert sum(file.stat().st_size for file in DATA.iterdir()) < 350_000
    assert "Copyright (c) 2025 Fabian Schaipp, Alexander Hägele" in (DATA / "LICENSE").read_text(
        encoding="utf-8"
    )


def test_the_runs_are_those_of_the_readme(runs):
    groups = {"main": 193, "grad_norm": 30, "horizon_transfer": 12}
    assert runs["group"].value_counts().to_dict() == groups
    floor = (runs["eta_min"] / runs["eta_max"]).round(3)
    same = ["parameters", "dataset", "schedule", "decay_shape", "decay_fraction", "eta_max"]
    same += ["updates", "warmup", "batch_tokens", "seed"]
    losses = runs.groupby([*same, floor], dropna=False)["final_val_loss"]
    repeated = losses.std()[losses.count() == 2]
    assert len(repeated) == 20
    assert np.sqrt((repeated**2).mean()) == pytest.approx(0.0011, abs=5e-5)


def test_logged_rates_are_those_of_the_named_schedules(runs, curves):
    """With the formulas of the README, to 0.15 % of the peak."""
    run = runs.loc[curves["run"]].reset_index()
    t, T, warmup, peak = curves["update"], run["updates"], run["warmup"], run["eta_max"]
    past = (t - warmup) / (T - warmup)
    cosine = run["eta_min"] + (peak - run["eta_min"]) * (1 + np.cos(np.pi * past)) / 2
    cosine_up = peak * (0.01 + 0.99 * (1 - np.cos(np.pi * t / warmup)) / 2)
    length = run["decay_fraction"].fillna(0) * T
    share = ((t - T + length) / length.where(length > 0)).clip(0, 1).fillna(0)
    share = share.where(run["decay_shape"] != "sqrt", np.sqrt(share))
    rates = np.where(run["schedule"] == "cosine", cosine, peak * (1 - share))
    up = np.where(run["schedule"] == "cosine", cosine_up, peak * t / warmup)
    rates = np.where(t < warmup, up, rates)
    known = curves["rate"].notna() & (run["schedule"] != "wsd_twostage")
    # Some logs count the update one later, which matters only in warm-up and steep starts.
    assert known.sum() > 25_000
    off = (np.abs(rates - curves["rate"]) / peak)[known]
    assert (off < 0.0015).mean() > 0.98
    assert off.max() < 0.02
