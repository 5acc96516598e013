"""The explorables without a browser: their HTML, their still pictures, and Python's own functions.

tests/e2e/test_explorables.py moves them in a browser, and compares their numbers with Python's.
"""

import io
import re
import subprocess
from base64 import b64decode
from html.parser import HTMLParser
from shutil import which

import numpy as np
import pytest
from PIL import Image

from coslr.course import explorables
from coslr.course.explorables import _page, _particles
from coslr.course.two_wells import TOP
from coslr.diagnosis import CAUSES

NAMES = ["draw_a_schedule", "noise_floor", "cloud", "how_many_seeds"]
each = pytest.mark.parametrize("name", NAMES)
EMPTY = {"img", "br", "hr", "input", "meta", "link"}


@pytest.fixture(scope="module")
def made():
    return {name: getattr(explorables, name)() for name in NAMES}


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
    assert len(html.encode()) <= _page.LIMIT
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


def test_two_pieces_on_a_page_share_no_id(made):
    page = Strict("".join(piece.html for piece in [*made.values(), *made.values()]))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


@each
def test_the_same_call_gives_the_same_html(made, name):
    """So that a lesson that runs again does not change its committed outputs."""
    assert getattr(explorables, name)().html == made[name].html


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


def test_settings_cannot_end_the_script():
    assert _page._literal("</script>") == '"<\\/script>"'


def test_packing_keeps_the_code(tmp_path):
    file = tmp_path / "x.js"
    file.write_text("// why\nconst a = 1;\n\n  const b = `//`; // kept\n", encoding="utf-8")
    assert _page.packed(file) == "const a = 1;\nconst b = `//`; // kept\n"


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
