"""Several processes: each one has its share of the batches, so the schedule is shorter."""

import tempfile
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

from coslr import Cosine
from coslr.pytorch import ScheduleLR, audit


def train(rank: int, processes: int, meeting_point: str, epochs: int = 4) -> None:
    """Train in one of the processes."""
    dist.init_process_group("gloo", init_method=meeting_point, rank=rank, world_size=processes)
    torch.manual_seed(0)
    data = TensorDataset(torch.randn(640, 20), torch.randn(640, 1))
    loader = DataLoader(data, batch_size=16, sampler=DistributedSampler(data, processes, rank))
    updates = epochs * len(loader)  # len(loader) counts the batches of this process alone

    model = DistributedDataParallel(torch.nn.Linear(20, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    schedule = Cosine(T_max=updates, eta_max=0.1)
    scheduler = ScheduleLR(optimizer, schedule)  # once per update, not once per process

    with audit(optimizer, schedule, updates=updates, name=f"process {rank}") as trace:
        for epoch in range(epochs):
            loader.sampler.set_epoch(epoch)
            for x, y in loader:
                optimizer.zero_grad()
                torch.nn.functional.mse_loss(model(x), y).backward()
                optimizer.step()
                scheduler.step()

    rates: list[list[float]] = [[] for _ in range(processes)]
    dist.all_gather_object(rates, trace.rates)
    assert all(rates[0] == other for other in rates)
    if rank == 0:
        print(f"{len(trace.rates)} updates in {processes} processes, all at the schedule's rate")
    dist.destroy_process_group()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        meeting_point = (Path(folder) / "meeting_point").as_uri()
        torch.multiprocessing.spawn(train, (2, meeting_point), nprocs=2)
