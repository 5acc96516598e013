"""How the best peak of a schedule is found: a rule that is fixed before the first run.

1. Try five peaks, each twice the one before.
2. As long as the best of them is the smallest or the largest, try one more peak beyond it. As long
   as runs diverged at all of them, try one more below the smallest. Both together happen at most
   `EXTENSIONS` times. A best peak at the edge of its grid is no result, nor is a grid without a
   score.
3. Refine once: try the two peaks a factor √2 below and above the best.
4. The best of all is the result. Ties go to the smaller peak.

"Best" is the highest score, averaged over the search seeds. A score comes from validation images,
never from test images. Peaks at which a run diverged have no score and are never best.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from coslr._arguments import positive

GRID = (-4, -2, 0, 2, 4)  # half-steps of a factor 2 around the centre
EXTENSIONS = 4
FIGURES = 4  # significant digits of a peak, so that tables show exactly what was trained


@dataclass(frozen=True)
class Progress:
    """Where a search stands.

    Attributes:
        wanted: peaks to be tried next; empty when the search is over.
        best: the best peak, once the search is over; None before, and where there is none.
        obstacle: why a finished search has no result, or "".
    """

    wanted: tuple[float, ...] = ()
    best: float | None = None
    obstacle: str = ""


def peak(centre: float, half_steps: int) -> float:
    """The peak so many half-steps from the centre; two half-steps are a factor of 2.

    >>> [peak(0.1, k) for k in (-2, 0, 1, 2)]
    [0.05, 0.1, 0.1414, 0.2]
    """
    return significant(positive("centre", centre) * 2 ** (half_steps / 2))


def significant(value: float) -> float:
    """A peak rounded to `FIGURES` significant digits; NaN stays NaN.

    >>> significant(0.141421)
    0.1414
    """
    return float(f"{value:.{FIGURES}g}")


def progress(scores: Mapping[float, float], centre: float) -> Progress:
    """What the rule asks for next, given what is known so far.

    Args:
        scores: peak -> mean score, higher is better; NaN where a run diverged.
        centre: the middle of the first five peaks.

    Returns:
        The `Progress`. The same scores always give the same answer, so an interrupted search goes
        on where it was.

    Example:
        >>> progress({}, centre=0.1).wanted
        (0.025, 0.05, 0.1, 0.2, 0.4)
        >>> five = dict(zip((0.025, 0.05, 0.1, 0.2, 0.4), (0.81, 0.84, 0.86, 0.85, 0.80)))
        >>> progress(five, centre=0.1).wanted
        (0.07071, 0.1414)
        >>> progress(five | {0.07071: 0.85, 0.1414: 0.87}, centre=0.1).best
        0.1414
    """
    steps = list(GRID)
    while True:
        missing = _missing(scores, centre, steps)
        if missing:
            return Progress(wanted=missing)
        best = _best(scores, centre, steps)
        if best is None:  # every peak diverged: look lower
            beyond = min(steps) - 2
        elif best == min(steps):
            beyond = best - 2
        elif best == max(steps):
            beyond = best + 2
        else:
            break
        if len(steps) == len(GRID) + EXTENSIONS:
            if best is None:
                return Progress(obstacle="a run diverged at every peak")
            return Progress(
                obstacle=f"the best peak, {peak(centre, best):g}, is at the edge of its grid"
            )
        steps = sorted([*steps, beyond])
    refined = [best - 1, best + 1]
    missing = _missing(scores, centre, refined)
    if missing:
        return Progress(wanted=missing)
    found = _best(scores, centre, sorted([*steps, *refined]))
    return Progress(best=None if found is None else peak(centre, found))


def _missing(scores: Mapping[float, float], centre: float, steps: list[int]) -> tuple[float, ...]:
    return tuple(eta for eta in (peak(centre, k) for k in steps) if eta not in scores)


def _best(scores: Mapping[float, float], centre: float, steps: list[int]) -> int | None:
    """The half-step with the highest score; the smallest one among equals."""
    finite = [k for k in steps if math.isfinite(scores[peak(centre, k)])]
    # Means of equal scores differ by rounding errors, which would decide a tie.
    return max(finite, key=lambda k: (round(scores[peak(centre, k)], 12), -k), default=None)
