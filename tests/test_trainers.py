"""The training loops of Lightning, Hugging Face and Accelerate, with ScheduleLR and audit."""

import importlib
import warnings

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from coslr import Cosine, warmup
from coslr.pytorch import AuditError, ScheduleLR, audit

SCHEDULE = warmup(Cosine(T_max=9, eta_max=0.1, eta_min=0.001), updates=3)
BATCHES, EPOCHS = 4, 3
UPDATES = BATCHES * EPOCHS
EXPECTED = [SCHEDULE(k) for k in range(UPDATES)]


def quietly(name):
    """Import a trainer without the warnings that it raises on import."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(name)


def data(batches=BATCHES):
    x = torch.randn(8 * batches, 3, generator=torch.Generator().manual_seed(0))
    return TensorDataset(x, x[:, :1])


# -------------------------------------------------------------------------------- Lightning


def lightning_fit(folder, interval, schedule=SCHEDULE, audited=SCHEDULE, **options):
    lightning = quietly("lightning")

    class Line(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.line = nn.Linear(3, 1)
            self.sgd = torch.optim.SGD(self.parameters(), lr=1.0)

        def training_step(self, batch, index):
            x, y = batch
            return nn.functional.mse_loss(self.line(x), y)

        def configure_optimizers(self):
            scheduler = {"scheduler": ScheduleLR(self.sgd, schedule), "interval": interval}
            return {"optimizer": self.sgd, "lr_scheduler": scheduler}

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = lightning.Trainer(
            accelerator="cpu",
            devices=1,
            max_epochs=EPOCHS,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=folder,
            **options,
        )
        model = Line()
        with audit(model.sgd, audited) as trace:
            trainer.fit(model, DataLoader(data(), batch_size=8))
    return trace.rates


def test_lightning_stepped_at_each_update(tmp_path):
    assert lightning_fit(tmp_path, "step") == EXPECTED


def test_lightning_stepped_at_each_epoch_is_caught(tmp_path):
    with pytest.raises(AuditError, match=r"update 1: the schedule says 0\.05, but 0\.025"):
        lightning_fit(tmp_path, "epoch")


def test_lightning_in_epochs(tmp_path):
    by_epoch = Cosine(T_max=EPOCHS, eta_max=0.1)
    rates = lightning_fit(tmp_path, "epoch", by_epoch, lambda k: by_epoch(k // BATCHES))
    assert rates == [by_epoch(k // BATCHES) for k in range(UPDATES)]


def test_lightning_accumulating_gradients(tmp_path):
    rates = lightning_fit(tmp_path, "step", accumulate_grad_batches=2)
    assert rates == EXPECTED[: UPDATES // 2]


# ----------------------------------------------------------------------------- Hugging Face


class Line(nn.Module):
    """A model as the Trainer wants it: it takes named arguments, and its answer has a loss."""

    def __init__(self):
        super().__init__()
        self.line = nn.Linear(3, 1)

    def forward(self, x, labels):
        return {"loss": nn.functional.mse_loss(self.line(x), labels)}


def trainer_fit(folder, make, audited=SCHEDULE, **options):
    transformers = quietly("transformers")
    model = Line()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    arguments = transformers.TrainingArguments(
        output_dir=folder,
        num_train_epochs=EPOCHS,
        per_device_train_batch_size=8,
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        **options,
    )
    trainer = transformers.Trainer(
        model=model,
        args=arguments,
        train_dataset=[{"x": x, "labels": y} for x, y in data()],
        optimizers=(optimizer, make(optimizer)),
    )
    with warnings.catch_warnings(), audit(optimizer, audited) as trace:
        warnings.simplefilter("ignore")
        trainer.train()
    return trace.rates


def test_trainer(tmp_path):
    assert trainer_fit(tmp_path, lambda o: ScheduleLR(o, SCHEDULE)) == EXPECTED


def test_trainer_with_a_scheduler_in_epochs_is_caught(tmp_path):
    with pytest.raises(AuditError, match=r"update 1: the schedule says 0\.05, but 0\.0"):
        trainer_fit(tmp_path, lambda o: ScheduleLR(o, SCHEDULE, steps_per_unit=BATCHES))


def test_trainer_with_its_own_scheduler(tmp_path):
    """The audit also checks a scheduler of transformers: linear from 1.0, without warm-up."""
    transformers = quietly("transformers")
    linear = transformers.get_linear_schedule_with_warmup
    rates = trainer_fit(
        tmp_path, lambda o: linear(o, 0, UPDATES), audited=lambda k: 1 - k / UPDATES
    )
    assert len(rates) == UPDATES


def test_trainer_accumulating_gradients(tmp_path):
    rates = trainer_fit(tmp_path, lambda o: ScheduleLR(o, SCHEDULE), gradient_accumulation_steps=2)
    assert rates == EXPECTED[: UPDATES // 2]


# ------------------------------------------------------------------------------- Accelerate


def accelerate_fit(prepared, accumulate=1, **options):
    """Train with a scheduler that Accelerate has prepared or has not."""
    accelerate = quietly("accelerate")
    accelerate.state.AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = accelerate.Accelerator(cpu=True, gradient_accumulation_steps=accumulate)
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    loader = DataLoader(data(), batch_size=8)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    scheduler = ScheduleLR(optimizer, SCHEDULE, **options)
    if prepared:
        scheduler = accelerator.prepare(scheduler)
    with audit(optimizer, SCHEDULE) as trace:
        for _ in range(EPOCHS):
            for x, y in loader:
                with accelerator.accumulate(model):
                    accelerator.backward(nn.functional.mse_loss(model(x), y))
                    optimizer.step()
                    scheduler.step()
                    optimizer.zero_grad()
    return trace.rates


@pytest.mark.parametrize("prepared", [True, False])
def test_accelerate(prepared):
    assert accelerate_fit(prepared) == EXPECTED


def test_accelerate_accumulating_gradients():
    """A prepared scheduler waits for the update, and so does one with only_after_update."""
    half = EXPECTED[: UPDATES // 2]
    assert accelerate_fit(prepared=True, accumulate=2) == half
    assert accelerate_fit(prepared=False, accumulate=2, only_after_update=True) == half


def test_accelerate_with_a_scheduler_that_counts_batches_is_caught():
    with (
        pytest.warns(UserWarning, match=r"before optimizer.step"),
        pytest.raises(AuditError, match=r"update 0: the schedule says 0\.025, but 0\.05"),
    ):
        accelerate_fit(prepared=False, accumulate=2)
