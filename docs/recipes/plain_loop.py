"""A plain PyTorch loop: step the scheduler after every update, and audit the whole run."""

import torch

from coslr import Cosine, warmup
from coslr.pytorch import ScheduleLR, audit

epochs = 5
model = torch.nn.Linear(20, 1)
loader = [(torch.randn(32, 20), torch.randn(32, 1)) for _ in range(100)]
updates = epochs * len(loader)

optimizer = torch.optim.AdamW(model.parameters())
schedule = warmup(Cosine(T_max=updates - 50, eta_max=1e-3), updates=50)
# The audit compares rates with the schedule. Only you can check that it is the one you mean.
assert schedule.length == updates
scheduler = ScheduleLR(optimizer, schedule)

with audit(optimizer, schedule, updates=updates) as trace:
    for _ in range(epochs):
        for x, y in loader:
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
            scheduler.step()

print(f"{len(trace.rates)} updates, all at the schedule's rate")
