"""Hugging Face's Trainer: pass it the optimizer and the scheduler, and audit with a callback."""

import tempfile

import torch
from transformers import Trainer, TrainingArguments

from coslr import Cosine, warmup
from coslr.integrations.transformers import AuditCallback
from coslr.pytorch import ScheduleLR

updates = 3 * 20  # epochs times batches
schedule = warmup(Cosine(T_max=updates - 10, eta_max=0.1), updates=10)
data = [{"x": torch.randn(20), "labels": torch.randn(1)} for _ in range(640)]


class Line(torch.nn.Module):
    """A linear model, as the Trainer wants it: its answer has a loss."""

    def __init__(self) -> None:
        super().__init__()
        self.line = torch.nn.Linear(20, 1)

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        """The loss of a batch."""
        return {"loss": torch.nn.functional.mse_loss(self.line(x), labels)}


def train(folder: str, max_steps: int, resume: bool = False) -> list[float]:
    """Train up to `max_steps` updates, perhaps from the last checkpoint; return the rates."""
    model = Line()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    audit = AuditCallback(schedule, updates=max_steps)
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=folder,
            max_steps=max_steps,
            per_device_train_batch_size=32,
            save_steps=25,
            use_cpu=True,
            report_to=[],
            disable_tqdm=True,
        ),
        train_dataset=data,
        optimizers=(optimizer, ScheduleLR(optimizer, schedule)),
        callbacks=[audit],
    )
    trainer.train(resume_from_checkpoint=resume)
    return audit.trace.rates


with tempfile.TemporaryDirectory() as folder:
    rates = train(folder, max_steps=25)
    # A new trainer goes on where the checkpoint was written, and so does the audit.
    rates += train(folder, max_steps=updates, resume=True)

assert rates == [schedule(k) for k in range(updates)]
print(f"{len(rates)} updates, all at the schedule's rate, with a checkpoint after 25")
