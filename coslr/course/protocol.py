"""The studies of the evidence: what is compared, and by which rules, fixed before the first run.

* A study is a list of contests (`coslr.experiments.contests`). Every schedule gets five peaks and
  one refinement, extended in the same way where the best is at an edge. The mean of the search
  seeds chooses: of the validation accuracy, if the contest names nothing else. Where a schedule's
  shape depends on a ratio, such as an exponential's floor, the ratio is searched too, so that
  schedule gets more effort and not less.
* Other seeds are judged, at the chosen peak alone, on test images. Judged seeds begin at 1000 and
  search seeds at 900; the folds of cross-validation have their own, from 1100. No study of the
  first edition used a seed from 900 on.
* A study lists its comparisons. `coslr.experiments.outcomes` says what counts as better, worse,
  equivalent or open, and gives the margins. The first measure decides; the others are shown.
* "half" measures are those of the same runs at half of the budget. ``gap_loss`` is the test loss
  less the training loss, both at the end: how much a run has overfitted. "cosine@10" is the same
  run after epoch 10, and "cosine@50 minus cosine@40" what the last ten epochs add.
* Images are Fashion-MNIST averaged over 2x2 pixels, with its own 10,000 test images. The study
  `local_minima` has none: its runs wander on a curve with two minima. `language_model` reads a
  novel; `coslr.course.language_study` says how.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from coslr._optional import extra
from coslr.course.language_study import LANGUAGE_MODEL
from coslr.course.rules import Derived, Evidence, against, contest
from coslr.course.two_wells import walk
from coslr.experiments import studies
from coslr.experiments.contests import MINUS, SEARCH, Contest, Entry
from coslr.experiments.ensembles import at_temperature, average, fitted_temperature, score
from coslr.experiments.models import SmallGRU, plain_cnn
from coslr.experiments.one_trial import load_data
from coslr.experiments.trials import Split, Trial
from coslr.schedules import (
    WSD,
    ArrayNamespace,
    Constant,
    Cosine,
    CosineWarmRestarts,
    Cyclical,
    Exponential,
    Linear,
    MultiStep,
    Schedule,
    warmup,
)

with extra("train"):
    import pandas as pd
with extra("course"):
    from schedulefree import SGDScheduleFree


def what_it_costs(name: str) -> str:
    """What a peak that is four times too high changes, in the words of `Standings.compare`.

    >>> what_it_costs("cosine")
    'cosine, 4 times minus cosine'
    """
    return f"{name}, 4 times{MINUS}{name}"


FULL = Split(n_train=50_000, n_validation=10_000, size=14, full=True)
NESTEROV = {"momentum": 0.9, "nesterov": True}
# The article names no weight decay; SGDR trains with 5e-4.
DECAY = 5e-4
WITHOUT, WITH = "no weight decay", "weight decay 5e-4"


def _settings(epochs: int, weight_decay: float = 0.0, **more: Any) -> dict[str, Any]:
    options = NESTEROV | ({"weight_decay": weight_decay} if weight_decay else {})
    return {"epochs": epochs, "batch_size": 128, "data": FULL, "options": options, **more}


COSINE = Entry("cosine", lambda eta, T: Cosine(T, eta))
LINEAR = Entry("linear", lambda eta, T: Linear(T, eta))
STEP = Entry("step", lambda eta, T: MultiStep([T // 2, 3 * T // 4], eta))
CONSTANT = Entry("constant", lambda eta, T: Constant(eta), centre=0.025)


# ------------------------------------------------------------------------------ train_a_cnn

FAMILY = (
    COSINE,
    LINEAR,
    STEP,
    Entry(
        "exponential",
        {
            "to 1/1000": lambda eta, T: Exponential(T, eta, eta / 1000),
            "to 1/100": lambda eta, T: Exponential(T, eta, eta / 100),
            "to 1/10": lambda eta, T: Exponential(T, eta, eta / 10),
        },
    ),
    CONSTANT,
)

# The article's own numbers: plain SGD from 0.1 to 0.0001, here stepped at every update.
PRINTED = (
    Entry("cosine", lambda eta, T: Cosine(T, eta, 1e-4)),
    Entry("linear", lambda eta, T: Linear(T, eta, 1e-4)),
    STEP,
    Entry("constant", lambda eta, T: Constant(eta)),
)
AS_PRINTED = {"epochs": 50, "batch_size": 128, "data": FULL, "options": {}}

# Fine-tuned later: what the last fifth adds, and what it adds at a constant rate.
LAST_FIFTH = ("cosine@50 minus cosine@40", "constant@50 minus constant@40")
# Disrupted by a sudden change: the epoch after step's first drop, and the same epoch without one.
FIRST_DROP = ("step@26 minus step@25", "constant@26 minus constant@25")
_AHEAD = ("linear", "step", "exponential", "constant")

TRAIN_A_CNN = Evidence(
    "train_a_cnn",
    contests=(
        contest(WITHOUT, FAMILY, _settings(50)),
        contest(WITH, FAMILY, _settings(50, DECAY)),
        contest("as printed", PRINTED, AS_PRINTED, shared_peak=0.1),
    ),
    comparisons=(
        *(
            pair
            for regime in (WITHOUT, WITH)
            for pair in (
                *against(regime, "cosine", *_AHEAD),
                # Fast at first, after a fifth of the run; then before and after step's first drop.
                *(
                    (regime, f"cosine@{epoch}", f"{name}@{epoch}")
                    for epoch in (10, 20, 30)
                    for name in _AHEAD
                ),
                (regime, *LAST_FIFTH),
                (regime, *FIRST_DROP),
            )
        ),
        *against("as printed", "cosine", "linear", "step", "constant"),
    ),
    measures=(
        "test_accuracy",
        "test_loss",
        "half_test_accuracy",
        "half_test_loss",
        "training_accuracy",
        "training_loss",
        "gap_loss",
    ),
)


# ---------------------------------------------------------------------------- warm_restarts

# Doubling cycles of 3, 6 and 12 epochs; equal cycles of 7.
WHOLE, STOPPED = "21 epochs", "stopped after 9 of 21 epochs"
ENDS = (7, 14, 21)


def _doubling(eta: float, T: int) -> Schedule:
    return CosineWarmRestarts(T // 7, eta, T_mult=2, cycles=3)


def _ensemble(logs: Sequence[Any], trial: Trial) -> dict[str, float]:
    """What the mean of some predicted probabilities scores on the trial's test images."""
    labels = load_data(trial.data)[1].y_test.numpy()
    accuracy, loss = score(average(logs), labels)
    return {"test_accuracy": accuracy, "test_loss": loss}


def snapshots(contest: Contest, table: pd.DataFrame, seed: int) -> dict[str, float]:
    """The mean of the probabilities at the ends of the three equal cycles."""
    (trial,) = contest.at_best("equal", table, [seed])
    kept = studies.run([trial], workers=1, progress=False).snapshots[0]
    logs = [kept[epoch]["predictions"] for epoch in ENDS]
    return {"eta_max": trial.eta_max} | _ensemble(logs, trial)


def single_with_temperature(contest: Contest, table: pd.DataFrame, seed: int) -> dict[str, float]:
    """The last network of one cycle, with a temperature that is fitted on validation images."""
    (trial,) = contest.at_best("one cycle", table, [seed])
    kept = studies.run([trial], workers=1, progress=False).snapshots[0][trial.epochs]
    tau = fitted_temperature(kept["validation"], load_data(trial.data)[0].y_test.numpy())
    found = _ensemble([at_temperature(kept["predictions"], tau)], trial)
    return {"eta_max": trial.eta_max} | found


def three_short_runs(contest: Contest, table: pd.DataFrame, seed: int) -> dict[str, float]:
    """The mean of the probabilities of three independent runs, each a third as long."""
    trials = contest.at_best("short run", table, [seed, seed + 100, seed + 200])
    study = studies.run(trials, progress=False)
    logs = [study.snapshots[i][trials[i].epochs]["predictions"] for i in range(3)]
    return {"eta_max": trials[0].eta_max} | _ensemble(logs, trials[0])


WARM_RESTARTS = Evidence(
    "warm_restarts",
    contests=(
        contest(
            WHOLE,
            (
                Entry("one cycle", COSINE.schedule, settings={"snapshots": (21,)}),
                Entry("doubling", _doubling),
                Entry(
                    "equal",
                    lambda eta, T: CosineWarmRestarts(T // 3, eta, cycles=3),
                    settings={"snapshots": ENDS},
                ),
                Entry("short run", COSINE.schedule, settings={"epochs": 7, "snapshots": (7,)}),
                # More robust: what a peak does that is four times too high.
                Entry("one cycle, 4 times", COSINE.schedule, peak_from="one cycle", times=4),
                Entry("doubling, 4 times", _doubling, peak_from="doubling", times=4),
            ),
            _settings(21, DECAY),
        ),
        # The first nine epochs of runs that were planned for 21, and one that was planned for nine.
        contest(
            STOPPED,
            (
                Entry("planned for 9", COSINE.schedule),
                Entry("one cycle", lambda eta, T: Cosine(T * 21 / 9, eta)),
                Entry(
                    "doubling", lambda eta, T: CosineWarmRestarts(T // 3, eta, T_mult=2, cycles=3)
                ),
            ),
            _settings(9, DECAY),
        ),
    ),
    comparisons=(
        *against(WHOLE, "doubling", "one cycle"),
        *against(WHOLE, "equal", "one cycle"),
        *against(STOPPED, "doubling", "one cycle", "planned for 9"),
        *against(WHOLE, "snapshots", "one cycle", "single with temperature", "three short runs"),
        *against(WHOLE, "three short runs", "one cycle"),
        *against(WHOLE, "single with temperature", "one cycle"),
        *against(WHOLE, "doubling, 4 times", "one cycle, 4 times"),
        (WHOLE, what_it_costs("doubling"), what_it_costs("one cycle")),
    ),
    derived=(
        Derived("snapshots", WHOLE, snapshots),
        Derived("single with temperature", WHOLE, single_with_temperature),
        Derived("three short runs", WHOLE, three_short_runs),
    ),
    measures=("test_accuracy", "test_loss", "gap_loss"),
)


# ----------------------------------------------------------------------------------- rivals

RIVALS = (
    COSINE,
    Entry("WSD", lambda eta, T: WSD(T, T // 5, eta)),
    # Four triangles, which end at their floor; Smith takes a third or a quarter of the peak.
    Entry(
        "cyclical",
        {
            "floor 1/4": lambda eta, T: Cyclical(T / 8, eta, eta / 4, cycles=4),
            "floor 1/100": lambda eta, T: Cyclical(T / 8, eta, eta / 100, cycles=4),
        },
    ),
    # Wide residual networks: a fifth of the rate after 30, 60 and 80 % of the run.
    Entry(
        "step recipe",
        lambda eta, T: MultiStep([3 * T // 10, 6 * T // 10, 8 * T // 10], eta, gamma=0.2),
    ),
    # A constant rate under schedule-free SGD, whose peaks are of another size.
    Entry(
        "schedule-free",
        lambda eta, T: Constant(eta),
        centre=1.0,
        settings={"optimizer": SGDScheduleFree},
    ),
    # No schedule at all: what a schedule has to beat before it "enhances convergence".
    CONSTANT,
)
# SGDScheduleFree takes its momentum, and has no Nesterov switch.
_FREE = {"momentum": 0.9, "warmup_steps": 390}


def _rivals(weight_decay: float) -> tuple[Entry, ...]:
    own = _FREE | ({"weight_decay": weight_decay} if weight_decay else {})
    return tuple(
        replace(entry, settings={**entry.settings, "options": own})
        if entry.name == "schedule-free"
        else entry
        for entry in RIVALS
    )


_RIVAL_NAMES = ("WSD", "cyclical", "step recipe", "schedule-free", "constant")

RIVALS_STUDY = Evidence(
    "rivals",
    contests=(
        contest(WITHOUT, _rivals(0.0), _settings(20)),
        contest(WITH, _rivals(DECAY), _settings(20, DECAY)),
    ),
    comparisons=tuple(
        pair
        for regime in (WITHOUT, WITH)
        for pair in (
            *against(regime, "cosine", *_RIVAL_NAMES),
            *against(regime, "cyclical", "constant"),
        )
    ),
    measures=("test_accuracy", "test_loss", "half_test_accuracy", "half_test_loss", "gap_loss"),
)


# ---------------------------------------------------------------------- choosing_parameters

# The same number of updates, over fresh images or over a few images 20 times.
ONE_PASS, MANY, MANY_WITH = "one pass", "many passes", "many passes, weight decay 5e-4"
_ONCE = {"epochs": 1, "batch_size": 32, "data": FULL, "options": NESTEROV}
_OFTEN = _ONCE | {"epochs": 20, "data": replace(FULL, n_train=2500)}

LENGTHS: dict[str, Callable[[float, int], Schedule]] = {
    "T_max 0.5": lambda eta, T: Cosine(T / 2, eta),
    "T_max 1.25": lambda eta, T: Cosine(1.25 * T, eta),
    "T_max 2": lambda eta, T: Cosine(2 * T, eta),
}
FLOORS: dict[str, Callable[[float, int], Schedule]] = {
    "floor 1/1000": lambda eta, T: Cosine(T, eta, eta / 1000),
    "floor 1/100": lambda eta, T: Cosine(T, eta, eta / 100),
    "floor 1/10": lambda eta, T: Cosine(T, eta, eta / 10),
}
SHAPES = (COSINE, LINEAR, STEP, CONSTANT)

CHOICES = tuple(
    replace(entry, centre=0.02)
    for entry in (
        *SHAPES,
        *(Entry(name, schedule) for name, schedule in {**LENGTHS, **FLOORS}.items()),
        # What a wrong length or floor does where the peak is not tuned again.
        *(
            Entry(f"{name}, same peak", schedule, peak_from="cosine")
            for name, schedule in {**LENGTHS, **FLOORS}.items()
        ),
        # What a peak does that is four times too high.
        *(
            Entry(f"{entry.name}, 4 times", entry.schedule, peak_from=entry.name, times=4)
            for entry in SHAPES
        ),
    )
)

# A run of half the updates is over, and as many again may be spent. WSD goes on from its plateau.
PROLONGED = "prolonged"
LONGER = tuple(
    replace(entry, centre=0.02)
    for entry in (
        Entry("planned", lambda eta, T: Cosine(T, eta)),
        Entry("at the floor", lambda eta, T: Cosine(T // 2, eta, eta / 100)),
        Entry("re-warmed", lambda eta, T: CosineWarmRestarts(T // 2, eta, cycles=2)),
        Entry("WSD", lambda eta, T: WSD(T, T // 5, eta)),
    )
)

# Five folds of 40,000 and 10,000 images. Each of the twelve seeds chooses its peak for itself, once
# by the first fold alone and once by the mean of all five. The runs that chose are not judged: what
# a peak is worth is measured on the runs of the next seed. We changed this before the first row.
FOLDS = "folds"
_SPLIT = replace(FULL, n_train=40_000)
FOLD_NAMES = tuple(f"fold {k}" for k in range(5))
CHOOSING_SEEDS = tuple(range(1100, 1112))


def _chosen(table: pd.DataFrame, seed: int, folds: Sequence[int]) -> dict[str, float]:
    """The peak with the best mean validation accuracy in these folds, and what it is worth.

    That is the mean on test images of the next seed's five runs at this peak. (The last seed takes
    the first one's.)
    """
    runs = table[(table["contest"] == FOLDS) & (table["role"] == SEARCH)]
    own = runs[runs["seed"] == seed]
    scores = own.pivot(index="eta_max", columns="name", values="validation_accuracy")
    scores = scores.dropna()  # the peaks that every fold has tried, and at which no run diverged
    eta = float(scores[[FOLD_NAMES[k] for k in folds]].mean(axis=1).idxmax())
    following = CHOOSING_SEEDS[(CHOOSING_SEEDS.index(seed) + 1) % len(CHOOSING_SEEDS)]
    judges = runs[(runs["seed"] == following) & (runs["eta_max"] == eta)]
    if len(judges) != len(FOLD_NAMES):
        raise ValueError(f"seed {following} has {len(judges)} runs at the peak {eta:g}, not five")
    worth = judges[["test_accuracy", "test_loss"]].mean(skipna=False)  # NaN if a run diverged
    return {"eta_max": eta} | {name: float(value) for name, value in worth.items()}


def chosen_by_one_split(contest: Contest, table: pd.DataFrame, seed: int) -> dict[str, float]:
    """What the peak is worth that one split chooses."""
    return _chosen(table, seed, [0])


def chosen_by_folds(contest: Contest, table: pd.DataFrame, seed: int) -> dict[str, float]:
    """What the peak is worth that five folds choose."""
    return _chosen(table, seed, range(5))


CHOOSING_PARAMETERS = Evidence(
    "choosing_parameters",
    contests=(
        contest(ONE_PASS, CHOICES, _ONCE),
        contest(MANY, CHOICES, _OFTEN),
        contest(MANY_WITH, CHOICES, _OFTEN | {"options": NESTEROV | {"weight_decay": DECAY}}),
        contest(PROLONGED, LONGER, _ONCE),
        Contest(
            FOLDS,
            tuple(
                Entry(name, COSINE.schedule, 0.02, {"data": replace(_SPLIT, fold=k)})
                for k, name in enumerate(FOLD_NAMES)
            ),
            search_seeds=CHOOSING_SEEDS,
            judge_seeds=(),
            settings=_ONCE,
        ),
    ),
    comparisons=(
        *(
            pair
            for regime in (ONE_PASS, MANY, MANY_WITH)
            for pair in (
                *against(regime, "cosine", "constant", "linear", "step"),
                *((regime, name, "cosine") for name in (*LENGTHS, *FLOORS)),
                *((regime, f"{name}, same peak", "cosine") for name in (*LENGTHS, *FLOORS)),
                *((regime, f"{entry.name}, 4 times", entry.name) for entry in SHAPES),
                *against(regime, "cosine, 4 times", "constant, 4 times"),
                (regime, what_it_costs("cosine"), what_it_costs("constant")),
            )
        ),
        *((PROLONGED, name, "planned") for name in ("at the floor", "re-warmed", "WSD")),
        (FOLDS, "chosen by five folds", "chosen by one split"),
    ),
    measures=("test_accuracy", "test_loss", "gap_loss"),
    derived=(
        Derived("chosen by one split", FOLDS, chosen_by_one_split, CHOOSING_SEEDS),
        Derived("chosen by five folds", FOLDS, chosen_by_folds, CHOOSING_SEEDS),
    ),
)


# -------------------------------------------------------------------------------- combining

SHORT = 10  # epochs
UPDATES = SHORT * (FULL.n_train // 128)
RISE = warmup(Constant(0.95), updates=UPDATES, start=0.85)


@dataclass(frozen=True)
class SameEffect(Schedule):
    """The rate that has, at a `fixed` momentum, the effective rate of `rate` at `momentum`.

    The effective rate is the learning rate divided by 1 - momentum.
    """

    rate: Schedule
    momentum: Schedule
    fixed: float

    @property
    def length(self) -> float:
        """There is no update after which it is held."""
        return math.inf

    def formula(self, t: Any, xp: ArrayNamespace) -> Any:
        """The rate at `t`."""
        moving = self.momentum.formula(t, xp)
        return self.rate.formula(t, xp) * (1 - self.fixed) / (1 - moving)


WARM = Entry("warm-up and cosine", lambda eta, T: warmup(Cosine(T - T // 20, eta), T // 20))
ADAM_DECAYS = (0.1, 0.3, 1.0)


def _adam(name: str, schedule: Callable[[float, int], Schedule]) -> Entry:
    decays = {
        f"weight decay {decay:g}": {"options": {"weight_decay": decay}} for decay in ADAM_DECAYS
    }
    return Entry(name, dict.fromkeys(decays, schedule), 0.004, {"optimizer": "AdamW"}, decays)


NORMALISED, PLAIN = "warm-up, batch normalisation", "warm-up, no normalisation"
MOMENTUM, ADAMW, GRU = "momentum", "AdamW", "GRU"

COMBINING = Evidence(
    "combining",
    contests=(
        contest(NORMALISED, (COSINE, WARM), _settings(SHORT)),
        contest(
            PLAIN,
            (replace(COSINE, centre=0.05), replace(WARM, centre=0.05)),
            _settings(SHORT, model=plain_cnn),
        ),
        contest(
            MOMENTUM,
            (
                replace(COSINE, name="momentum 0.9"),
                Entry("rising momentum", COSINE.schedule, settings={"momentum": RISE}),
                Entry(
                    "same effective rate",
                    lambda eta, T: SameEffect(Cosine(T, eta), RISE, 0.9),
                    peak_from="rising momentum",
                ),
                Entry("momentum 0.9, 4 times", COSINE.schedule, peak_from="momentum 0.9", times=4),
                Entry(
                    "rising momentum, 4 times",
                    COSINE.schedule,
                    settings={"momentum": RISE},
                    peak_from="rising momentum",
                    times=4,
                ),
            ),
            _settings(SHORT),
        ),
        contest(
            ADAMW,
            (
                _adam("cosine", lambda eta, T: Cosine(T, eta)),
                _adam("constant", lambda eta, T: Constant(eta)),
            ),
            _settings(SHORT),
        ),
        contest(
            GRU,
            (replace(COSINE, centre=0.2), replace(CONSTANT, centre=0.2)),
            _settings(SHORT, model=SmallGRU),
        ),
    ),
    comparisons=(
        (NORMALISED, "warm-up and cosine", "cosine"),
        (PLAIN, "warm-up and cosine", "cosine"),
        *against(MOMENTUM, "rising momentum", "momentum 0.9", "same effective rate"),
        *against(MOMENTUM, "rising momentum, 4 times", "momentum 0.9, 4 times"),
        (MOMENTUM, what_it_costs("rising momentum"), what_it_costs("momentum 0.9")),
        (ADAMW, "cosine", "constant"),
        (GRU, "cosine", "constant"),
    ),
    measures=("test_accuracy", "test_loss", "gap_loss"),
)


# ----------------------------------------------------------------------------- local_minima

# Clouds of runs on a loss with two minima, 1,000 updates each: no images, no network.
CALM, HOT = "peak 0.1", "peak 0.3"
BEST_SHARE, BEST_LOSS = "best peak for escaping", "best peak for the loss"
_WALK = {"epochs": 1, "batch_size": 10, "data": Split(n_train=10_000, n_validation=10)}
WALKERS = (COSINE, LINEAR, STEP, replace(CONSTANT, centre=0.1))

LOCAL_MINIMA = Evidence(
    "local_minima",
    contests=(
        contest(CALM, WALKERS, _WALK, shared_peak=0.1),
        contest(HOT, WALKERS, _WALK, shared_peak=0.3),
        contest(BEST_SHARE, WALKERS, _WALK, by="validation_share"),
        contest(BEST_LOSS, WALKERS, _WALK, by="validation_height"),
    ),
    comparisons=tuple(
        pair
        for contest in (CALM, HOT, BEST_SHARE, BEST_LOSS)
        for pair in against(contest, "cosine", "constant", "linear", "step")
    ),
    measures=("test_share", "test_height"),
    walk=walk,
)

STUDIES = {
    study.name: study
    for study in (
        TRAIN_A_CNN,
        WARM_RESTARTS,
        RIVALS_STUDY,
        CHOOSING_PARAMETERS,
        COMBINING,
        LOCAL_MINIMA,
        LANGUAGE_MODEL,
    )
}
