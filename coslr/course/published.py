"""The published language-model runs in ``notebooks/data/llm_schedules``, as lesson 11 reads them.

These are 235 runs by Hägele et al. (2024) and Schaipp et al. (2025), with their learning rates as
logged. Most of the lesson is about one model with 124 million parameters, which was trained under
many schedules, peaks and lengths: see `runs_of_the_model`. `law` fits a law to a few of its runs,
and `ends` compares the predictions with the rest. Numbers in the lesson's text cite these
functions.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from coslr._arguments import require
from coslr._arrays import Array
from coslr._optional import extra
from coslr.schedules import WSD, Constant, Cosine, Linear, Schedule
from coslr.theory import LossLaw, fit_loss_law, tuned_bound

with extra("train"):
    import pandas as pd
    from scipy.stats import spearmanr, t

MODEL, DATASET = 123_587_328, "slimpajama"  # parameters, and what most runs were trained on
PEAK = 0.001  # of the runs to which the law is fitted
# A cosine to a tenth of the peak over 15,000 updates, the same over 50,000, and no decay at all.
FITTED = (124, 127, 190)
# Runs with these in common are repeats of each other. `floor` is a share of the peak, because a log
# may state a floor of 1e-7 or of 0.
SETTINGS = [
    *("parameters", "dataset", "schedule", "decay_shape", "decay_fraction", "eta_max", "floor"),
    *("updates", "warmup", "batch_tokens", "seed"),
]


class Curve(NamedTuple):
    """One run: the rate at each update, and the losses with the updates after which they hold."""

    rates: Array
    updates: Array
    losses: Array


class Ends(NamedTuple):
    """Predicted and measured losses at the ends of runs, in the same order.

    The measured ones are the curves' last points, on 32 batches, as are all that a law is fitted
    to. The table's `final_val_loss` is on the whole validation set and differs a little.
    """

    runs: Array
    predicted: Array
    measured: Array

    @property
    def error(self) -> float:
        """The mean distance between the two, in nats."""
        return float(np.abs(self.predicted - self.measured).mean())

    @property
    def furthest(self) -> float:
        """The largest distance, in nats."""
        return float(np.abs(self.predicted - self.measured).max())

    @property
    def order(self) -> float:
        """Spearman's rank correlation of the two."""
        return float(spearmanr(self.predicted, self.measured).statistic)


def data_folder() -> Path:
    """Where the published runs are in a clone of the course."""
    return Path(__file__).resolve().parents[2] / "notebooks" / "data" / "llm_schedules"


@lru_cache(maxsize=1)
def all_runs() -> pd.DataFrame:
    """All 235 runs, by their number, with the columns of the README and two more.

    `floor` is the lowest rate as a share of the peak, to three decimals. `label` names the
    schedule: "cosine to zero", "cosine to a tenth", "linear to zero", "constant", or
    "cooldown 20 %", perhaps with "square root" behind it. A run that goes on from another one at a
    lower plateau has no label.

    Example:
        >>> len(all_runs()), all_runs()["label"][127]
        (235, 'cosine to a tenth')
    """
    table = pd.read_csv(data_folder() / "all_runs.csv", index_col="run")
    table["floor"] = (table["eta_min"] / table["eta_max"]).round(3)
    table["label"] = [_label(run) for _, run in table.iterrows()]
    return table


def _label(run: "pd.Series[Any]") -> str:
    if run["schedule"] == "cosine":
        return "cosine to a tenth" if run["floor"] > 0.05 else "cosine to zero"
    if run["schedule"] != "wsd":
        return ""
    if run["decay_fraction"] == 0:
        return "constant"
    if run["decay_fraction"] > 0.99:
        return "linear to zero"
    shape = ", square root" if run["decay_shape"] == "sqrt" else ""
    return f"cooldown {100 * run['decay_fraction']:.0f} %{shape}"


@lru_cache(maxsize=1)
def _all_curves() -> pd.DataFrame:
    return pd.read_csv(data_folder() / "all_curves.csv.gz").set_index("run")


def runs_of_the_model(
    peak: float | None = None, updates: int | None = None, label: str | None = None
) -> pd.DataFrame:
    """The runs with 124 million parameters on SlimPajama, all of them or some.

    Args:
        peak, updates, label: keep only runs with this peak, this length or this schedule.

    Example:
        >>> len(runs_of_the_model()), len(runs_of_the_model(peak=0.001))
        (153, 41)
    """
    table = all_runs()
    chosen = (table["parameters"] == MODEL) & (table["dataset"] == DATASET)
    for column, value in (("eta_max", peak), ("updates", updates), ("label", label)):
        if value is not None:
            chosen &= table[column] == value
    return table[chosen]


@lru_cache(maxsize=1)
def repeat_deviation() -> float:
    """The standard deviation of the final loss between runs with equal settings, in nats.

    Twenty settings were run twice, with the same seed. The runs that diverged are not among them.

    Example:
        >>> round(repeat_deviation(), 4)
        0.0011
    """
    return float(np.sqrt(variances_of_repeats().mean()))


def band() -> float:
    """How far two single runs must be apart to count as different, in nats.

    In 95 of 100 cases, two runs with equal settings are nearer to each other.

    Example:
        >>> round(band(), 4)
        0.0033
    """
    pairs = len(variances_of_repeats())
    return float(t.ppf(0.975, pairs) * np.sqrt(2) * repeat_deviation())


@lru_cache(maxsize=1)
def variances_of_repeats() -> Array:
    """The variance of the two final losses, for each of the settings that were run twice."""
    losses = all_runs().groupby(SETTINGS, dropna=False)["final_val_loss"]
    variances: Array = losses.var()[losses.count() == 2].to_numpy()
    return variances


@lru_cache(maxsize=100)
def loss(label: str, peak: float | None = None, updates: int = 50_000) -> float:
    """The final loss of the model under a schedule, averaged over repeats, in nats.

    Args:
        label: of the schedule, as in `all_runs`.
        peak: the highest rate; None is the best of those that were tried.
        updates: length of the run.

    Raises:
        ValueError: there is no such run.

    Example:
        >>> round(loss("constant", 0.001), 3), round(loss("cosine to zero"), 3)
        (3.141, 2.954)
    """
    found = runs_of_the_model(peak, updates, label)
    require(len(found) > 0, "label", (label, peak, updates), "a schedule that was published")
    return float(found.groupby("eta_max")["final_val_loss"].mean().min())


def best_peak(label: str, updates: int = 50_000) -> float:
    """The peak at which the model ended lowest under a schedule; the arguments of `loss`.

    Example:
        >>> best_peak("cosine to zero"), best_peak("cosine to a tenth")
        (0.002, 0.001)
    """
    found = runs_of_the_model(updates=updates, label=label)
    require(len(found) > 0, "label", (label, updates), "a schedule that was published")
    return float(found.groupby("eta_max")["final_val_loss"].mean().idxmin())


@lru_cache(maxsize=300)
def curve(run: int) -> Curve:
    """The loss curve of a run after its warm-up, and its rates.

    Rates between two logged ones are on a straight line. A run that branches off another one has
    only its own part of the losses, but all rates.

    Args:
        run: number of a run.

    Raises:
        ValueError: there is no such run.

    Example:
        >>> run = curve(127)
        >>> len(run.rates), int(run.updates[-1]), float(run.losses[-1])
        (50000, 49800, 2.94626)
    """
    table = all_runs()
    require(run in table.index, "run", run, f"a number from 0 to {table.index.max()}")
    about = table.loc[run]
    logged = _all_curves().loc[run]
    logged = logged[logged["update"] > about["warmup"]]
    # The log of a branch begins without a rate, which is the plateau's.
    rates = np.interp(
        np.arange(about["updates"]),
        [0, about["warmup"], *logged["update"]],
        [0, about["eta_max"], *logged["rate"].fillna(about["eta_max"])],
    )
    return Curve(rates, logged["update"].to_numpy(), logged["val_loss"].to_numpy())


@lru_cache(maxsize=10)
def branches(root: int) -> frozenset[int]:
    """The runs that go on from a checkpoint of another one.

    Their first logged loss is that of the other run at the same update, to the last digit.

    Args:
        root: number of the other run.

    Example:
        >>> len(branches(190)), 52 in branches(190)
        (16, True)
    """
    trunk = curve(root)
    # Branches of one trunk share their first loss, and none of them is a branch of another.
    known = dict(zip(trunk.updates[1:], trunk.losses[1:], strict=True))
    found = set()
    for run in all_runs().index.drop(root):
        _, updates, losses = curve(run)
        if known.get(updates[0]) == losses[0]:
            found.add(int(run))
    return frozenset(found)


# The multi-power law fitted to FITTED. The fit takes ten seconds, so its result is kept here, and a
# test fits the law again. β and γ are at the highest values that the fit allows.
MULTI_POWER = LossLaw(
    "multi-power",
    {
        "L0": 2.774833,
        "A": 0.889005,
        "alpha": 0.513077,
        "B": 210.2034,
        "C": 0.000828875,
        "beta": 3.0,
        "gamma": 1.0,
    },
)


@lru_cache(maxsize=100)
def law(fitted: tuple[int, ...] = FITTED, kind: str = "annealing") -> LossLaw:
    """The law fitted to some runs.

    Args:
        fitted: numbers of the runs.
        kind: "annealing" or "multi-power", as in `coslr.loss_laws.fit_loss_law`.

    Example:
        >>> round(law().parameters["L0"], 2)
        2.78
    """
    if (fitted, kind) == (FITTED, "multi-power"):
        return MULTI_POWER
    rates, updates, losses = zip(*(curve(run) for run in fitted), strict=True)
    return fit_loss_law(rates, updates, losses, law=kind)


@lru_cache(maxsize=300)
def ends(
    fitted: tuple[int, ...] = FITTED,
    peak: float = PEAK,
    updates: int | None = None,
    label: str | None = None,
    kind: str = "annealing",
) -> Ends:
    """Predicted and measured losses at the ends of the model's runs that the law has not seen.

    Args:
        fitted: numbers of the runs to which the law is fitted; they are left out.
        peak, updates, label: which runs are predicted, as in `runs_of_the_model`. Runs that
            diverged are left out.
        kind: of the law.

    Example:
        >>> found = ends()
        >>> len(found.runs), round(found.error, 4)
        (38, 0.0119)
    """
    table = runs_of_the_model(peak, updates, label)
    others = table.index[~table.index.isin(fitted) & (table["final_val_loss"] < 5)]
    predicted, measured = [], []
    for run in others:
        rates, counts, losses = curve(run)
        # The multi-power law has no value at a rate of 0, which the warm-up begins with.
        seen = np.maximum(rates[: int(counts[-1])], 1e-12)
        predicted.append(law(fitted, kind).objective(seen)[0])
        measured.append(losses[-1])
    return Ends(np.array(others), np.array(predicted), np.array(measured))


def mean_error(fitted: tuple[int, ...] = FITTED, peak: float = PEAK) -> float:
    """The mean distance of predicted and measured losses over the runs that were left out, in nats.

    Args:
        fitted, peak: as in `ends`.

    Example:
        >>> round(mean_error(peak=0.002), 3)
        0.041
    """
    return ends(fitted, peak).error


def order_of_cooldowns(fitted: tuple[int, ...] = FITTED, updates: int = 50_000) -> float:
    """How well the law ranks straight cooldowns over 10 to 90 % of a run (Spearman's correlation).

    Args:
        fitted: as in `ends`.
        updates: length of the runs.

    Example:
        >>> round(order_of_cooldowns(), 2)
        0.26
    """
    found = ends(fitted, PEAK, updates)
    table = pd.DataFrame({"predicted": found.predicted, "measured": found.measured})
    labels = all_runs().loc[found.runs, "label"].to_numpy()
    of_label = table.groupby(labels).mean()  # repeats count once
    straight = of_label[of_label.index.str.fullmatch(r"cooldown \d+ %")]
    return float(spearmanr(straight["predicted"], straight["measured"]).statistic)


def error_without_law(label: str = "cosine to a tenth") -> float:
    """The error of a guess that needs no law: another run of the same length, of one schedule.

    It knows the lengths that this schedule has runs of, and it is asked about other runs of these
    lengths that decay, at the peak of 0.001. In nats.

    Args:
        label: the schedule whose last loss is the guess, such as "cooldown 20 %".

    Example:
        >>> round(error_without_law(), 3), round(error_without_law("cooldown 20 %"), 3)
        (0.018, 0.01)
    """
    table = runs_of_the_model(PEAK)
    last = pd.Series({run: curve(run).losses[-1] for run in table.index})
    is_guess = table["label"] == label
    guess = last[is_guess].groupby(table["updates"]).mean()
    others = table[~is_guess & (table["label"] != "constant") & table["updates"].isin(guess.index)]
    return float((last[others.index] - others["updates"].map(guess)).abs().mean())


def order_of_the_bound(updates: int = 50_000) -> float:
    """How well the convex bound ranks the published schedules (Spearman's correlation).

    The bound is the one at each schedule's best scale, and the loss the one at its best peak.

    Args:
        updates: length of the runs; the bound is computed for a run of 1,000.

    Example:
        >>> order_of_the_bound() > 0.8
        True
    """
    labels = [*runs_of_the_model(updates=updates)["label"].unique()]
    bounds = [tuned_bound(_shape_of(label))[1] for label in labels]
    losses = [loss(label, updates=updates) for label in labels]
    return float(spearmanr(bounds, losses).statistic)


def _shape_of(label: str, updates: int = 1000) -> Array:
    """The shape behind a label, with a peak of 1 and without the warm-up."""
    schedules: dict[str, Schedule] = {
        "constant": Constant(1.0),
        "cosine to zero": Cosine(updates, 1.0),
        "cosine to a tenth": Cosine(updates, 1.0, 0.1),
        "linear to zero": Linear(updates, 1.0),
    }
    if label not in schedules:
        share = float(label.split()[1]) / 100
        shape = "sqrt" if label.endswith("square root") else "linear"
        schedules[label] = WSD(updates, share * updates, 1.0, shape=shape)
    return np.asarray(schedules[label](np.arange(updates)))
