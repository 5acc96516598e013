"""The outcome of one paired comparison: better, worse, equivalent, or open.

Two intervals decide, both Student's for the mean of the paired differences. Let a margin say which
difference would not matter.

* The 95 % interval excludes zero: `a` is *better* or *worse* than `b`. If the interval also lies
  within the margin, the text says "slightly".
* Otherwise, the 90 % interval lies within the margin: the two are *equivalent*. This is the test
  of two one-sided hypotheses at 5 % each.
* Otherwise the comparison is *open*: the runs cannot tell. Open is never read as "no difference".

Source: Schuirmann, "A Comparison of the Two One-Sided Tests Procedure and the Power Approach for
Assessing the Equivalence of Average Bioavailability", 1987.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coslr._arguments import number, positive, require, whole
from coslr._arrays import floats
from coslr._optional import extra

with extra("train"):
    from scipy import optimize, stats

BETTER, WORSE, EQUIVALENT, OPEN = "better", "worse", "equivalent", "open"


@dataclass(frozen=True)
class Kind:
    """A kind of measure: what is good, which difference matters, and how a text shows it.

    Attributes:
        name: the last word of the measure's name.
        margin: a smaller difference would not change what anybody does.
        low_is_good: whether the smaller value is the better one.
        factor: a text shows the value times this.
        unit: of the shown value; "" where it has none.
        digits: decimals of the shown value.
    """

    name: str
    margin: float
    low_is_good: bool
    factor: int
    unit: str
    digits: int


# The margins: three images in a thousand, a hundredth of a nat, three runs in a hundred, and a
# hundredth of the height of a landscape.
KINDS = {
    kind.name: kind
    for kind in (
        Kind("accuracy", margin=0.003, low_is_good=False, factor=100, unit="points", digits=2),
        Kind("loss", margin=0.01, low_is_good=True, factor=1, unit="nats", digits=4),
        Kind("share", margin=0.03, low_is_good=False, factor=100, unit="points", digits=2),
        Kind("height", margin=0.01, low_is_good=True, factor=1, unit="", digits=4),
    )
}


def kind_of(measure: str, argument: str = "measure") -> Kind:
    """The kind of a measure, by the last word of its name.

    Args:
        measure: the name, such as "test_accuracy".
        argument: what an error calls it.

    Raises:
        ValueError: the name ends in no word of `KINDS`.

    Example:
        >>> kind_of("test_accuracy").name, kind_of("escaped_share").margin
        ('accuracy', 0.03)
    """
    name = measure.rpartition("_")[2]
    require(name in KINDS, argument, measure, f"a name that ends in one of {', '.join(KINDS)}")
    return KINDS[name]


@dataclass(frozen=True)
class Outcome:
    """What paired differences say of `a` against `b`.

    Attributes:
        difference: mean of a - b over the pairs, in the unit of the measure.
        low, high: ends of the 95 % interval of the mean.
        low90, high90: ends of the 90 % interval.
        margin: the largest difference that would not matter.
        n: number of pairs.
        word: "better", "worse", "equivalent" or "open"; of `a`, against `b`.
    """

    difference: float
    low: float
    high: float
    low90: float
    high90: float
    margin: float
    n: int
    word: str

    @property
    def slightly(self) -> bool:
        """Whether a difference was found and is too small to matter."""
        return self.word in (BETTER, WORSE) and max(abs(self.low), abs(self.high)) <= self.margin

    @property
    def spoken(self) -> str:
        """The word, after "slightly" where the difference is too small to matter."""
        return f"slightly {self.word}" if self.slightly else self.word


def judge(differences: ArrayLike, measure: str, margin: float | None = None) -> Outcome:
    """The outcome of paired differences a - b, one for each seed.

    Args:
        differences: at least two finite numbers.
        measure: its last word says which direction is good: "accuracy" and "share" should be high,
            "loss" and "height" low.
        margin: the largest difference that would not matter, above 0, in the unit of the
            differences (0.003 is 0.3 points of accuracy); None is that of the measure's kind.

    Returns:
        The `Outcome`.

    Raises:
        ValueError, TypeError: fewer than two differences, one that is no finite number, an unknown
            measure, or a margin that is no number above 0.

    Example:
        Eight seeds, of which each gained about a point, and eight that gained nothing:

        >>> judge([0.011, 0.009, 0.01, 0.012, 0.008, 0.01, 0.011, 0.009], "test_accuracy").word
        'better'
        >>> judge([0.001, -0.001, 0.0, 0.002, -0.002, 0.0, 0.001, -0.001], "test_accuracy").word
        'equivalent'
    """
    values = floats("differences", differences)
    usable = values.ndim == 1 and len(values) >= 2 and bool(np.isfinite(values).all())
    require(usable, "differences", differences, "at least two finite numbers, one for each seed")
    kind = kind_of(measure)
    sign = -1 if kind.low_is_good else 1
    margin = kind.margin if margin is None else positive("margin", margin)
    mean, (low, high), (low90, high90) = student_intervals(values, 0.95, 0.90)
    if low > 0 or high < 0:
        word = BETTER if sign * mean > 0 else WORSE
    elif -margin <= low90 and high90 <= margin:
        word = EQUIVALENT
    else:
        word = OPEN
    return Outcome(mean, low, high, low90, high90, margin, len(values), word)


def student_intervals(values: NDArray[np.float64], *confidences: float) -> tuple[Any, ...]:
    """The mean of the values, and then Student's interval for it, one for each confidence.

    Equal values have an interval of width 0.

    Args:
        values: at least two finite numbers, one for each seed.
        confidences: how often an interval covers the true mean, if the values are about normal.

    Example:
        >>> mean, (low, high) = student_intervals(np.array([1.0, 2.0, 3.0]), 0.95)
        >>> round(mean, 2), round(low, 2), round(high, 2)
        (2.0, -0.48, 4.48)
    """
    first = float(values[0])
    # scipy warns of lost digits if the values differ little compared with their mean. So we give it
    # the distances from the first value, whose mean is never large compared with them. They are
    # exactly 0 for equal values, and so is their interval.
    distances = values - first
    test = stats.ttest_1samp(distances, 0)
    intervals = (test.confidence_interval(confidence) for confidence in confidences)
    ends = ((first + float(low), first + float(high)) for low, high in intervals)
    return first + float(distances.mean()), *ends


def detectable(spread: float, n: int, power: float = 0.8) -> float:
    r"""The true difference that `n` pairs find with this probability.

    "Find" means that the 95 % interval excludes zero on the right side. Under a true difference
    :math:`\delta` the t statistic has Student's noncentral distribution with :math:`n - 1` degrees
    of freedom and noncentrality :math:`\delta \sqrt n / s`, which is solved for :math:`\delta`.

    Args:
        spread: standard deviation s of the paired differences, above 0.
        n: number of pairs, from 2.
        power: the probability, above 0.025 and below 1.

    Returns:
        The difference, in the unit of `spread`.

    Raises:
        ValueError, TypeError: the argument, its value, and what would be right.

    Example:
        Eight seeds whose differences vary by 0.5 points find 0.58 points in four studies of five:

        >>> round(detectable(0.5, 8), 2)
        0.58
    """
    spread, n = positive("spread", spread), whole("n", n, least=2)
    require(0.025 < power < 1, "power", power, "above 0.025 and below 1")
    critical = stats.t.ppf(0.975, n - 1)

    def missing(noncentrality: float) -> float:
        return float(stats.nct.sf(critical, n - 1, noncentrality)) - power

    return float(optimize.brentq(missing, 0, 100)) * spread / float(np.sqrt(n))


def power_to_find(difference: float, spread: float, n: int) -> float:
    """The probability that `n` pairs find this true difference, on its own side of zero.

    Args:
        difference: the true difference, any finite number.
        spread: standard deviation of the paired differences, above 0.
        n: number of pairs, from 2.

    Example:
        >>> round(power_to_find(0.58, 0.5, 8), 2)
        0.8
    """
    spread, n = positive("spread", spread), whole("n", n, least=2)
    noncentrality = abs(number("difference", difference)) / spread * np.sqrt(n)
    return float(stats.nct.sf(stats.t.ppf(0.975, n - 1), n - 1, noncentrality))


def in_words(outcome: Outcome, measure: str) -> str:
    """The outcome as the end of a sentence: "a is ... b".

    Accuracies and shares are shown in points (hundredths), losses in nats.

    >>> in_words(judge([0.011, 0.009, 0.01, 0.012], "test_accuracy"), "test_accuracy")
    'better by 1.05 points (95 % interval +0.84 to +1.26, n=4)'
    """
    kind = kind_of(measure)
    factor, unit, digits = kind.factor, kind.unit, kind.digits
    low, high = f"{factor * outcome.low:+.{digits}f}", f"{factor * outcome.high:+.{digits}f}"
    size = f"{factor * abs(outcome.difference):.{digits}f} {unit}".rstrip()
    interval = f"95 % interval {low} to {high}, n={outcome.n}"
    if outcome.word == EQUIVALENT:
        within = f"{factor * outcome.margin:g} {unit}".rstrip()
        return f"equivalent within {within} ({interval})"
    if outcome.word == OPEN:
        return f"not told apart ({interval})"
    return f"{outcome.spoken} by {size} ({interval})"
