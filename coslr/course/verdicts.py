"""The article on trial as one figure: a row for each statement, with its verdict.

It is a table in HTML that needs no script, and it fetches nothing. Each verdict has a word, and a
mark whose shape and colour are its own, so a reader who sees no colour, or no marks, loses nothing.
The colours are in ``docs/site.css``.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from coslr._arguments import require
from coslr.course import claims
from coslr.experiments.outcomes import OPEN

# verdict -> (its class in the style sheet, its mark), in the order of the count above the table.
MARKS = {
    claims.SUPPORTED: (
        "supported",
        '<circle class="fill" cx="10" cy="10" r="9"/><path class="cut" d="M5.5 10.5l3 3 6-7"/>',
    ),
    claims.PARTLY: (
        "partly",
        '<circle cx="10" cy="10" r="8"/><path class="fill" d="M10 2a8 8 0 0 0 0 16z"/>',
    ),
    claims.NO_DIFFERENCE: ("same", '<path d="M3 7h14M3 13h14"/>'),
    claims.CONTRADICTED: (
        "contradicted",
        '<path class="fill" d="M10 0L20 10 10 20 0 10z"/>'
        '<path class="cut" d="M7 7l6 6M13 7l-6 6"/>',
    ),
    OPEN: ("open", '<circle cx="10" cy="10" r="8"/>'),
    claims.NOT_RUN: (
        "waiting",
        '<circle class="fill" cx="3" cy="10" r="2"/><circle class="fill" cx="10" cy="10" r="2"/>'
        '<circle class="fill" cx="17" cy="10" r="2"/>',
    ),
    claims.UNTESTED: ("waiting", '<path d="M3 10h14"/>'),
}


def figure(rows: Sequence[Mapping[str, Any]], lessons: Mapping[str, str], folder: str) -> str:
    """The figure as one piece of HTML.

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
        >>> row |= {"by_definition": False, "comparisons": [{}, {}]}
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
    kind, mark = MARKS[verdict]
    return (
        f'<span class="verdict {kind}"><svg viewBox="0 0 20 20" width="16" height="16" '
        f'aria-hidden="true">{mark}</svg> {escape(words)}</span>'
    )


def _from(row: Mapping[str, Any]) -> str:
    """What a verdict rests on; nothing as long as there is none."""
    if row["verdict"] in (claims.NOT_RUN, claims.UNTESTED):
        return ""
    number = len(row["comparisons"])
    measured = f"{number} comparison{'s' if number > 1 else ''}"
    return f' <span class="from">{"by definition" if row["by_definition"] else measured}</span>'
