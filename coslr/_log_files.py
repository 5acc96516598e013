"""The files that logs are kept in: which rows hold a learning rate, and of which update it is.

`coslr.logs` says what the numbers of the rows mean, and checks the trace that is read here.
"""

import csv
import json
import math
import re
from bisect import bisect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from coslr._arguments import require, shown
from coslr._optional import extra
from coslr.trace import Trace

# How a log's column of row numbers is called, and which number update 0 has there. The first that a
# table has counts: "step" comes late, because some loops begin it anew in each epoch.
STEP_COLUMNS = {
    "update": 0,
    "trainer/global_step": 0,
    "train/global_step": 1,
    "global_step": 0,
    "step": 0,
}
# Many loops call the column so. It comes last, because it may count within an epoch.
ITERATION_COLUMNS = ("iter", "iteration", "iterations")
TRAINER_RATE = "train/learning_rate"  # in Trainer's exports to W&B and TensorBoard
FIRST_STEP_OF_TRAINER = 1
OF_TENSORBOARD = ("Wall time", "Step")  # columns of the files that its page offers for download
MAY_BE_TRAINERS = (
    "Step numbers the updates from 0 here. If Trainer of transformers wrote the log, pass "
    "--first-step 1."
)
COUNTED = (
    "No column numbers the rows, so those with a rate were counted: the first is update 0. If a "
    "column has their updates, pass its name as update (in the shell: --update)."
)


class Written(NamedTuple):
    """The most decimals, and the most significant digits, that a log has of a rate."""

    decimals: int
    digits: int


@dataclass
class Log:
    """A trace, and what the check of it should know of the file that it comes from."""

    trace: Trace
    written: Written | None = None  # None where the file holds binary numbers
    of_trainer: bool = False
    may_have_gaps: bool = False  # rows were counted, and a column that was not read may number them
    notes: tuple[str, ...] = ()  # what a verdict on the trace should mention


# A row that holds a rate, as it stands in the file, with its index there.
RawRow: TypeAlias = tuple[int, Mapping[str, Any]]


class Row(NamedTuple):
    """One row of a log that holds a rate."""

    place: int  # in the file, from 0
    step: float  # its number
    values: list[float]  # of each column that was asked for


def load(path: Path, rates: list[str] | None, update: str | None, first_step: int | None) -> Log:
    """Read a log, or the first kind of log in a folder; for the arguments see `coslr.logs.read`."""
    paths = _logs_in_folder(path) if path.is_dir() else [path]
    path = paths[0]
    if "tfevents" in path.name:
        must_be = "None, because a TensorBoard file numbers its own rows"
        require(update is None, "update", update, must_be)
        return _from_tensorboard(paths, rates, first_step)
    if path.suffix == ".json":
        return _from_trainer(path, rates, update, first_step)
    if path.suffix == ".csv":
        return _from_csv(path, rates, update, first_step)
    must_be = "a .json, a .csv, a TensorBoard file (events.out.tfevents...), or a folder with one"
    raise ValueError(f"path={str(path)!r}: must be {must_be}")


def widest_gap(updates: Sequence[int]) -> int:
    """The most updates from one row to the next."""
    return max((b - a for a, b in pairwise(updates)), default=1)


def _logs_in_folder(folder: Path) -> list[Path]:
    """The first kind of log that the folder holds; only TensorBoard has several files for a run."""
    checkpoints = folder.glob("checkpoint-*/trainer_state.json")
    kinds = [
        list(folder.glob("trainer_state.json")),
        sorted(checkpoints, key=lambda path: _last_number(path.parent.name))[-1:],
        list(folder.glob("metrics.csv")),
        sorted(folder.glob("events.out.tfevents.*")),
    ]
    for found in kinds:
        if found:
            return found
    raise FileNotFoundError(
        f"path={str(folder)!r}: this folder holds neither trainer_state.json, nor "
        "checkpoint-*/trainer_state.json, nor metrics.csv, nor events.out.tfevents.*"
    )


def _last_number(name: str) -> int:
    digits = re.findall(r"\d+", name)
    return int(digits[-1]) if digits else 0


# ---------------------------------------------------------------------------- kinds of files


def _from_trainer(
    path: Path, rates: list[str] | None, update: str | None, first_step: int | None
) -> Log:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise ValueError(f"path={str(path)!r}: must be JSON, but: {error}") from None
    except RecursionError:
        raise ValueError(f"path={str(path)!r}: is nested too deeply") from None
    history = content.get("log_history") if isinstance(content, dict) else content
    if not (isinstance(history, list) and all(isinstance(row, dict) for row in history)):
        must_be = "a trainer_state.json, which has a list log_history"
        raise ValueError(f"path={str(path)!r}: must be {must_be}")
    columns = dict.fromkeys(key for row in history for key in row)
    rates = rates or ["learning_rate"]
    update = update or "step"
    _require_columns(path, [*rates, update], columns)
    logged = _with_a_rate(history, rates, _is_empty)
    rows = _rows(path, logged, rates, update)
    trace, notes = _trace(path, rows, FIRST_STEP_OF_TRAINER if first_step is None else first_step)
    return Log(trace, _written(logged, rates), of_trainer=True, notes=notes)


def _from_csv(
    path: Path, rates: list[str] | None, update: str | None, first_step: int | None
) -> Log:
    columns, table = _table(path)
    is_plain = rates is None and update is None and first_step is None
    if is_plain and columns[:2] == ["update", "lr"]:
        trace = _trace_of_to_csv(path)
        if trace is not None:
            return Log(trace, _written(enumerate(table), _groups_of_to_csv(columns)))
    rates = rates or _columns_of_rates(path, columns)
    others = {
        name: [f"{rate}-{name}" for rate in rates]
        for name in ("momentum", "weight_decay")
        if all(f"{rate}-{name}" in columns for rate in rates)
    }
    wanted = [*rates, *(column for names in others.values() for column in names)]
    _require_columns(path, wanted, columns)
    logged = _with_a_rate(table, rates, _is_empty_or_nan)
    update = update or _column_of_steps(columns, logged)
    if update is not None:
        _require_columns(path, [update], columns)
    rows = _rows(path, logged, wanted, update)
    if first_step is None:
        first_step = STEP_COLUMNS.get((update or "").lower(), 0)
    trace, notes = _trace(path, rows, first_step, len(rates), list(others))
    if update is None:
        notes = (*notes, COUNTED)
    elif set(OF_TENSORBOARD) <= {*columns} and first_step == 0:
        notes = (*notes, MAY_BE_TRAINERS)
    not_a_number = len(_with_a_rate(table, rates, _is_empty)) - len(logged)
    if not_a_number:
        notes = (*notes, f"Rows left out because they have nan in place of a rate: {not_a_number}.")
    return Log(
        trace,
        _written(logged, rates),
        of_trainer=update == "train/global_step",
        may_have_gaps=update is None and not {*columns} <= {*wanted},
        notes=notes,
    )


def _table(path: Path) -> tuple[list[str], list[dict[str, Any]]]:
    """The columns and the rows of a CSV file."""
    limit = csv.field_size_limit(2**31 - 1)  # a cell may hold a long text
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)  # an error where a quote is never closed
            columns = list(reader.fieldnames or ())
            table: list[dict[Any, Any]] = list(reader)
    except (csv.Error, UnicodeError) as error:
        raise ValueError(
            f"path={str(path)!r}: must be CSV in UTF-8, with every quote closed, but: {error}"
        ) from None
    finally:
        csv.field_size_limit(limit)
    for index, row in enumerate(table):
        if any(row.get(None, ())):  # DictReader keeps under None what is beyond the header
            raise ValueError(
                f"path={str(path)!r}: row {index} has more cells than the header: must be as many. "
                "A comma within a cell needs quotes, and a number needs a decimal point"
            )
    return columns, table


def _trace_of_to_csv(path: Path) -> Trace | None:
    """The trace that `Trace.to_csv` wrote, or None if another program wrote the file."""
    try:
        trace = Trace.from_csv(path)
    except (ValueError, csv.Error):
        return None
    indices = trace.indices
    increases = all(a < b for a, b in pairwise(indices))
    return trace if increases and indices and indices[0] >= 0 else None


def _groups_of_to_csv(columns: Iterable[str]) -> list[str]:
    return [name for name in columns if re.fullmatch(r"lr(_\d+)?", name)]


def _columns_of_rates(path: Path, columns: Sequence[str]) -> list[str]:
    """The columns that Trainer, Lightning's LearningRateMonitor or we have written, by group."""
    if TRAINER_RATE in columns:
        return [TRAINER_RATE]
    if list(columns[:2]) == ["update", "lr"]:
        return _groups_of_to_csv(columns)
    named = [c for c in columns if re.fullmatch(r"lr-\w+(-\d+)?(/.+)?", c)]
    named = [c for c in named if not c.endswith(("-momentum", "-weight_decay"))]
    if len({name.partition("/")[0] for name in named}) == 1:
        # The logger sorts its columns as text, which puts /pg10 before /pg2.
        return sorted(named, key=lambda name: [int(n) for n in re.findall(r"/pg(\d+)$", name)])
    raise ValueError(
        f"path={str(path)!r}: name the column that holds the learning rate, as in "
        f"rate='lr' (in the shell: --rate lr); the columns are {_listed(columns)}"
    )


def _column_of_steps(columns: Sequence[str], logged: Sequence[RawRow]) -> str | None:
    """The column that numbers the rows with a rate.

    W&B's charts have a column ``Step`` too, which counts calls of its ``log``. So that name counts
    in TensorBoard's files alone.
    """
    found = [c for name in STEP_COLUMNS for c in columns if c.lower() == name and c != "Step"]
    if set(OF_TENSORBOARD) <= {*columns}:
        found.append("Step")
    for column in columns:
        if column.lower() in ITERATION_COLUMNS and _number_a_run(row[column] for _, row in logged):
            found.append(column)
    # A column may be known and hold a metric of other rows, as in the files of Lightning.
    filled = (name for name in found if not any(_is_empty(row[name]) for _, row in logged))
    return next(filled, found[0] if found else None)


def _number_a_run(cells: Iterable[Any]) -> bool:
    """Whether the cells are whole numbers that do not begin anew in each epoch."""
    try:
        numbers = [float(cell) for cell in cells]
    except (TypeError, ValueError):
        return False
    if not all(number.is_integer() for number in numbers):
        return False
    if all(a >= b for a, b in pairwise(numbers)):  # the newest row is first, or all are the same
        return len(numbers) < 2 or numbers[0] > numbers[-1]
    return not any(a > b <= numbers[0] for a, b in pairwise(numbers))


def _listed(columns: Sequence[str]) -> str:
    listed = ", ".join(map(repr, columns)) or "none"
    if len(columns) == 1 and re.search(r"[;\t]", columns[0]):
        listed += ". The cells of a CSV file must be separated by commas"
    return listed


def _require_columns(path: Path, wanted: Iterable[str], columns: Iterable[str]) -> None:
    columns = list(columns)
    for name in wanted:
        if name not in columns:
            has = _listed(columns)
            raise ValueError(f"path={str(path)!r}: has no column {name!r}; it has {has}")
        if columns.count(name) > 1:
            raise ValueError(f"path={str(path)!r}: has more than one column {name!r}: must be one")


def _from_tensorboard(
    files: Sequence[Path], rates: list[str] | None, first_step: int | None
) -> Log:
    """The scalars of event files; a run that was resumed has begun a second one."""
    path = files[0]
    with extra("tensorboard"):
        from tensorboard.backend.event_processing import (  # imported late: few logs need it
            event_file_loader,
        )
        from tensorboard.util import tensor_util  # imported late: few logs need it
    scalars: dict[str, list[tuple[int, float]]] = {}
    for file in files:
        for event in event_file_loader.EventFileLoader(str(file)).Load():
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name == "scalars":
                    number = tensor_util.make_ndarray(value.tensor)
                    scalars.setdefault(value.tag, []).append((event.step, float(number)))
    rates = rates or _columns_of_rates(path, list(scalars))
    _require_columns(path, rates, scalars)
    of_trainer = rates == [TRAINER_RATE]
    if first_step is None:
        first_step = FIRST_STEP_OF_TRAINER if of_trainer else 0
    columns = [scalars[name] for name in rates]
    steps = [step for step, _ in columns[0]]
    if any([step for step, _ in column] != steps for column in columns):
        raise ValueError(f"path={str(path)!r}: {rates} were not logged at the same steps")
    values = zip(*([value for _, value in column] for column in columns), strict=True)
    rows = [
        Row(i, step, list(row)) for i, (step, row) in enumerate(zip(steps, values, strict=True))
    ]
    trace, notes = _trace(path, rows, first_step)
    return Log(trace, of_trainer=of_trainer, notes=notes)


# ---------------------------------------------------------------------------- rows as a trace


def _with_a_rate(
    table: Iterable[Mapping[str, Any]], rates: Sequence[str], is_missing: Callable[[Any], bool]
) -> list[RawRow]:
    """The rows that hold a rate, with their indices; the others hold losses, or a validation.

    A row in which only some groups' rates are missing must not hide the rates that it has.
    """
    return [
        (index, row)
        for index, row in enumerate(table)
        if not all(is_missing(row.get(name)) for name in rates)
    ]


def _rows(
    path: Path, logged: Iterable[RawRow], columns: Sequence[str], update: str | None
) -> list[Row]:
    """The rows as numbers, counted if no column `update` numbers them."""
    rows: list[Row] = []
    for index, row in logged:
        where = f"path={str(path)!r}: row {index}"
        step = len(rows) if update is None else _number(where, update, row.get(update))
        rows.append(Row(index, step, [_number(where, name, row.get(name)) for name in columns]))
    return rows


def _is_empty(cell: Any) -> bool:
    return cell is None or cell == ""


def _is_empty_or_nan(cell: Any) -> bool:
    """Whether a cell of a CSV file is missing: pandas and W&B write nan there."""
    return _is_empty(cell) or cell.strip().lower() == "nan"


def _number(where: str, column: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{where} has {column!r}={shown(value)}: must be a number") from None


def _written(logged: Iterable[RawRow], columns: Sequence[str]) -> Written | None:
    """How precisely these columns are written: 0.0500 has 4 decimals, and 3 digits."""
    decimals = digits = 0
    for _, row in logged:
        for name in columns:
            try:
                number = Decimal(str(row.get(name)))
            except InvalidOperation:
                continue
            if number.is_finite():
                _, figures, exponent = number.as_tuple()
                decimals, digits = max(decimals, -int(exponent)), max(digits, len(figures))
    return Written(decimals, digits) if digits else None


def _trace(
    path: Path,
    rows: Sequence[Row],
    first_step: int,
    groups: int | None = None,
    others: Sequence[str] = (),
) -> tuple[Trace, tuple[str, ...]]:
    """The rows as a trace; `groups` columns of rates come first, then those of the others."""
    for row in rows:
        if not (first_step <= row.step < 2**53 and row.step == int(row.step)):
            must_be = f"a whole number from {first_step}, which is update 0 (see first_step)"
            raise ValueError(
                f"path={str(path)!r}: has a row number {row.step:g}: must be {must_be}"
            )
    if not rows:
        raise ValueError(f"path={str(path)!r}: holds no learning rate; has the run logged one?")
    rows, notes = _in_order(path, rows)
    updates = [int(row.step) - first_step for row in rows]
    columns = [list(column) for column in zip(*(row.values for row in rows), strict=True)]
    groups = groups or len(columns)
    other = {name: columns[(i + 1) * groups :][:groups] for i, name in enumerate(others)}
    widest = widest_gap(updates)
    # A log of every 50th update has none of the first 49, and yet the run began at 0.
    begin = 0 if updates[0] < widest else updates[0]
    is_gapless = widest == 1 and begin == updates[0]
    return Trace(columns[:groups], begin, None if is_gapless else updates, other), notes


# --------------------------------------------------------------------- the order of the rows


def _in_order(path: Path, rows: Sequence[Row]) -> tuple[Sequence[Row], tuple[str, ...]]:
    """The rows in ascending order, without those that a resumed run has logged again."""
    steps = [row.step for row in rows]
    if steps[0] > steps[-1] and all(a >= b for a, b in pairwise(steps)):  # the newest row is first
        rows = rows[::-1]
    kept: list[Row] = []
    replaced: list[Row] = []
    returns: list[tuple[Row, float, float]] = []  # each with the old steps around it
    repeated = 0
    for row in rows:
        if kept and kept[-1].step == row.step:  # a row for each small batch of an update
            repeated += 1
            kept[-1] = row
            continue
        back: list[Row] = []
        while kept and kept[-1].step >= row.step:
            back.append(kept.pop())
        if back:
            returns.append((row, kept[-1].step if kept else -math.inf, back[-1].step))
            replaced += back
        kept.append(row)
    notes = []
    if repeated:
        notes.append(f"Of rows with the same number the last one counts: {repeated} left out.")
    if not replaced:
        return kept, tuple(notes)

    begun_anew = sum(before == -math.inf for _, before, _ in returns)
    if begun_anew > 1:
        raise ValueError(
            f"path={str(path)!r}: its row numbers begin anew {begun_anew} times: must number the "
            "updates of the whole run. Pass another column as update (--update)"
        )
    # A run is not resumed every few rows. That is what mixed or descending rows look like.
    _require_order(path, returns[0][0], len(returns) <= max(1, len(rows) // 4))
    final = [row.step for row in kept]
    passing = {bisect(final, row.step) for row in replaced}
    gaps = [b - a for i, (a, b) in enumerate(pairwise(final), 1) if i not in passing]
    widest = max(gaps, default=0)
    # It goes on at a step that it has logged, or between two steps as near as those of any rows.
    for row, before, behind in returns:
        _require_order(path, row, row.step == behind or behind - before <= widest)
    again = 0
    for row in replaced:
        i = bisect(final, row.step)  # at least 1, because the run went back to this step or before
        is_behind = i == len(final)  # the log ends before the run gets here again
        is_logged = final[i - 1] == row.step
        # A run that logs every 10th update from where it goes on passes over the old rows.
        is_passed = not is_behind and final[i] - final[i - 1] <= widest
        _require_order(path, row, is_behind or is_logged or is_passed)
        again += is_logged
    values = {row.step: row.values for row in kept}
    differ = sum(values.get(row.step, row.values) != row.values for row in replaced)
    notes.append(
        "The log goes back, as that of a resumed run does. Earlier rows left out: "
        f"{len(replaced)}; not logged again: {len(replaced) - again}; with another rate than the "
        f"later row of their update: {differ}."
    )
    return kept, tuple(notes)


def _require_order(path: Path, row: Row, is_in_order: bool) -> None:
    if not is_in_order:
        raise ValueError(
            f"path={str(path)!r}: row {row.place}, of step {row.step:g}, is out of order: must "
            "be where its step belongs. Only a resumed run goes back, and then it logs the same "
            "steps again. Sort the rows by their steps, or delete those of other runs"
        )
