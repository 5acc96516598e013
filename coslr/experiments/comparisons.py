"""What a study shows: each schedule's best peak, and paired differences with their intervals.

The functions read the table of a `coslr.experiments.studies.Study`, with the columns name, eta_max,
seed, status, and the measures. A comparison takes two steps that do not share data. `best_rates`
chooses each schedule's peak on the validation images. `compare` measures the difference on the test
images, seed by seed, because runs with the same seed share their initial weights and the order of
their images.
"""

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coslr._arguments import not_negative, number, require, require_type, sequence
from coslr._optional import extra
from coslr.experiments.outcomes import student_intervals

with extra("train"):
    import pandas as pd

# Two peaks of a grid that are further apart than this factor leave room for a better one between.
FINE_GRID = 1.5


# ----------------------------------------------------------------------------- the best peaks


def best_rates(table: pd.DataFrame, by: str = "validation_accuracy") -> pd.DataFrame:
    """Each schedule's best peak, by the mean over seeds.

    A peak at which a run diverged or failed is never the best.

    Args:
        table: the table of a study.
        by: the measure that chooses: the highest "...accuracy" or the lowest "...loss" is best.

    Returns:
        One row per name, with the columns `eta_max`, `mean` of the measure, `n` (seeds) and `note`:

        - "edge": the best peak is the smallest or the largest tried, and a better one may lie
          outside. It is no result.
        - "tie": another peak is as good within the standard error of their difference, and from the
          best to the next peak on that side is more than a factor of 1.5. A finer grid would tell.
        - "none": at every peak a run diverged or failed; `eta_max` is NaN.
        - "": a clear best.

    Raises:
        ValueError, TypeError: the table lacks columns or repeats a run; another kind of measure.

    Example:
        >>> table = pd.DataFrame({
        ...     "name": "cosine", "eta_max": [0.05, 0.05, 0.1, 0.1, 0.2, 0.2], "seed": [0, 1] * 3,
        ...     "status": "ok", "validation_accuracy": [0.80, 0.81, 0.86, 0.87, 0.83, 0.83]})
        >>> best = best_rates(table).loc["cosine"]
        >>> print(best["eta_max"], best["n"], repr(best["note"]))
        0.1 2 ''
    """
    _check_table(table, "by", by)
    sign = _sign("by", by)
    rows = []
    for name, runs in table.groupby("name", sort=False):
        scores = sign * runs.pivot(index="seed", columns="eta_max", values=by)
        all_ok = runs.groupby("eta_max")["status"].agg(lambda status: (status == "ok").all())
        means = scores.mean().where(all_ok & scores.notna().all())
        best = means.idxmax() if means.notna().any() else math.nan
        rows.append(
            {
                "name": name,
                "eta_max": best,
                "mean": sign * means.max(),
                "n": len(scores),
                "note": _note_on_best(scores, means, best),
            }
        )
    return pd.DataFrame(rows).set_index("name")


def _note_on_best(scores: pd.DataFrame, means: pd.Series, best: float) -> str:
    """The `note` of `best_rates`; scores has a row per seed and a column per peak, high is good."""
    if math.isnan(best):
        return "none"
    peaks = list(means.index)
    if best in (peaks[0], peaks[-1]):
        return "edge"
    place = peaks.index(best)
    for rival in means.drop(best).dropna().index:
        lead = scores[best] - scores[rival]
        is_clear = lead.mean() > lead.sem()  # False with one seed, whose standard error is NaN
        neighbour = peaks[place + 1] if rival > best else peaks[place - 1]
        step = max(best / neighbour, neighbour / best)
        if not is_clear and step > FINE_GRID:
            return "tie"
    return ""


# -------------------------------------------------------------------------------- comparisons


@dataclass(frozen=True)
class Comparison:
    """How the schedule `a` does against `b`, each at its own best peak.

    Attributes:
        a, b: names.
        eta_a, eta_b: their peaks.
        measure: what was compared.
        difference: mean of a - b over the seeds.
        low, high: the ends of its 95 % interval.
        n: how many seeds.
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
        """How a did against b, as "better", "worse", "within noise" or "no result".

        "higher" or "lower" for a measure that is neither an accuracy nor a loss.
        """
        if self.obstacle:
            return "no result"
        if self.low <= 0 <= self.high:
            return "within noise"
        if not self.measure.endswith(("accuracy", "loss")):
            return "higher" if self.difference > 0 else "lower"
        return "better" if self.difference * _sign("measure", self.measure) > 0 else "worse"

    def __str__(self) -> str:
        """The result as the end of a sentence, for prose made from the data.

        Example:
            >>> names = "cosine", "step", 0.1, 0.2
            >>> print(Comparison(*names, "test_accuracy", 0.0065, 0.004, 0.009, 8))
            better by 0.4 to 0.9 points, n=8
            >>> print(Comparison(*names, "test_loss", 0.001, -0.01, 0.012, 8))
            within noise (-0.010 to +0.012 nats, n=8)
        """
        if self.obstacle:
            return f"no result: {self.obstacle}"
        if self.low == self.high == 0:
            return f"the same in every pair, n={self.n}"
        factor, decimals, unit = _display(self.measure)
        low, high = factor * self.low, factor * self.high
        if self.outcome == "within noise":
            ends = f"{_shown(low, decimals, '+')} to {_shown(high, decimals, '+')}"
            return f"within noise ({ends}{unit}, n={self.n})"
        near, far = sorted((abs(low), abs(high)))
        while decimals is not None and decimals < 9 and round(near, decimals) == 0:
            decimals += 1  # "better by 0.0" says nothing
        ends = f"{_shown(near, decimals)} to {_shown(far, decimals)}"
        return f"{self.outcome} by {ends}{unit}, n={self.n}"


def _display(measure: str) -> tuple[int, int | None, str]:
    """A measure's factor for display, its decimals (None is three digits), and its unit."""
    if measure.endswith("accuracy") or measure.startswith("share"):
        return 100, 1, " points"
    if measure.endswith("loss"):
        return 1, 3, " nats"
    return 1, None, ""


def _shown(value: float, decimals: int | None, sign: str = "") -> str:
    return f"{value:{sign}.3g}" if decimals is None else f"{value:{sign}.{decimals}f}"


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

    The interval is Student's for the mean of the paired differences. It covers the true mean in 95
    of 100 studies if the differences are about normal.

    Args:
        table: the table of a study.
        a, b: names in it.
        measure: what is compared.
        by: the measure that chooses the peaks.
        best: the peaks that `best_rates` chose in a smaller study, whose schedules have more seeds
            at these peaks in `table`; None chooses the peaks in `table`.

    Returns:
        A `Comparison`. It is "no result" if a best peak lies at the edge of its grid, or if a run
        at the peak diverged or failed.

    Raises:
        ValueError, TypeError: an unknown name or measure; a name without a peak, or a peak without
            runs; different seeds; fewer than two seeds.

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
    _check_table(table, "measure", measure)
    names = set(table["name"])
    require(a in names, "a", a, f"one of {sorted(names)}")
    require(b in names, "b", b, f"one of {sorted(names)}")
    if best is None:
        best = best_rates(table[table["name"].isin([a, b])], by)
    _check_best(best, a, b)
    eta_a, eta_b = float(best.loc[a, "eta_max"]), float(best.loc[b, "eta_max"])
    no_result = Comparison(a, b, eta_a, eta_b, measure, math.nan, math.nan, math.nan, n=0)
    for name in (a, b):
        if obstacle := _obstacle(name, best.loc[name]):
            return dataclasses.replace(no_result, n=int(best.loc[name, "n"]), obstacle=obstacle)

    values_a = _values_by_seed(table, a, eta_a, measure)
    values_b = _values_by_seed(table, b, eta_b, measure)
    seeds_a, seeds_b = sorted(values_a.index), sorted(values_b.index)
    require(seeds_a == seeds_b, f"seeds of {b!r}", seeds_b, f"those of {a!r}, {seeds_a}, for pairs")
    for name, values in ((a, values_a), (b, values_b)):
        if not np.isfinite(values).all():
            obstacle = f"at the chosen peak of {name}, a run diverged or failed"
            return dataclasses.replace(no_result, n=len(values), obstacle=obstacle)
    differences = (values_a - values_b[values_a.index]).to_numpy()
    return dataclasses.replace(paired(a, b, differences, measure), eta_a=eta_a, eta_b=eta_b)


def _obstacle(name: str, best: pd.Series) -> str:
    """Why the search for this schedule's best peak, a row of `best_rates`, found none; or ""."""
    if best["note"] == "edge":
        return f"the best peak of {name}, {best['eta_max']:g}, is at the edge of its grid"
    if best["note"] == "none":
        return f"at every peak of {name}, a run diverged or failed"
    return ""


def _values_by_seed(table: pd.DataFrame, name: str, eta_max: float, measure: str) -> pd.Series:
    runs = table[(table["name"] == name) & (table["eta_max"] == eta_max)]
    right = "one at which table has runs"
    require(len(runs) > 0, f"best.loc[{name!r}, 'eta_max']", eta_max, right)
    return runs.set_index("seed")[measure]


def paired(a: str, b: str, differences: ArrayLike, measure: str) -> Comparison:
    """The comparison that `differences` make: a's value minus b's, one for each seed.

    It is for pairs that are not two best peaks, such as one run at two moments, or two ways to use
    its weights. The peaks in the result are NaN.

    Args:
        a, b: what is compared.
        differences: a - b for each seed, at least two.
        measure: what was measured. One that ends in "accuracy" is a fraction and is shown in
            points. One that ends in "loss" is in nats, and the lower is better. Any other is
            neither good nor bad: a fraction shown in points if it starts with "share", or else a
            plain number.

    Raises:
        ValueError, TypeError: fewer than two differences, or one that is not a finite number.

    Example:
        >>> print(paired("ensemble", "single", np.array([0.01, 0.012, 0.011]), "test_accuracy"))
        better by 0.9 to 1.3 points, n=3
    """
    require_type(isinstance(measure, str), "measure", measure, "the name of a measure")
    values = _numbers("differences", differences)
    mean, low, high = interval(values)
    return Comparison(a, b, math.nan, math.nan, measure, mean, low, high, len(values))


def interval(values: ArrayLike) -> tuple[float, float, float]:
    """Mean of the values and the ends of its 95 % interval, Student's: (mean, low, high).

    Equal values have an interval of width 0.

    Args:
        values: finite numbers, one for each seed, at least two.

    Raises:
        ValueError, TypeError: fewer than two values, or one that is not a finite number.

    Example:
        >>> [round(x, 2) for x in interval([1.0, 2.0, 3.0])]
        [2.0, -0.48, 4.48]
    """
    mean, (low, high) = student_intervals(_numbers("values", values), 0.95)
    return mean, low, high


def _numbers(name: str, values: ArrayLike) -> NDArray[np.float64]:
    right = "at least two numbers, one for each seed"
    items = sequence(name, values, right)
    require(len(items) >= 2, name, values, right)
    return np.array([number(f"{name}[{i}]", item) for i, item in enumerate(items)], dtype=float)


# ------------------------------------------------------------------- how much a peak matters


def sensitivity(table: pd.DataFrame, measure: str = "test_accuracy") -> pd.DataFrame:
    """How a measure depends on the peak: mean and 95 % interval over seeds, per name and eta_max.

    Args:
        table: the table of a study with at least two seeds.
        measure: any of its measures.

    Returns:
        Columns name, eta_max, mean, low, high, n. Mean, low and high are NaN where a run diverged
        or failed.

    Raises:
        ValueError, TypeError: the table lacks columns, repeats a run, or has one seed.

    Example:
        >>> table = pd.DataFrame({"name": "cosine", "eta_max": [0.1, 0.1, 0.2, 0.2],
        ...     "seed": [0, 1] * 2, "status": "ok", "test_accuracy": [0.86, 0.87, 0.83, 0.83]})
        >>> sensitivity(table)[["eta_max", "mean"]].round(3).values.tolist()
        [[0.1, 0.865], [0.2, 0.83]]
    """
    _check_table(table, "measure", measure)
    rows = []
    for (name, eta), runs in table.groupby(["name", "eta_max"], sort=False):
        values = runs[measure].to_numpy()
        is_complete = (runs["status"] == "ok").all() and np.isfinite(values).all()
        mean, low, high = interval(values) if is_complete else (math.nan, math.nan, math.nan)
        row = {"name": name, "eta_max": eta, "mean": mean, "low": low, "high": high}
        rows.append(row | {"n": len(values)})
    return pd.DataFrame(rows)


def tolerance(
    table: pd.DataFrame, within: float = 0.01, measure: str = "test_accuracy"
) -> pd.Series:
    """By what factor the peak may be off: the largest over the smallest peak close to the best.

    The grid limits the factor at its ends, and its steps are the finest that the factor can show.

    Args:
        table: the table of a study with at least two seeds.
        within: how far from the best mean is still close, at least 0; 0.01 is a point of accuracy.
        measure: an "...accuracy", high is best, or a "...loss", low is best.

    Returns:
        One factor per name, at least 1; NaN if at every peak a run diverged or failed.

    Raises:
        ValueError, TypeError: as in `sensitivity`; another kind of measure; a negative `within`.

    Example:
        >>> table = pd.DataFrame({"name": "cosine", "eta_max": [0.1, 0.1, 0.2, 0.2],
        ...     "seed": [0, 1] * 2, "status": "ok", "test_accuracy": [0.86, 0.87, 0.83, 0.83]})
        >>> tolerance(table, within=0.01).to_dict(), tolerance(table, within=0.05).to_dict()
        ({'cosine': 1.0}, {'cosine': 2.0})
    """
    within = not_negative("within", within)
    sign = _sign("measure", measure)
    means = sensitivity(table, measure).assign(score=lambda rows: sign * rows["mean"])
    best = means.groupby("name")["score"].transform("max")
    close = means[means["score"] >= best - within]
    factors = close.groupby("name", sort=False)["eta_max"].agg(lambda eta: eta.max() / eta.min())
    return factors.reindex(table["name"].unique())


# ------------------------------------------------------------------------------------- checks


def _sign(argument: str, measure: str) -> int:
    """1 if a high value of the measure is good, -1 if a low one is."""
    right = 'a measure that ends in "accuracy" or "loss"'
    require(measure.endswith(("accuracy", "loss")), argument, measure, right)
    return 1 if measure.endswith("accuracy") else -1


def _check_table(table: pd.DataFrame, argument: str, measure: str) -> None:
    """An error unless it is a study's table with this measure, which the `argument` names."""
    require_type(isinstance(table, pd.DataFrame), "table", table, "the table of a study")
    columns = list(table.columns)
    for column in ("name", "eta_max", "seed", "status"):
        require(column in columns, "table.columns", columns, f"a study's, with {column!r}")
    require_type(isinstance(measure, str), argument, measure, "the name of a measure")
    require(measure in columns, argument, measure, f"a column of table, one of {columns}")
    runs = table[["name", "eta_max", "seed"]]
    repeated = list(runs[runs.duplicated()].itertuples(index=False, name=None))
    right = "none: a table has one row for each name, eta_max and seed"
    require(not repeated, "repeated rows of table", repeated, right)


def _check_best(best: pd.DataFrame, a: str, b: str) -> None:
    require_type(isinstance(best, pd.DataFrame), "best", best, "a table made by best_rates")
    for name in (a, b):
        require(
            name in best.index, "best.index", list(best.index), f"names with {name!r} among them"
        )
