import numpy as np
import pytest
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR

from coslr import Cosine, cosine
from coslr.course.checks import lesson_09
from coslr.course.museum import EXHIBITS
from coslr.diagnosis import CAUSES
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


def broken(at, harm):
    """The right loop, in which `harm(optimizer, scheduler)` comes before an update."""

    def train(optimizer, updates):
        scheduler = CosineAnnealingLR(optimizer, T_max=updates)
        for t in range(updates):
            if t == at:
                scheduler = harm(optimizer, scheduler) or scheduler
            optimizer.step()
            scheduler.step()

    return train


def twice(optimizer, scheduler):
    optimizer.param_groups[0]["lr"] *= 2


def anew(optimizer, scheduler):
    optimizer.param_groups[0]["lr"] = 0.1
    del optimizer.param_groups[0]["initial_lr"]
    return CosineAnnealingLR(optimizer, T_max=100)


def one_odd_rate(optimizer, updates):
    for t in range(updates):
        optimizer.param_groups[0]["lr"] = 0.0123 if t in (60, 62, 67) else cosine(t, updates, 0.1)
        optimizer.step()


def too_short(optimizer, updates):
    broken(60, twice)(optimizer, updates - 1)


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


def catches_up(optimizer, saved):
    """Makes the scheduler's 40 steps again, and updates so that PyTorch does not warn."""
    scheduler = torch_cosine(optimizer)
    for _ in range(40):
        optimizer.step()
        scheduler.step()
    return scheduler


def with_schedule(last_epoch, momentum=True):
    def answer(optimizer, saved):
        if momentum:
            optimizer.load_state_dict(saved["optimizer"])
        return ScheduleLR(optimizer, Cosine(100, 0.1, 0.0001), last_epoch=last_epoch)

    return answer


TRUE = {number: exhibit.diagnosis().cause for number, exhibit in EXHIBITS.items()}

RIGHT = {
    lesson_09.guesses: [
        TRUE,
        {number: f" {cause.upper()} " for number, cause in TRUE.items()},
        {2: "too_fast"},
    ],
    lesson_09.broken_late: [broken(50, twice), broken(99, twice), broken(60, anew)],
    lesson_09.read_log: [
        ("wrong_length", 1000),
        ["wrong_length", 1000.0],
        (" Wrong_length ", np.int64(1000)),
    ],
    lesson_09.repaired_loop: [loop(), ours, by_hand(0)],
    lesson_09.repaired_resume: [resume(), optimizer_first, with_schedule(39)],
}

# Words that explain an exhibit's rates as well, but that `diagnose` does not put first.
FIT_TOO = [(3, "climbs_again"), (6, "never_moves")]

# Words that are true of an exhibit, but that `diagnose` does not say of it.
TRUE_TOO = {(1, "too_slow"): "no trace can show it", (9, "scaled_from"): "factor would be 0"}

# A checker, a usual mistake, and a part of the hint that only this mistake must get.
IMPOSTORS = [
    *[
        (lesson_09.guesses, {number: word}, f"Exhibit {number}: with {word}, {sign}")
        for number, cause in TRUE.items()
        for word, sign in lesson_09.SIGNS.items()
        if word != cause and (number, word) not in [*FIT_TOO, *TRUE_TOO]
    ],
    *[(lesson_09.guesses, {number: word}, f"{word} fits too") for number, word in FIT_TOO],
    *[(lesson_09.guesses, {number: word}, part) for (number, word), part in TRUE_TOO.items()],
    (lesson_09.guesses, {1: "stuck"}, "'stuck' is none of"),
    (lesson_09.guesses, {13: "too_fast"}, "from an exhibit's number"),
    (lesson_09.broken_late, broken(49, twice), "before update 50"),
    (lesson_09.broken_late, one_odd_rate, "knows no cause"),
    (lesson_09.broken_late, too_short, "It makes 99 updates"),
    (lesson_09.broken_late, lambda o, updates: o.nothing, "no attribute 'nothing'"),
    (lesson_09.read_log, ("too_fast", 1000), "does not explain every row"),
    (lesson_09.read_log, ("wrong_length", 900), "900 is the length that was meant"),
    (lesson_09.read_log, ("wrong_length", 1100), "the length is not 1100"),
    (lesson_09.read_log, (object(), 1000), "must be a word"),
    (lesson_09.read_log, ("wrong_length", True), "the length is not True"),
    (lesson_09.read_log, 1000, "a cause and a number"),
    (lesson_09.repaired_loop, loop(lambda epochs, batches: epochs), "counts epochs"),
    (lesson_09.repaired_loop, loop(lambda epochs, batches: batches), "a single epoch"),
    (lesson_09.repaired_loop, loop(order="scheduler, optimizer"), "one update early"),
    (lesson_09.repaired_loop, by_hand(-1), "one update late"),
    (lesson_09.repaired_loop, loop(lambda epochs, batches: 40), "from epochs and batches"),
    (lesson_09.repaired_loop, per_epoch, "once an epoch"),
    (lesson_09.repaired_loop, one_epoch_too_few, "makes 32 updates"),
    (lesson_09.repaired_loop, constant, "never moves"),
    (lesson_09.repaired_loop, linear, "but 0.0975 is in force"),
    (lesson_09.repaired_loop, lambda o, e, b: o.nothing, "no attribute 'nothing'"),
    (lesson_09.repaired_resume, resume(False, False), "starts from the beginning"),
    (lesson_09.repaired_resume, resume(False, True), "old optimizer's, and right"),
    (lesson_09.repaired_resume, catches_up, "updates of its own"),
    (lesson_09.repaired_resume, with_schedule(40), "one update early"),
    (lesson_09.repaired_resume, with_schedule(38), "one update late"),
    (lesson_09.repaired_resume, with_schedule(39, momentum=False), "no audit of rates can see"),
    (lesson_09.repaired_resume, with_schedule(60), "but 0.03313 is in force"),
    (lesson_09.repaired_resume, lambda o, saved: 0.1, "no attribute 'step'"),
]


class TestCheckers(Checkers):
    module, right, impostors = lesson_09, RIGHT, IMPOSTORS
    functions = [lesson_09.broken_late, lesson_09.repaired_loop, lesson_09.repaired_resume]


def test_every_word_is_one_of_diagnose_and_every_exhibit_has_its_word():
    assert set(TRUE.values()) <= set(lesson_09.SIGNS) <= set(CAUSES)


def test_answers_with_some_dots_left_are_not_wrong():
    for feedback in (
        lesson_09.guesses({1: TRUE[1], 2: ...}),
        lesson_09.guesses({1: ..., 2: ...}),
        lesson_09.read_log(("wrong_length", ...)),
        lesson_09.broken_late(broken(-1, twice)),
    ):
        assert feedback.is_right is None


@pytest.mark.parametrize(
    ("checker", "found"),
    [
        (lesson_09.repaired_loop, loop(lambda epochs, batches: epochs, "scheduler, optimizer")),
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
