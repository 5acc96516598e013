"""Take the part of the 193 published language-model runs that notebook 09 needs.

    python scripts/make_llm_data.py FOLDER

FOLDER holds runs.csv and curves.csv, made from the training logs published with Schaipp et al. 2025
(see notebooks/data/llm_schedules/README.md). Written are the final losses of the runs with 124
million parameters that took 50,000 updates, and the curves of six of them.
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
    """Write both files and print how much that is."""
    source = Path(sys.argv[1])
    runs = pd.read_csv(source / "runs.csv", index_col="run")
    runs = runs[(runs["parameters"] == 123_587_328) & (runs["updates"] == 50_000)]
    columns = ["schedule", "decay_shape", "decay_fraction", "eta_max", "eta_min", "updates"]
    columns += ["warmup", "seed", "final_val_loss"]
    runs[columns].to_csv(TARGET / "runs.csv", lineterminator="\n")
    curves = pd.read_csv(source / "curves.csv")
    drawn = []
    for (schedule, cooldown, eta_max), eta_min in CURVES.items():
        same = (runs["schedule"] == schedule) & (runs["eta_max"] == eta_max)
        same &= (runs["eta_min"] == eta_min) & (runs["decay_shape"] != "sqrt")
        if cooldown is not None:
            same &= runs["decay_fraction"] == cooldown
        (run,) = runs.index[same]
        # A run that was started again has some updates twice in its log, with the same losses.
        curve = curves[curves["run"] == run].drop_duplicates("update").sort_values("update")
        drawn.append(curve)
    drawn = pd.concat(drawn)
    drawn.to_csv(TARGET / "curves.csv", index=False, lineterminator="\n")
    print(len(runs), "runs,", len(drawn), "points of curves")


if __name__ == "__main__":
    main()
