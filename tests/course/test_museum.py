import inspect
import json
from pathlib import Path

import numpy as np
import pytest

from coslr import diagnose
from coslr.course import museum
from coslr.course.museum import EXHIBITS
from coslr.pytorch import AuditError

LESSON = Path(__file__).resolve().parents[2] / "notebooks/09_broken_schedules.ipynb"

exhibits = pytest.mark.parametrize("exhibit", EXHIBITS.values(), ids=lambda e: e.broken.__name__)

# The first wrong update of each loop, worked out from its bug.
FIRST_WRONG = {
    "boundaries_in_images": 40,  # the first boundary that should have been reached
    "ticks_per_process": 1,
    "length_in_epochs": 1,
    "set_after_the_epoch": 0,
    "scheduler_first": 7,  # one before the first drop
    "used_up_by_the_plot": 0,
    "clock_runs_in_warmup": 20,  # where the warm-up ends
    "warmup_from_zero": 0,
    "restart_from_where_it_stands": 40,  # the first restart
    "restart_by_logarithm": 121,  # 1 + 3 + 9 + 27 + 81
    "one_state_of_two": 50,  # the break
    "shorter_than_the_run": 1,
}

# What the whole trace of each loop says, best cause first, with the numbers of the mistake.
DIAGNOSES = {
    "boundaries_in_images": ("never_moves", {"rate": 0.1}),
    "ticks_per_process": ("too_fast", {"times": 4}),
    "length_in_epochs": ("too_fast", {"times": 12}),
    "set_after_the_epoch": ("one_late", {"first": 0.3}),
    "scheduler_first": ("one_early", {}),
    "used_up_by_the_plot": ("used_up", {"steps": 20}),  # after as many, the rate does not change
    "clock_runs_in_warmup": ("clock_in_warmup", {"warmup": 20, "length": "the whole run's"}),
    "warmup_from_zero": ("warmup_from_zero", {}),
    "restart_from_where_it_stands": ("never_restarts", {"update": 40}),
    "restart_by_logarithm": ("missed_restart", {"updates": [121]}),
    "one_state_of_two": ("scaled_from", {"factor": 2.0, "update": 50}),
    "shorter_than_the_run": ("climbs_again", {"after": 60}),
}


@exhibits
def test_the_bug_of_every_exhibit_is_diagnosed_from_its_trace(exhibit):
    found = exhibit.diagnosis()
    assert (found.cause, found.parameters) == DIAGNOSES[exhibit.broken.__name__]
    assert found.updates[0] == exhibit.first_wrong()
    assert [d.cause for d in diagnose(exhibit.fixed(), exhibit.meant)] == ["right"]


@exhibits
def test_the_audit_stops_the_broken_loop_at_its_first_wrong_update(exhibit):
    assert exhibit.first_wrong() == FIRST_WRONG[exhibit.broken.__name__]
    rates = exhibit.rates()
    right = [exhibit.meant(t) for t in range(len(rates))]
    differ = ~np.isclose(rates, right, rtol=1e-9, atol=1e-15)
    assert np.argmax(differ) == exhibit.first_wrong()


@exhibits
def test_the_audit_is_silent_on_the_repaired_loop(exhibit):
    assert exhibit.finding(exhibit.fixed) == ""
    assert len(exhibit.fixed()) == len(exhibit.rates())


@exhibits
def test_the_fix_is_short_and_the_loops_differ_in_nothing_else(exhibit):
    fix = exhibit.fix().splitlines()
    assert 1 <= sum(line.startswith(("+", "-")) for line in fix) <= 8
    broken, fixed = (
        inspect.getsource(loop).splitlines()[1:] for loop in (exhibit.broken, exhibit.fixed)
    )
    kept = [line for line in broken if f"-{line}" not in fix]
    assert kept == [line for line in fixed if f"+{line}" not in fix]


@exhibits
def test_a_loop_is_short_and_names_its_source(exhibit):
    assert len(exhibit.code().splitlines()) <= 20
    assert exhibit.source == inspect.getdoc(exhibit.fixed)
    assert any(year in exhibit.source for year in map(str, range(2019, 2027)))
    assert "#" in exhibit.source or "Dive into Deep Learning" in exhibit.source


@exhibits
def test_the_page_has_all_of_it_and_is_folded(exhibit):
    page = exhibit.page(7)
    assert page.startswith("<details><summary>Exhibit 7")
    assert page.endswith("</details>")
    parts = (exhibit.story, exhibit.source, exhibit.code(), exhibit.finding(), exhibit.fix())
    for part in (*parts, f"`{exhibit.diagnosis().cause}`"):
        assert part in page
    assert exhibit.diagnosis().says in page.replace("`", "")
    assert "the audit is silent" in page


def test_only_the_wrong_order_makes_python_warn():
    warned = {e.broken.__name__ for e in EXHIBITS.values() if e.warning()}
    assert warned == {"scheduler_first"}


def test_every_exhibit_has_a_bug_of_its_own():
    assert list(EXHIBITS) == list(range(1, 13))
    assert len({e.bug for e in EXHIBITS.values()}) == 12


@pytest.mark.parametrize("number", EXHIBITS)
def test_the_lesson_has_the_page_of_every_exhibit(number):
    cells = json.loads(LESSON.read_text(encoding="utf-8"))["cells"]
    text = "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    assert EXHIBITS[number].page(number) in text


def test_the_log_has_one_diagnosis_and_it_is_not_seen_by_its_ends():
    text, meant = museum.log()
    steps, rates = zip(*(map(float, row.split(",")) for row in text.splitlines()[1:]), strict=True)
    updates = [int(step) for step in steps]
    (found,) = diagnose(rates, meant, updates=updates)
    assert (found.cause, found.parameters["length"]) == ("wrong_length", 1000)
    assert max(rates) == 0.003


def test_the_scheduler_of_a_half_resumed_run_reports_the_right_rate():
    exhibit = EXHIBITS[11]
    rates = exhibit.rates()
    assert rates[50] == 2 * exhibit.meant(50)
    assert rates[-1] == 2 * exhibit.meant(99)


def test_a_loop_can_be_audited_against_another_schedule_too():
    with pytest.raises(AuditError, match="update 0"):
        museum.both_states(EXHIBITS[4].meant)
