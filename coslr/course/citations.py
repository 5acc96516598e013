"""Numbers in a lesson's text, each with its source, so that a test can recompute them.

A number that was measured or computed is followed by an HTML comment, which no reader sees:

    The cosine is ahead by 0.21<!-- = evidence("train_a_cnn", "no weight decay", "cosine",
    "linear").difference --> points.

After the equals sign stands a Python expression. The number must equal it to the digits that the
text gives. A word can be cited too: its expression is a text, such as an outcome's `word`.
"""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

import coslr.optimal
import coslr.schedules
import coslr.theory
from coslr._arguments import require
from coslr.course import claims, published, theories
from coslr.course.evidence import load, standings
from coslr.experiments import outcomes
from coslr.experiments.contests import SEARCH

_NUMBER = r"[-−+]?\d[\d,]*(?:\.\d+)?(?:e[-−]?\d+)?"
_CITED = re.compile(
    rf"(?P<said>{_NUMBER}|[A-Za-z]+)(?: ?%)?[*_]*<!--\s*=\s*(?P<source>.+?)\s*-->",
    re.DOTALL,
)


@dataclass(frozen=True)
class Cited:
    """What the evidence says of one entry, or of one against another, in the units of a text.

    Accuracies are in percent and their differences in points; losses are in nats.

    Attributes:
        mean: of the measure of `a` over the judged seeds.
        eta: the peak at which `a` was judged.
        n: judged seeds.
        difference, low, high: of `a` less `b`, with its 95 % interval; NaN without a `b`.
        word: "better", "worse", "equivalent" or "open"; "" without a `b`.
    """

    mean: float
    eta: float
    n: int
    difference: float = np.nan
    low: float = np.nan
    high: float = np.nan
    word: str = ""

    @property
    def size(self) -> float:
        """The difference without its sign, for "ahead by" and "behind by"."""
        return abs(self.difference)


_standings = lru_cache(standings)  # a text cites a study many times


@lru_cache(maxsize=1000)
def evidence(
    study: str, contest: str, a: str, b: str | None = None, measure: str | None = None
) -> Cited:
    """What the tables in ``notebooks/evidence`` say.

    Args:
        study, contest: as `coslr.course.protocol` names them.
        a, b: entries of the contest, perhaps with an epoch, as in "cosine@25".
        measure: a column of the study's table; None is the first measure, which decides.

    Raises:
        ValueError: there is no such study, entry or measure, or no result yet.

    Example:
        >>> found = evidence("local_minima", "peak 0.3", "cosine", "constant")
        >>> found.word, found.n
        ('better', 12)
    """
    held = _standings(study, contest)
    measure = measure or held.measures[0]
    factor = outcomes.kind_of(measure).factor
    compared = held.compare(a, b or a, measure)
    values = held.values(a, measure)
    right = "runs that are all in the tables"
    require(len(values) > 0, "a", a, right)
    about_a = Cited(float(values.mean()) * factor, compared.eta_a, len(values))
    if b is None:
        return about_a
    found = compared.outcome
    if found is None:
        raise ValueError(f"{a} against {b}: {compared.obstacle}")
    return _against(about_a, found, factor)


def _against(about_a: Cited, found: outcomes.Outcome, factor: float) -> Cited:
    """What is known of `a`, with its difference from another."""
    low, difference, high = (x * factor for x in (found.low, found.difference, found.high))
    return Cited(about_a.mean, about_a.eta, found.n, difference, low, high, found.word)


@lru_cache(maxsize=1000)
def across(
    a: tuple[str, str, str], b: tuple[str, str, str], measure: str = "test_accuracy"
) -> Cited:
    """One entry against one of another contest: pairs of runs that share a judged seed.

    Only contests whose runs share data, batches and options compare like this; their lengths may
    differ. Then two runs of a seed have the same first weights.

    Args:
        a, b: (study, contest, entry), perhaps with an epoch, as in "constant@20".
        measure: a column of both tables.

    Raises:
        ValueError: there is no such study, entry or measure, the settings differ in more than the
            length, or a judged seed of one is missing in the other.

    Example:
        >>> shorter = ("rivals", "no weight decay", "cosine")
        >>> found = across(shorter, ("train_a_cnn", "no weight decay", "constant"))
        >>> found.word, found.n, round(found.difference, 1)
        ('better', 12, 0.8)
    """
    one, other = (_standings(study, contest) for study, contest, _ in (a, b))
    settings, wanted = ({**held.contest.settings, "epochs": None} for held in (one, other))
    require(settings == wanted, "b", b, f"of a contest with the settings of {a}, epochs apart")
    values, against = one.values(a[2], measure), other.values(b[2], measure)
    right = f"an entry that is judged with the seeds of {a}"
    require(len(values) > 0 and values.index.equals(against.index), "b", b, right)
    found = outcomes.judge((values - against).to_numpy(), measure)
    return _against(evidence(*a, measure=measure), found, outcomes.kind_of(measure).factor)


@lru_cache(maxsize=1000)
def searched(
    study: str,
    contest: str,
    name: str,
    eta_max: float,
    variant: str = "-",
    measure: str = "validation_accuracy",
) -> float:
    """The mean of the search seeds at one peak: an accuracy in percent, or a loss in nats.

    Args:
        study, contest: as `coslr.course.protocol` names them.
        name, variant: the entry, and which of its variants; most have one, "-".
        eta_max: the peak, as the table has it.
        measure: a column of the study's table, such as "validation_loss".

    Raises:
        ValueError: the search did not try this peak.

    Example:
        >>> round(searched("warm_restarts", "21 epochs", "one cycle", 0.1), 1)
        89.9
    """
    table = load(study)
    asked = {"contest": contest, "name": name, "variant": variant, "role": SEARCH}
    found = table[np.isclose(table["eta_max"], eta_max)]
    for column, value in asked.items():
        found = found[found[column] == value]
    require(len(found) > 0, "eta_max", eta_max, f"a peak that the search of {name} tried")
    require(measure in found, "measure", measure, "a column of the study's table")
    return outcomes.kind_of(measure).factor * float(found[measure].mean())


NAMES: Mapping[str, Any] = {
    **{name: what for name, what in vars(coslr.schedules).items() if not name.startswith("_")},
    "across": across,
    "claims": claims,
    "evidence": evidence,
    "np": np,
    "optimal": coslr.optimal,
    "published": published,
    "searched": searched,
    "theories": theories,
    "theory": coslr.theory,
}


def wrong_citations(markdown: str, names: Mapping[str, Any] = NAMES) -> list[str]:
    """Every number or word whose source says something else, or cannot be computed.

    Args:
        markdown: a text with citations.
        names: what the expressions may use.

    Example:
        >>> wrong_citations("It falls to 0.05<!-- = Cosine(50, 0.1)(25) -->.")
        []
        >>> wrong_citations("It falls to 0.06<!-- = Cosine(50, 0.1)(25) -->.")
        ['0.06, but Cosine(50, 0.1)(25) is 0.05']
    """
    wrong = []
    values: dict[str, Any] = {}  # a text may cite a source twice
    cited = [*_CITED.finditer(markdown)]
    for match in cited:
        said, source = match["said"], " ".join(match["source"].split())
        if not _names_something(source):
            wrong.append(f"{said}, but {source} is a number and no source")
            continue
        try:
            if source not in values:
                values[source] = eval(source, dict(names))  # our own notebooks' words, in a test
            value = values[source]
        except Exception as error:
            wrong.append(f"{said}, but {source} fails: {type(error).__name__}: {error}")
            continue
        if not (said == value if isinstance(value, str) else _agrees(said, value)):
            shown = value if isinstance(value, str) else f"{value:.6g}"
            wrong.append(f"{said}, but {source} is {shown}")
    if lost := markdown.count("<!--") - len(cited):
        wrong.append(f"{lost} comments stand after no number or word, or have no equals sign")
    return wrong


def _names_something(source: str) -> bool:
    """Whether an expression has a name in it; a number alone would agree with itself."""
    try:
        return any(isinstance(node, ast.Name) for node in ast.walk(ast.parse(source, mode="eval")))
    except SyntaxError:  # computing it will say so
        return True


def _agrees(said: str, value: float) -> bool:
    """Whether a number in a text is the value, rounded to the digits that the text gives."""
    try:
        number = float(said.replace("−", "-").replace(",", ""))
    except ValueError:  # a word
        return False
    digits, _, exponent = said.replace("−", "-").partition("e")
    decimals = len(digits.partition(".")[2]) - int(exponent or 0)
    return bool(abs(number - float(value)) <= 0.5000001 * 10.0**-decimals)
