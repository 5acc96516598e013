"""What traces and audits share: a schedule for each group, and what errors say of a rate."""

from collections.abc import Sequence

from coslr._arguments import require
from coslr._rates import RateFunction, Schedules, require_schedule
from coslr.diagnosis import Diagnosis


def one_per_group(name: str, schedule: Schedules, groups: int) -> list[RateFunction]:
    """The schedules as a list, with one for each of the param groups."""
    if isinstance(schedule, list | tuple):
        must_be = f"one schedule, or a list of {groups}, one for each param group"
        require(len(schedule) == groups, name, schedule, must_be)
        schedules = list(schedule)
    else:
        schedules = [schedule] * groups
    for one in schedules:
        require_schedule(name, one)
    return schedules


def wrong_rate(update: int, where: str, expected: float, found: float) -> str:
    """Two rates that differ, with as many digits as tell them apart.

    Args:
        update: index of the update.
        where: what to add to it, such as " (param group 1)".
        expected: the schedule's rate.
        found: the rate in force.

    Example:
        >>> wrong_rate(3, "", 0.1, 0.1000000001)
        'update 3: the schedule says 0.1, but 0.1000000001 is in force'
    """
    for digits in range(6, 17):
        says, has = f"{expected:.{digits}g}", f"{found:.{digits}g}"
        if says != has:
            break
    else:
        says, has = repr(float(expected)), repr(float(found))
    return f"update {update}{where}: the schedule says {says}, but {has} is in force"


def explained(diagnoses: Sequence[Diagnosis], at_most: int = 3) -> str:
    """The causes as lines that end an error, or "" where nothing explains the trace.

    Args:
        diagnoses: what `diagnose` found.
        at_most: how many of them to print.
    """
    causes = [d for d in diagnoses if d.cause != "right"][:at_most]
    if not causes:
        return ""
    return "".join(["\nThis fits:", *(f"\n- {d.cause}: {d.says}" for d in causes)])
