"""Lightning: step the scheduler at every update, and let a callback audit the run."""

import tempfile

import lightning
import torch
from torch.utils.data import DataLoader, TensorDataset

from coslr import Cosine, warmup
from coslr.integrations.lightning import AuditCallback
from coslr.pytorch import ScheduleLR

updates = 3 * 20
schedule = warmup(Cosine(T_max=updates - 10, eta_max=0.1), updates=10)
data = TensorDataset(torch.randn(640, 20), torch.randn(640, 1))


class Line(lightning.LightningModule):
    """A linear model."""

    def __init__(self) -> None:
        super().__init__()
        self.line = torch.nn.Linear(20, 1)

    def training_step(self, batch: list[torch.Tensor], index: int) -> torch.Tensor:
        """The loss of a batch."""
        x, y = batch
        return torch.nn.functional.mse_loss(self.line(x), y)

    def configure_optimizers(self) -> dict[str, object]:
        """Without "interval": "step", Lightning would step the scheduler once per epoch."""
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
        scheduler = ScheduleLR(optimizer, schedule)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }


def fit(folder: str, max_steps: int, checkpoint: str | None = None) -> list[float]:
    """Train up to `max_steps` updates, perhaps from a checkpoint; return the rates in force."""
    audit = AuditCallback(schedule, updates=max_steps)
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_steps=max_steps,
        callbacks=[audit],
        default_root_dir=folder,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Line(), DataLoader(data, batch_size=32), ckpt_path=checkpoint)
    trainer.save_checkpoint(f"{folder}/last.ckpt")
    return audit.trace.rates


with tempfile.TemporaryDirectory() as folder:
    rates = fit(folder, max_steps=25)
    # A new trainer and a new model go on where the checkpoint was written, and so does the audit.
    rates += fit(folder, max_steps=updates, checkpoint=f"{folder}/last.ckpt")

assert rates == [schedule(k) for k in range(updates)]
print(f"{len(rates)} updates, all at the schedule's rate, with a checkpoint after 25")
