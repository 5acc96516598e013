"""What a study of the evidence is made of, and the seeds that all of them share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from coslr._arguments import require
from coslr._optional import extra
from coslr.experiments.contests import Contest, Entry
from coslr.experiments.trials import Trial

with extra("train"):
    import pandas as pd

SEARCH_SEEDS = (900, 901)
JUDGE_SEEDS = tuple(range(1000, 1012))


@dataclass(frozen=True)
class Derived:
    """A row that trains nothing of its own: it is made from what judged runs left behind.

    Attributes:
        name: what the table calls it.
        contest: the contest that it joins.
        measures: function of (contest, table, seed) that returns the row's eta_max and measures.
        seeds: for which seeds there is a row.
    """

    name: str
    contest: str
    measures: Callable[[Contest, pd.DataFrame, int], dict[str, float]]
    seeds: tuple[int, ...] = JUDGE_SEEDS


@dataclass(frozen=True)
class Evidence:
    """One study of the evidence.

    Attributes:
        name: of the study and of its tables.
        contests: in the order in which they run.
        comparisons: which pairs are compared, as (contest, a, b).
        measures: columns of the table; the first decides.
        derived: rows that are made after the contests.
        walk: function that makes a table's rows from trials, for a study that trains nothing.
    """

    name: str
    contests: tuple[Contest, ...]
    comparisons: tuple[tuple[str, str, str], ...]
    measures: tuple[str, ...] = ("test_accuracy", "test_loss")
    derived: tuple[Derived, ...] = ()
    walk: Callable[[Sequence[Trial]], pd.DataFrame] | None = None

    def pending(self, table: pd.DataFrame) -> list[Trial]:
        """What the first contest that is not over asks for next; none when all are over."""
        return next((wanted for contest in self.contests if (wanted := contest.pending(table))), [])

    def contest(self, name: str) -> Contest:
        """The contest of this name.

        Raises:
            ValueError: there is no such contest.
        """
        named = {contest.name: contest for contest in self.contests}
        require(name in named, "contest", name, f"one of {', '.join(named)}")
        return named[name]


def against(contest: str, a: str, *others: str) -> tuple[tuple[str, str, str], ...]:
    """Comparisons of one entry with each of the others."""
    return tuple((contest, a, other) for other in others)


def contest(
    name: str,
    entries: tuple[Entry, ...],
    settings: Mapping[str, Any],
    judge_seeds: tuple[int, ...] = JUDGE_SEEDS,
    **more: Any,
) -> Contest:
    """A contest with the seeds that the studies share."""
    return Contest(name, entries, SEARCH_SEEDS, judge_seeds, settings, **more)
