"""Random training loops, right and wrong: the audit is silent exactly where the weights agree.

A loop is drawn from a grammar of mistakes. It runs twice. Without an audit, the weights say what
happened: each starts an update at 0 and has a gradient of 1, so that it moves by the learning rate.
Then the same loop runs under an audit, which must find what the weights say and nothing else.
"""

import contextlib
import itertools
import math
import random
import re
import warnings
from dataclasses import dataclass

import pytest
import torch

from coslr import Constant, Cosine, CosineWarmRestarts, Linear, MultiStep, Step, warmup
from coslr.audit import AuditError, audit
from coslr.trace import Trace

# ------------------------------------------------------------------------------- the grammar


class Parent(torch.optim.SGD):
    """Its step calls the step of its parent, and torch runs the hooks of both."""

    def step(self, closure=None):
        return super().step(closure)


class Doubling(torch.optim.SGD):
    """Updates with twice the rate that it has before and after."""

    def step(self, closure=None):
        for group in self.param_groups:
            group["lr"] *= 2
        super().step(closure)
        for group in self.param_groups:
            group["lr"] /= 2


class Foreign(torch.optim.Optimizer):
    """Not torch's code. It may write its rate by itself, before it uses it."""

    def __init__(self, groups, lr):
        super().__init__(groups, {"lr": lr})

    def write(self):
        pass

    def step(self, closure=None):
        if closure is not None:
            closure()
        self.write()
        for group in self.param_groups:
            for weight in group["params"]:
                weight.data -= group["lr"] * weight.grad


class NeverBuilt(Foreign):
    """No optimizer of just this class is ever made, so torch runs no hook for its step."""

    def step(self, closure=None):
        if closure is not None:
            closure()
        for group in self.param_groups:
            for weight in group["params"]:
                weight.data -= group["lr"] * weight.grad


class DoublingUnseen(NeverBuilt):
    """As `Doubling`, around such a step."""

    def step(self, closure=None):
        for group in self.param_groups:
            group["lr"] *= 2
        super().step(closure)
        for group in self.param_groups:
            group["lr"] /= 2


class Lbfgs(torch.optim.LBFGS):
    """One iteration for each step. Its first step needs a length of 1 in all weights together."""

    def __init__(self, groups, lr):
        super().__init__(groups[0]["params"], lr=lr, max_iter=1)


class Fused(torch.optim.SGD):
    """GradScaler calls its step even where it found an overflow."""

    def __init__(self, groups, lr):
        super().__init__(groups, lr=lr, fused=True)


class Wrapper:
    def __init__(self, optimizer):
        self.optimizer = optimizer


SGD = torch.optim.SGD
SCHEDULES = [
    Constant(0.1),
    Cosine(8, 0.1),
    Cosine(5, 0.1, 0.01),
    Linear(9, 0.2),
    Step(3, 0.1, gamma=0.5),
    MultiStep([4, 6], 0.1, gamma=0.1),
    CosineWarmRestarts(3, 0.1, 0.01),
    CosineWarmRestarts(2, 0.1, T_mult=2, cycles=2),
    warmup(Cosine(6, 0.1), 3),
    warmup(Linear(4, 0.3), 2, start=0.0),
]


def usually(draw, usual, *others, chance=0.15):
    return draw.choice(others) if draw.random() < chance else usual


@dataclass(frozen=True)
class Loop:
    """What a loop does. The first value of each choice is the usual one."""

    schedules: list  # one for each param group
    optimizer: type
    wrapped: bool
    driver: str  # who writes the rates: the loop, or something inside step()
    order: str
    every: int  # the scheduler steps after so many updates
    units: int  # updates in one unit of the scheduler's clock
    hook: str  # a hook of somebody else, which changes the rate during a step
    closure: str
    zeroed: bool  # the gradients are 0 until the closure makes them
    events: dict  # what happens at an attempt in place of an ordinary step
    waits: bool  # the scheduler waits for an update
    resume_at: int | None
    loads: tuple  # which states a resumed run loads, in this order
    wrong_group: int | None  # its rate is too high at one update
    attempts: int
    # what the audit is told
    steps_per_unit: int
    hold: int
    group: int | None
    updates: str
    knows_first_update: bool


def draw_loop(seed):
    draw = random.Random(seed)
    kinds = [Parent, Doubling, DoublingUnseen, Foreign, Lbfgs, Fused]
    optimizer = usually(draw, SGD, *kinds, chance=0.4)
    inside = ["early pre", "late pre", "early post", "late post", "own step"]
    driver = usually(draw, "loop", *inside, chance=0.4)
    if driver == "own step":
        optimizer = Foreign
    count = 1 if optimizer is Lbfgs else draw.choice([1, 1, 2])
    schedules = [draw.choice(SCHEDULES)] * count
    if draw.random() < 0.5:
        schedules = draw.sample(SCHEDULES, count)
    unit, n = draw.choice(["update", "update", "unit", "hold"]), draw.choice([2, 3])
    right = {"steps_per_unit": n if unit == "unit" else 1, "hold": n if unit == "hold" else 1}
    closure = "runs" if optimizer is Lbfgs else draw.choice(["", "", "runs"])
    closure = usually(draw, closure, "doubles", "writes", chance=0.15)
    attempts = draw.randint(1, 4) if draw.random() < 0.1 else draw.randint(5, 14)
    kinds = ["raises", "absent", "state"]
    if optimizer in (SGD, Fused) and not closure:
        kinds += ["overflow"] * (2 if optimizer is SGD else 20)
    events = {}
    if draw.random() < (0.9 if optimizer is Fused else 0.4):
        events = {draw.randrange(attempts): draw.choice(kinds) for _ in range(2)}
    return Loop(
        schedules=schedules,
        optimizer=optimizer,
        wrapped=draw.random() < 0.1,
        driver=driver,
        order=usually(draw, "after", "before", "never"),
        every=usually(draw, right["hold"], 1, 2, chance=0.1),
        units=usually(draw, right["steps_per_unit"], 1, 2, chance=0.1),
        hook=usually(draw, "", "early pre", "late pre", "late pre in vain", chance=0.15),
        closure=closure,
        zeroed=bool(closure) and draw.random() < 0.5,
        events=events,
        waits=draw.random() < 0.8,
        resume_at=draw.randrange(1, attempts) if draw.random() < 0.3 and attempts > 1 else None,
        loads=usually(
            draw,
            ("optimizer", "scheduler"),
            ("scheduler", "optimizer"),
            ("optimizer",),
            ("scheduler",),
            (),
            chance=0.4,
        ),
        wrong_group=usually(draw, None, 0, count - 1, chance=0.1),
        attempts=attempts,
        steps_per_unit=usually(draw, right["steps_per_unit"], 1, 2, chance=0.1),
        hold=usually(draw, right["hold"], 1, 2, chance=0.1),
        group=draw.choice([None, None, count - 1]),
        updates=usually(draw, draw.choice(["", "right"]), "fewer", "more", chance=0.2),
        knows_first_update=draw.random() < 0.9,
    )


# ------------------------------------------------------------------------------ running a loop


class Scheduler:
    """The plainest one: it counts, and writes each group's rate."""

    def __init__(self, loop, optimizer):
        self.loop, self.optimizer = loop, optimizer
        self.count = 0
        self.write()

    def write(self, count=None):
        t = (self.count if count is None else count) / self.loop.units
        for schedule, group in zip(self.loop.schedules, self.optimizer.param_groups, strict=True):
            group["lr"] = schedule(t)

    def step(self):
        self.count += 1
        self.write()


class Run:
    """One run of a loop: its objects, and how far the weights moved at each update."""

    def __init__(self, loop):
        self.loop = loop
        self.attempt = 0
        self.made = 0  # updates, over all blocks
        self.moved = []  # in this block, one row for each update
        self.scaler = torch.amp.GradScaler("cpu", init_scale=2.0, growth_interval=10**6)
        self.build()

    def build(self):
        self.weights = [
            torch.zeros(1, dtype=torch.float64, requires_grad=True) for _ in self.loop.schedules
        ]
        groups = [{"params": [weight]} for weight in self.weights]
        self.optimizer = self.loop.optimizer(groups, lr=0.7)
        self.scheduler = Scheduler(self.loop, self.optimizer)

    def resume(self):
        states = {
            "optimizer": self.optimizer.state_dict(),
            "scheduler": {"count": self.scheduler.count},
        }
        self.build()
        for name in self.loop.loads:
            if name == "optimizer":
                self.optimizer.load_state_dict(states[name])
            else:
                vars(self.scheduler).update(states[name])

    def multiply(self, factor, group=None):
        for i, one in enumerate(self.optimizer.param_groups):
            if group is None or i == group:
                one["lr"] *= factor

    # -- what runs inside step()

    def register(self, when):
        """The hooks that were there before the audit ("early"), or came after it ("late")."""
        if self.loop.driver == "own step":
            self.optimizer.write = self.write
        pre, post = self.optimizer.register_step_pre_hook, self.optimizer.register_step_post_hook
        if self.loop.driver == f"{when} pre":
            pre(self.calling(self.write))
        if self.loop.driver == f"{when} post":
            post(self.calling(self.step_scheduler))
        if self.loop.hook == f"{when} pre":
            pre(self.calling(lambda: self.attempt % 4 == 3 and self.multiply(2)))
            post(self.calling(lambda: self.attempt % 4 == 3 and self.multiply(0.5)))
        if self.loop.hook == f"{when} pre in vain":
            pre(self.calling(lambda: None))

    def calling(self, function):
        """A hook that runs once for each update, also where torch runs the hooks twice."""
        called = set()

        def hook(*_):
            if self.initialising or self.attempt in called:
                return
            called.add(self.attempt)
            function()

        return hook

    def closure(self):
        if self.event == "raises":
            raise ZeroDivisionError
        for weight in self.weights:
            weight.grad = torch.ones_like(weight)
        if self.loop.closure == "doubles" and self.attempt == 2:
            self.multiply(2)
        if self.loop.closure == "writes":
            self.write()
        return 0.0

    def write(self):
        """Write the rate that is right for the next update, whatever was written before."""
        if not self.initialising:
            self.scheduler.write(self.made // self.loop.every)

    def step_scheduler(self):
        if self.loop.order != "never" and (self.attempt + 1) % self.loop.every == 0:
            self.scheduler.step()

    # -- one turn of the loop

    initialising = False

    def turn(self):
        self.event = self.loop.events.get(self.attempt, "")
        by_loop = self.loop.driver == "loop"
        if self.event == "state":
            self.initialise()
        if by_loop and self.loop.order == "before":
            self.step_scheduler()
        if self.loop.wrong_group is not None and self.attempt == 1:
            self.multiply(1.01, self.loop.wrong_group)
        updated = self.event != "absent" and self.update()
        if by_loop and self.loop.order == "after" and (updated or not self.loop.waits):
            self.step_scheduler()
        self.attempt += 1

    def initialise(self):
        """As torch.distributed.checkpoint does it."""
        if self.optimizer.state:
            return
        rates = [group["lr"] for group in self.optimizer.param_groups]
        for group, weight in zip(self.optimizer.param_groups, self.weights, strict=True):
            group["lr"], weight.grad = 0.0, torch.zeros_like(weight)
        self.initialising = True
        with contextlib.suppress(TypeError):  # torch's LBFGS cannot do without a closure
            self.optimizer.step(closure=None)
        self.initialising = False
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate

    def update(self):
        """Call step() and note how far the weights moved. Return whether there was an update."""
        scaled = "overflow" in self.loop.events.values()
        for weight in self.weights:
            weight.data.zero_()
            weight.grad = torch.ones_like(weight) * (self.scaler.get_scale() if scaled else 1.0)
            if self.event == "overflow":
                weight.grad *= math.inf
            if self.loop.zeroed:
                weight.grad.zero_()
        try:
            self.step(scaled)
        except ZeroDivisionError:
            return False
        if self.event == "overflow":
            return False
        self.moved.append(self.movement())
        self.made += 1
        return True

    def step(self, scaled):
        if scaled:
            self.scaler.scale(torch.ones(1))  # the scaler wants to have scaled a loss
            self.scaler.step(self.optimizer)
            self.scaler.update()
        elif self.loop.closure or self.event == "raises":
            self.optimizer.step(self.closure)
        else:
            self.optimizer.step()

    def movement(self):
        return [-weight.item() for weight in self.weights]


def blocks(loop):
    """The attempts of each block: one, or two where the run is interrupted."""
    ends = [0, *([loop.resume_at] if loop.resume_at else []), loop.attempts]
    return [range(a, b) for a, b in itertools.pairwise(ends)]


def first_update(loop, run):
    return run.made if loop.knows_first_update else 0


def as_the_weights_say(loop):
    """For each block its first update, and the movement of all weights at each update."""
    run, found = Run(loop), []
    for attempts in blocks(loop):
        if attempts.start:
            run.resume()
        first, run.moved = first_update(loop, run), []
        run.register("early")
        run.register("late")
        for _ in attempts:
            run.turn()
        found.append((first, run.moved))
    return found


def announced(loop, moved):
    """How many updates the audit of a block is told to expect."""
    number = len(moved) + {"": 0, "right": 0, "fewer": -1, "more": 1}[loop.updates]
    return number if loop.updates and number > 0 else None


def audited_groups(loop):
    return range(len(loop.schedules)) if loop.group is None else [loop.group]


def verdict(loop, first, moved):
    """What the audit of a block should say: the error, or the end of the schedule, or nothing."""
    updates = announced(loop, moved)
    for k, row in enumerate(moved):
        if updates is not None and k >= updates:
            return f"update {first + k} comes"
        t = (first + k) // loop.hold / loop.steps_per_unit
        for i in audited_groups(loop):
            if not math.isclose(row[i], loop.schedules[i](t), rel_tol=1e-9, abs_tol=1e-15):
                where = f" (param group {i})" if len(loop.schedules) > 1 else ""
                return f"update {first + k}{where}: the"
    if not moved:
        return "no update"
    if updates is not None and len(moved) < updates:
        return f"the block ended after {len(moved)}"
    lengths = [loop.schedules[i].length for i in audited_groups(loop)]
    end = max((n for n in lengths if n < math.inf), default=0) * loop.hold * loop.steps_per_unit
    return "the audit ended" if updates is None and first + len(moved) < end else ""


def stops_before(loop):
    """Whether nothing can change the rate after the audit's first reading."""
    late = "late pre" in loop.driver or "late pre" in loop.hook
    return loop.optimizer in (SGD, Fused, Lbfgs) and not late


def check(seed, audit=audit):
    """Hold an audit of this loop against the weights; return what it rightly said last."""
    loop = draw_loop(seed)
    said = []
    run = Run(loop)
    for attempts, (first, moved) in zip(blocks(loop), as_the_weights_say(loop), strict=True):
        right = verdict(loop, first, moved)
        said.append(right)
        if attempts.start:
            run.resume()
        run.register("early")
        run.moved, before = [], run.made
        found = ""
        schedules = loop.schedules if loop.group is None else loop.schedules[loop.group]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                with audit(
                    Wrapper(run.optimizer) if loop.wrapped else run.optimizer,
                    schedules,
                    steps_per_unit=loop.steps_per_unit,
                    hold=loop.hold,
                    group=loop.group,
                    first_update=first,
                    updates=announced(loop, moved),
                ) as trace:
                    run.register("late")
                    for _ in attempts:
                        run.turn()
            except AuditError as error:
                found = str(error)
        ours = [str(w.message) for w in caught if "the audit ended" in str(w.message)]
        found = found or "".join(ours)
        assert found.startswith(right) if right else not found, (seed, loop, right, found)
        if right and not ours:
            if right.startswith("update") and stops_before(loop):
                assert not any(run.movement()), (seed, loop, "the update was made", found)
            break
        recorded = [list(row) for row in zip(*trace.groups, strict=True)]
        assert recorded == [[row[i] for i in audited_groups(loop)] for row in moved], (seed, loop)
        assert run.made - before == len(moved)
    return said[-1]


def test_the_audit_says_what_the_weights_say():
    """A sample of the test below. It has loops that are right and loops that are not."""
    said = [check(seed) for seed in range(100)]
    assert 20 < said.count("") < 80


@pytest.mark.slow
def test_the_audit_says_what_the_weights_say_in_many_loops():
    said = [check(seed) for seed in range(100, 3100)]
    assert {re.sub(r"\d+", "", one) for one in said} == {
        "",
        "update : the",
        "update  (param group ): the",
        "update  comes",
        "no update",
        "the block ended after ",
        "the audit ended",
    }


@contextlib.contextmanager
def reads_once(optimizer, schedule, *, steps_per_unit, hold, group, first_update, updates):
    """An audit that reads the rate when step() is called, and nothing else."""
    optimizer = getattr(optimizer, "optimizer", optimizer)
    groups = [group] if group is not None else list(range(len(optimizer.param_groups)))
    schedules = schedule if isinstance(schedule, list) else [schedule]
    trace = Trace([[] for _ in groups])

    def before(optimizer, *_):
        k = first_update + len(trace.rates)
        for rates, i, scheduled in zip(trace.groups, groups, schedules, strict=True):
            rates.append(float(optimizer.param_groups[i]["lr"]))
            if not math.isclose(rates[-1], scheduled(k // hold / steps_per_unit), abs_tol=1e-15):
                where = f" (param group {i})" if len(optimizer.param_groups) > 1 else ""
                raise AuditError(f"update {k}{where}: the rate is wrong")

    hook = optimizer.register_step_pre_hook(before)
    try:
        yield trace
    finally:
        hook.remove()


def test_an_audit_that_reads_once_is_found_out():
    wrong = 0
    for seed in range(100):
        try:
            check(seed, reads_once)
        except AssertionError:
            wrong += 1
    assert wrong > 20
