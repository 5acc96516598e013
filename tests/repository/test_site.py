"""The built site: readable without JavaScript, fetches nothing from elsewhere, has no dead link."""

import re
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

pytest.importorskip("myst_nb")
pytest.importorskip("furo")

# Building the whole site takes as long as all tests of the schedules together.
pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted(path.stem for path in ROOT.glob("notebooks/*.ipynb"))
# Some modules of each room of the reference.
ROOMS = {
    "coslr": {"schedules", "pytorch", "audit", "diagnosis", "logs", "theory"},
    "coslr.experiments": {"trials", "studies", "data"},
    "coslr.course": {"claims", "museum", "checks"},
}
each = pytest.mark.parametrize("name", NOTEBOOKS)
TEX = re.compile(r"\$[^$\n]*\\\w+[^$\n]*\$|\\\(|\\tfrac|\\eta")


class Page(HTMLParser):
    """A page's links, the addresses it fetches, its ids, its tags, and its text without code."""

    def __init__(self, html):
        super().__init__()
        self.links, self.fetched, self.ids, self.text = [], [], set(), []
        self.tags, self.code_depth = [], 0
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append((tag, attributes))
        self.ids |= {attributes.get("id"), attributes.get("name")} - {None}
        self.code_depth += tag in ("pre", "code", "script", "style")
        if tag == "a" and "href" in attributes:
            self.links.append(attributes["href"])
        elif tag == "link" and attributes.get("rel") in ("stylesheet", "icon", "preload"):
            self.fetched.append(attributes["href"])
        elif "src" in attributes:
            self.fetched.append(attributes["src"])

    def handle_endtag(self, tag):
        self.code_depth -= tag in ("pre", "code", "script", "style")

    def handle_data(self, data):
        if not self.code_depth:
            self.text.append(data)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    target = tmp_path_factory.mktemp("site")
    result = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", ROOT / "docs", target],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return target


@pytest.fixture(scope="module")
def pages(site):
    return {path: Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}


def fetched_from_elsewhere(page):
    """The addresses outside the site that a page would fetch, those in its styles included."""
    styles = " ".join(attributes.get("style") or "" for _, attributes in page.tags)
    fetched = [*page.fetched, *re.findall(r"url\(['\"]?([^)'\"]+)", styles)]
    return [x[:80] for x in fetched if urlsplit(x).scheme not in ("", "data") or x[:2] == "//"]


def test_nothing_is_fetched_from_elsewhere(site, pages):
    found = {path.name: fetched_from_elsewhere(page) for path, page in pages.items()}
    assert not {name: addresses for name, addresses in found.items() if addresses}
    for style in site.rglob("*.css"):
        text = re.sub(r"/\*.*?\*/", "", style.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert not re.findall(r"(?:url\(|@import) *['\"]?(?:https?:)?//[^)]*", text), style


def dead_links(path, page, pages):
    """Links to a file that is not there, or to a place that is not on its page."""
    for link in page.links:
        parts = urlsplit(link)
        if parts.scheme:
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        ids = pages[target].ids if target in pages else set()
        if not target.is_file() or (parts.fragment and unquote(parts.fragment) not in ids):
            yield link


def test_links_lead_to_pages_of_the_site(pages):
    found = {path.name: [*dead_links(path, page, pages)] for path, page in pages.items()}
    assert not {name: links for name, links in found.items() if links}


def test_the_first_page_leads_to_every_notebook_and_to_the_reference(site, pages):
    links = set(pages[site / "index.html"].links)
    assert {f"notebooks/{name}.html" for name in NOTEBOOKS} | {"api/coslr.pytorch.html"} <= links


@each
def test_a_notebook_can_be_opened_elsewhere(site, pages, name):
    """Its badges are links on the site, and it can be downloaded."""
    links = [unquote(link) for link in pages[site / f"notebooks/{name}.html"].links]
    for end in ("?urlpath=lab/tree", "colab.research.google.com/github/OWNER/REPOSITORY/blob/HEAD"):
        assert len([x for x in links if f"{end}/notebooks/{name}.ipynb" in x]) == 1, end
    download = site / f"_sources/notebooks/{name}.ipynb"
    assert f"../{download.relative_to(site).as_posix()}" in links
    assert download.read_bytes() == (ROOT / f"notebooks/{name}.ipynb").read_bytes()


@each
def test_a_notebook_is_read_without_scripts(site, pages, name):
    page = pages[site / f"notebooks/{name}.html"]
    committed = (ROOT / f"notebooks/{name}.ipynb").read_text(encoding="utf-8")
    text = "".join(page.text)
    tags = [tag for tag, _ in page.tags]
    assert tags.count("details") >= committed.count("<summary>Solution</summary>")
    assert not TEX.findall(text)
    assert not re.findall(r"VBox\(|widget-view", unescape(text))
    figures = [a for tag, a in page.tags if tag == "img" and a["src"].startswith("data:")]
    assert len(figures) >= committed.count('<img alt=\\"')
    assert all(len(figure["alt"]) >= 20 for figure in figures)


def test_the_reference_has_the_public_names(site, pages):
    import coslr

    ids = pages[site / "api/coslr.schedules.html"].ids
    schedules = {
        name for name in coslr.__all__ if getattr(coslr, name).__module__ == "coslr.schedules"
    }
    assert "Cosine" in schedules
    assert {f"coslr.schedules.{name}" for name in schedules} <= ids
    elsewhere = {("audit", "audit"), ("pytorch", "ScheduleLR"), ("diagnosis", "diagnose")}
    for module, name in elsewhere:
        assert f"coslr.{module}.{name}" in pages[site / f"api/coslr.{module}.html"].ids


def test_the_reference_has_every_public_module(site):
    paths = [path.relative_to(ROOT).with_suffix("") for path in ROOT.glob("coslr/**/[!_]*.py")]
    written = {path.stem for path in site.glob("api/*.html")}
    assert {".".join(path.parts) for path in paths} <= written
    assert not [name for name in written if "._" in name]


@pytest.mark.parametrize("room", ROOMS)
def test_the_reference_has_three_rooms(site, pages, room):
    """The first page leads to each room, whose page leads to the modules of this room alone."""
    assert f"api/{room}.html" in pages[site / "index.html"].links
    html = (site / f"api/{room}.html").read_text(encoding="utf-8")
    contents = html.partition('class="toctree-wrapper')[2].partition("</article>")[0]
    modules = set(re.findall(r'href="([\w.]+)\.html"', contents))
    for other, names in ROOMS.items():
        found = {f"{other}.{name}" for name in names} & modules
        assert len(found) == (len(names) if other == room else 0)


def test_the_reference_shows_arguments_formulas_and_examples(site, pages):
    html = (site / "api/coslr.pytorch.html").read_text(encoding="utf-8")
    assert "<li><p><strong>steps_per_unit</strong> – calls of " in html
    assert html.count('<div class="doctest highlight') >= 3
    page = pages[site / "api/coslr.schedules.html"]
    assert [tag for tag, _ in page.tags].count("math") > 10
    assert not TEX.findall("".join(page.text))


def test_the_reference_takes_no_words_for_a_type(site):
    """Napoleon can take words before a colon for a type; write that docstring without the colon."""
    for path in site.glob("api/*.html"):
        html = path.read_text(encoding="utf-8")
        labels = re.findall(r'<dt class="field-\w+">(.*?)<', html)
        assert set(labels) <= {"Parameters", "Attributes", "Raises"}, path.name
        assert not re.findall(r"<strong>[^<]*</strong> \(<em>[^<]*", html), path.name


# --------------------------------------------------------------------- each check on a wrong page


@pytest.mark.parametrize(
    "html",
    [
        '<script src="https://cdn.example/mathjax.js"></script>',
        '<img src="//cdn.example/badge.svg">',
        '<link rel="stylesheet" href="http://cdn.example/style.css">',
        "<p style=\"background: url('https://cdn.example/a.png')\">",
    ],
)
def test_a_fetch_is_seen(html):
    assert fetched_from_elsewhere(Page(html))


@pytest.mark.parametrize("link", ["nowhere.html", "here.html#nothing", "#nothing"])
def test_a_dead_link_is_seen(tmp_path, link):
    path = tmp_path / "here.html"
    path.write_text("", encoding="utf-8")
    page = Page(f'<h1 id="something"></h1><a href="{link}">there</a>')
    assert [*dead_links(path, page, {path: page})] == [link]
