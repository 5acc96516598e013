"""Explorables: figures that the reader moves, with no kernel and nothing fetched.

Each function returns an object that shows itself as the last line of a cell. `frames` makes one of
figures that a lesson draws; the others have formulas of their own. Their HTML works in
JupyterLab, in Colab, on the course's site and in a file opened from disk. In a notebook that the
reader has not trusted, JupyterLab removes the script, and a still picture with its text is left.

The formulas of schedules, losses and outcomes are written a second time in JavaScript, beside this
file. The tests in a browser compare their numbers with Python's.
"""

import numpy as np

from coslr._arguments import require
from coslr.course.explorables._frames import frames
from coslr.course.explorables._page import Explorable, dashes, explorable, tones
from coslr.course.explorables._particles import ends
from coslr.course.plotting import GREY, LOOKS, axes, name_lines
from coslr.course.two_wells import DEEP, START, TOP, height
from coslr.course.valley import CURVATURES, NOISE
from coslr.diagnosis import CAUSES
from coslr.experiments.outcomes import judge
from coslr.schedules import Cosine
from coslr.theory import noisy_quadratic

__all__ = ["Explorable", "cloud", "draw_a_schedule", "frames", "how_many_seeds", "noise_floor"]

# The families of schedules that the scripts know, under the names of their looks.
FAMILIES = ["cosine", "linear", "step", "exponential", "WSD", "constant", "restarts"]


def draw_a_schedule() -> Explorable:
    """A curve with handles: its rates, its mean, and what `coslr.diagnose` says of a wrong loop.

    The reader drags the handles, or chooses a family and moves its parameters. A training loop that
    is one early, too fast, or reset at a resume leaves its trace over the schedule.

    Example:
        >>> draw_a_schedule().title
        'The rate you plan is not always the rate you use'
    """
    schedule = Cosine(100, 0.1)
    updates = np.arange(100)
    ax = axes("update", "learning rate", "A schedule, and a loop four times too fast", height=3)
    ax.plot(updates, schedule(updates), label="cosine")
    ax.plot(updates, schedule(4 * updates), color="black", linestyle=":", label="used")
    ax.set_ylim(-0.015, 0.11)
    return explorable(
        "schedule",
        "The rate you plan is not always the rate you use",
        "Drag the curve, or choose a family and move its numbers. Then let the training loop make "
        "a mistake, and compare the rates that it uses.",
        name_lines(ax),
        looks=_looks(),
        causes={name: CAUSES[name] for name in _TOLD},
    )


# What the mistakes of the first explorable can look like.
_TOLD = ["right", "never_moves", "one_early", "too_fast", "too_slow", "per_epoch", "scaled_from"]
_TOLD += ["restarted"]


def noise_floor() -> Explorable:
    """The rate, and the expected loss of the noisy quadratic, split into start and noise.

    The valley is that of `coslr.course.valley`.

    Example:
        >>> noise_floor().title
        'Each update forgets the start, and adds noise'
    """
    rates = Cosine(1000, 0.5)(np.arange(1000))
    ax = axes("update", "expected loss", "The start is forgotten, the noise comes in", height=3)
    parts = {
        "loss": (1, 1.0, "#000000", "-"),
        "left of the start": (0, 1.0, "#0072B2", "--"),
        "from the noise": (1, 0.0, "#D55E00", ":"),
    }
    for name, (share, start, color, dash) in parts.items():
        curve = noisy_quadratic(rates, CURVATURES, share * NOISE, start=start)
        look = {"color": color, "linestyle": dash}
        ax.semilogy(np.arange(1, 1001), curve[1:], label=name, **look)
    ax.set_ylim(1e-4, 10)
    return explorable(
        "noise",
        "Each update forgets the start, and adds noise",
        "Move the peak. A high rate forgets fast and keeps much noise; a low rate does the "
        "reverse. Where is the sum lowest?",
        name_lines(ax),
        looks=_looks(),
    )


def cloud(peak: float = 0.2, update: int = 0) -> Explorable:
    """A thousand runs on a curve with two wells, under the reader's schedule, as a film.

    The landscape is that of `coslr.course.two_wells`. A seed gives the same film in the browser and
    in Python.

    Args:
        peak: of the cosine that the reader finds there, from 0.005 to 0.4.
        update: at which the film stands, from 0 to 1,000, its end.

    Raises:
        ValueError: an argument is outside its range.

    Example:
        >>> cloud().title
        'A high rate crosses the barrier, a falling rate settles'
    """
    require(0.005 <= peak <= 0.4, "peak", peak, "from 0.005 to 0.4, as the slider goes")
    require(0 <= update <= 1000, "update", update, "from 0 to 1000, as the slider goes")
    where = ends(Cosine(1000, peak)(np.arange(1000)), seed=1)
    x = np.linspace(-1.6, 1.6, 200)
    share = f"{(where < TOP).mean():.1%}".replace("%", " %")
    title = f"A thousand runs after a cosine: {share} in the deeper basin"
    ax = axes("weight x", "loss", title, height=3)
    ax.plot(x, height(x), color=GREY, linestyle="-", label="the landscape")
    lift = np.linspace(0, 0.06, 40)[np.arange(250) % 40]
    ax.plot(where[:250], height(where[:250]) + lift, "o", color="#0072B2", ms=3, label="_runs")
    ax.set_ylim(-0.15, 0.6)
    return explorable(
        "cloud",
        "A high rate crosses the barrier, a falling rate settles",
        "A thousand runs start in the shallow basin. Press Play, then try another peak or another "
        "schedule.",
        ax,
        looks=_looks(),
        START=START,
        PASS=TOP,
        DEEP=DEEP,
        begin={"peak": peak, "update": update},
    )


def how_many_seeds() -> Explorable:
    """Simulated studies, and what each says, as the number of seeds grows.

    A study is judged as `coslr.experiments.outcomes.judge` judges it.

    Example:
        >>> how_many_seeds().title
        'How many seeds find the difference?'
    """
    counts = np.array([2, 4, 8, 16, 32])
    drawn = np.random.default_rng(0).normal(0.3, 0.5, (200, counts[-1]))
    words = [[judge(pairs[:n], "accuracy", 0.3).word for pairs in drawn] for n in counts]
    ax = axes(
        "seeds in a study", "studies (%)", "With more seeds, fewer studies are open", height=3
    )
    colours = {"better": "#009E73", "worse": "#D55E00", "equivalent": "#0072B2", "open": GREY}
    for name, colour in colours.items():
        share = [100 * np.mean(np.array(row) == name) for row in words]
        ax.plot(counts, share, color=colour, linestyle="-", label=name)
    ax.set_ylim(-2, 102)
    return explorable(
        "seeds",
        "How many seeds find the difference?",
        "Each dot is a study. More seeds make its interval narrower, so the dot sinks until it "
        "falls into an answer. Is it the right one?",
        name_lines(ax),
    )


def _looks() -> dict[str, dict[str, str]]:
    """Colours and dashes of the families, for light and for dark pages."""
    found = {}
    for name in FAMILIES:
        light, dark = tones(str(LOOKS[name]["color"]))
        dash = dashes(LOOKS[name]["linestyle"])
        found[name] = {"light": light, "dark": dark, "dash": dash}
    return found
