"""The forest plot shows each comparison once under each statement, as the tables have it."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from coslr.course import claims, plotting
from coslr.course import forest_of_claims as forests
from coslr.course.claims import CLAIMS, Ref
from coslr.course.descriptions import describe
from coslr.course.forest_of_claims import Block, Panel, forest, panels, tally
from coslr.course.protocol import STUDIES
from coslr.course.verdicts import page
from coslr.experiments.comparisons import Comparison
from coslr.experiments.outcomes import judge, kind_of

WIGGLE = np.array([-1, 1, -1, 1]) / 10  # of a margin


def compared(measure, margins, spread=1.0, **more):
    """A comparison whose difference is so many margins."""
    pairs = kind_of(measure).margin * (margins + spread * WIGGLE)
    return Comparison("a", "b", 0.1, 0.1, measure, judge(pairs, measure), **more)


def drawn(measure, *margins, spread=1.0):
    rows = {f"row {i}": compared(measure, m, spread) for i, m in enumerate(margins)}
    kind = measure.rpartition("_")[2]
    return forest(Panel("05_train_a_cnn", kind, (Block("it is fast", "open", rows),)))


def texts(ax):
    return [text.get_text() for text in ax.texts if text.get_text()]


def across(ax, line):
    """Where a line is across the axes, from 0 at the left to 1 at the right."""
    ends = [(x, 0) for x in line.get_xdata()]
    return ax.transAxes.inverted().transform(ax.transData.transform(ends))[:, 0].mean()


@pytest.fixture
def all_run(monkeypatch):
    """Every comparison has run, the first of two is twice the margin better."""

    def found(ref, contests):
        measure = ref.measure or STUDIES[ref.study].measures[0]
        return compared(measure, -2 if measure.endswith(("loss", "height")) else 2)

    monkeypatch.setattr(Ref, "compare", found)


# ------------------------------------------------------------------------------------ what is drawn


def test_each_comparison_that_has_run_is_drawn_and_the_others_are_counted():
    contests, shown, said = claims.AllStandings(), Counter(), {}
    for panel in panels():
        for block in panel.blocks:
            shown[block.says] += len(block.rows)
            said.setdefault(block.says, set()).add(block.to_come)
    for claim in CLAIMS:
        found = claim.comparisons(contests)
        assert shown[claim.says] == sum(not one.waiting for one in found.values())
        if shown[claim.says]:
            assert said[claim.says] == {claim.to_come(found)}
            waiting = sum(one.waiting for one in found.values())
            number = claim.to_come(found).partition(" not run yet")[0]
            assert number == str(waiting or "")


def test_when_all_have_run_every_comparison_has_its_row(all_run):
    rows = [row for panel in panels() for block in panel.blocks for row in block.rows]
    assert len(rows) == sum(len(claim.refs) for claim in CLAIMS)
    for row in rows:
        assert len(row.splitlines()) <= 2
        assert max(map(len, row.splitlines())) <= forests.LONGEST


@pytest.mark.parametrize("most", [1, 8, 15])
def test_a_panel_is_of_one_lesson_and_one_unit_and_not_too_long(all_run, most):
    for panel in panels(most=most):
        measures = {c.measure for block in panel.blocks for c in block.rows.values()}
        assert {measure.rpartition("_")[2] for measure in measures} == {panel.kind}
        lessons = {claim.lesson for claim in CLAIMS for b in panel.blocks if b.says == claim.says}
        assert panel.lesson in lessons
        assert len(panel.blocks) == 1 or sum(block.lines for block in panel.blocks) <= most


def test_a_difference_of_two_entries_has_no_name():
    """It would be drawn as what a fourfold peak costs."""
    with pytest.raises(ValueError, match="one entry at two peaks, or after two epochs"):
        forests._spoken("cosine minus linear")


def test_a_statement_whose_comparisons_have_two_units_is_in_two_panels(all_run):
    says = "suitable for all types of models (the article asks, and says yes)"
    kinds = [panel.kind for panel in panels() if says in [block.says for block in panel.blocks]]
    assert sorted(kinds) == ["accuracy", "loss"]


def test_what_waits_is_said_also_where_its_unit_is_not_drawn_yet(all_run, monkeypatch):
    run = Ref.compare

    def found(ref, contests):
        if ref.study != "language_model":
            return run(ref, contests)
        return Comparison("a", "b", 0.1, 0.1, "test_loss", None, "not yet", waiting=True)

    monkeypatch.setattr(Ref, "compare", found)
    blocks = [block for panel in panels() for block in panel.blocks]
    for claim in CLAIMS:
        waiting = sum(ref.study == "language_model" for ref in claim.refs.values())
        said = [block.to_come for block in blocks if block.says == claim.says]
        assert len(set(said)) == bool(claim.refs)
        assert all(one.partition(" not run yet")[0] == str(waiting or "") for one in said)


# ------------------------------------------------------------------------------------------ a panel


@pytest.mark.parametrize("measure", ["test_accuracy", "test_loss", "test_share"])
def test_to_the_right_is_better(measure):
    sign = -1 if measure == "test_loss" else 1
    ax = drawn(measure, sign * 2, -sign * 2)
    better, worse = [line for line in ax.lines if str(line.get_label()).startswith("row")]
    assert "better" in better.get_label()
    assert "worse" in worse.get_label()
    assert across(ax, better) > 0.5 > across(ax, worse)


def test_the_numbers_have_their_interval_and_their_word():
    assert "+0.60 (+0.56 to +0.64) better" in texts(drawn("test_accuracy", 2, spread=0.7))
    assert "−0.0200 (−0.0213 to −0.0187) better" in texts(drawn("test_loss", -2, spread=0.7))
    assert "slightly better" in texts(drawn("test_accuracy", 0.4))[-1]
    assert "+0.00 (−0.06 to +0.06) equivalent" in texts(drawn("test_accuracy", 0))
    assert "+0.00 (−0.06 to +0.06) equivalent" in texts(drawn("test_accuracy", -1e-6))
    assert "open" in texts(drawn("test_accuracy", 0, spread=30))[-1]


def test_the_longest_number_ends_within_the_figure():
    ax = drawn("test_loss", 0.4)
    assert "slightly worse" in texts(ax)[-1]
    assert ax.texts[-1].get_window_extent().x1 < 0.995 * ax.figure.bbox.width


def tips(ax):
    """Where the arrows point."""
    return [text.xy[0] for text in ax.texts if not text.get_text()]


def test_a_difference_beyond_the_axis_is_an_arrow_at_its_side():
    ax = drawn("test_accuracy", 20, -20)
    assert any(text.startswith("+6.00 ") for text in texts(ax))
    assert tips(ax) == [1.5, -1.5]
    assert ax.get_xlim() == (-1.5, 1.5)


def test_an_interval_that_the_axis_cuts_has_an_arrow_and_its_dot():
    ax = drawn("test_accuracy", 0, spread=30)
    assert sorted(tips(ax)) == [-1.5, 1.5]
    assert [line.get_label() for line in ax.lines].count("_middle") == 1
    assert tips(drawn("test_accuracy", 0)) == []


def test_what_has_no_result_says_so():
    lost = Comparison("a", "b", 0.1, 0.1, "test_accuracy", None, obstacle="a run diverged")
    block = Block("it is fast", "open", {"row": lost}, "3 not run yet")
    found = texts(forest(Panel("05_train_a_cnn", "accuracy", (block,))))
    assert {"no result", "3 not run yet", "it is fast", "open"} <= set(found)


def test_the_description_has_names_and_numbers():
    said = describe(drawn("test_accuracy", 2).figure)
    assert "row 0 (+0.60 points, better): between" in said


def test_nothing_to_draw_is_an_error():
    with pytest.raises(ValueError, match="at least one block"):
        forest(Panel("05_train_a_cnn", "accuracy", ()))


# ------------------------------------------------------------------------------- all the statements


def test_the_tally_has_a_dot_for_each_statement():
    ax, contests = tally(), claims.AllStandings()
    verdicts = Counter(claim.verdict(claim.comparisons(contests)) for claim in CLAIMS)
    names = [label.get_text() for label in ax.get_yticklabels()]
    for line in ax.lines:
        row = int(line.get_ydata()[0]) if len(line.get_ydata()) else None
        if not str(line.get_label()).startswith("_"):
            assert len(line.get_xdata()) == verdicts.pop(names[row])
    assert not verdicts
    rings = sum(len(line.get_xdata()) for line in ax.lines if line.get_label() == "_rings")
    assert rings == sum(bool(claim.definition) for claim in CLAIMS)


def test_the_stored_outputs_of_lesson_12_are_those_of_the_tables():
    """When the tables grow, the lesson has to be run again."""
    lesson = Path(claims.__file__).parents[2] / "notebooks" / "12_the_verdict.ipynb"
    cells = json.loads(lesson.read_text(encoding="utf-8"))["cells"]
    data = [out.get("data", {}) for cell in cells for out in cell.get("outputs", [])]
    stored = {
        kind: ["".join(one.get(kind, "")) for one in data] for kind in ("text/plain", "text/html")
    }
    figures = [f"{describe(forest(panel).figure)} {panel.verdicts}" for panel in panels()]
    for text in [describe(tally().figure), *figures]:
        assert f"Figure: {text}" in stored["text/plain"]
    assert page().page in stored["text/html"]


def test_the_figures_can_be_shown(capsys):
    plotting.show(tally())
    assert "A dot is a statement" in capsys.readouterr().out
