"""Lightning's trainer: real runs audited through the callback, and the logs that they leave."""

import warnings

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from coslr import Constant, Cosine, logs, warmup
from coslr.pytorch import AuditError, ScheduleLR

# Lightning alone takes six seconds to import.
pytestmark = pytest.mark.slow
pytest.importorskip("lightning")

SCHEDULE = warmup(Cosine(T_max=9, eta_max=0.1, eta_min=0.001), updates=3)
BATCHES, EPOCHS = 4, 3
UPDATES = BATCHES * EPOCHS
EXPECTED = [SCHEDULE(k) for k in range(UPDATES)]


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import lightning  # noqa: F401

        yield


def callback(*arguments, **options):
    from coslr.integrations.lightning import AuditCallback

    return AuditCallback(*arguments, **options)


def line(make, interval="step"):
    """A model with one optimizer, and the scheduler that `make` builds for it."""
    import lightning

    class Line(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.line = nn.Linear(3, 1)

        def training_step(self, batch, index):
            x, y = batch
            return nn.functional.mse_loss(self.line(x), y)

        def configure_optimizers(self):
            groups = [{"params": [self.line.weight]}, {"params": [self.line.bias]}]
            sgd = torch.optim.SGD(groups, lr=1.0, momentum=0.5)
            return {
                "optimizer": sgd,
                "lr_scheduler": {"scheduler": make(sgd), "interval": interval},
            }

    return Line()


def fit(folder, callbacks, model=None, checkpoint=None, **options):
    import lightning

    x = torch.randn(8 * BATCHES, 3, generator=torch.Generator().manual_seed(0))
    trainer = lightning.Trainer(
        accelerator="cpu",
        callbacks=callbacks,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        **{"devices": 1, "max_epochs": EPOCHS, "logger": False, **options},
    )
    model = line(lambda o: ScheduleLR(o, SCHEDULE)) if model is None else model
    loader = DataLoader(TensorDataset(x, x[:, :1]), batch_size=8)
    trainer.fit(model, loader, ckpt_path=checkpoint, weights_only=False)
    return trainer


def every(updates, folder):
    from lightning.pytorch.callbacks import ModelCheckpoint

    return ModelCheckpoint(folder, "{step}", every_n_train_steps=updates, save_top_k=-1)


# ------------------------------------------------------------------------------- the audit


def test_stepped_at_each_update(tmp_path):
    audit = callback(SCHEDULE, updates=UPDATES)
    fit(tmp_path, [audit])
    assert audit.trace.groups == [EXPECTED, EXPECTED]


def test_stepped_at_each_epoch_is_caught_and_named(tmp_path):
    model = line(lambda o: ScheduleLR(o, SCHEDULE), "epoch")
    with pytest.raises(AuditError, match=r"update 1.*: the schedule says 0\.05, but 0\.025"):
        fit(tmp_path, [callback(SCHEDULE)], model)
    record = callback(None)
    fit(tmp_path, [record], model)
    assert record.trace.diagnose(SCHEDULE)[0].cause == "per_epoch"


def test_stepped_at_each_epoch_on_purpose(tmp_path):
    by_epoch = Cosine(T_max=EPOCHS, eta_max=0.1)
    audit = callback(by_epoch, hold=BATCHES, updates=UPDATES)
    fit(tmp_path, [audit], line(lambda o: ScheduleLR(o, by_epoch), "epoch"))
    assert audit.trace.rates == [by_epoch(k // BATCHES) for k in range(UPDATES)]


@pytest.mark.parametrize("accumulated", [1, 2])
@pytest.mark.parametrize("done", [2, 3, 4])  # within an epoch and, with 1, at its end
def test_resumed_from_a_checkpoint(tmp_path, accumulated, done):
    options = {"accumulate_grad_batches": accumulated, "max_epochs": EPOCHS * accumulated}
    whole = callback(SCHEDULE, updates=UPDATES)
    fit(tmp_path, [whole, every(done, tmp_path)], **options)
    assert whole.trace.rates == EXPECTED

    rest = callback(SCHEDULE, updates=UPDATES)
    fit(tmp_path, [rest], checkpoint=tmp_path / f"step={done}.ckpt", **options)
    assert rest.trace.first_update == done
    assert rest.trace.rates == EXPECTED[done:]


def test_resumed_from_a_checkpoint_of_a_run_without_the_callback(tmp_path):
    fit(tmp_path, [every(5, tmp_path)])
    audit = callback(SCHEDULE, updates=UPDATES)
    fit(tmp_path, [audit], checkpoint=tmp_path / "step=5.ckpt")
    assert audit.trace.rates == EXPECTED[5:]


def test_a_schedule_that_is_not_resumed_is_caught_and_named(tmp_path):
    """The run goes on from weights alone, so Lightning's counter and the schedule begin anew."""
    with pytest.raises(AuditError, match=r"update 5\b.*: the schedule says"):
        fit(tmp_path, [callback(SCHEDULE, first_update=5)])
    record = callback(None, first_update=5)
    fit(tmp_path, [record])
    assert record.trace.diagnose(SCHEDULE)[0].cause == "not_resumed"


def test_a_run_that_is_too_short(tmp_path):
    with pytest.raises(AuditError, match="12"):
        fit(tmp_path, [callback(SCHEDULE, updates=UPDATES)], max_epochs=1)


def test_an_error_of_the_run_stays_as_it_is(tmp_path):
    model = line(lambda o: ScheduleLR(o, SCHEDULE))
    model.training_step = lambda batch, batch_idx: {}[batch_idx]
    audit = callback(SCHEDULE, updates=UPDATES)
    with pytest.raises(KeyError):
        fit(tmp_path, [audit], model)
    fit(tmp_path, [audit])  # the same callback serves again
    assert audit.trace.rates == EXPECTED


def test_several_optimizers(tmp_path):
    import lightning

    slow, fast = Constant(0.01), SCHEDULE

    class Two(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.automatic_optimization = False
            self.line = nn.Linear(3, 1)

        def training_step(self, batch, index):
            x, y = batch
            self.manual_backward(nn.functional.mse_loss(self.line(x), y))
            one, two = self.optimizers()
            one.step()
            if index % 2:
                two.step()
                self.lr_schedulers().step()

        def configure_optimizers(self):
            one = torch.optim.SGD([self.line.weight], lr=0.01)
            two = torch.optim.SGD([self.line.bias], lr=1.0)
            return [one, two], [ScheduleLR(two, fast)]

    def audits():
        return [
            callback(slow, updates=UPDATES),
            callback(fast, updates=UPDATES // 2, optimizer=1, name="bias"),
        ]

    first = audits()
    fit(tmp_path, [*first, every(6, tmp_path)], Two())
    assert first[1].trace.rates == EXPECTED[: UPDATES // 2]
    rest = audits()
    fit(tmp_path, [*rest], Two(), tmp_path / "step=6.ckpt")  # Lightning's count: 4 and 2
    assert [audit.trace.first_update for audit in rest] == [4, 2]
    with pytest.raises(ValueError, match="optimizer=2: must be an index below 2"):
        fit(tmp_path, [callback(slow, optimizer=2)], Two())


def test_two_processes(tmp_path):
    """Each process audits its own optimizer, which makes half as many updates."""
    audit = callback(SCHEDULE, updates=UPDATES // 2)
    fit(tmp_path, [audit], devices=2, strategy="ddp_fork")
    with pytest.raises(Exception, match="AuditError"):
        fit(tmp_path, [callback(SCHEDULE, updates=UPDATES)], devices=2, strategy="ddp_fork")


# -------------------------------------------------------------------------------- the logs


@pytest.mark.parametrize(("rows", "accumulated"), [(1, 1), (5, 1), (3, 2)])
def test_a_logged_rate_is_that_of_the_update_with_its_number(tmp_path, rows, accumulated):
    from lightning.pytorch.callbacks import LearningRateMonitor
    from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

    def run(folder, schedules, **options):
        record, monitor = callback(None), LearningRateMonitor(log_momentum=True)
        options |= {"accumulate_grad_batches": accumulated, "max_epochs": 3 * accumulated}
        fit(
            folder,
            [record, monitor, every(5, tmp_path)],
            line(lambda o: ScheduleLR(o, schedules)),
            logger=[CSVLogger(folder, version=0), TensorBoardLogger(folder, "tb", version=0)],
            log_every_n_steps=rows,
            **options,
        )
        return record.trace

    half = Cosine(T_max=UPDATES, eta_max=0.05)
    used = run(tmp_path / "whole", [SCHEDULE, half])
    assert len(used.rates) == UPDATES
    logged = logs.read(tmp_path / "whole" / "lightning_logs" / "version_0")
    assert list(logged.indices) == list(range(rows - 1, UPDATES, rows))
    assert logged.groups == [[rates[k] for k in logged.indices] for rates in used.groups]
    assert set(logged.other["momentum"][1]) == {0.5}
    logged.check([SCHEDULE, half])

    in_float32 = logs.read(tmp_path / "whole" / "tb" / "version_0")
    in_float32.check([SCHEDULE, half], tolerance=1e-6)
    assert list(in_float32.indices) == list(logged.indices)

    used = run(tmp_path / "rest", [SCHEDULE, half], checkpoint=tmp_path / "step=5.ckpt")
    assert used.first_update == 5
    logged = logs.read(tmp_path / "rest" / "lightning_logs" / "version_0" / "metrics.csv")
    assert logged.rates == [used.rates[k - 5] for k in logged.indices]
    assert logged.indices[0] >= 5


def test_a_rate_logged_once_an_epoch(tmp_path):
    from lightning.pytorch.callbacks import LearningRateMonitor
    from lightning.pytorch.loggers import CSVLogger

    fit(tmp_path, [LearningRateMonitor("epoch")], logger=CSVLogger(tmp_path, version=0))
    logged = logs.read(tmp_path / "lightning_logs" / "version_0")
    assert list(logged.indices) == [0, 4, 8]
    logged.check(SCHEDULE)
