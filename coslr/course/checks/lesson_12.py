"""The exercises of notebook 12, The verdict."""

from coslr._optional import extra
from coslr.course.checks.answers import Feedback, check_choice, check_number

with extra("train"):
    import pandas as pd


def floor_gap(answer: float, runs: pd.DataFrame) -> Feedback:
    """How much loss does a cosine to zero save beside one to a tenth, each at its best peak?

    `runs` has the columns schedule, eta_max, eta_min and final_val_loss; a floor above a hundredth
    of the peak counts as a tenth.

    >>> runs = pd.DataFrame({
    ...     "schedule": "cosine", "eta_max": [1.0, 2.0, 1.0, 2.0],
    ...     "eta_min": [0.0, 0.0, 0.1, 0.2], "final_val_loss": [3.5, 3.0, 3.6, 3.9]})
    >>> floor_gap(0.9, runs)
    ✗ Not yet. That compares both at the best peak of the cosine to zero; each has its own.
    """
    cosine = runs[runs["schedule"] == "cosine"]
    to_zero = cosine["eta_min"] < 0.01 * cosine["eta_max"]
    zero, tenth = (
        cosine[chosen].set_index("eta_max")["final_val_loss"] for chosen in (to_zero, ~to_zero)
    )
    right = tenth.min() - zero.min()
    own = "each has its own."
    return check_number(
        answer,
        right,
        {
            "That is the difference the other way round: what is saved is above 0.": -right,
            f"That compares both at the best peak of the cosine to zero; {own}": tenth[
                zero.idxmin()
            ]
            - zero.min(),
            f"That compares both at the best peak of the cosine to a tenth; {own}": tenth.min()
            - zero[tenth.idxmin()],
        },
        digits=2,
    )


def updates_saved(answer: float, lengths: list[int], cooldown: float) -> Feedback:
    """How many updates does WSD save, where runs of several `lengths` are wanted?

    Cosines need one run for each length; WSD needs one plateau, up to the last cooldown, and a
    cooldown of the share `cooldown` for each length.

    >>> updates_saved(40_000, lengths=[15_000, 25_000, 50_000], cooldown=0.2)
    ✗ Not yet. That leaves out the cooldowns of the shorter runs: each is trained once more.
    """
    longest, cosines = max(lengths), sum(lengths)
    shorter = cosines - longest
    again = cooldown * shorter
    right = shorter - again
    hints = {
        "That leaves out the cooldowns of the shorter runs: each is trained once more.": shorter,
        "The longest run's cooldown is in its own length: it is no extra.": right
        - cooldown * longest,
        "That is what WSD trains: how much less is it than what the cosines do?": longest + again,
        "That is what the cosines train: how much of it does WSD save?": cosines,
        "That is what the cooldowns of the shorter runs cost, not what is saved.": again,
    }
    return check_number(answer, right, hints, digits=4)


def one_seed(answer: str) -> Feedback:
    """Which of four statements do single runs of one seed each allow?

    >>> one_seed("b")
    ✗ Not yet. The third decimal of single runs is no finding: another seed may turn it round.
    """
    why = {
        "b": "The third decimal of single runs is no finding: another seed may turn it round.",
        "c": "The figure shows losses at one length alone; nothing is said about others.",
        "d": "An interval needs repeated runs: one seed has no spread to compute it from.",
    }
    return check_choice(answer, "a", why)
