"""A finished run: read the rates from its log, and find out what went wrong.

The same from the shell, also for trainer_state.json, metrics.csv and TensorBoard's files:

    python -m coslr.logs log.csv --rate lr --schedule "Cosine(200, eta_max=0.1)"
"""

import csv
import tempfile
from pathlib import Path

import torch

from coslr import Cosine, logs

updates = 200
schedule = Cosine(T_max=updates, eta_max=0.1)


def train(log: Path, steps_per_update: int) -> None:
    """A run that logs every tenth rate, and in which the scheduler may be stepped too often."""
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=updates)
    with log.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["step", "lr"])
        for update in range(updates):
            if update % 10 == 0:
                table.writerow([update, scheduler.get_last_lr()[0]])
            weight.grad = torch.ones(1)
            optimizer.step()
            for _ in range(steps_per_update):
                scheduler.step()


with tempfile.TemporaryDirectory() as folder:
    log = Path(folder) / "log.csv"
    train(log, steps_per_update=1)
    logs.read(log, rate="lr").check(schedule)
    print("the first run is right")

    train(log, steps_per_update=2)
    causes = logs.read(log, rate="lr").diagnose(schedule)
    assert causes[0].cause == "too_fast"
    print("the second run is wrong:", causes[0].says)
