"""Hugging Face's Trainer: real runs audited through the callback, and the logs that they leave."""

import csv
import importlib
import subprocess
import sys
import warnings

import pytest
import torch
from torch import nn

from coslr import Cosine, logs, warmup
from coslr.pytorch import AuditError, ScheduleLR

transformers = pytest.importorskip("transformers")

SCHEDULE = warmup(Cosine(T_max=9, eta_max=0.1, eta_min=0.001), updates=3)
BATCHES, EPOCHS = 4, 3
UPDATES = BATCHES * EPOCHS
EXPECTED = [SCHEDULE(k) for k in range(UPDATES)]
SCHEDULE_AS_TEXT = "warmup(Cosine(9, eta_max=0.1, eta_min=0.001), 3)"


def callback(*arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = importlib.import_module("coslr.integrations.transformers")
    return module.AuditCallback(*arguments, **options)


class Line(nn.Module):
    """A model as the Trainer wants it: it takes named arguments, and its answer has a loss."""

    def __init__(self):
        super().__init__()
        self.line = nn.Linear(3, 1)

    def forward(self, x, labels):
        return {"loss": nn.functional.mse_loss(self.line(x), labels)}


def train(folder, callbacks, make=None, kind=None, resume=None, **options):
    model = Line()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    scheduler = ScheduleLR(optimizer, SCHEDULE) if make is None else make(optimizer)
    x = torch.randn(8 * BATCHES, 3, generator=torch.Generator().manual_seed(0))
    defaults = {
        "num_train_epochs": EPOCHS,
        "save_strategy": "no",
        "logging_strategy": "no",
        "report_to": [],
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = (kind or transformers.Trainer)(
            model=model,
            args=transformers.TrainingArguments(
                output_dir=folder,
                per_device_train_batch_size=8,
                use_cpu=True,
                disable_tqdm=True,
                **defaults | options,
            ),
            train_dataset=[{"x": row, "labels": row[:1]} for row in x],
            optimizers=(optimizer, scheduler),
            callbacks=callbacks,
        )
        trainer.train(resume_from_checkpoint=resume)
    return trainer


# ------------------------------------------------------------------------------- the audit


def test_a_run_and_its_other_half_from_a_checkpoint(tmp_path):
    audit = callback(SCHEDULE, updates=UPDATES)
    train(tmp_path, [audit], save_strategy="steps", save_steps=5)
    assert audit.trace.rates == EXPECTED
    rest = callback(SCHEDULE, updates=UPDATES)
    train(tmp_path, [rest], resume=str(tmp_path / "checkpoint-5"))
    assert rest.trace.first_update == 5
    assert rest.trace.rates == EXPECTED[5:]


def test_a_scheduler_in_epochs_is_caught_and_named(tmp_path):
    def in_epochs(optimizer):
        return ScheduleLR(optimizer, SCHEDULE, steps_per_unit=BATCHES)

    with pytest.raises(AuditError, match=r"update 1: the schedule says 0\.05, but 0\.0"):
        train(tmp_path, [callback(SCHEDULE)], in_epochs)
    record = callback(None)
    train(tmp_path, [record], in_epochs)
    cause = record.trace.diagnose(SCHEDULE)[0]
    assert (cause.cause, *cause.parameters.values()) == ("too_slow", BATCHES)


@pytest.mark.slow
@pytest.mark.parametrize("accumulated", [1, 2])
@pytest.mark.parametrize("done", [2, 4])
def test_accumulating_gradients_and_resumed(tmp_path, accumulated, done):
    options = {
        "gradient_accumulation_steps": accumulated,
        "num_train_epochs": EPOCHS * accumulated,
    }
    audit = callback(SCHEDULE, updates=UPDATES)
    train(tmp_path, [audit], save_strategy="steps", save_steps=done, **options)
    assert audit.trace.rates == EXPECTED
    rest = callback(SCHEDULE, updates=UPDATES)
    train(tmp_path, [rest], resume=str(tmp_path / f"checkpoint-{done}"), **options)
    assert rest.trace.rates == EXPECTED[done:]


@pytest.mark.slow
def test_its_own_scheduler(tmp_path):
    """The audit also checks a scheduler of transformers: linear from 1.0, without warm-up."""
    linear = transformers.get_linear_schedule_with_warmup
    audit = callback(lambda k: 1 - k / UPDATES, updates=UPDATES)
    train(tmp_path, [audit], lambda o: linear(o, 0, UPDATES))
    assert len(audit.trace.rates) == UPDATES


@pytest.mark.slow
def test_a_schedule_that_is_not_resumed_is_caught_and_named(tmp_path):
    """A checkpoint without the optimizer: Trainer goes on at update 5, and the schedule at 0."""
    train(tmp_path, [], save_strategy="steps", save_steps=5, save_only_model=True)
    checkpoint = str(tmp_path / "checkpoint-5")
    with pytest.raises(AuditError, match=r"update 5\b.*: the schedule says"):
        train(tmp_path, [callback(SCHEDULE)], resume=checkpoint)
    record = callback(None)
    train(tmp_path, [record], resume=checkpoint)
    assert record.trace.diagnose(SCHEDULE)[0].cause == "not_resumed"


@pytest.mark.slow
def test_a_run_that_is_too_short(tmp_path):
    with pytest.raises(AuditError, match="12"):
        train(tmp_path, [callback(SCHEDULE, updates=UPDATES)], num_train_epochs=1)


@pytest.mark.slow
def test_an_error_of_the_run_stays_as_it_is(tmp_path):
    class Broken(transformers.Trainer):
        def compute_loss(self, *arguments, **options):
            if self.state.global_step == 3:
                raise KeyError("broken")
            return super().compute_loss(*arguments, **options)

    audit = callback(SCHEDULE, updates=UPDATES)
    with pytest.raises(KeyError):
        train(tmp_path, [audit], kind=Broken)
    train(tmp_path, [audit])  # the same callback serves again
    assert audit.trace.rates == EXPECTED


TWO_PROCESSES = """
import sys
import pytest
sys.path.insert(0, {folder!r})
import test_transformers as here

audit = here.callback(here.SCHEDULE, updates=here.UPDATES // 2)
here.train({output!r}, [audit])
assert audit.trace.rates == here.EXPECTED[: here.UPDATES // 2]
with pytest.raises(here.AuditError, match="12"):
    here.train({output!r}, [here.callback(here.SCHEDULE, updates=here.UPDATES)])
"""


@pytest.mark.slow
def test_two_processes(tmp_path):
    """Each process audits its own optimizer, which makes half as many updates."""
    program = tmp_path / "program.py"
    folder = str(__file__).rpartition("test_transformers")[0]
    program.write_text(TWO_PROCESSES.format(folder=folder, output=str(tmp_path)))
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", program]
    result = subprocess.run([sys.executable, *launch], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


# -------------------------------------------------------------------------------- the logs


def recorded_and_saved(folder, every=1, kind=None, **options):
    """The rates that a run used, and the folder with its log."""
    record = callback(None)
    trainer = train(
        folder, [record], kind=kind, logging_strategy="steps", logging_steps=every, **options
    )
    trainer.save_state()
    return record.trace.rates


@pytest.mark.parametrize(
    ("every", "accumulated"),
    [
        (1, 1),
        pytest.param(5, 1, marks=pytest.mark.slow),
        pytest.param(2, 2, marks=pytest.mark.slow),
    ],
)
def test_a_logged_rate_is_that_of_the_update_done_last(tmp_path, every, accumulated):
    used = recorded_and_saved(tmp_path, every, gradient_accumulation_steps=accumulated)
    logged = logs.read(tmp_path)
    assert list(logged.indices) == list(range(every - 1, UPDATES // accumulated, every))
    assert logged.rates == [used[k] for k in logged.indices]
    logged.check(SCHEDULE)


@pytest.mark.slow
def test_the_log_of_a_resumed_run_holds_both_parts(tmp_path):
    options = {"logging_strategy": "steps", "logging_steps": 1}
    train(tmp_path, [], save_strategy="steps", save_steps=5, **options)
    assert logs.read(tmp_path).rates == EXPECTED  # that of the last checkpoint, after 12
    train(tmp_path, [], resume=str(tmp_path / "checkpoint-5"), **options).save_state()
    assert logs.read(tmp_path).rates == EXPECTED


@pytest.mark.slow
def test_a_release_before_4_51(tmp_path, capsys):
    """Those read the rate after the scheduler's step: Trainer still does so if it gets None."""

    class Earlier(transformers.Trainer):
        def _maybe_log_save_evaluate(self, *arguments, **options):
            super()._maybe_log_save_evaluate(*arguments, **options | {"learning_rate": None})

    used = recorded_and_saved(tmp_path, kind=Earlier)
    logged = logs.read(tmp_path, first_step=0)
    assert list(logged.indices) == list(range(1, UPDATES + 1))
    assert logged.rates == [*used[1:], SCHEDULE(UPDATES)]
    logged.check(SCHEDULE)

    assert logs.main([str(tmp_path), "--schedule", SCHEDULE_AS_TEXT]) == 1
    assert "If such a release wrote this log, pass --first-step 0." in capsys.readouterr().out
    assert logs.main([str(tmp_path), "--schedule", SCHEDULE_AS_TEXT, "--first-step", "0"]) == 0


@pytest.mark.slow
def test_tensorboard(tmp_path, monkeypatch):
    pytest.importorskip("tensorboard")
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "tb"))
    recorded_and_saved(tmp_path, every=2, report_to=["tensorboard"])
    logged = logs.read(tmp_path / "tb")
    assert list(logged.indices) == [1, 3, 5, 7, 9, 11]
    logged.check(SCHEDULE, tolerance=1e-6)
    assert logs.main([str(tmp_path / "tb"), "--schedule", SCHEDULE_AS_TEXT]) == 0


@pytest.mark.slow
def test_an_export_of_wandb(tmp_path):
    """The callback for W&B renames what Trainer logs, and adds the number of updates done."""
    from transformers.integrations.integration_utils import rewrite_logs

    rows = []

    class LikeWandb(transformers.TrainerCallback):
        def on_log(self, args, state, control, logs, **options):
            rows.append(rewrite_logs(logs) | {"train/global_step": state.global_step})

    train(tmp_path, [LikeWandb()], logging_strategy="steps", logging_steps=2)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with (tmp_path / "export.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, ["_step", *columns])
        table.writeheader()
        table.writerows({"_step": i, **row} for i, row in enumerate(rows))
    logged = logs.read(tmp_path / "export.csv")
    assert list(logged.indices) == [1, 3, 5, 7, 9, 11]
    logged.check(SCHEDULE)
