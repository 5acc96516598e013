"""Take the part of the 193 published language-model runs that notebook 09 needs.

    python scripts/make_llm_data.py FOLDER

FOLDER holds runs.csv and curves.csv, made from the training logs published with Schaipp et al. 2025
(see notebooks/data/llm_schedules/README.md). The script writes the final losses of the runs with
124 million parameters and 50,000 updates, and the curves of six of them.
"""

import sys
from pathlib import Path

import pandas as pd

TARGET = Path(__file__).resolve().parents[1] / "notebooks" / "data" / "llm_schedules"
CURVES = {  # what the lesson draws: (schedule, cooldown, eta_max): eta_min
    ("cosine", None, 0.001): 1e-7,
    ("cosine", None, 0.002): 1e-7,
    ("cosine", None, 0.005): 1e-7,
    ("wsd", 0.2, 0.001): 0.0,
    ("wsd", 0.8, 0.002): 0.0,
    ("wsd", 0.0, 0.001): 0.0,
}


def main() -> None:
    """Write both files, and print how many runs and points they hold."""
    source = Path(sys.argv[1])
    runs = pd.read_csv(source / "runs.csv", index_col="run")
    # Two further groups of runs were added to the table later; the lesson is about the first.
    runs = runs[runs["group"] == "main"]
    runs = runs[(runs["parameters"] == 123_587_328) & (runs["updates"] == 50_000)]
    curves = pd.read_csv(source / "curves.csv")
    drawn = pd.concat(
        curve_of(runs, curves, schedule, cooldown, eta_max, eta_min)
        for (schedule, cooldown, eta_max), eta_min in CURVES.items()
    )
    columns = ["schedule", "decay_shape", "decay_fraction", "eta_max", "eta_min", "updates"]
    columns += ["warmup", "seed", "final_val_loss"]
    runs[columns].to_csv(TARGET / "runs.csv", lineterminator="\n")
    drawn.to_csv(TARGET / "curves.csv", index=False, lineterminator="\n")
    print(len(runs), "runs,", len(drawn), "points of curves")


def curve_of(
    runs: pd.DataFrame,
    curves: pd.DataFrame,
    schedule: str,
    cooldown: float | None,
    eta_max: float,
    eta_min: float,
) -> pd.DataFrame:
    """The curve of the one run with these settings, without a square-root cooldown."""
    same = (runs["schedule"] == schedule) & (runs["eta_max"] == eta_max)
    same &= (runs["eta_min"] == eta_min) & (runs["decay_shape"] != "sqrt")
    if cooldown is not None:
        same &= runs["decay_fraction"] == cooldown
    (run,) = runs.index[same]
    curve = curves.loc[curves["run"] == run, ["run", "update", "val_loss"]]
    return curve.sort_values("update")


if __name__ == "__main__":
    main()
