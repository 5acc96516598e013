"""What a reader's browser needs for the site: seconds to the first move, and frames a second.

The first move: from the click that opens the first page to a drawn figure after its first slider
moved. The browser is already running. The film: lesson 04's cloud, played to its end. Weights: the
bytes of each lesson's page with all that it loads.

    make site
    .venv/bin/python -m benchmarks.explorables
"""

import functools
import http.server
import statistics
import threading
import time

from playwright.sync_api import sync_playwright

from tests.e2e.conftest import ROOT, chromium

SITE = ROOT / "build" / "site"
RUNS = 5
VIEW = {"width": 1300, "height": 900}


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files, and says nothing about it."""

    def log_message(self, *_):
        """Print nothing: a line for each file would hide the results."""


def first_move(browser, address: str) -> float:
    """Seconds from the opening of the first page to a figure that moved."""
    page = browser.new_context(viewport=VIEW).new_page()
    page.goto("about:blank")
    began = time.perf_counter()
    page.goto(f"{address}/index.html", wait_until="commit")
    host = page.locator("[data-coslr='schedule']")
    slider = host.locator("input[type=range]").first
    slider.focus()
    before = host.locator(".plots").inner_html()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "before => document.querySelector(\"[data-coslr='schedule']\").shadowRoot"
        ".querySelector('.plots').innerHTML !== before",
        arg=before,
    )
    seconds = time.perf_counter() - began
    page.context.close()
    return seconds


def frame_rate(browser, address: str) -> float:
    """Frames a second of the cloud, from its first update to its last."""
    page = browser.new_context(viewport=VIEW).new_page()
    page.goto(f"{address}/notebooks/04_local_minima.html")
    host = page.locator("[data-coslr='cloud']").first
    host.scroll_into_view_if_needed()
    host.get_by_role("button", name="Play").click()
    host.get_by_role("button", name="Play again").wait_for(timeout=60_000)
    frames, seconds = host.evaluate("host => [host.coslr.state.frames, host.coslr.state.seconds]")
    page.context.close()
    return frames / seconds


def weight(browser, url: str) -> int:
    """Bytes of a page and of all that it loads."""
    page = browser.new_context(viewport=VIEW).new_page()
    sizes = []
    page.on("response", lambda response: sizes.append(len(response.body())))
    page.goto(url, wait_until="load")
    page.evaluate("document.querySelectorAll('img').forEach(image => (image.loading = 'eager'))")
    page.wait_for_load_state("networkidle")
    page.context.close()
    return sum(sizes)


def show(name: str, unit: str, found: list[float]) -> None:
    """Print the median of some runs, and how far they lie apart."""
    low, *_, high = sorted(found)
    middle = statistics.median(found)
    print(f"{name:12}  median {middle:.2f} {unit}  ({low:.2f} to {high:.2f}, {len(found)} runs)")


if __name__ == "__main__":
    handler = functools.partial(Quiet, directory=SITE)
    with http.server.ThreadingHTTPServer(("localhost", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://localhost:{server.server_port}"
        with sync_playwright() as playwright:
            browser = chromium(playwright)
            show("first move", "s", [first_move(browser, address) for _ in range(RUNS)])
            show("film", "frames/s", [frame_rate(browser, address) for _ in range(RUNS)])
            for page in sorted(SITE.glob("notebooks/*.html")):
                size = weight(browser, f"{address}/notebooks/{page.name}") / 1e6
                print(f"{page.stem:28}  {size:.2f} MB")
            browser.close()
        server.shutdown()
