"""How an explorable becomes one piece of HTML: a still picture, its text, and the script.

JupyterLab removes scripts, styles and SVG from a notebook that the reader has not trusted. It keeps
text, and images with a data address. So these two come first, and the script replaces them when it
runs.
"""

import json
import re
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from coslr._optional import extra
from coslr.course.descriptions import describe
from coslr.course.plotting import image

with extra("course"):
    from matplotlib.axes import Axes

HERE = Path(__file__).parent
DPI = 100  # of the still pictures, which stand for a moment only where scripts run
STILL_COLOURS = 24  # lines and text need few, and a small palette makes a small file
BLACK, WHITE, NIGHT = "#000000", "#ffffff", "#16191d"  # the last is the dark page's, in style.css
STANDS_STILL = "This picture stands still. It moves where scripts run: run this cell, or trust the "
STANDS_STILL += "notebook and open it again."


@dataclass(frozen=True)
class Explorable:
    """A figure that the reader moves, as the last line of a cell shows it.

    Attributes:
        title: the message of the figure.
        text: what the still picture shows, for a terminal and for readers who cannot see it.
        html: the whole piece; it fetches nothing and needs nothing beside it on the page.
    """

    title: str
    text: str
    html: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return f"Explorable: {self.title}. {self.text}"


def explorable(
    piece: str, title: str, lead: str, picture: Axes, note: str = "", **settings: object
) -> Explorable:
    """One explorable.

    Args:
        piece: name of the script in this folder, without its ending.
        title: the message of the figure, without a full stop.
        lead: one or two sentences that say what the reader can do.
        picture: axes of the still picture, with a title and labels, from which its text is made.
        note: a sentence to add to that text, where it says too little.
        settings: numbers and words of the course that the script needs.
    """
    figure: Any = picture.get_figure()  # never a part of another figure
    text = f"{describe(figure)} {note}".strip()
    values = {"piece": piece, "title": title, "lead": lead, **settings}
    style = packed(HERE / "style.css")
    scripts = packed(HERE / "shared.js") + packed(HERE / f"{piece}.js")
    constants = f"const SETTINGS={_literal(values)},STYLE={_literal(style)};"
    page = (
        f'<div data-coslr="{piece}">\n'
        f"<p><strong>{escape(title)}</strong></p>\n"
        f"{image(figure, text, DPI, STILL_COLOURS)}\n"
        f"<p><em>{STANDS_STILL}</em></p>\n"
        f'<script>(() => {{\n"use strict";\n{constants}\n{scripts}}})();</script>\n'
        "</div>"
    )
    return Explorable(title, text, page)


def packed(path: Path) -> str:
    """A file's text without indents, blank lines, and the comments that have a line of their own.

    >>> "//" in packed(HERE / "seeds.js") or "/*" in packed(HERE / "style.css")
    False
    """
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".css":
        return re.sub(r"\s*([{}:;,])\s+", r"\1", re.sub(r"/\*.*?\*/\s*", "", source, flags=re.S))
    lines = (line.strip() for line in source.splitlines())
    return "".join(line + "\n" for line in lines if line and not line.startswith("//"))


def _literal(value: Any) -> str:
    """A JavaScript literal that cannot end the script that it stands in."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")


def mixed(colour: str, other: str, share: float) -> str:
    """A colour with a share of another one in it, such as white for lines on a dark page.

    >>> mixed("#0072B2", "#ffffff", 0.5)
    '#80b8d8'
    """
    first, second = (
        np.array([int(one[i : i + 2], 16) for i in (1, 3, 5)]) for one in (colour, other)
    )
    channels = np.rint(first + share * (second - first)).astype(int)
    return "#" + "".join(f"{channel:02x}" for channel in channels)


def tones(colour: str) -> list[str]:
    """A colour for lines and names on a light page, and one for those on a dark page.

    The colour is mixed with black, or with white, until it stands out as WCAG 2.2 asks of text.

    >>> tones("#0072B2"), tones("#E69F00")
    (['#0072b2', '#73b1d5'], ['#966700', '#f1ca73'])
    """
    found = []
    for other, back, least, share in ((BLACK, WHITE, 4.5, 0.0), (WHITE, NIGHT, 6.5, 0.45)):
        while _contrast(mixed(colour, other, share), back) < least:
            share += 0.05
        found.append(mixed(colour, other, share))
    return found


def _contrast(one: str, other: str) -> float:
    """WCAG's contrast of two colours, from 1 to 21."""
    light = []
    for colour in (one, other):
        channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(
            channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
        )
        light.append(float(linear @ [0.2126, 0.7152, 0.0722]) + 0.05)
    return max(light) / min(light)


def dashes(linestyle: Any) -> str:
    """A line style of matplotlib for a line of width 2.5, as SVG's `stroke-dasharray`.

    >>> dashes("-"), dashes((0, (9, 4)))
    ('', '22.5 10')
    """
    named = {"-": (), "--": (3.7, 1.6), "-.": (6.4, 1.6, 1, 1.6), ":": (1, 1.65)}
    lengths = named[linestyle] if isinstance(linestyle, str) else linestyle[1]
    return " ".join(f"{2.5 * length:g}" for length in lengths)
