"""Fourteen claims of the article, judged by what the lessons measure while they run.

`coslr.course.claims` judges the whole article by the evidence, and will replace these verdicts when
its tables are complete.

A rule turns the outcomes of comparisons ("better", "worse", "within noise", ...) into a verdict. It
looks at nothing else, so a verdict follows from the data, whatever they turn out to be.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from coslr.course.claims import LAST_RATE, early_rates
from coslr.experiments.comparisons import Comparison

SUPPORTED, PARTLY, NOT_FOUND, WRONG = "supported", "partly", "not found", "wrong"
UNDECIDED, UNTESTED = "undecided", "not run"

Outcomes = Mapping[str, str]


@dataclass(frozen=True)
class Claim:
    """One claim of the article.

    Attributes:
        says: the claim, in short.
        notebook: where it is tested.
        keys: the findings that it rests on, as `coslr.course.findings` names them; none if the
            result is computed and not measured.
        rule: outcome of each key -> one of the four verdicts.
        literature: what others found.
        measured: the computed result, if there are no keys.
        where: key -> the circumstances of its comparison, if the compared names do not tell.
    """

    says: str
    notebook: str
    keys: tuple[str, ...]
    rule: Callable[[Outcomes], str]
    literature: str
    measured: str = ""
    where: Mapping[str, str] = field(default_factory=dict)

    def verdict(self, found: Mapping[str, Mapping[int, Comparison]]) -> str:
        """What the findings say of the claim: "undecided" where the sets of seeds do not agree.

        Args:
            found: as `coslr.course.findings.load` returns it.

        Example:
            >>> step = Comparison(
            ...     "cosine", "step", 0.1, 0.1, "test_accuracy", 0.01, 0.005, 0.015, 8)
            >>> claim = Claim("", "", ("cosine-step",), all_better("cosine-step"), "")
            >>> claim.verdict({"cosine-step": {0: step}}), claim.verdict({})
            ('supported', 'not run')
        """
        if not self.keys:
            return self.rule({})
        sets = set.intersection(*(set(found.get(key, {})) for key in self.keys))
        if not sets:
            return UNTESTED
        verdicts = set()
        for seeds in sets:
            outcomes = {key: found[key][seeds].outcome for key in self.keys}
            verdicts.add(UNDECIDED if "no result" in outcomes.values() else self.rule(outcomes))
        return verdicts.pop() if len(verdicts) == 1 else UNDECIDED


def all_better(*keys: str, good: str = "better", bad: str = "worse") -> Callable[[Outcomes], str]:
    """Supported where all outcomes are good, partly where some are, wrong where only bad ones are.

    >>> rule = all_better("a", "b")
    >>> rule({"a": "better", "b": "within noise"}), rule({"a": "within noise", "b": "worse"})
    ('partly', 'wrong')
    """

    def rule(outcomes: Outcomes) -> str:
        several = [outcomes[key] for key in keys]
        if bad in several:
            return PARTLY if good in several else WRONG
        if all(outcome == good for outcome in several):
            return SUPPORTED
        return PARTLY if good in several else NOT_FOUND

    return rule


def exactly(verdict: str) -> Callable[[Outcomes], str]:
    """The verdict of a result that is computed, not measured.

    >>> exactly("wrong")({})
    'wrong'
    """
    return lambda outcomes: verdict


def _escapes(outcomes: Outcomes) -> str:
    """The non-linear decrease helps: more runs get away than at a constant or a linear rate.

    Wrong where a constant rate does better; partly where it does so at the lower peak alone.
    """
    helped = [outcome == "higher" for outcome in outcomes.values()]
    if outcomes["escape-cosine-constant"] == "lower":
        return PARTLY if outcomes["escape-cosine-constant-hot"] == "higher" else WRONG
    return SUPPORTED if all(helped) else PARTLY if any(helped) else NOT_FOUND


def _speed(outcomes: Outcomes) -> str:
    """Fast, moderate, fast: ahead of step at half of the budget, and level with exponential."""
    ahead = outcomes["speed-step"] == "better"
    level = outcomes["speed-exponential"] == "within noise"
    if outcomes["speed-step"] == "worse":
        return WRONG
    return SUPPORTED if ahead and level else PARTLY if ahead or level else NOT_FOUND


def _restarts(outcomes: Outcomes) -> str:
    """Enhance performance: at equal budget, or at least at some time or as an ensemble."""
    if outcomes["restarts-budget"] == "better":
        return SUPPORTED
    otherwise = {outcomes["restarts-anytime"], outcomes["snapshot-single"]}
    if "better" in otherwise:
        return PARTLY
    return WRONG if outcomes["restarts-budget"] == "worse" else NOT_FOUND


def _length(outcomes: Outcomes) -> str:
    """The number of epochs matters: a cosine planned for twice the budget is worse."""
    worse = [outcomes[key] == "worse" for key in ("tmax-twice-fresh", "tmax-twice-many")]
    return SUPPORTED if all(worse) else PARTLY if any(worse) else NOT_FOUND


HALF = "at half of the budget"

CLAIMS = (
    Claim(
        "improved convergence",
        "05_train_a_cnn",
        ("cosine-constant", "cosine-linear", "cosine-step"),
        all_better("cosine-constant", "cosine-linear", "cosine-step"),
        "Any good decay lowers the floor that noise sets. At equal budget linear matches or beats "
        "cosine on most problems (Li 2020, Defazio 2023); with step 0.05 and one cosine, SGDR "
        "reports 4.13 and 3.86 % error on CIFAR-10, and no test (Loshchilov & Hutter 2017).",
    ),
    Claim(
        "avoids local minima",
        "03_why_decay_works",
        (
            "escape-cosine-constant",
            "escape-cosine-linear",
            "escape-cosine-constant-hot",
            "escape-cosine-linear-hot",
        ),
        _escapes,
        "The authors of SGDR claim no effect related to multi-modality; that decay escapes is not "
        "sufficient as an explanation (You 2019).",
        where={
            "escape-cosine-constant": "at a moderate peak",
            "escape-cosine-linear": "at a moderate peak",
            "escape-cosine-constant-hot": "at a high peak",
            "escape-cosine-linear-hot": "at a high peak",
        },
    ),
    Claim(
        "reduces training time",
        "05_train_a_cnn",
        ("speed-constant", "speed-linear", "speed-step"),
        all_better("speed-constant", "speed-linear", "speed-step"),
        "Unsupported as stated: the gain in time that SGDR reports is that of restarts, which are "
        "ahead at the ends of their cycles.",
        where=dict.fromkeys(("speed-constant", "speed-linear", "speed-step"), HALF),
    ),
    Claim(
        "convergence speed: cosine fast, step moderate, exponential fast",
        "05_train_a_cnn",
        ("speed-step", "speed-exponential"),
        _speed,
        "Unsupported. An exponential to a thousandth has 0.145 of its peak as its mean rate, a "
        "cosine 0.5.",
        where=dict.fromkeys(("speed-step", "speed-exponential"), HALF),
    ),
    Claim(
        "smooth is better than abrupt (step decay)",
        "05_train_a_cnn",
        ("cosine-step", "cosine-step-loss"),
        all_better("cosine-step", "cosine-step-loss"),
        "Step decay is near-optimal for least squares (Ge 2019); Bag of Tricks (He 2019) adopts "
        "cosine in its place on ImageNet.",
    ),
    Claim(
        "better exploration early on",
        "03_why_decay_works",
        (),
        exactly(WRONG),
        "A plateau stays higher for longer: WSD (Hägele 2024) is built on that.",
        measured=early_rates(),
    ),
    Claim(
        "complexity: cosine moderate, step simple",
        "02_other_schedules",
        (),
        exactly(WRONG),
        "Reversed: step decay has more to choose.",
        measured="beside peak and length, a cosine needs a floor; step needs where and by how much",
    ),
    Claim(
        "the example goes from 0.1 to 0.0001 over 50 epochs",
        "05_train_a_cnn",
        (),
        exactly(WRONG),
        "PyTorch's documentation steps the scheduler after the epoch, so the floor comes after it.",
        measured=f"stepped once per epoch, the last epoch trains at {LAST_RATE:.7f}",
    ),
    Claim(
        "warm restarts further enhance performance",
        "06_warm_restarts",
        ("restarts-budget", "restarts-anytime", "snapshot-single"),
        _restarts,
        "SGDR, WRN-28-10 on CIFAR-10: 3.86 % error without a restart, 4.03 and 4.09 % with; better "
        "at the ends of earlier cycles. Snapshots: 19.25 to 17.41 % on CIFAR-100 (Huang 2017).",
        where={
            "restarts-budget": "after the last update",
            "restarts-anytime": "at 3/7 of the run",
        },
    ),
    Claim(
        "momentum scheduling further enhances performance",
        "08_combining",
        ("momentum-cycled",),
        all_better("momentum-cycled"),
        "At one shared peak it compares effective rates, lr / (1 - momentum): each needs its own "
        "best peak, or the same effective rate.",
    ),
    Claim(
        "effective for CNNs and RNNs alike",
        "08_combining",
        ("cosine-constant", "gru-cosine"),
        all_better("cosine-constant", "gru-cosine"),
        "Not specific to either. AdamW too gains from a cosine (Loshchilov & Hutter 2019).",
        where={"cosine-constant": "in the CNN", "gru-cosine": "in the GRU"},
    ),
    Claim(
        "cross-validation helps to choose the values",
        "07_choosing_parameters",
        ("folds-split",),
        all_better("folds-split"),
        "The base rate dominates such comparisons unless it is tuned (Naganuma 2026); one "
        "validation split with seeds is enough.",
    ),
    Claim(
        "the number of epochs for the full cycle has to be chosen",
        "07_choosing_parameters",
        ("tmax-twice-fresh", "tmax-twice-many", "tmax-half-fresh"),
        _length,
        "A cycle more than 25 % longer than the run loses clearly (Hoffmann 2022, figure A1).",
        where={
            "tmax-twice-fresh": "the budget as `T_max`, fresh images",
            "tmax-twice-many": "the budget as `T_max`, few images, 20 times",
            "tmax-half-fresh": "the budget as `T_max`, fresh images",
        },
    ),
    Claim(
        "the learning rate is optimal throughout; a powerful tool to reach for",
        "12_the_verdict",
        ("cosine-linear", "cosine-wsd", "cosine-schedulefree"),
        all_better("cosine-linear", "cosine-wsd", "cosine-schedulefree"),
        "Linear to zero is what theory finds for the last iterate (Defazio 2023); a constant rate "
        "with a 20 % cooldown matches the best cosine (Hägele 2024), as the convex bound has it "
        "(Schaipp 2025).",
    ),
)


def table(found: Mapping[str, Mapping[int, Comparison]], links: bool = True) -> str:
    """All claims as a table in Markdown: claim, experiment, measured effect, verdict, literature.

    Args:
        found: as `coslr.course.findings.load` returns it. The table shows the effects in the lowest
            set of seeds, and the verdicts on which all sets agree.
        links: whether the notebooks' names are links.

    Returns:
        A row for each claim, below the header.
    """
    lines = [
        "| the article says | tested in | measured here | verdict | the literature |",
        "| --- | --- | --- | --- | --- |",
    ]
    for claim in CLAIMS:
        where = f"[{claim.notebook}]({claim.notebook}.ipynb)" if links else claim.notebook
        effects = [
            _effect(found[key], claim.where.get(key, "")) for key in claim.keys if key in found
        ]
        measured = "; ".join(effects) or claim.measured or "not run yet"
        verdict = f"**{claim.verdict(found)}**"
        cells = [claim.says, where, measured, verdict, claim.literature]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _effect(sets: Mapping[int, Comparison], where: str) -> str:
    """What the first set of seeds found, and what the others did where it is another outcome."""
    first, *others = (sets[seed] for seed in sorted(sets))
    measure = "" if first.measure.endswith(("accuracy", "loss")) else f", {first.measure}"
    different = [other.outcome for other in others if other.outcome != first.outcome]
    flips = ""
    if different:
        count = f"{len(different)} of {len(others)} other sets of seeds"
        flips = f" (with {count}: {', '.join(dict.fromkeys(different))})"
    compared = f"{first.a} against {first.b} {where}".rstrip()
    return f"{compared}{measure}: {first}{flips}"
