"""The course's site in a browser. Reading needs no JavaScript, and no page loads remote files."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted(path.stem for path in ROOT.glob("notebooks/*.ipynb"))


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    target = tmp_path_factory.mktemp("site")
    subprocess.run([sys.executable, "-m", "sphinx", "-q", ROOT / "docs", target], check=True)
    return target.as_uri()


@pytest.fixture(params=[False, True], ids=["without scripts", "with scripts"])
def page(browser, request):
    """A tab; the test fails if a page asks for a missing file or for another server."""
    context = browser.new_context(java_script_enabled=request.param)
    page, wrong = context.new_page(), []
    page.on("requestfailed", lambda asked: wrong.append(asked.url))
    page.on("request", lambda asked: asked.url[:5] in ("file:", "data:") or wrong.append(asked.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    yield page
    context.close()
    assert not wrong


def test_every_page_opens(site, page):
    for name in ["index", "api/coslr.schedules", *(f"notebooks/{name}" for name in NOTEBOOKS)]:
        page.goto(f"{site}/{name}.html")
        assert page.locator("h1").is_visible()
        undescribed = page.locator("article img:not([alt])")
        assert undescribed.count() == 0


def test_formulas_stand_and_solutions_fold(site, page):
    page.goto(f"{site}/notebooks/01_the_formula.html")
    fraction = page.locator(".formula mfrac").first.bounding_box()
    assert fraction["height"] > fraction["width"] / 4  # one above the other
    solution = page.locator("details", has_text="Solution").first
    assert not solution.locator("pre").is_visible()
    solution.locator("summary").click()
    assert solution.locator("pre").is_visible()


def test_the_way_through_the_series_is_clicked(site, page):
    page.goto(f"{site}/index.html")
    page.locator("article a[href='notebooks/00_start_here.html']").first.click()
    for _ in NOTEBOOKS[1:]:
        page.locator(".related-pages .next-page").click()
    assert page.url.endswith(f"{NOTEBOOKS[-1]}.html")


def test_search(site, browser):
    page = browser.new_page()
    page.goto(f"{site}/search.html?q=warm+restarts")
    page.locator("ul.search a", has_text="Warm restarts: one cosine").wait_for(timeout=10_000)
    page.close()
