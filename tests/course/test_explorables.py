"""The explorables without a browser: their HTML, their still pictures, and Python's own functions.

tests/e2e/test_explorables.py moves them in a browser, and compares their numbers with Python's.
"""

import io
import json
import re
import subprocess
from base64 import b64decode
from html.parser import HTMLParser
from shutil import which

import numpy as np
import pytest
from PIL import Image

from coslr import Cosine
from coslr.course import explorables, plotting
from coslr.course.explorables import _numbers, _page, _particles
from coslr.course.two_wells import TOP
from coslr.diagnosis import CAUSES

MOST_BYTES = 40_000  # of one piece of HTML, which a notebook keeps in its outputs
SHAPES = {"cosine": Cosine(50, 1.0), "falls by half": Cosine(50, 1.0, 0.5)}


def lead(peak=0.1, shape="cosine"):
    """A figure with one of everything that frames carry."""
    x = np.arange(51)
    ax = plotting.axes("epoch", "lead (points)", f"{shape} at {peak:g}: {10 * peak:g} ahead")
    ax.axhspan(-0.3, 0.3, color="#0072B2", alpha=0.2, label="margin")
    ax.axhline(0, color="black")
    ax.axvline(25, color="gray")
    ax.fill_between(x, 10 * peak * SHAPES[shape](x), -0.5, alpha=0.2)
    ax.plot(x, 10 * peak * SHAPES[shape](x), label=shape)
    middle = 10 * peak * SHAPES[shape](25)
    ax.errorbar([10, 40], [middle, middle], [0.4, 0.2], fmt="o", color="#D55E00")
    ax.set(xlim=(0, 50), ylim=(-1, 3))
    return ax


def some_frames():
    """Two sliders' worth of figures: one of numbers, one of words."""
    title = "The peak that both share decides the lead"
    return explorables.frames(
        lead, title, "Move the peak.", peak=[0.05, 0.1, 0.2], shape=list(SHAPES)
    )


FUNCTIONS = {
    "draw_a_schedule": explorables.draw_a_schedule,
    "noise_floor": explorables.noise_floor,
    "cloud": explorables.cloud,
    "how_many_seeds": explorables.how_many_seeds,
    "frames": some_frames,
}
NAMES = list(FUNCTIONS)
each = pytest.mark.parametrize("name", NAMES)
EMPTY = {"img", "br", "hr", "input", "meta", "link"}


@pytest.fixture(scope="module")
def made():
    return {name: function() for name, function in FUNCTIONS.items()}


class Strict(HTMLParser):
    """Reads HTML, and refuses a tag that is not closed where it should be."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.text, self.scripts = [], [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        assert len(dict(attributes)) == len(attributes), f"an attribute twice in {tag}"
        self.tags.append((tag, dict(attributes)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        (self.scripts if self.open[-1:] == ["script"] else self.text).append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def test_every_function_is_public():
    functions = {name for name in explorables.__all__ if name[0].islower()}
    assert functions == set(NAMES)


@each
def test_the_html_is_small_and_well_formed(made, name):
    html = made[name]._repr_html_()
    assert len(html.encode()) <= MOST_BYTES
    page = Strict(html)
    assert page.tags[0][0] == "div"
    assert html.startswith("<div")
    assert html.endswith("</div>")
    assert "\n\n" not in html  # Markdown would end the block there


@each
def test_nothing_is_fetched_and_no_name_reaches_the_page(made, name):
    html = made[name].html
    addresses = set(re.findall(r"https?://[^\s\"'`)]+", html))
    assert addresses <= {"http://www.w3.org/2000/svg"}  # a namespace, which nobody fetches
    for word in ("fetch(", "XMLHttpRequest", "import(", "import ", "@import", "WebSocket", "eval("):
        assert word not in Strict(html).scripts[0]
    assert not re.search(r"url\(", html)
    script = Strict(html).scripts[0].strip()
    assert script.startswith("(() => {")
    assert script.endswith("})();")
    assert "window." not in script.replace("window.devicePixelRatio", "")


@each
def test_without_the_script_a_picture_and_its_text_stand_there(made, name):
    page = Strict(made[name].html)
    (picture,) = page.all("img")
    assert len(picture["alt"]) >= 60
    assert picture["alt"] == made[name].text
    kind, _, data = picture["src"].partition(",")
    assert kind == "data:image/png;base64"
    image = Image.open(io.BytesIO(b64decode(data))).convert("RGB")
    assert image.size[0] >= 700
    assert image.getpixel((0, 0)) == (255, 255, 255)  # a dark page must not swallow black lines
    assert len(image.getcolors(100_000)) > 4
    text = " ".join(page.text)
    assert made[name].title in text
    assert _page.STANDS_STILL in text


@each
def test_a_terminal_says_what_it_is(made, name):
    assert repr(made[name]).startswith(f"Explorable: {made[name].title}. ")
    assert made[name].text in repr(made[name])


def test_a_piece_puts_no_id_on_the_page(made):
    """So that two pieces share none."""
    page = Strict("".join(piece.html for piece in made.values()))
    assert not [attributes["id"] for _, attributes in page.tags if "id" in attributes]


@each
def test_the_same_call_gives_the_same_html(made, name):
    """So that a lesson that runs again does not change its committed outputs."""
    assert FUNCTIONS[name]().html == made[name].html


@each
def test_the_script_is_javascript(made, name, tmp_path):
    if not which("node"):
        pytest.skip("needs node")
    file = tmp_path / "piece.js"
    file.write_text(Strict(made[name].html).scripts[0], encoding="utf-8")
    result = subprocess.run(["node", "--check", file], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_the_sentences_of_diagnose_are_in_the_first_piece(made):
    for cause in explorables._TOLD:
        assert _page._literal(CAUSES[cause]) in made["draw_a_schedule"].html


def test_the_cloud_begins_where_it_is_told():
    piece = explorables.cloud(peak=0.1, update=1000)
    assert '"begin":{"peak":0.1,"update":1000}' in piece.html
    share = f"{(_particles.ends(Cosine(1000, 0.1)(np.arange(1000)), 1) < TOP).mean():.1%}"
    assert share.replace("%", " %") in piece.text
    for wrong in ({"peak": 0.5}, {"update": 1001}):
        with pytest.raises(ValueError, match=f"^{next(iter(wrong))}=.*as the slider goes"):
            explorables.cloud(**wrong)


def test_settings_cannot_end_the_script():
    assert _page._literal("</script>") == '"<\\/script>"'


def test_packing_keeps_the_code(tmp_path):
    file = tmp_path / "x.js"
    file.write_text("// why\nconst a = 1;\n\n  const b = `//`; // kept\n", encoding="utf-8")
    assert _page.packed(file) == "const a = 1;\nconst b = `//`; // kept\n"


def test_colours_stand_out_on_both_pages():
    for colour in [*plotting.COLORS, plotting.GREY, *(x["color"] for x in plotting.LOOKS.values())]:
        light, dark = _page.tones(str(colour))
        assert _page._contrast(light, "#ffffff") >= 4.5
        assert _page._contrast(dark, "#16191d") >= 6.5
    assert _page._contrast("#000000", "#ffffff") == pytest.approx(21)
    assert _page._contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)  # WCAG's example
    assert _page.NIGHT in (_page.HERE / "style.css").read_text(encoding="utf-8")


# -------------------------------------------------------------------------------------- frames


def settings_of(piece):
    """What Python hands to the script of a piece."""
    found = re.search(r"const SETTINGS=(.*),STYLE=", piece.html).group(1)
    return json.loads(found.replace("<\\/", "</"))


def test_a_control_starts_at_draws_default_and_the_last_moves_fastest():
    settings = settings_of(some_frames())
    peak, shape = settings["controls"]
    assert peak == {"name": "peak", "values": ["0.05", "0.1", "0.2"], "at": 1, "words": False}
    assert (shape["values"], shape["at"], shape["words"]) == (list(SHAPES), 0, True)
    titles = [frame["title"] for frame in settings["frames"]]
    assert titles[:3] == [
        "cosine at 0.05: 0.5 ahead",
        "falls by half at 0.05: 0.5 ahead",
        "cosine at 0.1: 1 ahead",
    ]
    assert some_frames().text.startswith(titles[2])


def marks_of(settings, number):
    found = {}
    for i in settings["frames"][number]["drawn"]:
        found.setdefault(settings["marks"][i]["kind"], settings["marks"][i])
    return found


def test_the_numbers_are_the_figures():
    settings = settings_of(some_frames())
    assert (settings["x"]["low"], settings["x"]["high"], settings["y"]["low"]) == (0, 50, -1)
    found = marks_of(settings, 4)  # the cosine at 0.2
    assert set(found) == {"band", "across", "down", "area", "curve", "dots", "bars"}
    up = lambda y: round(1000 * (y + 1) / 4)  # noqa: E731
    assert found["band"]["at"] == [[up(-0.3), up(0.3)]]
    assert (found["across"]["at"], found["down"]["at"]) == ([[up(0)]], [[1000]])
    middle = 2 * SHAPES["cosine"](25)
    assert found["dots"]["at"] == [[400, up(middle), 1600, up(middle)]]
    bars = [400, up(middle - 0.4), up(middle + 0.4), 1600, up(middle - 0.2), up(middle + 0.2)]
    assert found["bars"]["at"] == [bars]
    (part,) = found["curve"]["at"]
    x, y = np.reshape(part, (-1, 2)).T
    assert len(x) < 30
    drawn = np.interp(np.arange(0, 2001, 40), x, y) * 4 / 1000 - 1
    np.testing.assert_allclose(drawn, 2 * SHAPES["cosine"](np.arange(51)), atol=0.012)
    assert [found[kind]["name"] for kind in ("band", "curve", "dots")] == ["margin", "cosine", ""]
    shared = settings["frames"][0]["drawn"][0]
    assert all(frame["drawn"][0] == shared for frame in settings["frames"])  # one band for all


def test_a_frames_text_has_what_a_reader_cannot_see():
    text = settings_of(some_frames())["frames"][2]["text"]
    assert "cosine: from 1 at 0, to 0 at 50." in text
    assert "Intervals: 0.1 to 0.9 at 10, 0.3 to 0.7 at 40." in text
    assert "A band from -0.3 to 0.3: margin." in text
    many = plotting.axes("epoch", "lead (points)", "Many intervals")
    many.vlines(range(20), range(20), range(2, 22))
    assert _numbers.unsaid(many) == "Intervals: 20 between 0 and 21."


def numbers(ax):
    return _numbers.marks(ax, _numbers.plane([ax]))


def test_a_line_is_cut_at_the_edges_and_where_it_has_no_number():
    ax = plotting.axes("update", "loss")
    y = np.array([2.0, 0, 2, np.nan, 1, 1, -9, np.inf, 0.5, 0.5])
    ax.plot(np.arange(10), y)
    ax.set(xlim=(0, 9), ylim=(0, 1))
    (curve,) = numbers(ax)
    parts = [np.reshape(part, (-1, 2)) for part in curve["at"]]
    assert parts[0].tolist() == [[111, 1000], [222, 0], [333, 1000]]
    assert set(parts[-1][:, 1]) == {500}  # it ends flat; a point may be there twice
    assert all(((part >= 0) & (part <= (2000, 1000))).all() for part in parts)


def test_a_logarithmic_axis_and_ticks_set_by_hand():
    ax = plotting.axes("peak", "loss")
    ax.loglog([0.01, 0.1, 1], [1e-4, 1e-2, 1], "o")
    ax.set(xlim=(0.01, 1), ylim=(1e-4, 1))
    ax.set_xticks([0.01, 0.1, 1], ["low", "middle", "high"])
    on = _numbers.plane([ax])
    assert on.x.ticks == [(0.01, "low"), (0.1, "middle"), (1.0, "high")]
    assert on.y.ticks is None
    (dots,) = numbers(ax)
    assert dots["at"] == [[0, 0, 1000, 500, 2000, 1000]]


def test_a_schedules_look_is_carried():
    ax = plotting.axes("update", "rate")
    ax.plot([0, 1], [0, 1], label="linear")
    ax.plot([0, 1], [1, 1], "o-", label="both")
    linear, both, dots = numbers(ax)
    assert linear["dash"] == _page.dashes("--")
    assert linear["tones"] == _page.tones(str(plotting.LOOKS["linear"]["color"]))
    assert (both["name"], dots["name"]) == ("both", "")  # one name for a line and its markers


def draw(n=1, **also):
    ax = plotting.axes("update", "rate", f"n is {n}")
    ax.plot([0, 1], [0, n])
    for name, arguments in also.items():
        getattr(ax, name)(*arguments)
    return ax


@pytest.mark.parametrize(
    ("make", "values", "error"),
    [
        (draw, {}, "values={}: must be 1 to 200 combinations"),
        (draw, {"n": []}, "values={'n': 0}: must be 1 to 200"),
        (draw, {"n": range(201)}, "values={'n': 201}: must be 1 to 200"),
        (draw, {"n": [2, 3]}, r"the default of n=1: must be one of \[2, 3\]"),
        (lambda n: plotting.axes("x", "y"), {"n": [1]}, r"title at \{'n': 1\}=''"),
        (lambda n: draw(text=(0, 0, "word")), {"n": [1]}, "the figure=.*must be of lines, fill_"),
        (lambda n: draw(bar=([1], [1])), {"n": [1]}, "the figure=.*Rectangle"),
        (lambda n: draw(scatter=([1], [1])), {"n": [1]}, "the figure=.*PathCollection"),
        (lambda n: draw(axvspan=(0, 1)), {"n": [1]}, "the figure=.*Rectangle"),
        (lambda n: draw(axline=((0, 0), (1, 1))), {"n": [1]}, "the figure=.*AxLine"),
        (lambda n: draw(hlines=(1, 0, 1)), {"n": [1]}, "the figure=.*LineCollection"),
        (lambda n: draw(set_xlabel=(f"x{n}",)), {"n": [1, 2]}, "labels of the xaxis=.*the same"),
        (lambda n: draw(set_yscale=("symlog",)), {"n": [1]}, "scales of the yaxis=.*linear"),
    ],
)
def test_what_frames_cannot_show_is_an_error(make, values, error):
    with pytest.raises(ValueError, match=error):
        explorables.frames(make, "A title of a figure", "Move it.", **values)


def test_too_many_bytes_are_an_error():
    noise = np.random.default_rng(0).normal(size=(60, 3000))

    def busy(i=0):
        ax = draw()
        ax.plot(np.linspace(0, 1, 3000), noise[i])
        return ax

    with pytest.raises(ValueError, match=r"values=\{'i': 60\}.*bytes are more than 300,000"):
        explorables.frames(busy, "A title of a figure", "Move it.", i=range(60))


def test_a_frame_takes_few_bytes():
    few, many = (
        explorables.frames(lead, "A title of a figure", "Move it.", peak=peaks).html.encode()
        for peaks in ([0.1], [*np.linspace(0.11, 0.2, 30).round(3).tolist(), 0.1])
    )
    assert (len(many) - len(few)) / 30 < 2000
    assert len(many) < 100_000


# ------------------------------------------------------------------------ the particles in Python


def mulberry32(seed):
    """The generator as published, with a state, in plain whole numbers."""
    mask = 2**32 - 1
    state = seed
    while True:
        state = (state + 0x6D2B79F5) & mask
        t = ((state ^ state >> 15) * (1 | state)) & mask
        t ^= (t + (((t ^ t >> 7) * (61 | t)) & mask)) & mask
        yield (t ^ t >> 14) & mask


@pytest.mark.parametrize("seed", [0, 1, 2**31, 2**32 - 1])
def test_the_words_are_mulberry32s(seed):
    generator = mulberry32(seed)
    right = [next(generator) for _ in range(50)]
    assert _particles.words(seed, 0, 50).tolist() == right
    assert _particles.words(seed, 20, 30).tolist() == right[20:]


def test_the_noise_is_normal():
    drawn = np.concatenate([_particles.noise(3, update) for update in range(200)])
    assert abs(drawn.mean()) < 0.01
    assert abs(drawn.std() - 1) < 0.01
    assert abs((np.abs(drawn) < 1.959964).mean() - 0.95) < 0.002
    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 0.01
    assert not np.array_equal(_particles.noise(3, 0), _particles.noise(4, 0))


def test_a_high_rate_carries_particles_over_and_the_film_can_be_repeated():
    hot = _particles.ends(np.full(500, 0.3), seed=1)
    assert 0.3 < (hot < TOP).mean() < 0.9
    assert np.array_equal(hot, _particles.ends(np.full(500, 0.3), seed=1))
    assert (_particles.ends(np.full(500, 0.01), seed=1) > TOP).all()
    assert (_particles.ends(np.full(500, 0.3), seed=1, spread=0.0) > TOP).all()
