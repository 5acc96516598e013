"""A JupyterLab that serves a copy of the notebooks, as `make lab` starts it, and a browser."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[2]
SHOTS = ROOT / "screenshots"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
ADDRESS = r"(http://(?:localhost|127\.0\.0\.1):\d+)/lab\S*token=(\w+)"
# Without these, Chromium sends requests to its maker, and tests would count them as ours.
QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """Folder, address and token of a running server. The browser saves notebooks only there."""
    folder = tmp_path_factory.mktemp("course")
    for name in ("notebooks", "coslr"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    log = folder / "log"
    home = folder / "home"
    command = [sys.executable, "-m", "jupyterlab", "notebooks/00_start_here.ipynb"]
    command += [f"--ServerApp.root_dir={folder}", "--no-browser", "--allow-root"]
    outside = {"JUPYTER_CONFIG_DIR": home / "config", "JUPYTERLAB_SETTINGS_DIR": home / "settings"}
    outside |= {"JUPYTERLAB_WORKSPACES_DIR": home / "workspaces", "IPYTHONDIR": home / "ipython"}
    outside = {name: str(value) for name, value in outside.items()}
    with log.open("w") as output:
        server = subprocess.Popen(
            command, cwd=folder, env=os.environ | outside, stdout=output, stderr=output
        )
    try:
        yield folder, *address_of(server, log)
    finally:
        server.terminate()
        server.wait(30)


def address_of(server, log):
    """Address and token of a server; wait until its log has them."""
    for _ in range(1200):
        if found := re.search(ADDRESS, log.read_text()):
            return found.groups()
        assert server.poll() is None, log.read_text()
        time.sleep(0.05)
    raise AssertionError(log.read_text())


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        browser = chromium(playwright)
        yield browser
        browser.close()


def chromium(playwright):
    """This machine's Chromium, without a window."""
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    assert path, "no Chromium here: install it (on Debian: apt install chromium) or set CHROMIUM"
    root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    return playwright.chromium.launch(executable_path=path, args=QUIET + root)


class Lab:
    """One notebook in a browser tab, and what a person does with it."""

    OUTER = ".jp-WindowedPanel-outer"

    def __init__(self, page, folder, address, token, name):
        self.page, self.folder, self.address, self.name = page, folder, address, name
        self.requests, self.failures = [], []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("requestfailed", lambda request: self._failed(request.url, request.failure))
        page.on("response", self._answered)
        page.goto(f"{address}/lab/workspaces/{name}/tree/notebooks/{name}.ipynb?token={token}")
        page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=60_000)
        self.idle()

    def _failed(self, url, why):
        if "ERR_ABORTED" not in str(why):  # the page was left while it loaded
            self.failures.append(f"{url}: {why}")

    def _answered(self, response):
        if response.status >= 400:
            self.failures.append(f"{response.url}: {response.status}")

    def leaving(self):
        """Requests to anywhere but this server."""
        own = (self.address, self.address.replace("localhost", "127.0.0.1"), "data:", "blob:")
        return [url for url in self.requests if not url.startswith(own)]

    def menu(self, *labels):
        for bar, label in zip(["MenuBar", *["Menu"] * 9], labels, strict=False):
            entries = self.page.locator(f".lm-{bar}-itemLabel")
            entries.get_by_text(label, exact=True).first.click()

    def status(self):
        return self.page.locator(".jp-Notebook-ExecutionIndicator").first.get_attribute(
            "data-status"
        )

    def idle(self, seconds=60):
        """Wait until the kernel has had nothing to do for a moment."""
        quiet = 0
        for _ in range(4 * seconds):
            quiet = quiet + 1 if self.status() == "idle" else 0
            if quiet >= 6:
                return
            time.sleep(0.25)
        raise AssertionError(f"{self.name}: still {self.status()} after {seconds} s")

    def run_all(self, seconds=300):
        self.menu("Run", "Run All Cells")
        time.sleep(2)
        self.idle(seconds)

    def scroll(self, top):
        self.page.evaluate(f"document.querySelector('{self.OUTER}').scrollTop = {top}")
        time.sleep(0.6)

    def height(self):
        return self.page.evaluate(f"document.querySelector('{self.OUTER}').scrollHeight")

    def screens(self):
        """Scroll through the notebook, a screen at a time. JupyterLab draws only cells in view."""
        top, step = 0, self.page.viewport_size["height"] - 150
        while top == 0 or top < self.height() - 150:
            self.scroll(top)
            yield top // step
            top += step

    def bring(self, text):
        """Scroll to the first cell that holds `text`, and return it."""
        cell = self.page.locator(".jp-Cell").filter(has_text=text).first
        for _ in self.screens():
            if cell.count() and cell.is_visible():  # cells out of view exist, but are hidden
                cell.scroll_into_view_if_needed()
                return cell
        raise AssertionError(f"{self.name}: no cell has {text!r}")

    def rewrite(self, cell, source):
        """Replace a code cell's source as a person does, and run it."""
        cell.locator(".cm-content").click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(source)
        self.page.keyboard.press("Control+Enter")
        self.idle()


@pytest.fixture
def open_lab(lab, browser):
    pages = []

    def open_one(name, **options):
        size = {"width": 1300, "height": 1400}
        pages.append(browser.new_page(viewport=size, **options))
        return Lab(pages[-1], *lab, name)

    yield open_one
    address, token = lab[1:]
    own = {"Authorization": f"token {token}"}
    for page in pages:  # each kernel holds half a gigabyte
        for session in page.request.get(f"{address}/api/sessions", headers=own).json():
            page.request.delete(f"{address}/api/sessions/{session['id']}", headers=own)
        page.close()
