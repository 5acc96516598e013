"""Resume from a checkpoint: save the scheduler and the loop's count of updates too."""

import tempfile
from pathlib import Path

import torch

from coslr import Cosine
from coslr.pytorch import ScheduleLR, audit

updates = 200
schedule = Cosine(T_max=updates, eta_max=0.1)
batches = [(torch.randn(32, 20), torch.randn(32, 1)) for _ in range(updates)]


def train(checkpoint: Path, until: int) -> int:
    """Train from the checkpoint, if there is one, and write it again; return the first update."""
    model = torch.nn.Linear(20, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scheduler = ScheduleLR(optimizer, schedule)
    parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
    first_update = 0
    if checkpoint.exists():
        saved = torch.load(checkpoint)
        # The loop counts its updates itself, because a position taken from the scheduler would
        # agree with a scheduler that lost its state.
        first_update = saved.pop("updates")
        for name, state in saved.items():
            parts[name].load_state_dict(state)

    done = first_update
    with audit(optimizer, schedule, first_update=first_update, updates=until - first_update):
        for x, y in batches[first_update:until]:
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
            scheduler.step()
            done += 1
    states = {name: part.state_dict() for name, part in parts.items()}
    torch.save({"updates": done, **states}, checkpoint)
    return first_update


with tempfile.TemporaryDirectory() as folder:
    starts = [train(Path(folder) / "checkpoint.pt", until) for until in (70, 140, updates)]

assert starts == [0, 70, 140]
print(f"{updates} updates in three runs, all at the schedule's rate")
