"""What a notebook shows of a schedule: an image with axes and a curve, and a text that tells it."""

import math
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cached_property
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from IPython.core.formatters import DisplayFormatter

from coslr import (
    WSD,
    Constant,
    Cosine,
    CosineWarmRestarts,
    Cyclical,
    InverseSqrt,
    Linear,
    MultiStep,
    Polynomial,
    Schedule,
    Step,
    join,
    warmup,
)
from tests.test_laws import known_schedules
from tests.test_schedules import EXAMPLES

SVG = "{http://www.w3.org/2000/svg}"
PIXEL = 0.25  # how far off a point may be: points left out (0.1), and rounding of two numbers

each = pytest.mark.parametrize("schedule", EXAMPLES, ids=repr)


class Tags(HTMLParser):
    """The tags of a page, with their attributes, and its text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data


@dataclass(frozen=True)
class Picture:
    """A picture, read back from the HTML alone."""

    html: str

    @cached_property
    def image(self):
        (image,) = [attributes for tag, attributes in Tags(self.html).tags if tag == "img"]
        return image

    @cached_property
    def svg(self):
        kind, _, text = self.image["src"].partition(",")
        assert kind == "data:image/svg+xml"
        return ElementTree.fromstring(unquote(text, errors="strict"))

    @cached_property
    def labels(self):
        return [element.text for element in self.svg.iter(SVG + "text")]

    def axis(self, direction):
        """The numbers on an axis and their pixels: a tick is a short path, followed by its text."""
        elements = list(self.svg)
        numbers, pixels = [], []
        for path, text in pairwise(elements):
            tick = re.fullmatch(r"M([\d.]+),([\d.]+)([Hv])[\d.]+", path.get("d", ""))
            if tick and tick[3] == direction and text.tag == SVG + "text":
                numbers.append(float(text.text.replace(",", "")))
                pixels.append(float(tick[1] if direction == "v" else tick[2]))
        return np.array(numbers), np.array(pixels)

    @cached_property
    def times(self):
        return self.axis("v")

    @cached_property
    def rates(self):
        return self.axis("H")

    @cached_property
    def curve(self):
        """The curve: its updates, its rates, the updates in a pixel, and the rate in a pixel."""
        (path,) = [p for p in self.svg.iter(SVG + "path") if p.get("stroke-width") == "2"]
        x, y = np.array(re.findall(r"[ML]([\d.]+),([\d.]+)", path.get("d")), dtype=float).T
        (t, t_pixels), (rates, rate_pixels) = self.times, self.rates
        a_pixel = (t[-1] - t[0]) / (t_pixels[-1] - t_pixels[0])
        per_pixel = (rates[-1] - rates[0]) / (rate_pixels[-1] - rate_pixels[0])
        return (
            t[0] + (x - t_pixels[0]) * a_pixel,
            rates[0] + (y - rate_pixels[0]) * per_pixel,
            a_pixel,
            abs(per_pixel),
        )


def picture(schedule):
    html = schedule._repr_html_()
    assert html is not None, schedule
    return Picture(html)


def is_faithful(schedule):
    """Every point of the drawn curve is on the schedule, and the schedule is on the drawn curve."""
    t, rates, pixel_t, pixel_rate = picture(schedule).curve
    assert (np.diff(t) >= 0).all()
    everywhere = np.linspace(t[0], t[-1], 700)
    sample = np.linspace(-1, 1, 401)
    # A whole cycle may be narrower than a pixel, so always look at its start, middle and end.
    end = min(schedule.length, t[-1] + pixel_t)
    starts = np.array([0, *schedule.boundaries_before(end), end])
    turns = np.r_[starts, (starts[1:] + starts[:-1]) / 2, (starts - 1e-9 * pixel_t).clip(0)]
    for drawn_t, drawn_rates, width in (
        (t, rates, PIXEL * pixel_t),
        (everywhere, np.interp(everywhere, t, rates), pixel_t),  # it sees one side of a jump only
    ):
        near = schedule((drawn_t[:, None] + width * sample).clip(0))
        is_far = abs(turns - drawn_t[:, None]) > width
        near = np.c_[near, np.where(is_far, near[:, :1], schedule(turns))]
        assert (drawn_rates >= near.min(axis=1) - PIXEL * pixel_rate).all()
        assert (drawn_rates <= near.max(axis=1) + PIXEL * pixel_rate).all()


def is_sound(schedule):
    """The limits that every picture keeps, whatever it shows."""
    shown = picture(schedule)
    assert len(shown.html) < 8000
    assert re.fullmatch(
        r"data:image/svg\+xml,([\w!'()*,./:;=@~-]|%[0-9A-F]{2})+", shown.image["src"]
    )
    assert (shown.image["width"], shown.image["height"]) == ("360", "180")
    assert {tag for tag, _ in Tags(shown.html).tags} == {"code", "br", "img"}
    assert not re.search(r"href|url\(|@import|<image|<script|<style|\bon\w+=", shown.html)
    assert "http" not in shown.html.replace("xmlns='http://www.w3.org/2000/svg'", "")
    assert shown.labels[0] == "learning rate"
    assert shown.labels[1].startswith("update (or epoch)")
    for x, y in re.findall(r"[ML]([-\d.]+),([-\d.]+)", shown.image["src"]):
        assert 20 <= float(x) <= 340
        assert 20 <= float(y) <= 140
    for numbers, pixels in (shown.times, shown.rates):
        assert 2 <= len(numbers) <= 8
        assert 0 in numbers
        assert (np.diff(numbers) > 0).all()
        steps = np.diff(pixels)
        assert np.allclose(steps, steps[0], atol=0.11)
    assert (shown.times[1] >= 0).all()
    assert (shown.times[1] <= 360 - 20).all()
    assert shown.image["alt"].startswith("Curve of the learning rate. It starts at ")


@each
def test_a_picture_is_small_self_contained_and_labelled(schedule):
    is_sound(schedule)


@each
def test_the_curve_is_the_schedule(schedule):
    is_faithful(schedule)


@settings(max_examples=60, deadline=None)
@given(known_schedules())
def test_any_schedule_has_a_faithful_picture(drawn):
    schedule, _ = drawn
    is_sound(schedule)
    is_faithful(schedule)


def test_a_picture_that_is_not_the_schedule_s_is_seen():
    class Late(Cosine):
        def _repr_html_(self):
            return Cosine(self.T_max, self.eta_max * 1.02)._repr_html_()

    with pytest.raises(AssertionError):
        is_faithful(Late(50, 0.1))


def test_the_numbers_on_the_axes():
    shown = picture(Cosine(50, 0.1))
    assert shown.labels[2:] == [
        *("0", "0.02", "0.04", "0.06", "0.08", "0.1"),
        *("0", "10", "20", "30", "40", "50"),
    ]
    assert picture(Cosine(11_718, 3e-5)).labels[-2:] == ["8,000", "10,000"]
    assert picture(Cosine(2_500_000, 0.1)).labels[-3:] == ["1.5e6", "2e6", "2.5e6"]
    assert picture(Cosine(50, 3e-5)).labels[2:6] == ["0", "1e-5", "2e-5", "3e-5"]


def test_the_text_is_dark_on_a_light_ground_of_its_own():
    def luminance(color):
        digits = color[1:] if len(color) == 7 else "".join(2 * digit for digit in color[1:])
        parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return float(np.dot([0.2126, 0.7152, 0.0722], linear))

    svg = picture(Cosine(50, 0.1)).svg
    ground = svg[0]
    assert (ground.tag, ground.get("width"), ground.get("height")) == (SVG + "rect", "360", "180")
    (curve,) = [p for p in svg.iter(SVG + "path") if p.get("stroke-width") == "2"]
    for ink in (svg.get("fill"), curve.get("stroke")):
        assert (luminance(ground.get("fill")) + 0.05) / (luminance(ink) + 0.05) >= 4.5


@pytest.mark.parametrize(
    ("schedule", "boundaries"),
    [
        (CosineWarmRestarts(10, 0.1, T_mult=2, cycles=3), [10, 30]),
        (CosineWarmRestarts(0.1, 0.1), [0.1, 0.2, 0.3]),
        (Step(30, 0.1, gamma=0.5), [30, 60, 90]),
        (MultiStep([30, 45], 0.1, gamma=0.5), [30, 45]),
        (warmup(MultiStep([30], 0.1, gamma=0.5), 7), [37]),
        (join([Constant(0.1), Constant(0.2), Linear(9, 0.1)], [5, 8]), [5, 8]),
    ],
    ids=repr,
)
def test_a_jump_is_vertical(schedule, boundaries):
    t, rates, pixel_t, pixel_rate = picture(schedule).curve
    vertical = (np.diff(t) == 0) & (abs(np.diff(rates)) > 5 * pixel_rate)
    assert t[1:][vertical] == pytest.approx(boundaries, abs=0.1 * pixel_t)


def test_a_jump_that_the_schedule_does_not_declare_is_vertical_to_the_eye():
    @dataclass(frozen=True)
    class Stairs(Schedule):
        length = 100

        def formula(self, t, xp):
            return 0.1 / (1 + xp.floor(xp.clip(t, 0, 99) / 30))

    t, rates, pixel_t, pixel_rate = picture(Stairs()).curve
    steep = abs(np.diff(rates)) > 5 * pixel_rate
    assert t[1:][steep] == pytest.approx([30, 60, 90], abs=pixel_t)
    assert (np.diff(t)[steep] <= 0.4 * pixel_t).all()


@dataclass(frozen=True)
class Wave(Schedule):
    """A cosine wave that goes below zero, from its peak over `quarters` quarters of a wave."""

    quarters: int
    length = 100

    def formula(self, t, xp):
        return 0.1 * xp.cos(math.pi / 2 * self.quarters * xp.clip(t, 0, 100) / 100)


def test_a_rate_below_zero_is_in_the_picture():
    is_sound(Wave(3))
    is_faithful(Wave(3))
    assert picture(Wave(3)).rates[0] == pytest.approx([-0.1, -0.05, 0, 0.05, 0.1])


def test_a_curve_that_never_rests_stays_small():
    is_sound(Wave(1999))


def test_a_rounding_error_is_no_rate():
    assert 0 < Wave(1)(100) < 1e-17
    assert "falls to 0 at 100." in picture(Wave(1)).image["alt"]


# ----------------------------------------------------------------- how much of it is drawn


@pytest.mark.parametrize(
    ("schedule", "end", "axis"),
    [
        (Cosine(50, 0.1), 50, "update (or epoch)"),
        (CosineWarmRestarts(10, 0.1, cycles=2), 20, "update (or epoch)"),
        (MultiStep([30, 40], 0.1), 46, "update (or epoch)"),  # on, to show the last stair
        (CosineWarmRestarts(10, 0.1), 40, "no end"),
        (CosineWarmRestarts(10, 0.1, T_mult=2), 150, "no end"),
        (Cyclical(10, 0.1), 80, "no end"),
        (Step(30, 0.1), 120, "no end"),
        (InverseSqrt(100, 0.1), 1000, "no end"),
        (Constant(0.1), 100, "no end"),
        (warmup(Constant(0.1), 500), 2500, "no end"),
        (warmup(Step(30, 0.1), 500), 620, "no end"),
        (join([Constant(0.1), Cosine(20, 0.1)], [10]), 30, "update (or epoch)"),
        (join([Cosine(20, 0.1), Constant(0.1)], [10]), 20, "no end"),
        (CosineWarmRestarts(10, 0.1, cycles=1000), 200, "first 200 of 10,000"),
        (Cyclical(10, 0.1, cycles=60), 400, "first 400 of 1,200"),
        (warmup(CosineWarmRestarts(10, 0.1, cycles=1000), 5), 195, "first 195 of 10,005"),
    ],
    ids=repr,
)
def test_how_far_the_picture_goes_and_what_the_axis_says_of_it(schedule, end, axis):
    shown = picture(schedule)
    assert shown.curve[0][-1] == pytest.approx(end, rel=1e-3)
    assert axis in shown.labels[1]
    assert (shown.labels[1] == "update (or epoch)") == (axis == "update (or epoch)")
    is_faithful(schedule)


# ---------------------------------------------------------------------------- what it says


@pytest.mark.parametrize(
    ("schedule", "story"),
    [
        (Cosine(50, 0.1, 1e-4), "at 0.1, falls to 0.0001 at 50. Then it holds this rate."),
        (Polynomial(50, 0.1, power=5), "at 0.1, falls to 0 at 50. Then it holds this rate."),
        (Constant(0.1), "at 0.1, stays there until 100. There the picture ends."),
        (
            WSD(11_718, 1000, 3e-4, warmup=718),
            "at 4.172e-7, rises to 0.0003 at 718, stays there until 10,718, falls to 0 at 11,718. "
            "Then it holds this rate.",
        ),
        (
            CosineWarmRestarts(10, 0.1, T_mult=2, decay=0.5, cycles=2),
            "at 0.1, falls to 0 at 10, jumps to 0.05, falls to 0 at 30. Then it holds this rate.",
        ),
        (
            MultiStep([30, 45], 0.1),
            "at 0.1, stays there until 30, drops to 0.01, stays there until 45, drops to 0.001. "
            "Then it holds this rate.",
        ),
        (
            Cyclical(10, 0.1, 0.02, decay=0.5, cycles=2),
            "at 0.02, rises to 0.1 at 10, falls to 0.02 at 20, rises to 0.05 at 30, falls to 0.02 "
            "at 40. Then it holds this rate.",
        ),
        (
            Cyclical(10, 0.1, 0.02, cycles=9),
            "at 0.02, rises to 0.1 at 10, falls to 0.02 at 20, rises to 0.1 at 30, falls to 0.02 "
            "at 40, rises to 0.1 at 50, falls to 0.02 at 60, and so on, to 0.02 at 180. Then it "
            "holds this rate.",
        ),
        (
            join([Linear(10, 0.1, 0.05), Constant(0.01), Constant(0.2)], [10, 20]),
            "at 0.1, falls to 0.05 at 10, drops to 0.01, stays there until 20, jumps to 0.2, stays "
            "there until 40. There the picture ends.",
        ),
    ],
    ids=repr,
)
def test_the_text_for_those_who_cannot_see_it(schedule, story):
    alt = picture(schedule).image["alt"]
    assert alt == f"Curve of the learning rate. It starts {story}"


@each
def test_the_repr_is_above_the_picture(schedule):
    text = Tags(picture(schedule).html).text
    assert text == repr(schedule)


# --------------------------------------------------------------------- in a cell, whatever happens


@dataclass(frozen=True)
class Own(Schedule):
    """A schedule of the reader's own, which may go wrong."""

    kind: str

    @property
    def length(self):
        return {"no length": None, "absurd": -1e308, "nan": math.nan}.get(self.kind, 50.0)

    def formula(self, t, xp):
        match self.kind:
            case "raises":
                raise ZeroDivisionError("in the formula")
            case "infinite":
                return 1 / (xp.clip(t, 0, 50) - xp.clip(t, 0, 50))
            case "divides by zero":
                return xp.where(t > 0, 1 / xp.maximum(t, 1e-320), 0.1)
            case "one number for all":
                return 0.1
            case "wrong shape":
                return np.zeros(3)
            case "text":
                return "a rate"
            case "numbers only":
                return 0.1 if t < 10 else 0.01
        return 0.1 * xp.cos(t / 30)


WRONG = ["raises", "infinite", "wrong shape", "text", "numbers only", "no length", "absurd"]


@pytest.mark.parametrize("kind", WRONG)
def test_a_schedule_that_cannot_be_drawn_shows_its_repr(kind, capsys):
    data, _ = DisplayFormatter().format(Own(kind))
    assert data == {"text/plain": f"Own(kind='{kind}')"}
    assert capsys.readouterr() == ("", "")


RIGHT = ["fine", "one number for all", "divides by zero", "nan", "<script>alert(1)</script>"]


@pytest.mark.parametrize("kind", RIGHT)
def test_a_schedule_of_one_s_own_is_drawn(kind):
    data, _ = DisplayFormatter().format(Own(kind))
    assert data["text/plain"] == f"Own(kind='{kind}')"
    assert Picture(data["text/html"]).image["alt"].startswith("Curve")
    assert "<script" not in data["text/html"]


def test_a_missing_formula_does_not_break_a_cell():
    assert Schedule()._repr_html_() is None


@pytest.mark.parametrize(
    "schedule",
    [
        Cosine(1e299, 1e-200),
        Cosine(1e-99, 1e307, 1e306),
        CosineWarmRestarts(1e-90, 0.1, cycles=10**9),
        Cyclical(1, 0.1, cycles=10**12),
        warmup(Cyclical(1, 0.1, cycles=10**12), 1e6),
        join([Step(1e-9, 0.1), Cosine(1e9, 0.1)], [1e9]),
        CosineWarmRestarts(10**18, 0.1, T_mult=5),
        MultiStep(list(range(1, 2000)), 0.1, gamma=0.999),
        Constant(0),
        Constant(5e-324),
    ],
    ids=lambda schedule: repr(schedule)[:60],
)
def test_absurd_numbers_take_no_time(schedule):
    started = time.perf_counter()
    html = schedule._repr_html_()
    assert time.perf_counter() - started < 2
    assert html is None or len(html) < 8000


def test_a_picture_needs_numpy_alone():
    program = """
import sys, coslr
assert "coslr._picture" not in sys.modules
assert "<img" in coslr.warmup(coslr.Cosine(50, 0.1), 5)._repr_html_()
heavy = ("matplotlib", "IPython", "ipywidgets", "PIL", "scipy")
print([name for name in heavy if name in sys.modules])
"""
    root = Path(__file__).resolve().parents[1]
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True
    )
    assert result.stdout.strip() == "[]", result.stderr
