"""A museum of bugs that really occurred in public lessons and libraries, as small loops.

Each exhibit is a pair of functions, the broken loop and the repaired one. Both train a toy of one
weight under an audit and return the rates that were in force. If a loop is called with a schedule,
the audit compares the rates with it: the broken loop raises `AuditError`, the repaired one does
not. We wrote the loops anew; only the mistake is the original's. A loop's docstring names the place
where the bug was reported.
"""

# The lessons print the loops, so the loops are written as their authors would: without types.
# mypy: allow-untyped-defs

import difflib
import inspect
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coslr._optional import extra
from coslr.diagnosis import Diagnosis, diagnose
from coslr.pytorch import AuditError, audit
from coslr.schedules import (
    Constant,
    Cosine,
    CosineWarmRestarts,
    Linear,
    MultiStep,
    Schedule,
    Step,
    cosine,
    warmup,
)

with extra("train"):
    import torch
    from torch.optim.lr_scheduler import (
        CosineAnnealingLR,
        CosineAnnealingWarmRestarts,
        LambdaLR,
        MultiStepLR,
        StepLR,
    )


def toy(lr: float) -> torch.optim.Optimizer:
    """An optimizer of one weight, which never gets a gradient: only its rate matters.

    >>> toy(0.1).param_groups[0]["lr"]
    0.1
    """
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)


def draw(rates: Sequence[object]) -> None:
    """Stands for a plot, which would show these rates."""


def alike() -> tuple[Schedule, dict[str, NDArray[np.float64]]]:
    """A schedule of 100 updates, and the traces of four loops, of which only one follows it.

    >>> meant, loops = alike()
    >>> [name for name, rates in loops.items() if (rates == meant(np.arange(100))).all()]
    ['C']
    """
    meant = warmup(Cosine(T_max=90, eta_max=0.1), updates=10)
    short = warmup(Cosine(T_max=89, eta_max=0.1), updates=10)
    from_zero = warmup(Cosine(T_max=90, eta_max=0.1), updates=10, start=0.0)
    t = np.arange(100)
    return meant, {"A": meant(t - 1), "B": short(t), "C": meant(t), "D": from_zero(t)}


def log() -> tuple[str, Schedule]:
    """A run's log as the text of a CSV file, and the schedule that the run was meant to follow.

    The log keeps every 25th update, with six digits. The cosine's length counts the warm-up too.

    >>> text, meant = log()
    >>> text.splitlines()[:3], meant.length
    (['step,learning_rate', '0,2.9703e-05', '25,0.000772277'], 1000)
    """
    meant = warmup(Cosine(T_max=900, eta_max=0.003), updates=100)
    used = warmup(Cosine(T_max=1000, eta_max=0.003), updates=100)
    rows = [f"{t},{used(t):.6g}" for t in range(0, 1000, 25)]
    return "\n".join(["step,learning_rate", *rows]), meant


# ------------------------------------------------------------------------ what one step counts


def boundaries_in_images(schedule=None):
    """ageron/handson-ml3#206, 2025"""
    images, batch_size, epochs = 640, 32, 6
    optimizer = toy(lr=0.1)
    drops = [2 * images, 4 * images]
    scheduler = MultiStepLR(optimizer, milestones=drops, gamma=0.1)
    with audit(optimizer, schedule) as trace:
        for _ in range(epochs * images // batch_size):
            optimizer.step()
            scheduler.step()
    return trace.rates


def boundaries_in_updates(schedule=None):
    """ageron/handson-ml3#206, 2025"""
    images, batch_size, epochs = 640, 32, 6
    optimizer = toy(lr=0.1)
    drops = [2 * images // batch_size, 4 * images // batch_size]
    scheduler = MultiStepLR(optimizer, milestones=drops, gamma=0.1)
    with audit(optimizer, schedule) as trace:
        for _ in range(epochs * images // batch_size):
            optimizer.step()
            scheduler.step()
    return trace.rates


def ticks_per_process(schedule=None):
    """huggingface/accelerate#2142 and huggingface/diffusers#3954, 2023"""
    updates, processes = 120, 4
    optimizer = toy(lr=0.1)
    scheduler = LambdaLR(optimizer, lambda t: max(0.0, 1 - t / updates))
    with audit(optimizer, schedule) as trace:
        for _ in range(updates):
            optimizer.step()
            for _ in range(processes):  # what the prepared scheduler's step() does
                scheduler.step()
    return trace.rates


def length_per_process(schedule=None):
    """huggingface/accelerate#2142 and huggingface/diffusers#3954, 2023"""
    updates, processes = 120, 4
    optimizer = toy(lr=0.1)
    scheduler = LambdaLR(optimizer, lambda t: max(0.0, 1 - t / (updates * processes)))
    with audit(optimizer, schedule) as trace:
        for _ in range(updates):
            optimizer.step()
            for _ in range(processes):  # what the prepared scheduler's step() does
                scheduler.step()
    return trace.rates


def length_in_epochs(schedule=None):
    """ivadomed/ivadomed#55 and #57, 2019"""
    epochs, batches = 10, 12
    optimizer = toy(lr=0.1)
    scheduler = CosineAnnealingLR(optimizer, T_max=epochs)
    with audit(optimizer, schedule) as trace:
        for _ in range(epochs):
            for _ in range(batches):
                optimizer.step()
                scheduler.step()
    return trace.rates


def length_in_updates(schedule=None):
    """ivadomed/ivadomed#55 and #57, 2019"""
    epochs, batches = 10, 12
    optimizer = toy(lr=0.1)
    scheduler = CosineAnnealingLR(optimizer, T_max=epochs * batches)
    with audit(optimizer, schedule) as trace:
        for _ in range(epochs):
            for _ in range(batches):
                optimizer.step()
                scheduler.step()
    return trace.rates


# --------------------------------------------------------------------------- what comes first


def set_after_the_epoch(schedule=None):
    """Dive into Deep Learning, "Learning Rate Scheduling", PyTorch version, 2021"""
    plan = warmup(Cosine(T_max=25, eta_max=0.3, eta_min=0.01), updates=5)
    optimizer = toy(lr=0.3)
    with audit(optimizer, schedule) as trace:
        for epoch in range(30):
            optimizer.step()  # stands for one epoch of training
            optimizer.param_groups[0]["lr"] = plan(epoch)
    return trace.rates


def set_before_the_epoch(schedule=None):
    """Dive into Deep Learning, "Learning Rate Scheduling", PyTorch version, 2021"""
    plan = warmup(Cosine(T_max=25, eta_max=0.3, eta_min=0.01), updates=5)
    optimizer = toy(lr=0.3)
    with audit(optimizer, schedule) as trace:
        for epoch in range(30):
            optimizer.param_groups[0]["lr"] = plan(epoch)
            optimizer.step()  # stands for one epoch of training
    return trace.rates


def scheduler_first(schedule=None):
    """pytorch/pytorch#20124, 2019"""
    optimizer = toy(lr=0.1)
    scheduler = StepLR(optimizer, step_size=8, gamma=0.5)
    with audit(optimizer, schedule) as trace:
        for _ in range(32):
            scheduler.step()
            optimizer.step()  # stands for one epoch of training
    return trace.rates


def optimizer_first(schedule=None):
    """pytorch/pytorch#20124, 2019"""
    optimizer = toy(lr=0.1)
    scheduler = StepLR(optimizer, step_size=8, gamma=0.5)
    with audit(optimizer, schedule) as trace:
        for _ in range(32):
            optimizer.step()  # stands for one epoch of training
            scheduler.step()
    return trace.rates


def used_up_by_the_plot(schedule=None):
    """Dive into Deep Learning, "Learning Rate Scheduling", PyTorch version, 2021"""
    optimizer = toy(lr=0.5)
    scheduler = MultiStepLR(optimizer, milestones=[10, 20], gamma=0.5)
    plotted = []
    for _ in range(30):  # the cell that draws the schedule
        plotted.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    draw(plotted)
    with audit(optimizer, schedule) as trace:
        for _ in range(30):  # the cell that trains, an epoch at a time
            optimizer.step()
            scheduler.step()
    return trace.rates


def plotted_from_the_schedule(schedule=None):
    """Dive into Deep Learning, "Learning Rate Scheduling", PyTorch version, 2021"""
    optimizer = toy(lr=0.5)
    scheduler = MultiStepLR(optimizer, milestones=[10, 20], gamma=0.5)
    plan = MultiStep(milestones=[10, 20], eta_max=0.5, gamma=0.5)
    draw([plan(epoch) for epoch in range(30)])
    with audit(optimizer, schedule) as trace:
        for _ in range(30):  # the cell that trains, an epoch at a time
            optimizer.step()
            scheduler.step()
    return trace.rates


# ---------------------------------------------------------------------- where two pieces meet


def clock_runs_in_warmup(schedule=None):
    """huggingface/pytorch-image-models#1242, 2022, and facebookresearch/fairchem#1967, 2026"""

    def rate(t):
        if t < 20:
            return 0.1 * (t + 1) / 21
        return cosine(t, T_max=100, eta_max=0.1)

    optimizer = toy(lr=1.0)
    scheduler = LambdaLR(optimizer, rate)
    with audit(optimizer, schedule) as trace:
        for _ in range(100):
            optimizer.step()
            scheduler.step()
    return trace.rates


def clock_starts_after_warmup(schedule=None):
    """huggingface/pytorch-image-models#1242, 2022, and facebookresearch/fairchem#1967, 2026"""

    def rate(t):
        if t < 20:
            return 0.1 * (t + 1) / 21
        return cosine(t - 20, T_max=80, eta_max=0.1)

    optimizer = toy(lr=1.0)
    scheduler = LambdaLR(optimizer, rate)
    with audit(optimizer, schedule) as trace:
        for _ in range(100):
            optimizer.step()
            scheduler.step()
    return trace.rates


def warmup_from_zero(schedule=None):
    """google-research/bert#1293, 2022, and huggingface/transformers#34754, 2024"""
    optimizer = toy(lr=0.1)
    scheduler = LambdaLR(optimizer, lambda t: min(1.0, t / 5))
    with audit(optimizer, schedule) as trace:
        for _ in range(20):
            optimizer.step()
            scheduler.step()
    return trace.rates


def warmup_from_above_zero(schedule=None):
    """google-research/bert#1293, 2022, and huggingface/transformers#34754, 2024"""
    optimizer = toy(lr=0.1)
    scheduler = LambdaLR(optimizer, lambda t: min(1.0, (t + 1) / 6))
    with audit(optimizer, schedule) as trace:
        for _ in range(20):
            optimizer.step()
            scheduler.step()
    return trace.rates


def restart_from_where_it_stands(schedule=None):
    """pytorch/pytorch#78003, 2022"""
    optimizer = toy(lr=0.1)
    with audit(optimizer, schedule) as trace:
        for _ in range(3):
            scheduler = CosineAnnealingLR(optimizer, T_max=40)
            for _ in range(40):
                optimizer.step()
                scheduler.step()
    return trace.rates


def restart_from_the_peak(schedule=None):
    """pytorch/pytorch#78003, 2022"""
    optimizer = toy(lr=0.1)
    with audit(optimizer, schedule) as trace:
        for _ in range(3):
            optimizer.param_groups[0]["lr"] = 0.1
            scheduler = CosineAnnealingLR(optimizer, T_max=40)
            for _ in range(40):
                optimizer.step()
                scheduler.step()
    return trace.rates


def restart_by_logarithm(schedule=None):
    """pytorch/pytorch#17226, 2019; the same formula is in huggingface/pytorch-image-models"""
    optimizer = toy(lr=0.1)
    scheduler = CosineAnnealingWarmRestarts(optimizer, T_0=1, T_mult=3)
    with audit(optimizer, schedule) as trace:
        for t in range(200):
            scheduler.step(t)
            optimizer.step()
    return trace.rates


def restart_by_counting(schedule=None):
    """pytorch/pytorch#17226, 2019; the same formula is in huggingface/pytorch-image-models"""
    optimizer = toy(lr=0.1)
    scheduler = CosineAnnealingWarmRestarts(optimizer, T_0=1, T_mult=3)
    with audit(optimizer, schedule) as trace:
        for _ in range(200):
            optimizer.step()
            scheduler.step()
    return trace.rates


# --------------------------------------------------------------------- coming back, going on


def one_state_of_two(schedule=None):
    """pytorch/pytorch#29697, 2019"""
    optimizer = toy(lr=0.1)
    scheduler = MultiStepLR(optimizer, milestones=[30, 60], gamma=0.5)
    with audit(optimizer, schedule) as before:
        for _ in range(50):
            optimizer.step()
            scheduler.step()
    checkpoint = {"scheduler": scheduler.state_dict()}

    optimizer = toy(lr=0.1)  # the program starts again
    scheduler = MultiStepLR(optimizer, milestones=[30, 60], gamma=0.5)
    scheduler.load_state_dict(checkpoint["scheduler"])
    with audit(optimizer, schedule, first_update=50) as after:
        for _ in range(50):
            optimizer.step()
            scheduler.step()
    return before.rates + after.rates


def both_states(schedule=None):
    """pytorch/pytorch#29697, 2019"""
    optimizer = toy(lr=0.1)
    scheduler = MultiStepLR(optimizer, milestones=[30, 60], gamma=0.5)
    with audit(optimizer, schedule) as before:
        for _ in range(50):
            optimizer.step()
            scheduler.step()
    checkpoint = {"scheduler": scheduler.state_dict(), "optimizer": optimizer.state_dict()}

    optimizer = toy(lr=0.1)  # the program starts again
    scheduler = MultiStepLR(optimizer, milestones=[30, 60], gamma=0.5)
    scheduler.load_state_dict(checkpoint["scheduler"])
    optimizer.load_state_dict(checkpoint["optimizer"])
    with audit(optimizer, schedule, first_update=50) as after:
        for _ in range(50):
            optimizer.step()
            scheduler.step()
    return before.rates + after.rates


def shorter_than_the_run(schedule=None):
    """lucidrains/imagen-pytorch#71, 2022"""
    settings = {"warmup": 60, "decay": 90}
    optimizer = toy(lr=0.1)
    scheduler = CosineAnnealingLR(optimizer, T_max=settings["warmup"])
    with audit(optimizer, schedule) as trace:
        for _ in range(settings["decay"]):
            optimizer.step()
            scheduler.step()
    return trace.rates


def as_long_as_the_run(schedule=None):
    """lucidrains/imagen-pytorch#71, 2022"""
    settings = {"warmup": 60, "decay": 90}
    optimizer = toy(lr=0.1)
    scheduler = CosineAnnealingLR(optimizer, T_max=settings["decay"])
    with audit(optimizer, schedule) as trace:
        for _ in range(settings["decay"]):
            optimizer.step()
            scheduler.step()
    return trace.rates


# ------------------------------------------------------------------------------ the exhibits


@dataclass(frozen=True)
class Exhibit:
    """One bug.

    Attributes:
        bug: what is wrong with the loop, in half a sentence.
        meant: the schedule that the loop was meant to follow.
        broken: the loop with the bug. Called with no argument, it returns the rates in force;
            called with `meant`, it is audited against that schedule.
        fixed: the repaired loop, which is called likewise.
        story: what happened, in a few sentences.
        unit: what one update of the loop stands for, "update" or "epoch".

    Example:
        >>> EXHIBITS[6].rates()[0], EXHIBITS[6].meant(0)  # in force, and meant
        (0.125, 0.5)
    """

    bug: str
    meant: Schedule
    broken: Callable[..., list[float]]
    fixed: Callable[..., list[float]]
    story: str
    unit: str = "update"

    @property
    def source(self) -> str:
        """Where the bug was reported, or the lesson that has it."""
        return inspect.getdoc(self.broken) or ""

    def rates(self) -> list[float]:
        """The rates that the broken loop used."""
        return _without_warnings(self.broken)[0]

    def warning(self) -> str:
        """The first warning that Python gave while the broken loop ran, or "" if it gave none."""
        return _without_warnings(self.broken)[1]

    def finding(self, loop: Callable[..., list[float]] | None = None) -> str:
        """What the audit finds in a loop, by default the broken one; "" if it finds nothing.

        The error goes on with the causes that fit; for those of the whole trace see `diagnosis`.

        >>> EXHIBITS[6].finding()
        'update 0: the schedule says 0.5, but 0.125 is in force'
        >>> EXHIBITS[6].finding(EXHIBITS[6].fixed)
        ''
        """
        try:
            _without_warnings(loop or self.broken, self.meant)
        except AuditError as error:
            return str(error).splitlines()[0]
        return ""

    def diagnosis(self) -> Diagnosis:
        """What `coslr.diagnose` makes of the rates that the broken loop used.

        >>> found = EXHIBITS[2].diagnosis()
        >>> found.cause, found.parameters
        ('too_fast', {'times': 4})
        """
        return diagnose(self.rates(), self.meant)[0]

    def first_wrong(self) -> int:
        """The update at which the audit stops the broken loop."""
        return int(re.findall(r"\d+", self.finding())[0])

    def code(self) -> str:
        """The broken loop, without the line that names its source."""
        first, _, *rest = inspect.getsource(self.broken).splitlines()
        return "\n".join([first, *rest]).replace("\n\n    def", "\n    def")

    def fix(self) -> str:
        """The lines that differ in the repaired loop, as a diff, each with its neighbours."""
        broken, fixed = (
            inspect.getsource(loop).splitlines()[2:] for loop in (self.broken, self.fixed)
        )
        changed = list(difflib.unified_diff(broken, fixed, n=1, lineterm=""))[2:]
        return "\n".join("" if line.startswith("@@") else line for line in changed).strip("\n")

    def page(self, number: int) -> str:
        """Everything about the exhibit as folded Markdown: story, source, loop, audit and fix."""
        silent = self.finding(self.fixed) or "silent"
        found = self.diagnosis()
        says = re.sub(r"\w[\w.]*\([^()]*\)", r"`\g<0>`", found.says)  # calls are code
        return (
            f"<details><summary>Exhibit {number}: the loop, the audit, the fix</summary>\n\n"
            f"**{self.bug[0].upper()}{self.bug[1:]}.** {self.story}\n\nSource: {self.source}\n\n"
            f"```python\n{self.code()}\n```\n\n"
            f"The audit says: **{self.finding()}**\n\n"
            f"`diagnose` says: **`{found.cause}`**. {says}\n\n"
            f"The fix:\n\n```diff\n{self.fix()}\n```\n\n"
            f"With the fix the audit is {silent}.\n\n</details>"
        )


def _without_warnings(
    loop: Callable[..., list[float]], *arguments: Schedule
) -> tuple[list[float], str]:
    """What a loop returns, and the first sentence of its first warning, which is not shown."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        rates = loop(*arguments)
    return rates, str(caught[0].message).split(". ")[0] if caught else ""


EXHIBITS: dict[int, Exhibit] = {
    1: Exhibit(
        bug="the boundaries are in another unit, and are never reached",
        meant=MultiStep(milestones=[40, 80], eta_max=0.1, gamma=0.1),
        broken=boundaries_in_images,
        fixed=boundaries_in_updates,
        story="The notebook of a textbook's chapter drops the rate at steps 50,000 and 80,000. Its "
        "run has only about 17,190 steps, so the drops never happen. In our loop the boundaries "
        "count images and the scheduler counts updates.",
    ),
    2: Exhibit(
        bug="the scheduler steps several times for each update",
        meant=Linear(T_max=120, eta_max=0.1),
        broken=ticks_per_process,
        fixed=length_per_process,
        story="With several GPUs each has a process of its own, and the scheduler of the library "
        "Accelerate steps once per process at each update. A schedule whose length counts updates "
        "is over after a quarter of a run on four GPUs. The same happens if several small batches "
        "share one update (gradient accumulation) and the scheduler steps at each of them "
        "(Lightning-AI/pytorch-lightning#1476, 2020).",
    ),
    3: Exhibit(
        bug="the cosine's length is in epochs, but the scheduler steps at every update",
        meant=Cosine(T_max=120, eta_max=0.1),
        broken=length_in_epochs,
        fixed=length_in_updates,
        story="The project moved `scheduler.step()` to each batch and left `T_max` in epochs. "
        "PyTorch's cosine is a wave, so it went on up and down. A pull request put it back. An "
        "issue after that remarks that the score had been better with the bug.",
    ),
    4: Exhibit(
        bug="the rate is set after the epoch that it is meant for",
        meant=warmup(Cosine(T_max=25, eta_max=0.3, eta_min=0.01), updates=5),
        broken=set_after_the_epoch,
        fixed=set_before_the_epoch,
        story="The loop trains an epoch, then sets the rate that the chapter's plot shows for "
        "this epoch. So the first epoch runs at the optimizer's own rate, which is the peak. The "
        "warm-up that should soften the start comes after it.",
        unit="epoch",
    ),
    5: Exhibit(
        bug="the scheduler steps before the optimizer",
        meant=Step(step_size=8, eta_max=0.1, gamma=0.5),
        broken=scheduler_first,
        fixed=optimizer_first,
        story="Up to PyTorch 1.0 this was the documented order. Version 1.1 reversed it, and older "
        "loops lost their schedule's first value without a word. The issue asked PyTorch for a "
        "warning.",
        unit="epoch",
    ),
    6: Exhibit(
        bug="a plot used the scheduler up before the training",
        meant=MultiStep(milestones=[10, 20], eta_max=0.5, gamma=0.5),
        broken=used_up_by_the_plot,
        fixed=plotted_from_the_schedule,
        story="To draw the schedule, the chapter steps the scheduler through all epochs (and the "
        "optimizer too). Then it trains with the same two objects. The plot is right, but the "
        "training begins where the plot ended, after 30 steps. (From step 20 on the schedule is "
        "flat, so `diagnose` says 20.)",
        unit="epoch",
    ),
    7: Exhibit(
        bug="the cosine's clock runs during the warm-up",
        meant=warmup(Cosine(T_max=80, eta_max=0.1), updates=20),
        broken=clock_runs_in_warmup,
        fixed=clock_starts_after_warmup,
        story="Before the warm-up reaches the peak, the cosine has begun to fall, and the rate "
        "jumps down to it. This is a convention, and a bug only for those who expect another. "
        "The library pytorch-image-models (timm) has an option, `warmup_prefix`, which starts the "
        "cosine's clock after the warm-up. It is off by default.",
    ),
    8: Exhibit(
        bug="the warm-up begins at a rate of 0",
        meant=warmup(Constant(0.1), updates=5),
        broken=warmup_from_zero,
        fixed=warmup_from_above_zero,
        story="At t = 0 the fraction t/5 is 0, so the first update moves no weight. With "
        "momentum or Adam the gradient is not lost, because the optimizer keeps it in its running "
        "averages. With plain SGD it is lost. This is a convention too. Many libraries follow it, "
        "some on purpose, and it costs a whole epoch where the scheduler steps once an epoch.",
    ),
    9: Exhibit(
        bug="each new cycle starts from the rate that it finds, and that is the floor",
        meant=CosineWarmRestarts(T_0=40, eta_max=0.1),
        broken=restart_from_where_it_stands,
        fixed=restart_from_the_peak,
        story="The loop makes a new scheduler for each cycle. `CosineAnnealingLR` computes each "
        "rate from the one in the optimizer, and the last cycle has left that at 0. Zero times "
        "anything is zero. (Up to version 1.8, by the report, this loop did restart.)",
    ),
    10: Exhibit(
        bug="the number of the cycle comes from a rounded logarithm",
        meant=CosineWarmRestarts(T_0=1, eta_max=0.1, T_mult=3),
        broken=restart_by_logarithm,
        fixed=restart_by_counting,
        story="Called with a time, the scheduler finds its cycle by "
        "`int(math.log(t / T_0 * (T_mult - 1) + 1, T_mult))`. At t = 121 that is the logarithm of "
        "243 to base 3. It is 5 on paper and 4.999... in the machine, so the scheduler takes the "
        "cycle before, at its very end. When the formula came in, tests failed and a reviewer "
        "suspected the numerics. Counting, as `step()` does, is exact.",
    ),
    11: Exhibit(
        bug="the run was resumed with one of its two states",
        meant=MultiStep(milestones=[30, 60], eta_max=0.1, gamma=0.5),
        broken=one_state_of_two,
        fixed=both_states,
        story="The optimizer's state can double the size of a checkpoint, or triple it with Adam, "
        "and was left out. The scheduler knows that milestone 30 has passed, and right after the "
        "load its `get_last_lr()` even reports the right rate. But the rate in force is the new "
        "optimizer's, and `MultiStepLR` multiplies whatever it finds there. So the run has "
        "twice the rate to its end.",
    ),
    12: Exhibit(
        bug="the cosine is shorter than the run, and climbs again",
        meant=Cosine(T_max=90, eta_max=0.1),
        broken=shorter_than_the_run,
        fixed=as_long_as_the_run,
        story="`T_max` got the wrong one of two settings: the length of the warm-up (left out "
        "here) instead of that of the decay. After `T_max` PyTorch's cosine goes up the other "
        "half of its wave, and the run ends far above its floor.",
    ),
}
