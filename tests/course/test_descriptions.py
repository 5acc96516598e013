import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from coslr import Cosine, CosineWarmRestarts
from coslr.course import descriptions
from coslr.course.descriptions import describe
from coslr.course.evidence import standings
from coslr.course.plotting import axes, curves, stacked


def text(ax):
    return describe(ax.figure)


@pytest.mark.parametrize(
    ("values", "course"),
    [
        ([1, 0.5, 0.25], "from 1 at 0, to 0.25 at 2"),
        ([0, 1, 0], "from 0 at 0, up to 1 at 1, to 0 at 2"),
        ([1, 0, 1], "from 1 at 0, down to 0 at 1, to 1 at 2"),
        ([0, 1, 0.95, 2], "from 0 at 0, to 2 at 3"),  # a dip of less than a tenth is noise
        ([0, -0.02, 1], "from 0 at 0, down to -0.02 at 1, to 1 at 2"),  # the first turn is told
        ([2, 2, 2], "2 throughout"),
        ([3], "3 at 0"),
        ([np.nan, 1, 0], "from 1 at 1, to 0 at 2"),
        ([0, 1] * 5, "from 0 at 0, 8 turns between 0 and 1, to 1 at 9"),
    ],
)
def test_a_line_is_told_from_its_start_through_its_turns_to_its_end(values, course):
    ax = axes("update", "rate", "Title")
    ax.plot(range(len(values)), values, label="it")
    assert text(ax) == f"Title. Rate against update. it: {course}."


@given(st.lists(st.integers(-5, 5), min_size=2, max_size=30))
def test_a_line_is_told_with_its_start_and_its_end(values):
    ax = axes("x", "y")
    ax.plot(values, label="it")
    said = text(ax)
    assert f"{values[0]} throughout" in said or f"from {values[0]} at 0" in said
    assert f"to {values[-1]} at {len(values) - 1}." in said or "throughout" in said


@given(st.lists(st.integers(-50, 50), min_size=2, max_size=30))
def test_the_turns_are_high_and_low_points_in_turn_and_no_noise(values):
    y = np.array(values, dtype=float)
    assume(np.ptp(y) > 0)
    steps = np.diff(y[descriptions._turns(y)])
    assert (np.abs(steps) >= 0.1 * np.ptp(y)).all()
    assert (np.sign(steps[1:]) == -np.sign(steps[:-1])).all()


def test_schedules_read_as_one_would_say_them():
    ax = axes("update", "learning rate", "Two")
    curves(ax, {"cosine": Cosine(50, 0.1), "restarts": CosineWarmRestarts(25, 0.1, cycles=2)}, 50)
    assert "cosine: from 0.1 at 0, to 0 at 50." in text(ax)
    assert "restarts: from 0.1 at 0, down to" in text(ax)
    assert "up to 0.1 at 25, to 0 at 50." in text(ax)


def test_panels_guides_bars_dots_and_bands_are_told_apart():
    left, right = axes("x", "y", "Both", columns=2)
    left.set_title("left")
    left.plot([0, 1], [1, 2], label="line")
    left.axhline(0.5)
    left.fill_between([0, 1], [0, 0], [1, 1], label="the margin")
    right.bar(["a", "b"], [1.5, 2])
    right.scatter([0, 1], [3, 4], label="seeds")
    said = text(left)
    assert said.startswith("Both. Panel: left. Y against x. line: from 1 at 0, to 2 at 1.")
    assert "A band: the margin." in said
    assert "Bars: a 1.5, b 2." in said
    assert "seeds: 2 points between 3 and 4." in said
    assert "0.5" not in said  # a guide is no data


def test_many_lines_are_summed_up_and_unnamed_ones_are_context():
    ax = axes("x", "y")
    for i in range(16):
        ax.plot([0, 1], [0, i], label=f"line {i}")
    assert "And 4 more lines." in text(ax)
    ax = axes("x", "y")
    ax.plot([0, 1], [0, 1], label="mine")
    for i in range(5):
        ax.plot([0, 1], [0, i])
    assert text(ax).endswith("mine: from 0 at 0, to 1 at 1. Behind them, 5 lines without a name.")


def test_the_rows_of_a_forest_are_intervals():
    ax = standings("local_minima", "peak 0.3").forest("cosine", ax=axes("x", "y"))
    said = text(ax)
    assert "constant (worse): -12.2, between -13.1 and -11.3" in said
    assert "linear (" in said
    assert "throughout" not in said
    assert "without a name" not in said


def test_dots_in_a_row_are_counted_and_parts_of_another_line_are_not_told():
    ax = axes("x", "y")
    ax.plot([1, 2, 4], [0, 0, 0], "o", label="seeds")
    ax.plot([2], [0], "o", label="_rings")
    ax.set_yticks([0], ["a row"])
    assert text(ax).endswith("seeds: 3 points between 1 and 4.")
    ax.set_xticks([])
    assert text(ax).endswith("seeds.")


def test_stacked_panels_are_told_one_after_the_other():
    top, bottom = stacked("epoch", "rate", "accuracy (%)", title="Both")
    top.plot([0, 1], [1, 0], label="cosine")
    bottom.plot([0, 1], [10, 90], label="cosine")
    said = text(top)
    assert said.index("from 1 at 0") < said.index("Accuracy (%)") < said.index("from 10 at 0")
