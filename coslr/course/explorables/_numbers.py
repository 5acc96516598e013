"""A figure of matplotlib as numbers, which a script draws in the browser.

The places are whole numbers on a grid that is finer than a page's pixels. Curves keep only the
points that a reader would miss.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from coslr._arguments import require
from coslr._arrays import Array
from coslr._optional import extra
from coslr.course.descriptions import MOST_LINES
from coslr.course.explorables._page import dashes, tones

with extra("course"):
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection, PolyCollection
    from matplotlib.colors import to_hex
    from matplotlib.lines import Line2D
    from matplotlib.patches import Rectangle
    from matplotlib.path import Path
    from matplotlib.ticker import FixedLocator
    from matplotlib.transforms import Bbox

Mark = dict[str, Any]

ACROSS, UP = 2000, 1000  # places of the grid
CARRIED = "lines, fill_between, vlines, error bars, axhline, axvline and axhspan"
NOTHING = ("None", "", " ", None)  # names of no line and of no marker


@dataclass(frozen=True)
class Side:
    """An axis that several figures share.

    Attributes:
        label: what it shows.
        low, high: the range, which holds that of each figure.
        log: whether it is logarithmic.
        ticks: the places and texts that were set by hand, or None.
    """

    label: str
    low: float
    high: float
    log: bool
    ticks: list[tuple[float, str]] | None

    def share(self, values: ArrayLike) -> Array:
        """Where the values lie: 0 at the low end, 1 at the high end."""
        scale = np.log10 if self.log else np.asarray
        with np.errstate(divide="ignore", invalid="ignore"):
            low, high, at = (scale(np.asarray(v, float)) for v in (self.low, self.high, values))
            return np.asarray((at - low) / (high - low))


@dataclass(frozen=True)
class Plane:
    """The two axes that several figures share."""

    x: Side
    y: Side

    def places(self, points: ArrayLike) -> Array:
        """Points (n, 2) as places on the grid (n, 2), which may lie outside of it."""
        x, y = np.asarray(points, dtype=float).T
        return np.stack([ACROSS * self.x.share(x), UP * self.y.share(y)], axis=1)

    def settings(self) -> dict[str, Any]:
        """The same for the script."""
        return asdict(self) | {"grid": [ACROSS, UP]}


def plane(axes: list[Axes]) -> Plane:
    """What the axes of all the figures have in common.

    Raises:
        ValueError: two figures have another label or scale, or a scale is neither linear nor log.
    """
    return Plane(*(_side([getattr(ax, name) for ax in axes], name) for name in ("xaxis", "yaxis")))


def _side(axes: list[Any], name: str) -> Side:
    labels = {axis.get_label_text() for axis in axes}
    scales = {axis.get_scale() for axis in axes}
    require(len(labels) == 1, f"labels of the {name}", labels, "the same in all frames")
    right = "linear in all frames, or log in all frames"
    require(scales in ({"linear"}, {"log"}), f"scales of the {name}", scales, right)
    ends = [axis.get_view_interval() for axis in axes]
    ticks = None
    if isinstance(axes[0].get_major_locator(), FixedLocator):
        at = axes[0].get_ticklocs()
        ticks = list(zip(at.tolist(), axes[0].get_major_formatter().format_ticks(at), strict=True))
    low, high = float(np.min(ends)), float(np.max(ends))
    return Side(labels.pop(), low, high, scales == {"log"}, ticks)


def marks(ax: Axes, on: Plane) -> list[Mark]:
    """The lines, dots, intervals and areas of a figure, as the script draws them.

    Args:
        ax: the figure's axes.
        on: the axes of all figures.

    Raises:
        ValueError: the figure has something else, such as text or bars.
    """
    found: list[Mark] = []
    strange: list[object] = [*ax.texts, *ax.images, *ax.tables, *ax.artists]
    for patch in ax.patches:
        if ends := _band(patch):
            places = on.places([(on.x.low, end) for end in ends])[:, 1]
            found.append(_mark("band", patch, patch.get_facecolor(), [places]))
        else:
            strange.append(patch)
    for drawn in ax.collections:
        parts = [np.asarray(path.vertices) for path in drawn.get_paths()]
        if isinstance(drawn, PolyCollection):
            box = Bbox.from_extents(0, 0, ACROSS, UP)
            inside = [Path(on.places(part)).clip_to_bbox(box).vertices for part in parts]
            found.append(_mark("area", drawn, drawn.get_facecolor(), inside))
        elif _intervals(drawn):
            places = on.places(np.concatenate(parts)).reshape(-1, 4)[:, [0, 1, 3]]
            found.append(_mark("bars", drawn, drawn.get_edgecolor(), [places]))
        else:
            strange.append(drawn)
    guides = {"across": ax.get_yaxis_transform("grid"), "down": ax.get_xaxis_transform("grid")}
    for line in ax.lines:
        at: Any = line.get_xydata()
        if line.get_transform() == ax.transData:
            found += _line(line, at, on)
        elif kind := next((k for k, t in guides.items() if t == line.get_transform()), None):
            point = (on.x.low, at[0, 1]) if kind == "across" else (at[0, 0], on.y.low)
            place = on.places([point])[0, int(kind == "across")]
            found.append(_mark(kind, line, line.get_color(), [place]))
        else:
            strange.append(line)
    require(not strange, "the figure", strange, f"of {CARRIED} alone")
    return found


def _band(patch: object) -> tuple[float, float] | None:
    """The ends of an `axhspan`, which is a rectangle as wide as the axes."""
    if isinstance(patch, Rectangle) and patch.axes is not None:
        wide = patch.axes.get_yaxis_transform("grid")
        if patch.get_data_transform() == wide:
            return patch.get_y(), patch.get_y() + patch.get_height()
    return None


def _intervals(drawn: object) -> list[tuple[float, float, float]]:
    """x, low end and high end of each of the upright lines of `vlines` or of error bars."""
    if not isinstance(drawn, LineCollection):
        return []
    ends = [np.asarray(path.vertices) for path in drawn.get_paths()]
    if not all(len(end) == 2 and end[0, 0] == end[1, 0] for end in ends):
        return []
    return [(float(a[0]), float(a[1]), float(b[1])) for a, b in ends]


def _line(line: Line2D, points: Array, on: Plane) -> Iterator[Mark]:
    """A line's curve, its markers, or both."""
    colour = line.get_color()
    places = on.places(points)
    joined = line.get_linestyle() not in NOTHING
    if joined:
        pattern: Any = vars(line)["_unscaled_dash_pattern"]  # matplotlib has no public name for it
        dash = dashes((0, pattern[1] or ()))
        yield _mark("curve", line, colour, _curve(places)) | {"dash": dash}
    if line.get_marker() not in NOTHING:
        inside = ((places >= 0) & (places <= (ACROSS, UP))).all(axis=1)
        yield _mark("dots", line, colour, [places[inside]], named=not joined)


def _curve(places: Array) -> list[ArrayLike]:
    """The parts of a line that are on the grid, without the points that nobody would miss."""
    path = Path(places)
    path.should_simplify = True
    path.simplify_threshold = 1.0  # places of the grid
    box = (0.0, 0.0, float(ACROSS), float(UP))
    clean = path.cleaned(remove_nans=True, clip=box, simplify=True)
    codes = np.asarray(clean.codes)
    drawn = codes != Path.STOP
    points = np.asarray(clean.vertices)[drawn].clip(0, (ACROSS, UP))
    begins = np.flatnonzero(codes[drawn] == Path.MOVETO)
    return [part for part in np.split(points, begins) if len(part) > 1]


def _mark(
    kind: str, drawn: Any, colour: Any, parts: Iterable[ArrayLike], named: bool = True
) -> Mark:
    label = str(drawn.get_label())
    name = label if named and not label.startswith("_") else ""
    at = [np.rint(np.ravel(np.asarray(part))).astype(int).tolist() for part in parts]
    colour = colour if isinstance(colour, str) else np.atleast_2d(colour)[0]
    return {"kind": kind, "name": name, "tones": tones(to_hex(colour)), "at": at}


def unsaid(ax: Axes) -> str:
    """What `coslr.course.descriptions.describe` leaves out: the intervals and the bands."""
    found = []
    for drawn in ax.collections:
        if ends := _intervals(drawn):
            of = [f"{low:.3g} to {high:.3g} at {x:.3g}" for x, low, high in ends]
            if len(ends) > MOST_LINES:
                _, lows, highs = zip(*ends, strict=True)
                of = [f"{len(ends)} between {min(lows):.3g} and {max(highs):.3g}"]
            found.append(f"Intervals: {', '.join(of)}.")
    for patch in ax.patches:
        if band := _band(patch):
            label = str(patch.get_label())
            name = "" if label.startswith("_") else f": {label}"
            found.append(f"A band from {band[0]:.3g} to {band[1]:.3g}{name}.")
    return " ".join(found)
