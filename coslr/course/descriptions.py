"""A figure in words, made from its own title, labels and data.

The text serves readers who cannot see the figure. It says where each line begins, turns and ends,
so it cannot disagree with the drawing.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from coslr._optional import extra

with extra("course"):
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection, PolyCollection
    from matplotlib.container import BarContainer
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.ticker import FixedFormatter, FuncFormatter

MOST_LINES = 12  # of one panel, in full; more than that are summed up
MOST_TURNS = 3
NO_LINE = ("None", "", " ")  # matplotlib's linestyles for dots alone
SMALLEST_TURN = 0.1  # of the line's own range; smaller ups and downs are noise


def describe(figure: Figure) -> str:
    """What a figure shows: title, axes, and the course of each line, panel by panel.

    Example:
        >>> from matplotlib.figure import Figure
        >>> figure = Figure()
        >>> ax = figure.subplots()
        >>> _ = ax.set(title="Down and up", xlabel="update", ylabel="rate")
        >>> _ = ax.plot([0, 1, 2], [1, 0.25, 0.5], label="V")
        >>> describe(figure)
        'Down and up. Rate against update. V: from 1 at 0, down to 0.25 at 1, to 0.5 at 2.'
    """
    main = figure.get_suptitle()
    parts = [main] if main else []
    panels = [ax for ax in figure.axes if ax.get_visible()]
    for panel in panels:
        parts += _panel(panel, alone=len(panels) == 1)
    return " ".join(part if part[-1] in ".?!" else part + "." for part in parts)


def _panel(ax: Axes, alone: bool) -> list[str]:
    """The sentences for one panel."""
    title = _title(ax)
    parts = [title if alone or not title else f"Panel: {title}"] if title else []
    x, y = (_plain(label) for label in (ax.get_xlabel(), ax.get_ylabel()))
    if x and y:
        parts.append(f"{y[0].upper()}{y[1:]} against {x}")
    lines = [line for line in ax.lines if _drawn(line)]
    named = [line for line in lines if not str(line.get_label()).startswith("_")] or lines
    rows = isinstance(ax.yaxis.get_major_formatter(), FixedFormatter | FuncFormatter)
    parts += [_row(line, ax) if rows else _line(line) for line in named[:MOST_LINES]]
    if len(named) > MOST_LINES:
        parts.append(f"And {len(named) - MOST_LINES} more lines")
    if len(lines) > len(named):
        parts.append(f"Behind them, {len(lines) - len(named)} lines without a name")
    return [*parts, *_bars(ax), *_clouds(ax)]


def _title(ax: Axes) -> str:
    return next((t for place in ("left", "center", "right") if (t := ax.get_title(place))), "")


def _plain(label: str) -> str:
    return label.replace("$", "").replace("\\", "").strip()


def _drawn(line: Line2D) -> bool:
    """Whether a line has something to say of its own.

    A guide across the axes has two points in their own units. A label such as "_rings" marks a part
    of another line, while matplotlib itself calls a line without a label "_child0".
    """
    ax, label = line.axes, str(line.get_label())
    in_data = ax is not None and line.get_transform() == ax.transData and len(points(line)[0]) > 0
    return in_data and (not label.startswith("_") or label.startswith("_child"))


def points(line: Line2D) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where a line is drawn: its points without gaps."""
    x = np.asarray(line.get_xdata(orig=False), dtype=float)
    y = np.asarray(line.get_ydata(orig=False), dtype=float)
    finite = np.isfinite(x) & np.isfinite(y)
    return x[finite], y[finite]


def _line(line: Line2D) -> str:
    x, y = points(line)
    label = str(line.get_label())
    name = "A line" if label.startswith("_") else _plain(label)
    if len(x) == 1:
        return f"{name}: {_number(y[0])} at {_number(x[0])}"
    if np.ptp(y) == 0:
        return f"{name}: {_number(y[0])} throughout"
    if line.get_linestyle() in NO_LINE and not _sorted(x):
        return f"{name}: {len(x)} points between {_number(y.min())} and {_number(y.max())}"
    text = f"{name}: from {_number(y[0])} at {_number(x[0])}"
    turns = _turns(y)
    if len(turns) > MOST_TURNS:
        low, high = _number(y.min()), _number(y.max())
        text += f", {len(turns)} turns between {low} and {high}"
    else:
        for before, i in zip([0, *turns], turns, strict=False):
            way = "up" if y[i] > y[before] else "down"
            text += f", {way} to {_number(y[i])} at {_number(x[i])}"
    return f"{text}, to {_number(y[-1])} at {_number(x[-1])}"


def _row(line: Line2D, ax: Axes) -> str:
    """A line on an axis of names: where it stands is a row, and its values lie along it."""
    x, y = points(line)
    if np.ptp(y) > 0:
        return _line(line)
    name, ends = _plain(str(line.get_label())), f"between {_number(x.min())} and {_number(x.max())}"
    if not len(ax.get_xticks()):
        return name  # its places mean nothing
    if line.get_linestyle() in NO_LINE:
        return f"{name}: {len(x)} points {ends}"
    return f"{name}: {_number(x[1])}, {ends}" if len(x) == 3 else f"{name}: {ends}"


def _sorted(x: NDArray[np.float64]) -> bool:
    return bool((np.diff(x) >= 0).all())


def _turns(y: NDArray[np.float64]) -> list[int]:
    """Where a line turns: high and low points in turn, each a tenth of the range from the next.

    The first one may be nearer to the start, so that the best of a row of peaks is told.
    """
    least = SMALLEST_TURN * np.ptp(y)
    turns: list[int] = []
    low, high, rising = 0, 0, None  # the lowest and the highest point since the last turn
    for i, value in enumerate(y):
        low, high = (i if value < y[low] else low), (i if value > y[high] else high)
        if rising is not True and value - y[low] >= least:
            turns.append(low)
            rising, high = True, i
        elif rising is not False and y[high] - value >= least:
            turns.append(high)
            rising, low = False, i
    return [i for i in turns if i]  # the start is no turn


def _bars(ax: Axes) -> Iterator[str]:
    for container in ax.containers:
        if isinstance(container, BarContainer):
            names = [tick.get_text() for tick in (ax.get_xticklabels())]
            heights = [_number(bar.get_height()) for bar in container.patches]
            yield "Bars: " + ", ".join(
                f"{name} {height}" for name, height in zip(names, heights, strict=False)
            )


def _clouds(ax: Axes) -> Iterator[str]:
    for collection in ax.collections:
        label = str(collection.get_label())
        name = "" if label.startswith("_") else _plain(label)
        if isinstance(collection, PathCollection):
            points = np.asarray(collection.get_offsets(), dtype=float)
            if len(points):
                low, high = _number(points[:, 1].min()), _number(points[:, 1].max())
                yield f"{name or 'Dots'}: {len(points)} points between {low} and {high}"
        elif isinstance(collection, PolyCollection) and name:
            yield f"A band: {name}"


def _number(value: float) -> str:
    return f"{value:.3g}"
