"""Mixed precision: GradScaler skips updates that overflow, and the schedule must wait for them."""

from itertools import cycle

import torch

from coslr import Cosine
from coslr.pytorch import ScheduleLR, audit

device = "cuda" if torch.cuda.is_available() else "cpu"
precision = torch.float16 if device == "cuda" else torch.bfloat16
model = torch.nn.Linear(20, 1).to(device)
loader = [(torch.randn(32, 20), 10 * torch.randn(32, 1)) for _ in range(50)]
updates = 200

optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
schedule = Cosine(T_max=updates, eta_max=0.1)
scheduler = ScheduleLR(optimizer, schedule, only_after_update=True)
# So large a scale overflows at first. Real runs meet an overflow now and then, mostly early.
scaler = torch.amp.GradScaler(device, init_scale=2.0**127)

with audit(optimizer, schedule, updates=updates) as trace:
    batches = 0
    for x, y in cycle(loader):
        optimizer.zero_grad()
        with torch.autocast(device, precision):
            loss = torch.nn.functional.mse_loss(model(x.to(device)), y.to(device))
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        scheduler.step()
        batches += 1
        if scheduler.last_epoch == updates:  # a skipped update is made up for by another batch
            break

assert batches > updates
print(f"{updates} updates from {batches} batches, all at the schedule's rate")
