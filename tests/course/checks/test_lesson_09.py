from functools import partial

import pytest
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR

from coslr import Cosine, cosine, warmup
from coslr.course.checks import lesson_09
from coslr.course.museum import EXHIBITS
from coslr.pytorch import ScheduleLR
from tests.course.checks.harness import Checkers


def loop(T_max=lambda epochs, batches: epochs * batches, order="optimizer, scheduler"):
    def train(optimizer, epochs, batches):
        scheduler = CosineAnnealingLR(optimizer, T_max(epochs, batches))
        steps = {"optimizer": optimizer.step, "scheduler": scheduler.step}
        for _ in range(epochs * batches):
            for name in order.split(", "):
                steps[name]()

    return train


def per_epoch(optimizer, epochs, batches):
    scheduler = CosineAnnealingLR(optimizer, epochs)
    for _ in range(epochs):
        for _ in range(batches):
            optimizer.step()
        scheduler.step()


def ours(optimizer, epochs, batches):
    scheduler = ScheduleLR(optimizer, Cosine(epochs, 0.1), steps_per_unit=batches)
    for _ in range(epochs * batches):
        optimizer.step()
        scheduler.step()


def by_hand(shift):
    def train(optimizer, epochs, batches):
        for t in range(epochs * batches):
            optimizer.param_groups[0]["lr"] = cosine(t + shift, epochs * batches, 0.1)
            optimizer.step()

    return train


def one_epoch_too_few(optimizer, epochs, batches):
    loop()(optimizer, epochs - 1, batches)


def constant(optimizer, epochs, batches):
    for _ in range(epochs * batches):
        optimizer.step()


def linear(optimizer, epochs, batches):
    scheduler = LambdaLR(optimizer, lambda t: 1 - t / (epochs * batches))
    for _ in range(epochs * batches):
        optimizer.step()
        scheduler.step()


def rate(first, after):
    """A warm-up by its two pieces, functions of (t, rise, updates)."""
    return lambda t, rise, updates: (first if t < rise else after)(t, rise, updates)


def from_zero(t, rise, updates):
    return 0.1 * t / rise


def above_zero(t, rise, updates):
    return 0.1 * (t + 1) / (rise + 1)


def clock_runs(t, rise, updates):
    return cosine(t, updates, 0.1)


def shifted(t, rise, updates):
    return cosine(t - rise, updates - rise, 0.1)


def too_long(t, rise, updates):
    return cosine(t - rise, updates, 0.1)


def torch_cosine(optimizer, **settings):
    return CosineAnnealingLR(optimizer, T_max=100, eta_min=0.0001, **settings)


def resume(scheduler_state=True, optimizer_state=True):
    def answer(optimizer, saved):
        scheduler = torch_cosine(optimizer)
        if scheduler_state:
            scheduler.load_state_dict(saved["scheduler"])
        if optimizer_state:
            optimizer.load_state_dict(saved["optimizer"])
        return scheduler

    return answer


def optimizer_first(optimizer, saved):
    optimizer.load_state_dict(saved["optimizer"])
    scheduler = torch_cosine(optimizer)
    scheduler.load_state_dict(saved["scheduler"])
    return scheduler


def with_schedule(last_epoch, momentum=True):
    def answer(optimizer, saved):
        if momentum:
            optimizer.load_state_dict(saved["optimizer"])
        return ScheduleLR(optimizer, Cosine(100, 0.1, 0.0001), last_epoch=last_epoch)

    return answer


RIGHT = {
    **{
        partial(lesson_09.diagnose, n): [e.letter, f" {e.letter.upper()} "]
        for n, e in EXHIBITS.items()
    },
    lesson_09.repaired_loop: [loop(), ours, by_hand(0)],
    lesson_09.repaired_warmup: [
        rate(above_zero, shifted),
        lambda t, rise, updates: warmup(Cosine(updates - rise, 0.1), rise)(t),
    ],
    lesson_09.repaired_resume: [resume(), optimizer_first, with_schedule(39)],
}

# A checker, a usual mistake, and a part of the hint that only this mistake must get.
IMPOSTORS = [
    *[
        (partial(lesson_09.diagnose, n), other.letter, other.symptom)
        for n, e in EXHIBITS.items()
        for other in EXHIBITS.values()
        if other is not e
    ],
    (lesson_09.repaired_loop, loop(lambda epochs, batches: epochs), "counts epochs"),
    (lesson_09.repaired_loop, loop(lambda epochs, batches: batches), "a single epoch"),
    (lesson_09.repaired_loop, loop(order="scheduler, optimizer"), "one update early"),
    (lesson_09.repaired_loop, by_hand(-1), "one update late"),
    (lesson_09.repaired_loop, per_epoch, "once an epoch"),
    (lesson_09.repaired_loop, one_epoch_too_few, "makes 32 updates"),
    (lesson_09.repaired_loop, constant, "never moves"),
    (lesson_09.repaired_loop, linear, "but 0.0975 is in force"),
    (lesson_09.repaired_loop, lambda o, e, b: o.nothing, "no attribute 'nothing'"),
    (lesson_09.repaired_warmup, rate(from_zero, shifted), "still has the rate 0"),
    (lesson_09.repaired_warmup, rate(above_zero, clock_runs), "still runs during"),
    (lesson_09.repaired_warmup, rate(above_zero, too_long), "only 20 are left"),
    (
        lesson_09.repaired_warmup,
        rate(lambda t, rise, updates: 0.1 * (t + 1) / rise, shifted),
        "peak one update too early",
    ),
    (lesson_09.repaired_warmup, rate(lambda *_: 0.05, shifted), "but 0.05 is in force"),
    (lesson_09.repaired_resume, resume(False, False), "starts from the beginning"),
    (lesson_09.repaired_resume, resume(False, True), "old optimizer's, and right"),
    (lesson_09.repaired_resume, with_schedule(40), "one update early"),
    (lesson_09.repaired_resume, with_schedule(38), "one update late"),
    (lesson_09.repaired_resume, with_schedule(39, momentum=False), "no audit of rates can see"),
    (lesson_09.repaired_resume, with_schedule(60), "but 0.03313 is in force"),
    (lesson_09.repaired_resume, lambda o, saved: 0.1, "no attribute 'step'"),
]


class TestCheckers(Checkers):
    module, right, impostors = lesson_09, RIGHT, IMPOSTORS
    functions = [lesson_09.repaired_loop, lesson_09.repaired_warmup, lesson_09.repaired_resume]


@pytest.mark.parametrize(
    ("checker", "found"),
    [
        (lesson_09.repaired_loop, loop(lambda epochs, batches: epochs, "scheduler, optimizer")),
        (lesson_09.repaired_warmup, rate(from_zero, clock_runs)),
        (lesson_09.repaired_resume, resume(True, False)),
    ],
)
def test_the_loop_as_it_was_found_is_not_attempted_yet(checker, found):
    feedback = checker(found)
    assert feedback.is_right is None
    assert "The audit says: update" in feedback.message


@pytest.mark.parametrize(("epochs", "batches"), [(2, 3), (10, 4), (3, 20)])
def test_the_loop_is_judged_in_runs_of_other_lengths_too(epochs, batches):
    assert lesson_09.repaired_loop(loop(), epochs, batches).is_right is True
    assert lesson_09.repaired_loop(per_epoch, epochs, batches).is_right is False
