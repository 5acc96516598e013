"""Which known mistake explains a trace of learning rates: the sentences, and the choice.

`coslr._hypotheses` proposes what the rates would be under each mistake. A cause explains a trace
only if the whole of it fits.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np

import coslr._hypotheses as hypotheses
from coslr._arguments import require, require_type, sequence, whole
from coslr._hypotheses import Guess, Seen
from coslr._rates import (
    STRICT,
    Array,
    RateFunction,
    at_updates,
    checked_tolerance,
    held,
    require_schedule,
    written_precision,
)

# Every cause with what it says of a trace, in the order in which causes are preferred where two of
# them give the same rates.
CAUSES: dict[str, str] = {
    "right": "Every rate is the schedule's.",
    "never_moves": "The rate is {rate} at every update: nobody steps the scheduler, or not before "
    "the epoch ends, or all its lengths lie beyond the run; call scheduler.step() after each "
    "optimizer.step(), and give all lengths in the unit in which it steps.",
    "one_early": "Every rate comes one update early: the scheduler steps before the optimizer, or "
    "it stepped after a first update that GradScaler skipped; call optimizer.step() first and "
    "scheduler.step() after it, if the update was made.",
    "one_late": "Every rate comes one update late, behind a first rate of {first}: the loop sets "
    "each rate after the update that it is meant for; set it before optimizer.step().",
    "not_resumed": "The run goes on at update {update} with the rates of a new run: the "
    "scheduler's state was not loaded; load it from the checkpoint, beside the optimizer's.",
    "too_fast": "The schedule runs {times} times too fast: the scheduler steps {times} times for "
    "each update, once per process or per small batch, or its lengths count something larger than "
    "its steps, such as epochs; step it once after each optimizer.step(), or make its lengths "
    "{times} times as long.",
    "too_slow": "The schedule runs {times} times too slowly: its lengths count something smaller "
    "than its steps, such as small batches or the steps of all processes; divide its lengths by "
    "{times}. If the schedule to compare with counts epochs, pass steps_per_unit with it.",
    "per_epoch": "The rate moves once in {updates} updates: the scheduler steps once an epoch; "
    "call scheduler.step() after every update, or, if you mean the stairs, audit with "
    "hold={updates}, a schedule in epochs and no steps_per_unit.",
    "scaled": "Every rate is {factor} times what it should be: the optimizer was built with "
    "another learning rate, or the rate was multiplied for several processes or a larger batch; "
    "give the schedule and the optimizer the same peak.",
    "scaled_from": "From update {update} on every rate is {factor} times what it should be: the "
    "run went on with the scheduler's state and a new optimizer, or the loop multiplied the rate; "
    "load the optimizer's state too.",
    "restarted": "The schedule begins anew at update {update}: the loop made a new scheduler "
    "there, or lost its state; keep one scheduler for the whole run, and load its state when the "
    "run goes on.",
    "never_restarts": "From update {update} on the rate stays at the end of the cycle: the next "
    "cycle starts from the rate that it finds there; set the peak again before you make a new "
    "scheduler, or use one scheduler with warm restarts.",
    "missed_restart": "A new cycle begins with the last rate of the old one (update {updates}): "
    "the scheduler rounds the number of the cycle down; let it count with step() and no argument, "
    "or look the cycle up in a table of boundaries.",
    "used_up": "The run begins where the schedule is after {steps} steps: the scheduler was "
    "stepped before the training, perhaps to plot it; make a new optimizer and a new scheduler "
    "for the training, and another scheduler for the plot. If the run goes on from a checkpoint, "
    "pass first_update.",
    "climbs_again": "The rate climbs again after update {after}: PyTorch's cosine goes up after "
    "T_max as it came down; set T_max to the number of steps in the whole run, less those of a "
    "warm-up, or stop stepping.",
    "clock_in_warmup": "The clock of the schedule behind the warm-up runs during the warm-up, and "
    "its length is {length}: the rate jumps where the warm-up ends; subtract {warmup} from its "
    "time, as warmup(schedule, updates={warmup}) does.",
    "warmup_from_zero": "The warm-up begins at a rate of 0, so that its first update changes no "
    "weight: start at (t + 1) / (W + 1), or write start=0.0 into the schedule if you mean it.",
    "wrong_floor": "The lowest rate is {eta_min} and not the schedule's: give the scheduler the "
    "same eta_min (PyTorch's default is 0).",
    "wrong_length": "The schedule's {name} is {length} updates and not {meant}: count it in the "
    "unit in which the scheduler steps, and leave out the warm-up where it has its own length.",
}


@dataclass(frozen=True)
class Diagnosis:
    """One cause that explains a whole trace.

    Attributes:
        cause: a stable word, one of `CAUSES`.
        parameters: the details of the mistake by name, such as ``{"times": 4}``. Lengths and
            positions are in updates. Three entries are no single number: ``clock_in_warmup`` has
            "its own" or "the whole run's" as ``"length"``, ``wrong_length`` has the name of an
            argument as ``"name"``, and ``missed_restart`` has a list as ``"updates"``. If
            ``too_fast`` has an ``"offset"`` too, update k had the rate of update
            ``times * k + offset``.
        says: one sentence with the likely cause in a training loop, and the remedy.
        updates: the recorded updates whose rate is not the schedule's.
    """

    cause: str
    parameters: dict[str, Any]
    says: str
    updates: tuple[int, ...] = field(default=(), repr=False)


def diagnose(
    rates: Sequence[float] | Array,
    schedule: RateFunction,
    *,
    steps_per_unit: float = 1,
    hold: int = 1,
    first_update: int = 0,
    updates: Sequence[int] | None = None,
    tolerance: float | None = None,
) -> list[Diagnosis]:
    """The known mistakes that explain a trace of learning rates, best first.

    Args:
        rates: the learning rates that were in force, one for each recorded update. NaN is allowed,
            and nothing explains it.
        schedule: the rates that were meant: a schedule, or any function of t.
        steps_per_unit: optimizer updates in one unit of the schedule; ``len(loader)`` for epochs.
            With `hold` above 1, the number of stairs in one unit.
        hold: updates that share one rate, in a loop that steps its scheduler once an epoch; see
            `coslr.audit.audit`.
        first_update: index of the first update of the recorded part, above 0 if the run went on
            from a checkpoint.
        updates: index of each recorded update, increasing, where a log kept only some. None means
            every update from `first_update` on.
        tolerance: largest relative difference between equal rates, from 0 to 0.1. None takes 1e-9
            or, if nothing explains the trace then, the precision in which the rates seem to be
            written (float32, or six to nine digits). Rates near 0 may differ by this share of the
            largest rate, but by no more than 1e-6 of it.

    Returns:
        The causes that explain every recorded rate, in three parts, each in the order of `CAUSES`:
        causes without a number computed from the rates; causes with one (a rate that never moves
        from 0.07); and causes whose number may be larger, because the run was too short to tell.
        With more than three recorded updates, the third part is left out if there is another cause.

        The list holds only ``right`` if the rates are the schedule's. It is empty if nothing
        explains them, or if there are none. A short trace often has several causes. And some
        mistakes always give the same rates: a line that runs twice too fast is one of half the
        length.

    Raises:
        ValueError, TypeError: an argument is wrong; the message names it and says what is right.

    Example:
        >>> from coslr import Cosine
        >>> schedule = Cosine(T_max=100, eta_max=0.1)
        >>> found = diagnose([schedule(4 * k) for k in range(50)], schedule)
        >>> found[0].cause, found[0].parameters
        ('too_fast', {'times': 4})
        >>> diagnose([0.1, 0.07, 0.09, 0.03], schedule)
        []
    """
    require_schedule("schedule", schedule)
    found = np.array(
        [
            _as_float(f"rates[{i}]", rate)
            for i, rate in enumerate(sequence("rates", rates, "learning rates"))
        ]
    )
    first_update = whole("first_update", first_update, least=0)
    if updates is None:
        recorded = first_update + np.arange(len(found))
    else:
        given = sequence("updates", updates, "increasing update indices")
        recorded = np.array(
            [whole(f"updates[{i}]", k, least=0) for i, k in enumerate(given)], dtype=int
        )
        right = f"{len(found)} increasing update indices from first_update={first_update}"
        increases = bool((np.diff(recorded) > 0).all()) and (recorded[:1] >= first_update).all()
        require(len(recorded) == len(found) and increases, "updates", updates, right)
    if tolerance is None:
        tolerances = sorted({STRICT, written_precision(found)})
    else:
        tolerances = [checked_tolerance(tolerance)]
    meant = held(at_updates(schedule, steps_per_unit), whole("hold", hold))
    if len(found):
        with np.errstate(all="ignore"):
            for one in tolerances:
                diagnoses = _causes(Seen(found, recorded, meant, first_update, one))
                if diagnoses:
                    return diagnoses
    return []


def _as_float(name: str, rate: Any) -> float:
    """One rate as a float, which may be NaN or infinite: a run that diverged can log that."""
    require_type(hasattr(rate, "__float__"), name, rate, "a learning rate")
    try:
        return float(rate)
    except (TypeError, ValueError, OverflowError):  # an array of several, a complex tensor
        require(False, name, rate, "one learning rate")
        raise


def _causes(seen: Seen) -> list[Diagnosis]:
    if not len(seen.wrong):
        return [Diagnosis("right", {}, CAUSES["right"])]
    found: list[tuple[str, Guess]] = []
    for cause in list(CAUSES)[1:]:
        propose = getattr(hypotheses, cause)
        fitting = (guess for guess in propose(seen) if seen.is_explained_by(guess))
        found += [(cause, guess) for guess in islice(fitting, 1)]
    # The sort keeps the order of causes that are equal in this.
    found.sort(key=lambda pair: (pair[1].at_least != "", pair[1].fitted))
    if not seen.short:
        found = [pair for pair in found if not pair[1].at_least] or found
    wrong = tuple(seen.updates[seen.wrong].tolist())
    return [Diagnosis(cause, one.parameters, _says(cause, one), wrong) for cause, one in found]


def _says(cause: str, guess: Guess) -> str:
    numbers = {name: _shown(value) for name, value in guess.parameters.items()}
    if guess.at_least:
        numbers[guess.at_least] += " or more"
    return CAUSES[cause].format(**numbers)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        more = f" and {len(value) - 3} more" if len(value) > 3 else ""
        return ", ".join(str(one) for one in value[:3]) + more
    return f"{value:.6g}" if isinstance(value, float) else str(value)
