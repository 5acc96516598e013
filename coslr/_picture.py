"""How a notebook shows a schedule: its repr, and a small picture of its curve, with numpy alone.

The picture is an SVG inside the address of an ``<img>``. JupyterLab removes SVG, styles and scripts
from the output of a notebook that the reader has not trusted, but it keeps such images. The picture
brings its own white background, because an image cannot know whether the page is light or dark.

The file reads from top to bottom: the HTML, the points of the curve, the SVG, its numbers, and the
text for readers who cannot see it.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from itertools import islice, pairwise
from typing import Protocol
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from coslr._arguments import require, shown

Array = NDArray[np.float64]

WIDTH, HEIGHT = 360, 180
TOP, RIGHT, BOTTOM = 30, 24, 42  # margins of the curve; the left one depends on the labels
CURVE, INK, GRID = "#0072B2", "#333", "#ddd"

POINTS = (
    1200  # at which the curve is computed: four for each pixel, so that any jump looks vertical
)
MOST_PHASES, FIRST_PHASES = 50, 20  # of more than 50 phases, only the first 20 are drawn
NO_SCALE = 100.0  # how much is drawn of a schedule that has neither an end nor a scale of time
LONGEST_PATH = 3500  # characters


class Drawable(Protocol):
    """What the picture needs of a schedule."""

    @property
    def length(self) -> float: ...
    def __call__(self, t: Array, /) -> Array: ...
    def _boundaries_before(self, t: float) -> Iterator[float]: ...


def notebook_html(schedule: Drawable, end: float | None) -> str:
    """The schedule's repr, and below it an image of its curve.

    Args:
        schedule: any schedule.
        end: update (or epoch) at which the picture ends; None if the schedule suggests none.

    Raises:
        ValueError: a rate is not finite.
    """
    curve = sample(schedule, end)
    address = "data:image/svg+xml," + quote(svg(curve), safe="!'()*,-./:;=@_~")
    return (
        f"<code>{escape(shown(schedule))}</code><br>"
        f'<img src="{address}" alt="{escape(words(curve))}" width="{WIDTH}" height="{HEIGHT}">'
    )


# ------------------------------------------------------------------------ points of the curve


@dataclass(frozen=True)
class Curve:
    """Points of a schedule. Where it jumps, two points have the same `t`."""

    t: Array
    rates: Array
    end: float  # of the picture
    length: float  # of the schedule

    @property
    def is_complete(self) -> bool:
        return self.end >= self.length


def sample(schedule: Drawable, end: float | None) -> Curve:
    """Compute the curve piece by piece, so that it jumps where a new phase begins."""
    end, length = end or NO_SCALE, schedule.length
    searched = schedule._boundaries_before(math.inf if length < math.inf else end)
    boundaries = list(islice(searched, MOST_PHASES + 1))
    if len(boundaries) > MOST_PHASES:
        end = boundaries[FIRST_PHASES - 1]
    elif boundaries and boundaries[-1] >= end:  # the last phase begins at the end: show it
        end *= 1.15

    times, arguments = [], []
    for begin, stop in pairwise([0.0, *(float(b) for b in boundaries if b < end), float(end)]):
        # An even number of parts, so that the peak in the middle of a triangle is a point.
        parts = 2 * max(10, math.ceil(POINTS / 2 * (stop - begin) / end))
        piece = np.linspace(begin, stop, parts + 1)
        just_before_stop = stop - 1e-9 * (stop - begin)
        times.append(piece)
        arguments.append(np.append(piece[:-1], just_before_stop))
    t = np.append(np.concatenate(times), end)
    with np.errstate(all="ignore"):
        rates = schedule(np.append(np.concatenate(arguments), end))
    require(np.isfinite(rates).all(), "rates", rates, "finite")

    rates[abs(rates) <= 1e-12 * abs(rates).max()] = 0.0  # so that no rounding error is printed
    # What changes by a millionth within a billionth of a phase is no jump: use the later rate.
    joints = np.flatnonzero(np.diff(t) == 0)
    small = abs(rates[joints + 1] - rates[joints]) <= 1e-6 * abs(rates).max()
    rates[joints[small]] = rates[joints[small] + 1]
    if end < length and not small[-1]:  # a new phase begins where the picture ends: leave it out
        t, rates = t[:-1], rates[:-1]
    return Curve(t, rates, end, length)


# -------------------------------------------------------------------------------- the picture


def svg(curve: Curve) -> str:
    """Axes with round numbers, and the curve as one path."""
    low, high = min(0.0, float(curve.rates.min())), max(0.0, float(curve.rates.max()))
    high = high if high > low else 1.0
    rate_ticks, time_ticks = round_numbers(low, high, 5), round_numbers(0, curve.end, 6)
    left = 16 + 6.3 * max(len(text(tick)) for tick in rate_ticks)
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def x(t: Array) -> Array:
        return left + (right - left) * (t / curve.end)

    def y(rates: Array) -> Array:
        return bottom - (bottom - TOP) * ((rates - low) / (high - low))

    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {HEIGHT}'"
        f" width='{WIDTH}' height='{HEIGHT}' font-family='sans-serif' font-size='11' fill='{INK}'>",
        f"<rect width='{WIDTH}' height='{HEIGHT}' rx='4' fill='#fff'/>",
        "<text x='8' y='16'>learning rate</text>",
        f"<text x='{right}' y='{HEIGHT - 9}' text-anchor='end'>{time_title(curve)}</text>",
    ]
    for tick, height in zip(rate_ticks, y(rate_ticks), strict=True):
        parts.append(
            f"<path d='M{left:.1f},{height:.1f}H{right}' stroke='{GRID}'/>"
            f"<text x='{left - 6:.1f}' y='{height + 4:.1f}' text-anchor='end'>{text(tick)}</text>"
        )
    for tick, where in zip(time_ticks, x(time_ticks), strict=True):
        label = text(tick, largest=curve.end)
        parts.append(
            f"<path d='M{where:.1f},{bottom}v4' stroke='{INK}'/>"
            f"<text x='{where:.1f}' y='{bottom + 16}' text-anchor='middle'>{label}</text>"
        )
    parts.append(f"<path d='M{left:.1f},{bottom}H{right}' stroke='{INK}'/>")
    points = path(x(curve.t), y(curve.rates))
    parts.append(f"<path d='{points}' fill='none' stroke='{CURVE}' stroke-width='2'/></svg>")
    return "".join(parts)


def time_title(curve: Curve) -> str:
    """The name of the time axis, and how much of the schedule it shows if that is not all."""
    if curve.is_complete:
        return "update (or epoch)"
    if curve.length == math.inf:
        return "update (or epoch); the schedule has no end"
    return f"update (or epoch), first {text(curve.end)} of {text(curve.length)}"


def path(x: Array, y: Array) -> str:
    """The points as an SVG path, without those that nobody would miss."""
    x, y = x.round(1), y.round(1)
    tolerance = 0.1
    while True:
        kept = outline(x, y, tolerance)
        result = "M" + "L".join(f"{x[i]:g},{y[i]:g}" for i in kept)
        if len(result) <= LONGEST_PATH or len(kept) == 2:
            return result
        tolerance *= 1.5


def outline(x: Array, y: Array, tolerance: float) -> list[int]:
    """Which points to keep so that the line stays within `tolerance` of all points.

    Keep both ends and the point that is farthest from the line between them, and go on in both
    halves (Ramer 1972; Douglas & Peucker 1973).
    """
    kept = {0, len(x) - 1}
    stretches = [(0, len(x) - 1)]
    while stretches:
        a, b = stretches.pop()
        if b - a < 2:
            continue
        dx, dy = x[b] - x[a], y[b] - y[a]
        away = abs(dx * (y[a + 1 : b] - y[a]) - dy * (x[a + 1 : b] - x[a]))
        farthest = int(away.argmax())
        if away[farthest] > tolerance * math.hypot(dx, dy):
            middle = a + 1 + farthest
            kept.add(middle)
            stretches += [(a, middle), (middle, b)]
    return sorted(kept)


# -------------------------------------------------------------------------------- its numbers


def round_numbers(low: float, high: float, most: int) -> Array:
    """The multiples of 1, 2 or 5 times a power of ten from `low` to `high`, at most `most` + 1.

    >>> round_numbers(0, 0.1, 4).tolist()
    [0.0, 0.05, 0.1]
    """
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(n * power for n in (1, 2, 5, 10) if n * power * most >= (high - low) * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return np.arange(first, last + 1, dtype=float) * step


def text(value: float, largest: float = 0.0) -> str:
    """A number with at most four digits, as people write it, in the style of its `largest` peer.

    >>> [text(value) for value in (0.0, 0.1, 0.00002, 11718.0, 2.5e6)]
    ['0', '0.1', '2e-5', '11,718', '2.5e6']
    >>> text(500_000.0, largest=2.5e6)
    '5e5'
    """
    if value == 0:
        return "0"
    if 1e3 <= abs(value) < 1e6 and largest < 1e6:
        return f"{value:,.0f}"
    digits = f"{value:.3e}" if largest >= 1e6 else f"{value:.4g}"
    return re.sub(r"\.?0*e\+?(-?)0*", r"e\1", digits)


# --------------------------------------------------------------- for those who cannot see it


def words(curve: Curve) -> str:
    """What the curve does: its start, its turning points, its end."""
    moves = [describe(run, curve) for run in runs_of(curve)]
    if curve.is_complete and moves and moves[-1].startswith("stays"):
        moves.pop()
    if len(moves) > 8:
        moves[6:] = [f"and so on, to {text(curve.rates[-1])} at {text(curve.end)}"]
    story = ", ".join([f"It starts at {text(curve.rates[0])}", *moves])
    after = "Then it holds this rate" if curve.is_complete else "There the picture ends"
    return f"Curve of the learning rate. {story}. {after}."


@dataclass
class Run:
    """A part of the curve that rises (1), falls (-1) or stays (0), perhaps all at once."""

    direction: int
    begin: float
    end: float
    rate: float  # at its end

    @property
    def is_jump(self) -> bool:
        return self.begin == self.end


def runs_of(curve: Curve) -> list[Run]:
    """The curve from turning point to turning point, and from jump to jump."""
    t, rates = curve.t, curve.rates
    change = np.diff(rates)
    directions = np.where(abs(change) <= 1e-12 * abs(rates).max(), 0, np.sign(change))
    runs: list[Run] = []
    for direction, begin, end, rate in zip(directions, t, t[1:], rates[1:], strict=False):
        here, last = Run(int(direction), begin, end, rate), runs[-1] if runs else None
        if not direction and here.is_jump:
            continue
        if last and last.direction == direction and not last.is_jump and not here.is_jump:
            last.end, last.rate = end, rate
        else:
            runs.append(here)
    # A smooth curve is flat for a moment where it turns. That belongs to its fall or rise.
    result: list[Run] = []
    for run in runs:
        last = result[-1] if result else None
        a_moment = not run.direction and run.end - run.begin < 0.03 * curve.end
        goes_on = last and not last.is_jump and not run.is_jump
        if last and goes_on and (a_moment or last.direction == run.direction):
            last.end, last.rate = run.end, run.rate
        elif not a_moment:
            result.append(run)
    return result


def describe(run: Run, curve: Curve) -> str:
    """One run as part of a sentence."""
    if run.direction == 0:
        return f"stays there until {text(run.end)}"
    if run.end - run.begin < 1.5 * curve.end / POINTS:
        return f"{'jumps' if run.direction > 0 else 'drops'} to {text(run.rate)}"
    verb = "rises" if run.direction > 0 else "falls"
    return f"{verb} to {text(run.rate)} at {text(run.end)}"
