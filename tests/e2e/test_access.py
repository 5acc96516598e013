"""Readers with a screen reader or in the dark theme get what the notebooks show."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.e2e.conftest import ROOT

pytestmark = pytest.mark.e2e

NAMES = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
# Only our content is checked: text, tables and figures. JupyterLab's cells around it are not ours.
OURS = {"include": [[".jp-RenderedMarkdown"], [".jp-RenderedHTML"], [".jp-RenderedHTMLCommon"]]}


def findings(lab):
    """What axe calls critical or serious in a notebook: rule -> the first place."""
    found = {}
    for _ in lab.screens():
        if not lab.page.locator(".jp-RenderedHTMLCommon").count():
            continue
        # JupyterLab gives the description "Image" to an image that has none.
        if lab.page.locator(".jp-Notebook img:is([alt='Image'], :not([alt]))").count():
            found["image-alt"] = "an image without a description"
        for violation in Axe().run(lab.page, context=OURS).response["violations"]:
            if violation["impact"] in ("critical", "serious"):
                found.setdefault(violation["id"], violation["nodes"][0]["html"][:200])
    return found


@pytest.mark.parametrize("name", NAMES)
def test_no_serious_finding_of_axe(open_lab, name):
    assert findings(open_lab(name)) == {}


def test_a_figure_without_a_description_is_seen(lab, open_lab):
    path = lab[0] / "notebooks/00_start_here.ipynb"
    page, described = path.read_text(encoding="utf-8"), r'<img alt=\\"[^"]*\\"'
    assert re.search(described, page)
    copy = path.with_name("undescribed.ipynb")
    copy.write_text(re.sub(described, "<img", page, count=1), encoding="utf-8")
    assert list(findings(open_lab("undescribed"))) == ["image-alt"]
    copy.unlink()


@pytest.mark.parametrize("name", ["01_the_formula", "02_other_schedules"])
def test_figures_stay_white_in_the_dark_theme(open_lab, name):
    """Black lines and labels would vanish on a dark page."""
    lab = open_lab(name)
    lab.menu("Settings", "Theme", "JupyterLab Dark")
    seen = 0
    for _ in lab.screens():
        for image in lab.page.locator(".jp-OutputArea img").all():
            corner = image.evaluate(
                """i => { const c = document.createElement('canvas'); c.width = c.height = 1;
                const p = c.getContext('2d'); p.drawImage(i, 0, 0);
                return Array.from(p.getImageData(0, 0, 1, 1).data); }"""
            )
            seen += 1
            assert corner == [255, 255, 255, 255]
    assert seen
    lab.menu("Settings", "Theme", "JupyterLab Light")
