"""Training loops with one mistake each, written as people write them, for random schedules.

`coslr.diagnosis` computes what the rates would be under a mistake. Here nothing is computed but a
loop: an optimizer's rate, a scheduler that counts its steps, and the order in which they come. So
the two can disagree. A loop returns the rates that were in force and, where the run went on from a
checkpoint, the index of its first update. It returns None where a schedule cannot have the mistake.
"""

import math
from dataclasses import dataclass, replace
from random import Random

from coslr import (
    WSD,
    Constant,
    Cosine,
    CosineWarmRestarts,
    Cyclical,
    Exponential,
    InverseSqrt,
    Linear,
    MultiStep,
    OneCycle,
    Polynomial,
    Step,
    join,
    warmup,
)


@dataclass
class Run:
    """A schedule that was meant, and how many updates the run has."""

    meant: object
    updates: int


@dataclass
class Broken:
    """What a loop did."""

    cause: str
    rates: list
    first_update: int = 0
    number: float | None = None  # of the mistake, such as how many times too fast


class Scheduler:
    """Writes the plan's rate into the optimizer at each step, from its count of steps."""

    def __init__(self, plan, count=0):
        self.plan, self.count, self.lr = plan, count, plan(count)

    def step(self):
        self.count += 1
        self.lr = self.plan(self.count)


# --------------------------------------------------------------------------- random schedules


def peak_and_floor(random):
    peak = random.choice([0.1, 3e-4, 1.0, random.uniform(0.001, 2), 10 ** random.uniform(-5, 0)])
    floor = random.choice([0.0, 0.0, peak / 10, peak * random.uniform(0.001, 0.3)])
    return peak, floor


def leaf(random, kind):
    """A schedule of this kind, and the length of a run with it."""
    T = random.choice([50, 100, 120, random.randint(30, 400)])
    peak, floor = peak_and_floor(random)
    if kind is Constant:
        return Constant(peak), T
    if kind is CosineWarmRestarts:
        T_0, T_mult, cycles = random.randint(8, 40), random.choice([1, 2, 3, 1.5]), 3
        decay = random.choice([1.0, 0.5, 0.8])
        ended = CosineWarmRestarts(T_0, peak, floor, T_mult, decay, cycles)
        return replace(ended, cycles=random.choice([3, None])), math.ceil(ended.length)
    if kind is Cyclical:
        half, decay = random.randint(5, 30), random.choice([1.0, 0.5])
        return Cyclical(half, peak, floor, decay, random.choice([3, None])), 6 * half
    if kind is Polynomial:
        return Polynomial(T, peak, floor, power=random.choice([0.9, 2.0, 3.0])), T
    if kind is Exponential:
        return Exponential(T, peak, peak * random.choice([0.1, 0.01, 0.001])), T
    if kind is InverseSqrt:
        return InverseSqrt(random.randint(5, 50), peak, floor), T
    if kind is Step:
        size = random.randint(5, 30)
        return Step(size, peak, gamma=random.choice([0.1, 0.5, 0.3])), 5 * size
    if kind is MultiStep:
        milestones = sorted(random.sample(range(T // 4, T), 3))
        return MultiStep(milestones, peak, gamma=random.choice([0.1, 0.5, 0.3])), T
    if kind is OneCycle:
        shape = random.choice(["cosine", "linear"])
        return OneCycle(T, peak, floor / 30, peak=random.randint(5, T // 2), shape=shape), T
    if kind is WSD:
        rise, shape = random.choice([0, 5, 10]), random.choice(["linear", "sqrt", "cosine"])
        return WSD(T, random.randint(5, T // 3), peak, floor, rise, shape), T
    return kind(T, peak, floor), T


KINDS = [
    Cosine,
    CosineWarmRestarts,
    Linear,
    Polynomial,
    Exponential,
    InverseSqrt,
    Step,
    MultiStep,
    Cyclical,
    OneCycle,
    WSD,
]


def random_run(random, number):
    """Run number 0, 1, ...: every kind in turn, then behind a warm-up, then joined to another."""
    kind, turn = KINDS[number % len(KINDS)], number // len(KINDS) % 4
    schedule, updates = leaf(random, kind)
    if turn in (1, 3) and schedule(0) > 0:
        rise = random.randint(3, 20)
        start = random.choice([None, None, schedule(0) / 4])
        return Run(warmup(schedule, rise, start), updates + rise)
    if turn == 2:
        other, more = leaf(random, random.choice([Constant, Cosine, Linear]))
        return Run(join([other, schedule], [more]), more + updates)
    return Run(schedule, updates)


# -------------------------------------------------------- PyTorch's scheduler goes on at the end


def pytorch_goes_on(schedule):
    """The plan of PyTorch's scheduler, which is the same up to the end; None if it stops there."""
    if type(schedule) is Cosine:
        low, high, T = schedule.eta_min, schedule.eta_max, schedule.T_max
        return lambda t: low + (high - low) * (1 + math.cos(math.pi * t / T)) / 2
    if type(schedule).__name__ == "Warmup":
        behind = pytorch_goes_on(schedule.inner)
        if behind is not None:
            return lambda t: behind(t - schedule.updates) if t >= schedule.updates else schedule(t)
    return None


def inner_cosine(schedule):
    """The cosine in which a schedule ends, and how to put another one there."""
    if type(schedule) is Cosine:
        return schedule, lambda cosine: cosine
    if type(schedule).__name__ == "Warmup" and type(schedule.inner) is Cosine:
        return schedule.inner, lambda cosine: replace(schedule, inner=cosine)
    return None, None


# ------------------------------------------------------------------------------- the mistakes


def train(plan, updates):
    """The right loop."""
    scheduler, rates = Scheduler(plan), []
    for _ in range(updates):
        rates.append(scheduler.lr)
        scheduler.step()
    return rates


def never_moves(run, random):
    built_with = random.choice([run.meant(0), getattr(run.meant, "eta_max", 0.1), 0.05])
    lr, rates = built_with, []
    for _ in range(run.updates):
        rates.append(lr)
    return Broken("never_moves", rates)


def one_early(run, random):
    scheduler, rates = Scheduler(random.choice([run.meant, wave(run)])), []
    for _ in range(run.updates):
        scheduler.step()
        rates.append(scheduler.lr)
    return Broken("one_early", rates)


def one_late(run, random):
    lr, rates = random.choice([run.meant(0), 0.1, 0.01, random.random()]), []
    for t in range(run.updates):
        rates.append(lr)
        lr = run.meant(t)
    return Broken("one_late", rates)


def resumed_early(run, random):
    """A run that went on from a checkpoint, with the scheduler stepping first."""
    at = random.randrange(1, run.updates - 5)
    scheduler, rates = Scheduler(run.meant, at), []
    for _ in range(at, run.updates):
        scheduler.step()
        rates.append(scheduler.lr)
    return Broken("one_early", rates, at)


def resumed_late(run, random):
    at = random.randrange(1, run.updates - 5)
    lr, rates = run.meant(0), []
    for t in range(at, run.updates):
        rates.append(lr)
        lr = run.meant(t)
    return Broken("one_late", rates, at)


def not_resumed(run, random):
    at = random.randrange(1, run.updates - 5)
    return Broken("not_resumed", train(wave(run), run.updates)[: run.updates - at], at)


def step_per_process(run, random):
    processes, rates = random.choice([2, 3, 4, 8]), []
    scheduler = Scheduler(random.choice([run.meant, wave(run)]))
    for _ in range(run.updates):
        rates.append(scheduler.lr)
        for _ in range(processes):
            scheduler.step()
    return Broken("too_fast", rates, number=processes)


def step_per_small_batch(run, random):
    """The optimizer waits for the gradients of several batches; the scheduler does not wait."""
    small, rates = random.choice([2, 3, 4, 8, 16]), []
    scheduler = Scheduler(random.choice([run.meant, wave(run)]))
    for batch in range(1, small * run.updates + 1):
        if batch % small == 0:
            rates.append(scheduler.lr)
        scheduler.step()
    return Broken("too_fast", rates, number=small)


def step_per_small_batch_after_a_checkpoint(run, random):
    at, small = random.randrange(1, run.updates - 5), random.choice([2, 4])
    scheduler, rates = Scheduler(run.meant, at), []
    updates_at = random.choice([0, small - 1])
    for batch in range(small * (run.updates - at)):
        if batch % small == updates_at:
            rates.append(scheduler.lr)
        scheduler.step()
    return Broken("too_fast", rates, at, number=small)


def lengths_in_small_batches(run, random):
    small = random.choice([2, 3, 4, 8, 64])
    return Broken("too_slow", train(lambda t: run.meant(t / small), run.updates), number=small)


def step_per_epoch(run, random):
    batches, rates = random.choice([3, 5, 10, 16]), []
    scheduler = Scheduler(run.meant)
    while len(rates) < run.updates:
        for _ in range(batches):
            rates.append(scheduler.lr)
        scheduler.step()
    return Broken("per_epoch", rates[: run.updates], number=batches)


def set_once_an_epoch(run, random):
    batches, rates = random.choice([3, 5, 10, 16]), []
    while len(rates) < run.updates:
        lr = run.meant(len(rates))
        for _ in range(batches):
            rates.append(lr)
    return Broken("per_epoch", rates[: run.updates], number=batches)


def scaled(run, random):
    factor = random.choice([2, 4, 8, 0.1, 0.5, random.uniform(0.2, 5)])
    rates = [factor * rate for rate in train(run.meant, run.updates)]
    return Broken("scaled", rates, number=factor)


def built_with_another_peak(run, random):
    if type(run.meant) is not Cosine:
        return None
    factor = random.choice([2, 4, 0.5])
    if factor * run.meant.eta_max <= run.meant.eta_min:
        return None
    plan = replace(run.meant, eta_max=factor * run.meant.eta_max)
    return Broken("scaled", train(plan, run.updates), number=factor)


def scaled_from(run, random):
    at, factor = random.randrange(1, run.updates - 5), random.choice([2, 10, random.uniform(1, 9)])
    scheduler, rates, times = Scheduler(run.meant), [], 1
    for t in range(run.updates):
        if t == at:
            times = factor
        rates.append(times * scheduler.lr)
        scheduler.step()
    return Broken("scaled_from", rates, number=factor)


def restarted(run, random):
    at, rates = random.randrange(1, run.updates - 5), []
    scheduler = Scheduler(run.meant)
    for t in range(run.updates):
        if t == at:
            scheduler = Scheduler(run.meant)
        rates.append(scheduler.lr)
        scheduler.step()
    return Broken("restarted", rates, number=at)


def cycles_of(run):
    """The first restart, and one cycle alone, where the schedule has cycles."""
    schedule, rise = run.meant, 0
    if type(schedule).__name__ == "Warmup":
        schedule, rise = schedule.inner, schedule.updates
    if isinstance(schedule, CosineWarmRestarts):
        length = schedule.T_0
    elif isinstance(schedule, Cyclical):
        length = 2 * schedule.half_cycle
    else:
        return None, None
    one = replace(schedule, cycles=1)
    return rise + length, one if not rise else replace(run.meant, inner=one)


def never_restarts(run, random):
    begin, one_cycle = cycles_of(run)
    if begin is None:
        return None
    return Broken("never_restarts", train(one_cycle, run.updates))


def missed_restart(run, random):
    """The number of the cycle is rounded down just where a cycle begins."""
    schedule, rise = run.meant, 0
    if type(schedule).__name__ == "Warmup":
        schedule, rise = schedule.inner, schedule.updates
    if not isinstance(schedule, CosineWarmRestarts):
        return None
    begins = [rise + math.ceil(b) for b in schedule.boundaries_before(run.updates - rise)]
    begins = [b for b in begins if b < run.updates]
    missed = random.sample(begins, random.randint(1, len(begins)))
    rates = [schedule.eta_min if t in missed else run.meant(t) for t in range(run.updates)]
    return Broken("missed_restart", rates)


def used_up(run, random):
    scheduler = Scheduler(random.choice([run.meant, wave(run)]))
    for _ in range(run.updates):  # the plot
        scheduler.step()
    rates = []
    for _ in range(run.updates):
        rates.append(scheduler.lr)
        scheduler.step()
    return Broken("used_up", rates)


def climbs_again(run, random):
    cosine, around = inner_cosine(run.meant)
    if cosine is None:
        return None
    short = random.randint(3, int(0.9 * cosine.T_max))
    plan = pytorch_goes_on(around(replace(cosine, T_max=short)))
    return Broken("climbs_again", train(plan, run.updates))


def goes_on_after_the_end(run, random):
    if inner_cosine(run.meant)[0] is None:
        return None
    return Broken("climbs_again", train(wave(run), run.updates + random.randint(5, 60)))


def clock_in_warmup(run, random):
    if type(run.meant).__name__ != "Warmup":
        return None
    inner, rise = run.meant.inner, run.meant.updates
    if hasattr(inner, "T_max") and not isinstance(inner, WSD | OneCycle) and random.random() < 0.5:
        inner = replace(inner, T_max=rise + inner.T_max)
    plan = random.choice(
        [
            lambda t: run.meant(t) if t < rise else inner(t),
            # Two schedulers that both multiply, as in PyTorch's ChainedScheduler
            lambda t: run.meant(min(t, rise)) / run.meant(rise) * inner(t),
        ]
    )
    return Broken("clock_in_warmup", train(plan, run.updates))


def warmup_from_zero(run, random):
    if type(run.meant).__name__ != "Warmup":
        return None
    inner, rise = run.meant.inner, run.meant.updates
    plan = lambda t: inner(0) * t / rise if t < rise else inner(t - rise)  # noqa: E731
    return Broken("warmup_from_zero", train(plan, run.updates))


def with_field(schedule, **values):
    """The schedule, or the one behind its warm-up, with other arguments; None if it has none."""
    if type(schedule).__name__ == "Warmup":
        inner = with_field(schedule.inner, **values)
        if inner is None or (schedule.start or 0) > inner(0):
            return None
        return replace(schedule, inner=inner)
    if all(hasattr(schedule, name) for name in values):
        return replace(schedule, **values)
    return None


def wrong_floor(run, random):
    bare = run.meant.inner if type(run.meant).__name__ == "Warmup" else run.meant
    if not hasattr(bare, "eta_min"):
        return None
    floor = random.choice([bare.eta_max / 100, bare.eta_max * random.uniform(0.01, 0.5), 0.0])
    if isinstance(bare, Exponential):
        floor = max(floor, bare.eta_max / 1000)
    plan = with_field(run.meant, eta_min=floor)
    return None if plan is None else Broken("wrong_floor", train(plan, run.updates))


def wrong_length(run, random):
    bare = run.meant.inner if type(run.meant).__name__ == "Warmup" else run.meant
    for name in ("T_max", "T_0", "step_size", "half_cycle", "timescale"):
        if hasattr(bare, name):
            meant = getattr(bare, name)
            least = bare.decay + bare.warmup + 1 if isinstance(bare, WSD) else 4
            least = bare._peak + 1 if isinstance(bare, OneCycle) else least
            length = random.choice([random.randint(least, 2 * meant), run.updates])
            if name == "T_0":
                length = random.randint(4, 2 * meant)
            plan = with_field(run.meant, **{name: length})
            return Broken("wrong_length", train(plan, run.updates), number=length)
    return None


def another_warmup(run, random):
    if type(run.meant).__name__ != "Warmup":
        return None
    updates = random.randint(2, 30)
    if run.meant.inner.length < math.inf and hasattr(run.meant.inner, "T_max"):
        return None
    plan = replace(run.meant, updates=updates)
    return Broken("wrong_length", train(plan, run.updates), number=updates)


def wave(run):
    return pytorch_goes_on(run.meant) or run.meant


MISTAKES = [
    never_moves,
    one_early,
    one_late,
    resumed_early,
    resumed_late,
    not_resumed,
    step_per_process,
    step_per_small_batch,
    step_per_small_batch_after_a_checkpoint,
    lengths_in_small_batches,
    step_per_epoch,
    set_once_an_epoch,
    scaled,
    built_with_another_peak,
    scaled_from,
    restarted,
    never_restarts,
    missed_restart,
    used_up,
    climbs_again,
    goes_on_after_the_end,
    clock_in_warmup,
    warmup_from_zero,
    wrong_floor,
    wrong_length,
    another_warmup,
]


def same_as_meant(run, broken, *, rates=None, first_update=0, updates=None):
    """Whether the rates, of all updates or of some, are those that were meant."""
    rates = broken.rates if rates is None else rates
    if updates is None:
        updates = range(broken.first_update, broken.first_update + len(rates))
    return all(is_close(rate, run.meant(t)) for rate, t in zip(rates, updates, strict=True))


def wrong_updates(run, broken):
    """Which of the recorded updates have a wrong rate, counted from 0."""
    first = broken.first_update
    return [i for i, rate in enumerate(broken.rates) if not is_close(rate, run.meant(first + i))]


def is_close(rate, meant):
    # Rounding to six digits changes less, and a mistake that changes less is none.
    return math.isclose(rate, meant, rel_tol=2e-5, abs_tol=1e-15)


def broken_loops(seed, runs):
    """Each mistake on each of so many random schedules, where it changes a rate."""
    random = Random(seed)
    for number in range(runs):
        run = random_run(random, number)
        for mistake in MISTAKES:
            broken = mistake(run, random)
            if broken is not None and not same_as_meant(run, broken):
                yield run, mistake, broken
