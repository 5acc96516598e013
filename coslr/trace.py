"""A trace: the learning rates that were in force, update by update."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from coslr._arguments import positive, require, require_type

RateFunction = Callable[[float], float]  # from t to a rate, as every schedule is


@dataclass
class Trace:
    """What an audit recorded: the learning rate in force at each update.

    Attributes:
        rates: the rates of the first param group, one per update.
        groups: the same for every param group: ``groups[i][k]`` is group i at update k.

    Example:
        >>> trace = Trace([[0.4, 0.3], [0.04, 0.03]])  # two param groups, two updates
        >>> trace.rates
        [0.4, 0.3]
    """

    groups: list[list[float]] = field(default_factory=list)

    @property
    def rates(self) -> list[float]:
        """The rates of the first param group."""
        return self.groups[0] if self.groups else []

    def differences(
        self,
        schedule: RateFunction | Sequence[RateFunction],
        *,
        steps_per_unit: float = 1,
        first_update: int = 0,
    ) -> list[list[float]]:
        """Subtract the schedule's rates from the recorded ones.

        `coslr.course.plotting.recorded` draws the recorded rates over the schedule.

        Args:
            schedule: as in `audit`.
            steps_per_unit: as in `audit`.
            first_update: as in `audit`.

        Returns:
            Recorded minus scheduled rate, ``[i][k]`` for param group i at update k.

        Example:
            >>> from coslr import Linear
            >>> trace = Trace([[0.4, 0.4, 0.4]])  # the rate never moved
            >>> [round(d, 9) for d in trace.differences(Linear(T_max=4, eta_max=0.4))[0]]
            [0.0, 0.1, 0.2]
        """
        schedules = one_per_group("schedule", schedule, len(self.groups))
        units = checked_steps_per_unit(steps_per_unit)
        updates = range(first_update, first_update + len(self.rates))
        times = [k / units if units != 1 else k for k in updates]
        return [
            [rate - float(scheduled(t)) for rate, t in zip(rates, times, strict=True)]
            for rates, scheduled in zip(self.groups, schedules, strict=True)
        ]


def one_per_group(
    name: str, schedule: RateFunction | Sequence[RateFunction], groups: int
) -> list[RateFunction]:
    """The schedules as a list, with one for each of the param groups."""
    if isinstance(schedule, list | tuple):
        must_be = f"one schedule, or a list of {groups}, one for each param group"
        require(len(schedule) == groups, name, schedule, must_be)
        schedules = list(schedule)
    else:
        schedules = [schedule] * groups
    for one in schedules:
        # A class is callable too, but calling it with t would build a schedule.
        is_function = callable(one) and not isinstance(one, type)
        require_type(is_function, name, one, "a schedule such as Cosine(50, eta_max=0.1)")
    return schedules


def checked_steps_per_unit(steps_per_unit: float) -> float:
    """Updates in one unit of the schedule, if they are a number above 0."""
    must_be = "a number above 0, such as len(loader)"
    return positive("steps_per_unit", steps_per_unit, must_be)
