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
import math
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from coslr._arguments import require, require_type, shown, whole
from coslr._comparing import one_per_group
from coslr._log_files import COUNTED, Log, load, widest_gap
from coslr._rates import STRICT, RateFunction, at_updates, held, margin
from coslr.diagnosis import diagnose
from coslr.schedules import Join, Schedule, Stretched, Warmup, join, warmup
from coslr.trace import Trace, TraceError

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
    needs the package ``tensorboard``.

    In a folder, `read` looks for ``trainer_state.json``, then for that of the ``checkpoint-*``
    folder with the highest number, then for ``metrics.csv``, then for ``events.out.tfevents.*``,
    and takes the first that is there. Name any other file itself.

    The rows must be in the order of the run, or all in the opposite order. A run that was resumed
    may have gone back and logged some updates twice. The later row counts, because the earlier one
    belongs to updates that the checkpoint threw away.

    A row without a rate is left out: an empty cell, and in CSV also ``nan``, which pandas and W&B
    write there. Elsewhere NaN is a rate, and a wrong one.

    Args:
        path: the file or the folder.
        rate: the column (or key, or tag) that holds the rate, or a list of one per param group.
            None finds those of Trainer and of Lightning's LearningRateMonitor.
        update: the column that numbers the rows. None takes the first of ``update``,
            ``trainer/global_step``, ``train/global_step``, ``global_step`` and ``step``, in
            capitals too; ``Step`` counts in TensorBoard's own downloads. After these come ``iter``,
            ``iteration`` and ``iterations``, if their numbers do not begin anew in each epoch. If a
            table has none of them, the rows with a rate are counted, and `read` warns of it, unless
            the table holds nothing but rates. W&B's own ``_step`` and ``Step`` count calls of
            ``log``, not updates. TensorBoard's files number their rows themselves, so there it must
            be None.
        first_step: the number of update 0 in the log. None takes the library's own; see the table
            at the top of this module. For a file of your own it is 0, so pass 1 if your log numbers
            its updates from 1. Without it, a right run looks one update late.

    Returns:
        A trace whose ``indices`` are the updates that were logged. Momentum and weight decay, where
        Lightning logged them, are in ``other``. ``Trace.check`` sees by itself that TensorBoard
        keeps rates in float32.

    Raises:
        FileNotFoundError: there is no such file, or none of these files in the folder.
        ValueError: the file is broken, has no such column, holds no rate, or holds something else
            where a number should be; or its rows are out of order. The message names the column or
            the row, counted from 0.
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
    log = _load(path, rate, update, first_step)
    if log.may_have_gaps:
        warnings.warn(COUNTED, UserWarning, stacklevel=2)
    return log.trace


def _load(
    path: str | Path, rate: str | Sequence[str] | None, update: str | None, first_step: int | None
) -> Log:
    rates = [rate] if isinstance(rate, str) else list(rate or []) or None
    if first_step is not None:
        first_step = whole("first_step", first_step, least=0)
    return load(Path(path), rates, update, first_step)


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

# Whatever a file or an argument can raise: the program must not end with a traceback, and with its
# exit status of 1, which would mean that the log is wrong.
UNREADABLE = (
    OSError,
    ValueError,
    TypeError,
    OverflowError,
    RecursionError,
    ModuleNotFoundError,
)
MANY = 10  # different rates; someone who writes fewer by hand means them as they are
FEW_DIGITS = range(3, 6)  # with more of them, `Trace.check` allows for rounding by itself


def main(arguments: Sequence[str] | None = None) -> int:
    """Check a log against a schedule, and say right, or what is wrong and why.

    Further lines say what the verdict rests on: that rows were counted or left out, that the log
    ends before the schedule, or that it rounds its rates.

    Args:
        arguments: those of the command line; None takes the program's own.

    Returns:
        The exit status: 0 if all logged rates are the schedule's, as far as their digits show; 1 if
        one is not; and 2 if the log or the schedule cannot be read.
    """
    options = _parser().parse_args(arguments)
    try:
        schedules = [parse_schedule(text) for text in options.schedule]
        log = _load(options.log, options.rate, options.update, options.first_step)
        status, lines = _verdict(log, schedules, options)
    except UNREADABLE as error:
        print(f"python -m coslr.logs: {error}", file=sys.stderr)
        return 2
    print("\n".join([*lines, *log.notes]))
    return status


def _verdict(
    log: Log, schedules: list[Schedule], options: argparse.Namespace
) -> tuple[int, list[str]]:
    """The exit status, and what to print."""
    trace, units, hold = log.trace, options.steps_per_unit, options.hold
    schedule = schedules[0] if len(schedules) == 1 else schedules
    try:
        trace.check(schedule, tolerance=options.tolerance, steps_per_unit=units, hold=hold)
    except TraceError as error:
        wrong = f"wrong: {error}"
    else:
        return 0, _right(trace, schedules, units, hold)
    of_groups = one_per_group("schedule", schedule, len(trace.groups))
    expected = [held(at_updates(one, units), hold) for one in of_groups]
    rounding, is_sure = _rounding(log, expected, options.tolerance)
    if is_sure:
        caveat = f"The log rounds its rates to {rounding}, so a smaller difference does not show."
        return 0, [*_right(trace, schedules, units, hold), caveat]
    lines = [wrong]
    if rounding:
        lines.append(
            f"Each logged rate is the schedule's rounded to {rounding}. If the log rounds, it has "
            "too few rates or digits to tell: log more of them."
        )
    elif (
        options.tolerance is None
        and log.written
        and log.written.digits in FEW_DIGITS
        and "\nThis fits:" not in wrong
    ):
        lines.append(
            "The log has few digits of a rate. If it rounds, --tolerance "
            f"{10.0 ** (1 - log.written.digits):g} allows for that and may show the cause."
        )
    if log.of_trainer and options.first_step is None and _is_one_early(trace, expected):
        lines.append(
            "Trainer of transformers before 4.51 logged the rate of the update that comes next. If "
            "such a release wrote this log, pass --first-step 0."
        )
    if _is_right_from_1(log, schedules, options):
        lines.append(
            "If the log numbers its updates from 1, pass --first-step 1. In Python, pass "
            "first_step=1 to read."
        )
    return 1, lines


def _is_right_from_1(log: Log, schedules: list[Schedule], options: argparse.Namespace) -> bool:
    """Whether the log is right if its number 1 means update 0, where that may be so."""
    updates = [update - 1 for update in log.trace.indices]
    if log.of_trainer or options.first_step is not None or updates[0] < 0:
        return False
    first = min(log.trace.first_update, updates[0])
    shifted = replace(log, trace=replace(log.trace, first_update=first, updates=updates))
    options = argparse.Namespace(**vars(options) | {"first_step": 1})
    return _verdict(shifted, schedules, options)[0] == 0


def _rounding(log: Log, expected: list[RateFunction], tolerance: float | None) -> tuple[str, bool]:
    """To what the log rounds, if each rate in it is the schedule's rounded, and whether it is sure.

    A rate that differs in the digits that the log shows is not the schedule's rounded. Nor is the
    log rounded if a known mistake explains it to the last bit.
    """
    if log.written is None:
        return "", False
    trace, (decimals, digits) = log.trace, log.written
    found = np.array(trace.groups)
    right = np.array([[float(one(k)) for k in trace.indices] for one in expected])
    largest = float(np.abs(right).max(axis=1).min())
    with np.errstate(divide="ignore", invalid="ignore"):
        magnitude = np.floor(np.log10(np.minimum(np.abs(found), np.abs(right))) + 1e-12)
    last_places = {
        _count(decimals, "decimal"): np.array(10.0**-decimals),
        _count(digits, "digit"): 10.0 ** (magnitude - digits + 1),
    }
    accepted = STRICT if tolerance is None else tolerance
    for words, unit in last_places.items():
        # Half a unit of the last place. A rate in float32 has been rounded once before.
        by_rounding = unit / 2 + np.finfo(np.float32).eps * np.abs(right)
        allowed = np.maximum(by_rounding, accepted * np.abs(right))
        fits = bool((np.abs(found - right) <= np.maximum(allowed, margin(largest, accepted))).all())
        if fits and tolerance is not None and unit.max() / 2 <= tolerance * largest:
            return words, True
        if fits and tolerance is None:
            causes = [_exact_causes(trace, i, one) for i, one in enumerate(expected)]
            many = [len(np.unique(rates)) >= MANY for rates in found]
            if all(cause in ([], ["right"]) for cause in causes):
                return words, all(m or c for m, c in zip(many, causes, strict=True))
    return "", False


def _exact_causes(trace: Trace, group: int, expected: RateFunction) -> list[str]:
    """What explains the rates of a param group if nobody rounded them."""
    found = diagnose(
        trace.groups[group],
        expected,
        first_update=trace.first_update,
        updates=trace.updates,
        tolerance=STRICT,
    )
    return [diagnosis.cause for diagnosis in found]


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" + ("" if n == 1 else "s")


def _is_one_early(trace: Trace, expected: list[RateFunction]) -> bool:
    causes = trace.diagnose(expected)
    return bool(causes) and causes[0].cause == "one_early"


def _right(trace: Trace, schedules: list[Schedule], units: float, hold: int) -> list[str]:
    updates = trace.indices
    last = updates[-1]
    text = f"right: {len(updates)} logged rates, of updates {updates[0]} to {last}, are those of "
    lines = [text + " and ".join(map(repr, schedules))]
    end = max(schedule.length for schedule in schedules) * units
    if math.isfinite(end):
        # Rounding errors must not add an update: 3 * 0.1 is 0.30000000000000004.
        end = math.ceil(end * (1 - 1e-12)) * hold
    if last + widest_gap(updates) < end < math.inf:
        lines.append(f"The log ends at update {last}, but the schedule at {end:.12g}.")
    return lines


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
        "--steps-per-unit", type=float, default=1,
        help="updates in one unit of the schedule; with --hold, stairs in one unit",
    )  # fmt: skip
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
        help="largest relative difference that passes; by default 1e-9, or what rounding to "
        "float32 or to 6 to 9 digits makes; a log with fewer digits is right if every rate in it "
        "is the schedule's rounded to them",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
