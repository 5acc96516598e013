"""The published runs as lesson 11 reads them, and what its text cites."""

import numpy as np
import pytest

from coslr.course import published
from coslr.loss_laws import fit_loss_law


def test_every_run_but_a_prolonged_one_has_a_label():
    table = published.all_runs()
    assert len(table) == 235
    assert ((table["label"] == "") == (table["schedule"] == "wsd_twostage")).all()
    assert (table["label"] == "constant").sum() == (table["decay_fraction"] == 0).sum() > 0
    rooted = table["label"].str.endswith("square root")
    assert (rooted == (table["decay_shape"] == "sqrt")).all()


def test_repeats_are_twenty_pairs_and_the_band_follows_from_them():
    table = published.all_runs()
    sizes = table.groupby(published.SETTINGS, dropna=False).size()
    assert (sizes == 2).sum() == 20
    assert sizes.max() == 2
    assert published.repeat_deviation() == pytest.approx(0.0011, abs=5e-5)
    # 2.086 is the quantile of Student's distribution for 20 pairs.
    expected = 2.086 * np.sqrt(2) * published.repeat_deviation()
    assert published.band() == pytest.approx(expected, rel=1e-3)


def test_a_loss_is_the_mean_of_repeats_at_one_peak_or_the_lowest_of_all_peaks():
    table = published.all_runs()["final_val_loss"]
    assert published.loss("cosine to zero", 0.001) == (table[140] + table[215]) / 2
    at = [0.0001, 0.0005, 0.001, 0.002, 0.003]
    each = [published.loss("cosine to zero", peak) for peak in at]
    assert published.loss("cosine to zero") == min(each)
    assert published.best_peak("cosine to zero") == at[int(np.argmin(each))]


@pytest.mark.parametrize("ask", [published.loss, published.best_peak])
def test_what_was_not_published_has_no_loss(ask):
    with pytest.raises(ValueError, match=r"^label="):
        ask("step")


@pytest.mark.parametrize("run", [-1, 235])
def test_an_unknown_run_has_no_curve(run):
    with pytest.raises(ValueError, match=r"^run="):
        published.curve(run)


def test_the_curve_of_a_branch_has_all_rates_and_its_own_losses():
    rates, updates, losses = published.curve(52)
    assert len(rates) == 50_000
    assert updates[0] >= 40_000 > 0.8 * updates[0]
    assert len(updates) == len(losses)
    assert rates[20_000] == published.PEAK
    assert rates[45_000] == pytest.approx(published.PEAK / 2, rel=0.01)


def test_a_branch_begins_where_its_trunk_was():
    trunk = published.curve(190)
    for run in published.branches(190):
        rates, updates, losses = published.curve(run)
        assert losses[0] == trunk.losses[trunk.updates == updates[0]].item()
        plateau = slice(1000, int(updates[0]))
        assert rates[plateau] == pytest.approx(trunk.rates[plateau])
        assert rates[-1] < published.PEAK / 5
    assert 220 not in published.branches(190)  # a repeat, which has losses of its own
    assert not published.branches(52)


def test_predictions_leave_out_the_fitted_runs_and_those_that_diverged():
    found = published.ends()
    assert len(found.runs) == 38
    assert not set(found.runs) & set(published.FITTED)
    assert found.error <= 0.015  # what the lesson promises
    assert found.furthest >= found.error >= abs((found.predicted - found.measured).mean())
    diverged = published.ends(peak=0.005)
    assert len(diverged.runs) == 0


def test_a_prediction_is_the_law_at_the_last_known_loss():
    found = published.ends(updates=35_000)
    for run, predicted, measured in zip(*found, strict=True):
        rates, updates, losses = published.curve(int(run))
        at_end = published.law().predict(rates)[updates[-1] - 1]
        assert predicted == pytest.approx(at_end, rel=1e-9)
        assert measured == losses[-1]


def test_the_law_beats_a_guess_but_does_not_rank_cooldowns():
    assert published.mean_error() < 0.8 * published.error_without_law()
    assert published.order_of_cooldowns() < 0.5 < published.order_of_the_bound()


@pytest.mark.slow
def test_the_kept_law_is_the_fitted_one():
    rates, updates, losses = zip(*map(published.curve, published.FITTED), strict=True)
    fitted = fit_loss_law(rates, updates, losses, law="multi-power")
    for name, value in published.MULTI_POWER.parameters.items():
        assert fitted.parameters[name] == pytest.approx(value, rel=1e-3), name
