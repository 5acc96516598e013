"""The exercises of notebook 12, The verdict."""

from collections.abc import Mapping

import numpy as np

from coslr._optional import extra
from coslr.course.checks.answers import (
    NOT_ATTEMPTED,
    Feedback,
    check_number,
    correct,
    floats_or_nan,
    not_attempted,
    wrong,
)
from coslr.course.evidence import standings
from coslr.experiments.outcomes import detectable, power_to_find

with extra("train"):
    import pandas as pd
    from scipy import stats

# ------------------------------------------------------------------------- what eight seeds find


def eight_seeds(answer: float) -> Feedback:
    """Which true difference do eight seeds find in four studies of five, in points?

    The spread is that of the study: cosine less linear, 50 epochs, no weight decay.

    >>> eight_seeds(0.34)
    ✗ Not yet. That is the spread of one pair (and nearly what the normal distribution gives). \
What eight pairs find in four studies of five is larger: outcomes.detectable.
    """
    held = standings("train_a_cnn", "no weight decay")
    cosine, linear = (100 * held.values(name) for name in ("cosine", "linear"))
    spread = float((cosine - linear).std())
    return check_number(
        answer,
        detectable(spread, 8),
        {
            "That is a fraction; the question asks for points.": detectable(spread, 8) / 100,
            "That is the spread of one pair (and nearly what the normal distribution gives). What "
            "eight pairs find in four studies of five is larger: outcomes.detectable.": spread,
            "That takes the spread of eight pairs. All twelve give a better estimate.": detectable(
                float((cosine - linear)[:8].std()), 8
            ),
            "That is for all twelve seeds of the study.": detectable(spread, 12),
            "That spread divides by n. From a sample, divide by n - 1: ddof=1.": detectable(
                float((cosine - linear).std(ddof=0)), 8
            ),
            "That is the standard error. A difference of that size is usually missed.": spread
            / np.sqrt(8),
            "That is half the width of the interval. A true difference of that size is found in "
            "about every second study.": spread / np.sqrt(8) * stats.t.ppf(0.975, 7),
            "That takes the spread of the two schedules' own accuracies, as if the runs were not "
            "paired.": detectable(float(np.hypot(cosine.std(), linear.std())), 8),
        },
        digits=2,
        note="It is more than the margin of 0.3: eight seeds miss a difference of the margin more "
        "often than in one study of five.",
    )


# ---------------------------------------------------------------------------- a margin and its n

SPREAD, PAYS, TOO_LITTLE, MOST_SEEDS, OFTEN = 0.35, 0.4, 0.1, 20, 0.8


def plan_a_study(answer: tuple[float, int]) -> Feedback:
    """Is (margin, seeds) a plan that can end well, whether there is a difference or none?

    The spread of a pair is 0.35 points. A gain of 0.4 points would pay for the change, one of 0.1
    would not, and there is time for 20 seeds. The study has to find a true gain of 0.4 points, and
    to say "equivalent" where the truth is 0, each in four cases of five.

    >>> plan_a_study((0.4, 12))
    ✗ Not yet. A gain of 0.4 points would pay, so it is no difference to ignore.
    """
    if not_attempted(answer):
        return NOT_ATTEMPTED
    if isinstance(answer, list | tuple) and not_attempted(*answer):
        return NOT_ATTEMPTED
    numbers = floats_or_nan(answer)
    if numbers.shape != (2,) or not np.isfinite(numbers).all():
        return wrong(f"The answer must be a margin and a number of seeds, not {answer!r}.")
    if numbers[0] >= 2 > numbers[1]:
        return wrong("The margin comes first, and then the number of seeds.")
    margin, n = float(numbers[0]), round(float(numbers[1]))
    if n != numbers[1] or not 2 <= n <= MOST_SEEDS:
        return wrong(f"The number of seeds must be a whole number from 2 to {MOST_SEEDS}.")
    if margin >= PAYS:
        return wrong("A gain of 0.4 points would pay, so it is no difference to ignore.")
    if margin < TOO_LITTLE:
        return wrong("A gain of 0.1 points would not pay, so you can ignore at least that much.")
    finds = power_to_find(PAYS, SPREAD, n)
    if finds < OFTEN:
        return wrong(
            f"With {n} seeds the study finds a gain of 0.4 points in only {100 * finds:.1f} % of "
            "cases."
        )
    says = _says_equivalent(SPREAD, margin, n)
    if says < OFTEN:
        return wrong(
            f"Where the truth is 0, the study says 'equivalent' in only {100 * says:.1f} % of "
            "cases, and is open in most others. A wider margin or more seeds would help."
        )
    return correct(
        f"It finds a gain of 0.4 in {100 * finds:.0f} %, and says 'equivalent' in "
        f"{100 * says:.0f} %."
    )


def _says_equivalent(spread: float, margin: float, n: int) -> float:
    """How often n pairs with a true difference of 0 are judged equivalent."""
    # The mean is normal and independent of the sample's variance: average over its quantiles.
    share = (np.arange(4000) + 0.5) / 4000
    error = spread * np.sqrt(stats.chi2.ppf(share, n - 1) / (n - 1) / n)
    # The 90 % interval lies within the margin, and the 95 % interval contains zero.
    furthest = np.minimum(
        margin - stats.t.ppf(0.95, n - 1) * error, stats.t.ppf(0.975, n - 1) * error
    )
    inside = 2 * stats.norm.cdf(np.maximum(furthest, 0) / (spread / np.sqrt(n))) - 1
    return float(inside.mean())


# --------------------------------------------------------------------------------- find the leak

AGAINST = {  # what speaks against a wrong guess
    "seeds": "none of its judged seeds took part in the search.",
    "edge": "on validation images, each schedule's best peak lies inside its grid.",
    "images": "each schedule is judged at the peak that the validation images chose.",
    "effort": "both schedules were given equally many peaks.",
    "none": "one rule is broken there. Check the seeds, the grids, the images and the number of "
    "peaks in turn.",
}
_LEAKS = {"A": "effort", "B": "none", "C": "images", "D": "seeds", "E": "edge"}


def find_the_leak(answer: Mapping[str, object]) -> Feedback:
    """Which rule of the protocol does each of the made-up studies break?

    >>> find_the_leak(dict.fromkeys("ABCDE", "seeds"))
    ✗ Not yet. Study A: none of its judged seeds took part in the search.
    """
    if not_attempted(answer):
        return NOT_ATTEMPTED
    if not isinstance(answer, Mapping) or set(answer) != set(_LEAKS):
        return wrong("The answer must name a leak for each of the studies A to E.")
    if any(leak is ... for leak in answer.values()):
        return NOT_ATTEMPTED
    for study, leak in _LEAKS.items():
        given = answer[study]
        said = given.strip().lower() if isinstance(given, str) else ""
        if said not in AGAINST:
            return wrong(
                f"Study {study}: the leak must be one of {', '.join(AGAINST)}, not {given!r}."
            )
        if said != leak:
            return wrong(f"Study {study}: {AGAINST[said]}")
    return correct("Four of the five report a gain that their design may have made.")


def _made_up() -> pd.DataFrame:
    """The runs of five made-up studies, "ours" against "rival"; each breaks at most one rule."""
    rng = np.random.default_rng(12)
    rows = []
    five, search, judge = (0.025, 0.05, 0.1, 0.2, 0.4), (0, 1), tuple(range(10, 18))
    for study, leak in _LEAKS.items():
        for schedule in ("ours", "rival"):
            ours = schedule == "ours"
            grid: tuple[float, ...] = five
            best, chosen, judged = 0.1, 0.1, judge
            if leak == "effort":
                nine = tuple(round(0.1 * 2 ** (k / 2), 4) for k in range(-4, 5))
                grid, best, chosen = (
                    (nine, 0.1414, 0.1414) if ours else ((0.05, 0.1, 0.2), 0.1, 0.1)
                )
            if leak == "edge" and not ours:
                best = chosen = 0.4
            if leak == "images" and ours:
                chosen = 0.2  # the best on test images, while validation says 0.1
            if leak == "seeds":
                judged = tuple(range(8))
            runs = [("search", eta, seed) for eta in grid for seed in search]
            for role, eta, seed in [*runs, *(("judge", chosen, seed) for seed in judged)]:
                luck = 0.001 * np.sin(7 * seed) + 0.0004 * rng.standard_normal(2)
                octaves = np.log2(eta / np.array([best, chosen]))
                gain = 0.004 if ours and leak != "none" else 0.0
                validation, test = 0.885 + gain - 0.004 * octaves**2 + luck
                rows.append((study, schedule, role, eta, seed, validation, test))
    names = ["study", "schedule", "role", "eta_max", "seed", "validation_accuracy", "test_accuracy"]
    return pd.DataFrame(rows, columns=names).round(4)


MADE_UP = _made_up()
