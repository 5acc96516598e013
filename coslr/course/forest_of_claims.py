"""Every comparison that tests the article, drawn under its statement, with the verdict beside it.

`panels` sorts the comparisons, and `forest` draws a panel. `tally` counts the verdicts. All read
the tables of the evidence, so they change as these grow.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from textwrap import fill
from typing import Any, cast

import numpy as np

from coslr._arguments import require, whole
from coslr._optional import extra
from coslr.course import claims, plotting
from coslr.course.claims import CLAIMS, AllStandings, Claim, Ref
from coslr.course.protocol import what_it_costs
from coslr.course.verdicts import MARKS
from coslr.experiments import outcomes
from coslr.experiments.comparisons import Comparison
from coslr.experiments.contests import MINUS

with extra("course"):
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = {  # green, vermilion and blue as in `plotting.COLORS`, dark enough for text on white
    outcomes.BETTER: "#007A59",
    outcomes.WORSE: "#B84A00",
    outcomes.EQUIVALENT: "#0072B2",
    outcomes.OPEN: "#5f5f5f",
}
SOFT = "#6b6b6b"  # grey that is still dark enough to read
MOST_LINES = 15  # of a panel
REACH = 5  # margins to either side of zero; an arrow says that an interval goes on
LONGEST = 42  # characters in a line of a row's name
LEFT, WIDTH = 0.34, 0.29  # of the axes, in widths of the figure: names to the left, numbers right
MARGIN = 0.02 - LEFT / WIDTH  # the figure's left edge, in widths of the axes


@dataclass(frozen=True)
class Block:
    """A statement, and those of its comparisons that one panel shows.

    Attributes:
        says, verdict: of the statement.
        rows: name -> comparison that has run; a long name has two lines.
        to_come: what the statement's comparisons that lack runs can do to the verdict, or "".
    """

    says: str
    verdict: str
    rows: Mapping[str, Comparison]
    to_come: str = ""

    @property
    def lines(self) -> int:
        """How many lines of a panel it takes."""
        return 1 + len(self.rows) + bool(self.to_come)


@dataclass(frozen=True)
class Panel:
    """Blocks of one lesson whose measures have one unit.

    Attributes:
        lesson: the notebook's name.
        kind: of the measures, such as "accuracy".
        blocks: from top to bottom.
    """

    lesson: str
    kind: str
    blocks: tuple[Block, ...]

    @property
    def verdicts(self) -> str:
        """The statements and their verdicts as a sentence, for those who cannot see the figure.

        >>> block = Block("it is fast", "not settled yet", {}, "2 not run yet")
        >>> Panel("05_train_a_cnn", "accuracy", (block,)).verdicts
        'Verdicts: "it is fast" not settled yet (2 not run yet).'
        """
        said = (
            f'"{block.says}" {block.verdict}' + f" ({block.to_come})" * bool(block.to_come)
            for block in self.blocks
        )
        return f"Verdicts: {', '.join(said)}."


def panels(most: int = MOST_LINES) -> list[Panel]:
    """What there is to draw, in the order of the lessons.

    A statement of which no comparison has run is in no panel; `tally` counts it.

    Args:
        most: lines of a panel. A block is never split, so a longer one is a panel of its own.

    Example:
        >>> first = panels()[0]
        >>> first.lesson, first.kind, first.blocks[1].verdict
        ('04_local_minima', 'share', 'partly')
    """
    most = whole("most", most, least=1)
    held = AllStandings()
    found = sorted(
        (claim.lesson, kind, i, block)
        for i, claim in enumerate(CLAIMS)
        for kind, block in _blocks(claim, held)
    )
    drawn = []
    for (lesson, kind), group in groupby(found, key=lambda one: one[:2]):
        packed: list[list[Block]] = [[]]
        for *_, block in group:
            if packed[-1] and sum(b.lines for b in packed[-1]) + block.lines > most:
                packed.append([])
            packed[-1].append(block)
        drawn += [Panel(lesson, kind, tuple(blocks)) for blocks in packed]
    return drawn


def _blocks(claim: Claim, held: AllStandings) -> Iterator[tuple[str, Block]]:
    """(kind of measure, block) for each kind of measure in which a comparison has run."""
    compared = claim.comparisons(held)
    verdict = claim.verdict(compared)
    kinds = {key: outcomes.kind_of(found.measure).name for key, found in compared.items()}
    to_come = claim.to_come(compared)
    for kind in sorted(set(kinds.values())):
        here = {key: found for key, found in compared.items() if kinds[key] == kind}
        rows = {
            _name(claim.refs[key], claim.lesson): found
            for key, found in here.items()
            if not found.waiting
        }
        if rows:
            yield kind, Block(claim.says, verdict, rows, to_come)


def _name(ref: Ref, lesson: str) -> str:
    """A comparison in a panel of this lesson; a long one in two lines.

    "×4" is a peak that is four times too high, and "gap" the test loss less the training loss. A
    study that is not the lesson's own is named by its lesson; `rivals` has none.

    >>> _name(Ref("train_a_cnn", "as printed", "cosine@10", "step@10"), "05_train_a_cnn")
    'cosine against step, epoch 10, as printed'
    >>> _name(Ref("rivals", "no weight decay", "cosine", "WSD"), "05_train_a_cnn")
    'cosine against WSD,\\nno weight decay (rivals)'
    >>> _name(Ref("combining", "GRU", "cosine", "constant"), "10_a_language_model")
    'cosine against constant, GRU (lesson 08)'
    """
    (a, when), (b, other) = _spoken(ref.a), _spoken(ref.b)
    if when == other:
        pair = f"{a} against {b}" + f", {when}" * bool(when)
    else:
        pair = f"{a}, {when} against {other}"
    pair += ", gap" * ref.measure.startswith("gap")
    where = ref.contest
    if not lesson.endswith(ref.study):
        home = [claim.lesson[:2] for claim in CLAIMS if claim.lesson.endswith(ref.study)]
        where += f" (lesson {home[0]})" if home else f" ({ref.study})"
    name = f"{pair}, {where}"
    if len(name) > LONGEST > max(len(pair), len(where)):
        return f"{pair},\n{where}"
    return fill(name, LONGEST)


def _spoken(name: str) -> tuple[str, str]:
    """The entry in a name, and what is said of it.

    >>> _spoken("step@26 minus step@25"), _spoken("cosine, 4 times minus cosine")
    (('step', 'epoch 26 less epoch 25'), ('cosine', '×4 less ×1'))
    """
    first, minus, second = name.partition(MINUS)
    plain, _, epoch = first.partition("@")
    if minus:
        if name == what_it_costs(second):
            return second, "×4 less ×1"
        other, _, before = second.partition("@")
        require(plain == other, "name", name, "one entry at two peaks, or after two epochs")
        return plain, f"epoch {epoch} less epoch {before}"
    return plain.replace(", 4 times", " ×4"), f"epoch {epoch}" * bool(epoch)


# ------------------------------------------------------------------------------------- drawing


def forest(panel: Panel) -> Axes:
    """Draw a panel: a row a comparison, with its 95 % interval, under its statement.

    The band is the margin. What lies further to the right is better for the first of the two, also
    where the measure is a loss. An arrow says that the interval goes on beyond the axis.

    Args:
        panel: one of `panels`.

    Raises:
        ValueError: the panel has no block.

    Example:
        >>> ax = forest(panels()[0])
        >>> ax.get_title("left")
        'Lesson 04'
    """
    require(panel.blocks, "panel.blocks", panel.blocks, "at least one block")
    height = 1.0 + 0.34 * sum(block.lines for block in panel.blocks)
    ax = plotting.axes("difference", "comparison", width=8, height=height)
    cast(Figure, ax.figure).set_layout_engine("none")
    ax.set_position((LEFT, 0.72 / height, WIDTH, 1 - 1.04 / height))
    measure = next(iter(panel.blocks[0].rows.values())).measure
    kind = outcomes.kind_of(measure)
    factor, unit, margin = kind.factor, kind.unit, kind.margin * kind.factor
    ax.axvspan(-margin, margin, color="0.9", zorder=0)
    ax.axvline(0, color="0.4", linewidth=1, linestyle="-", zorder=1)
    ticks: dict[int, str] = {}
    y = 0
    for block in panel.blocks:
        _write(ax, y, fill(block.says, 76), block.verdict, weight="bold")
        for name, found in block.rows.items():
            y += 1
            ticks[y] = name
            _draw(ax, y, found, name, factor, REACH * margin)
        if block.to_come:
            y += 1
            _write(ax, y, block.to_come, "", color=SOFT)
        y += 1
    ax.set_yticks([*ticks], [*ticks.values()], fontsize=8)
    ax.tick_params(axis="y", length=0)
    ax.tick_params(axis="x", labelsize=9)
    ax.grid(visible=False)
    ax.spines["left"].set_visible(False)
    ax.set_ylim(y - 0.4, -0.6)
    ax.set_ylabel("")
    ax.set_xlim(*((1, -1) if kind.low_is_good else (-1, 1)) * np.array(REACH * margin))
    about = f"difference in {panel.kind}" + f" ({unit})" * bool(unit)
    ax.set_xlabel(f"{about}\n← second better · first better →", fontsize=9)
    ax.set_title(f"Lesson {panel.lesson[:2]}", loc="left", x=MARGIN, fontsize=11)
    return ax


def _write(ax: Axes, y: float, left: str, right: str, **look: Any) -> None:
    """A line of text from the figure's left edge, and another beside the axes."""
    across = ax.get_yaxis_transform()
    clear = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # hides the lines behind it
    if left:
        at: dict[str, Any] = {"transform": across, "va": "center", "fontsize": 8.5}
        ax.text(MARGIN, y, left, bbox=clear, **at, **look)
    tone = {"color": SOFT} if right in (claims.NOT_SETTLED, outcomes.OPEN) else {}
    ax.text(1.03, y, right, transform=across, va="center", fontsize=8.5, **(look | tone))


def _draw(ax: Axes, y: int, found: Comparison, name: str, factor: int, reach: float) -> None:
    outcome = found.outcome
    if outcome is None:  # the runs diverged, or the best peak was at an edge
        _write(ax, y, "", "no result", color=SOFT)
        return
    kind = outcomes.kind_of(found.measure)
    color = COLORS[outcome.word]
    ends = factor * np.array([outcome.low, outcome.difference, outcome.high])
    low, middle, high = ends
    rounded = ends.round(kind.digits) + 0.0  # adding 0 turns -0.0 into 0.0
    first, number, last = (f"{end:+.{kind.digits}f}".replace("-", "−") for end in rounded)
    unit = f" {kind.unit}".rstrip()
    label = f"{' '.join(name.split())} ({number}{unit}, {outcome.spoken})"
    ax.plot([low, high], [y, y], color=color, linestyle="-", linewidth=2, label=label)
    for way in {np.sign(end) * reach for end in (low, high) if abs(end) > reach}:
        arrow = {"arrowstyle": "-|>", "color": color, "linewidth": 2}
        ax.annotate("", (way, y), (0.9 * way, y), arrowprops=arrow)
    if abs(middle) <= reach:
        face = "white" if outcome.word == outcomes.OPEN else color
        ax.plot(middle, y, "o", color=color, markerfacecolor=face, markersize=6, label="_middle")
    _write(ax, y, "", f"{number} ({first} to {last}) {outcome.spoken}", color=color)


# ---------------------------------------------------------------------------------- all of them


def tally() -> Axes:
    """How many statements got each verdict: a dot for each, and a ring for one by definition.

    Example:
        >>> tally().lines[0].get_label()[:11]
        'supported: '
    """
    held = AllStandings()
    found = [(claim.verdict(claim.comparisons(held)), claim) for claim in CLAIMS]
    ax = plotting.axes("statements", "verdict", "A dot is a statement of the article", height=2.8)
    shown = [verdict for verdict in MARKS if verdict in {word for word, _ in found}]
    for row, verdict in enumerate(shown):
        # Those from runs first.
        settled = sorted(bool(claim.definition) for word, claim in found if word == verdict)
        grey = verdict in (claims.NOT_SETTLED, claims.UNTESTED)
        color = plotting.GREY if grey else plotting.COLORS[0]
        said = str(len(settled)) if grey else f"{len(settled)}, {_of(settled)}"
        at = np.arange(1, len(settled) + 1)
        ax.plot(
            at, np.full(len(at), row), "o", color=color, markersize=9, label=f"{verdict}: {said}"
        )
        rings = at[settled]
        face: dict[str, Any] = {"markerfacecolor": "white", "label": "_rings"}
        ax.plot(rings, np.full(len(rings), row), "o", color=color, markersize=9, **face)
        ax.text(len(settled) + 0.8, row, said, va="center", fontsize=9, color=SOFT)
    ax.set_yticks(range(len(shown)), shown)
    ax.set_ylim(len(shown) - 0.5, -0.5)
    ax.set_xlim(0.4, max(30, ax.dataLim.x1 + 3))
    ax.grid(visible=False)
    ax.spines["left"].set_visible(False)
    ax.spines["bottom"].set_visible(False)
    ax.tick_params(axis="y", length=0)
    ax.set_xticks([])
    ax.set_xlabel(
        "blue dot: from runs; ring: by definition; grey: no verdict", loc="left", fontsize=9
    )
    ax.set_ylabel("")
    return ax


def _of(settled: Sequence[bool]) -> str:
    by_definition = sum(settled)
    if by_definition == len(settled):
        return "by definition"
    return f"{by_definition} by definition" if by_definition else "from runs"
