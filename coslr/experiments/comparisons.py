"""What a study shows: each schedule at its own best peak, paired differences, and the sentence.

The functions read the table of a `coslr.experiments.studies.Study`: columns name, eta_max, seed,
status, and the measures. A verdict is made in two steps that do not share data. The peak is chosen
on the validation images; the difference is measured on the test images, seed by seed, because the
runs of one seed share their initial weights and the order of their images.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

# Peaks further apart than this leave room for a better one between them.
FINE_GRID = 1.5


def best_rates(table: pd.DataFrame, by: str = "validation_accuracy") -> pd.DataFrame:
    """Each schedule's best peak, by the mean over seeds.

    Args:
        table: of a study.
        by: the measure that chooses; accuracies should be high, losses low.

    Returns:
        One row per name: `eta_max`; `mean` of the measure; `n` seeds; and `note`:

        - "edge": the best peak is the smallest or largest tried, so a better one may lie outside.
          It is no result.
        - "tie": another peak is as good within the standard error of their difference, and on the
          way to it the grid's next peak is more than a factor of 1.5 away. A finer grid would tell.
        - "none": every peak had a run that diverged or failed; `eta_max` is NaN.
        - "": a clear best.

        Peaks at which a run diverged or failed are never best.

    Example:
        >>> table = pd.DataFrame({
        ...     "name": "cosine", "eta_max": [0.05, 0.05, 0.1, 0.1, 0.2, 0.2], "seed": [0, 1] * 3,
        ...     "status": "ok", "validation_accuracy": [0.80, 0.81, 0.86, 0.87, 0.83, 0.83]})
        >>> best = best_rates(table).loc["cosine"]
        >>> print(best["eta_max"], best["n"], repr(best["note"]))
        0.1 2 ''
    """
    _check(table, by)
    sign = _sign(by)
    rows = []
    for name, runs in table.groupby("name", sort=False):
        scores = sign * runs.pivot(index="seed", columns="eta_max", values=by)
        # A peak counts only if every seed came through at it.
        whole = runs.groupby("eta_max")["status"].agg(lambda s: (s == "ok").all())
        means = scores.mean().where(whole & scores.notna().all())
        best = means.idxmax() if means.notna().any() else np.nan
        rows.append(
            {
                "name": name,
                "eta_max": best,
                "mean": sign * means.max(),
                "n": len(scores),
                "note": _note(scores, means, best),
            }
        )
    return pd.DataFrame(rows).set_index("name")


def _note(scores: pd.DataFrame, means: pd.Series, best: float) -> str:
    if np.isnan(best):
        return "none"
    peaks = list(means.index)
    if best in (peaks[0], peaks[-1]):
        return "edge"
    place = peaks.index(best)
    for rival in means.drop(best).dropna().index:
        gaps = scores[best] - scores[rival]
        towards = peaks[place + 1] if rival > best else peaks[place - 1]
        clear = gaps.mean() > gaps.sem()  # with one seed there is no error, and nothing is clear
        if not clear and max(best / towards, towards / best) > FINE_GRID:
            return "tie"
    return ""


@dataclass(frozen=True)
class Comparison:
    """How one schedule does against another, each at its own best peak.

    Attributes:
        a, b: names. `eta_a`, `eta_b` : their peaks.
        measure: what was compared.
        difference: mean of a - b over the seeds. `low`, `high` : its 95 % interval.
        n: seeds.
        obstacle: why there is no result, or "".
    """

    a: str
    b: str
    eta_a: float
    eta_b: float
    measure: str
    difference: float
    low: float
    high: float
    n: int
    obstacle: str = ""

    @property
    def outcome(self) -> str:
        """ "better", "worse", "within noise" or "no result": of a, against b.

        A measure that is neither an accuracy nor a loss is "higher" or "lower".
        """
        if self.obstacle:
            return "no result"
        if self.low <= 0 <= self.high:
            return "within noise"
        if not self.measure.endswith(("accuracy", "loss")):
            return "higher" if self.difference > 0 else "lower"
        return "better" if self.difference * _sign(self.measure) > 0 else "worse"

    def __str__(self) -> str:
        """The verdict as a sentence's end, for prose made from the data.

        >>> print(Comparison("cosine", "step", 0.1, 0.2, "test_accuracy", 0.0065, 0.004, 0.009, 8))
        better by 0.4 to 0.9 points, n=8
        >>> print(Comparison("cosine", "step", 0.1, 0.2, "test_loss", 0.001, -0.01, 0.012, 8))
        within noise (-0.010 to +0.012 nats, n=8)
        """
        if self.obstacle:
            return f"no result: {self.obstacle}"
        if self.low == self.high == 0:
            return f"the same in every pair, n={self.n}"
        accuracy = self.measure.endswith("accuracy") or self.measure.startswith("share")
        low, high = (100 * self.low, 100 * self.high) if accuracy else (self.low, self.high)
        loss = self.measure.endswith("loss")
        form, unit = (".1f", " points") if accuracy else (".3f", " nats") if loss else (".3g", "")
        if self.outcome == "within noise":
            return f"within noise ({low:+{form}} to {high:+{form}}{unit}, n={self.n})"
        near, far = sorted((abs(low), abs(high)))
        digits = int(form[1])
        while form[2] == "f" and digits < 9 and round(near, digits) == 0:
            digits += 1  # "better by 0.0" says nothing
        form = f".{digits}{form[2]}"
        return f"{self.outcome} by {near:{form}} to {far:{form}}{unit}, n={self.n}"


def compare(
    table: pd.DataFrame,
    a: str,
    b: str,
    *,
    measure: str = "test_accuracy",
    by: str = "validation_accuracy",
    best: pd.DataFrame | None = None,
) -> Comparison:
    """The schedule `a` against `b`, each at its own best peak, paired over the seeds.

    The interval is Student's for the mean of the paired differences; it covers the true mean in 95
    of 100 studies if the differences are about normal.

    Args:
        table: of a study.
        a, b: names in it.
        measure: what is compared.
        by: the measure that chooses the peaks.
        best: the peaks, where they were chosen before, by `best_rates` of a smaller study, and
            `table` has more seeds at these peaks; None chooses them in `table`.

    Returns:
        A `Comparison`. It is "no result" where a best peak lies at the edge of its grid, or where a
        run at the peak diverged or failed.

    Raises:
        ValueError: an unknown name or measure; different seeds; fewer than two.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> table = pd.DataFrame([
        ...     {"name": name, "eta_max": eta, "seed": seed, "status": "ok",
        ...      "validation_accuracy": 0.8 - abs(eta - 0.2) + rng.normal(0, 0.001),
        ...      "test_accuracy": 0.8 + 0.01 * (name == "cosine") + rng.normal(0, 0.001)}
        ...     for name in ("cosine", "step") for eta in (0.1, 0.2, 0.4) for seed in range(8)])
        >>> print(compare(table, "cosine", "step"))
        better by 0.9 to 1.2 points, n=8
    """
    _check(table, measure)
    for argument, name in (("a", a), ("b", b)):
        if name not in set(table["name"]):
            raise ValueError(f"{argument}={name!r}: must be one of {sorted(set(table['name']))}")
    if best is None:
        best = best_rates(table[table["name"].isin([a, b])], by)
    lacking = [name for name in (a, b) if name not in best.index]
    if lacking:
        raise ValueError(f"best: must have a peak for {a!r} and {b!r}, and lacks {lacking}")
    best = best.loc[[a, b]]
    eta_a, eta_b = (float(eta) for eta in best["eta_max"])
    result: dict[str, Any] = {"a": a, "b": b, "eta_a": eta_a, "eta_b": eta_b, "measure": measure}
    for name, row in best.iterrows():
        if row["note"] in ("edge", "none"):
            why = {
                "edge": f"the best peak of {name}, {row['eta_max']:g}, is at the edge of its grid",
                "none": f"at every peak of {name}, a run diverged or failed",
            }[row["note"]]
            nothing: dict[str, Any] = dict.fromkeys(("difference", "low", "high"), np.nan)
            return Comparison(**result, **nothing, n=int(row["n"]), obstacle=why)
    first, second = (
        table[(table["name"] == name) & (table["eta_max"] == eta)].set_index("seed")[measure]
        for name, eta in ((a, eta_a), (b, eta_b))
    )
    for name, eta, runs in ((a, eta_a, first), (b, eta_b, second)):
        if runs.empty:
            raise ValueError(f"best: has the peak {eta:g} for {name!r}, at which table has no run")
    if set(first.index) != set(second.index):
        raise ValueError(f"table: {a!r} and {b!r} must have the same seeds, for pairs")
    lost = [name for name, runs in ((a, first), (b, second)) if not np.isfinite(runs).all()]
    if lost:
        nothing = dict.fromkeys(("difference", "low", "high"), np.nan)
        why = f"at the chosen peak of {lost[0]}, a run diverged or failed"
        return Comparison(**result, **nothing, n=len(first), obstacle=why)
    differences = (first - second[first.index]).to_numpy()
    return dataclasses.replace(paired(a, b, differences, measure), eta_a=eta_a, eta_b=eta_b)


def paired(a: str, b: str, differences: np.ndarray, measure: str) -> Comparison:
    """The comparison that `differences` make: a's value less b's, one for each seed.

    For what is no best peak against another: one run at two moments, or two ways to use its
    weights. The peaks in the result are NaN.

    Args:
        a, b: what is compared.
        differences: a - b, paired; two or more.
        measure: what was measured. One that ends in "accuracy" is a fraction and is shown in
            points; one that ends in "loss" is in nats, the lower the better; any other is neither
            good nor bad, a plain number or, if it starts with "share", a fraction shown in points.

    Raises:
        ValueError: fewer than two differences, or one that is not finite.

    Example:
        >>> print(paired("ensemble", "single", np.array([0.01, 0.012, 0.011]), "test_accuracy"))
        better by 0.9 to 1.3 points, n=3
    """
    mean, low, high = interval(differences)
    return Comparison(a, b, np.nan, np.nan, measure, mean, low, high, len(differences))


def interval(values: np.ndarray) -> tuple[float, float, float]:
    """Mean of at least two values, and the ends of Student's 95 % interval for it.

    >>> mean, low, high = interval(np.array([1.0, 2.0, 3.0]))
    >>> round(mean, 2), round(low, 2), round(high, 2)
    (2.0, -0.48, 4.48)
    """
    values = np.asarray(values, dtype=float)
    if len(values) < 2 or not np.isfinite(values).all():
        raise ValueError(
            f"values={values}: must be at least two, of two seeds, and finite, for an interval"
        )
    mean = float(values.mean())
    half = float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values))
    return mean, mean - half, mean + half


def sensitivity(table: pd.DataFrame, measure: str = "test_accuracy") -> pd.DataFrame:
    """How a measure depends on the peak: mean and 95 % interval over seeds, per name and eta_max.

    Args:
        table: of a study, with two seeds or more.
        measure: any of its measures.

    Returns:
        Columns name, eta_max, mean, low, high, n. All three are NaN where a run diverged or failed.
    """
    _check(table, measure)
    rows = []
    for (name, eta), runs in table.groupby(["name", "eta_max"], sort=False):
        values = runs[measure].to_numpy()
        whole = (runs["status"] == "ok").all() and np.isfinite(values).all()
        mean, low, high = interval(values) if whole else (np.nan,) * 3
        described = {"name": name, "eta_max": eta, "mean": mean, "low": low, "high": high}
        rows.append(described | {"n": len(values)})
    return pd.DataFrame(rows)


def tolerance(
    table: pd.DataFrame, within: float = 0.01, measure: str = "test_accuracy"
) -> pd.Series:
    """The factor that the peak may be off by: largest over smallest that is nearly as good as best.

    Args:
        table: of a study.
        within: how far below the best mean still counts: 0.01 is a point of accuracy.
        measure: any of its measures.

    Returns:
        A factor per name, at least 1. The grid's ends limit it, and its steps are all it can
        resolve. NaN where every peak had a run that diverged or failed.
    """
    means = sensitivity(table, measure).assign(score=lambda t: _sign(measure) * t["mean"])
    good = means[means["score"] >= means.groupby("name")["score"].transform("max") - within]
    factors = good.groupby("name", sort=False)["eta_max"].agg(lambda eta: eta.max() / eta.min())
    return factors.reindex(table["name"].unique())


def _sign(measure: str) -> int:
    return 1 if measure.endswith("accuracy") else -1


def _check(table: pd.DataFrame, measure: str) -> None:
    missing = {"name", "eta_max", "seed", "status", measure} - set(table.columns)
    if missing:
        raise ValueError(f"table: must have the columns {sorted(missing)}, as that of a study")
    if table.duplicated(["name", "eta_max", "seed"]).any():
        raise ValueError("table: must have one row for each name, eta_max and seed")
