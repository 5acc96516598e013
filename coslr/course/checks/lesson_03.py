"""The exercises of notebook 03, Why decay works."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from coslr.course.checks.answers import (
    Feedback,
    check_choice,
    check_number,
    correct,
    same,
    values,
    wrong,
)


def one_update(answer: Callable[[float, float, float, float], float]) -> Feedback:
    """Is ``answer(xx, eta, h, c)`` the expectation of x² after one update of noisy SGD?

    The update is x ← x - η (h x + noise), where the noise has mean 0 and variance c.

    >>> one_update(lambda xx, eta, h, c: (1 - eta * h) ** 2 * xx)
    ✗ Not yet. The noise is missing: it adds η² c.
    """
    cases = [
        (2.0, 0.1, 3.0, 0.7),
        (0.5, 0.3, 1.5, 2.0),
        (4.0, 0.25, 0.8, 0.3),
        (0.0, 0.2, 1.0, 5.0),
    ]
    found = values(answer, cases)
    if isinstance(found, Feedback):
        return found
    xx, eta, h, c = np.array(cases).T
    forgets, noise = (1 - eta * h) ** 2 * xx, eta**2 * c
    if same(found, forgets + noise):
        return correct("Each update forgets a share of what was there, and adds noise.")
    impostors = {
        "The noise is missing: it adds η² c.": forgets,
        "The noise is subtracted: independent noise always adds to the mean square.": forgets
        - noise,
        "The noise comes in as η ξ, so its square has η², not η.": forgets + eta * c,
        "The noise comes in as η ξ: the factor η² is missing.": forgets + c,
        "c is the variance, E[ξ²], already: it is not squared again.": forgets + eta**2 * c**2,
        "c is the variance, E[ξ²], already: no root is needed.": forgets + eta**2 * np.sqrt(c),
        "The factor of x is squared too: (1 - ηh)².": (1 - eta * h) * xx + noise,
        "Check the sign: the update subtracts η h x.": (1 + eta * h) ** 2 * xx + noise,
        "The square of 1 - ηh has a third term, η² h².": (1 - 2 * eta * h) * xx + noise,
        "The noise is not multiplied by the curvature.": forgets + eta**2 * h**2 * c,
        "Only the noise is left: what was there is not forgotten at once.": noise,
        "That is the loss: E[x²] was asked, without h/2.": h / 2 * (forgets + noise),
    }
    for hint, mistake in impostors.items():
        if same(found, mistake):
            return wrong(hint)
    return _differs(found, forgets + noise, cases, ("xx", "eta", "h", "c"))


def floor(answer: Callable[[float, float, float], float]) -> Feedback:
    """Is ``answer(eta, h, c)`` the expected loss at which a constant rate stops improving?

    >>> floor(lambda eta, h, c: eta * c / 4)
    ✗ Not yet. That is the limit for small rates: keep the ηh in 2 - ηh.
    """
    cases = [(0.5, 1.0, 0.3), (0.2, 4.0, 1.7), (1.2, 0.6, 2.0)]
    found = values(answer, cases)
    if isinstance(found, Feedback):
        return found
    eta, h, c = np.array(cases).T
    right = eta * c / (2 * (2 - eta * h))
    if same(found, right):
        return correct("It grows with the rate and with the noise, and a bit faster than the rate.")
    impostors = {
        "That is the limit for small rates: keep the ηh in 2 - ηh.": eta * c / 4,
        "That is E[x²]: the loss is h/2 times as much.": eta * c / (h * (2 - eta * h)),
        "The ½ of the loss is missing.": 2 * right,
        "One η in η² c is cancelled by the forgetting, not both.": c / (2 * (2 - eta * h)),
        "Divide by 1 - (1 - ηh)², which has a factor ηh in front of 2 - ηh.": h
        * eta**2
        * c
        / (2 * (2 - eta * h)),
        "Check the sign: 1 - (1 - ηh)² is ηh (2 - ηh).": eta * c / (2 * (2 + eta * h)),
        "That divides by 1 - (1 - ηh): the factor is squared, (1 - ηh)².": eta * c / 2,
        "That is what one update adds; the floor is where it balances what is forgotten.": eta**2
        * c,
    }
    for hint, mistake in impostors.items():
        if same(found, mistake):
            return wrong(hint)
    return _differs(found, right, cases, ("eta", "h", "c"))


def largest_rate(answer: float) -> Feedback:
    """Below which constant rate is SGD stable, where the curvatures are 8, 1 and 0.05?

    >>> largest_rate(40)
    ✗ Not yet. That is the limit of the flattest direction: the steepest explodes long before.
    """
    h = np.array([8, 1, 0.05])
    hints = {
        "At 1/h the steepest direction is fastest: the limit is further up, at |1 - ηh| = 1.": 1
        / h.max(),
        "That is the limit of the flattest direction: the steepest explodes long before.": 2
        / h.min(),
        "That is the limit of the middle direction alone: all must be stable.": 2 / h[1],
        "That takes the mean of the curvatures: the steepest decides alone.": 2 / h.mean(),
        "That takes the sum of the curvatures: each direction moves by itself.": 2 / h.sum(),
        "That is upside down: the steeper, the smaller the rate.": h.max() / 2,
    }
    return check_number(answer, 2 / h.max(), hints, digits=3)


def landscape(answer: str) -> Feedback:
    """What did the landscape with two minima show?

    >>> landscape("a")
    ✗ Not yet. The straight line passes too, and the cosine run backwards does as well.
    """
    return check_choice(
        answer,
        "b",
        {
            "a": "The straight line passes too, and the cosine run backwards does as well.",
            "c": "Look at the curve of the cosine in its second half: what moves there?",
            "d": "Compare the two peaks: at the lower one the restarts do no more than the cosine.",
        },
    )


def _differs(
    found: NDArray[np.float64],
    right: NDArray[np.float64],
    cases: Sequence[tuple[float, ...]],
    names: tuple[str, ...],
) -> Feedback:
    at = int(np.argmax(~np.isclose(found, right, rtol=1e-9, atol=1e-12)))
    named = ", ".join(f"{name}={value:g}" for name, value in zip(names, cases[at], strict=True))
    return wrong(f"For {named} it gives {found[at]:.6g}, and it should be {right[at]:.6g}.")
