"""Make docs/schedules.png, the README's figure.

python scripts/make_figure.py
"""

from pathlib import Path

import numpy as np

from coslr import WSD, Cosine, CosineWarmRestarts, Linear, Step
from coslr.course.plotting import DPI, axes

TARGET = Path(__file__).parents[1] / "docs" / "schedules.png"
ETA_MAX, ETA_MIN, EPOCHS = 0.1, 0.0001, 50  # the article's example

SCHEDULES = {
    "cosine": Cosine(EPOCHS, ETA_MAX, ETA_MIN),
    "linear": Linear(EPOCHS, ETA_MAX, ETA_MIN),
    "step": Step(20, ETA_MAX, ETA_MIN),
    "WSD": WSD(EPOCHS, 10, ETA_MAX, ETA_MIN, warmup=3),
    "restarts": CosineWarmRestarts(EPOCHS / 7, ETA_MAX, ETA_MIN, T_mult=2, cycles=3),
}


def main() -> None:
    """Draw each schedule in front of the others, and write the picture."""
    t = np.linspace(0, EPOCHS, 1001)
    panels = axes("epoch", "learning rate", columns=len(SCHEDULES), width=9, height=2.3)
    for panel, (name, schedule) in zip(panels, SCHEDULES.items(), strict=True):
        for other in SCHEDULES.values():
            panel.plot(t, other(t), color="#d5d5d5", linestyle="-", linewidth=1)
        panel.plot(t, schedule(t), label=name)
        panel.set_title(name, loc="left", color=panel.lines[-1].get_color())
        panel.set(xlim=(0, EPOCHS), ylim=(0, 1.05 * ETA_MAX), xticks=[0, 25, 50])
    # Leave out matplotlib's version, so that the same picture is the same file.
    panels[0].figure.savefig(TARGET, dpi=DPI, facecolor="white", metadata={"Software": None})


if __name__ == "__main__":
    main()
