"""The exercises of notebook 01, The formula."""

import math

import numpy as np

from coslr.course.checks.answers import (
    EPOCHS,
    ETA_MAX,
    ETA_MIN,
    NOT_ATTEMPTED,
    Feedback,
    check_number,
    correct,
    floats_or_nan,
    not_attempted,
    wrong,
)
from coslr.schedules import Cosine

_ARTICLE = Cosine(EPOCHS, ETA_MAX, ETA_MIN)
_EPOCH, _FACTOR = 31, 0.8  # when something multiplied the rate in LOG, and by how much
# PyTorch's cosine goes on from the rate it finds, so the height above the floor keeps its factor.
_SCALE = (_FACTOR * _ARTICLE(_EPOCH) - ETA_MIN) / (_ARTICLE(_EPOCH) - ETA_MIN)

# The rates in force of exercise 3, one an epoch.
LOG: tuple[float, ...] = tuple(
    ETA_MIN + (_ARTICLE(t) - ETA_MIN) * (_SCALE if t >= _EPOCH else 1) for t in range(EPOCHS)
)


def planned_length(answer: float) -> Feedback:
    """How long is a cosine from 0.05 to 0 that is at 0.045 at update 410?

    >>> planned_length(4100)
    ✗ Not yet. That is for a straight line. The cosine needs longer for its first tenth.
    """
    over = math.acos(2 * 0.9 - 1)  # the angle at which nine tenths of the peak are left
    hints = {
        "That is for a straight line. The cosine needs longer for its first tenth.": 4100,
        "In a run of that length, nine tenths of the fall would be done by update 410. In this log "
        "only one tenth is done.": 410 / (1 - over / math.pi),
        "That divides by the angle. The angle divided by π is the share of the run, so divide by "
        "that.": 410 / over,
        "In the form cos²(πs/2) the square root of 0.9 is missing.": 410
        / (2 / math.pi * math.acos(0.9)),
        "Solve 0.9 = (1 + cos πs)/2 for cos πs first: it is 0.8.": 410 / (math.acos(0.9) / math.pi),
    }
    return check_number(answer, 410 * math.pi / over, hints, digits=2)


def same_total(answer: float) -> Feedback:
    """From which peak do 30 epochs have as large a sum of rates as the article's 50?

    >>> same_total(0.1)
    ✗ Not yet. That is the article's own peak: 30 rates instead of 50 add up to less.
    """
    total = _ARTICLE(np.arange(EPOCHS)).sum()
    hints = {
        "That is the article's own peak: 30 rates instead of 50 add up to less.": ETA_MAX,
        "That is for the means of the curves: 30 rates have the peak, but not the floor.": EPOCHS
        * (ETA_MAX + ETA_MIN)
        / 30
        - ETA_MIN,
        "That makes the run lower; a shorter run must be higher.": ETA_MAX * 30 / EPOCHS,
        "That is a constant rate's; a cosine's mean is half of its peak.": total / 30,
        # A cosine from a peak to 0 adds up to (epochs + 1) / 2 peaks.
        "Your 30 epochs go down to 0, and should go down to 0.0001.": 2 * total / 31,
        "Both of your runs go down to 0, and should go down to 0.0001.": 51 * ETA_MAX / 31,
    }
    return check_number(answer, (2 * total - 29 * ETA_MIN) / 31, hints, digits=4)


def touched(answer: tuple[int, float]) -> Feedback:
    """Before which epoch was the rate in `LOG` multiplied, and by which factor?

    >>> touched((25, 0.5))
    ✗ Not yet. At epoch 25 the log still has the formula's rate.
    """
    if not_attempted(answer) or (isinstance(answer, tuple | list) and not_attempted(*answer)):
        return NOT_ATTEMPTED
    found = floats_or_nan(answer)
    if found.shape != (2,) or not np.isfinite(found).all():
        return wrong(f"The answer must be two numbers, epoch and factor, not {answer!r}.")
    epoch, factor = found.tolist()
    if epoch not in range(EPOCHS):
        return wrong(f"The epochs are 0 to {EPOCHS - 1}, and {epoch:g} is none of them.")
    if epoch < _EPOCH:
        return wrong(f"At epoch {epoch:g} the log still has the formula's rate.")
    if epoch > _EPOCH:
        return wrong(f"The log differs from the formula before epoch {epoch:g}.")
    if abs(factor - _FACTOR) < 5e-4:
        return correct(f"Later it fades: at epoch 49 the ratio is {LOG[49] / _ARTICLE(49):.3f}.")
    if abs(factor - 1 / _FACTOR) < 5e-4:
        return wrong("The epoch is right. The factor is upside down: the rate went down.")
    if abs(factor - _SCALE) < 5e-4:
        return wrong("The epoch is right. That is the factor of the height above the floor.")
    return wrong(f"The epoch is right. The factor there is not {factor:g}: divide the two rates.")
