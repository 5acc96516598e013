"""The audit sees every wrong rate, and raises no false alarm."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from coslr import Constant, Cosine, CosineWarmRestarts, Linear, warmup
from coslr.pytorch import AuditError, ScheduleLR, audit

SCHEDULE = warmup(CosineWarmRestarts(40, 0.1, 1e-3, T_mult=1.5), 10)


def sgd(groups=1, **kwargs):
    parameters = [{"params": [torch.zeros(1, requires_grad=True)]} for _ in range(groups)]
    return torch.optim.SGD(parameters, lr=1.0, **kwargs)


def run(optimizer, scheduler, updates):
    rates = []
    for _ in range(updates):
        rates.append([float(group["lr"]) for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    return rates


def loop(optimizer, scheduler, updates):
    for _ in range(updates):
        optimizer.step()
        scheduler.step()


def test_audit_passes_and_records_a_run_under_its_schedule():
    optimizer = sgd()
    scheduler = ScheduleLR(optimizer, SCHEDULE)
    with audit(optimizer, SCHEDULE) as trace:
        loop(optimizer, scheduler, 100)
    assert trace.rates == [SCHEDULE(k) for k in range(100)]
    loop(optimizer, scheduler, 5)
    assert len(trace.rates) == 100  # the hook is gone


@pytest.mark.parametrize(
    "make",
    [
        lambda o: lr_scheduler.CosineAnnealingLR(o, 50, 1e-3),
        lambda o: lr_scheduler.LambdaLR(o, Cosine(50, 1.0, 1e-3)),
    ],
)
def test_audit_passes_the_same_schedule_of_torch(make):
    optimizer = sgd()
    scheduler = make(optimizer)
    with audit(optimizer, Cosine(50, 1.0, 1e-3), tolerance=1e-6):
        loop(optimizer, scheduler, 50)


def nobody_steps(optimizer, scheduler):
    loop(optimizer, ScheduleLR(sgd(), SCHEDULE), 60)


def steps_first(optimizer, scheduler):
    for _ in range(60):
        scheduler.step()
        optimizer.step()


def plotted_first(optimizer, scheduler):
    for _ in range(3):
        scheduler.step()
    loop(optimizer, scheduler, 60)


def touched_once(optimizer, scheduler):
    loop(optimizer, scheduler, 30)
    optimizer.param_groups[0]["lr"] *= 1 + 1e-6
    loop(optimizer, scheduler, 30)


def climbs_after_the_end(optimizer, scheduler):
    scheduler = lr_scheduler.CosineAnnealingLR(optimizer, 50, 1e-3)
    loop(optimizer, scheduler, 60)


def other_units(optimizer, scheduler):
    loop(optimizer, ScheduleLR(optimizer, Cosine(50, 0.1, 1e-3), steps_per_unit=2), 60)


@pytest.mark.filterwarnings("ignore:scheduler.step")
@pytest.mark.parametrize(
    ("bug", "update"),
    [
        (nobody_steps, 1),
        (steps_first, 0),
        (plotted_first, 0),
        (touched_once, 30),
        (climbs_after_the_end, 51),
        (other_units, 1),
    ],
)
def test_audit_names_the_first_wrong_update(bug, update):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    schedule = Cosine(50, 0.1, 1e-3)
    scheduler = ScheduleLR(optimizer, schedule)
    with (
        pytest.raises(AuditError, match=rf"^update {update}: the schedule says .* is in force$"),
        audit(optimizer, schedule),
    ):
        bug(optimizer, scheduler)


def test_audit_stops_before_the_wrong_update_is_made():
    weight = torch.ones(1, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=5.0)
    weight.sum().backward()
    with pytest.raises(AuditError, match="update 0"), audit(optimizer, Constant(0.1)):
        optimizer.step()
    assert weight.item() == 1.0


def test_audit_of_all_groups_or_of_one():
    both = [Cosine(50, 0.1), Linear(30, 0.2)]
    optimizer = sgd(groups=2)
    scheduler = ScheduleLR(optimizer, both)
    with audit(optimizer, both) as trace, audit(optimizer, both[1], group=1) as second:
        loop(optimizer, scheduler, 40)
    assert trace.groups == [[f(k) for k in range(40)] for f in both]
    assert second.rates == trace.groups[1]
    with (
        pytest.raises(AuditError, match="param group 1"),
        audit(optimizer, Cosine(50, 0.1), first_update=40),
    ):
        loop(optimizer, scheduler, 1)
    with pytest.raises(ValueError, match="group=2: must be from 0 to 1"), audit(optimizer, group=2):
        pass


def test_audit_in_epochs_and_of_a_run_that_goes_on():
    optimizer = sgd()
    scheduler = ScheduleLR(optimizer, Cosine(5, 0.1), steps_per_unit=20)
    with audit(optimizer, Cosine(5, 0.1), steps_per_unit=20):
        loop(optimizer, scheduler, 60)
    with audit(optimizer, Cosine(5, 0.1), steps_per_unit=20, first_update=60):
        loop(optimizer, scheduler, 60)


def test_audit_only_records_without_a_schedule():
    optimizer = sgd()
    with audit(optimizer) as trace:
        loop(optimizer, lr_scheduler.StepLR(optimizer, 2), 5)
    assert np.allclose(trace.rates, [1, 1, 0.1, 0.1, 0.01])


def test_audit_unwraps_and_refuses():
    class Wrapper:
        optimizer = sgd()

        def step(self):
            self.optimizer.step()

    with audit(Wrapper()) as trace:
        Wrapper().step()
    assert trace.rates == [1.0]
    with pytest.raises(TypeError, match=r"must be a torch.optim.Optimizer"), audit(nn.Linear(1, 1)):
        pass


def test_the_audit_ends_when_the_block_fails():
    optimizer = sgd()
    with pytest.raises(KeyError), audit(optimizer, Constant(7.0)):
        raise KeyError
    optimizer.step()


def test_an_update_counts_once_where_a_subclass_calls_its_parent_s_step():
    """torch runs the hooks for both calls, if an optimizer of the parent class was ever made."""

    class Clipped(torch.optim.SGD):
        fails = False

        def step(self, closure=None):
            if self.fails:
                raise RuntimeError("out of memory")
            return super().step(closure)

    torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    optimizer = Clipped([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = ScheduleLR(optimizer, Cosine(5, 0.1))
    with audit(optimizer, Cosine(5, 0.1)) as trace:
        for _ in range(3):
            optimizer.step()
            scheduler.step()
        optimizer.fails = True
        with pytest.raises(RuntimeError, match="out of memory"):
            optimizer.step()
        optimizer.fails = False
    with audit(optimizer, Cosine(5, 0.1), first_update=3):
        optimizer.step()
    assert trace.rates == [Cosine(5, 0.1)(t) for t in range(4)]


def test_an_added_param_group_is_an_error_that_says_how_to_go_on():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = Cosine(5, 0.1)
    scheduler = ScheduleLR(optimizer, schedule)
    optimizer.step()
    scheduler.step()
    with audit(optimizer, schedule, first_update=1):
        optimizer.step()
        optimizer.add_param_group({"params": [torch.zeros(1, requires_grad=True)]})
        with pytest.raises(ValueError, match=r"has 2 param groups at update 2, .*first_update=2"):
            optimizer.step()
    with pytest.raises(ValueError, match=r"has 2 param groups, but had 1 .*last_epoch=1"):
        scheduler.step()
    scheduler = ScheduleLR(optimizer, schedule, last_epoch=1)
    with audit(optimizer, schedule, first_update=2):
        optimizer.step()
