"""The tables of the verdicts show each statement once, in order, and depend on no colour."""

import re
from collections import Counter
from html import unescape

import pytest

from coslr.course import claims
from coslr.course.verdicts import MARKS, figure, page

LESSONS = {claim.lesson: f"lesson {claim.lesson[:2]}" for claim in claims.CLAIMS}

RUN, TO_COME = {"waiting": False}, {"waiting": True}


def row(verdict="open", **more):
    given = {"claim": "it is fast", "lesson": "05_train_a_cnn", "verdict": verdict}
    return given | {"by_definition": False, "comparisons": [RUN, RUN], "to_come": ""} | more


def table_rows(html):
    """(statement, verdict and what it rests on, lesson) of each row, as it is read aloud."""
    found = re.findall(r"<tr><th scope=\"row\">(.*?)</th><td>(.*?)</td><td>(.*?)</td></tr>", html)
    return [tuple(unescape(re.sub("<[^>]*>", "", cell)).strip() for cell in row) for row in found]


@pytest.fixture(scope="module")
def report():
    return claims.report()


def test_it_has_each_statement_in_the_articles_order_with_its_verdict(report):
    rows = table_rows(figure(report, LESSONS, "notebooks/"))
    assert [row[0] for row in rows] == [claim.says for claim in claims.CLAIMS]
    for shown, known in zip(rows, report, strict=True):
        assert shown[1].startswith(known["verdict"])
        assert ("by definition" in shown[1]) == known["by_definition"]
        assert shown[2] == LESSONS[known["lesson"]]


def test_the_counts_add_up(report):
    html = figure(report, LESSONS, "")
    counts = re.search(r'<ul class="counts".*?</ul>', html, re.DOTALL)[0]
    numbers = [int(n) for n in re.findall(r"</svg> (\d+) ", counts)]
    assert sum(numbers) == len(claims.CLAIMS)
    assert f"{len(claims.CLAIMS)} statements" in counts


def test_every_verdict_that_a_rule_can_give_has_a_mark_of_its_own():
    known = {getattr(claims, name) for name in ("SUPPORTED", "PARTLY", "CONTRADICTED", "OPEN")}
    known |= {claims.NO_DIFFERENCE, claims.NOT_SETTLED, claims.UNTESTED}
    assert set(MARKS) == known
    for look in ("drawing", "sign"):
        assert len({getattr(mark, look) for mark in MARKS.values()}) == len(MARKS)


def test_a_statement_without_a_verdict_is_grey():
    html = figure([row(claims.UNTESTED), row(claims.NOT_SETTLED)], LESSONS, "")
    assert html.count('class="verdict waiting"') == 4  # in the counts and in the rows
    assert [cell[1] for cell in table_rows(html)] == ["not tested", "not settled yet 2 comparisons"]


def test_a_verdict_says_on_how_many_comparisons_it_rests():
    later = {"comparisons": [RUN, TO_COME, TO_COME], "to_come": "2 not run yet"}
    rows = [row(), row(comparisons=[RUN]), row(**later), row(by_definition=True, comparisons=[])]
    none = row(comparisons=[TO_COME], to_come="1 not run yet")
    rests = [
        cell[1].removeprefix("open ") for cell in table_rows(figure([*rows, none], LESSONS, ""))
    ]
    assert rests[:2] == ["2 comparisons", "1 comparison"]
    assert rests[2:] == ["1 comparison; 2 not run yet", "by definition", "1 not run yet"]


def test_a_statement_cannot_end_its_cell():
    html = figure([row(claim="a < b </th> & c")], LESSONS, "")
    assert table_rows(html)[0][0] == "a < b </th> & c"


def test_a_lesson_without_a_page_is_no_link():
    html = figure([row(), row(lesson="99_new")], LESSONS, "")
    assert [cell[2] for cell in table_rows(html)] == ["lesson 05", "99"]
    assert re.findall(r'href="(.*?)"', html) == ["05_train_a_cnn.html"]


def test_an_unknown_verdict_is_refused():
    with pytest.raises(ValueError, match="verdict='likely': must be one of supported, partly"):
        figure([row("likely")], LESSONS, "")


def test_nothing_is_fetched_and_no_script_runs(report):
    html = figure(report, LESSONS, "notebooks/")
    assert not re.findall(r"<script|src=|url\(|https?:", html)


def test_the_page_has_every_statement_with_its_verdict_and_the_literature():
    contests = claims.AllStandings()
    rows = re.findall(r"<tr><th scope=\"row\".*?</tr>", page().page)
    assert len(rows) == len(claims.CLAIMS)
    for row, claim in zip(rows, claims.CLAIMS, strict=True):
        cells = [unescape(cell) for cell in re.findall(r">([^<]*)</t[dh]>", row)]
        says, lesson, verdict, rests_on, literature = cells
        assert (says, lesson, literature) == (claim.says, claim.lesson[:2], claim.literature)
        found = claim.comparisons(contests)
        assert verdict == f"{MARKS[claim.verdict(found)].sign} {claim.verdict(found)}"
        if claim.refs:
            outcomes = r"(\d+) (better|worse|equivalent|open|no result)"
            said = re.findall(outcomes, rests_on.partition(";")[0])
            words = Counter(one.word for one in found.values() if not one.waiting)
            assert {word: int(n) for n, word in said} == words
        else:
            assert rests_on
        assert claim.to_come(found) in rests_on
        assert ("not run yet" in rests_on) == any(one.waiting for one in found.values())
        assert ("by definition" in rests_on) == bool(claim.definition)
