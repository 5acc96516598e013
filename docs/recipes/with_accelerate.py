"""Accelerate: the audit takes a prepared optimizer as it is; leave the scheduler unprepared.

Accelerate steps a prepared scheduler once for each process at every update. A schedule in updates
would then be over too early, by a factor of the number of processes.
"""

import math

import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader, TensorDataset

from coslr import Cosine
from coslr.pytorch import ScheduleLR, audit

epochs, batches_per_update = 3, 2
accelerator = Accelerator(cpu=True, gradient_accumulation_steps=batches_per_update)
model = torch.nn.Linear(20, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
data = TensorDataset(torch.randn(640, 20), torch.randn(640, 1))
model, optimizer, loader = accelerator.prepare(model, optimizer, DataLoader(data, batch_size=32))
# Count after prepare, which gives each process its share of the batches.
updates = epochs * math.ceil(len(loader) / batches_per_update)

schedule = Cosine(T_max=updates, eta_max=0.1)
scheduler = ScheduleLR(optimizer, schedule, only_after_update=True)
accelerator.register_for_checkpointing(scheduler)  # save_state leaves out what is not prepared

with audit(optimizer, schedule, updates=updates) as trace:
    for _ in range(epochs):
        for x, y in loader:
            with accelerator.accumulate(model):
                accelerator.backward(torch.nn.functional.mse_loss(model(x), y))
                optimizer.step()
                optimizer.zero_grad()
            scheduler.step()

print(f"{len(trace.rates)} updates, all at the schedule's rate")
