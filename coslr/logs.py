"""Traces from the logs of finished runs, and a check of them from the shell.

    python -m coslr.logs trainer_state.json --schedule "warmup(Cosine(900, 3e-4), 100, start=0)"

A log numbers its rows, but libraries do not agree on which update a number means. These are the
conventions that `read` knows. The tests measure the first two with real runs:

=========================================  ========================  =============================
log                                        its row number s means    update 0 is in the row with
=========================================  ========================  =============================
Trainer: ``trainer_state.json``, its       the rate of the update    s = 1 (``first_step=1``)
TensorBoard files, its W&B exports         that was done last
Lightning: ``metrics.csv`` and             the rate of the update    s = 0 (``first_step=0``)
TensorBoard files, LearningRateMonitor     that comes next
``Trace.to_csv``                           the rate of that update   s = 0
Trainer of transformers before 4.51        the rate of the update    s = 0 (pass ``first_step=0``)
                                           that comes next
=========================================  ========================  =============================

Trainer writes every 500th row unless ``logging_steps`` says otherwise, and Lightning every 50th
unless ``log_every_n_steps`` does. The trace of such a log holds those updates only. Trainer logs
the rate of the first param group alone; Lightning logs all of them.
"""

import argparse
import ast
import csv
import json
import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from coslr._arguments import require, require_type, shown, whole
from coslr._optional import extra
from coslr.schedules import Join, Schedule, Stretched, Warmup, join, warmup
from coslr.trace import Trace, TraceError

# How a log's column of row numbers is called, and which number update 0 has there.
STEP_COLUMNS = {"step": 0, "trainer/global_step": 0, "train/global_step": 1}
TRAINER_RATE = "train/learning_rate"  # in Trainer's exports to W&B and TensorBoard
FIRST_STEP_OF_TRAINER = 1

# One row of a log that holds a rate: its number, and the values of each column that was asked for.
Row = tuple[float, list[float]]


# --------------------------------------------------------------------------- reading a log


def read(
    path: str | Path,
    *,
    rate: str | Sequence[str] | None = None,
    update: str | None = None,
    first_step: int | None = None,
) -> Trace:
    """Read the learning rates that a finished run has logged.

    The file's name says what it is: ``.json`` is Trainer's ``trainer_state.json`` (or its
    ``log_history`` alone), ``.csv`` is Lightning's ``metrics.csv``, what ``Trace.to_csv`` wrote, an
    export of W&B, or a file of your own, and ``events.out.tfevents...`` is TensorBoard's, which
    needs the package ``tensorboard``. In a folder, `read` takes the first of these that is there,
    and of Trainer's checkpoints the last.

    A run that was resumed may have logged some updates twice. The later row counts, because the
    earlier one belongs to updates that the checkpoint threw away.

    Args:
        path: the file or the folder.
        rate: the column (or key, or tag) that holds the rate, or a list of one per param group.
            None finds those of Trainer and of Lightning's LearningRateMonitor.
        update: the column that numbers the rows. None takes ``step`` or W&B's
            ``train/global_step`` or ``trainer/global_step``, and without those counts the rows that
            hold a rate. W&B's own ``_step`` counts calls of ``log``, not updates.
        first_step: the number of update 0 in the log. None takes the library's own; see the table
            at the top of this module. For a file of your own it is 0.

    Returns:
        A trace whose ``indices`` are the updates that were logged. Momentum and weight decay, where
        Lightning logged them, are in ``other``. ``Trace.check`` sees by itself that TensorBoard
        keeps rates in float32.

    Raises:
        FileNotFoundError: there is no such file, or none of these files in the folder.
        ValueError: the file holds no rate, or something else where a number should be; the message
            says which columns there are.
        ModuleNotFoundError: a TensorBoard file, and ``tensorboard`` is not installed.

    Example:
        >>> import tempfile
        >>> log = '{"log_history": [{"step": 10, "learning_rate": 0.1}, {"step": 20, "loss": 3}]}'
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "trainer_state.json"
        ...     _ = path.write_text(log)
        ...     trace = read(path)
        >>> trace.rates, list(trace.indices)
        ([0.1], [9])
    """
    return _read(path, rate, update, first_step).trace


@dataclass
class _Log:
    """A trace, and what the check of it should know of the file that it comes from."""

    trace: Trace
    of_trainer: bool = False


def _read(
    path: str | Path, rate: str | Sequence[str] | None, update: str | None, first_step: int | None
) -> _Log:
    path = Path(path)
    rates = [rate] if isinstance(rate, str) else list(rate or []) or None
    if first_step is not None:
        first_step = whole("first_step", first_step, least=0)
    paths = _logs_in_folder(path) if path.is_dir() else [path]
    path = paths[0]
    if "tfevents" in path.name:
        return _from_tensorboard(paths, rates, first_step)
    if path.suffix == ".json":
        return _from_trainer(path, rates, update, first_step)
    if path.suffix == ".csv":
        return _from_csv(path, rates, update, first_step)
    must_be = "a .json, a .csv, a TensorBoard file (events.out.tfevents...), or a folder with one"
    raise ValueError(f"path={str(path)!r}: must be {must_be}")


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


def _from_trainer(
    path: Path, rates: list[str] | None, update: str | None, first_step: int | None
) -> _Log:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"path={str(path)!r}: must be JSON, but: {error}") from None
    history = content.get("log_history") if isinstance(content, dict) else content
    if not (isinstance(history, list) and all(isinstance(row, dict) for row in history)):
        must_be = "a trainer_state.json, which has a list log_history"
        raise ValueError(f"path={str(path)!r}: must be {must_be}")
    columns = dict.fromkeys(key for row in history for key in row)
    rates = rates or ["learning_rate"]
    update = update or "step"
    _require_columns(path, [*rates, update], columns)
    rows = _numbers(path, history, rates, update)
    trace = _trace(path, rows, FIRST_STEP_OF_TRAINER if first_step is None else first_step)
    return _Log(trace, of_trainer=True)


def _from_csv(
    path: Path, rates: list[str] | None, update: str | None, first_step: int | None
) -> _Log:
    with path.open(encoding="utf-8-sig", newline="") as file:
        table = csv.DictReader(file)
        columns = list(table.fieldnames or ())
        content = list(table)
    if rates is None and columns[:2] == ["update", "lr"]:  # what Trace.to_csv writes
        return _Log(Trace.from_csv(path))
    rates = rates or _columns_of_rates(path, columns)
    if update is None:
        update = next((name for name in STEP_COLUMNS if name in columns), None)
    _require_columns(path, [*rates, *([update] if update else [])], columns)
    others = {
        name: [f"{rate}-{name}" for rate in rates]
        for name in ("momentum", "weight_decay")
        if all(f"{rate}-{name}" in columns for rate in rates)
    }
    wanted = [*rates, *(column for names in others.values() for column in names)]
    rows = _numbers(path, content, wanted, update)
    if first_step is None:
        first_step = STEP_COLUMNS.get(update or "", 0)
    of_trainer = update == "train/global_step"
    return _Log(_trace(path, rows, first_step, len(rates), list(others)), of_trainer)


def _columns_of_rates(path: Path, columns: Sequence[str]) -> list[str]:
    """The columns that Trainer or Lightning's LearningRateMonitor has written, one per group."""
    if TRAINER_RATE in columns:
        return [TRAINER_RATE]
    named = [c for c in columns if re.fullmatch(r"lr-\w+(-\d+)?(/.+)?", c)]
    named = [c for c in named if not c.endswith(("-momentum", "-weight_decay"))]
    if len({name.partition("/")[0] for name in named}) == 1:
        # The logger sorts its columns as text, which puts /pg10 before /pg2.
        return sorted(named, key=lambda name: [int(n) for n in re.findall(r"/pg(\d+)$", name)])
    raise ValueError(
        f"path={str(path)!r}: name the column that holds the learning rate, as in "
        f"rate='lr' (in the shell: --rate lr); the columns are {_listed(columns)}"
    )


def _listed(columns: Iterable[str]) -> str:
    return ", ".join(map(repr, columns)) or "none"


def _require_columns(path: Path, wanted: Iterable[str], columns: Iterable[str]) -> None:
    columns = list(columns)
    for name in wanted:
        if name not in columns:
            has = _listed(columns)
            raise ValueError(f"path={str(path)!r}: has no column {name!r}; it has {has}")


def _numbers(
    path: Path,
    rows: Iterable[Mapping[str, Any]],
    columns: Sequence[str],
    update: str | None,
) -> Iterable[Row]:
    """The rows that hold a rate, as numbers; the others hold losses, or a validation."""
    counted = 0
    for index, row in enumerate(rows):
        values = [row.get(name) for name in columns]
        if all(value in (None, "") for value in values):
            continue
        where = f"path={str(path)!r}: row {index}"
        step = counted if update is None else _number(where, update, row.get(update))
        counted += 1
        yield step, [_number(where, n, v) for n, v in zip(columns, values, strict=True)]


def _number(where: str, column: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{where} has {column!r}={value!r}: must be a number") from None


def _trace(
    path: Path,
    rows: Iterable[Row],
    first_step: int,
    groups: int | None = None,
    others: Sequence[str] = (),
) -> Trace:
    """The rows as a trace; `groups` columns of rates come first, then those of the others."""
    updates: list[int] = []
    kept: list[list[float]] = []
    for step, values in rows:
        if not (math.isfinite(step) and step == int(step) >= first_step):
            must_be = f"a whole number from {first_step}, which is update 0 (see first_step)"
            raise ValueError(f"path={str(path)!r}: has a row number {step:g}: must be {must_be}")
        if any(map(math.isnan, values)):  # how pandas and W&B write a row without a rate
            continue
        # A resumed run logs the updates behind its checkpoint again: drop those of the first try.
        while updates and updates[-1] >= step - first_step:
            updates.pop()
            kept.pop()
        updates.append(int(step) - first_step)
        kept.append(values)
    if not updates:
        raise ValueError(f"path={str(path)!r}: holds no learning rate; has the run logged one?")
    columns = [list(column) for column in zip(*kept, strict=True)]
    groups = groups or len(columns)
    other = {name: columns[(i + 1) * groups :][:groups] for i, name in enumerate(others)}
    widest = _widest_gap(updates)
    # A log of every 50th update has none of the first 49, and yet the run began at 0.
    begin = 0 if updates[0] < widest else updates[0]
    is_gapless = widest == 1 and begin == updates[0]
    return Trace(columns[:groups], begin, None if is_gapless else updates, other)


def _widest_gap(updates: Sequence[int]) -> int:
    return max((b - a for a, b in pairwise(updates)), default=1)


def _from_tensorboard(
    files: Sequence[Path], rates: list[str] | None, first_step: int | None
) -> _Log:
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
    rows = zip(steps, map(list, values), strict=True)
    return _Log(_trace(path, rows, first_step), of_trainer)


# -------------------------------------------------------------------- a schedule, as text

LONGEST_TEXT = 10_000
# What `repr` calls a schedule of ours: its class, or the function that put it together.
CONSTRUCTORS: dict[str, Callable[..., Schedule]] = {
    kind.__name__: kind
    for kind in Schedule.__subclasses__()
    if kind.__module__ == Schedule.__module__ and kind not in (Join, Stretched, Warmup)
} | {"join": join, "warmup": warmup}


def parse_schedule(text: str) -> Schedule:
    """Build the schedule that a text describes, as ``repr`` shows it, without running the text.

    The text is a call of one of coslr's schedules, whose arguments are numbers, lists of them,
    ``None``, words in quotes, and further schedules. Nothing else is accepted, so a text from a
    config file or from a stranger can do no harm.

    Args:
        text: such as ``"warmup(Cosine(900, eta_max=3e-4), updates=100)"``, at most 10,000
            characters.

    Returns:
        The schedule.

    Raises:
        ValueError: the text is something else, or a schedule refuses its arguments; the message
            names the part that is wrong.
        TypeError: it is no text.

    Example:
        >>> parse_schedule("warmup(Cosine(900, 3e-4), 100)")(100)
        0.0003
        >>> parse_schedule("open('secrets')")
        Traceback (most recent call last):
        ...
        ValueError: schedule="open('secrets')": must be a schedule such as
        'warmup(Cosine(900, 3e-4), 100)', but 'open' is none of Constant, Cosine,
        CosineWarmRestarts, Cyclical, Exponential, InverseSqrt, Linear, MultiStep, OneCycle,
        Polynomial, Step, WSD, join, warmup
    """
    require_type(isinstance(text, str), "schedule", text, "a text")
    require(len(text) <= LONGEST_TEXT, "schedule", text, f"at most {LONGEST_TEXT} characters")
    try:
        body = ast.parse(text.strip(), mode="eval").body
        if isinstance(body, ast.Call):
            return _call(body)
        raise _Refused("it is no call of a schedule")
    except SyntaxError as error:
        reason = f"it cannot be parsed: {error.msg}"
    except (RecursionError, MemoryError):
        reason = "it is nested too deeply"
    except _Refused as error:
        reason = str(error)
    except (TypeError, ValueError) as error:  # a schedule refuses its arguments
        raise ValueError(f"schedule={shown(text)}: {error}") from error
    must_be = "a schedule such as 'warmup(Cosine(900, 3e-4), 100)'"
    raise ValueError(f"schedule={shown(text)}: must be {must_be}, but {reason}")


class _Refused(Exception):
    """A part of the text that is neither a schedule nor a literal."""


def _call(node: ast.Call) -> Schedule:
    name = ast.unparse(node.func)
    if name not in CONSTRUCTORS:
        raise _Refused(f"{shown(name)} is none of {', '.join(sorted(CONSTRUCTORS))}")
    positional = [_argument(value) for value in node.args]
    if any(keyword.arg is None for keyword in node.keywords):
        raise _Refused("** stands in it")
    named = {str(keyword.arg): _argument(keyword.value) for keyword in node.keywords}
    return CONSTRUCTORS[name](*positional, **named)


def _argument(node: ast.expr) -> Any:
    if isinstance(node, ast.Call):
        return _call(node)
    if isinstance(node, ast.List | ast.Tuple):
        return [_argument(element) for element in node.elts]
    sign = 1
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node, sign = node.operand, -1
    value = node.value if isinstance(node, ast.Constant) else ...
    if isinstance(value, int | float) and not isinstance(value, bool):
        return sign * value
    if sign == 1 and (value is None or isinstance(value, str)):
        return value
    raise _Refused(f"{shown(ast.unparse(node))} is no number, list, word in quotes or schedule")


# ------------------------------------------------------------------------ from the shell


def main(arguments: Sequence[str] | None = None) -> int:
    """Check a log against a schedule, and say right, or what is wrong and why.

    Args:
        arguments: those of the command line; None takes the program's own.

    Returns:
        The exit status: 0 if all logged rates are the schedule's, 1 if one is not, and 2 if the
        log or the schedule cannot be read.
    """
    options = _parser().parse_args(arguments)
    try:
        schedules = [parse_schedule(text) for text in options.schedule]
        log = _read(options.log, options.rate, options.update, options.first_step)
        schedule = schedules[0] if len(schedules) == 1 else schedules
        units = {"steps_per_unit": options.steps_per_unit, "hold": options.hold}
        log.trace.check(schedule, tolerance=options.tolerance, **units)
    except TraceError as error:
        print(f"wrong: {error}")
        if (
            log.of_trainer
            and options.first_step is None
            and _is_one_early(log.trace, schedule, options.steps_per_unit)
        ):
            print(
                "Trainer of transformers before 4.51 logged the rate of the update that comes "
                "next. If such a release wrote this log, pass --first-step 0."
            )
        return 1
    except (OSError, ValueError, TypeError, ModuleNotFoundError) as error:
        print(f"python -m coslr.logs: {error}", file=sys.stderr)
        return 2
    print(_right(log.trace, schedules, options.steps_per_unit))
    return 0


def _is_one_early(trace: Trace, schedule: Schedule | list[Schedule], units: float) -> bool:
    causes = trace.diagnose(schedule, steps_per_unit=units)
    return bool(causes) and causes[0].cause == "one_early"


def _right(trace: Trace, schedules: list[Schedule], units: float) -> str:
    updates = trace.indices
    last = updates[-1]
    text = f"right: {len(updates)} logged rates, of updates {updates[0]} to {last}, are those of "
    text += " and ".join(map(repr, schedules))
    end = max(schedule.length for schedule in schedules) * units
    if last + _widest_gap(updates) < end < math.inf:
        text += f"\nThe log ends at update {last}, but the schedule at {end:.12g}."
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m coslr.logs",
        description="Check the learning rates in the log of a finished run against a schedule. "
        "The exit status is 0 for right, 1 for wrong, 2 where nothing can be checked.",
    )
    parser.add_argument("log", help="trainer_state.json, metrics.csv, a TensorBoard file, a folder")
    parser.add_argument(
        "--schedule",
        required=True,
        action="append",
        help='such as "warmup(Cosine(900, 3e-4), 100)"; once, or once for each param group',
    )
    parser.add_argument(
        "--steps-per-unit", type=float, default=1, help="updates in one unit of the schedule"
    )
    parser.add_argument(
        "--hold", type=int, default=1, help="updates between two steps of the scheduler"
    )
    parser.add_argument(
        "--rate", action="append", help="column of the rate; once, or once for each param group"
    )
    parser.add_argument("--update", help="column that numbers the rows")
    parser.add_argument("--first-step", type=int, help="number of update 0 in that column")
    parser.add_argument(
        "--tolerance",
        type=float,
        help="largest relative difference that passes; the default follows the digits in the log",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
