"""The figures of the notebooks: one look, lines told apart by style as well as colour, alt text.

A figure is drawn on axes from `axes`, and put on the page by `show`, which does not let one go
without a description for readers who cannot see it. `sliders` redraws a figure as they move.
"""

import html
import io
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ipywidgets
import numpy as np
from cycler import cycler
from IPython.display import display
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

# Okabe & Ito's palette ("Color Universal Design", 2008), which colour-blind readers can tell apart;
# its yellow, too pale for a line on white, is left out.
COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9"]
DASHES = ["-", "--", "-.", ":", (0, (7, 1, 1, 1, 1, 1)), (0, (1, 3)), (0, (9, 4))]

STYLE: Any = {
    # The width too: a cycle belongs to its axes, the other settings only to the moment of drawing.
    "axes.prop_cycle": cycler(color=COLORS, linestyle=DASHES, linewidth=[2] * len(COLORS)),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.grid": True,
    "axes.titlelocation": "left",
    "grid.color": "#dddddd",
    "figure.constrained_layout.use": True,
    "legend.frameon": False,
    "legend.handlelength": 3.5,  # long enough to see the dashes
    "font.size": 11,
}
DPI = 144  # sharp on the usual screens; the page shows it at 96 dots to the inch


def axes(
    x: str, y: str, title: str = "", *, columns: int = 1, width: float = 8, height: float = 3.6
) -> Any:
    """Axes of a new figure in the course's style: one, or an array of `columns` side by side.

    Args:
        x, y: what the axes show, with units: "update", "learning rate", "test accuracy (%)".
        title: what the reader should see, in one line.
        columns: panels side by side; they share the y axis.
        width, height: of the whole figure, in inches.

    Raises:
        ValueError: an axis without a name.

    Example:
        >>> ax = axes("update", "learning rate", "A cosine")
        >>> ax.get_xlabel(), ax.get_ylabel()
        ('update', 'learning rate')
    """
    for name, label in (("x", x), ("y", y)):
        if not label.strip():
            raise ValueError(f"{name}={label!r}: must say what the axis shows, and its unit")
    with rc_context(STYLE):
        # Not pyplot: it would keep every figure alive, and show it a second time in a notebook.
        figure = Figure(figsize=(width, height))
        FigureCanvasAgg(figure)
        panels = figure.subplots(1, columns, sharey=True, squeeze=False)[0]
        for ax in panels:
            ax.set_xlabel(x)
        panels[0].set_ylabel(y)
        if columns == 1:
            panels[0].set_title(title)
        else:
            figure.suptitle(title, x=0.01, ha="left")
    return panels[0] if columns == 1 else panels


def curves(
    ax: Axes, schedules: Mapping[str, Callable[..., Any]], updates: float, points: int = 1001
) -> Axes:
    """Draw each schedule from t = 0 to `updates`, and a legend of their names.

    Args:
        ax: from `axes`.
        schedules: name -> schedule, called with an array of t.
        updates: the right end, in the schedules' unit.
        points: where they are computed; steps stay steep and restarts sharp with 1,001.

    Example:
        >>> from coslr import Cosine
        >>> ax = curves(axes("update", "learning rate"), {"cosine": Cosine(50, 0.1)}, updates=50)
        >>> ax.lines[0].get_label()
        'cosine'
    """
    t = np.linspace(0, updates, points)
    for name, schedule in schedules.items():
        ax.plot(t, schedule(t), label=name)  # in the style that is next on these axes
    ax.set_ylim(bottom=0)
    return legend(ax)


def recorded(
    ax: Axes,
    rates: Sequence[float],
    schedule: Callable[..., Any],
    *,
    steps_per_unit: float = 1,
    first_update: int = 0,
    tolerance: float = 1e-9,
) -> Axes:
    """Draw what an audit recorded over the schedule it should be; mark the first update apart.

    Args:
        ax: from `axes`.
        rates: the `rates` of a trace, or one of its `groups`.
        schedule, steps_per_unit, first_update, tolerance: as the audit takes them.

    Example:
        >>> from coslr import Cosine
        >>> ax = recorded(axes("update", "learning rate"), [0.1, 0.1, 0.1], Cosine(50, 0.1))
        >>> [line.get_label() for line in ax.lines]
        ['schedule', 'recorded', 'update 1: 0.1, not 0.0999013']
    """
    updates = np.arange(first_update, first_update + len(rates))
    times = updates if steps_per_unit == 1 else updates / steps_per_unit
    right = np.array([float(schedule(t)) for t in times.tolist()])
    found = np.asarray(rates, dtype=float)
    ax.plot(updates, right, label="schedule")
    ax.plot(updates, found, label="recorded")
    close = abs(found - right) <= np.maximum(tolerance * abs(right), 1e-15)
    apart = np.flatnonzero(~close)  # NaN too
    if apart.size:
        k = apart[0]
        label = f"update {updates[k]}: {found[k]:.6g}, not {right[k]:.6g}"
        ax.plot(updates[k], found[k], "o", color="black", fillstyle="none", ms=10, label=label)
    ax.set_ylim(bottom=0)
    return legend(ax)


def legend(ax: Axes, **where: Any) -> Axes:
    """A legend in the course's style, beside the axes, where it hides no line.

    Args:
        ax: from `axes`; its lines have labels.
        where: what matplotlib's `Axes.legend` takes, to put it elsewhere.

    Example:
        >>> ax = axes("update", "learning rate")
        >>> line = ax.plot([0, 1], [1, 0], label="falling")
        >>> [text.get_text() for text in legend(ax, loc="upper right").get_legend().get_texts()]
        ['falling']
    """
    with rc_context(STYLE):
        ax.legend(**(where or {"loc": "center left", "bbox_to_anchor": (1, 0.5)}))
    return ax


def pictures(images: Any, titles: Sequence[str], height: float = 1.6) -> Figure:
    """A row of grey images, each under its title; to be put on the page by `show`.

    Args:
        images: (n, 1, size, size) or (n, size, size), any range of values.
        titles: n of them.

    Example:
        >>> figure = pictures(np.zeros((2, 14, 14)), ["first", "second"])
        >>> [ax.get_title() for ax in figure.axes]
        ['first', 'second']
    """
    images = np.asarray(images).reshape(len(images), *np.shape(images)[-2:])
    with rc_context(STYLE):
        figure = Figure(figsize=(height * len(images) * 0.85, height))
        FigureCanvasAgg(figure)
        panels = figure.subplots(1, len(images), squeeze=False)[0]
        for ax, image, title in zip(panels, images, titles, strict=True):
            ax.imshow(image, cmap="gray_r")
            ax.set_title(title, fontsize=9, loc="center")
            ax.axis("off")
    return figure


def show(drawn: Figure | Axes | np.ndarray, alt: str) -> None:
    """Put a figure on the page, with a text that says what it shows.

    Args:
        drawn: a figure, or axes of it.
        alt: what a reader who cannot see it must know: the lines, where they go, what differs.

    Raises:
        ValueError: `alt` is shorter than 20 characters.

    Example:
        >>> show(axes("update", "learning rate"), "Empty axes: learning rate against updates.")
        Figure: Empty axes: learning rate against updates.
    """
    display(_Shown(_image(drawn, alt), f"Figure: {alt}"))


def sliders(draw: Callable[..., tuple[Any, str]], **controls: ipywidgets.Widget) -> ipywidgets.VBox:
    """Sliders over a figure, which is drawn anew whenever one of them moves.

    Args:
        draw: called with each slider's value under its name; returns the figure, or axes of it, and
            its alt text. It is tried at both ends of each slider first: an error that would show
            itself only when a reader moves there is raised here.
        controls: name -> slider, or a list of options.

    Example:
        >>> def draw(T_max):
        ...     ax = curves(axes("update", "learning rate"), {"line": lambda t: 0 * t}, T_max)
        ...     return ax, f"A line at zero, {T_max} updates long."
        >>> box = sliders(draw, T_max=ipywidgets.IntSlider(50, 1, 100))
        >>> box.children[0].value = 75
        >>> box.children[-1].value[:45]
        '<img alt="A line at zero, 75 updates long." w'
    """
    picture = ipywidgets.HTML()

    def values() -> dict[str, Any]:
        return {name: control.value for name, control in controls.items()}

    def redraw(_: Any = None) -> None:
        picture.value = _image(*draw(**values()))

    for name, control in controls.items():
        for end in _ends(control):
            draw(**(values() | {name: end}))
        control.description = control.description or name
        control.style.description_width = "8em"
        control.layout.width = "32em"
        control.observe(redraw, "value")
    redraw()
    return ipywidgets.VBox([*controls.values(), picture])


def _ends(control: ipywidgets.Widget) -> list[Any]:
    """The settings of a control at which a figure is most likely to fail."""
    if hasattr(control, "options"):
        options = (
            control.options.values() if hasattr(control.options, "values") else control.options
        )
        return [option[1] if isinstance(option, tuple) else option for option in options]
    if not hasattr(control, "min"):
        return [control.value]
    ends = [control.min, control.max]
    if isinstance(control.value, tuple):  # a range
        return [(end, end) for end in ends]
    if isinstance(control, ipywidgets.FloatLogSlider):  # its ends are exponents
        ends = [control.base**exponent for exponent in ends]
    return ends


def _image(drawn: Figure | Axes | np.ndarray, alt: str) -> str:
    """The figure as an HTML image with its alt text: notebooks keep none for plain images."""
    if len(alt.strip()) < 20:
        raise ValueError(f"alt={alt!r}: must say what the figure shows, in a sentence or two")
    figure = (
        drawn if isinstance(drawn, Figure) else np.ravel(np.asarray(drawn, dtype=object))[0].figure
    )
    raw, png = io.BytesIO(), io.BytesIO()
    with rc_context(STYLE):
        figure.savefig(raw, format="png", dpi=DPI, facecolor="white")
    # A figure of lines needs few colours: a palette of 128 makes a third of the file.
    Image.open(raw).convert("RGB").quantize(128).save(png, format="png", optimize=True)
    width = round(figure.get_size_inches()[0] * 96)
    return (
        f'<img alt="{html.escape(" ".join(alt.split()))}" width="{width}" '
        'style="max-width: 100%; height: auto" '
        f'src="data:image/png;base64,{b64encode(png.getvalue()).decode()}">'
    )


@dataclass(frozen=True)
class _Shown:
    """An image for a page, and its description where there are only letters."""

    page: str
    words: str

    def _repr_html_(self) -> str:
        return self.page

    def __repr__(self) -> str:
        return self.words
