"""ScheduleLR writes the schedule's rate at every update."""

import copy
import io
import itertools
import json
import pickle
import warnings
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributed.checkpoint.state_dict import _init_optim_state
from torch.optim import lr_scheduler
from torch.optim.lr_scheduler import CosineAnnealingLR, SequentialLR

from coslr import Constant, Cosine, CosineWarmRestarts, Linear, MultiStep, Schedule, join, warmup
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
    rates = [rate for (rate,) in run(optimizer, scheduler, 120)]
    assert rates == pytest.approx([Cosine(5, 0.1)(k / 20) for k in range(120)], rel=1e-13)


def test_a_plain_function_gets_the_time_in_its_own_unit():
    optimizer = sgd()
    scheduler = ScheduleLR(optimizer, lambda t: 1 / (1 + t), steps_per_unit=20)
    assert run(optimizer, scheduler, 50) == [[1 / (1 + k / 20)] for k in range(50)]


@pytest.mark.parametrize("per_epoch", [100, 469])
def test_boundaries_in_epochs_come_at_the_exact_update(per_epoch):
    assert 30 / 100 < 3 * 0.1
    late = warmup(MultiStep([0.8], 0.2, gamma=0.5), 0.2)
    for schedule, updates in [
        (join([Constant(0.2), Cosine(1, 0.1)], [3 * 0.1]), {30: 0.1}),
        (MultiStep([3 * 0.1], 0.2, gamma=0.5), {29: 0.2, 30: 0.1}),
        (warmup(CosineWarmRestarts(0.7, 0.2), 0.3), {per_epoch: 0.2}),
        (late, {per_epoch - 1: 0.2, per_epoch: 0.1}),
    ]:
        optimizer = sgd()
        units = 100 if 30 in updates else per_epoch
        rates = run(optimizer, ScheduleLR(optimizer, schedule, steps_per_unit=units), 1000)
        assert {k: rates[k] for k in updates} == {k: [rate] for k, rate in updates.items()}


def test_hold_makes_the_staircase_of_a_loop_that_steps_once_an_epoch():
    optimizer = sgd(momentum=0.9)
    scheduler = ScheduleLR(optimizer, Cosine(5, 0.1), hold=20, momentum=Linear(5, 0.9, 0.8))
    assert run(optimizer, scheduler, 120) == [[Cosine(5, 0.1)(k // 20)] for k in range(120)]
    assert optimizer.param_groups[0]["momentum"] == 0.8
    half = sgd()
    scheduler = ScheduleLR(half, Cosine(5, 0.1), steps_per_unit=20, hold=10)
    expected = [[Cosine(100, 0.1)(k // 10)] for k in range(45)]
    assert run(half, scheduler, 45) == expected


@pytest.mark.parametrize("hold", [1, 100])
def test_an_error_of_the_schedule_names_the_update_whatever_hold_is(hold):
    """The audit names the same one."""
    end = 2 * hold
    for wrong, message in (
        (lambda t: -1.0, f"schedule at update {end}=-1.0: must be a rate from 0"),
        (lambda t: [][t], f"schedule: has no value at update {end} "),
    ):
        scheduler = ScheduleLR(sgd(), lambda t, wrong=wrong: 0.1 if t < 2 else wrong(t), hold=hold)
        scheduler.optimizer.step()
        with pytest.raises(ValueError, match=message):
            scheduler.step(end)
        momentum = [lambda t: 0.9 if t < 2 else 1.5]
        optimizer = sgd(momentum=0.9)
        scheduler = ScheduleLR(optimizer, Constant(0.1), hold=hold, momentum=momentum)
        optimizer.step()
        with pytest.raises(ValueError, match=rf"momentum\({end}\)=1.5: must be from 0"):
            scheduler.step(end)


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


def two_rates(*rates, kind=torch.optim.SGD, **more):
    groups = [{"params": [torch.zeros(1, requires_grad=True)], "lr": rate} for rate in rates]
    return kind(groups, **more)


def test_one_schedule_over_groups_with_different_rates_is_refused():
    with pytest.raises(ValueError, match=r"a list of 2, .* lr: 0.1, 0.01. Or pass relative=True"):
        ScheduleLR(two_rates(0.1, 0.01), Cosine(50, 0.1))
    optimizer = two_rates(0.1, 0.01)
    ScheduleLR(optimizer, [Cosine(50, 0.1), Cosine(50, 0.01)])
    with pytest.raises(ValueError, match=r"lr: 0\.1, 0\.01"):  # its own rates, not those of now
        ScheduleLR(optimizer, Cosine(50, 0.1))
    optimizer = two_rates(0.1, 0.1)
    ScheduleLR(optimizer, [Cosine(50, 0.2), Cosine(50, 0.3)])
    with pytest.raises(ValueError, match=r"lr is 0\.2, 0\.3 now, but initial_lr.* 0\.1, 0\.1\."):
        ScheduleLR(optimizer, Cosine(50, 0.1))
    ScheduleLR(optimizer, [Cosine(50, 0.1)] * 2)  # a second phase
    with pytest.raises(ValueError, match="relative=True: must be False, because schedule is a"):
        ScheduleLR(two_rates(0.1, 0.01), [Cosine(50, 0.1)] * 2, relative=True)


@pytest.mark.parametrize("tensors", [False, True])
@pytest.mark.parametrize("schedule", [warmup(Cosine(45, 0.1), 5), lambda t: 0.1 / (1 + t)])
def test_relative_keeps_the_ratios(schedule, tensors):
    own = [0.01, 0.1, 0.0, 0.1]
    rates = [torch.tensor(rate) for rate in own] if tensors else own
    optimizer = two_rates(*rates, kind=torch.optim.AdamW if tensors else torch.optim.SGD)
    scheduler = ScheduleLR(optimizer, schedule, relative=True, steps_per_unit=2)
    close = 1e-6 if tensors else 1e-13
    with audit(optimizer, scheduler.schedules, steps_per_unit=2, updates=60):
        for k, found in enumerate(run(optimizer, scheduler, 60)):
            expected = [schedule(k / 2) * rate / 0.1 for rate in own]
            assert found == pytest.approx(expected, rel=close)


def test_weight_decay_is_scheduled_too():
    decay = Linear(50, 0.1, 0.01)
    optimizer = torch.optim.AdamW([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = ScheduleLR(optimizer, Cosine(50, 0.1), weight_decay=decay, steps_per_unit=2)
    for k in range(120):
        group = optimizer.param_groups[0]
        assert group["weight_decay"] == pytest.approx(decay(k / 2), rel=1e-13)
        assert group["lr"] == pytest.approx(Cosine(50, 0.1)(k / 2), rel=1e-13)
        assert group["betas"] == (0.9, 0.999)
        optimizer.step()
        scheduler.step()
    with pytest.raises(ValueError, match="this optimizer has no weight_decay"):
        ScheduleLR(torch.optim.LBFGS([torch.zeros(1)]), Cosine(50, 0.1), weight_decay=decay)
    with pytest.raises(ValueError, match=r"weight_decay\(0\)=-1.0: must be from 0"):
        ScheduleLR(optimizer, Cosine(50, 0.1), weight_decay=lambda t: -1)


def test_a_group_without_weight_decay_keeps_none():
    def decays(**more):
        groups = [
            {"params": [torch.zeros(1, requires_grad=True)], "weight_decay": decay}
            for decay in (0.0, 0.1)
        ]
        optimizer = torch.optim.AdamW(groups, lr=1.0)
        scheduler = ScheduleLR(optimizer, Cosine(50, 0.1), weight_decay=Linear(9, 0.2), **more)
        run(optimizer, scheduler, 12)
        ScheduleLR(optimizer, Cosine(50, 0.1), weight_decay=Linear(9, 0.2), **more)
        return [group["weight_decay"] for group in optimizer.param_groups]

    with pytest.raises(ValueError, match=r"different values of weight_decay: 0, 0\.1"):
        decays()
    assert decays(relative=True) == [0.0, 0.2]


@pytest.mark.parametrize("epoch", [0.42, torch.tensor(0.42), True, "3", float("nan")])
def test_a_metric_is_no_epoch(epoch):
    optimizer = sgd()
    scheduler = ScheduleLR(optimizer, Cosine(50, 0.1))
    optimizer.step()
    with pytest.raises(TypeError, match=r"epoch=.*: must be None, or the whole number"):
        scheduler.step(epoch)
    with pytest.raises(ValueError, match="epoch=-1"):
        scheduler.step(-1)
    scheduler.step(np.int64(7))
    assert scheduler.get_last_lr() == [Cosine(50, 0.1)(7)]


@pytest.mark.parametrize(
    ("schedule", "bad"), [(lambda t: 0.1 - t, "-0.9"), (lambda t: 0.1 if t < 1 else np.nan, "nan")]
)
def test_a_negative_rate_is_refused(schedule, bad):
    optimizer = sgd()
    scheduler = ScheduleLR(optimizer, schedule)
    optimizer.step()
    with pytest.raises(ValueError, match=f"schedule at update 1={bad}: must be a rate from 0"):
        scheduler.step()


def test_a_rate_in_a_tensor_of_integers_is_refused():
    optimizer = torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=torch.tensor(1))
    with pytest.raises(TypeError, match=r"optimizer's lr=tensor\(1\): must be .* of floats"):
        ScheduleLR(optimizer, Cosine(50, 0.1))


def test_a_new_param_group_is_a_clear_error():
    optimizer = sgd()
    scheduler = ScheduleLR(optimizer, Cosine(50, 0.1))
    run(optimizer, scheduler, 7)
    optimizer.add_param_group({"params": [torch.zeros(1, requires_grad=True)]})
    optimizer.step()
    with pytest.raises(ValueError, match=r"has 2 param groups, but had 1 .* with last_epoch=7"):
        scheduler.step()
    scheduler = ScheduleLR(optimizer, Cosine(50, 0.1), last_epoch=7)
    assert run(optimizer, scheduler, 5) == [[Cosine(50, 0.1)(k)] * 2 for k in range(8, 13)]


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


def accumulating(rate=0.1, kind=torch.optim.AdamW, schedule=SCHEDULE):
    weight = nn.Parameter(torch.ones(2))
    optimizer = kind([weight], lr=rate)
    return weight, optimizer, ScheduleLR(optimizer, schedule, only_after_update=True)


def accumulate(weight, optimizer, scheduler, calls, every=3):
    """Step the optimizer at every third call and the scheduler at every call."""
    rates = []
    for call in calls:
        if call % every == every - 1:
            rates.append(optimizer.param_groups[0]["lr"])
            weight.grad = torch.ones(2)
            optimizer.step()
            optimizer.zero_grad()
        scheduler.step()
    return rates


@pytest.mark.parametrize("optimizer_first", [True, False])
@pytest.mark.parametrize("same_process", [True, False])
def test_only_after_update_keeps_its_count_through_a_save_between_the_steps(
    optimizer_first, same_process
):
    weight, optimizer, scheduler = one = accumulating()
    expected = [SCHEDULE(k) for k in range(20)]
    assert accumulate(*one, range(30)) == expected[:10]
    saved = {"before": (optimizer.state_dict(), scheduler.state_dict())}
    weight.grad = torch.ones(2)
    optimizer.step()
    saved["between"] = copy.deepcopy((optimizer.state_dict(), scheduler.state_dict()))
    for moment, (moments, counter) in saved.items():
        torch.save(counter, file := io.BytesIO())
        file.seek(0)
        counter = torch.load(file, weights_only=True)
        if not same_process:
            weight, optimizer, scheduler = accumulating()
        elif moment == "before":  # an update was seen, and the rollback takes it back
            assert scheduler._update_seen
        pairs = [(optimizer, moments), (scheduler, counter)]
        for one, state in pairs if optimizer_first else reversed(pairs):
            one.load_state_dict(state)
        if moment == "between":
            scheduler.step()
        else:
            scheduler.step()  # follows no update
            assert scheduler.last_epoch == 10
            assert accumulate(weight, optimizer, scheduler, [2]) == expected[10:11]
        assert scheduler.last_epoch == 11
        assert accumulate(weight, optimizer, scheduler, range(27)) == expected[11:20]
        weight.grad = torch.ones(2)
        optimizer.step()


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW])
@pytest.mark.parametrize("rate", [0.1, torch.tensor(0.1)])
@pytest.mark.parametrize("order", ["state first", "checkpoint first", "never resumed"])
@pytest.mark.parametrize("schedule", [SCHEDULE, warmup(Constant(0.1), 4, start=0.0)])
def test_only_after_update_does_not_count_what_initialises_a_checkpoint(
    kind, rate, order, schedule
):
    """torch.distributed.checkpoint steps once at rate 0, to have a state to load into."""
    rate = rate.clone() if isinstance(rate, torch.Tensor) else rate
    weight, optimizer, scheduler = accumulating(rate, kind, schedule)
    done = 0
    if order != "never resumed":
        old = accumulating(rate, kind, schedule)
        accumulate(*old, range(12))
        done, state = 4, old[2].state_dict()
    if order == "state first":
        scheduler.load_state_dict(state)
    _init_optim_state(optimizer)
    if order == "checkpoint first":
        scheduler.load_state_dict(state)
    for k in range(done, done + 5):
        scheduler.step()
        assert scheduler.last_epoch == k
        assert float(optimizer.param_groups[0]["lr"]) == pytest.approx(schedule(k), rel=1e-6)
        accumulate(weight, optimizer, scheduler, [2])
        assert scheduler.last_epoch == k + 1


# GradScaler calls a fused optimizer even when it skips the update.
@pytest.mark.parametrize("fused", [False, True])
def test_only_after_update_does_not_count_what_a_grad_scaler_skips(fused):
    weight = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=1.0, fused=fused)
    scheduler = ScheduleLR(optimizer, Linear(50, 0.1), only_after_update=True)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    made = 0
    with audit(optimizer, Linear(50, 0.1), updates=8) as trace:
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
@pytest.mark.parametrize("every", [13, pytest.param(1, marks=pytest.mark.slow)])
def test_resume_at_every_update_is_exact(way, every):
    model, optimizer = small_run()
    scheduler = ScheduleLR(optimizer, TWO)
    saved, expected = [], []
    for k in range(200):
        file = io.BytesIO()
        torch.save([model.state_dict(), optimizer.state_dict(), scheduler.state_dict()], file)
        saved.append(file)
        expected += train(model, optimizer, scheduler, [k])
    for k, file in list(enumerate(saved))[::every]:
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


def test_a_rate_in_a_float32_tensor_resumes_without_the_optimizer_s_state():
    """The tensor rounds our rate, which is in force all the same."""

    def make():
        weight = torch.zeros(1, requires_grad=True)
        optimizer = torch.optim.AdamW([weight], lr=torch.tensor(1.0))
        return ScheduleLR(optimizer, SCHEDULE, weight_decay=Linear(50, 0.1))

    scheduler = make()
    expected = run(scheduler.optimizer, scheduler, 30)
    scheduler = make()
    run(scheduler.optimizer, scheduler, 13)
    state = scheduler.state_dict()
    assert state["in_force"]
    scheduler = make()
    scheduler.load_state_dict(state)
    assert run(scheduler.optimizer, scheduler, 17) == expected[13:]


def test_a_state_is_plain_values_and_another_schedule_refuses_it():
    state = ScheduleLR(sgd(), SCHEDULE).state_dict()
    assert {type(value) for value in state.values()} <= {bool, int, float, str}
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
    with audit(twin.optimizer, Cosine(10, 0.1), first_update=3, updates=3):
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


# ------------------------------------------------------------- two schedulers on one optimizer


def warm_then_cosine():
    optimizer = sgd(momentum=0.5)
    first = ScheduleLR(optimizer, Linear(9, 0.1, 0.05), momentum=Linear(9, 0.9, 0.7))
    second = ScheduleLR(optimizer, Cosine(20, 0.3), momentum=Linear(20, 0.5, 0.4))
    return optimizer, first, second


def equal_rates():
    """Both phases have the same rate where one follows the other."""
    optimizer = sgd(momentum=0.5)
    first = ScheduleLR(optimizer, Constant(0.1), momentum=Linear(9, 0.9, 0.7))
    second = ScheduleLR(optimizer, warmup(Cosine(20, 0.2), 1), momentum=Constant(0.5))
    return optimizer, first, second


def second_of_torch():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1, momentum=0.5)
    first = ScheduleLR(optimizer, Linear(9, 0.1, 0.05), momentum=Linear(9, 0.9, 0.7))
    return optimizer, first, lr_scheduler.ExponentialLR(optimizer, 0.9)


def first_of_torch():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1, momentum=0.5)
    first = lr_scheduler.ExponentialLR(optimizer, 0.9)
    return optimizer, first, ScheduleLR(optimizer, Linear(9, 0.1, 0.05))


def in_two_phases(optimizer, first, second, updates, phase=8):
    for k in updates:
        group = optimizer.param_groups[0]
        yield group["lr"], group["momentum"]
        optimizer.step()
        (first if k < phase else second).step()


def chained(optimizer, first, second, updates):
    for _ in updates:
        group = optimizer.param_groups[0]
        yield group["lr"], group["momentum"]
        optimizer.step()
        first.step()
        second.step()


@pytest.mark.parametrize("go", [in_two_phases, chained])
@pytest.mark.parametrize("make", [warm_then_cosine, equal_rates, second_of_torch, first_of_torch])
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_two_schedulers_resume_in_every_load_order(make, go, order):
    expected = list(go(*make(), range(20)))
    for same_process in (False, True):
        for k in range(20):
            parts = make()
            list(go(*parts, range(k)))
            states = copy.deepcopy([part.state_dict() for part in parts])
            if same_process:  # a rollback
                list(go(*parts, range(k, 20)))
            else:
                parts = make()
            for i in order:
                parts[i].load_state_dict(states[i])
            assert list(go(*parts, range(k, 20))) == expected[k:], k


@pytest.mark.parametrize("ours_first", [True, False])
@pytest.mark.parametrize("optimizer_first", [True, False])
def test_resume_in_a_chain_of_torch(ours_first, optimizer_first):
    def make():
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        both = [ScheduleLR(optimizer, Linear(30, 0.1)), lr_scheduler.ExponentialLR(optimizer, 0.9)]
        return optimizer, lr_scheduler.ChainedScheduler(both if ours_first else both[::-1])

    optimizer, scheduler = make()
    expected = run(optimizer, scheduler, 25)
    for k in range(25):
        optimizer, scheduler = make()
        run(optimizer, scheduler, k)
        states = copy.deepcopy([optimizer.state_dict(), scheduler.state_dict()])
        optimizer, scheduler = make()
        pairs = list(zip((optimizer, scheduler), states, strict=True))
        for one, state in pairs if optimizer_first else reversed(pairs):
            one.load_state_dict(state)
        assert run(optimizer, scheduler, 25 - k) == expected[k:]


# ------------------------------------------------------------------- states of other schedules


def test_a_state_of_another_length_says_how_to_go_on():
    optimizer = sgd()
    short = ScheduleLR(optimizer, Cosine(50, 0.1))
    run(optimizer, short, 30)
    state = short.state_dict()
    longer = ScheduleLR(sgd(), Cosine(80, 0.1), momentum=None)
    with pytest.raises(ValueError, match=r"load_state_dict\(state, extend=True\) to keep"):
        longer.load_state_dict(state)
    longer.load_state_dict(state, extend=True)
    assert run(longer.optimizer, longer, 60) == [[Cosine(80, 0.1)(k)] for k in range(30, 90)]
    longer = ScheduleLR(sgd(), Cosine(80, 0.1), extend=True)  # where a trainer loads the state
    longer.load_state_dict(state)
    assert longer.get_last_lr() == [Cosine(80, 0.1)(30)]


def test_a_state_may_lack_newer_fields_and_have_fields_that_are_newer_still():
    optimizer = sgd(momentum=0.9)
    scheduler = ScheduleLR(optimizer, Cosine(50, 0.1), momentum=Linear(50, 0.9, 0.8))
    run(optimizer, scheduler, 30)
    state = scheduler.state_dict()
    required = {"last_epoch", "schedule"}
    for missing in (state.keys() - required, *({name} for name in state.keys() - required)):
        older = {name: value for name, value in state.items() if name not in missing}
        again = ScheduleLR(sgd(momentum=0.9), Cosine(50, 0.1), momentum=Linear(50, 0.9, 0.8))
        again.load_state_dict(older | {"of a later release": 1})
        assert run(again.optimizer, again, 9) == [[Cosine(50, 0.1)(k)] for k in range(30, 39)]


@pytest.mark.parametrize(
    ("state", "error", "message"),
    [
        (None, ValueError, "state_dict=None: must be the state_dict of a ScheduleLR"),
        ({"schedule": "[]"}, ValueError, "must be the state_dict of a ScheduleLR"),
        ({"last_epoch": 1.5}, TypeError, r"state_dict\['last_epoch'\]=1.5"),
        ({"last_epoch": -2}, ValueError, r"state_dict\['last_epoch'\]=-2"),
        ({"hold": 2}, ValueError, r"state_dict\['hold'\]=2: must be 1, as in this"),
    ],
)
def test_refuses_a_state(state, error, message):
    scheduler = ScheduleLR(sgd(), SCHEDULE)
    whole = state and "schedule" not in state
    with pytest.raises(error, match=message):
        scheduler.load_state_dict(scheduler.state_dict() | state if whole else state)
    assert scheduler.get_last_lr() == [SCHEDULE(0)]
    assert scheduler.last_epoch == 0


@dataclass(frozen=True)
class Table(Schedule):
    rates: object

    def formula(self, t, xp):
        return float(self.rates[min(int(t), len(self.rates) - 1)])


@pytest.mark.parametrize("made", [np.asarray, torch.tensor, list, memoryview])
@pytest.mark.parametrize("length", [50, 50_000])
def test_schedules_with_different_arrays_are_told_apart(made, length):
    rates = np.linspace(0.1, 0.2, length)
    others = rates.copy()
    others[length // 2] = 0.3
    state = ScheduleLR(sgd(), Table(made(rates))).state_dict()
    assert len(state["schedule"]) < 30_000
    ScheduleLR(sgd(), Table(made(rates.copy()))).load_state_dict(state)
    with pytest.raises(ValueError, match=r"state_dict\['schedule'\]="):
        ScheduleLR(sgd(), Table(made(others))).load_state_dict(state)


def rate_of(t):
    return 0.1 / (1 + t)


def test_a_copy_in_epochs():
    optimizer = sgd()
    scheduler = ScheduleLR(optimizer, rate_of, steps_per_unit=20, relative=True)
    run(optimizer, scheduler, 3)
    twin = pickle.loads(pickle.dumps(scheduler))
    assert run(twin.optimizer, twin, 9) == [[rate_of(k / 20)] for k in range(3, 12)]


# ------------------------------------------------------------------------ whose rate it is


def test_a_schedule_of_tensors_keeps_its_table():
    """A tensor of the schedule's must not become the optimizer's, which is filled in place."""
    table = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
    decay = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    right = table.tolist() * 2
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1, weight_decay=0.1)
    scheduler = ScheduleLR(optimizer, lambda k: table[k % 4], weight_decay=lambda k: decay[k % 4])
    with audit(optimizer, lambda k: right[k], updates=8) as trace:
        for _ in range(8):
            assert type(optimizer.param_groups[0]["lr"]) is float
            assert type(optimizer.param_groups[0]["weight_decay"]) is float
            optimizer.step()
            scheduler.step()
    assert table.tolist() * 2 == right == trace.rates
    assert type(scheduler.get_last_lr()[0]) is float


def test_groups_that_share_a_rate_tensor_get_one_each():
    schedules = [Linear(4, 0.1), Linear(4, 0.2)]

    def make():
        groups = [{"params": [torch.zeros(1, requires_grad=True)]} for _ in range(2)]
        rate = torch.tensor(0.7, dtype=torch.float64)
        optimizer = torch.optim.SGD(groups, lr=rate)
        return optimizer, rate

    optimizer, rate = make()
    shared = optimizer.state_dict()
    scheduler = ScheduleLR(optimizer, schedules)
    assert optimizer.param_groups[0]["lr"] is rate
    with audit(optimizer, schedules, updates=4):
        run(optimizer, scheduler, 2)
        optimizer.load_state_dict(shared)  # in which they share one again
        run(optimizer, scheduler, 2)


def test_a_rate_that_requires_a_gradient_is_refused():
    rate = torch.tensor(0.1, requires_grad=True)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=rate, foreach=False)
    with pytest.raises(ValueError, match=r"lr=tensor.*: must be a tensor without requires_grad"):
        ScheduleLR(optimizer, Cosine(50, 0.1))


def test_rates_set_since_the_last_scheduler_are_the_groups_own():
    """`initial_lr`, which that scheduler left, does not hide that they differ."""
    optimizer = two_rates(0.1, 0.1)
    ScheduleLR(optimizer, Cosine(50, 0.1))
    optimizer.param_groups[1]["lr"] = 0.01
    both = r"lr is 0.1, 0.01 now, but initial_lr, which an earlier scheduler left, is 0.1, 0.1"
    for options in ({}, {"relative": True}):
        with pytest.raises(ValueError, match=both):
            ScheduleLR(optimizer, Cosine(50, 0.1), **options)
    for group in optimizer.param_groups:
        del group["initial_lr"]
    rates = ScheduleLR(optimizer, Cosine(50, 0.2), relative=True).get_last_lr()
    assert rates == pytest.approx([0.2, 0.02])

    optimizer = two_rates(0.1, 0.01)
    CosineAnnealingLR(optimizer, 50)
    for group in optimizer.param_groups:
        group["lr"] = 0.05
    assert ScheduleLR(optimizer, Cosine(50, 0.1)).get_last_lr() == [0.1, 0.1]


@pytest.mark.parametrize("dtype", [None, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("done", [1, 7, 20])
def test_relative_keeps_the_ratio_of_a_run_that_goes_on(done, dtype):
    def make():
        rates = [0.1, 0.03] if dtype is None else torch.tensor([0.1, 0.03], dtype=dtype).unbind()
        optimizer = two_rates(*rates)
        return optimizer, lambda **more: ScheduleLR(
            optimizer, warmup(Cosine(15, 0.4), 5, start=0.0), relative=True, **more
        )

    optimizer, scheduled = make()
    run(optimizer, scheduled(), done)
    state = copy.deepcopy(optimizer.state_dict())
    optimizer, scheduled = make()
    optimizer.load_state_dict(state)
    scheduled(last_epoch=done - 1)
    loaded = [float(group["lr"]) for group in optimizer.param_groups]
    assert loaded == [float(group["lr"]) for group in state["param_groups"]]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_a_copy_does_not_warn_that_its_optimizer_has_not_stepped(copied):
    scheduler = copied(ScheduleLR(sgd(), SCHEDULE))
    scheduler.optimizer.step()
    scheduler.step()  # a warning would be an error here


@pytest.mark.parametrize("text", ["Cosine(50)", "[" * 20_000, None])
@pytest.mark.parametrize("name", ["schedule", "momentum"])
def test_a_corrupt_text_in_a_state_is_an_error_that_names_it(name, text):
    scheduler = ScheduleLR(sgd(), SCHEDULE)
    with pytest.raises(ValueError, match=rf"state_dict\['{name}'\]=.*: must be "):
        scheduler.load_state_dict({**scheduler.state_dict(), name: text})


def test_an_update_with_a_closure_counts_for_only_after_update_though_it_began_at_zero():
    """The rate and the gradients before the closure do not make it a step that initialises."""
    weight = torch.zeros(1, requires_grad=True)
    weight.grad = torch.ones(1)
    optimizer = torch.optim.SGD([weight], lr=0.1)
    scheduler = ScheduleLR(optimizer, warmup(Constant(0.1), 4, start=0.0), only_after_update=True)
    for k in range(4):
        optimizer.zero_grad(set_to_none=False)
        optimizer.step(lambda: weight.grad.zero_())
        scheduler.step()
        assert scheduler.last_epoch == k + 1


def test_steps_per_unit_and_hold_of_one_epoch_are_too_much():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    with pytest.warns(UserWarning, match="steps_per_unit and hold are both 100"):
        ScheduleLR(optimizer, Cosine(5, 0.1), steps_per_unit=100, hold=100)


def test_a_schedule_that_cannot_be_saved_is_refused_at_once():
    class Plain(Schedule):
        def formula(self, t, xp):
            return 0.1 + 0.0 * t

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    with pytest.raises(TypeError, match=r"^schedule=.*frozen dataclass"):
        ScheduleLR(optimizer, Plain())


def test_a_schedule_takes_a_tensor_but_none_that_needs_its_gradient():
    assert Cosine(9, 0.1)(torch.tensor([0.0, 9.0])).tolist() == [0.1, 0.0]
    with pytest.raises(TypeError, match=r"^t=.*must be a tensor without gradient"):
        Cosine(9, 0.1)(torch.tensor([3.0], requires_grad=True))
