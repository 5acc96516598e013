"""Accelerate: the audit takes its optimizers as they are, in loops that its users write."""

import subprocess
import sys
import warnings

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from coslr import Cosine, warmup
from coslr.pytorch import AuditError, ScheduleLR, audit

pytest.importorskip("accelerate")

SCHEDULE = warmup(Cosine(T_max=9, eta_max=0.1, eta_min=0.001), updates=3)
BATCHES, EPOCHS = 4, 3
UPDATES = BATCHES * EPOCHS
EXPECTED = [SCHEDULE(k) for k in range(UPDATES)]


def train(
    prepared,
    accumulate=1,
    audited=SCHEDULE,
    checkpoint=None,
    save_after=None,
    updates=None,
    **options,
):
    """Train with a scheduler that Accelerate has prepared or has not; return the trace."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import accelerate

    accelerate.state.AcceleratorState._reset_state(reset_partial_state=checkpoint is None)
    accelerator = accelerate.Accelerator(cpu=True, gradient_accumulation_steps=accumulate)
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    x = torch.randn(8 * BATCHES, 3, generator=torch.Generator().manual_seed(0))
    loader = DataLoader(TensorDataset(x, x[:, :1]), batch_size=8)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    scheduler = ScheduleLR(optimizer, SCHEDULE, **options)
    if prepared:
        scheduler = accelerator.prepare(scheduler)
    else:
        accelerator.register_for_checkpointing(scheduler)
    done = 0
    if checkpoint is not None and save_after is None:
        accelerator.load_state(checkpoint)
        done = int((checkpoint / "done").read_text())
    with audit(optimizer, audited, first_update=done, updates=updates and updates - done) as trace:
        for epoch in range(done // len(loader), EPOCHS):
            skipped = done - epoch * len(loader)
            batches = loader
            if skipped > 0:
                batches = accelerator.skip_first_batches(loader, skipped)
            for x, y in batches:
                with accelerator.accumulate(model):
                    accelerator.backward(nn.functional.mse_loss(model(x), y))
                    optimizer.step()
                    scheduler.step()
                    optimizer.zero_grad()
                if save_after == len(trace.rates):
                    accelerator.save_state(checkpoint)
                    (checkpoint / "done").write_text(str(save_after))
    return trace


@pytest.mark.parametrize("prepared", [True, False])
def test_a_run(prepared):
    assert train(prepared, updates=UPDATES).rates == EXPECTED


def test_accumulating_gradients():
    """A prepared scheduler waits for the update, and so does one with only_after_update."""
    half = EXPECTED[: UPDATES // 2]
    assert train(prepared=True, accumulate=2, updates=6).rates == half
    assert train(prepared=False, accumulate=2, updates=6, only_after_update=True).rates == half


@pytest.mark.parametrize("prepared", [True, False])
@pytest.mark.parametrize("done", [5, 8])
def test_resumed_from_a_checkpoint(tmp_path, prepared, done):
    options = {"checkpoint": tmp_path, "updates": UPDATES, "only_after_update": not prepared}
    assert train(prepared, save_after=done, **options).rates == EXPECTED
    rest = train(prepared, **options)
    assert rest.first_update == done
    assert rest.rates == EXPECTED[done:]


@pytest.mark.filterwarnings("ignore:scheduler.step")
def test_a_scheduler_that_counts_batches_is_caught():
    wrong = r"update 0: the schedule says 0\.025, but 0\.05(?s:.*)too_fast.* 2 times too fast"
    with pytest.raises(AuditError, match=wrong):
        train(prepared=False, accumulate=2)
    cause = train(prepared=False, accumulate=2, audited=None).diagnose(SCHEDULE)[0]
    assert (cause.cause, cause.parameters) == ("too_fast", {"times": 2, "offset": 1})


TWO_PROCESSES = """
import sys
import pytest
sys.path.insert(0, {folder!r})
import test_accelerate as here

half = here.EXPECTED[: here.UPDATES // 2]
assert here.train(prepared=False, updates=6).rates == half
with pytest.raises(here.AuditError, match="update 1: "):
    here.train(prepared=True)
cause = here.train(prepared=True, audited=None).diagnose(here.SCHEDULE)[0]
assert (cause.cause, *cause.parameters.values()) == ("too_fast", 2)
"""


@pytest.mark.slow
def test_a_prepared_scheduler_in_two_processes_is_caught_and_named(tmp_path):
    """Accelerate steps a prepared scheduler once for each process."""
    program = tmp_path / "program.py"
    program.write_text(TWO_PROCESSES.format(folder=str(__file__).rpartition("test_accelerate")[0]))
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", program]
    result = subprocess.run([sys.executable, *launch], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
