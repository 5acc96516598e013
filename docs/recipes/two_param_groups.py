"""Two param groups: a backbone trains at a tenth of the head's rate, under one schedule."""

import torch

from coslr import Cosine
from coslr.pytorch import ScheduleLR, audit

epochs = 5
backbone, head = torch.nn.Linear(20, 10), torch.nn.Linear(10, 1)
model = torch.nn.Sequential(backbone, torch.nn.ReLU(), head)
loader = [(torch.randn(32, 20), torch.randn(32, 1)) for _ in range(100)]
updates = epochs * len(loader)

optimizer = torch.optim.SGD(
    [
        {"params": backbone.parameters(), "lr": 0.01},
        {"params": head.parameters(), "lr": 0.1},
    ]
)
schedule = Cosine(T_max=updates, eta_max=0.1)
assert schedule.length == updates
# The group with the highest rate follows the schedule, and the other keeps its ratio to it.
scheduler = ScheduleLR(optimizer, schedule, relative=True)

# The scheduler has made a schedule for each group, and the audit compares each group with its own.
with audit(optimizer, scheduler.schedules, updates=updates) as trace:
    for _ in range(epochs):
        for x, y in loader:
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
            scheduler.step()

print(f"{len(trace.rates)} updates, both groups at the schedule's rates")
