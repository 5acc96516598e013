"""The figures of the notebooks: one look for all, and a description for readers who cannot see.

`axes` makes the axes of a new figure, and `stacked` panels that share their x axis. Lines differ in
colour and in dashes, and a schedule has the same look in every lesson. `name_lines` writes their
names beside them. `show` puts the figure on the page with a description made from its data.
"""

import html
import io
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coslr._arguments import require
from coslr._optional import extra
from coslr.course.descriptions import describe, points

with extra("course"):
    from cycler import cycler
    from IPython.display import display
    from matplotlib import rc_context
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from PIL import Image
    from scipy.optimize import isotonic_regression

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

Drawing = Figure | Axes | NDArray[np.object_]  # a figure, its axes, or an array of its panels

# Okabe & Ito's palette ("Color Universal Design", 2008), which colour-blind readers can tell apart.
# We leave out its yellow, which is too pale for a line on white.
COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9"]
DASHES = ["-", "--", "-.", ":", (0, (7, 1, 1, 1, 1, 1)), (0, (1, 3)), (0, (9, 4))]

STYLE_SIZE = 11  # points
STYLE: "dict[RcKeyType, object]" = {
    # The width is part of the cycle because axes keep their cycle, while the other settings hold
    # only inside `rc_context`, and the notebooks draw their lines outside it.
    "axes.prop_cycle": cycler(color=COLORS, linestyle=DASHES, linewidth=[2] * len(COLORS)),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.grid": True,
    "axes.titlelocation": "left",
    "grid.color": "#dddddd",
    "figure.constrained_layout.use": True,
    "legend.frameon": False,
    "legend.handlelength": 3.5,  # long enough to see the dashes
    "font.size": STYLE_SIZE,
}
DPI = 144  # one and a half times the page's 96 dots to the inch: sharp on most screens
SHORTEST_ALT = 20  # characters; "A figure." describes nothing


# Each schedule has one look in the whole series: a line's label chooses it. Grey is for context.
LOOKS: dict[str, dict[str, object]] = {
    "cosine": {"color": "#0072B2", "linestyle": "-"},
    "linear": {"color": "#D55E00", "linestyle": "--"},
    "step": {"color": "#009E73", "linestyle": "-."},
    "constant": {"color": "#000000", "linestyle": ":"},
    "exponential": {"color": "#CC79A7", "linestyle": (0, (7, 1, 1, 1, 1, 1))},
    "WSD": {"color": "#E69F00", "linestyle": (0, (9, 4))},
    "cyclical": {"color": "#56B4E9", "linestyle": (0, (1, 3))},
    "restarts": {"color": "#882255", "linestyle": (0, (5, 1))},
    "schedule-free": {"color": "#999933", "linestyle": (0, (3, 1, 1, 1))},
}
GREY = "#8a8a8a"


class _Axes(Axes):
    """Axes on which a line that is labelled as a schedule has that schedule's look."""

    def plot(self, *args: Any, **kwargs: Any) -> list[Line2D]:
        """As matplotlib's, with the look of the schedule that the label names."""
        look = LOOKS.get(str(kwargs.get("label")), {})
        if not {"linestyle", "ls", "color", "c"} & kwargs.keys():
            # A format such as "o" has its own line style: then the colour alone is the schedule's.
            formatted = any(isinstance(part, str) for part in args)
            kwargs |= {"color": look["color"]} if look and formatted else look
        return super().plot(*args, **kwargs)


@overload
def axes(  # type: ignore[overload-overlap]  # 1 is an int as well; the first match holds
    x: str,
    y: str,
    title: str = "",
    *,
    columns: Literal[1] = 1,
    width: float = 8,
    height: float = 3.6,
) -> Axes: ...


@overload
def axes(
    x: str, y: str, title: str = "", *, columns: int, width: float = 8, height: float = 3.6
) -> NDArray[np.object_]: ...


def axes(
    x: str, y: str, title: str = "", *, columns: int = 1, width: float = 8, height: float = 3.6
) -> Axes | NDArray[np.object_]:
    """The axes of a new figure in the course's style.

    A line whose label is the name of a schedule, one of `LOOKS`, has that schedule's colour and
    dashes, in every lesson the same.

    Args:
        x: what the x axis shows, with its unit: "update", "epoch".
        y: what the y axis shows, with its unit: "learning rate", "test accuracy (%)".
        title: what the reader should see, in one line.
        columns: panels side by side; they share the y axis.
        width: of the whole figure, in inches.
        height: of the whole figure, in inches.

    Returns:
        One `Axes`, or an array of them if `columns` is above 1.

    Raises:
        ValueError: an axis has no name.

    Example:
        >>> ax = axes("update", "learning rate", "A cosine")
        >>> ax.get_xlabel(), ax.get_ylabel()
        ('update', 'learning rate')
    """
    panels, figure = _panels({"x": x}, {"y": y}, 1, columns, width, height)
    if columns > 1:
        figure.suptitle(title, x=0.01, ha="left")
        row: NDArray[np.object_] = panels[0]
        return row
    ax: Axes = panels[0, 0]
    ax.set_title(title, loc="left")
    return ax


def stacked(
    x: str, *y: str, title: str = "", width: float = 8, height: float = 2.2
) -> NDArray[np.object_]:
    """Panels one above the other that share their x axis, one for each name in `y`.

    Args:
        x: what the shared x axis shows, with its unit.
        y: what each panel's y axis shows, from top to bottom, with its unit.
        title: what the reader should see, in one line.
        width: of the whole figure, in inches.
        height: of each panel, in inches.

    Raises:
        ValueError: an axis has no name, or there are fewer than two panels.

    Example:
        >>> top, bottom = stacked("epoch", "learning rate", "test accuracy (%)", title="Both")
        >>> top.get_xlabel(), bottom.get_xlabel(), bottom.get_ylabel()
        ('', 'epoch', 'test accuracy (%)')
    """
    require(len(y) > 1, "y", y, "a name for each of at least two panels")
    names = {f"y[{i}]": label for i, label in enumerate(y)}
    panels, _ = _panels({"x": x}, names, len(y), 1, width, height * len(y) + 0.5)
    column: NDArray[np.object_] = panels[:, 0]
    column[0].set_title(title, loc="left")
    return column


def _panels(
    x: dict[str, str], y: dict[str, str], rows: int, columns: int, width: float, height: float
) -> tuple[NDArray[np.object_], Figure]:
    """Panels in the course's style, with names on the outer axes."""
    for name, label in (x | y).items():
        require(label.strip(), name, label, "what the axis shows, with its unit")
    with rc_context(STYLE):
        # pyplot would keep every figure alive and show it a second time in a notebook.
        figure = Figure(figsize=(width, height))
        FigureCanvasAgg(figure)
        own = {"axes_class": _Axes}
        panels: NDArray[np.object_] = figure.subplots(
            rows, columns, sharex=rows > 1, sharey="row", squeeze=False, subplot_kw=own
        )
    for panel in panels[-1]:
        panel.set_xlabel(*x.values())
    for panel, label in zip(panels[:, 0], y.values(), strict=True):
        panel.set_ylabel(label)
    return panels, figure


def curves(
    ax: Axes,
    schedules: Mapping[str, Callable[[NDArray[np.float64]], ArrayLike]],
    updates: float,
    points: int = 1001,
) -> Axes:
    """Draw each schedule from t = 0 to `updates`, with a legend of their names.

    Args:
        ax: the axes to draw on, from `axes`.
        schedules: name -> schedule, which is called with an array of t.
        updates: the right end, in the schedules' unit.
        points: how many values of t are computed; with 1,001, steps look steep and restarts sharp.

    Returns:
        `ax`.

    Example:
        >>> from coslr import Cosine
        >>> ax = curves(axes("update", "learning rate"), {"cosine": Cosine(50, 0.1)}, updates=50)
        >>> ax.lines[0].get_label()
        'cosine'
    """
    t = np.linspace(0, updates, points)
    for name, schedule in schedules.items():
        ax.plot(t, schedule(t), label=name)
    ax.set_ylim(bottom=0)
    return legend(ax)


def name_lines(ax: Axes) -> Axes:
    """Write each line's name beside its end, in its colour, in place of a legend.

    Names that would overlap move apart, and none covers the x axis. Call it last, when the limits
    of the axes are settled.

    Args:
        ax: the axes, from `axes`; lines without a label get no name.

    Returns:
        `ax`.

    Example:
        >>> from coslr import Constant, Cosine
        >>> ax = axes("update", "learning rate")
        >>> ax = curves(ax, {"cosine": Cosine(50, 0.1), "constant": Constant(0.1)}, updates=50)
        >>> [text.get_text() for text in name_lines(ax).texts]
        ['cosine', 'constant']
    """
    if old := ax.get_legend():
        old.remove()
    lines = [line for line in ax.lines if not str(line.get_label()).startswith("_")]
    ax.autoscale_view()  # matplotlib settles the limits only when it draws; limits set by hand stay
    ends = [_end(line) for line in lines]
    heights = ax.transAxes.inverted().transform(ax.transData.transform(ends))[:, 1]
    height = _figure(ax).get_size_inches()[1] * 72 * ax.get_position().height
    apart = 1.25 * STYLE_SIZE / height
    rising = _spread(np.sort(heights), apart)
    # No name lies lower than half a line above the x axis, where its tick labels are.
    rising = np.maximum(rising, apart * (0.5 + np.arange(len(rising))))
    for i, y in zip(np.argsort(heights), rising, strict=True):
        line = lines[i]
        x = ax.transAxes.inverted().transform(ax.transData.transform(ends[i]))[0]
        ax.annotate(
            str(line.get_label()),
            (x, y),
            xycoords="axes fraction",
            xytext=(6, 0),
            textcoords="offset points",
            color=line.get_color(),
            va="center",
        )
    return ax


def _end(line: Line2D) -> tuple[float, float]:
    """The last point of a line that can be drawn."""
    x, y = points(line)
    return float(x[-1]), float(y[-1])


def _spread(heights: NDArray[np.float64], apart: float) -> NDArray[np.float64]:
    """Rising heights moved as little as needed until neighbours are `apart`."""
    # The nearest rising row of x[i] + i * apart is the isotonic regression of heights - i * apart.
    shift = apart * np.arange(len(heights))
    return np.asarray(isotonic_regression(heights - shift).x + shift)


def legend(ax: Axes, **options: Any) -> Axes:
    """A legend in the course's style, by default beside the axes, where it hides no line.

    Args:
        ax: the axes, from `axes`; their lines have labels.
        options: as matplotlib's `Axes.legend` takes them. With options, the legend stands where
            they or matplotlib put it.

    Returns:
        `ax`.

    Example:
        >>> ax = axes("update", "learning rate")
        >>> line = ax.plot([0, 1], [1, 0], label="falling")
        >>> [text.get_text() for text in legend(ax, loc="upper right").get_legend().get_texts()]
        ['falling']
    """
    with rc_context(STYLE):
        ax.legend(**(options or {"loc": "center left", "bbox_to_anchor": (1, 0.5)}))
    return ax


def pictures(images: ArrayLike, titles: Sequence[str], height: float = 1.6) -> Figure:
    """A row of grey images, each under its title. `show` puts it on the page.

    Args:
        images: shape (n, 1, size, size) or (n, size, size), with any range of values.
        titles: n of them.
        height: of the row, in inches.

    Example:
        >>> figure = pictures(np.zeros((2, 14, 14)), ["first", "second"])
        >>> [ax.get_title() for ax in figure.axes]
        ['first', 'second']
    """
    array = np.asarray(images)
    rows = array.reshape(len(array), *array.shape[-2:])
    with rc_context(STYLE):
        figure = Figure(figsize=(height * len(rows) * 0.85, height))
        FigureCanvasAgg(figure)
        panels = figure.subplots(1, len(rows), squeeze=False)[0]
        for ax, image, title in zip(panels, rows, titles, strict=True):
            ax.imshow(image, cmap="gray_r")
            ax.set_title(title, fontsize=9, loc="center")
            ax.axis("off")
    return figure


def show(drawn: Drawing, note: str = "") -> None:
    """Put a figure on the page, with a text that says what it shows.

    `coslr.course.descriptions.describe` makes the text from title, labels and data.

    Args:
        drawn: a figure, or axes of it.
        note: a sentence to add for readers who cannot see the figure, where that says too little.

    Raises:
        ValueError: the figure has neither a title nor labels, and there is no note, so that the
            text would say nothing.

    Example:
        >>> from coslr import Constant
        >>> ax = axes("update", "learning rate", "It stays")
        >>> show(curves(ax, {"constant": Constant(0.1)}, 50))
        Figure: It stays. Learning rate against update. constant: 0.1 throughout.
    """
    alt = " ".join(part for part in (describe(_figure(drawn)), note) if part)
    display(Described(image(drawn, alt), f"Figure: {alt}"))


def _figure(drawn: Drawing) -> Figure:
    if isinstance(drawn, Figure):
        return drawn
    figure: Figure = np.ravel(np.asarray(drawn, object))[0].figure
    return figure


def image(drawn: Drawing, alt: str, dpi: int = DPI, colors: int = 128) -> str:
    """The figure as an HTML image, because a notebook stores no alt text with a plain image.

    Args:
        drawn, alt: as in `show`; the text is the whole of it.
        dpi: dots to the inch.
        colors: of the palette. Figures of lines need few, and so the file is a third as large.

    Raises:
        ValueError: `alt` is shorter than 20 characters.
    """
    right = f"at least {SHORTEST_ALT} characters that say what the figure shows"
    require(len(alt.strip()) >= SHORTEST_ALT, "alt", alt, right)
    figure = _figure(drawn)
    raw, png = io.BytesIO(), io.BytesIO()
    with rc_context(STYLE):
        figure.savefig(raw, format="png", dpi=dpi, facecolor="white")
    Image.open(raw).convert("RGB").quantize(colors).save(png, format="png", optimize=True)
    width = round(figure.get_size_inches()[0] * 96)
    return (
        f'<img alt="{html.escape(" ".join(alt.split()))}" width="{width}" '
        'style="max-width: 100%; height: auto" '
        f'src="data:image/png;base64,{b64encode(png.getvalue()).decode()}">'
    )


@dataclass(frozen=True)
class Described:
    """What a page shows, and the words that a terminal says in its place."""

    page: str
    description: str

    def _repr_html_(self) -> str:
        return self.page

    def __repr__(self) -> str:
        return self.description
