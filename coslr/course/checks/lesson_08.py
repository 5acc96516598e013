"""The exercises of notebook 08, Combining."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coslr._optional import extra
from coslr.course.checks.answers import (
    NOT_ATTEMPTED,
    RETURNS_NOTHING,
    Feedback,
    correct,
    failed_with,
    first_difference,
    known_mistake,
    not_attempted,
    number_or_nan,
    same,
    values,
    wrong,
)
from coslr.pytorch import audit
from coslr.schedules import Cosine, warmup

with extra("train"):
    import torch

LOW, HIGH = 0.85, 0.95  # the momentum of exercise 4, from the first update to the end


def largest_peak(answer: float, learns: Callable[[float], bool]) -> Feedback:
    """Does the network learn at this peak, and no longer at a peak of 1.41 times as much?

    Args:
        answer: the learner's peak.
        learns: whether the reader's network learns at a peak; a call may train for seconds.

    >>> largest_peak(0.2, lambda peak: peak < 0.5)
    ✗ Not yet. A peak of 0.283 is a factor of 1.41 higher, and the network learns there too.
    """
    if not_attempted(answer):
        return NOT_ATTEMPTED
    peak = number_or_nan(answer)
    if not 0 < peak < np.inf:
        return wrong(f"The answer must be a peak above 0, not {answer!r}.")
    if not learns(peak):
        return wrong(f"At a peak of {peak:g} not every seed learns.")
    if learns(2**0.5 * peak):
        return wrong(
            f"A peak of {2**0.5 * peak:.3g} is a factor of 1.41 higher, and the network learns "
            "there too."
        )
    return correct(f"It learns at {peak:g}, and no longer at {2**0.5 * peak:.3g}.")


def same_effect(answer: Callable[[float, float, float], float]) -> Feedback:
    """Does ``answer(rate, old, new)`` give the rate that has, at the momentum `new`, the effective
    rate that `rate` has at the momentum `old`?

    >>> same_effect(lambda rate, old, new: rate * (1 - old) / (1 - new))
    ✗ Not yet. Upside down: at a higher momentum each gradient counts for longer, so the rate must \
be lower.
    """
    cases = np.array([(0.1, 0.9, 0.95), (0.1, 0.9, 0.5), (0.2, 0.5, 0.75), (0.03, 0.8, 0.8)])
    found = values(answer, [tuple(case) for case in cases.tolist()])
    if isinstance(found, Feedback):
        return found
    rate, old, new = cases.T
    right = rate * (1 - new) / (1 - old)
    if same(found, right, rtol=1e-5):  # float32 is good enough
        return correct(
            "From 0.9 to 0.95 the rate is halved; without momentum it is ten times as high."
        )
    impostors = {
        "Upside down: at a higher momentum each gradient counts for longer, so the rate must be "
        "lower.": rate * (1 - old) / (1 - new),
        "That leaves the rate as it is, and the effective rate changes with 1 - momentum.": rate,
        "The effective rate is rate/(1 - momentum), not rate/momentum.": rate * new / old,
        "The effective rate is rate/(1 - momentum), not rate x momentum.": rate * old / new,
        "That is the effective rate itself; return the rate that gives it at the new "
        "momentum.": rate / (1 - old),
        "That is the effective rate at the new momentum, if the rate stays as it is.": rate
        / (1 - new),
        "The signs are wrong: a past gradient adds to the step, so it is 1 - momentum.": rate
        * (1 + new)
        / (1 + old),
    }
    if hint := known_mistake(found, impostors.items()):
        return hint
    k = first_difference(found, right)
    return wrong(
        f"For rate={rate[k]:g}, old={old[k]:g}, new={new[k]:g} it gives {found[k]:.4g}, whose "
        f"effective rate is {found[k] / (1 - new[k]):.4g} instead of {rate[k] / (1 - old[k]):.4g}."
    )


def half_life(answer: float) -> Feedback:
    """Does this weight decay shrink a weight by half, over 3,900 updates of a cosine from 0.004?

    >>> half_life(0.01)
    ✗ Not yet. A weight keeps 92 % of its size. The decay is too small.
    """
    if not_attempted(answer):
        return NOT_ATTEMPTED
    decay, rates = number_or_nan(answer), Cosine(3900, 0.004)(np.arange(3900))
    if not 0 <= decay < np.inf:
        return wrong(f"The answer must be a weight decay of 0 or more, not {answer!r}.")
    if decay * rates[0] > 1:
        return wrong(
            f"{decay:g} times the peak is more than 1: a single update turns a weight's sign."
        )
    share = float(np.prod(1 - decay * rates))
    if abs(share - 0.5) <= 0.005:
        return correct(
            "The sum of all rates decides, whatever their order: a constant rate of half the peak "
            "shrinks as much."
        )
    kept = f"A weight keeps {100 * share:.0f} % of its size."
    hints = {
        "The rate is not at its peak for the whole run: a cosine's mean is half of it.": np.log(2)
        / (3900 * rates[0]),
        "The shrinkage multiplies up: what must be reached is a logarithm, log 2, and not "
        "one half.": 0.5 / rates.sum(),
        "The rate multiplies the decay: divide by the sum of the rates, not by the number of "
        "updates.": np.log(2) / 3900,
    }
    for hint, mistake in hints.items():
        if abs(decay / mistake - 1) < 0.01:
            return wrong(f"{kept} {hint}")
    return wrong(f"{kept} The decay is too {'small' if share > 0.5 else 'large'}.")


def two_groups(answer: Callable[[Any, int], Any]) -> Feedback:
    """Does ``answer(optimizer, updates)`` return a scheduler for an optimizer of two param groups?

    Group 0, the body: 20 updates of warm-up to 0.1, then a cosine to 0. Group 1, the head: a cosine
    from 0.1 to 0, with no warm-up. Momentum of both: from 0.85 up to 0.95 at the end of the run, in
    a straight line. An optimizer is driven by it, and rates and momentum in force are read.

    >>> from coslr.pytorch import ScheduleLR
    >>> two_groups(lambda optimizer, updates:
    ...     ScheduleLR(optimizer, warmup(Cosine(updates - 20, 0.1), 20)))
    ✗ Not yet. The head is warmed up too: give ScheduleLR a list, one schedule per group.
    """
    if not_attempted(answer):
        return NOT_ATTEMPTED
    feedback = _driven(answer, updates=120)
    if feedback.is_right and not _driven(answer, updates=90).is_right:
        return wrong("It is right for 120 updates, and not for 90: take the lengths from updates.")
    return feedback


def _driven(answer: Callable[[Any, int], Any], updates: int) -> Feedback:
    """The feedback on a run of so many updates."""
    N, W, peak = updates, 20, 0.1
    weights = [torch.zeros(1, requires_grad=True) for _ in range(2)]
    optimizer = torch.optim.SGD([{"params": [w]} for w in weights], lr=peak, momentum=0.9)
    momenta: list[list[float]] = []
    hook = optimizer.register_step_pre_hook(
        lambda *_: momenta.append([group["momentum"] for group in optimizer.param_groups])
    )
    try:
        scheduler = answer(optimizer, N)
        if not_attempted(scheduler):
            return RETURNS_NOTHING
        with audit(optimizer) as trace, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch warns of a scheduler for another optimizer
            for _ in range(N):
                optimizer.step()
                scheduler.step()
    except Exception as error:
        return failed_with(error)
    finally:
        hook.remove()
    if len(momenta) != N:
        return wrong("It trains by itself: only build the scheduler, and return it.")
    t = np.arange(N)
    cold, warm = Cosine(N, peak)(t), warmup(Cosine(N - W, peak), W)(t)
    return (
        _wrong_rates(np.array(trace.groups), cold, warm, W, peak)
        or _wrong_momentum(np.array(momenta).T, t, N)
        or correct("Two rates and a momentum, each as it was meant at all updates.")
    )


def _wrong_rates(
    found: NDArray[np.float64],
    cold: NDArray[np.float64],
    warm: NDArray[np.float64],
    W: int,
    peak: float,
) -> Feedback | None:
    body, head = found
    N = len(cold)
    t = np.arange(N)
    if same(body, warm) and same(head, cold):
        return None
    if same(body, warm) and same(head, warm):
        return wrong("The head is warmed up too: give ScheduleLR a list, one schedule per group.")
    if same(body, cold) and same(head, cold):
        return wrong("The body has no warm-up.")
    if same(body, cold) and same(head, warm):
        return wrong("The two are swapped: group 0 is the body.")
    if same(head, Cosine(N - W, peak)(t)):
        return wrong(
            f"The head's cosine ends {W} updates early: it has no warm-up, so T_max is {N}."
        )
    if same(body, warmup(Cosine(N, peak), W)(t)):
        return wrong(f"The body's cosine would end {W} updates after the run: the warm-up counts.")
    if same(body, np.full(N, peak)) and same(head, np.full(N, peak)):
        return wrong("The rates never move: does the scheduler belong to this optimizer?")
    for name, found, right in (("body", body, warm), ("head", head, cold)):
        if (k := first_difference(found, right)) is not None:
            return wrong(f"Update {k} of the {name} is at {found[k]:.6g}, not at {right[k]:.6g}.")
    return None


def _wrong_momentum(found: np.ndarray, t: np.ndarray, N: int) -> Feedback | None:
    right = LOW + (HIGH - LOW) * t / N
    if all(same(one, right) for one in found):
        return None
    both = {
        "The momentum never moves: ScheduleLR takes momentum=, a schedule.": np.full(N, 0.9),
        "The momentum stays at its end: give the rise its start=.": np.full(N, HIGH),
        "The momentum falls: it should rise from 0.85, as the rate falls.": HIGH
        - (HIGH - LOW) * t / N,
        "The momentum falls as a cosine: it should rise from 0.85, in a straight line.": Cosine(
            N, HIGH, LOW
        )(t),
        "The momentum rises from 0: give the rise its start=0.85.": HIGH * t / N,
        "The momentum rises from nearly 0: give the rise its start=0.85.": HIGH * (t + 1) / (N + 1),
        "The momentum is there after 20 updates, with the warm-up: it should rise for the whole "
        "run.": np.clip(LOW + (HIGH - LOW) * t / 20, LOW, HIGH),
        "The momentum is there after 100 updates: it should rise for the whole run.": np.clip(
            LOW + (HIGH - LOW) * t / 100, LOW, HIGH
        ),
    }
    pairs = ((hint, [mistake] * len(found)) for hint, mistake in both.items())
    if hint := known_mistake(found, pairs):
        return hint
    for i, one in enumerate(found):
        if (k := first_difference(one, right)) is not None:
            return wrong(
                f"Update {k}: the momentum of group {i} is {one[k]:.6g}, not {right[k]:.6g}."
            )
    return None
