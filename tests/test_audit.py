"""The audit sees every wrong rate, and raises no false alarm."""

import contextlib
import functools
import math
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from coslr import Constant, Cosine, CosineWarmRestarts, Exponential, Linear, MultiStep, warmup
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
        pytest.raises(AuditError, match=rf"^update {update}: the schedule says .* is in force\n"),
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
    with (
        audit(optimizer, both, updates=40) as trace,
        audit(optimizer, both[1], group=1) as second,
    ):
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
    with audit(optimizer, Cosine(5, 0.1), steps_per_unit=20, updates=60) as trace:
        loop(optimizer, scheduler, 60)
    assert trace.first_update == 0
    with audit(optimizer, Cosine(5, 0.1), steps_per_unit=20, first_update=60) as trace:
        loop(optimizer, scheduler, 60)
    assert trace.first_update == 60


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

    class Anything:
        def __getattr__(self, name):
            return Anything()  # an .optimizer without end

    for no_optimizer in (nn.Linear(1, 1), Anything()):
        with (
            pytest.raises(TypeError, match=r"must be a torch.optim.Optimizer"),
            audit(no_optimizer),
        ):
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
    with audit(optimizer, Cosine(5, 0.1), updates=4) as trace:
        loop(optimizer, scheduler, 3)
        optimizer.fails = True
        with pytest.raises(RuntimeError, match="out of memory"):
            optimizer.step()
        optimizer.fails = False
        optimizer.step()
    assert trace.rates == [Cosine(5, 0.1)(t) for t in range(4)]


def test_an_added_param_group_is_an_error_that_says_how_to_go_on():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = Cosine(5, 0.1)
    scheduler = ScheduleLR(optimizer, schedule)
    optimizer.step()
    scheduler.step()

    def block():
        optimizer.step()
        optimizer.add_param_group({"params": [torch.zeros(1, requires_grad=True)]})
        optimizer.step()

    with pytest.raises(ValueError, match=r"has 2 param groups at update 2, .*first_update=2"):
        audited(block, optimizer, schedule, first_update=1, updates=1)
    with pytest.raises(ValueError, match=r"has 2 param groups, but had 1 .*last_epoch=1"):
        scheduler.step()
    scheduler = ScheduleLR(optimizer, schedule, last_epoch=1)
    with audit(optimizer, schedule, first_update=2, updates=1):
        optimizer.step()


# ---------------------------------------------------------------- what else runs inside step()


def one_weight(kind=torch.optim.SGD, lr=0.1, **options):
    """A weight at 0 with a gradient of 1, which SGD and LBFGS move by the rate."""
    weight = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    weight.grad = torch.ones_like(weight)
    return weight, kind([weight], lr=lr, **options)


def setting(optimizer, rate):
    """A closure, or a hook, that writes a rate."""

    def write(*_):
        optimizer.param_groups[0]["lr"] = rate

    return write


def audited(block, optimizer, schedule, **options):
    with audit(optimizer, schedule, **options) as trace:
        block()
    return trace


def steps(optimizer, *rates):
    for rate in rates:
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW])
def test_the_rate_that_counts_is_the_one_after_the_closure(kind, named):
    def step():
        closure = setting(optimizer, rate)
        optimizer.step(closure=closure) if named else optimizer.step(closure)

    rate = 0.2
    weight, optimizer = one_weight(kind, lr=0.1)
    with audit(optimizer, Constant(0.2)) as trace:
        step()
    assert trace.rates == [0.2]
    moved = weight.item()
    rate = 0.1
    with (
        pytest.raises(AuditError, match=r"^update 0: .* 0.2, but 0.1 is in force\nIt was 0.2 when"),
        audit(optimizer, Constant(0.2)),
    ):
        step()
    assert weight.item() == moved  # the error came before the update


def test_lbfgs_uses_the_rate_from_before_its_closure():
    weight, optimizer = one_weight(torch.optim.LBFGS, lr=0.1, max_iter=1)

    def step(rate):
        def closure():
            optimizer.param_groups[0]["lr"] = rate
            return 0.0

        optimizer.step(closure)

    assert audited(lambda: step(0.2), optimizer, Constant(0.1)).rates == [0.1]
    assert weight.item() == -0.1
    with pytest.raises(AuditError, match=r"0.1, but 0.2 is"):
        audited(lambda: step(0.1), optimizer, Constant(0.1))
    assert weight.item() == -0.1


@pytest.mark.parametrize("dim", [0, 1])
def test_lbfgs_uses_a_tensor_as_its_closure_fills_it(dim):
    """LBFGS keeps the tensor itself. Another one that the closure puts into the group is not it."""
    rate = torch.full([1] * dim, 0.1, dtype=torch.float64)
    weight, optimizer = one_weight(torch.optim.LBFGS, lr=rate, max_iter=1)

    def step(before, within):
        optimizer.param_groups[0]["lr"] = rate.fill_(before)

        def closure():
            if isinstance(within, torch.Tensor):
                optimizer.param_groups[0]["lr"] = within
            else:
                rate.fill_(within)
            return 0.0

        optimizer.step(closure)

    assert audited(lambda: step(0.7, 0.1), optimizer, Constant(0.1)).rates == [0.1]
    assert weight.item() == -0.1
    with pytest.raises(AuditError, match=r"0.1, but 0.5 is in force\nIt was 0.1 when step"):
        audited(lambda: step(0.1, 0.5), optimizer, Constant(0.1))
    with pytest.raises(AuditError, match=r"0.1, but 0.5 is"):
        audited(lambda: step(0.5, torch.tensor(0.1)), optimizer, Constant(0.1))
    assert weight.item() == -0.1
    assert audited(lambda: step(0.1, torch.tensor(0.5)), optimizer, Constant(0.1)).rates == [0.1]
    assert weight.item() == -0.2


def test_a_tensor_that_a_later_call_of_lbfgs_s_closure_fills_is_seen():
    rate = torch.tensor(0.1, dtype=torch.float64)
    weight, optimizer = one_weight(torch.optim.LBFGS, lr=rate, max_iter=3)
    calls = []

    def closure():
        calls.append(weight.item())
        rate.fill_(0.1 if len(calls) < 2 else 0.5)
        weight.grad = 2 * (weight.detach() - 1)
        return (weight.item() - 1) ** 2

    with pytest.raises(AuditError, match=r"update 0: .* 0.1, but 0.5 is"):
        audited(lambda: optimizer.step(closure), optimizer, Constant(0.1))
    assert len(calls) == 2
    assert weight.item() == calls[1]  # no iteration used the wrong rate


@pytest.mark.parametrize("parent", [torch.optim.SGD, torch.optim.LBFGS])
def test_a_closure_may_take_arguments(parent):
    class TellsClosure(parent):
        def step(self, closure):
            return super().step(functools.partial(closure, 7, backward=False))

    parent([torch.zeros(1)], lr=1.0)  # torch runs hooks for the parent's step from here on
    _, optimizer = one_weight(TellsClosure)
    seen = []

    def closure(*args, **kwargs):
        seen.append((args, kwargs))
        return 0.0

    with audit(optimizer, Constant(0.1), updates=1):
        optimizer.step(closure)
    assert seen[0] == ((7,), {"backward": False})


def begun_in_closure(optimizer, begin):
    def closure():
        begin()
        return 0.0

    optimizer.step(closure)


def begun_in_hook(optimizer, begin):
    optimizer.register_step_pre_hook(lambda *_: begin())
    optimizer.step()


@pytest.mark.parametrize("schedule", [Constant(0.1), None])
@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.LBFGS])
@pytest.mark.parametrize("where", [begun_in_closure, begun_in_hook])
def test_an_audit_that_begins_within_a_step_says_what_to_do(where, kind, schedule):
    if kind is torch.optim.LBFGS and where is begun_in_hook:
        kind = torch.optim.Adam
    _, optimizer = one_weight(kind)
    message = rf"step\(\) of this {kind.__name__} was running .* Begin it before step\(\)"
    with contextlib.ExitStack() as audits:
        begun = []

        def begin():
            if not begun:
                begun.append(audits.enter_context(audit(optimizer, schedule)))

        with pytest.raises(AuditError, match=message):
            where(optimizer, begin)
        optimizer.step(lambda: 0.0)
        assert begun[0].rates == [0.1]  # of the update that it has seen
        with pytest.raises(AuditError, match=message):  # the block caught it, so it comes again
            audits.close()


def test_a_step_that_torch_runs_no_hooks_for_is_an_error():
    class Base(torch.optim.Optimizer):
        def step(self, closure=None):
            pass

    class Disguised(Base):
        @functools.wraps(torch.optim.SGD.step)  # copies torch's mark that it runs hooks here
        def step(self, closure=None):
            return Base.step(self)

    sgd()
    optimizer = Disguised([torch.zeros(1)], {"lr": 0.1})
    with (
        pytest.raises(AuditError, match=r"Disguised was running .* torch runs no hooks for this"),
        audit(optimizer, Constant(0.1)),
    ):
        optimizer.step()


def test_the_closure_keeps_its_loss_and_its_error():
    _, optimizer = one_weight()
    with audit(optimizer, Constant(0.1)) as trace:
        assert optimizer.step(lambda: 7.0) == 7.0
        with pytest.raises(ZeroDivisionError):
            optimizer.step(lambda: 1 / 0)
        optimizer.step(closure=None)
    assert trace.rates == [0.1, 0.1]  # the step that raised was no update


def test_a_wrong_rate_of_a_later_hook_is_seen_right_after_the_update():
    weight, optimizer = one_weight(lr=0.1)

    def block():
        optimizer.register_step_pre_hook(setting(optimizer, 0.3))
        optimizer.register_step_post_hook(setting(optimizer, 0.1))  # hides what it did
        optimizer.step()

    message = r"^update 0: .* 0.1, but 0.3 is in force\nIt was 0.1 when"
    with pytest.raises(AuditError, match=message):
        audited(block, optimizer, Constant(0.1))
    assert weight.item() == -0.3


def test_a_hook_may_set_the_right_rate():
    """Before the update, whenever it was registered, and for the next update right after one."""
    schedule = Linear(4, 0.4)
    for later in (True, False):
        weight, optimizer = one_weight(lr=9.0)

        def before(optimizer, *_, weight=weight):
            optimizer.param_groups[0]["lr"] = schedule(round(-weight.item() / 0.1))

        if not later:
            optimizer.register_step_pre_hook(before)
        with audit(optimizer, lambda k: [0.4, 0.0][k]) as trace:
            if later:
                optimizer.register_step_pre_hook(before)
            optimizer.step()
            optimizer.step()
        assert trace.rates == [0.4, 0.0]

        _, optimizer = one_weight(lr=0.4)
        scheduler = ScheduleLR(optimizer, schedule)

        def after(*_, scheduler=scheduler):
            scheduler.step()

        if not later:
            optimizer.register_step_post_hook(after)
        with audit(optimizer, schedule):
            if later:
                optimizer.register_step_post_hook(after)
            for _ in range(4):
                optimizer.step()


def test_a_rate_that_a_subclass_sets_inside_step_is_the_one_that_counts():
    class SetsItself(torch.optim.SGD):
        def step(self, closure=None):
            usual = self.param_groups[0]["lr"]
            self.param_groups[0]["lr"] = 0.25
            super().step(closure)
            self.param_groups[0]["lr"] = usual

    torch.optim.SGD([torch.zeros(1)], lr=1.0)  # torch runs hooks for the parent's step from here on
    weight, optimizer = one_weight(SetsItself, lr=0.1)
    with audit(optimizer, Constant(0.25)) as trace:
        optimizer.step()
    assert trace.rates == [0.25]
    with pytest.raises(AuditError, match=r"0.1, but 0.25 is"), audit(optimizer, Constant(0.1)):
        optimizer.step()
    assert weight.item() == -0.5


@pytest.mark.slow
def test_what_a_subclass_does_around_its_parent_s_step_is_seen_in_a_fresh_process():
    """torch runs hooks for a parent's step only if the program has built one of just that class."""
    program = """
        import torch
        from coslr import Constant
        from coslr.audit import audit

        class Twice(torch.optim.SGD):
            def step(self, closure=None):
                for group in self.param_groups:
                    group["lr"] *= 2
                super().step(closure)
                for group in self.param_groups:
                    group["lr"] /= 2

        class HalfOfTwice(Twice):
            def step(self, closure=None):
                self.param_groups[0]["lr"] /= 2
                super().step(closure)
                self.param_groups[0]["lr"] *= 2

        class OwnDecay(torch.optim.AdamW):
            def step(self, closure=None):
                decay, self.param_groups[0]["weight_decay"] = (
                    self.param_groups[0]["weight_decay"], 0.0)
                super().step(closure)
                self.param_groups[0]["weight_decay"] = decay

        def run(kind, schedule):
            weight = torch.zeros(1, requires_grad=True)
            weight.grad = torch.ones(1)
            optimizer = kind([weight], lr=0.1, weight_decay=0.5)
            hooks = []
            optimizer.register_step_post_hook(lambda *_: hooks.append(1))
            for _ in range(2):  # the first audit must leave nothing behind that misleads the next
                hooks.clear()
                optimizer.param_groups[0].update(lr=0.1, weight_decay=0.5)
                try:
                    with audit(optimizer, schedule, updates=2) as trace:
                        optimizer.step()
                        optimizer.step()
                    said = trace.rates
                except AssertionError as error:
                    said = str(error).splitlines()[0]
            optimizer.step()
            return said, len(hooks)

        print(run(HalfOfTwice, Constant(0.1)))
        print(run(Twice, Constant(0.1)))
        print(run(Twice, Constant(0.2)))
        print(run(OwnDecay, {"weight_decay": Constant(0.5)}))
        torch.optim.SGD([torch.zeros(1)], lr=0.1)
        print(run(Twice, Constant(0.1))[0])
        print(run(torch.optim.SGD, Constant(0.1)))
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    wrong = "'update 0: the schedule says 0.1, but 0.2 is in force'"
    assert done.stdout.splitlines() == [
        "([0.1, 0.1], 3)",  # others' hooks still run once for each update
        f"({wrong}, 1)",
        "([0.2, 0.2], 3)",
        "('update 0 (weight_decay): the schedule says 0.5, but 0 is in force', 1)",
        wrong.strip("'"),
        "([0.1, 0.1], 3)",
    ]


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_an_update_with_a_closure_counts_at_rate_zero_and_with_zeroed_gradients(momentum):
    """What the gradients were before the closure says nothing of the update."""
    weight, optimizer = one_weight(momentum=momentum)

    def closure():
        weight.sum().backward()

    def block():
        for k in range(4):
            optimizer.param_groups[0]["lr"] = 0.0 if k in (1, 2) else 0.1
            optimizer.zero_grad(set_to_none=False)
            optimizer.step(closure)

    with pytest.raises(AuditError, match=r"update 1: the schedule says 0.1, but 0 is in force"):
        audited(block, optimizer, Constant(0.1))


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW, torch.optim.LBFGS])
def test_the_last_update_of_a_right_run_counts_though_its_rate_is_zero(kind, named):
    weight, optimizer = one_weight(kind)
    schedule = Linear(4, 0.1)
    scheduler = ScheduleLR(optimizer, schedule, only_after_update=True)

    def closure():
        loss = ((weight - 1) ** 2).sum()
        loss.backward()
        return loss

    with audit(optimizer, schedule, updates=5) as trace:
        for _ in range(5):
            optimizer.zero_grad(set_to_none=False)
            optimizer.step(closure=closure) if named else optimizer.step(closure)
            scheduler.step()
    assert trace.rates == [schedule(k) for k in range(5)]
    assert scheduler.last_epoch == 5


def test_an_optimizer_with_a_state_makes_updates_only():
    """A checkpoint library makes a state only where there is none."""
    weight, optimizer = one_weight(torch.optim.AdamW)
    weight.grad = torch.ones_like(weight)
    optimizer.step()
    optimizer.zero_grad(set_to_none=False)
    optimizer.param_groups[0]["lr"] = 0.0
    with pytest.raises(AuditError, match="but 0 is"), audit(optimizer, Constant(0.1)):
        optimizer.step()


def test_the_step_of_a_subclass_may_take_other_arguments():
    class Options(torch.optim.LBFGS):
        def step(self, options):
            return super().step(options["closure"])

    weight, optimizer = one_weight(Options)

    def closure():
        loss = weight.sum()
        loss.backward()
        return loss

    with audit(optimizer, Constant(0.1), updates=1):
        optimizer.step({"closure": closure})


@pytest.mark.parametrize("fused", [True, False])
def test_a_step_that_gradscaler_skips_is_no_update(fused):
    weight, optimizer = one_weight(lr=0.1, fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    schedule = Linear(3, 0.3)
    scheduler = ScheduleLR(optimizer, schedule, only_after_update=True)
    with audit(optimizer, schedule) as trace:
        for gradient in (1.0, math.inf, 1.0, math.inf, math.inf, 1.0):
            weight.grad = None
            scaler.scale(weight.sum() * gradient).backward()
            scaler.step(optimizer)
            scaler.update()
            scheduler.step()
    assert np.allclose(trace.rates, [0.3, 0.2, 0.1])
    assert np.isclose(weight.item(), -0.6)


def test_the_step_by_which_a_checkpoint_library_makes_the_state_is_no_update():
    from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict

    model = nn.Linear(2, 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1.0)
    schedule = Cosine(4, 0.1)
    scheduler = ScheduleLR(optimizer, schedule)
    with audit(optimizer, schedule) as trace:
        states = get_state_dict(model, optimizer)  # makes the state by a step at rate 0
        for _ in range(2):
            model(torch.ones(1, 2)).sum().backward()
            optimizer.step()
            scheduler.step()
        set_state_dict(model, optimizer, model_state_dict=states[0], optim_state_dict=states[1])
        optimizer.param_groups[0]["lr"] = schedule(2)
        for _ in range(2):
            model(torch.ones(1, 2)).sum().backward()
            optimizer.step()
            scheduler.step()
    assert trace.rates == [schedule(k) for k in range(4)]


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.SGD])
@pytest.mark.parametrize("arguments", [(), (None,)])  # Accelerate's wrapper passes None on
def test_an_update_at_rate_zero_with_zero_gradients_counts(kind, arguments):
    """A warm-up from 0 and a loss that is 0 are no checkpoint library, with or without a state."""
    weight, optimizer = one_weight(kind)
    schedule = warmup(Linear(4, 0.1), 3, start=0.0)
    scheduler = ScheduleLR(optimizer, schedule, only_after_update=True)
    with audit(optimizer, schedule, updates=8) as trace:
        for k in range(8):
            weight.grad.fill_(0.0 if k in (0, 7) else 1.0)
            optimizer.step(*arguments)
            scheduler.step()
    assert trace.rates == [schedule(k) for k in range(8)]
    assert scheduler.last_epoch == 8


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.SGD])
def test_a_wrong_rate_of_zero_with_zero_gradients_is_seen(kind):
    weight, optimizer = one_weight(kind, lr=0.0)
    weight.grad.zero_()
    with pytest.raises(AuditError, match=r"update 0: .* 0.1, but 0 is"):
        audited(optimizer.step, optimizer, Constant(0.1))


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.SGD])
def test_a_checkpoint_library_may_step_through_a_wrapper(kind):
    """A wrapper may pass the library's ``closure=None`` on without its name."""
    from torch.distributed.checkpoint.state_dict import _init_optim_state

    class Passes:
        def __init__(self, optimizer):
            self.optimizer = optimizer

        def __getattr__(self, name):
            return getattr(self.optimizer, name)

        def step(self, closure=None):
            self.optimizer.step(closure)

    weight, optimizer = one_weight(kind)
    weight.grad = None
    scheduler = ScheduleLR(optimizer, Linear(4, 0.4), only_after_update=True)
    with audit(Passes(optimizer), Linear(4, 0.4), updates=1) as trace:
        _init_optim_state(Passes(optimizer))
        scheduler.step()
        assert scheduler.last_epoch == 0
        weight.grad = torch.ones_like(weight)
        optimizer.step()
    assert trace.rates == [0.4]


def test_an_update_at_rate_zero_is_an_update():
    """A warm-up from 0 is a mistake to find, even if the weight has no gradient."""
    for gradient in (None, torch.ones(1)):
        optimizer = sgd()
        optimizer.param_groups[0]["params"][0].grad = gradient
        optimizer.param_groups[0]["lr"] = 0.0
        with pytest.raises(AuditError, match=r"update 0: .*, but 0 is"), audit(optimizer, SCHEDULE):
            optimizer.step()


@pytest.mark.parametrize(
    ("kind", "options", "uses"),
    [
        (torch.optim.ASGD, {}, "eta"),
        (torch.optim.Rprop, {}, "step sizes of its own"),
        (torch.optim.Adagrad, {"lr_decay": 0.1}, r"lr / \(1 \+ lr_decay"),
    ],
)
def test_an_optimizer_that_uses_another_rate_is_a_warning(kind, options, uses):
    _, optimizer = one_weight(kind, **options)
    with (
        pytest.warns(UserWarning, match=f"{kind.__name__} use .*{uses}"),
        audit(optimizer, Constant(0.1)),
    ):
        optimizer.step()
    _, optimizer = one_weight(torch.optim.Adagrad)
    with audit(optimizer, Constant(0.1)):  # a warning would be an error here
        optimizer.step()


# ------------------------------------------------------------------- it cannot pass on nothing


class Sam(torch.optim.Optimizer):
    """As in the usual code of SAM: its steps are named otherwise, and another object makes them."""

    def __init__(self, parameters, base, **options):
        super().__init__(parameters, options)
        self.base_optimizer = base(self.param_groups, **options)

    def second_step(self):
        self.base_optimizer.step()


def test_no_update_is_an_error_that_says_what_to_look_for():
    sam = Sam([torch.zeros(1, requires_grad=True)], torch.optim.SGD, lr=0.1)
    message = r"no update was seen: step\(\) of this Sam was never called.*SAM steps another object"
    with pytest.raises(AuditError, match=message), audit(sam, Constant(0.1)):
        sam.second_step()
    with audit(sam.base_optimizer, Constant(0.1)):
        sam.second_step()
    with audit(sgd()) as trace:  # it promises nothing
        pass
    assert trace.rates == []


def test_no_update_where_every_step_fails():
    _, optimizer = one_weight()
    message = r"no update of critic was seen: step\(\) of this SGD was called \(2 times\), but each"

    def block():
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                optimizer.step(lambda: 1 / 0)

    with pytest.raises(AuditError, match=message):
        audited(block, optimizer, Constant(0.1), name="critic")


def test_the_number_of_updates_is_checked():
    optimizer = sgd()
    scheduler = ScheduleLR(optimizer, Cosine(50, 0.1))
    with audit(optimizer, Cosine(50, 0.1), updates=20):
        loop(optimizer, scheduler, 20)
    message = r"after 5 of updates=20 updates: the schedule is at update 25 of 50"
    with (
        pytest.raises(AuditError, match=message),
        audit(optimizer, Cosine(50, 0.1), first_update=20, updates=20),
    ):
        loop(optimizer, scheduler, 5)
    message = r"update 27 comes after the last of updates=2: the schedule is at update 27 of 50"
    with (
        pytest.raises(AuditError, match=message),
        audit(optimizer, Cosine(50, 0.1), first_update=25, updates=2) as trace,
    ):
        loop(optimizer, scheduler, 3)
    assert len(trace.rates) == 2
    with pytest.raises(AuditError, match="after 1 of"), audit(optimizer, updates=2):
        optimizer.step()


def test_a_schedule_left_unfinished_is_a_warning():
    optimizer = sgd()
    schedule = Cosine(5, 0.1)
    scheduler = ScheduleLR(optimizer, schedule, steps_per_unit=4)
    message = r"ended before its schedule: the schedule is at update 19 of 20\. .* updates=19 "
    with pytest.warns(UserWarning, match=message), audit(optimizer, schedule, steps_per_unit=4):
        loop(optimizer, scheduler, 19)
    with audit(optimizer, schedule, steps_per_unit=4, first_update=19):
        loop(optimizer, scheduler, 1)
    scheduler = ScheduleLR(optimizer, CosineWarmRestarts(3, 0.1))
    with audit(optimizer, CosineWarmRestarts(3, 0.1)):  # it has no end
        loop(optimizer, scheduler, 2)


def test_another_error_of_the_block_is_not_hidden():
    optimizer = sgd()
    with pytest.raises(KeyError), audit(optimizer, Cosine(5, 0.1), updates=3):
        raise KeyError


def test_an_error_that_the_block_catches_comes_again_at_its_end():
    weight, optimizer = one_weight()

    def caught(*rates):
        for rate in rates:
            with contextlib.suppress(AuditError):
                steps(optimizer, rate)

    with pytest.raises(AuditError, match=r"update 1: .* 0.2, but 0.3"):
        audited(lambda: caught(0.2, 0.3, 0.3), optimizer, Constant(0.2))
    assert weight.item() == -0.2
    trace = audited(lambda: caught(0.1, 0.2), optimizer, Constant(0.2))
    assert trace.rates == [0.2]  # the block repaired the rate before any update used it

    def no_update_can_be_taken_back():
        hook = optimizer.register_step_pre_hook(setting(optimizer, 0.1))
        caught(0.2)
        hook.remove()
        steps(optimizer, 0.2)

    with pytest.raises(AuditError, match=r"update 0: .* 0.2, but 0.1"):
        audited(no_update_can_be_taken_back, optimizer, Constant(0.2))


def test_an_error_that_is_no_audit_error_comes_again_too():
    """A loop that skips bad batches must not train less than it seems to."""

    def caught(optimizer, change=None):
        for k in range(5):
            if k == 2 and change:
                change()
            with contextlib.suppress(ValueError, ZeroDivisionError):
                optimizer.step()

    optimizer, weight = sgd(), torch.zeros(1, requires_grad=True)
    added = functools.partial(optimizer.add_param_group, {"params": [weight], "lr": 9.0})
    with pytest.raises(ValueError, match="has 2 param groups at update 2, but had 1"):
        audited(lambda: caught(optimizer, added), optimizer, Constant(1.0))

    optimizer = sgd()
    with pytest.raises(ValueError, match="schedule at update 2=nan: must be a number"):
        audited(lambda: caught(optimizer), optimizer, lambda k: 1.0 if k < 2 else math.nan)
    with pytest.raises(ZeroDivisionError):
        audited(lambda: caught(optimizer), optimizer, lambda k: 1.0 if k < 2 else 1 / 0)
    with pytest.raises(ValueError, match="schedule at update 0=nan"):
        audited(lambda: optimizer.step(lambda: 0.0), optimizer, lambda k: math.nan)


def test_an_error_of_param_groups_is_forgotten_once_they_are_right_again():
    optimizer = sgd()
    optimizer.add_param_group({"params": [torch.zeros(1, requires_grad=True)]})

    def block():
        removed = optimizer.param_groups.pop()
        with contextlib.suppress(ValueError):
            optimizer.step()
        optimizer.param_groups.append(removed)
        optimizer.step()

    assert audited(block, optimizer, Constant(1.0), updates=1).groups == [[1.0], [1.0]]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"tolerance": math.inf}, ValueError),
        ({"tolerance": math.nan}, ValueError),
        ({"tolerance": 1.0}, ValueError),
        ({"tolerance": -1e-9}, ValueError),
        ({"tolerance": "1e-9"}, TypeError),
        ({"first_update": -1}, ValueError),
        ({"first_update": 0.5}, TypeError),
        ({"updates": 0}, ValueError),
        ({"updates": True}, TypeError),
        ({"hold": 0}, ValueError),
        ({"steps_per_unit": 0}, ValueError),
        ({"name": 3}, TypeError),
        ({"group": 1}, ValueError),
        ({"schedule": {}}, ValueError),
        ({"schedule": {"lr": 0.1}}, TypeError),
        ({"schedule": {"rate": Constant(0.1)}}, ValueError),
        ({"schedule": {"lr": [Constant(0.1)] * 2}}, ValueError),
    ],
)
def test_wrong_arguments_are_refused(arguments, error):
    optimizer = sgd()
    name = next(iter(arguments))
    with pytest.raises(error, match=rf"^{name}.*: must be"), audit(optimizer, **arguments):
        optimizer.step()


# ------------------------------------------------------------------------------ no false alarm


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_the_tolerance_follows_the_precision_of_a_tensor(dtype):
    optimizer = sgd()
    optimizer.param_groups[0]["lr"] = torch.tensor(1.0, dtype=dtype)
    scheduler = ScheduleLR(optimizer, SCHEDULE)
    with audit(optimizer, SCHEDULE):
        loop(optimizer, scheduler, 100)
    off = 1 + max(4 * torch.finfo(dtype).eps, 1e-5)
    optimizer.param_groups[0]["lr"].fill_(SCHEDULE(100) * off)
    with (
        pytest.raises(AuditError, match="update 100"),
        audit(optimizer, SCHEDULE, first_update=100),
    ):
        optimizer.step()


def test_torch_s_cosine_in_float32_passes():
    optimizer = sgd()
    optimizer.param_groups[0]["lr"] = torch.tensor(0.1)
    scheduler = lr_scheduler.CosineAnnealingLR(optimizer, 1000)
    with audit(optimizer, Cosine(1000, 0.1)):
        loop(optimizer, scheduler, 1000)
    optimizer.param_groups[0]["lr"] = np.float32(0.1)
    with audit(optimizer, Constant(0.1)):
        optimizer.step()


IN_FLOAT32 = {
    "factor": (
        lambda o: lr_scheduler.ExponentialLR(o, 0.01 ** (1 / 2000)),
        Exponential(2000, 1.0, 0.01),
    ),
    "slow factor": (lambda o: lr_scheduler.ExponentialLR(o, 0.9999), lambda k: 0.9999**k),
    "growing": (lambda o: lr_scheduler.ExponentialLR(o, 1.001), lambda k: 1.001**k),
    "line": (lambda o: lr_scheduler.LinearLR(o, 1.0, 0.01, 2000), Linear(2000, 1.0, 0.01)),
}


ROUNDINGS = r"(.|\n)*\nIt is in a float32 tensor\. .* adds up rounding .* pass tolerance=1e-4"


def in_float32(name):
    make, schedule = IN_FLOAT32[name]
    optimizer = sgd()
    optimizer.param_groups[0]["lr"] = torch.tensor(1.0)
    return optimizer, make(optimizer), schedule


@pytest.mark.parametrize("name", IN_FLOAT32)
def test_roundings_that_torch_s_schedulers_add_up_in_float32_need_a_tolerance(name):
    optimizer, scheduler, schedule = in_float32(name)
    with pytest.raises(AuditError, match=ROUNDINGS), audit(optimizer, schedule):
        loop(optimizer, scheduler, 2000)
    optimizer, scheduler, schedule = in_float32(name)
    with audit(optimizer, schedule, updates=2000, tolerance=1e-4):
        loop(optimizer, scheduler, 2000)


@pytest.mark.parametrize("T", [12_000, 30_000])
def test_a_long_run_in_float32_that_is_one_update_off_does_not_pass(T):
    """It differs by less than the rounding errors that some schedulers add up."""
    schedule = Cosine(T, 0.1, 0.05)
    optimizer = sgd()
    rate = optimizer.param_groups[0]["lr"] = torch.tensor(0.1)

    def block():
        for k in range(2000):
            rate.fill_(schedule(k + 1))
            optimizer.step()

    with pytest.raises(AuditError, match=r"one_early|one update") as caught:
        audited(block, optimizer, schedule)
    assert "float32" not in str(caught.value)


def test_a_run_in_float32_that_resumes_one_update_off_does_not_pass():
    """In a long schedule the two rates differ by 3e-5 alone."""
    schedule = Cosine(100_000, 0.1)
    optimizer = sgd()
    optimizer.param_groups[0]["lr"] = torch.tensor(schedule(49_999))
    with (
        pytest.raises(AuditError, match=r"^update 50000: "),
        audit(optimizer, schedule, first_update=50_000),
    ):
        optimizer.step()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_hint_at_roundings_is_for_float32_alone(dtype):
    optimizer = sgd()
    off = 1 + max(4 * torch.finfo(dtype).eps, 1e-5)
    optimizer.param_groups[0]["lr"] = torch.tensor(off, dtype=dtype)
    with pytest.raises(AuditError) as caught, audit(optimizer, Constant(1.0)):
        optimizer.step()
    assert "float32" not in str(caught.value)


def test_a_tiny_rate_is_compared_as_any_other():
    optimizer = sgd()
    optimizer.param_groups[0]["lr"] = 2e-18
    with pytest.raises(AuditError, match="1e-18, but 2e-18"), audit(optimizer, Constant(1e-18)):
        optimizer.step()


def test_a_loop_that_steps_once_an_epoch():
    epochs, batches = 5, 4
    for hold, steps_per_unit, schedule in ((batches, 1, Cosine(5, 0.1)), (4, 2, Cosine(2.5, 0.1))):
        optimizer = sgd()
        scheduler = ScheduleLR(optimizer, schedule, steps_per_unit=steps_per_unit)
        with audit(optimizer, schedule, hold=hold, steps_per_unit=steps_per_unit) as trace:
            for _ in range(epochs):
                for _ in range(batches):
                    optimizer.step()
                scheduler.step()
        assert len(trace.rates) == 20
    optimizer, last = sgd(), Cosine(5, 0.1)(4)
    with pytest.warns(UserWarning, match="at update 19 of 20"):
        audited(lambda: steps(optimizer, last), optimizer, Cosine(5, 0.1), hold=4, first_update=18)


def test_boundaries_in_epochs_lie_at_whole_updates():
    optimizer = sgd()
    schedule = MultiStep([3 * 0.1, 0.7], 0.1, gamma=0.1)
    with audit(optimizer, schedule, steps_per_unit=100):
        for k in range(70):
            optimizer.param_groups[0]["lr"] = 0.1 if k < 30 else 0.01
            optimizer.step()


# -------------------------------------------------------------------------- what an error says


def finding(rates, schedule, **options):
    optimizer = sgd()
    with pytest.raises(AuditError) as caught:
        audited(lambda: steps(optimizer, *rates), optimizer, schedule, **options)
    return str(caught.value).splitlines()


def test_an_error_prints_digits_that_tell_the_rates_apart():
    assert finding([0.1 * (1 + 1e-8)], Constant(0.1))[0] == (
        "update 0: the schedule says 0.1, but 0.100000001 is in force"
    )
    assert finding([0.1, 0.2], Constant(0.1), first_update=7, name="critic")[0] == (
        "update 8 of critic: the schedule says 0.1, but 0.2 is in force"
    )


def test_an_error_ends_with_the_causes_that_fit_so_far_and_with_what_decides():
    lines = finding([0.1, 0.1, 0.1], Cosine(50, 0.1))
    assert any(line.startswith("- never_moves: ") for line in lines[1:-1])
    assert "audit(optimizer)" in lines[-1]
    assert "trace.diagnose(schedule)" in lines[-1]


def test_the_code_that_decides_has_the_audit_s_own_arguments():
    schedule = Cosine(5, 0.1)
    last = finding([0.2], schedule, hold=4, steps_per_unit=2, first_update=3, group=0)[-1]
    assert "audit(optimizer, first_update=3, group=0)" in last
    assert "trace.diagnose(schedule, steps_per_unit=2, hold=4)" in last
    assert "trace.diagnose(schedule['lr'])" in finding([0.2], {"lr": schedule})[-1]


def test_groups_with_rates_of_their_own_get_a_list_of_schedules():
    hint = "pass a list of schedules"
    for scheduled, rates, expected in (
        (Cosine(5, 0.1), (0.1, 0.01), True),
        (Cosine(5, 0.1), (0.01, 0.1), False),  # the first group is the wrong one
        ([Cosine(5, 0.1), Cosine(5, 0.1)], (0.1, 0.01), False),  # a list was given
    ):
        optimizer = sgd(groups=2)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        with pytest.raises(AuditError) as caught, audit(optimizer, scheduled):
            optimizer.step()
        assert (hint in str(caught.value)) is expected


def test_an_epoch_s_updates_are_not_given_twice():
    optimizer = sgd()
    with (
        pytest.warns(UserWarning, match="steps_per_unit and hold are both 4"),
        audit(optimizer, Constant(1.0), hold=4, steps_per_unit=4),
    ):
        optimizer.step()


def test_the_causes_allow_for_the_precision_of_the_rate():
    """In float32 no rate is the schedule's to the last bit, and twice the schedule is still it."""
    optimizer = sgd()
    schedule = Cosine(50, 0.1)
    optimizer.param_groups[0]["lr"] = torch.tensor(1.0)

    def block():
        for k in range(20):
            optimizer.param_groups[0]["lr"].fill_(schedule(k) * (1 if k < 10 else 2))
            optimizer.step()

    with pytest.raises(AuditError, match=r"update 10: (.|\n)*\n- scaled_from: "):
        audited(block, optimizer, schedule)


def test_a_function_that_knows_only_the_block_is_audited_like_any_other():
    table = {5: 0.1, 6: 0.2}
    lines = finding([0.1, 0.1], lambda k: table[k], first_update=5)
    assert lines[0] == "update 6: the schedule says 0.2, but 0.1 is in force"


def test_the_error_is_a_trace_error_and_an_assertion_error():
    from coslr import audit as same_audit_module  # noqa: F401
    from coslr.audit import AuditError as same
    from coslr.trace import TraceError

    assert same is AuditError
    assert issubclass(AuditError, TraceError)
    assert issubclass(AuditError, AssertionError)


# ------------------------------------------------------------------------- more than the rate


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW, torch.optim.RMSprop])
def test_weight_decay_and_momentum_are_audited_too(kind):
    w, m = Linear(4, 0.01), Linear(4, 0.9, 0.8)
    plan = {"lr": Cosine(4, 0.1), "weight_decay": w, "momentum": m}
    _, optimizer = one_weight(kind)
    group = optimizer.param_groups[0]

    def steps_at(*updates):
        for k in updates:
            group.update(lr=plan["lr"](k), weight_decay=w(k))
            if "betas" in group:
                group["betas"] = (m(k), 0.99)
            else:
                group["momentum"] = m(k)
            optimizer.step()

    trace = audited(lambda: steps_at(0, 1, 2, 3), optimizer, plan)
    assert trace.rates == [plan["lr"](k) for k in range(4)]
    assert trace.other == {
        "weight_decay": [[w(k) for k in range(4)]],
        "momentum": [[m(k) for k in range(4)]],
    }
    for name in ("weight_decay", "momentum"):
        with pytest.raises(AuditError, match=rf"^update 1 \({name}\): the schedule says"):
            audited(lambda: steps_at(0, 0), optimizer, {name: plan[name]})
    with pytest.raises(AuditError, match=r"^update 1: the schedule says"):
        audited(lambda: steps_at(0, 0), optimizer, plan)
    only = audited(lambda: steps_at(0, 3), optimizer, {"momentum": lambda k: m(3 * k)})
    assert only.rates == [plan["lr"](0), plan["lr"](3)]  # recorded, and compared with nothing


def test_a_key_that_is_no_quantity_is_refused():
    message = r"schedule's key='betas': must be 'lr', 'weight_decay' or 'momentum'"
    with pytest.raises(ValueError, match=message), audit(sgd(), {"betas": Constant(0.9)}):
        pass


def test_a_name_that_the_optimizer_does_not_have_is_refused():
    _, optimizer = one_weight(torch.optim.Adagrad)
    message = r"schedule\['momentum'\]=.*: must be left out, because this optimizer has no momentum"
    with pytest.raises(ValueError, match=message), audit(optimizer, {"momentum": Constant(0.9)}):
        optimizer.step()


# ------------------------------------------------------------------ errors that name what is wrong


class NoRate(torch.optim.Optimizer):
    def __init__(self, weights, **defaults):
        super().__init__(weights, defaults)

    def step(self, closure=None):
        pass


class SkipsInit(torch.optim.Optimizer):
    """As Lookahead of timm."""

    def __init__(self, base):
        self._base_optimizer = base
        self.param_groups, self.state, self.defaults = base.param_groups, {}, base.defaults

    def step(self, closure=None):
        return self._base_optimizer.step(closure)


@pytest.mark.parametrize(
    "watches", [lambda o: audit(o, SCHEDULE).__enter__(), lambda o: ScheduleLR(o, SCHEDULE)]
)
def test_an_optimizer_without_a_rate_or_hooks_is_refused_by_name(watches):
    for defaults in ({}, {"lr": None}, {"lr": "0.1"}):
        with pytest.raises(TypeError, match=r"optimizer's lr=.*: must be a number or a tensor"):
            watches(NoRate([torch.zeros(1)], **defaults))
    with pytest.raises(TypeError, match=r"(?s)optimizer=.*Pass the one inside it, often its"):
        watches(SkipsInit(sgd()))


NOT_RATES = [
    (lambda t: None, TypeError, "=None: must be a .*, not NoneType"),
    (lambda t: "0.1", TypeError, "='0.1': must be a .*, not str"),
    (lambda t: 1j, TypeError, "=1j: must be a .*, not complex"),
    (lambda t: torch.ones(2), TypeError, "=tensor.*: must be a .*, not Tensor"),
    (lambda t: math.inf, ValueError, "=inf: must be a .*, and finite"),
    (lambda t: math.nan, ValueError, "=nan: must be a .*, and finite"),
]


@pytest.mark.parametrize(("schedule", "error", "message"), NOT_RATES)
def test_a_schedule_that_gives_no_rate_is_an_error_that_says_so(schedule, error, message):
    _, optimizer = one_weight()
    with pytest.raises(error, match=f"schedule at update 0{message}"), audit(optimizer, schedule):
        optimizer.step()
    with pytest.raises(error, match=f"schedule at update 0{message}"):
        ScheduleLR(optimizer, schedule)
    _, optimizer = one_weight(weight_decay=0.1)
    plan = {"weight_decay": schedule}
    with (
        pytest.raises(error, match=rf"schedule\['weight_decay'\] at update 0{message}"),
        audit(optimizer, plan),
    ):
        optimizer.step()


def test_a_table_that_is_too_short_is_an_error_that_says_so():
    table = [0.1, 0.1]
    _, optimizer = one_weight()
    message = "schedule: has no value at update 2 .IndexError.*; is its table too short"
    with pytest.raises(ValueError, match=message):
        audited(lambda: steps(optimizer, 0.1, 0.1, 0.1), optimizer, lambda k: table[k])
    scheduler = ScheduleLR(optimizer, lambda k: table[k])
    loop(optimizer, scheduler, 1)
    with pytest.raises(ValueError, match=message):
        loop(optimizer, scheduler, 1)


@pytest.mark.parametrize("index", [0, 1, None])
def test_a_removed_param_group_is_an_error(index):
    optimizer = sgd(groups=2)

    def block():
        optimizer.step()
        optimizer.param_groups.pop(0)
        optimizer.step()

    with pytest.raises(ValueError, match="has 1 param groups at update 1, but had 2"):
        audited(block, optimizer, Constant(1.0), group=index)


def test_an_error_of_the_schedule_that_the_block_catches_comes_again_at_its_end():
    """Otherwise an update that nobody compared with anything would pass."""
    optimizer = sgd()

    def block():
        optimizer.register_step_pre_hook(lambda *_: None)  # so that the audit waits for the update
        with contextlib.suppress(TypeError):
            optimizer.step()
        optimizer.step()

    with pytest.raises(TypeError, match="schedule at update 0=None"):
        audited(block, optimizer, lambda k: None if k == 0 else 1.0)


def test_dynamo_does_not_compile_the_diagnosis(monkeypatch):
    seen = []
    disable = torch.compiler.disable

    @functools.wraps(disable)
    def noted(function):
        seen.append(function.__name__)
        return disable(function)

    monkeypatch.setattr(torch.compiler, "disable", noted)
    _, optimizer = one_weight()
    with pytest.raises(AuditError), audit(optimizer, Constant(0.2)):
        optimizer.step()
    assert seen == ["_wrong_value"]
