"""A figure for each position of some controls, drawn when the notebook runs.

A picture of each frame would be large, and have one size and one theme. So the page gets the
figures' numbers, and a script draws them.
"""

import inspect
import itertools
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from coslr._arguments import require
from coslr._optional import extra
from coslr.course.descriptions import describe
from coslr.course.explorables._numbers import marks, plane, unsaid
from coslr.course.explorables._page import Explorable, explorable
from coslr.course.plotting import name_lines

with extra("course"):
    from matplotlib.axes import Axes

MOST_FRAMES = 200  # a figure takes matplotlib about 20 milliseconds
MOST_BYTES = 300_000  # of one piece of HTML; a lesson's page may have ten times as much


def frames(
    draw: Callable[..., Axes], title: str, lead: str, **values: Sequence[float] | Sequence[str]
) -> Explorable:
    """A figure that is drawn for each combination of some values, and controls to choose one.

    Numbers get a slider, and words a list to choose from. A control starts at the default of
    `draw`'s argument, or else at its first value. All frames share their axes, whose limits hold
    the limits of every frame. The names of lines stand at their ends.

    Args:
        draw: called with each combination of the values, by name. It returns new axes from
            `coslr.course.plotting.axes`. Their title says what this frame shows: the reader sees
            it below the figure, and a screen reader says it. They may have lines, `fill_between`,
            `vlines`, error bars, `axhline`, `axvline` and `axhspan`.
        title: the message of the whole, without a full stop.
        lead: one or two sentences that say what the reader can do.
        values: each argument of `draw` and its values, in the control's order. There are at most
            200 combinations.

    Raises:
        ValueError: a list is empty or lacks `draw`'s default, there are more than 200 combinations
            or more than 300,000 bytes, frames have different axes, or a figure has no title or
            something that the script cannot draw.

    Example:
        >>> from coslr import Cosine
        >>> from coslr.course.plotting import axes
        >>> def draw(T_max=50):
        ...     ax = axes("t", "learning rate", f"Half of the fall is done at t = {T_max / 2:g}")
        ...     ax.plot(range(101), [Cosine(T_max, 0.1)(t) for t in range(101)], label="cosine")
        ...     return ax
        >>> piece = frames(draw, "Half way, half done", "Move the length.", T_max=[25, 50, 100])
        >>> piece.text[:35]
        'Half of the fall is done at t = 25.'
    """
    counts = {name: len(some) for name, some in values.items()}
    right = f"1 to {MOST_FRAMES} combinations of values"
    require(counts and 1 <= np.prod(list(counts.values())) <= MOST_FRAMES, "values", counts, right)
    starts = _starts(draw, values)

    chosen = [dict(zip(values, one, strict=True)) for one in itertools.product(*values.values())]
    drawn = [draw(**one) for one in chosen]
    on = plane(drawn)
    # Frames share much, such as a line that one control does not move. So each mark is kept once.
    numbers: dict[str, int] = {}
    kept = []
    for ax, one in zip(drawn, chosen, strict=True):
        name = ax.get_title("left")
        require(name, f"title at {one}", name, "the title of the axes that draw returns")
        places = [numbers.setdefault(json.dumps(mark), len(numbers)) for mark in marks(ax, on)]
        figure: Any = ax.get_figure()
        text = f"{describe(figure)} {unsaid(ax)}".strip()
        kept.append({"title": name, "text": text, "drawn": places})

    first = drawn[int(np.ravel_multi_index(starts, list(counts.values())))]
    first.set(xlim=(on.x.low, on.x.high), ylim=(on.y.low, on.y.high))
    if any(not str(line.get_label()).startswith("_") for line in first.lines):
        name_lines(first)
    controls = [
        {
            "name": name,
            "values": list(map(_word, some)),
            "at": at,
            "words": some[0] == _word(some[0]),
        }
        for (name, some), at in zip(values.items(), starts, strict=True)
    ]
    piece = explorable(
        "frames",
        title,
        lead,
        first,
        unsaid(first),
        **on.settings(),
        controls=controls,
        marks=[json.loads(mark) for mark in numbers],
        frames=kept,
    )
    size = len(piece.html.encode())
    right = f"fewer, or their figures simpler: {size:,} bytes are more than {MOST_BYTES:,}"
    require(size <= MOST_BYTES, "values", counts, right)
    return piece


def _starts(draw: Callable[..., Axes], values: dict[str, Any]) -> list[int]:
    """Where each control starts, as an index of its values."""
    arguments = inspect.signature(draw).parameters
    starts = []
    for name, some in values.items():
        wanted = arguments[name].default if name in arguments else inspect.Parameter.empty
        start = some[0] if wanted is inspect.Parameter.empty else wanted
        require(start in list(some), f"the default of {name}", start, f"one of {list(some)}")
        starts.append(list(some).index(start))
    return starts


def _word(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"
