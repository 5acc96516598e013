"""What Python makes for the site's first page: an explorable, the lessons, and the verdicts.

In a page, ``{made} lessons`` stands for the piece of this name.
"""

import json
import re
from dataclasses import dataclass
from html import escape
from pathlib import Path

from docutils.nodes import Node, raw
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from coslr.course import claims, verdicts
from coslr.course.explorables import draw_a_schedule

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Lesson:
    """What the site says of a lesson beside its text.

    Attributes:
        file: the notebook's name without its ending.
        name: its number and name in the README's table, such as "00 Start here".
        minutes: how long the lesson takes, in the notebook's own words; "" where it does not say.
    """

    file: str
    name: str
    minutes: str


def read_lessons() -> dict[str, Lesson]:
    """The lessons by file, in the order of the README's table."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[(.+?)\]\(notebooks/(\w+)\.ipynb\)", readme, re.MULTILINE)
    return {file: Lesson(file, name, minutes_of(file)) for name, file in rows}


def minutes_of(file: str) -> str:
    """The N of a notebook's "About N minutes"."""
    notebook = json.loads((ROOT / f"notebooks/{file}.ipynb").read_text(encoding="utf-8"))
    text = "\n".join("".join(cell["source"]) for cell in notebook["cells"][:3])
    found = re.search(r"(?:[Aa]bout|takes) (\d+) minutes", text)
    return found[1] if found else ""


LESSONS = read_lessons()


def lesson_list() -> str:
    """The lessons in order, with their minutes, as a list of links."""
    items = []
    for lesson in LESSONS.values():
        number, _, name = lesson.name.partition(" ")
        minutes = f' <span class="minutes">{lesson.minutes} min</span>' if lesson.minutes else ""
        items.append(
            f'<li><span class="number">{number}</span> '
            f'<a href="notebooks/{lesson.file}.html">{escape(name)}</a>{minutes}</li>'
        )
    return '<ol class="lessons">\n' + "\n".join(items) + "\n</ol>"


def for_readers_without_scripts(html: str) -> str:
    """Say of an explorable's still picture what is true of it on the site.

    In a notebook, the picture moves once its cell runs. On the site it moves unless the reader's
    browser runs no scripts.
    """
    words = "This picture stands still. It moves where the browser runs JavaScript."
    return re.sub(r"(<p><em>)This picture stands still\..*?(</em></p>)", rf"\1{words}\2", html)


PIECES = {
    "explorable": lambda: for_readers_without_scripts(draw_a_schedule().html),
    "lessons": lesson_list,
    "verdicts": lambda: verdicts.figure(
        claims.report(), {lesson.file: lesson.name for lesson in LESSONS.values()}, "notebooks/"
    ),
}


class Made(SphinxDirective):
    """Puts one of `PIECES` into the page."""

    required_arguments = 1

    def run(self) -> list[Node]:
        """The piece as HTML that Sphinx passes on as it is."""
        self.env.note_reread()  # its sources are no files of Sphinx, so it is made at each build
        return [raw("", PIECES[self.arguments[0]](), format="html")]


def setup(app: Sphinx) -> dict[str, bool]:
    """Make the directive known; Sphinx calls this."""
    app.add_directive("made", Made)
    return {"parallel_read_safe": True}
