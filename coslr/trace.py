"""A trace: the learning rates that were in force, update by update, from a run or from its log."""

import csv
import numbers
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from coslr._arguments import require, require_type, whole
from coslr._comparing import explained, one_per_group, wrong_rate
from coslr._rates import (
    RateFunction,
    Schedules,
    agree,
    at_updates,
    checked_tolerance,
    held,
    largest_until,
    stretched_twice,
    written_precision,
)
from coslr.diagnosis import Diagnosis, diagnose

__all__ = ["Trace", "TraceError"]


class TraceError(AssertionError):
    """A trace holds a value that is not the schedule's, or none. It is an ``AssertionError``."""


@dataclass
class Trace:
    """The learning rate in force at each update, as an audit or a log recorded it.

    Attributes:
        groups: the rates of every param group: ``groups[i][k]`` is group i at the k-th recorded
            update.
        first_update: index of the first update of the run, or of the part of it that was recorded:
            above 0 if the run went on from a checkpoint.
        updates: index of each recorded update, where a log kept only some. None means every update
            from `first_update` on.
        other: whatever else was recorded, by its name, each in the shape of `groups`:
            ``other["weight_decay"][i][k]``.

    Example:
        >>> trace = Trace([[0.4, 0.3], [0.04, 0.03]], first_update=7)  # two param groups
        >>> trace.rates, list(trace.indices)
        ([0.4, 0.3], [7, 8])
    """

    groups: list[list[float]] = field(default_factory=list)
    first_update: int = 0
    updates: list[int] | None = None
    other: dict[str, list[list[float]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        right = "a list of rates for each param group, as in Trace([rates])"
        is_flat = any(isinstance(rates, numbers.Number) for rates in self.groups)
        require_type(not is_flat, "groups", self.groups, right)

    @property
    def rates(self) -> list[float]:
        """The rates of the first param group."""
        return self.groups[0] if self.groups else []

    @property
    def indices(self) -> Sequence[int]:
        """The index of each recorded update."""
        if self.updates is not None:
            return self.updates
        return range(self.first_update, self.first_update + len(self.rates))

    def differences(
        self,
        schedule: Schedules,
        *,
        steps_per_unit: float = 1,
        hold: int = 1,
        first_update: int | None = None,
    ) -> list[list[float]]:
        """Subtract the schedule's rates from the recorded ones.

        Args:
            schedule: a schedule, any function of t, or a list of one for each param group.
            steps_per_unit, hold: as in `check`.
            first_update: index of the first recorded update; None is the trace's own. It cannot be
                given where the trace has `updates`.

        Returns:
            Recorded minus scheduled rate, ``[i][k]`` for param group i at the k-th recorded update.

        Raises:
            TypeError, ValueError: an argument is wrong; the message names it and says what is
                right.

        Example:
            >>> from coslr import Linear
            >>> trace = Trace([[0.4, 0.4, 0.4]])  # the rate never moved
            >>> [round(d, 9) for d in trace.differences(Linear(T_max=4, eta_max=0.4))[0]]
            [0.0, 0.1, 0.2]
        """
        indices = self.indices
        if first_update is not None:
            must_be = "None, because the trace has the index of each update"
            require(self.updates is None, "first_update", first_update, must_be)
            first_update = whole("first_update", first_update, least=0)
            indices = range(first_update, first_update + len(self.rates))
        return [
            [rate - float(expected(k)) for rate, k in zip(rates, indices, strict=True)]
            for rates, expected in zip(
                self.groups, self._expected(schedule, steps_per_unit, hold), strict=True
            )
        ]

    def check(
        self,
        schedule: Schedules | Mapping[str, Schedules],
        *,
        steps_per_unit: float = 1,
        hold: int = 1,
        tolerance: float | None = None,
    ) -> None:
        """Compare every recorded rate with the schedule, as `coslr.audit.audit` does in a run.

        Args:
            schedule: a schedule, any function of t, or a list of one for each param group. A dict
                checks more than the rate: ``{"lr": ..., "weight_decay": ...}``.
            steps_per_unit: updates in one unit of the schedule; ``len(loader)`` for epochs. With
                `hold` above 1, the number of stairs in one unit.
            hold: updates that share one rate: update k has the rate at
                ``(k // hold) / steps_per_unit``. For a loop that steps once an epoch of n updates,
                pass n, a schedule in epochs, and no `steps_per_unit`.
            tolerance: largest relative difference that passes, from 0 to 0.1. None takes 1e-9, or
                the precision in which the rates seem to be written: 1e-6 if all of them fit into
                float32, as in TensorBoard's files, and 2e-5 if they have six digits. Rates near 0
                may differ by this share of the schedule's largest rate, but by no more than 1e-6 of
                it.

        Raises:
            TraceError: a rate differs, or the trace is empty. The error names the first update that
                differs and the causes that explain the whole trace.
            TypeError, ValueError: an argument is wrong; the message names it and says what is
                right.

        Example:
            >>> from coslr import Linear
            >>> Trace([[0.4, 0.3, 0.2]]).check(Linear(T_max=4, eta_max=0.4))
            >>> try:
            ...     Trace([[0.4, 0.2, 0.0, 0.0]]).check(Linear(T_max=4, eta_max=0.4))
            ... except TraceError as error:
            ...     print(str(error).splitlines()[0])
            update 1: the schedule says 0.3, but 0.2 was in force
        """
        if tolerance is not None:
            tolerance = checked_tolerance(tolerance)
        hold = whole("hold", hold)
        if not len(self.indices):
            raise TraceError("no update was recorded: there is no rate to compare")
        if twice := stretched_twice(steps_per_unit, hold):
            warnings.warn(twice, UserWarning, stacklevel=2)
        named = schedule if isinstance(schedule, Mapping) else {"lr": schedule}
        for name, meant in named.items():
            groups = self._recorded(name)
            for i, one in enumerate(self._expected(meant, steps_per_unit, hold, len(groups))):
                where = "" if name == "lr" else f" ({name})"
                where += f" (param group {i})" if len(groups) > 1 else ""
                self._check_group(groups[i], one, tolerance, where)

    def _check_group(
        self, rates: list[float], expected: RateFunction, tolerance: float | None, where: str
    ) -> None:
        found, right = np.array(rates), np.array([float(expected(k)) for k in self.indices])
        accepted = written_precision(found) if tolerance is None else tolerance
        largest = largest_until(expected, self.indices[-1], right)
        for j in np.flatnonzero(~agree(found, right, accepted, largest))[:1]:
            message = wrong_rate(self.indices[j], where, right[j], found[j])
            causes = self._causes(rates, expected, tolerance)
            raise TraceError(message.replace("is in", "was in") + explained(causes))

    def diagnose(
        self, schedule: Schedules, *, steps_per_unit: float = 1, hold: int = 1
    ) -> list[Diagnosis]:
        """The known mistakes that explain the trace, best first, as `coslr.diagnose` names them.

        Args:
            schedule: a schedule, any function of t, or a list of one for each param group.
            steps_per_unit, hold: as in `check`.

        Returns:
            The causes for the first param group whose rates are not right; only ``right`` if all
            are, and an empty list if nothing explains that group.

        Raises:
            TypeError, ValueError: an argument is wrong, or the trace's own `updates` do not
                increase.

        Example:
            >>> from coslr import Linear
            >>> trace = Trace([[0.4, 0.2, 0.0, 0.0]])
            >>> [d.cause for d in trace.diagnose(Linear(T_max=4, eta_max=0.4))]
            ['too_fast', 'wrong_length']
        """
        found: list[Diagnosis] = []
        for rates, expected in zip(
            self.groups, self._expected(schedule, steps_per_unit, hold), strict=True
        ):
            found = self._causes(rates, expected)
            if [diagnosis.cause for diagnosis in found] != ["right"]:
                return found
        return found

    def _causes(
        self, rates: list[float], expected: RateFunction, tolerance: float | None = None
    ) -> list[Diagnosis]:
        return diagnose(
            rates,
            expected,
            first_update=self.first_update,
            updates=self.updates,
            tolerance=tolerance,
        )

    def _recorded(self, name: str) -> list[list[float]]:
        if name == "lr":
            return self.groups
        require(name in self.other, "schedule", name, f"among {', '.join(['lr', *self.other])}")
        return self.other[name]

    def _expected(
        self, schedule: Schedules, steps_per_unit: float, hold: int, groups: int | None = None
    ) -> list[RateFunction]:
        count, hold = len(self.groups) if groups is None else groups, whole("hold", hold)
        schedules = one_per_group("schedule", schedule, count)
        return [held(at_updates(one, steps_per_unit), hold) for one in schedules]

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the trace as a table with one row for each update.

        The columns are ``update``, ``lr``, ``lr_1`` and so on for the further param groups, then
        the same for each name in `other`. `from_csv` reads the numbers back to the last bit. A
        trace is taken to begin at its first row, or at update 0 if there are gaps between the rows.
        Where that is wrong, the column ``first_update`` says where it began.

        Args:
            path: file to write; an existing one is replaced.
        """
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerows(self._rows())

    def _rows(self) -> Iterator[list[object]]:
        named = {"lr": self.groups, **self.other}
        begin = [] if self.first_update == _inferred_start(self.indices) else [self.first_update]
        columns = [
            f"{name}_{i}" if i else name
            for name, groups in named.items()
            for i in range(len(groups))
        ]
        yield ["update", *columns, *(["first_update"] if begin else [])]
        series = [rates for groups in named.values() for rates in groups]
        for k, *values in zip(self.indices, *series, strict=True):
            yield [k, *(repr(float(value)) for value in values), *begin]

    @classmethod
    def from_csv(cls, path: str | os.PathLike[str]) -> "Trace":
        """Read what `to_csv` wrote.

        Args:
            path: a CSV file with the columns ``update`` and ``lr``; see `to_csv`. For the logs of
                other programs see `coslr.logs`.

        Returns:
            The trace, with its `first_update`.

        Raises:
            ValueError: the file has other columns, or a row that holds no numbers.

        Example:
            >>> import pathlib, tempfile
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     path = pathlib.Path(folder, "trace.csv")
            ...     Trace([[0.1, 1 / 3]], first_update=7).to_csv(path)
            ...     print(path.read_text())
            ...     print(Trace.from_csv(path).first_update)
            update,lr
            7,0.1
            8,0.3333333333333333
            <BLANKLINE>
            7
        """
        with open(path, newline="", encoding="utf-8-sig") as file:
            header, *rows = [row for row in csv.reader(file) if row] or [[]]
        must_be = "a CSV file with the columns update, lr, and lr_1 ... for further param groups"
        require(header[:2] == ["update", "lr"], "path", os.fspath(path), must_be)
        columns: list[list[float]] = [[] for _ in header]
        for line, row in enumerate(rows, start=2):
            try:
                numbers = [int(row[0]), *map(float, row[1:])]
            except ValueError:
                numbers = []
            right = f"{len(header)} numbers, as the header has columns"
            require(len(numbers) == len(header), f"line {line}", ",".join(row), right)
            for column, value in zip(columns, numbers, strict=True):
                column.append(value)
        updates = [int(k) for k in columns[0]]
        first_update = _inferred_start(updates)
        if header[-1] == "first_update":
            header, begin = header[:-1], columns.pop()
            first_update = int(begin[0]) if begin else 0
        named = _by_name(header[1:], columns[1:])
        all_of_them = updates == list(range(first_update, first_update + len(updates)))
        return cls(named.pop("lr"), first_update, None if all_of_them else updates, named)


def _inferred_start(updates: Sequence[int]) -> int:
    """Where a trace began: at its first update if it has no gaps, else at 0."""
    if not len(updates):
        return 0
    return updates[0] if updates[-1] - updates[0] == len(updates) - 1 else 0


def _by_name(header: list[str], columns: list[list[float]]) -> dict[str, list[list[float]]]:
    """The columns of each name; every name has as many as there are param groups."""
    count = 1
    while count < len(header) and header[count] == f"lr_{count}":
        count += 1
    named: dict[str, list[list[float]]] = {}
    for i in range(0, len(header), count):
        name = header[i]
        right = [name, *(f"{name}_{j}" for j in range(1, count))]
        require(header[i : i + count] == right, "columns", header[i : i + count], ", ".join(right))
        named[name] = columns[i : i + count]
    return named
