"""The evidence: the course's studies at the article's own size, run once and kept as tables.

    python -m coslr.course.evidence train_a_cnn

trains what the tables in ``notebooks/evidence`` lack, and adds each finished trial to its table at
once. So a study can be stopped at any time, go on later, and move to another machine.

**The rules, fixed before the first run of a study.**

* Each study is a list of contests (see `coslr.experiments.contests`). Every schedule gets five
  peaks and one refinement, extended in the same way where the best is at an edge. The mean
  validation accuracy of the search seeds chooses. A ratio that the shape depends on, such as an
  exponential's floor, is searched too, so that schedule gets more effort, not less.
* Other seeds are judged, at the chosen peak alone, on test images. No study of the first edition
  used a seed from 900 on.
* A study lists its comparisons. `coslr.experiments.outcomes` says what counts as better, worse,
  equivalent or open, and gives the margins. The first measure decides; the others are shown.
* Measures that begin with "half" are those of the same runs at half of the budget. ``gap_loss`` is
  the test loss less the training loss, both at the end: how much a run has overfitted.
"""

import argparse
import contextlib
import json
import os
import platform
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from coslr._arguments import require
from coslr._optional import extra
from coslr.experiments import studies
from coslr.experiments.contests import JUDGE, ROW, Contest, Entry
from coslr.experiments.trials import MEASURES, Split, Trial
from coslr.schedules import Constant, Cosine, Exponential, Linear, MultiStep

with extra("train"):
    import joblib
    import pandas as pd

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

    def pending(self, table: pd.DataFrame) -> list[Trial]:
        """What the first contest that is not over asks for next; none when all are over."""
        return next((wanted for contest in self.contests if (wanted := contest.pending(table))), [])


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
        "gap_loss",
    ),
)  # fmt: skip

STUDIES = {study.name: study for study in (TRAIN_A_CNN,)}


# ------------------------------------------------------------------------------- the tables


def evidence_folder() -> Path:
    """Where the tables are in a clone of the course: ``notebooks/evidence``."""
    return Path(__file__).resolve().parents[2] / "notebooks" / "evidence"


def load(name: str, folder: Path | None = None) -> pd.DataFrame:
    """The table of a study, one row per finished trial; an empty one before the first run.

    Args:
        name: of the study, or of its curves, such as "train_a_cnn-curves".
        folder: where the tables are; None is `evidence_folder()`.

    Raises:
        ValueError: there is no study of this name.
    """
    study = name.removesuffix("-curves")
    require(study in STUDIES, "name", name, f"one of {', '.join(STUDIES)}")
    file = (folder or evidence_folder()) / f"{name}.csv"
    return pd.read_csv(file) if file.is_file() else pd.DataFrame(columns=ROW)


def collect(study: Evidence, folder: Path | None = None, workers: int | None = None) -> None:
    """Train what the study's table lacks, and add each finished trial to it at once.

    Args:
        study: what to train.
        folder: where the tables are; None is `evidence_folder()`.
        workers: processes; None is one for each processor core.

    Raises:
        RuntimeError: a trial failed, for instance because the images are missing.
    """
    folder = folder or evidence_folder()
    table, curves = load(study.name, folder), load(f"{study.name}-curves", folder)
    workers = workers or joblib.cpu_count()
    while pending := study.pending(table):
        started = time.monotonic()
        # Trials of one study take the same time, so a few at once keep every process busy.
        finished = studies.run(pending[:workers], workers=workers, progress=False)
        # A failure, unlike a divergence, says nothing of a schedule, so it becomes no row.
        failed = finished.table["status"].str.startswith("failed")
        if failed.any():
            raise RuntimeError(f"{study.name}: {finished.table['status'][failed].iloc[0]}")
        table = _joined(study, table, pd.DataFrame(_rows(finished)))
        curves = _joined(study, curves, pd.DataFrame(_curve_rows(finished)))
        _write(folder / f"{study.name}-curves.csv", curves.to_csv(index=False))
        _write(folder / f"{study.name}.csv", table.to_csv(index=False))
        _note(folder, study.name, table, time.monotonic() - started)
        print(f"{study.name}: {len(table)} trials are done", flush=True)


def _rows(study: studies.Study) -> Iterator[dict[str, Any]]:
    """What the table keeps of each trial."""
    machine = _machine()
    for i, trial in enumerate(study.trials):
        ended, curve = study.table.iloc[i], study.curves[study.curves["trial"] == i]
        halfway = curve[curve["epoch"] == trial.epochs // 2].iloc[0]
        row = {column: ended[column] for column in (*ROW, "status")}
        row |= {"updates": int(curve["update"].iloc[-1])}
        row |= {measure: round(float(ended[measure]), 6) for measure in MEASURES}
        for measure in ("test_accuracy", "test_loss"):
            row[f"half_{measure}"] = round(float(halfway[measure]), 6)
        row["gap_loss"] = round(row["test_loss"] - row["training_loss"], 6)
        yield row | {"machine": machine}


def _curve_rows(study: studies.Study) -> Iterator[dict[str, Any]]:
    """The test curves of judged trials, for figures."""
    for i, trial in enumerate(study.trials):
        if dict(trial.extras)["role"] == JUDGE:
            ended = study.table.iloc[i]
            for _, row in study.curves[study.curves["trial"] == i].iterrows():
                yield {column: ended[column] for column in ROW} | {
                    "epoch": row["epoch"],
                    "test_accuracy": round(row["test_accuracy"], 4),
                    "test_loss": round(row["test_loss"], 4),
                }


def _joined(study: Evidence, table: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Both tables in the order of the study, whatever the order in which trials were finished."""
    both = pd.concat([part for part in (table, new) if len(part)] or [table], ignore_index=True)
    if not len(both):
        return both
    # A process killed between the two tables has written curves whose trials come again.
    both = both.drop_duplicates([*ROW, *(["epoch"] if "epoch" in both else [])], keep="last")
    contests = {contest.name: i for i, contest in enumerate(study.contests)}
    entries = [entry.name for contest in study.contests for entry in contest.entries]
    order = pd.DataFrame(
        {
            "contest": both["contest"].map(contests),
            "name": both["name"].map(entries.index),
            "role": both["role"] == JUDGE,
            "variant": both["variant"],
            "eta_max": both["eta_max"],
            "seed": both["seed"],
            "epoch": both.get("epoch", 0),
        }
    )
    return both.loc[order.sort_values([*order.columns]).index].reset_index(drop=True)


def _write(file: Path, text: str) -> None:
    """Write beside the file and move in one step, so that a killed run leaves whole tables."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text(text, encoding="utf-8", newline="\n")
    os.replace(part, file)


def _note(folder: Path, name: str, table: pd.DataFrame, seconds: float) -> None:
    """Add to the manifest how long the study has run, under which commits and releases."""
    file = folder / "manifest.json"
    manifest = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    entry = manifest.setdefault(name, {"commits": [], "releases": [], "hours": 0.0})
    entry["hours"] = round(entry["hours"] + seconds / 3600, 3)
    entry["trials"] = len(table)
    releases = {package: version(package) for package in ("coslr", "torch", "numpy")}
    releases["python"] = platform.python_version()
    for known, now in ((entry["commits"], _commit()), (entry["releases"], releases)):
        if now not in known:
            known.append(now)
    _write(file, json.dumps(manifest, indent=1, sort_keys=True) + "\n")


def _commit() -> str:
    """The commit of the code that trains, "" outside a clone."""
    git = ["git", "rev-parse", "--short=12", "HEAD"]
    with contextlib.suppress(OSError):
        found = subprocess.run(git, cwd=Path(__file__).parent, capture_output=True, text=True)
        return found.stdout.strip()
    return ""


def _machine() -> str:
    """The kind of processor that trained, not the machine's name."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    kinds = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{(kinds or [platform.processor() or 'unknown'])[0]}, {platform.machine()}"


def main() -> None:
    """Collect the studies that the command line names; all where it names none."""
    parser = argparse.ArgumentParser(description="Train what the tables of the evidence lack.")
    parser.add_argument("studies", nargs="*", metavar="STUDY", help=", ".join(STUDIES))
    parser.add_argument("--workers", type=int, help="processes; one for each core by default")
    arguments = parser.parse_args()
    for name in arguments.studies or STUDIES:
        require(name in STUDIES, "STUDY", name, f"one of {', '.join(STUDIES)}")
        collect(STUDIES[name], workers=arguments.workers)


if __name__ == "__main__":
    main()
