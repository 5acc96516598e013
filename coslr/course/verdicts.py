"""The article on trial as tables in HTML: a row for each statement, with its verdict.

`figure` is for the site, and `page` for a notebook. Both need no script and fetch nothing. Each
verdict has a word, and a mark or a sign of its own shape, so a reader who sees no colour, or no
marks, loses nothing. The colours of the marks are in ``docs/site.css``.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from coslr._arguments import require
from coslr.course import claims
from coslr.course.claims import CLAIMS, AllStandings, Claim
from coslr.course.plotting import Described
from coslr.experiments.comparisons import Comparison
from coslr.experiments.outcomes import OPEN


class Mark(NamedTuple):
    """How a verdict looks.

    Attributes:
        kind: its class in the style sheet.
        drawing: the parts of an SVG picture of 20 by 20.
        sign: a character in place of the picture.
    """

    kind: str
    drawing: str
    sign: str


# verdict -> its mark, in the order of the counts.
MARKS = {
    claims.SUPPORTED: Mark(
        "supported",
        '<circle class="fill" cx="10" cy="10" r="9"/><path class="cut" d="M5.5 10.5l3 3 6-7"/>',
        "✓",
    ),
    claims.PARTLY: Mark(
        "partly",
        '<circle cx="10" cy="10" r="8"/><path class="fill" d="M10 2a8 8 0 0 0 0 16z"/>',
        "◐",
    ),
    claims.NO_DIFFERENCE: Mark("same", '<path d="M3 7h14M3 13h14"/>', "="),
    claims.CONTRADICTED: Mark(
        "contradicted",
        '<path class="fill" d="M10 0L20 10 10 20 0 10z"/>'
        '<path class="cut" d="M7 7l6 6M13 7l-6 6"/>',
        "✗",
    ),
    OPEN: Mark("open", '<circle cx="10" cy="10" r="8"/>', "?"),
    claims.NOT_SETTLED: Mark(
        "waiting",
        '<circle class="fill" cx="3" cy="10" r="2"/><circle class="fill" cx="10" cy="10" r="2"/>'
        '<circle class="fill" cx="17" cy="10" r="2"/>',
        "…",
    ),
    claims.UNTESTED: Mark("waiting", '<path d="M3 10h14"/>', "–"),
}

# ------------------------------------------------------------------------------- for the site


def figure(rows: Sequence[Mapping[str, Any]], lessons: Mapping[str, str], folder: str) -> str:
    """The table of the site's first page, under a count of each verdict.

    Args:
        rows: what `coslr.course.claims.report` returns.
        lessons: a notebook's name without its ending -> what its link says, the number first; a
            narrow page shows the number alone. A lesson that is not here, because it has no page
            yet, has no link.
        folder: where the lessons' pages are, such as "notebooks/".

    Raises:
        ValueError: a row has an unknown verdict.

    Example:
        >>> row = {"claim": "it is fast", "lesson": "05_cnn", "verdict": "open"}
        >>> row |= {"by_definition": False, "comparisons": [{"waiting": False}] * 2, "to_come": ""}
        >>> html = figure([row], {"05_cnn": "05 Train a CNN"}, "notebooks/")
        >>> html.count("<tr>"), "2 comparisons" in html, 'href="notebooks/05_cnn.html"' in html
        (2, True, True)
    """
    for row in rows:
        require(row["verdict"] in MARKS, "verdict", row["verdict"], f"one of {', '.join(MARKS)}")
    counted = Counter(row["verdict"] for row in rows)
    counts = "\n".join(
        f"<li>{_shown(verdict, f'{counted[verdict]} {verdict}')}</li>"
        for verdict in MARKS
        if counted[verdict]
    )
    body = "\n".join(_row(row, lessons, folder) for row in rows)
    return (
        '<div class="trial">\n'
        f'<ul class="counts" aria-label="The verdicts on {len(rows)} statements">\n'
        f"{counts}\n</ul>\n"
        "<table>\n"
        '<thead><tr><th scope="col">the article says</th><th scope="col">verdict</th>'
        '<th scope="col">judged in</th></tr></thead>\n'
        f"<tbody>\n{body}\n</tbody>\n"
        "</table>\n"
        "</div>"
    )


def _row(row: Mapping[str, Any], lessons: Mapping[str, str], folder: str) -> str:
    lesson = row["lesson"]
    link, _, name = escape(lessons.get(lesson, lesson[:2])).partition(" ")
    if name:
        link = f'<a href="{folder}{lesson}.html">{link} <span class="name">{name}</span></a>'
    return (
        f'<tr><th scope="row">{escape(row["claim"])}</th>'
        f"<td>{_shown(row['verdict'], row['verdict'])}{_from(row)}</td>"
        f"<td>{link}</td></tr>"
    )


def _shown(verdict: str, words: str) -> str:
    """A verdict's mark and words. A screen reader passes over the mark and reads the words."""
    mark = MARKS[verdict]
    return (
        f'<span class="verdict {mark.kind}"><svg viewBox="0 0 20 20" width="16" height="16" '
        f'aria-hidden="true">{mark.drawing}</svg> {escape(words)}</span>'
    )


def _from(row: Mapping[str, Any]) -> str:
    """What a verdict rests on, and what is still to come; nothing where nothing can be tested."""
    if row["verdict"] == claims.UNTESTED:
        return ""
    run = sum(not found["waiting"] for found in row["comparisons"])
    measured = f"{run} comparison{'s' * (run > 1)}" * bool(run)
    said = ["by definition" if row["by_definition"] else measured, row["to_come"]]
    return f' <span class="from">{"; ".join(filter(None, said))}</span>'


# ---------------------------------------------------------------------------- for a notebook


def page() -> Described:
    """Every statement in the article's order: verdict, what it rests on, and what others found.

    It has no colours, so it reads the same on light and on dark pages.

    Example:
        >>> page()
        Table: the verdicts on 37 statements
    """
    held = AllStandings()
    head = ("the article says", "lesson", "verdict", "it rests on", "what others found")
    rows = "\n".join(_statement(claim, claim.comparisons(held)) for claim in CLAIMS)
    html = (
        "<table>\n<thead><tr>"
        + "".join(f'<th scope="col" style="text-align: left">{name}</th>' for name in head)
        + f"</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>"
    )
    return Described(html, f"Table: the verdicts on {len(CLAIMS)} statements")


def _statement(claim: Claim, compared: Mapping[str, Comparison]) -> str:
    verdict = claim.verdict(compared)
    cells = (
        claim.lesson[:2],
        f"{MARKS[verdict].sign} {verdict}",
        _rests_on(claim, compared),
        claim.literature,
    )
    left = 'style="text-align: left"'
    said = "".join(f"<td {left}>{escape(cell)}</td>" for cell in cells)
    return f'<tr><th scope="row" {left}>{escape(claim.says)}</th>{said}</tr>'


def _rests_on(claim: Claim, compared: Mapping[str, Comparison]) -> str:
    """The reason of a verdict that needs no run, or the outcomes so far."""
    changed = f"; {claim.change}" * bool(claim.changed)
    if claim.definition:
        return f"by definition: {claim.definition.removesuffix('.')}{changed or '.'}"
    if claim.untested:
        return claim.untested
    words = [found.word for found in compared.values() if not found.waiting]
    said = (*claims.OUTCOMES, "no result")
    parts = [f"{words.count(word)} {word}" for word in said if word in words]
    return ", ".join([*parts, *filter(None, [claim.to_come(compared)])]) + changed
