"""The course in JupyterLab in a real browser, as a learner uses it: `make e2e`."""

import json
import time
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import ROOT, SHOTS

pytestmark = pytest.mark.e2e

NAMES = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
# JupyterLab shows tracebacks as stderr output, too.
ERROR = "[data-mime-type='application/vnd.jupyter.stderr']"


@pytest.mark.parametrize("name", NAMES)
def test_runs_from_top_to_bottom(open_lab, name):
    lab = open_lab(name)
    lab.run_all()
    for number in lab.screens():
        SHOTS.mkdir(exist_ok=True)
        lab.page.screenshot(path=SHOTS / f"{name}-{number:02}.png")
        assert lab.page.locator(ERROR).count() == 0, lab.page.locator(ERROR).first.inner_text()
    assert lab.failures == []
    assert lab.leaving() == []


BROKEN = """broken_loop = lambda optimizer, scheduler: [
(optimizer.step(), scheduler.step() if update != 11 else None) for update in range(20)]
checks.caught(broken_loop)"""


def test_an_exercise_answers_at_once(open_lab):
    lab = open_lab("00_start_here")
    lab.run_all()
    cell = lab.bring("checks.caught(broken_loop)")
    expect(cell).to_contain_text("Not attempted yet")
    lab.rewrite(cell, "broken_loop = right_loop\nchecks.caught(broken_loop)")
    expect(cell).to_contain_text("✗ Not yet. All 20 updates use the right rate")
    lab.rewrite(cell, BROKEN)
    expect(cell).to_contain_text("✓ Right. The audit says: update 12")


# --------------------------------------------------------- a study, interrupted and killed

STUDY = """
import time
from coslr import Cosine
from coslr.experiments import studies
from coslr.experiments.trials import Split, grid
data = Split(n_train=2000, n_validation=200, n_test=200)
family = {"cosine": lambda eta, T: Cosine(T, eta)}
trials = grid(family, [0.1], range(24), epochs=4, data=data)
study = studies.run(trials, cache="kept", workers=2)
print(len(study.table), "trials,", (study.table["status"] == "ok").sum(), "ok")
"""


@pytest.fixture
def study(lab, open_lab):
    """A notebook with one cell that trains 24 networks, and the folder of their results."""
    folder = lab[0] / "notebooks"
    cell = {"cell_type": "code", "id": "study", "metadata": {}, "outputs": []}
    cell |= {"execution_count": None, "source": STUDY.strip()}
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    notebook = {"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4}
    path = folder / "study.ipynb"
    path.write_text(json.dumps(notebook | {"nbformat_minor": 5}), encoding="utf-8")
    yield open_lab("study"), folder / "kept"
    path.unlink()


def kept(folder: Path) -> dict[str, float]:
    """The files of finished trials, and when each was written."""
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*.npz")}


def some(folder, n, seconds=120):
    """Wait until `n` results are on disk, and return them."""
    for _ in range(10 * seconds):
        if len(kept(folder)) >= n:
            return kept(folder)
        time.sleep(0.1)
    raise AssertionError(f"only {len(kept(folder))} results after {seconds} s")


def test_a_study_goes_on_after_an_interrupt_and_after_its_kernel_was_killed(study):
    lab, folder = study
    lab.menu("Run", "Run All Cells")
    some(folder, 3)
    lab.menu("Kernel", "Interrupt Kernel")
    lab.idle()
    expect(lab.page.locator(ERROR).first).to_contain_text("KeyboardInterrupt")
    first = kept(folder)
    assert len(first) < 24

    lab.menu("Run", "Run All Cells")
    some(folder, len(first) + 3)
    lab.menu("Kernel", "Restart Kernel…")
    lab.page.get_by_role("button", name="Confirm Kernel Restart").click()
    lab.idle()
    second = kept(folder)
    assert first.items() <= second.items()  # no finished trial was trained again
    assert len(second) < 24

    lab.run_all()
    expect(lab.page.locator(".jp-OutputArea").first).to_contain_text("24 trials, 24 ok")
    assert second.items() <= kept(folder).items()
