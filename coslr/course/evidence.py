"""The evidence: the course's studies at the article's own size, run once and kept as tables.

    python -m coslr.course.evidence train_a_cnn

trains what the tables in ``notebooks/evidence`` lack, and adds each finished trial to its table at
once. So a study can be stopped at any time, go on later, and move to another machine.

`coslr.course.protocol` says what the studies are, and which rules were fixed before the first run.
"""

import argparse
import contextlib
import json
import os
import platform
import subprocess
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from coslr._arguments import require
from coslr._optional import extra
from coslr.course.protocol import STUDIES
from coslr.course.rules import Evidence
from coslr.experiments import studies
from coslr.experiments.comparisons import Standings
from coslr.experiments.contests import JUDGE, ROW
from coslr.experiments.keys import trial_fingerprint
from coslr.experiments.trials import MEASURES, Trial

with extra("train"):
    import joblib
    import pandas as pd

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
        FileNotFoundError: coslr was installed without the clone that holds the tables.
    """
    study = name.removesuffix("-curves")
    require(study in STUDIES, "name", name, f"one of {', '.join(STUDIES)}")
    if folder is None and not evidence_folder().is_dir():
        raise FileNotFoundError(
            f"The tables of the evidence are not in {evidence_folder()}: they come with a clone of "
            'the course, so install coslr from one, with pip install -e ".[course]".'
        )
    file = (folder or evidence_folder()) / f"{name}.csv"
    return pd.read_csv(file) if file.is_file() else pd.DataFrame(columns=ROW)


def collect(study: Evidence, folder: Path | None = None, workers: int | None = None) -> None:
    """Train what the study's table lacks, and add each finished trial to it at once.

    Two contests may ask for the same run under two names. It is trained once.

    Args:
        study: what to train.
        folder: where the tables are; None is `evidence_folder()`.
        workers: processes; None is one for each processor core.

    Raises:
        RuntimeError: a trial failed, for instance because the images are missing.
    """
    folder = folder or evidence_folder()
    workers = workers or joblib.cpu_count()
    while pending := study.pending(table := load(study.name, folder)):
        started = time.monotonic()
        rows, curves = _taken_over(study, folder, table, pending)
        if len(rows):
            _add(study, folder, rows, curves, started)
            continue
        # Trials of one contest take about the same time, so a few at once keep every process busy.
        if study.walk is None:
            rows, curves = _train(study.name, pending[:workers], workers)
        else:
            rows, curves = study.walk(pending).round(6), pd.DataFrame()
        _add(study, folder, rows.assign(machine=_machine()), curves, started)
    started = time.monotonic()
    for row in _derived(study, load(study.name, folder)):
        _add(study, folder, pd.DataFrame([row]), pd.DataFrame(), started)
        started = time.monotonic()


def standings(name: str, contest: str, folder: Path | None = None) -> Standings:
    """The standings of a contest of the evidence, as far as its tables go.

    Args:
        name: of the study.
        contest: of the contest in it.
        folder: where the tables are; None is `evidence_folder()`.

    Raises:
        ValueError: there is no such study or contest.

    Example:
        >>> standings("train_a_cnn", "no weight decay").contest.judge_seeds[0]
        1000
    """
    table, curves = load(name, folder), load(f"{name}-curves", folder)
    study = STUDIES[name]
    derived = {made.name: made.seeds for made in study.derived if made.contest == contest}
    own = study.contest(contest)
    return Standings(own, table, curves, study.measures, derived)


def _train(name: str, trials: list[Trial], workers: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What the two tables keep of these trials."""
    finished = studies.run(trials, workers=workers, progress=False)
    finished.refuse_failures(name)
    return _rows(finished), _curve_rows(finished)


def _taken_over(
    study: Evidence, folder: Path, table: pd.DataFrame, pending: list[Trial]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows and curves of pending trials that are in the tables under other names.

    The store, too, tells trials apart by their fingerprints, but it knows those of one machine.
    """

    def run(trial: Trial) -> tuple[str, str]:
        return dict(trial.extras)["role"], trial_fingerprint(trial)

    known = {
        run(trial): index for contest in study.contests for index, trial in contest.trained(table)
    }
    found = {known[key]: trial for trial in pending if (key := run(trial)) in known}
    if not found:
        return pd.DataFrame(), pd.DataFrame()
    rows = table.loc[[*found]].reset_index(drop=True)
    own = [vars(trial) | dict(trial.extras) for trial in found.values()]
    new = pd.DataFrame(own)[ROW].add_prefix("new ")
    curves = load(f"{study.name}-curves", folder).merge(rows[ROW].join(new), on=ROW)
    curves[ROW] = curves[[*new]]
    rows[ROW] = new
    return rows, curves.drop(columns=[*new])


def _derived(study: Evidence, table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The rows that are made from those of judged runs, as far as the table lacks them."""
    done = {tuple(row) for row in table[["contest", "name", "seed"]].itertuples(index=False)}
    for derived in study.derived:
        for seed in derived.seeds:
            if (derived.contest, derived.name, seed) not in done:
                measures = derived.measures(study.contest(derived.contest), table, seed)
                row: dict[str, Any] = {
                    "contest": derived.contest,
                    "name": derived.name,
                    "variant": "-",
                }
                row |= {"seed": seed, "role": JUDGE, "status": "ok", "machine": _machine()}
                yield row | {name: round(float(value), 6) for name, value in measures.items()}


def _add(
    study: Evidence, folder: Path, rows: pd.DataFrame, curves: pd.DataFrame, started: float
) -> None:
    """Add rows to the tables on disk, the curves first, so that no row is without its curve."""
    if len(curves):
        both = _joined(study, load(f"{study.name}-curves", folder), curves)
        _write(folder / f"{study.name}-curves.csv", both.to_csv(index=False))
    table = _joined(study, load(study.name, folder), rows)
    _write(folder / f"{study.name}.csv", table.to_csv(index=False))
    _note(folder, study.name, table, time.monotonic() - started)
    print(f"{study.name}: {len(table)} rows are done", flush=True)


def _rows(study: studies.Study) -> pd.DataFrame:
    """What the table keeps of each trial."""
    rows = study.table[[*ROW, "status"]].copy()
    by_trial = study.curves.set_index("trial")
    rows["updates"] = by_trial.groupby("trial")["update"].last()
    rows[MEASURES] = study.table[MEASURES].round(6)
    half = by_trial[by_trial["epoch"] == by_trial.groupby("trial")["epoch"].transform("max") // 2]
    for measure in ("test_accuracy", "test_loss") if len(half) else ():
        rows[f"half_{measure}"] = half[measure].round(6)
    return rows.assign(gap_loss=(rows["test_loss"] - rows["training_loss"]).round(6))


def _curve_rows(study: studies.Study) -> pd.DataFrame:
    """The test curves of judged trials, for figures."""
    curves, shown = study.curves, ["test_accuracy", "test_loss"]
    several = curves.groupby("trial")["epoch"].transform("max") > 1
    kept = curves[(curves["role"] == JUDGE) & several]
    return kept[[*ROW, "epoch", *shown]].round(dict.fromkeys(shown, 4))


def _joined(study: Evidence, table: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Both tables in the order of the study, whatever the order in which trials were finished."""
    both = pd.concat([part for part in (table, new) if len(part)] or [table], ignore_index=True)
    if not len(both):
        return both
    # A process killed between the two tables has written curves whose trials come again.
    both = both.drop_duplicates([*ROW, *(["epoch"] if "epoch" in both else [])], keep="last")
    contests = {contest.name: i for i, contest in enumerate(study.contests)}
    entries = [entry.name for contest in study.contests for entry in contest.entries]
    entries += [derived.name for derived in study.derived]
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
