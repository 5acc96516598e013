"""The evidence: the course's studies at the article's own size, run once and kept as tables.

    python -m coslr.course.evidence train_a_cnn

trains what the tables in ``notebooks/evidence`` lack, and adds each finished trial to its table at
once. So a study can be stopped at any time, go on later, and move to another machine.

**The rules, fixed before the first run of a study.** Each study is a list of contests (see
`coslr.experiments.contests`): five peaks and one refinement for each schedule, chosen by validation
accuracy with the search seeds, then judged by test images with other seeds. Outcomes follow
`coslr.experiments.outcomes`. No study of the first edition used a seed from 900 on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coslr.experiments.contests import Contest, Entry
from coslr.experiments.trials import Split
from coslr.schedules import Constant, Cosine, Exponential, Linear, MultiStep

SEARCH_SEEDS = (900, 901)
JUDGE_SEEDS = tuple(range(1000, 1012))

# All of Fashion-MNIST, averaged over 2x2 pixels; its own 10,000 test images for the report.
FULL = Split(n_train=50_000, n_validation=10_000, size=14, full=True)


@dataclass(frozen=True)
class Evidence:
    """One study of the evidence.

    Attributes:
        name: the lesson that it belongs to, without its number.
        contests: in the order in which they run.
        comparisons: which pairs are compared, as (contest, a, b).
        measures: columns of the table; the first decides.
    """

    name: str
    contests: tuple[Contest, ...]
    comparisons: tuple[tuple[str, str, str], ...]
    measures: tuple[str, ...] = ("test_accuracy", "test_loss")


# ------------------------------------------------------------------------------ train_a_cnn

# The article's example: a CNN, 50 epochs. It names no weight decay; SGDR trains with 5e-4.
WITHOUT, WITH = "no weight decay", "weight decay 5e-4"
NESTEROV = {"momentum": 0.9, "nesterov": True}

FAMILY = (
    Entry("cosine", lambda eta, T: Cosine(T, eta)),
    Entry("linear", lambda eta, T: Linear(T, eta)),
    Entry("step", lambda eta, T: MultiStep([T // 2, 3 * T // 4], eta)),
    Entry(
        "exponential",
        {
            "to 1/1000": lambda eta, T: Exponential(T, eta, eta / 1000),
            "to 1/100": lambda eta, T: Exponential(T, eta, eta / 100),
            "to 1/10": lambda eta, T: Exponential(T, eta, eta / 10),
        },
    ),
    Entry("constant", lambda eta, T: Constant(eta), centre=0.025),
)

# The article's own numbers: plain SGD from 0.1 to 0.0001, here stepped at every update.
PRINTED = (
    Entry("cosine", lambda eta, T: Cosine(T, eta, 1e-4)),
    Entry("linear", lambda eta, T: Linear(T, eta, 1e-4)),
    Entry("step", lambda eta, T: MultiStep([T // 2, 3 * T // 4], eta)),
    Entry("constant", lambda eta, T: Constant(eta)),
)


def _article_size(options: Mapping[str, Any]) -> dict[str, Any]:
    return {"epochs": 50, "batch_size": 128, "data": FULL, "options": dict(options)}


TRAIN_A_CNN = Evidence(
    "train_a_cnn",
    contests=(
        Contest(WITHOUT, FAMILY, SEARCH_SEEDS, JUDGE_SEEDS, _article_size(NESTEROV)),
        Contest(
            WITH,
            FAMILY,
            SEARCH_SEEDS,
            JUDGE_SEEDS,
            _article_size({**NESTEROV, "weight_decay": 5e-4}),
        ),
        Contest(
            "as printed", PRINTED, SEARCH_SEEDS, JUDGE_SEEDS, _article_size({}), shared_peak=0.1
        ),
    ),
    comparisons=(
        *((regime, "cosine", other) for regime in (WITHOUT, WITH)
          for other in ("linear", "step", "exponential", "constant")),
        *(("as printed", "cosine", other) for other in ("linear", "step", "constant")),
    ),
    # At the end, at half of the budget in the same runs, and on the training images.
    measures=(
        "test_accuracy",
        "test_loss",
        "half_test_accuracy",
        "half_test_loss",
        "training_accuracy",
        "training_loss",
    ),
)  # fmt: skip

STUDIES = {study.name: study for study in (TRAIN_A_CNN,)}


# ----------------------------------------------------------------------------- the tables


def evidence_folder() -> Path:
    """Where the tables are: ``notebooks/evidence`` beside the package, in a clone of the course."""
    return Path(__file__).resolve().parents[2] / "notebooks" / "evidence"


def load(name: str, folder: Path | None = None) -> pd.DataFrame:
    """The table of a study: one row per finished trial; an empty one before the first run.

    Raises:
        ValueError: there is no study of this name.
    """
    require(name in STUDIES, "name", name, f"one of {', '.join(STUDIES)}")
    file = (folder or evidence_folder()) / f"{name}.csv"
    return pd.read_csv(file) if file.is_file() else pd.DataFrame(columns=ROW)


def rows_of(study: studies.Study, half: bool = True) -> Iterable[dict[str, Any]]:
    """The rows of finished trials, as the tables keep them."""
    machine = _machine()
    for i, trial in enumerate(study.trials):
        ended = study.table.iloc[i]
        row = {column: ended[column] for column in ROW}
        curve = study.curves[study.curves["trial"] == i]
        row |= {"updates": int(curve["update"].iloc[-1]), "status": ended["status"]}
        halfway = curve[curve["epoch"] == trial.epochs // 2].iloc[0] if half else {}
        for measure in studies.MEASURES:
            row[measure] = round(float(ended[measure]), 6)
        for measure in ("test_accuracy", "test_loss"):
            if half:
                row[f"half_{measure}"] = round(float(halfway[measure]), 6)
        for measure in ("training_accuracy", "training_loss"):
            row[measure] = round(float(ended[measure]), 6)
        yield row | {"machine": machine}


def _machine() -> str:
    """The processor that trained, without the machine's name."""
    kind = ""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        models = [line for line in cpuinfo.read_text().splitlines() if "model name" in line]
        kind = models[0].partition(":")[2].strip() if models else ""
    return f"{kind or platform.processor() or 'unknown'} ({platform.machine()})"
