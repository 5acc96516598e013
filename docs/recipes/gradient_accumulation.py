"""Gradient accumulation: the schedule counts updates, which are fewer than batches."""

import math

import torch

from coslr import Cosine
from coslr.pytorch import ScheduleLR, audit

epochs, batches_per_update = 5, 4
model = torch.nn.Linear(20, 1)
loader = [(torch.randn(8, 20), torch.randn(8, 1)) for _ in range(42)]
# The last update of an epoch has only two batches left, and still counts.
updates = epochs * math.ceil(len(loader) / batches_per_update)

optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
schedule = Cosine(T_max=updates, eta_max=0.1)
# The scheduler counts a call only if an update came before it, so it may be called for each batch.
scheduler = ScheduleLR(optimizer, schedule, only_after_update=True)

with audit(optimizer, schedule, updates=updates) as trace:
    for _ in range(epochs):
        for batch, (x, y) in enumerate(loader, start=1):
            loss = torch.nn.functional.mse_loss(model(x), y)
            (loss / batches_per_update).backward()
            if batch % batches_per_update == 0 or batch == len(loader):
                optimizer.step()
                optimizer.zero_grad()
            scheduler.step()

print(f"{len(trace.rates)} updates from {epochs * len(loader)} batches, all at the schedule's rate")
