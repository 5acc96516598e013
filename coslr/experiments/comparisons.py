"""The standings of a contest: each schedule's best peak, and how it does there against the others.

`run` holds a contest from its first search to its last judged run. `Standings` shows the result, as
a table, a figure or a sentence. It reads rows only, so it serves a contest that was held years ago
as well as one that was held a minute ago.

Differences are paired: runs with the same seed share their initial weights and the order of their
images. Search seeds choose the peaks, and judged seeds alone are compared.
"""

import dataclasses
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from coslr._arguments import require, sequence, whole
from coslr._optional import extra
from coslr.experiments import outcomes, studies
from coslr.experiments.contests import FAILED, JUDGE, MINUS, ROW, SEARCHING, Contest
from coslr.experiments.outcomes import Outcome
from coslr.experiments.trials import MEASURES

with extra("train"):
    import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ACCURACY_FIRST = ("test_accuracy", "test_loss")


@dataclass(frozen=True)
class Comparison:
    """How `a` does against `b` in one measure.

    Attributes:
        a, b: names of entries.
        eta_a, eta_b: the peaks at which they were judged; NaN where each seed has its own.
        measure: what is compared.
        outcome: the `Outcome`; None where there is none.
        obstacle: why there is no outcome, or "".
        waiting: whether there is none because runs are still to be made.
    """

    a: str
    b: str
    eta_a: float
    eta_b: float
    measure: str
    outcome: Outcome | None
    obstacle: str = ""
    waiting: bool = False

    @property
    def word(self) -> str:
        """ "better", "worse", "equivalent" or "open", of `a`; "no result" where there is none."""
        return self.outcome.word if self.outcome else "no result"

    def __str__(self) -> str:
        """The result as the end of a sentence, such as "better by 0.45 points (...)"."""
        if self.outcome is None:
            return f"no result: {self.obstacle}"
        return outcomes.in_words(self.outcome, self.measure)


@dataclass(frozen=True, eq=False)
class Standings:
    """What the rows of a contest show.

    A name may be followed by "@" and an epoch, as in "cosine@25": the same runs after that epoch.
    That needs the curves. Two names with "minus" between them, as in "cosine@25 minus cosine@10",
    are the difference of the two, seed by seed: here, what fifteen epochs add.

    The rows have to keep the rules of the contest. A seed that was judged twice, or runs at another
    peak than the one that the search chose, are an error and no result.

    Attributes:
        contest: the contest.
        rows: a row per trial, with the columns `coslr.experiments.contests.ROW`, `status` and the
            measures. Rows of other contests may be among them.
        curves: a row per judged trial and epoch, with the columns of `ROW`, `epoch` and the
            measures; None where nothing asks for another moment than the end.
        measures: the first one decides, and the others are shown beside it.
        derived: names in the rows that are no entries, such as an ensemble of an entry's networks,
            each with the seeds that it is made for.

    Example:
        >>> from coslr import Constant, Cosine
        >>> from coslr.experiments.contests import Entry
        >>> from coslr.experiments.trials import Split
        >>> entries = (Entry("cosine", lambda eta, T: Cosine(T, eta)),
        ...            Entry("constant", lambda eta, T: Constant(eta)))
        >>> contest = Contest("example", entries, (0,), (1, 2, 3, 4), {}, shared_peak=0.1)
        >>> rows = pd.DataFrame([
        ...     {"contest": "example", "name": name, "variant": "-", "eta_max": 0.1, "seed": seed,
        ...      "role": "judge", "status": "ok", "test_accuracy": value + seed / 1000,
        ...      "test_loss": 1 - value - seed / 1000}
        ...     for name, values in {"cosine": (0.9, 0.901, 0.902, 0.9),
        ...                          "constant": (0.88, 0.882, 0.881, 0.88)}.items()
        ...     for seed, value in zip((1, 2, 3, 4), values)])
        >>> standings = Standings(contest, rows)
        >>> print(standings.compare("cosine", "constant"))
        better by 2.00 points (95 % interval +1.87 to +2.13, n=4)
        >>> standings.table("constant").loc["cosine", "outcome"]
        'better'
    """

    contest: Contest
    rows: pd.DataFrame
    curves: pd.DataFrame | None = None
    measures: tuple[str, ...] = ACCURACY_FIRST
    derived: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @cached_property
    def best(self) -> pd.DataFrame:
        """A row per entry, with the variant and the peak that the search chose."""
        return self.contest.best(self._own)

    @property
    def names(self) -> list[str]:
        """What was judged, in the order of the contest; then what was derived."""
        judged = set(self._judged["name"])
        return [name for name in self._known if name in judged]

    @property
    def _known(self) -> list[str]:
        return [*(entry.name for entry in self.contest.entries), *self.derived]

    def compare(self, a: str, b: str, measure: str | None = None) -> Comparison:
        """`a` against `b`, paired over the judged seeds.

        Args:
            a, b: names, each perhaps with an epoch or a "minus", as above.
            measure: a column of the rows; None is the first of `measures`.

        Raises:
            ValueError: a name or a measure that is not there, an epoch without a curve, or rows
                that do not keep the rules of the contest.
        """
        measure = measure or self.measures[0]
        (eta_a, values_a), (eta_b, values_b) = (self._values(name, measure) for name in (a, b))
        nothing = Comparison(a, b, eta_a, eta_b, measure, None)
        for name, values in ((a, values_a), (b, values_b)):
            why, waiting = self._obstacle(name)
            if not why and not len(values):
                why, waiting = "no judged run yet", True
            if why:
                return dataclasses.replace(nothing, obstacle=f"{name}: {why}", waiting=waiting)
            if not np.isfinite(values).all():
                fate = self._fate(name)
                why = f"{name}: a run {fate} at the chosen peak"
                return dataclasses.replace(nothing, obstacle=why, waiting=fate == FAILED)
        expected = set(self.contest.judge_seeds or self.derived.get(a, values_a.index))
        if not set(values_a.index) == set(values_b.index) == expected:
            why = "not all seeds have been judged yet"
            return dataclasses.replace(nothing, obstacle=why, waiting=True)
        differences = (values_a - values_b).to_numpy(dtype=float)  # pandas pairs them by seed
        if len(differences) < 2:
            return dataclasses.replace(nothing, obstacle="there is one judged seed only")
        if len(differences) == 2 and np.ptp(differences) < 1e-12:
            why = "both seeds differ by the same, which says nothing of chance: judge more seeds"
            return dataclasses.replace(nothing, obstacle=why)
        return dataclasses.replace(nothing, outcome=outcomes.judge(differences, measure))

    def values(self, name: str, measure: str | None = None) -> pd.Series:
        """The measure of an entry's judged runs, by seed; empty before it was judged.

        Args:
            name: of the entry, perhaps with an epoch or a "minus", as above.
            measure: a column of the rows; None is the first of `measures`.

        Raises:
            ValueError: as in `compare`.
        """
        return self._values(name, measure or self.measures[0])[1]

    def sentence(self, a: str, b: str) -> str:
        """One comparison in full, with a disagreement of the measures where there is one.

        Example: "cosine against step is better by 0.40 points (...); in test loss it is worse by
        0.0100 nats (...). The two measures disagree."
        """
        first, *others = (self.compare(a, b, measure) for measure in self.measures[:2])
        parts = [f"{a} against {b} is {first}"]
        parts += [f"in {_spoken(other.measure)} it is {other}" for other in others]
        disagree = any({first.word, other.word} == {"better", "worse"} for other in others)
        return "; ".join(parts) + "." + (" The two measures disagree." if disagree else "")

    def table(self, reference: str) -> pd.DataFrame:
        """Every other entry against the reference, in each measure of `measures`.

        Returns:
            A row per entry: `eta_max`; `difference`, `low`, `high`, `n` and `outcome` in the first
            measure; the same with the measure's name in front for the others. Units are those of
            the measures: an accuracy is a fraction.
        """
        rows: dict[str, dict[str, Any]] = {}
        for name in self._others(reference):
            rows[name] = {}
            for i, measure in enumerate(self.measures):
                found = self.compare(name, reference, measure)
                rows[name].setdefault("eta_max", found.eta_a)
                prefix = f"{measure} " if i else ""
                shown: Mapping[str, Any] = (
                    dataclasses.asdict(found.outcome) if found.outcome else {}
                )
                for column in ("difference", "low", "high", "n"):
                    rows[name][prefix + column] = shown.get(column, math.nan)
                rows[name][f"{prefix}outcome"] = found.word
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("name")

    def power(self, reference: str, seeds: Sequence[int] = (4, 8, 12, 24)) -> pd.DataFrame:
        """The true difference that so many seeds find in four studies of five.

        Args:
            reference: against which all others are compared.
            seeds: numbers of seeds, each from 2.

        Returns:
            A row per entry with `spread`, the standard deviation of the paired differences in the
            first measure, and a column per number of seeds. A spread of 0 has NaN.
        """
        rows = {}
        for name in self._others(reference):
            spread = self._spread(name, reference)
            found = spread > 0  # False for NaN too
            rows[name] = {"spread": spread} | {
                f"n={n}": outcomes.detectable(spread, whole("seeds", n, least=2))
                if found
                else math.nan
                for n in seeds
            }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("name")

    def forest(
        self, reference: str, measure: str | None = None, ax: "Axes | None" = None
    ) -> "Axes":
        """Every other entry against the reference: difference, 95 % interval, and the margin.

        Args:
            reference: the entry at zero.
            measure: a column of the rows; None is the first of `measures`.
            ax: where to draw; None is a new figure.

        Returns:
            The axes. A row's text gives the outcome. The band is the margin.
        """
        found = [
            self.compare(name, reference, measure or self.measures[0])
            for name in self._others(reference)
        ]
        return forest(found, [comparison.a for comparison in found], reference, ax)

    def _others(self, reference: str) -> list[str]:
        names = self.names
        plain = reference.partition("@")[0]
        require(plain in names, "reference", reference, f"one of {names}")
        return [name for name in names if name != reference]

    @cached_property
    def _own(self) -> pd.DataFrame:
        return self.rows[self.rows["contest"] == self.contest.name]

    @cached_property
    def _judged(self) -> pd.DataFrame:
        return self._own[self._own["role"] == JUDGE]

    @cached_property
    def _own_curves(self) -> pd.DataFrame:
        if self.curves is None or not len(self.curves):
            return pd.DataFrame()
        return self.curves[self.curves["contest"] == self.contest.name]

    def _values(self, name: str, measure: str) -> tuple[float, pd.Series]:
        """The peak of an entry, and the measure of its judged runs by seed."""
        first, minus, second = name.partition(MINUS)
        eta, values = self._measured(first, measure)
        if minus:
            _, others = self._measured(second, measure)
            both = values.index.intersection(others.index)
            values = values[both] - others[both]
        return eta, values

    def _measured(self, name: str, measure: str) -> tuple[float, pd.Series]:
        """The same for a name without a "minus"."""
        plain, _, epoch = name.partition("@")
        require(plain in self._known, "name", name, f"one of {self._known}")
        source = self._judged
        if epoch:
            right = "a name without an epoch, because there are no curves"
            require(self.curves is not None, "name", name, right)
            source = self._after(name, int(epoch) if epoch.isdecimal() else 0)
        if not len(source):
            return math.nan, pd.Series(dtype=float)
        require(measure in source.columns, "measure", measure, f"one of {[*source.columns]}")
        runs = source[source["name"] == plain].sort_values("seed")
        self._keep_the_rules(plain, runs)
        if self.contest.judge_seeds:  # others may have been judged beside them
            runs = runs[runs["seed"].isin(self.contest.judge_seeds)]
        if epoch:  # a curve that was written before its row belongs to a run that comes again
            finished = self._judged.loc[self._judged["name"] == plain, "seed"]
            runs = runs[runs["seed"].isin(finished)]
        values = runs.set_index("seed")[measure]
        if epoch:
            judged = self._judged[
                (self._judged["name"] == plain) & (self._judged["status"] == "ok")
            ]
            lacking = sorted({*judged["seed"]} & {*values.index[values.isna()]})
            right = f"one that {name} has in every run; training images are measured at the end"
            require(not lacking, "measure", measure, right)
        if "status" in runs:  # curves have none
            values = values.where((runs["status"] == "ok").to_numpy())
        peaks = runs["eta_max"].unique()  # what is derived may have one for each seed
        return float(peaks[0]) if len(peaks) == 1 else math.nan, values

    def _keep_the_rules(self, name: str, runs: pd.DataFrame) -> None:
        """Raise if the judged runs are not those that the contest asks for."""
        twice = sorted(set(runs["seed"][runs["seed"].duplicated()]))
        require(not twice, "rows", twice, f"one judged run of {name} for each seed")
        if name in self.best.index and len(runs):
            chosen = str(self.best.loc[name, "variant"]), float(self.best.loc[name, "eta_max"])
            found = sorted({*runs[["variant", "eta_max"]].itertuples(index=False, name=None)})
            right = f"runs of {name} at the variant and peak that the search chose, {chosen}"
            over = not math.isnan(chosen[1])  # a search that goes on has no peak yet
            require(not over or found == [chosen], "rows", found, right)

    def _after(self, name: str, epoch: int) -> pd.DataFrame:
        """The judged runs after an epoch."""
        curves = self._own_curves
        if not len(curves):
            return curves
        found = curves[curves["epoch"] == epoch]
        right = f"a name with an epoch from 1 to {curves['epoch'].max()}"
        require(len(found) > 0, "name", name, right)
        return found

    def _obstacle(self, name: str) -> tuple[str, bool]:
        """Why a search has no result, or "", and whether it still may have one."""
        for part in name.split(MINUS):
            plain = part.partition("@")[0]
            found = str(self.best.loc[plain, "obstacle"]) if plain in self.best.index else ""
            if found:
                return found, found == SEARCHING
        return "", False

    def _fate(self, name: str) -> str:
        """What became of the run of this name that has no result: "diverged", or "failed".

        A failed run is trained again, so it is waited for.
        """
        plain = [part.partition("@")[0] for part in name.split(MINUS)]
        states = self._judged["status"][self._judged["name"].isin(plain)].astype(str)
        return FAILED if states.str.startswith(FAILED).any() else "diverged"

    def _spread(self, a: str, b: str) -> float:
        (_, values_a), (_, values_b) = (self._values(name, self.measures[0]) for name in (a, b))
        differences = (values_a - values_b).dropna()
        return float(differences.std(ddof=1)) if len(differences) > 1 else math.nan


def run(
    contest: Contest,
    *,
    measures: tuple[str, ...] = ACCURACY_FIRST,
    workers: int | None = None,
    cache: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> Standings:
    """Hold a contest: search every schedule's peak, judge it there, and return the standings.

    Args:
        contest: what is compared, and with which seeds.
        measures: the first one decides, and the others are shown beside it.
        workers, cache, progress: as in `coslr.experiments.studies.run`.

    Returns:
        The `Standings`, with curves.

    Raises:
        ValueError, TypeError: there is no such measure.
        RuntimeError: a trial failed. What is done by then is kept in the cache. A trial that
            diverged is a result, and no failure.

    Example:
        >>> import tempfile
        >>> from coslr import Cosine
        >>> from coslr.experiments.contests import Entry
        >>> from coslr.experiments.trials import Split
        >>> tiny = {"epochs": 1, "batch_size": 50, "data": Split(500, 100, 100)}
        >>> cosine = Entry("cosine", lambda eta, T: Cosine(T, eta))
        >>> contest = Contest("tiny", (cosine,), (0,), (1, 2), tiny, shared_peak=0.1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     standings = run(contest, workers=1, cache=folder, progress=False)
        >>> len(standings.rows), standings.best["eta_max"].to_dict()
        (2, {'cosine': 0.1})
    """
    _check_measures(measures)
    rows, curves = pd.DataFrame(columns=ROW), []
    while pending := contest.pending(rows):
        study = studies.run(pending, workers=workers, cache=cache, progress=progress)
        study.refuse_failures(contest.name)
        rows = pd.concat([part for part in (rows, study.table) if len(part)], ignore_index=True)
        curves.append(study.curves[study.curves["role"] == JUDGE])
    return Standings(contest, rows, pd.concat(curves, ignore_index=True), measures)


def _check_measures(measures: object) -> None:
    right = f"some of {', '.join(MEASURES)}"
    names = sequence("measures", measures, right)
    require(names and {*names} <= {*MEASURES}, "measures", measures, right)


def forest(
    comparisons: Sequence[Comparison],
    labels: Sequence[str],
    reference: str,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw comparisons in one measure: a row each, with its interval, its outcome and the margin.

    Args:
        comparisons: at least one, all in the same measure.
        labels: what the rows are called.
        reference: what they are compared with; it stands at zero.
        ax: where to draw; None is a new figure.
    """
    with extra("course"):
        from matplotlib import pyplot as plt  # imported late: tables and sentences need no figures

    require(comparisons, "comparisons", [*comparisons], "at least one")
    measures = {comparison.measure for comparison in comparisons}
    require(len(measures) == 1, "comparisons", sorted(measures), "all in one measure")
    (measure,) = measures
    kind = outcomes.kind_of(measure)
    factor, unit, margin = kind.factor, kind.unit, kind.margin * kind.factor
    if ax is None:
        _, ax = plt.subplots(figsize=(7, 1 + 0.45 * len(comparisons)), layout="constrained")
    ax.axvspan(-margin, margin, color="0.9", zorder=0)
    ax.axvline(0, color="0.4", linewidth=1, zorder=1)
    for row, comparison in enumerate(comparisons):
        outcome = comparison.outcome
        if outcome is not None:
            ends = np.array([outcome.low, outcome.difference, outcome.high]) * factor
            _interval(ax, ends, row, f"{labels[row]} ({_label(comparison)})")
        ax.annotate(
            _label(comparison), (1.01, row), xycoords=("axes fraction", "data"), va="center"
        )
    ax.set_yticks(range(len(comparisons)), labels)
    ax.set_ylim(len(comparisons) - 0.5, -0.5)
    better = "lower is better" if kind.low_is_good else "higher is better"
    about = "; ".join(part for part in (unit, better) if part)
    ax.set_xlabel(f"{_spoken(measure)} less that of {reference}\n({about})")
    return ax


def _interval(ax: "Axes", ends: NDArray[np.float64], row: int, label: str) -> None:
    """A line from low to high, with a dot at the difference between them."""
    ax.plot(ends, [row] * 3, "o-", color="C0", markevery=[1], linewidth=2, zorder=2, label=label)


def _label(comparison: Comparison) -> str:
    return comparison.outcome.spoken if comparison.outcome else comparison.word


def _spoken(measure: str) -> str:
    return measure.replace("_", " ")
