"""The whole article on trial: every statement that can be true or false, and the verdict on it.

    python -m coslr.course.claims
    python -m coslr.course.claims --json

The statements stand in the article's order, and one that the article repeats stands here once. Each
has the comparisons of the evidence that test it and a rule. The rule sees which outcomes they have
(better, worse, equivalent, open) and nothing else, so the verdict follows from the tables in
``notebooks/evidence``. It is given as soon as no comparison that still lacks runs can change it.
Some statements are settled by definition, with no run. A few cannot be tested, and say why. Where a
rule was changed after its data had been seen, the statement says so.
"""

import argparse
import dataclasses
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np

from coslr.course import language_study, protocol
from coslr.course.evidence import standings
from coslr.course.protocol import HOT, MANY, MANY_WITH, ONE_PASS, WHOLE, WITH, WITHOUT
from coslr.experiments.comparisons import Comparison, Standings
from coslr.experiments.outcomes import BETTER, EQUIVALENT, OPEN, WORSE
from coslr.schedules import Cosine

OUTCOMES = (BETTER, WORSE, EQUIVALENT, OPEN)
SUPPORTED, PARTLY, CONTRADICTED = "supported", "partly", "contradicted"
NO_DIFFERENCE = "no difference that matters"
VERDICTS = (SUPPORTED, PARTLY, NO_DIFFERENCE, CONTRADICTED, OPEN)
NOT_SETTLED, UNTESTED = "not settled yet", "not tested"

Words = Collection[str]  # the outcomes that there are, of all comparisons or of one side
Rule = Callable[..., str]


@dataclass(frozen=True)
class Ref:
    """One comparison of the evidence.

    Attributes:
        study, contest: as in `coslr.course.protocol`.
        a, b: names of entries, as `coslr.experiments.comparisons.Standings.compare` takes them.
        measure: a column of the study's table; "" is the study's first measure.
    """

    study: str
    contest: str
    a: str
    b: str
    measure: str = ""

    def compare(self, held: "AllStandings") -> Comparison:
        """What the tables say of it."""
        found = held[self.study, self.contest]
        return found.compare(self.a, self.b, self.measure or None)

    def __str__(self) -> str:
        """Where it was measured, such as "train_a_cnn, no weight decay: cosine against step"."""
        measure = f" ({self.measure.replace('_', ' ')})" if self.measure else ""
        return f"{self.study}, {self.contest}: {self.a} against {self.b}{measure}"


class AllStandings(dict[tuple[str, str], Standings]):
    """The standings by (study, contest), each read when it is first asked for.

    Args:
        folder: where the tables are; None is `coslr.course.evidence.evidence_folder()`.
    """

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__()
        self.folder = folder

    def __missing__(self, key: tuple[str, str]) -> Standings:
        self[key] = standings(*key, self.folder)
        return self[key]


@dataclass(frozen=True)
class Claim:
    """One statement of the article.

    Attributes:
        says: the statement, in short.
        lesson: the notebook that tests it.
        refs: key -> comparison.
        rule: from the outcomes that there are to a verdict; it takes a set of them for each side.
        sides: how the keys of a side begin. Most rules have one side, with all comparisons.
        definition: for a verdict that needs no run, the reason.
        untested: why no experiment of ours can test it, or "".
        literature: what others found.
        changed: how the rule was changed after its data had been seen, or how the reading was
            changed where no run decides; or "".
    """

    says: str
    lesson: str
    refs: Mapping[str, Ref] = field(default_factory=dict)
    rule: Rule | None = None
    sides: tuple[str, ...] = ("",)
    definition: str = ""
    untested: str = ""
    literature: str = ""
    changed: str = ""

    @property
    def change(self) -> str:
        """What was changed, in words that say whether there were data; "" if nothing was."""
        when = "changed later" if self.definition else "changed after the data"
        return f"{when}: {self.changed}" * bool(self.changed)

    def comparisons(self, held: AllStandings) -> dict[str, Comparison]:
        """Key -> what the tables say."""
        return {key: ref.compare(held) for key, ref in self.refs.items()}

    def verdict(self, comparisons: Mapping[str, Comparison]) -> str:
        """What the comparisons say of the claim.

        Returns:
            "supported", "partly", "no difference that matters", "contradicted" or "open"; "not
            settled yet" as long as a comparison that lacks runs can change the verdict; "not
            tested" where none can run.
        """
        possible = self.possible(comparisons)
        return possible.pop() if len(possible) == 1 else NOT_SETTLED

    def possible(self, comparisons: Mapping[str, Comparison]) -> set[str]:
        """The verdicts that can still come, whatever the outcomes of comparisons that lack runs.

        One rival that is as good contradicts "optimal", so that verdict stands before the others
        have run.

        Example:
            >>> claim = next(claim for claim in CLAIMS if "optimal" in claim.says)
            >>> claim.possible(claim.comparisons(AllStandings()))
            {'contradicted'}
        """
        if self.rule is None:
            return {UNTESTED}
        sides = (
            _possible([found for key, found in comparisons.items() if key.startswith(side)])
            for side in self.sides
        )
        return {self.rule(*words) for words in product(*sides)}

    def to_come(self, comparisons: Mapping[str, Comparison]) -> str:
        """What the comparisons that lack runs can do to the verdict; "" if there are none.

        Example:
            >>> claim = next(claim for claim in CLAIMS if "optimal" in claim.says)
            >>> waiting = Comparison("a", "b", 0.1, 0.1, "test_accuracy", None, waiting=True)
            >>> claim.to_come(dict.fromkeys(claim.refs, waiting))
            '14 not run yet; the verdict will be supported, contradicted or open'
        """
        waiting = sum(found.waiting for found in comparisons.values())
        if not waiting:
            return ""
        possible = self.possible(comparisons)
        if len(possible) == 1:
            return f"{waiting} not run yet, but they cannot change the verdict"
        if len(possible) == len(VERDICTS):
            return f"{waiting} not run yet"
        *most, last = [verdict for verdict in VERDICTS if verdict in possible]
        return f"{waiting} not run yet; the verdict will be {', '.join(most)} or {last}"


def _possible(comparisons: Collection[Comparison]) -> list[set[str]]:
    """Each set of outcomes that these comparisons can still have.

    A contest without a result, for instance because runs diverged, leaves the question open.
    """
    known = {found.word if found.outcome else OPEN for found in comparisons if not found.waiting}
    waiting = sum(found.waiting for found in comparisons)
    if not waiting:
        return [known]
    return [known.union(some) for n in range(1, waiting + 1) for some in combinations(OUTCOMES, n)]


# ------------------------------------------------------------------------------------- rules


def every(words: Words) -> str:
    """The statement says that the first is better, everywhere.

    Supported where all are better; partly where some are; contradicted where some are worse and
    none is better; no difference that matters where all are equivalent; else open.

    >>> every({"better"}), every({"better", "worse"})
    ('supported', 'partly')
    >>> every({"equivalent"}), every({"equivalent", "open"})
    ('no difference that matters', 'open')
    """
    found = set(words)
    if found == {BETTER}:
        return SUPPORTED
    if BETTER in found:
        return PARTLY
    if WORSE in found:
        return CONTRADICTED
    return NO_DIFFERENCE if found == {EQUIVALENT} else OPEN


def in_a_sample(words: Words) -> str:
    """The statement speaks of more than any study has, so it is partly shown at most.

    >>> in_a_sample({"better"}), in_a_sample({"worse", "open"})
    ('partly', 'contradicted')
    """
    found = every(words)
    return PARTLY if found == SUPPORTED else found


def optimal(words: Words) -> str:
    """One rival that is better or as good contradicts the statement.

    Taken literally, an optimum may be shared, and only a better rival would contradict it. But the
    article gives the optimum as a reason to choose the cosine.

    >>> optimal({"better", "equivalent"}), optimal({"better", "open"})
    ('contradicted', 'open')
    """
    found = set(words)
    if found & {WORSE, EQUIVALENT}:
        return CONTRADICTED
    return SUPPORTED if found == {BETTER} else OPEN


def matters(words: Words) -> str:
    """The statement says that something harms: a wrong value, or a sudden change.

    >>> matters({"worse"}), matters({"worse", "equivalent"})
    ('supported', 'partly')
    """
    opposite = {BETTER: WORSE, WORSE: BETTER}
    return every({opposite.get(word, word) for word in words})


def makes_a_difference(words: Words) -> str:
    """Any value may be the best one; it must not be all the same which is taken.

    >>> makes_a_difference({"better", "worse"}), makes_a_difference({"equivalent"})
    ('supported', 'no difference that matters')
    """
    return every({BETTER if word == WORSE else word for word in words})


def fast_moderate_fast(step: Words, exponential: Words) -> str:
    """The cosine is ahead of step, and level with the exponential.

    Partly where one half holds in all its comparisons; else contradicted where a half is denied.

    Args:
        step: the outcomes of the cosine against the step.
        exponential: those against the exponential.

    Example:
        >>> fast_moderate_fast({"better"}, {"equivalent"}), fast_moderate_fast({"worse"}, {"worse"})
        ('supported', 'contradicted')
    """
    right = ({*step} == {BETTER}, {*exponential} == {EQUIVALENT})
    if any(right):
        return SUPPORTED if all(right) else PARTLY
    # "Open" denies nothing; worse or equivalent denies the first half, better or worse the second.
    denied = {*step} & {WORSE, EQUIVALENT} or {*exponential} & {BETTER, WORSE}
    return CONTRADICTED if denied else OPEN


def by_definition(verdict: str) -> Rule:
    """The verdict of a statement that needs no run.

    >>> by_definition("contradicted")({})
    'contradicted'
    """
    return lambda words: verdict


# ------------------------------------------------------------------------- the comparisons

_REGIMES = {"without": WITHOUT, "with": WITH}


def _cnn(*rivals: str, measure: str = "", at: str = "") -> dict[str, Ref]:
    """The cosine against rivals in the article's example, in both regimes."""
    return {
        f"{rival}{at} {key}": Ref("train_a_cnn", regime, f"cosine{at}", f"{rival}{at}", measure)
        for rival in rivals
        for key, regime in _REGIMES.items()
    }


def _rivals(*rivals: str, a: str = "cosine") -> dict[str, Ref]:
    return {
        f"{a} {rival} {key}": Ref("rivals", regime, a, rival)
        for rival in rivals
        for key, regime in _REGIMES.items()
    }


def _choosing(*pairs: tuple[str, str], measure: str = "") -> dict[str, Ref]:
    return {
        f"{a}, {contest}": Ref("choosing_parameters", contest, a, b, measure)
        for a, b in pairs
        for contest in (ONE_PASS, MANY, MANY_WITH)
    }


_PAYS = _cnn("constant") | {
    "as printed": Ref("train_a_cnn", "as printed", "cosine", "constant"),
}
# Before and after the first drop of the step, which comes after half of the epochs.
_MIDWAY = ("@20", "@30")


def _midway(*rivals: str) -> dict[str, Ref]:
    return {key: ref for at in _MIDWAY for key, ref in _cnn(*rivals, at=at).items()}


def _costs(study: str, contest: str, a: str, b: str) -> Ref:
    """What a peak four times too high costs `a`, against what it costs `b`."""
    return Ref(study, contest, *(protocol.what_it_costs(name) for name in (a, b)))


# --------------------------------------------------------------------------- by definition


def early_rates() -> str:
    """The mean rate over the first half of a run, as a share of the peak.

    >>> early_rates()[-73:]
    'cosine 0.82, exponential 0.28, step 1.00, step recipe 0.68, constant 1.00'
    """
    T = 1000
    t = np.arange(T // 2)
    entries = {entry.name: entry for entry in (*protocol.FAMILY, *protocol.RIVALS)}
    family = {
        "cosine": "-",
        "exponential": "to 1/1000",
        "step": "-",
        "step recipe": "-",
        "constant": "-",
    }
    means = ", ".join(
        f"{name} {entries[name].variants[variant](1.0, T)(t).mean():.2f}"
        for name, variant in family.items()
    )
    return f"mean rate over the first half of the run, in peaks: {means}"


LAST_RATE = Cosine(50, 0.1, 1e-4)(49)  # of the article's code, which steps once an epoch


# --------------------------------------------------------------------- the article, in order

CLAIMS = (
    Claim(
        "models converge faster; training time is reduced (seen inside a run)",
        "05_train_a_cnn",
        _midway("constant", "linear", "step", "exponential"),
        every,
        literature="Unsupported as stated. The gain in time that SGDR reports is that of restarts, "
        "which are ahead at the ends of their cycles (Loshchilov & Hutter 2017).",
        changed="before, we looked at half of the budget, the last moment before step's first drop",
    ),
    Claim(
        "models converge better, and perform better (than at a constant rate)",
        "05_train_a_cnn",
        _PAYS,
        every,
        literature="Any good decay lowers the floor that noise sets. At equal budget linear "
        "matches or beats cosine on most problems (Li 2020, Defazio 2023).",
    ),
    Claim(
        "the rate follows a cosine: it starts high and decreases smoothly to a lower value",
        "01_the_formula",
        rule=by_definition(SUPPORTED),
        definition="That is the formula.",
    ),
    Claim(
        "a rate that starts high and decreases helps to avoid local minima",
        "04_local_minima",
        {
            "calm": Ref("local_minima", protocol.CALM, "cosine", "constant"),
            "hot": Ref("local_minima", HOT, "cosine", "constant"),
            "best": Ref("local_minima", protocol.BEST_SHARE, "cosine", "constant"),
        },
        every,
        literature="The authors of SGDR claim no effect related to multi-modality; that a high "
        "rate escapes bad minima does not suffice to explain why decay helps (Kaichao You and "
        "co-authors 2019).",
    ),
    Claim(
        "T_max is the total number of epochs",
        "07_choosing_parameters",
        rule=by_definition(PARTLY),
        definition="T_max is the length of the decay. It is the run's length if you choose it so, "
        "and PyTorch's cosine climbs again after it.",
    ),
    Claim(
        "the model explores the parameter space more effectively",
        "04_local_minima",
        {
            rival: Ref("local_minima", protocol.BEST_SHARE, "cosine", rival)
            for rival in ("constant", "linear", "step")
        },
        every,
    ),
    Claim(
        "the non-linear decrease helps the model escape local minima",
        "04_local_minima",
        {
            "calm": Ref("local_minima", protocol.CALM, "cosine", "linear"),
            "hot": Ref("local_minima", HOT, "cosine", "linear"),
            "best": Ref("local_minima", protocol.BEST_SHARE, "cosine", "linear"),
        },
        every,
    ),
    Claim(
        "the learning rate is optimal throughout the training",
        "12_the_verdict",
        _cnn("linear", "step", "exponential")
        | _rivals("WSD", "cyclical", "step recipe", "schedule-free"),
        optimal,
        literature="Linear to zero is what theory finds for the last iterate (Defazio 2023); a "
        "constant rate with a 20 % cooldown matches a cosine to a tenth (Hägele 2024). On three "
        "workloads the usual families of schedules were not optimal (Naganuma 2026).",
    ),
    Claim(
        "the example goes from 0.1 to 0.0001 over 50 epochs",
        "05_train_a_cnn",
        rule=by_definition(PARTLY),
        definition="The formula gives 0.0001 at epoch 50. But the article's code steps once an "
        f"epoch, so its last epoch trains at {LAST_RATE:.6f}.",
        changed='before, it was "contradicted", though the formula does end there',
        literature="PyTorch's documentation steps the scheduler after the epoch, so the floor "
        "comes after the last one.",
    ),
    Claim(
        "the model learns rapidly initially (more so than under a rival)",
        "05_train_a_cnn",
        _cnn("linear", "step", "exponential", "constant", at="@10"),
        every,
    ),
    Claim(
        "the model fine-tunes in later stages",
        "05_train_a_cnn",
        {key: Ref("train_a_cnn", regime, *protocol.LAST_FIFTH) for key, regime in _REGIMES.items()},
        every,
        changed="before, we looked at the cosine's gain alone, without a run at a constant rate",
    ),
    Claim(
        "the curves: smooth cosine, step-wise, exponential",
        "02_other_schedules",
        rule=by_definition(SUPPORTED),
        definition="Those are their formulas.",
    ),
    Claim(
        "complexity: cosine moderate, step simple, exponential moderate",
        "02_other_schedules",
        rule=by_definition(PARTLY),
        definition="Right if it means how hard the formula is to read. The wrong way round if it "
        "counts the numbers to choose beside peak and length: a floor for cosine and exponential; "
        "where it drops and by how much for step.",
        changed='before, it was "contradicted", which holds for the count of numbers alone',
    ),
    Claim(
        "convergence speed: cosine fast, step moderate, exponential fast",
        "05_train_a_cnn",
        _midway("step", "exponential"),
        fast_moderate_fast,
        ("step", "exponential"),
        literature="Unsupported. An exponential to a thousandth has 0.145 of its peak as its mean "
        "rate, a cosine 0.5.",
    ),
    Claim(
        "implementation: all three easy",
        "02_other_schedules",
        rule=by_definition(SUPPORTED),
        definition="Each is one line in PyTorch.",
    ),
    Claim(
        "advantage over step decay: smooth beats abrupt",
        "05_train_a_cnn",
        _cnn("step") | _rivals("step recipe"),
        every,
        literature="Step decay is near-optimal for least squares (Ge 2019); Bag of Tricks (He "
        "2019) adopts cosine in its place on ImageNet.",
    ),
    Claim(
        "sudden changes might disrupt training",
        "05_train_a_cnn",
        {key: Ref("train_a_cnn", regime, *protocol.FIRST_DROP) for key, regime in _REGIMES.items()},
        matters,
    ),
    Claim(
        "more exploration early on",
        "04_local_minima",
        rule=by_definition(PARTLY),
        definition="If a high rate is exploration: at one peak, with an exponential to 1/1000, "
        f"{early_rates()}. So it depends on where the step drops: at half time, or after 30, 60 "
        "and 80 %.",
        literature="A plateau stays higher for longer: WSD (Hägele 2024) is built on that.",
        changed='before, it was "contradicted", which holds for a step at half time alone',
    ),
    Claim(
        "exploration is beneficial for complex data sets",
        "04_local_minima",
        untested="The article does not say which data sets are complex, and we have one.",
    ),
    Claim(
        "the code adjusts the rate dynamically",
        "05_train_a_cnn",
        rule=by_definition(SUPPORTED),
        definition="Audited, the article's loop moves the rate once an epoch, as it should.",
    ),
    Claim(
        "learning rate scheduling prevents overfitting",
        "07_choosing_parameters",
        _cnn("constant", measure="gap_loss")
        | _choosing(("cosine", "constant"), measure="gap_loss"),
        every,
    ),
    Claim(
        "better suited for a smooth reduction than cyclical rates",
        "02_other_schedules",
        rule=by_definition(SUPPORTED),
        definition="A cyclical rate goes up again in each cycle. A cosine does not, up to T_max.",
    ),
    Claim(
        "cosine and cyclical rates both enhance convergence",
        "12_the_verdict",
        _rivals("constant") | _rivals("constant", a="cyclical"),
        every,
        literature="Smith (2017) plots accuracy, and reports fewer iterations to the same one.",
    ),
    Claim(
        "warm restarts further enhance performance",
        "06_warm_restarts",
        {
            "doubling": Ref("warm_restarts", WHOLE, "doubling", "one cycle"),
            "equal": Ref("warm_restarts", WHOLE, "equal", "one cycle"),
            "stopped": Ref("warm_restarts", protocol.STOPPED, "doubling", "one cycle"),
            "planned": Ref("warm_restarts", protocol.STOPPED, "doubling", "planned for 9"),
            "snapshots": Ref("warm_restarts", WHOLE, "snapshots", "one cycle"),
        },
        every,
        literature="SGDR, WRN-28-10, error without and with doubling restarts: 3.86 against 4.03 "
        "and 4.09 % on CIFAR-10, but 19.98 against 19.58 and 19.74 % on CIFAR-100; better at the "
        "ends of earlier cycles. Snapshots: 19.25 to 17.41 % on CIFAR-100 (Huang 2017).",
    ),
    Claim(
        "momentum scheduling, here a rising one, further enhances performance",
        "08_combining",
        {"rising": Ref("combining", protocol.MOMENTUM, "rising momentum", "momentum 0.9")},
        every,
        literature="At one shared peak a comparison is one of effective rates, lr / (1 - "
        "momentum): each needs its own best peak, or the same effective rate.",
    ),
    Claim(
        "other techniques, here warm-up, further enhance performance",
        "10_a_language_model",
        {
            "normalised CNN": Ref("combining", protocol.NORMALISED, "warm-up and cosine", "cosine"),
            "plain CNN": Ref("combining", protocol.PLAIN, "warm-up and cosine", "cosine"),
            "Transformer": Ref("language_model", language_study.PRE, "cosine", "no warm-up"),
            "post-norm Transformer": Ref(
                "language_model", language_study.POST, "cosine", "no warm-up"
            ),
        },
        every,
        literature="A Transformer with layer normalisation after each part needs warm-up; with "
        "normalisation before it, it can do without (Xiong 2020).",
    ),
    Claim(
        "the combinations lead to more robust training (at four times the peak)",
        "08_combining",
        {
            "restarts": _costs("warm_restarts", WHOLE, "doubling", "one cycle"),
            "momentum": _costs("combining", protocol.MOMENTUM, "rising momentum", "momentum 0.9"),
        },
        every,
        changed="before, we compared the accuracies at the fourfold peak; now we compare what that "
        "peak costs each of the two",
    ),
    Claim(
        "the combinations lead to better generalization",
        "08_combining",
        {
            "restarts": Ref("warm_restarts", WHOLE, "doubling", "one cycle"),
            "momentum": Ref("combining", protocol.MOMENTUM, "rising momentum", "momentum 0.9"),
        },
        every,
        changed="before, it was judged by the gap between test and training loss alone, which made "
        'it "partly"; the gap narrows also where test images gain nothing',
    ),
    Claim(
        "suitable for all types of models (the article asks, and says yes)",
        "10_a_language_model",
        _cnn("constant")
        | {
            "GRU": Ref("combining", protocol.GRU, "cosine", "constant"),
            "Transformer": Ref("language_model", language_study.FULL_RUN, "cosine", "constant"),
        },
        in_a_sample,
        literature="Many large language models were trained with a cosine. A constant rate with a "
        "cooldown at its end matches a cosine to a tenth (Hägele 2024).",
        changed='before, the rule could say "supported"; three small networks can show "partly" at '
        "most",
    ),
    Claim(
        "particularly effective for CNNs and RNNs",
        "08_combining",
        _cnn("constant")
        | {
            "GRU": Ref("combining", protocol.GRU, "cosine", "constant"),
            "AdamW": Ref("combining", protocol.ADAMW, "cosine", "constant"),
        },
        in_a_sample,
        literature="Not specific to either. AdamW too gains from a cosine (Loshchilov & Hutter "
        "2019).",
        changed='before, the rule could say "supported"; two small networks, with none beside them '
        'that gains less, can show "partly" at most',
    ),
    Claim(
        "it can be applied to any model",
        "08_combining",
        rule=by_definition(SUPPORTED),
        definition="A schedule writes a number into the optimizer and knows nothing of the model. "
        "Whether it pays there is another question.",
    ),
    Claim(
        "the initial rate has to be chosen (four times too high harms)",
        "07_choosing_parameters",
        _choosing(("cosine, 4 times", "cosine")),
        matters,
        literature="Convex bounds allow a cosine a wider range than a constant rate (Attia & Koren "
        "2025).",
    ),
    Claim(
        "the minimum rate has to be chosen",
        "07_choosing_parameters",
        _choosing(*((floor, "cosine") for floor in protocol.FLOORS)),
        makes_a_difference,
    ),
    Claim(
        "the number of epochs for the full cycle has to be chosen",
        "07_choosing_parameters",
        _choosing(*((length, "cosine") for length in protocol.LENGTHS)),
        makes_a_difference,
        literature="A cycle more than 25 % longer than the run loses clearly (Hoffmann 2022, "
        "figure A1).",
        changed="before, a wrong length that did better counted against the statement, and the "
        'length 1.25 was not among the comparisons; it was "partly" then as well',
    ),
    Claim(
        "cross-validation helps to choose the values (more than one split)",
        "07_choosing_parameters",
        {
            "folds": Ref(
                "choosing_parameters",
                protocol.FOLDS,
                "chosen by five folds",
                "chosen by one split",
            )
        },
        every,
    ),
    Claim(
        "a powerful tool: networks become more effective",
        "05_train_a_cnn",
        _PAYS | _choosing(("cosine", "constant")),
        every,
    ),
    Claim(
        "networks become more robust (at four times the peak)",
        "07_choosing_parameters",
        {
            contest: _costs("choosing_parameters", contest, "cosine", "constant")
            for contest in (ONE_PASS, MANY, MANY_WITH)
        },
        every,
        literature="By the bounds of Attia and Koren (2025), annealing tolerates a peak better "
        "that is too large.",
        changed="before, we compared the accuracies at the fourfold peak; now we compare what that "
        "peak costs each of the two",
    ),
)


# ---------------------------------------------------------------------------------- the table


def report(folder: Path | None = None) -> list[dict[str, Any]]:
    """Every claim with its verdict and its comparisons, as plain values for JSON.

    Args:
        folder: where the tables are; None is `coslr.course.evidence.evidence_folder()`.
    """
    held = AllStandings(folder)
    return [_reported(claim, claim.comparisons(held)) for claim in CLAIMS]


def _reported(claim: Claim, comparisons: Mapping[str, Comparison]) -> dict[str, Any]:
    return {
        "claim": claim.says,
        "lesson": claim.lesson,
        "verdict": claim.verdict(comparisons),
        "possible": sorted(claim.possible(comparisons)),
        "to_come": claim.to_come(comparisons),
        "by_definition": bool(claim.definition),
        "changed": claim.changed,
        "comparisons": [
            _plain(claim.refs[key], comparison) for key, comparison in comparisons.items()
        ],
    }


def _plain(ref: Ref, found: Comparison) -> dict[str, Any]:
    row: dict[str, Any] = {"study": ref.study, "contest": ref.contest, "a": ref.a, "b": ref.b}
    row |= {"eta_a": found.eta_a, "eta_b": found.eta_b, "measure": found.measure}
    numbers = dataclasses.asdict(found.outcome) if found.outcome else {}
    for name in ("n", "difference", "low", "high", "low90", "high90"):
        row[name] = numbers.get(name)
    row |= {"outcome": found.word, "obstacle": found.obstacle, "waiting": found.waiting}
    return {key: None if value != value else value for key, value in row.items()}  # NaN is no JSON


def table() -> str:
    """All claims in Markdown: the statement, its lesson, what was measured, verdict, literature."""
    lines = [
        "| the article says | lesson | measured | verdict | the literature |",
        "| --- | --- | --- | --- | --- |",
    ]
    held = AllStandings()
    for claim in CLAIMS:
        comparisons = claim.comparisons(held)
        measured = "; ".join(
            f"{claim.refs[key]}: {'not run yet' if found.waiting else found}"
            for key, found in comparisons.items()
        )
        how = " by definition" if claim.definition else ""
        verdict = f"**{claim.verdict(comparisons)}**{how}"
        verdict += f"; {claim.to_come(comparisons)}" * bool(claim.to_come(comparisons))
        verdict += f" ({claim.change})" * bool(claim.changed)
        said = claim.definition or claim.untested or measured
        lines.append(f"| {claim.says} | {claim.lesson} | {said} | {verdict} | {claim.literature} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table, or with ``--json`` the list of claims."""
    parser = argparse.ArgumentParser(description="Every statement of the article, and its verdict.")
    parser.add_argument("--json", action="store_true", help="a list of claims, for programs")
    if parser.parse_args().json:
        print(json.dumps(report(), indent=1))
    else:
        print(table())


if __name__ == "__main__":
    main()
