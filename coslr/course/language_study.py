"""The study of a small language model: what is compared, fixed before the first run.

A Transformer with layer normalisation before each part reads Jane Austen's "Persuasion" and
predicts the next character (`coslr.experiments.text`). AdamW trains it with a weight decay of 0.1.
The loss decides here, and eight seeds are judged. Every run begins with a warm-up over a tenth of
its updates, unless the warm-up itself is on trial. The runs that cool down early leave the plateau
of the full run, so they have its warm-up.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from coslr._optional import extra
from coslr.course.rules import JUDGE_SEEDS, Derived, Evidence, against, contest
from coslr.experiments import studies
from coslr.experiments.contests import Contest, Entry
from coslr.experiments.ensembles import mean_weights
from coslr.experiments.models import SmallTransformer, post_norm_transformer
from coslr.experiments.one_trial import Snapshot, load_data
from coslr.experiments.text import Excerpt
from coslr.experiments.training import evaluate
from coslr.experiments.trials import Trial
from coslr.schedules import WSD, Constant, Cosine, Linear, Polynomial, Schedule, join, warmup

with extra("train"):
    import pandas as pd
    import torch

SEEDS = JUDGE_SEEDS[:8]
EPOCH = 150  # updates between two looks at the loss; the novel is drawn from at random
BATCH = 16
EPOCHS = 40
LENGTHS = (300, 600, 1200, 2400)  # updates of the shorter runs

SHORT = 1200 // EPOCH  # epochs of the contests on warm-up, and of the shorter one on weight decay
FULL_RUN, SHORT_RUN = f"{EPOCHS * EPOCH} updates", f"{SHORT * EPOCH} updates"
PRE, POST = "layer normalisation before", "layer normalisation after"
DECAYS = (0.1, 0.3, 1.0)


def _options(weight_decay: float) -> dict[str, Any]:
    """AdamW's. One fused call for all weights makes an update 6 % faster on a CPU."""
    return {"weight_decay": weight_decay, "fused": True}


def _settings(epochs: int, **more: Any) -> dict[str, Any]:
    return {
        "epochs": epochs,
        "batch_size": BATCH,
        "data": Excerpt(context=64, n_train=EPOCH * BATCH),
        "model": SmallTransformer,
        "optimizer": "AdamW",
        "options": _options(0.1),
        **more,
    }


def _contest(name: str, entries: tuple[Entry, ...], settings: Mapping[str, Any]) -> Contest:
    return contest(name, entries, settings, SEEDS, by="validation_loss")


def _entry(name: str, after: Callable[[float, int], Schedule], **more: Any) -> Entry:
    """A schedule that follows a warm-up over a tenth of the updates."""

    def schedule(eta: float, T: int) -> Schedule:
        return warmup(after(eta, T - T // 10), T // 10)

    return Entry(name, schedule, centre=0.004, **more)


COSINE = _entry("cosine", lambda eta, T: Cosine(T, eta))
CONSTANT = _entry("constant", lambda eta, T: Constant(eta))
UNWARMED = Entry("no warm-up", lambda eta, T: Cosine(T, eta), centre=0.004)

# ------------------------------------------------------------------------- decay or averaging

# After so many of the 40 epochs a run is judged: half, three quarters, and all of it.
MOMENTS = {" at half": EPOCHS // 2, " at three quarters": 3 * EPOCHS // 4, "": EPOCHS}
HALF_LIFE = 2  # epochs, of the exponential moving average


def _cooled(eta: float, T: int) -> Schedule:
    """Constant, with a linear cooldown over the last fifth."""
    return WSD(T, T * 2 // 9, eta)  # of the nine tenths after the warm-up


def laws_choice(eta: float, T: int) -> Schedule:
    """The shape that the multi-power law chose in lesson 11: a plateau, then a parabola to zero.

    The straight line, which the convex bound chose, is among the common schedules already.
    """
    return join([Constant(eta), Polynomial(T / 4, eta, power=2)], boundaries=[3 * T / 4])


def _plateau_then(epochs: int) -> Callable[[float, int], Schedule]:
    """The plateau of the full run, cooled down early so that it ends after so many epochs."""

    def schedule(eta: float, T: int) -> Schedule:
        rise = EPOCHS * EPOCH // 10
        return warmup(WSD(T - rise, epochs * EPOCH // 5, eta), rise)

    return schedule


def tail_weights(end: int) -> dict[int, float]:
    """Equal weights for the last fifth of the epochs up to `end`.

    >>> tail_weights(20)
    {17: 1.0, 18: 1.0, 19: 1.0, 20: 1.0}
    """
    return dict.fromkeys(range(end - end // 5 + 1, end + 1), 1.0)


def moving_weights(end: int) -> dict[int, float]:
    """Weights that halve with every `HALF_LIFE` epochs before `end`, over ten epochs.

    >>> [round(weight, 2) for weight in moving_weights(20).values()][-3:]
    [0.5, 0.71, 1.0]
    """
    return {epoch: 0.5 ** ((end - epoch) / HALF_LIFE) for epoch in range(end - 9, end + 1)}


AVERAGES = {"tail average": tail_weights, "moving average": moving_weights}
_KEPT = tuple(
    sorted({k for end in MOMENTS.values() for average in AVERAGES.values() for k in average(end)})
)


def mean_network(
    trial: Trial, kept: Mapping[int, Snapshot], weights: Mapping[int, float]
) -> torch.nn.Module:
    """The network whose weights are a mean over epochs of one run.

    Args:
        trial: of the run.
        kept: its snapshots by epoch, each with "weights".
        weights: epoch -> its share in the mean.
    """
    state = mean_weights([kept[epoch]["weights"] for epoch in weights], [*weights.values()])
    model = trial.model(size=trial.data.size, seed=trial.seed)
    model.load_state_dict({name: torch.as_tensor(value) for name, value in state.items()})
    return model


def averaged(
    contest: Contest, table: pd.DataFrame, seed: int, weights: Mapping[int, float]
) -> dict[str, float]:
    """What the mean over epochs of the plateau's network measures.

    Args:
        contest, table, seed: as `Derived` passes them.
        weights: as `mean_network` takes them.
    """
    (trial,) = contest.at_best("plateau", table, [seed])
    kept = studies.run([trial], workers=1, progress=False).snapshots[0]
    model = mean_network(trial, kept, weights)
    report = load_data(trial.data)[1]
    accuracy, loss = evaluate(model, report.x_test, report.y_test)
    return {"eta_max": trial.eta_max, "test_accuracy": accuracy, "test_loss": loss}


def _average(name: str, end: int) -> Callable[[Contest, pd.DataFrame, int], dict[str, float]]:
    weights = AVERAGES[name](end)
    return lambda contest, table, seed: averaged(contest, table, seed, weights)


# ------------------------------------------------------------------------------- the contests

DECAYING = (
    COSINE,
    _entry("cosine to a tenth", lambda eta, T: Cosine(T, eta, eta / 10)),
    _entry("linear", lambda eta, T: Linear(T, eta)),
    _entry("WSD", _cooled),
    _entry("law's choice", laws_choice),
    CONSTANT,
    # The plateau of WSD without its cooldown, and with a cooldown that begins earlier.
    _entry(
        "plateau",
        lambda eta, T: Constant(eta),
        peak_from="WSD",
        settings={"snapshots": _KEPT, "weights": True, "predictions": False},
    ),
    *(
        Entry(
            f"WSD{moment}",
            _plateau_then(end),
            peak_from="WSD",
            settings={"epochs": end},
        )
        for moment, end in MOMENTS.items()
        if moment
    ),
)


def _with_decay(decay: float) -> Entry:
    return replace(COSINE, name=f"weight decay {decay:g}", settings={"options": _options(decay)})


def _moments(pairs: Sequence[tuple[str, str]]) -> tuple[tuple[str, str, str], ...]:
    """Each pair at half, at three quarters and at the end; the plateau is one run at all three."""
    return tuple(
        (FULL_RUN, f"{a}{moment}", f"plateau@{end}" if b == "plateau" else f"{b}{moment}")
        for a, b in pairs
        for moment, end in MOMENTS.items()
    )


LANGUAGE_MODEL = Evidence(
    "language_model",
    contests=(
        *(
            _contest(f"{length} updates", (COSINE, CONSTANT), _settings(length // EPOCH))
            for length in LENGTHS
        ),
        _contest(PRE, (COSINE, UNWARMED), _settings(SHORT)),
        _contest(POST, (COSINE, UNWARMED), _settings(SHORT, model=post_norm_transformer)),
        _contest(FULL_RUN, DECAYING, _settings(EPOCHS)),
        *(
            _contest(f"decays, {name}", tuple(map(_with_decay, DECAYS)), _settings(epochs))
            for name, epochs in ((SHORT_RUN, SHORT), (FULL_RUN, EPOCHS))
        ),
    ),
    comparisons=(
        *(
            pair
            for length in LENGTHS
            for pair in against(f"{length} updates", "cosine", "constant")
        ),
        *against(PRE, "cosine", "no warm-up"),
        *against(POST, "cosine", "no warm-up"),
        *against(FULL_RUN, "cosine", "cosine to a tenth", "linear", "WSD", "constant"),
        *against(FULL_RUN, "law's choice", "cosine", "linear", "WSD"),
        *_moments([(average, "plateau") for average in AVERAGES]),
        *_moments([(average, "WSD") for average in AVERAGES]),
        *_moments([("WSD", "plateau")]),
        *(
            pair
            for name in (SHORT_RUN, FULL_RUN)
            for pair in against(
                f"decays, {name}", "weight decay 0.3", "weight decay 0.1", "weight decay 1"
            )
        ),
    ),
    measures=("test_loss", "test_accuracy", "gap_loss"),
    derived=tuple(
        Derived(f"{name}{moment}", FULL_RUN, _average(name, end), SEEDS)
        for name in AVERAGES
        for moment, end in MOMENTS.items()
    ),
)
