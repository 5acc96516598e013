"""A contest: every schedule gets the same search for its best peak, and is judged there.

Two sets of seeds keep choosing and judging apart. The search seeds choose the peak on validation
images by the rule of `coslr.experiments.search`. The judged seeds train at that peak alone, and
their test images give the comparisons.

A contest trains nothing itself. `Contest.pending` says which trials the rule asks for next, given
the rows that are there, so that a contest can be stopped and continued anywhere.
"""

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from coslr._arguments import positive, require
from coslr._optional import extra
from coslr.experiments import search
from coslr.experiments.outcomes import kind_of
from coslr.experiments.trials import Trial, grid
from coslr.schedules import Schedule

with extra("train"):
    import pandas as pd

Maker = Callable[[float, int], Schedule]

SEARCH, JUDGE = "search", "judge"
MINUS = " minus "  # in a name such as "cosine@50 minus cosine@40"
FAILED = "failed"  # how the status of a run begins that ended with an error
SEARCHING = "the search goes on"  # the obstacle of an entry whose best peak is not known yet
ROW = ["contest", "name", "variant", "eta_max", "seed", "role"]  # what tells one row from another


@dataclass(frozen=True)
class Entry:
    """One schedule in a contest.

    Attributes:
        name: what tables call it.
        schedule: a function of (eta_max, updates); or several by name, such as an exponential with
            three floors. Each of several is searched in the same way, and the one with the best
            validation score is judged.
        centre: the middle of the first five peaks.
        settings: fields of its trials that differ from the contest's, such as the optimizer.
        variant_settings: the same for each variant by its name, such as three weight decays.
        peak_from: another entry of the contest. This one then needs no search: it is judged at the
            other's best peak, to show what changes if nothing else does.
        times: with `peak_from`, the factor by which the other's best peak is multiplied.
    """

    name: str
    schedule: Maker | Mapping[str, Maker]
    centre: float = 0.1
    settings: Mapping[str, Any] = field(default_factory=dict)
    variant_settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    peak_from: str = ""
    times: float = 1.0

    def __post_init__(self) -> None:
        variants, named = sorted(self.variants), sorted(self.variant_settings)
        require(set(named) <= set(variants), "variant_settings", named, f"some of {variants}")
        one = not self.peak_from or len(variants) == 1
        require(one, "schedule", variants, "one alone, where peak_from chooses the peak")
        positive("centre", self.centre)
        positive("times", self.times)
        require(self.peak_from or self.times == 1, "times", self.times, "1 without peak_from")

    @property
    def variants(self) -> dict[str, Maker]:
        """Name -> schedule; "-" is the name of an only one."""
        return dict(self.schedule) if isinstance(self.schedule, Mapping) else {"-": self.schedule}


@dataclass(frozen=True)
class Contest:
    """Schedules on one budget, each at its own best peak, or all at one shared peak.

    Attributes:
        name: the regime, such as "weight decay 5e-4".
        entries: the schedules; names differ.
        search_seeds, judge_seeds: no seed is in both.
        settings: fields of every trial, as `coslr.experiments.trials.grid` takes them.
        by: the validation measure that chooses, such as an accuracy or a loss.
        shared_peak: the peak of all schedules, which then need no search; None is each its best.
    """

    name: str
    entries: tuple[Entry, ...]
    search_seeds: tuple[int, ...]
    judge_seeds: tuple[int, ...]
    settings: Mapping[str, Any]
    by: str = "validation_accuracy"
    shared_peak: float | None = None

    def __post_init__(self) -> None:
        names = [entry.name for entry in self.entries]
        require(len(set(names)) == len(names) > 0, "entries", names, "schedules of different names")
        marked = [name for name in names if "@" in name or MINUS in name]
        right = (
            'names without "@" and " minus ", which Standings reads as an epoch and a difference'
        )
        require(not marked, "entries", marked, right)
        if self.shared_peak is None:
            require(self.search_seeds, "search_seeds", self.search_seeds, "at least one seed")
        else:
            positive("shared_peak", self.shared_peak)
            own = [e.name for e in self.entries if e.peak_from or len(e.variants) > 1]
            right = "without peak_from and variants, which need a search, where a peak is shared"
            require(not own, "entries", own, right)
        both = sorted({*self.search_seeds} & {*self.judge_seeds})
        require(not both, "judge_seeds", both, "seeds that choose no peak")
        require(self.by.startswith("validation_"), "by", self.by, "a measure of validation images")
        kind_of(self.by, "by")  # raises where nothing says whether a high value is good
        for entry in self.entries:
            searched = [other.name for other in self.entries if not other.peak_from]
            known = not entry.peak_from or entry.peak_from in searched
            require(known, "peak_from", entry.peak_from, f"an entry with a search, of {searched}")

    def pending(self, table: pd.DataFrame) -> list[Trial]:
        """The trials that the rule asks for next; none when the contest is over.

        Args:
            table: the rows so far, of this contest and of others, with the columns `ROW`, `status`
                and `by`; an empty frame at the start.
        """
        kept = _not_failed(table)
        done = {tuple(row) for row in kept[ROW].itertuples(index=False)} if len(kept) else set()
        return [
            trial
            for entry in self.entries
            for trial in self._wanted(entry, table)
            if (self.name, trial.name, *_variant_peak_seed(trial), dict(trial.extras)["role"])
            not in done
        ]

    def best(self, table: pd.DataFrame) -> pd.DataFrame:
        """Where each search stands: a row per entry with variant, eta_max, score and obstacle.

        `score` is the mean of `by` over the search seeds at the chosen peak. A loss has the
        opposite sign there, so that higher is always better; NaN stands where the entry had no
        search of its own. `eta_max` is NaN while the search goes on, and where it has no result.
        """
        rows = []
        for entry in self.entries:
            variant, eta, score, obstacle = self._choice(entry, table)
            rows.append(
                {
                    "name": entry.name,
                    "variant": variant,
                    "eta_max": eta,
                    "score": score,
                    "obstacle": obstacle,
                }
            )
        return pd.DataFrame(rows).set_index("name")

    def at_best(self, name: str, table: pd.DataFrame, seeds: Iterable[int]) -> list[Trial]:
        """The judged trials of an entry with these seeds, at the peak that its search chose.

        Args:
            name: of the entry.
            table: as in `pending`.
            seeds: any seeds, also others than the contest's.

        Raises:
            ValueError: there is no such entry; its search is not over, or has no result.
        """
        named = {entry.name: entry for entry in self.entries}
        require(name in named, "name", name, f"one of {', '.join(named)}")
        entry = named[name]
        variant, eta, _, obstacle = self._choice(entry, table)
        require(not math.isnan(eta), "name", name, f"an entry with a best peak, but {obstacle}")
        return self._trials(entry, variant, (eta,), JUDGE, seeds)

    def trained(self, table: pd.DataFrame) -> Iterator[tuple[Hashable, Trial]]:
        """The index of each of this contest's rows, and the trial whose result the row is.

        Args:
            table: as in `pending`. A failure is no result, and a row that no entry trained, such as
                a mean of runs, has no trial.
        """
        rows = _not_failed(table)
        for entry in self.entries:
            own = rows[(rows["contest"] == self.name) & (rows["name"] == entry.name)]
            for index, row in own.iterrows():
                variant, peak, role = row["variant"], (row["eta_max"],), row["role"]
                (trial,) = self._trials(entry, variant, peak, role, [row["seed"]])
                yield index, trial

    def _wanted(self, entry: Entry, table: pd.DataFrame) -> Iterator[Trial]:
        if self.shared_peak is None and not entry.peak_from:
            searching = False
            for variant in entry.variants:
                found = search.progress(self._scores(entry, variant, table), entry.centre)
                searching = searching or bool(found.wanted)
                yield from self._trials(entry, variant, found.wanted, SEARCH, self.search_seeds)
            if searching:
                return
        variant, eta, _, _ = self._choice(entry, table)
        if not math.isnan(eta):  # there is a result to judge
            yield from self._trials(entry, variant, (eta,), JUDGE, self.judge_seeds)

    def _trials(
        self,
        entry: Entry,
        variant: str,
        peaks: tuple[float, ...],
        role: str,
        seeds: Iterable[int],
    ) -> list[Trial]:
        extras = {"contest": self.name, "variant": variant, "role": role}
        own = {**entry.settings, **entry.variant_settings.get(variant, {})}
        settings = {**self.settings, **own, "extras": extras}
        return grid({entry.name: entry.variants[variant]}, peaks, [*seeds], **settings)

    def _scores(self, entry: Entry, variant: str, table: pd.DataFrame) -> dict[float, float]:
        """Peak -> mean score of the search seeds, for the peaks that all of them have tried."""
        if not len(table):
            return {}
        rows = table[
            (table["contest"] == self.name)
            & (table["name"] == entry.name)
            & (table["variant"] == variant)
            & (table["role"] == SEARCH)
            & table["seed"].isin(self.search_seeds)
        ]
        rows = _not_failed(rows)
        sign = -1 if kind_of(self.by).low_is_good else 1
        scores = {}
        for eta, runs in rows.groupby("eta_max"):
            if set(self.search_seeds) <= set(runs["seed"]):
                came_through = (runs["status"] == "ok").all()
                scores[float(eta)] = (
                    sign * float(runs[self.by].mean()) if came_through else math.nan
                )
        return scores

    def _choice(self, entry: Entry, table: pd.DataFrame) -> tuple[str, float, float, str]:
        """Variant, peak and score to be judged, or NaN and the obstacle."""
        nan = math.nan
        if self.shared_peak is not None:
            return next(iter(entry.variants)), self.shared_peak, nan, ""
        if entry.peak_from:
            (other,) = (other for other in self.entries if other.name == entry.peak_from)
            _, eta, _, obstacle = self._choice(other, table)
            return next(iter(entry.variants)), search.significant(entry.times * eta), nan, obstacle
        candidates, obstacles = [], []
        for variant in entry.variants:
            scores = self._scores(entry, variant, table)
            found = search.progress(scores, entry.centre)
            if found.wanted:
                return "", nan, nan, SEARCHING
            if found.best is None:
                obstacles.append(" ".join([variant, found.obstacle]).strip())
            else:
                candidates.append((scores[found.best], variant, found.best))
        if not candidates:
            return "", nan, nan, "; ".join(obstacles)
        score, variant, eta = max(candidates, key=lambda candidate: candidate[0])
        return variant, eta, score, ""


def _not_failed(table: pd.DataFrame) -> pd.DataFrame:
    """A failure, unlike a divergence, says nothing of a schedule: it counts as not trained."""
    return table[~table["status"].str.startswith(FAILED)] if len(table) else table


def _variant_peak_seed(trial: Trial) -> tuple[str, float, int]:
    return dict(trial.extras)["variant"], trial.eta_max, trial.seed
