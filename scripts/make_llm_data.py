"""Take over the published language-model runs, checked and compressed.

    python scripts/make_llm_data.py FOLDER

FOLDER holds runs.csv and curves.csv, made from the training logs published with Schaipp et al. 2025
(see notebooks/data/llm_schedules/README.md). The script writes them beside that README, as
all_runs.csv and all_curves.csv.gz.
"""

import sys
from pathlib import Path

import pandas as pd

TARGET = Path(__file__).resolve().parents[1] / "notebooks" / "data" / "llm_schedules"


def main(source: Path, target: Path = TARGET) -> None:
    """Write both files, and print how many runs and points they hold."""
    runs = pd.read_csv(source / "runs.csv")
    curves = pd.read_csv(source / "curves.csv")
    check(runs, curves)
    runs.to_csv(target / "all_runs.csv", index=False, lineterminator="\n")
    # The time of writing stays out, so that the same data give the same bytes.
    packed = {"method": "gzip", "compresslevel": 9, "mtime": 0}
    to = target / "all_curves.csv.gz"
    curves.to_csv(to, index=False, lineterminator="\n", compression=packed)
    print(len(runs), "runs,", len(curves), "points of curves")


def check(runs: pd.DataFrame, curves: pd.DataFrame) -> None:
    """Stop unless each run has one row and a curve within its updates, and each loss a number."""
    problems = []
    if runs["run"].duplicated().any() or curves.duplicated(["run", "update"]).any():
        problems.append("a run or an update comes twice")
    elif set(runs["run"]) != set(curves["run"]):
        problems.append("runs.csv and curves.csv hold different runs")
    elif (curves["update"] > curves["run"].map(runs.set_index("run")["updates"])).any():
        problems.append("a curve goes on after the end of its run")
    if runs["final_val_loss"].isna().any() or curves["val_loss"].isna().any():
        problems.append("a loss is missing")
    if problems:
        sys.exit("; ".join(problems))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
