"""Make docs/schedules.png, the README's figure.

python scripts/make_figure.py
"""

from pathlib import Path

from coslr import WSD, Cosine, CosineWarmRestarts, Linear, Step
from coslr.course.plotting import DPI, axes, curves

TARGET = Path(__file__).parents[1] / "docs" / "schedules.png"
ETA_MAX, ETA_MIN, EPOCHS = 0.1, 0.0001, 50  # the article's example

SCHEDULES = {
    "cosine": Cosine(EPOCHS, ETA_MAX, ETA_MIN),
    "warm restarts": CosineWarmRestarts(EPOCHS / 7, ETA_MAX, ETA_MIN, T_mult=2, cycles=3),
    "linear": Linear(EPOCHS, ETA_MAX, ETA_MIN),
    "step": Step(20, ETA_MAX, ETA_MIN),
    "warm-up,\nstable, decay": WSD(EPOCHS, 10, ETA_MAX, ETA_MIN, warmup=3),
}


def main() -> None:
    """Draw the schedules and write the picture."""
    ax = axes("epoch", "learning rate", "Five ways to spend 50 epochs", width=8, height=3.6)
    curves(ax, SCHEDULES, EPOCHS)
    ax.set_xlim(0, EPOCHS)
    TARGET.parent.mkdir(exist_ok=True)
    # Leave out matplotlib's version, so that the same picture is the same file.
    ax.figure.savefig(TARGET, dpi=DPI, facecolor="white", metadata={"Software": None})


if __name__ == "__main__":
    main()
