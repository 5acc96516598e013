"""The exercises of notebook 11, Predict the loss before training."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from coslr.course import published
from coslr.course.checks.answers import (
    NOT_ATTEMPTED,
    Feedback,
    check_choice,
    check_number,
    correct,
    floats_or_nan,
    not_attempted,
    wrong,
)
from coslr.schedules import Cosine

LOW_ENOUGH = 0.0105  # nats; about one choice of three runs in five is below it


def three_runs(answer: Sequence[int]) -> Feedback:
    """Does the law, fitted to these three runs, predict the others with an error below 0.0105?

    >>> three_runs((124, 127, 190))
    ✗ Not yet. Those are the lesson's three runs: change at least one.
    """
    if not_attempted(answer):
        return NOT_ATTEMPTED
    numbers = floats_or_nan(list(answer) if isinstance(answer, set) else answer)
    if numbers.shape != (3,) or len(set(numbers.tolist())) < 3:
        return wrong(f"The answer must be the numbers of three different runs, not {answer!r}.")
    table = published.runs_of_the_model(published.PEAK)
    if strangers := [f"{number:g}" for number in numbers if number not in table.index]:
        return wrong(f"With this model and peak there is no run {', '.join(strangers)}.")
    chosen = tuple(sorted(int(number) for number in numbers))
    if chosen == tuple(sorted(published.FITTED)):
        return wrong("Those are the lesson's three runs: change at least one.")
    try:
        error = published.mean_error(chosen)
    except ValueError:
        return wrong("These three cannot determine the law.")
    if error < LOW_ENOUGH:
        return correct(
            f"The mean error is {error:.4f}. You chose them by the runs that they predict; "
            "in practice nobody has those yet."
        )
    labels = set(table.loc[[*chosen], "label"])
    fast = {"cooldown 10 %", "cooldown 20 %", "cooldown 20 %, square root", "constant"}
    slow = {"cooldown 80 %", "cooldown 90 %", "linear to zero", "constant"}
    hint = "Try runs that differ more from each other."
    for kind, members in (("late and fast", fast), ("slowly from early on", slow)):
        if labels <= members:
            hint = (
                f"All of your runs that decay do so {kind}, so none shows the law the other kind."
            )
    return wrong(f"The mean error is {error:.4f}. {hint}")


def most_too_low(answer: str) -> Feedback:
    """For which schedule are the law's predictions too low by the most, on average?

    >>> most_too_low("linear to zero")
    ✗ Not yet. For linear to zero the predictions are too high.
    """
    found = published.ends()
    labels = published.all_runs().loc[found.runs, "label"].to_numpy()
    bias = {
        label: float((found.predicted - found.measured)[labels == label].mean())
        for label in sorted(set(labels))
    }
    expected = min(bias, key=lambda label: bias[label])
    hints = {
        label: f"For {label} the predictions are too high."
        if value > 0
        else f"For {label} they are too low, but not by the most."
        for label, value in bias.items()
        if label != expected
    }
    return check_choice(answer, expected, hints)


def step_schedule(answer: float) -> Feedback:
    """What does the law predict for a rate that falls to a tenth at half of the run, and again?

    The peak is 0.001, the rate is a tenth of it from update 25,000 on and a hundredth from update
    37,500 on, and the run has 50,000 updates.

    >>> step_schedule(3.105)
    ✗ Not yet. That is the prediction for a rate that never falls.
    """
    expected, hints = _step_answers()
    note = "The law likes it about as much as a cosine. Nobody has trained it."
    return check_number(answer, expected, hints, digits=4, note=note)


@lru_cache(maxsize=1)
def _step_answers() -> tuple[float, dict[str, float]]:
    """The right prediction, and those of usual mistakes."""
    law, at = published.law(), np.arange(50_000)

    def predicted(first: float, second: float) -> float:
        shares = np.select([at < 25_000, at < 37_500], [1.0, first], second)
        return float(law.predict(published.PEAK * shares)[-1])

    cosine = law.predict(Cosine(50_000, published.PEAK)(at))[-1]
    before = law.predict(np.full(25_000, published.PEAK))[-1]
    return predicted(0.1, 0.01), {
        "That is the prediction for a rate that never falls.": predicted(1, 1),
        "That divides the rate by 2 at each step, not by 10.": predicted(0.5, 0.25),
        "The second step is missing.": predicted(0.1, 0.1),
        "That is the prediction for a cosine to zero.": float(cosine),
        "That is the loss before the first step: take the last prediction.": float(before),
    }
