"""ScheduleLR writes the schedule's rate at every update."""

import copy
import io
import json
import pickle
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler
from torch.optim.lr_scheduler import CosineAnnealingLR, SequentialLR

from coslr import Constant, Cosine, CosineWarmRestarts, Linear, join, warmup
from coslr.pytorch import ScheduleLR, audit

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


# ------------------------------------------------------------------------------- ScheduleLR


def test_is_a_scheduler_of_torch():
    scheduler = ScheduleLR(sgd(), SCHEDULE)
    assert isinstance(scheduler, lr_scheduler.LRScheduler)
    assert scheduler.get_last_lr() == [SCHEDULE(0)]


def test_the_rate_at_every_update():
    optimizer = sgd()
    rates = run(optimizer, ScheduleLR(optimizer, SCHEDULE), 200)
    assert rates == [[SCHEDULE(k)] for k in range(200)]


def test_a_schedule_in_epochs():
    optimizer = sgd()
    scheduler = ScheduleLR(optimizer, Cosine(5, 0.1), steps_per_unit=20)
    assert run(optimizer, scheduler, 120) == [[Cosine(5, 0.1)(k / 20)] for k in range(120)]


def test_one_schedule_per_group():
    optimizer = sgd(groups=2)
    both = [Cosine(50, 0.1), Linear(30, 0.2)]
    rates = run(optimizer, ScheduleLR(optimizer, both), 60)
    assert rates == [[both[0](k), both[1](k)] for k in range(60)]


def test_a_tensor_rate_stays_the_same_tensor():
    optimizer = torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=torch.tensor(1.0))
    rate = optimizer.param_groups[0]["lr"]
    scheduler = ScheduleLR(optimizer, Cosine(50, 0.1))
    for k in range(60):
        assert optimizer.param_groups[0]["lr"] is rate
        assert float(rate) == pytest.approx(Cosine(50, 0.1)(k), rel=1e-6)
        optimizer.step()
        scheduler.step()


def test_momentum_of_sgd_and_of_adam():
    momentum = Linear(50, 0.95, 0.85)
    for optimizer in (sgd(momentum=0.5), torch.optim.AdamW([torch.zeros(1)], lr=1.0)):
        scheduler = ScheduleLR(optimizer, Cosine(50, 0.1), momentum=momentum)
        for k in range(60):
            group = optimizer.param_groups[0]
            now = group["momentum"] if "momentum" in group else group["betas"][0]
            assert now == momentum(k)
            optimizer.step()
            scheduler.step()
    with pytest.raises(ValueError, match="neither momentum nor betas"):
        ScheduleLR(torch.optim.Adagrad([torch.zeros(1)]), Cosine(50, 0.1), momentum=momentum)


def test_only_after_update_counts_updates_not_calls():
    optimizer = sgd()
    scheduler = ScheduleLR(optimizer, Cosine(50, 0.1), only_after_update=True)
    for k in range(10):
        for _ in range(4):  # these calls follow no update, as when gradients accumulate
            scheduler.step()
            assert scheduler.get_last_lr() == [Cosine(50, 0.1)(k)]
        optimizer.step()
        scheduler.step()


# GradScaler calls a fused optimizer even when it skips the update.
@pytest.mark.parametrize("fused", [False, True])
def test_only_after_update_does_not_count_what_a_grad_scaler_skips(fused):
    weight = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=1.0, fused=fused)
    scheduler = ScheduleLR(optimizer, Linear(50, 0.1), only_after_update=True)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    made = 0
    with audit(optimizer, Linear(50, 0.1)) as trace:
        for k in range(12):
            before = weight.item()
            optimizer.zero_grad()
            overflow = k % 3 == 0
            scaler.scale(weight.sum() * (float("inf") if overflow else 1.0)).backward()
            scaler.step(optimizer)
            scaler.update()
            scheduler.step()
            assert (weight.item() == before) == overflow
            made += not overflow
            assert scheduler.last_epoch == len(trace.rates) == made
    assert made == 8


def test_in_a_sequence_of_torch():
    optimizer = sgd()
    first, second = ScheduleLR(optimizer, Constant(0.3)), ScheduleLR(optimizer, Cosine(20, 0.1))
    both = lr_scheduler.SequentialLR(optimizer, [first, second], milestones=[5])
    expected = join([Constant(0.3), Cosine(20, 0.1)], [5])
    with audit(optimizer, expected):
        for _ in range(30):
            optimizer.step()
            both.step()


@pytest.mark.parametrize("ours", ["123", "12", "13", "23", "1", "2", "3"])
@pytest.mark.parametrize("optimizer_first", [True, False])
def test_resume_in_a_sequence_of_torch(ours, optimizer_first):
    """The rate is that of the active scheduler, which may be one of torch's."""

    def make():
        optimizer = sgd(momentum=0.9)
        three = [
            ScheduleLR(optimizer, Linear(10, 1.0, 0.5), momentum=Linear(10, 0.9, 0.8))
            if "1" in ours
            else lr_scheduler.LinearLR(optimizer, 1.0, 0.5, total_iters=10),
            ScheduleLR(optimizer, Cosine(20, 0.3), momentum=Linear(20, 0.7, 0.6))
            if "2" in ours
            else lr_scheduler.CosineAnnealingLR(optimizer, 20),
            ScheduleLR(optimizer, Linear(20, 0.2)) if "3" in ours else halving(optimizer),
        ]
        return optimizer, lr_scheduler.SequentialLR(optimizer, three, milestones=[5, 12])

    def halving(optimizer):
        return lr_scheduler.ExponentialLR(optimizer, 0.5)

    def go(optimizer, scheduler, updates):
        for _ in range(updates):
            group = optimizer.param_groups[0]
            yield group["lr"], group["momentum"]
            optimizer.step()
            scheduler.step()

    expected = list(go(*make(), 25))
    optimizer, scheduler = make()
    for rates in expected:  # loading the optimizer's own state changes nothing
        optimizer.load_state_dict(optimizer.state_dict())
        assert list(go(optimizer, scheduler, 1)) == [rates]
    for k in range(25):
        optimizer, scheduler = make()
        list(go(optimizer, scheduler, k))
        saved = optimizer.state_dict(), scheduler.state_dict()
        optimizer, scheduler = make()
        pairs = list(zip((optimizer, scheduler), saved, strict=True))
        for one, state in pairs if optimizer_first else reversed(pairs):
            one.load_state_dict(state)
        assert list(go(optimizer, scheduler, 25 - k)) == expected[k:]


def test_warns_where_torch_warns():
    scheduler = ScheduleLR(sgd(), SCHEDULE)
    with pytest.warns(UserWarning, match=r"before optimizer.step"):
        scheduler.step()
    optimizer = sgd()
    scheduler = ScheduleLR(optimizer, SCHEDULE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(optimizer, scheduler, 3)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"schedule": [SCHEDULE] * 2}, ValueError, "must be one schedule, or a list of 1"),
        ({"schedule": 0.1}, TypeError, "schedule=0.1: must be a schedule such as"),
        ({"schedule": "cosine"}, TypeError, "schedule='cosine': must be a schedule such as"),
        ({"schedule": Cosine}, TypeError, "schedule=.*Cosine.*: must be a schedule such as"),
        ({"steps_per_unit": 0}, ValueError, "steps_per_unit=0: .* above 0"),
        ({"steps_per_unit": "9"}, TypeError, "steps_per_unit='9'"),
        ({"last_epoch": -2}, ValueError, "last_epoch=-2: must be -1"),
        ({"last_epoch": True}, TypeError, "last_epoch=True: must be -1"),
        ({"last_epoch": 1.5}, TypeError, "last_epoch=1.5: must be -1"),
        ({"optimizer": nn.Linear(1, 1)}, TypeError, "torch.optim.Optimizer"),
    ],
)
def test_refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        ScheduleLR(**({"optimizer": sgd(), "schedule": SCHEDULE} | arguments))


# ----------------------------------------------------------------------------------- resume


def small_run():
    torch.manual_seed(0)
    model = nn.Linear(4, 2)
    groups = [{"params": [model.weight]}, {"params": [model.bias]}]
    optimizer = torch.optim.SGD(groups, lr=1.0, momentum=0.9)
    return model, optimizer


def train(model, optimizer, scheduler, updates):
    rates = []
    for k in updates:
        x = BATCHES[k]
        with torch.no_grad():  # writing these gradients by hand takes a tenth of autograd's time
            error = (model(x) - x[:, :2].tanh()) / len(x)
            model.weight.grad, model.bias.grad = error.T @ x, error.sum(0)
        rates.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    return rates


TWO = [SCHEDULE, Cosine(150, 0.05)]
BATCHES = torch.randn(200, 16, 4, generator=torch.Generator().manual_seed(0)).unbind()


@pytest.mark.parametrize("way", ["scheduler first", "optimizer first", "last_epoch alone"])
def test_resume_at_every_update_is_exact(way):
    model, optimizer = small_run()
    scheduler = ScheduleLR(optimizer, TWO)
    saved, expected = [], []
    for k in range(200):
        file = io.BytesIO()
        torch.save([model.state_dict(), optimizer.state_dict(), scheduler.state_dict()], file)
        saved.append(file)
        expected += train(model, optimizer, scheduler, [k])
    for k, file in enumerate(saved):
        file.seek(0)
        weights, moments, counter = torch.load(file, weights_only=True)
        again, optimizer = small_run()
        again.load_state_dict(weights)
        if way == "last_epoch alone":
            optimizer.load_state_dict(moments)
            scheduler = ScheduleLR(optimizer, TWO, last_epoch=k - 1)
        else:
            scheduler = ScheduleLR(optimizer, TWO)
            if way == "optimizer first":
                optimizer.load_state_dict(moments)
                scheduler.load_state_dict(counter)
            else:
                scheduler.load_state_dict(counter)
                optimizer.load_state_dict(moments)
        # After last_epoch alone, most runs last ten updates only, to save time.
        end = min(k + 10, 200) if way == "last_epoch alone" and k % 20 else 200
        assert train(again, optimizer, scheduler, range(k, end)) == expected[k:end]
        if end == 200:
            for a, b in zip(again.parameters(), model.parameters(), strict=True):
                assert torch.equal(a, b)


def test_loading_the_optimizer_state_of_another_run_keeps_our_rate():
    old = sgd(momentum=0.5).state_dict()  # holds a rate of 1.0
    optimizer = sgd(momentum=0.9)
    scheduler = ScheduleLR(optimizer, Cosine(50, 0.1), momentum=Linear(50, 0.95, 0.85))
    run(optimizer, scheduler, 7)
    optimizer.load_state_dict(old)
    assert optimizer.param_groups[0]["lr"] == Cosine(50, 0.1)(7)
    assert optimizer.param_groups[0]["momentum"] == Linear(50, 0.95, 0.85)(7)


def test_a_state_is_plain_values_and_another_schedule_refuses_it():
    state = ScheduleLR(sgd(), SCHEDULE).state_dict()
    assert {type(value) for value in state.values()} <= {int, float, str}
    with pytest.raises(ValueError, match=r"state_dict\['schedule'\]=.*: must be .*, as in this"):
        ScheduleLR(sgd(), Cosine(50, 0.1)).load_state_dict(state)
    with pytest.raises(ValueError, match=r"state_dict\['steps_per_unit'\]=1: must be 2"):
        ScheduleLR(sgd(), SCHEDULE, steps_per_unit=2).load_state_dict(state)
    of_torch = lr_scheduler.CosineAnnealingLR(sgd(), 50).state_dict()
    with pytest.raises(ValueError, match="must be the state_dict of a ScheduleLR"):
        ScheduleLR(sgd(), SCHEDULE).load_state_dict(of_torch)


def test_torch_schedulers_on_the_same_optimizer_start_from_its_rate():
    """They read it from `initial_lr`, which all schedulers of an optimizer share."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    ours = ScheduleLR(optimizer, warmup(Constant(0.1), 5, start=0.0))
    torch_s = CosineAnnealingLR(optimizer, 5)
    sequence = SequentialLR(optimizer, [ours, torch_s], milestones=[5])
    with audit(optimizer) as trace:
        for _ in range(7):
            optimizer.step()
            sequence.step()
    assert trace.rates == pytest.approx([0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.0904508])


def test_a_deleted_scheduler_no_longer_writes_rates():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = ScheduleLR(optimizer, Constant(0.1))
    del scheduler
    optimizer.param_groups[0]["lr"] = 0.02
    optimizer.load_state_dict(optimizer.state_dict())
    assert optimizer.param_groups[0]["lr"] == 0.02


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_a_copy_goes_on_with_its_own_optimizer(copied):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = ScheduleLR(optimizer, Cosine(10, 0.1), only_after_update=True)
    for _ in range(3):
        optimizer.step()
        scheduler.step()
    twin = copied(scheduler)
    with audit(twin.optimizer, Cosine(10, 0.1), first_update=3):
        for _ in range(3):
            twin.optimizer.step()
            twin.step()
    twin.optimizer.load_state_dict(optimizer.state_dict())
    assert twin.optimizer.param_groups[0]["lr"] == Cosine(10, 0.1)(6)


def test_a_state_is_accepted_if_its_length_is_the_same_number_of_another_type():
    def made(T_max):
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        return ScheduleLR(optimizer, Cosine(T_max, 0.1), steps_per_unit=np.int64(2))

    state = json.loads(json.dumps(made(50).state_dict()))
    made(50.0).load_state_dict(state)
    with pytest.raises(ValueError, match=r"state_dict\['schedule'\]="):
        made(51.0).load_state_dict(state)


@pytest.mark.parametrize("momentum", [Constant(1.0), Constant(9), lambda t: -0.1])
def test_a_momentum_outside_0_to_1_is_refused(momentum):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1, momentum=0.9)
    with pytest.raises(ValueError, match=r"momentum\(0\)=.*: must be from 0 to below 1"):
        ScheduleLR(optimizer, Cosine(10, 0.1), momentum=momentum)
