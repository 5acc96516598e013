import base64
import io
import itertools
import re

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.image import imread

from coslr import Constant, Cosine
from coslr.course.plotting import (
    COLORS,
    DASHES,
    LOOKS,
    axes,
    curves,
    legend,
    name_lines,
    pictures,
    show,
    stacked,
)

ALT = "A cosine from 0.1 to 0 in 50 updates."


@pytest.fixture
def shown(monkeypatch):
    """What `show` puts on the page, as HTML."""
    pages = []
    monkeypatch.setattr("coslr.course.plotting.display", lambda it: pages.append(it._repr_html_()))
    return pages


@pytest.fixture
def ax():
    return curves(axes("update", "learning rate"), {"cosine": Cosine(50, 0.1)}, 50)


def png(page):
    data = re.search(r'src="data:image/png;base64,([^"]+)"', page).group(1)
    return imread(io.BytesIO(base64.b64decode(data, validate=True)), format="png")


# ---------------------------------------------------------------------------------- styles


def look(line):
    # Compare the dashes as drawn, because two different names can look the same.
    return to_hex(line.get_color()), str(line._unscaled_dash_pattern)


def test_any_two_of_seven_curves_differ_in_colour_and_in_dashes():
    names = [f"schedule {i}" for i in range(len(COLORS))]
    ax = curves(axes("update", "rate"), {name: Constant(0.1) for name in names}, 10)
    colors, dashes = zip(*map(look, ax.lines), strict=True)
    assert len(set(colors)) == len(set(dashes)) == len(COLORS) == len(DASHES)


def test_lines_added_by_any_way_go_on_in_the_next_style():
    ax = curves(axes("update", "learning rate"), {"first": Cosine(50, 0.1)}, 50)
    ax.plot([0, 50], [0.1, 0])
    ax.axhline(0.05, color="gray", linestyle="-")  # its own style: the cycle stays where it is
    curves(ax, {"third": Constant(0.05)}, 50)
    assert [to_hex(ax.lines[i].get_color()).upper() for i in (0, 1, 3)] == COLORS[:3]
    assert len({look(ax.lines[i])[1] for i in (0, 1, 3)}) == 3
    assert {ax.lines[i].get_linewidth() for i in (0, 1, 3)} == {2}


def test_a_schedule_has_one_look_wherever_it_stands():
    orders = (["cosine", "linear", "mine"], ["mine", "linear", "cosine"])
    drawn = [curves(axes("update", "rate"), dict.fromkeys(o, Constant(0.1)), 10) for o in orders]
    first, second = ({line.get_label(): look(line) for line in ax.lines} for ax in drawn)
    assert first["cosine"] == second["cosine"] != first["linear"] == second["linear"]
    (dots,) = drawn[0].plot([1, 2], [1, 2], "o", label="cosine")
    assert (dots.get_linestyle(), to_hex(dots.get_color())) == ("None", first["cosine"][0])
    (own,) = drawn[0].plot([1, 2], [1, 2], color="red", label="cosine")
    assert to_hex(own.get_color()) == "#ff0000"


def test_the_looks_of_schedules_differ_in_colour_and_in_dashes():
    looks = [look(axes("x", "y").plot([0, 1], [0, 1], label=name)[0]) for name in LOOKS]
    assert len({color for color, _ in looks}) == len({dashes for _, dashes in looks}) == len(LOOKS)


def test_names_stand_at_the_lines_ends_and_never_on_each_other():
    ax = axes("update", "rate")
    for i in range(6):
        ax.plot([0, 1], [0, 1 + i / 1000], label=f"line {i}")
    ax.plot([0, 0.5, 1], [0, 0.2, np.nan], label="ends early")
    ax.plot([0, 1], [0, 0])
    name_lines(legend(ax))
    assert ax.get_legend() is None
    ax.figure.canvas.draw()
    boxes = {text.get_text(): text.get_window_extent() for text in ax.texts}
    assert list(boxes) == ["ends early", *(f"line {i}" for i in range(6))]  # from low to high
    named = [boxes[f"line {i}"] for i in range(6)]
    assert all(low.y1 <= high.y0 for low, high in itertools.pairwise(named))
    assert boxes["ends early"].x0 < named[0].x0


def test_names_of_lines_that_end_at_the_floor_stand_above_the_x_axis():
    ax = axes("update", "rate")
    for i in range(3):
        ax.plot([0, 1], [1, 0], label=f"line {i}")
    ax.set_ylim(0, 1)
    name_lines(ax)
    ax.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts]
    assert all(low.y1 <= high.y0 for low, high in itertools.pairwise(boxes))
    assert boxes[0].y0 >= ax.get_window_extent().y0


def test_stacked_panels_share_their_x_axis():
    top, bottom = stacked("epoch", "rate", "accuracy (%)", title="Both")
    top.set_xlim(0, 7)
    assert bottom.get_xlim() == (0, 7)
    assert (top.get_title("left"), bottom.get_title("left")) == ("Both", "")
    assert top.get_position().y0 > bottom.get_position().y0
    with pytest.raises(ValueError, match="at least two panels"):
        stacked("epoch", "rate")


def test_curves_draws_the_schedule_from_0_to_the_end_with_a_legend(ax):
    t, rate = ax.lines[0].get_data()
    np.testing.assert_array_equal(rate, Cosine(50, 0.1)(t))
    assert (t[0], t[-1]) == (0, 50)
    assert ax.get_ylim()[0] == 0
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["cosine"]


def test_the_legend_has_no_frame_and_stands_beside_the_lines_or_where_it_is_told(ax):
    beside = ax.get_legend()
    assert not beside.get_frame_on()
    ax.figure.canvas.draw()
    assert beside.get_window_extent().x0 >= ax.get_window_extent().x1
    assert not legend(ax, loc="upper right").get_legend().get_frame_on()
    ax.figure.canvas.draw()
    assert ax.get_legend().get_window_extent().x1 <= ax.get_window_extent().x1


def test_panels_share_the_y_axis_and_each_names_its_x():
    left, right = axes("epoch", "accuracy (%)", "Two panels", columns=2)
    left.set_ylim(80, 90)
    assert right.get_ylim() == (80, 90)
    assert left.get_xlabel() == right.get_xlabel() == "epoch"
    assert left.get_ylabel() == "accuracy (%)"
    assert left.figure.get_suptitle() == "Two panels"


@pytest.mark.parametrize(("x", "y", "name"), [("", "rate", "x"), ("update", "  ", "y")])
def test_axes_without_a_name_are_refused(x, y, name):
    with pytest.raises(ValueError, match=f"^{name}='.*must be what the axis shows"):
        axes(x, y)


# ------------------------------------------------------------------------------ on the page


def test_a_figure_is_on_the_page_as_a_picture_with_its_alt_text(ax, shown):
    show(ax, ALT)
    (page,) = shown
    made = "Learning rate against update. cosine: from 0.1 at 0, to 0 at 50."
    assert f'alt="{made} {ALT}"' in page
    picture = png(page)
    height, width, _ = picture.shape
    assert (width, height) == (8 * 144, round(3.6 * 144))
    assert len(np.unique(picture.reshape(-1, picture.shape[2]), axis=0)) > 10  # not blank


@pytest.mark.parametrize("what", ["figure", "axes", "array of axes"])
def test_show_takes_a_figure_or_axes(what, shown):
    panels = axes("update", "rate", columns=2)
    show({"figure": panels[0].figure, "axes": panels[0], "array of axes": panels}[what], ALT)
    assert png(shown[0]).ndim == 3


def test_a_figure_that_says_nothing_of_itself_is_refused_without_a_note(shown):
    empty = axes("x", "y")
    empty.set(xlabel="", ylabel="")
    with pytest.raises(ValueError, match=r"^alt=.*must be at least 20 characters"):
        show(empty)
    assert shown == []


def test_the_alt_text_cannot_break_out_of_its_attribute(ax, shown):
    show(ax, 'The rate "falls" <fast> & then\n   slowly: eta_max > eta_min.')
    expected = "The rate &quot;falls&quot; &lt;fast&gt; &amp; then slowly: eta_max &gt; eta_min."
    assert f'{expected}" width=' in shown[0]


def test_pictures_are_a_row_of_titled_images():
    images = np.random.default_rng(0).normal(size=(3, 1, 14, 14))
    figure = pictures(images, ["shirt", "bag", "boot"])
    assert [ax.get_title() for ax in figure.axes] == ["shirt", "bag", "boot"]
    for ax, image in zip(figure.axes, images, strict=True):
        np.testing.assert_array_equal(ax.images[0].get_array(), image[0])
    with pytest.raises(ValueError, match="shorter"):
        pictures(images, ["shirt", "bag"])
