"""Seconds from `make lab` to the first figure on the screen, as a learner's browser shows it.

The browser is already running, as it is for most people. Each run starts JupyterLab again.

    .venv/bin/python -m benchmarks.first_figure
"""

import os
import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.e2e.conftest import ROOT, address_of, chromium

RUNS = 5


def start(folder: str) -> tuple[subprocess.Popen, str, str]:
    """Start JupyterLab; return the process, its address and its token when it is ready."""
    names = ("JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR", "JUPYTER_CONFIG_DIR")
    own = {name: f"{folder}/{name}" for name in names}
    log = Path(folder, "log")
    with log.open("w", encoding="utf-8") as output:
        server = subprocess.Popen(
            ["make", "lab", "ARGS=--no-browser"],
            cwd=ROOT,
            env=os.environ | own,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    return server, *address_of(server, log)


def measure(browser) -> dict[str, float]:
    """Seconds until the server is ready, and until the notebook's first figure is visible."""
    with tempfile.TemporaryDirectory() as folder:
        began, seconds = time.perf_counter(), {}
        server, address, token = start(folder)
        try:
            seconds["server ready"] = time.perf_counter() - began
            page = browser.new_page(viewport={"width": 1300, "height": 1400})
            page.goto(f"{address}/lab/tree/notebooks/00_start_here.ipynb?token={token}")
            figure = page.locator(".jp-Notebook img").first
            figure.wait_for(timeout=60_000)
            seconds["first figure"] = time.perf_counter() - began
            page.close()
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(30)
    return seconds


if __name__ == "__main__":
    with sync_playwright() as playwright:
        browser = chromium(playwright)
        runs = [measure(browser) for _ in range(RUNS)]
        browser.close()
    for name in runs[0]:
        times = sorted(run[name] for run in runs)
        middle = statistics.median(times)
        print(f"{name:12}  median {middle:.1f} s  ({times[0]:.1f} to {times[-1]:.1f}, {RUNS} runs)")
