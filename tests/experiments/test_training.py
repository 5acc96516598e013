import dataclasses
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from coslr import Constant, Cosine, CosineWarmRestarts, Linear
from coslr.experiments.data import Images
from coslr.experiments.models import SmallCNN, SmallTransformer
from coslr.experiments.text import Excerpt
from coslr.experiments.training import evaluate, fit, updates_per_epoch
from coslr.pytorch import AuditError

# Sixty training images whose first pixel is their number, so that a model can tell which it sees.
N, BATCH = 60, 12
PER_EPOCH = N // BATCH
COSINE = Cosine(4 * PER_EPOCH, 0.05, 1e-3)


def make_data(n=N):
    random = torch.Generator().manual_seed(0)
    x = torch.randn(n + 33, 1, 14, 14, generator=random)
    y = torch.randint(10, (n + 33,), generator=random)
    x[:n, 0, 0, 0] = torch.arange(n) / 10
    return Images(x[:n], y[:n], x[n:], y[n:], tuple("abcdefghij"))


DATA = make_data()


def linear():
    model = nn.Sequential(nn.Flatten(), nn.Linear(196, 10))
    nn.init.zeros_(model[1].weight)
    nn.init.zeros_(model[1].bias)
    return model


class Spy(nn.Module):
    """A linear model that notes which images it is trained on."""

    def __init__(self):
        super().__init__()
        self.inner = linear()
        self.seen = []

    def forward(self, x):
        if self.training:
            self.seen.append((x[:, 0, 0, 0] * 10).round().int().tolist())
        return self.inner(x)


def with_dropout():
    cnn = SmallCNN(size=14, seed=1)
    return nn.Sequential(cnn, nn.Dropout(0.5))


def run(model=None, data=DATA, schedule=COSINE, **arguments):
    arguments = {"epochs": 4, "batch_size": BATCH, "progress": False} | arguments
    model = linear() if model is None else model
    return fit(model, data, schedule, **arguments), model


def weights(model):
    return torch.cat([value.double().flatten() for value in model.state_dict().values()])


ARRAYS = ("rates", "losses", "test_accuracy", "test_loss")


def equal(a, b):
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in ARRAYS)


# --------------------------------------------------------------------------- what it computes


def test_is_gradient_descent_at_the_schedule_s_rates():
    spy = Spy()
    history, _ = run(spy)
    model = linear().double()
    for k, batch in enumerate(spy.seen):
        loss = cross_entropy(model(DATA.x_train[batch].double()), DATA.y_train[batch])
        assert history.losses[k] == pytest.approx(loss.item(), rel=1e-4)
        model.zero_grad()
        loss.backward()
        with torch.no_grad():
            for p in model.parameters():
                p -= COSINE(k) * p.grad
    assert torch.allclose(weights(model), weights(spy), atol=1e-5)
    assert history.losses[0] == pytest.approx(np.log(10))


def test_history_has_the_planned_shape():
    history, _ = run()
    assert history.updates_per_epoch == PER_EPOCH
    assert history.rates.shape == history.losses.shape == (4 * PER_EPOCH,)
    assert history.test_accuracy.shape == history.test_loss.shape == (4,)
    assert all(getattr(history, name).dtype == np.float64 for name in ARRAYS)
    assert all(np.isfinite(getattr(history, name)).all() for name in ARRAYS)
    assert history.diverged is False


def test_the_test_set_is_evaluated_after_each_epoch():
    found = []
    history, model = run(
        after_epoch=lambda epoch, m: found.append(evaluate(m, DATA.x_test, DATA.y_test))
    )
    assert found == list(zip(history.test_accuracy, history.test_loss, strict=True))
    assert found[-1] == evaluate(model, DATA.x_test, DATA.y_test)
    assert len(set(found)) == 4


@pytest.mark.parametrize(
    "schedule",
    [
        COSINE,
        Constant(0.01),
        CosineWarmRestarts(5, 0.1, 0.001, T_mult=1.5),
        lambda k: 0.1 / (1 + k),
    ],
)
def test_rates_in_updates_are_the_schedule_s(schedule):
    history, _ = run(schedule=schedule)
    assert history.rates.tolist() == [schedule(k) for k in range(4 * PER_EPOCH)]


def test_rates_in_epochs_are_the_schedule_s():
    schedule = Cosine(4, 0.05, 1e-3)
    history, _ = run(schedule=schedule, steps_per_unit=updates_per_epoch(DATA, BATCH))
    assert history.rates.tolist() == [schedule(k / PER_EPOCH) for k in range(4 * PER_EPOCH)]


# --------------------------------------------------------------------------------- the images


def test_an_epoch_uses_every_image_once_in_a_new_order():
    spy = Spy()
    run(spy)
    assert {len(batch) for batch in spy.seen} == {BATCH}
    epochs = np.array(spy.seen).reshape(4, N).tolist()
    for order in epochs:
        assert sorted(order) == list(range(N))
    assert len({tuple(order) for order in [*epochs, range(N)]}) == 5


def test_the_remainder_is_dropped():
    assert updates_per_epoch(DATA, 25) == 2
    assert updates_per_epoch(DATA, N) == 1
    assert updates_per_epoch(make_data(130)) == 1  # 128 is the batch size left out
    spy = Spy()
    history, _ = run(spy, batch_size=25)
    assert [len(batch) for batch in spy.seen] == [25] * 8
    for i in range(0, 8, 2):
        assert len({*spy.seen[i], *spy.seen[i + 1]}) == 50
    assert {image for batch in spy.seen for image in batch} == set(range(N))  # never the same ten
    assert len(history.losses) == 8


# ------------------------------------------------------------------------------------ random


@pytest.mark.parametrize("make", [linear, with_dropout])
def test_equal_arguments_give_the_same_run_to_the_last_bit(make):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        one, first = run(make(), epochs=2)
        torch.manual_seed(2)
        again, second = run(make(), epochs=2)
    assert equal(one, again)
    assert torch.equal(weights(first), weights(second))


@pytest.mark.parametrize("make", [linear, with_dropout])
def test_another_seed_is_another_run(make):
    one, _ = run(make(), epochs=2, seed=0)
    other, _ = run(make(), epochs=2, seed=1)
    assert not np.array_equal(one.losses, other.losses)
    assert np.array_equal(one.rates, other.rates)


def test_random_numbers_inside_the_model_come_from_the_seed():
    drawn = {0: [], 1: []}
    for seed, numbers in drawn.items():
        model = linear()
        model.register_forward_hook(lambda *_, to=numbers: to.append(float(torch.rand(()))))
        run(model, seed=seed)
    assert set(drawn[0]).isdisjoint(drawn[1])


def test_global_random_states_are_left_alone():
    before = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002
    run(with_dropout(), epochs=1)
    with pytest.raises(KeyboardInterrupt):
        run(with_dropout(), epochs=1, after_epoch=interrupt)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert all(map(np.array_equal, np.random.get_state(), before[1]))  # noqa: NPY002


# --------------------------------------------------------------------------------- the audit


def make_sgd(made, *args, **kwargs):
    made.append(torch.optim.SGD(*args, **kwargs))
    return made[0]


def test_a_rate_changed_from_outside_stops_the_run():
    made = []

    def tamper(epoch, model):
        if epoch == 2:
            made[0].param_groups[0]["lr"] = 0.5

    model = linear().train()
    with pytest.raises(AuditError, match=rf"^update {2 * PER_EPOCH}: .* 0.5 is in force"):
        run(model, optimizer=partial(make_sgd, made), after_epoch=tamper)
    assert not model.training


def test_a_schedule_that_answers_differently_stops_the_run():
    calls = iter(range(1, 1000))
    with pytest.raises(AuditError, match="update 0"):
        run(schedule=lambda k: 0.1 / next(calls))


def test_an_optimizer_that_writes_its_own_rate_is_found():
    class Own(torch.optim.SGD):
        def zero_grad(self, set_to_none=True):
            self.param_groups[0]["lr"] = 0.05
            super().zero_grad(set_to_none)

    with pytest.raises(AuditError, match=r"update 1: the schedule says .* 0.05 is in force"):
        run(optimizer=Own)


# ----------------------------------------------------------------------------- the optimizer


def test_the_optimizer_is_made_with_the_first_rate():
    seen = []

    def make(parameters, **arguments):
        seen.append(arguments)
        return torch.optim.SGD(parameters, **arguments)

    run(optimizer=make, schedule=Cosine(20, np.float64(0.05)))
    assert seen == [{"lr": 0.05}]
    assert type(seen[0]["lr"]) is float


def test_momentum():
    made, spy = [], Spy()
    momentum = partial(torch.optim.SGD, momentum=0.9, nesterov=True, weight_decay=0.01)

    def make(parameters, lr):
        made.append(momentum(parameters, lr=lr))
        return made[0]

    history, _ = run(spy, optimizer=make)
    assert made[0].param_groups[0]["nesterov"]
    assert history.rates.tolist() == [COSINE(k) for k in range(4 * PER_EPOCH)]
    # By hand, after Sutskever, Martens, Dahl & Hinton (ICML 2013) in PyTorch's form.
    model = linear().double()
    velocity = [torch.zeros_like(p) for p in model.parameters()]
    for k, batch in enumerate(spy.seen):
        model.zero_grad()
        cross_entropy(model(DATA.x_train[batch].double()), DATA.y_train[batch]).backward()
        with torch.no_grad():
            for p, v in zip(model.parameters(), velocity, strict=True):
                gradient = p.grad + 0.01 * p
                v.mul_(0.9).add_(gradient)
                p -= COSINE(k) * (gradient + 0.9 * v)
    assert torch.allclose(weights(model), weights(spy), atol=1e-5)


def test_adamw():
    history, _ = run(optimizer=partial(torch.optim.AdamW, weight_decay=0.1))
    assert history.rates.tolist() == [COSINE(k) for k in range(4 * PER_EPOCH)]
    assert history.losses[-5:].mean() < history.losses[:5].mean()


@pytest.mark.parametrize(
    ("kind", "read"),
    [
        (torch.optim.SGD, lambda group: group["momentum"]),
        (torch.optim.Adam, lambda group: group["betas"][0]),
    ],
)
@pytest.mark.parametrize("units", [1, PER_EPOCH])
def test_momentum_can_be_scheduled(kind, read, units):
    """Down and up again while the rate goes up and down, in updates or in epochs."""
    seen = []
    momentum = Linear(4 * PER_EPOCH / units, 0.95, 0.85)

    def make(parameters, lr):
        optimizer = kind(parameters, lr=lr)
        optimizer.register_step_pre_hook(lambda o, *_: seen.append(read(o.param_groups[0])))
        return optimizer

    schedule = Cosine(4 * PER_EPOCH / units, 0.01)
    history, _ = run(optimizer=make, schedule=schedule, momentum=momentum, steps_per_unit=units)
    assert seen == [momentum.stretch(units)(k) for k in range(4 * PER_EPOCH)]
    assert seen == pytest.approx([momentum(k / units) for k in range(4 * PER_EPOCH)])
    assert history.rates.tolist() == [schedule.stretch(units)(k) for k in range(4 * PER_EPOCH)]


def test_weight_decay_can_be_scheduled_and_is_audited():
    seen, made = [], []
    decay = Linear(4 * PER_EPOCH, 0.1, 0.01)

    def make(parameters, lr):
        made.append(torch.optim.AdamW(parameters, lr=lr))
        made[0].register_step_pre_hook(lambda o, *_: seen.append(o.param_groups[0]["weight_decay"]))
        return made[0]

    run(optimizer=make, weight_decay=decay)
    assert seen == [decay(k) for k in range(4 * PER_EPOCH)]

    def tamper(epoch, model):
        made[-1].param_groups[0]["weight_decay"] = 0.5

    made.clear()
    with pytest.raises(AuditError, match="weight_decay"):
        run(optimizer=make, weight_decay=decay, after_epoch=tamper)


# ---------------------------------------------------------------------------- other tasks


def test_a_text_is_trained_on_and_repeats_to_the_bit():
    data, _ = Excerpt(context=8, n_train=160).load()

    def once(seed):
        model = SmallTransformer(size=8, seed=seed)
        return fit(
            model, data, Linear(40, 0.01), epochs=4, batch_size=16, seed=seed, progress=False,
            optimizer=torch.optim.AdamW,
        )  # fmt: skip

    one, same, other = once(0), once(0), once(1)
    assert one.updates_per_epoch == 10
    assert np.array_equal(one.losses, same.losses)
    assert np.array_equal(one.test_loss, same.test_loss)
    assert not np.array_equal(one.losses, other.losses)
    assert one.losses[-5:].mean() < one.losses[:5].mean() < np.log(75) + 0.5
    assert one.test_loss[-1] < one.test_loss[0]


def test_an_epoch_of_a_text_draws_other_windows_each_time():
    data, _ = Excerpt(context=8, n_train=64).load()
    drawn = []

    class Spy(SmallTransformer):
        def forward(self, x):
            if self.training:
                drawn.append(x.clone())
            return super().forward(x)

    fit(Spy(size=8), data, Constant(0.01), epochs=2, batch_size=32, progress=False)
    first, second = torch.cat(drawn[:2]), torch.cat(drawn[2:])
    assert first.shape == second.shape == (64, 8)
    assert not torch.equal(first, second)


def test_loss_and_evaluation_may_be_the_reader_s_own():
    """A regression: the right answers are numbers, and there is no accuracy."""
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(60, 3, generator=rng)
    data = Numbers(x, x @ torch.tensor([1.0, -2.0, 0.5]))

    def squared(scores, y):
        return (scores.squeeze(1) - y).square().mean()

    def evaluation(model, x, y):
        with torch.no_grad():
            return 0.0, float(squared(model(x), y))

    history = fit(
        nn.Linear(3, 1), data, Constant(0.1), epochs=20, batch_size=20, progress=False,
        loss=squared, evaluation=evaluation,
    )  # fmt: skip
    assert history.test_loss[-1] < 1e-4 < history.test_loss[0]


@dataclasses.dataclass
class Numbers:
    x_train: torch.Tensor
    y_train: torch.Tensor

    @property
    def x_test(self):
        return self.x_train

    @property
    def y_test(self):
        return self.y_train

    def to(self, device):
        return self


def with_batch_norm():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Flatten(), nn.Linear(196, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 10)
    )


def test_schedule_free_is_evaluated_at_its_averaged_weights():
    """And with the statistics of batch normalisation that those weights have."""
    schedulefree = pytest.importorskip("schedulefree")
    made, modes = [], []

    def make(parameters, lr):
        made.append(schedulefree.SGDScheduleFree(parameters, lr=lr))
        made[0].register_step_pre_hook(lambda o, *_: modes.append(o.param_groups[0]["train_mode"]))
        return made[0]

    def look(epoch, model):
        group = made[0].param_groups[0]
        modes.append(group["train_mode"])
        for p in model.parameters():  # y = 0.9 x + 0.1 z is trained, x is evaluated
            training = 0.9 * p + 0.1 * made[0].state[p]["z"]
            assert not torch.equal(training, p)

    data = make_data(600)  # 60 batches of ten
    with torch.random.fork_rng(devices=[]):
        model = with_batch_norm()
    history, _ = run(
        model, data, Constant(0.5), epochs=2, batch_size=10, optimizer=make, after_epoch=look
    )
    assert modes == ([True] * 60 + [False]) * 2
    assert not made[0].param_groups[0]["train_mode"]
    assert history.test_loss[-1] == evaluate(model, data.x_test, data.y_test)[1]

    norm = model[2]
    with torch.no_grad():
        inputs = model[1](model[0](data.x_train))
    error = (norm.running_mean - inputs.mean(0)).abs() / inputs.std(0)
    assert error.max() < 0.15  # means of about ten batches of ten
    assert ((norm.running_var / inputs.var(0)).log().abs() < 0.25).all()


class Averaging(torch.optim.SGD):
    """Schedule-free by its methods alone: it trains and evaluates at the weights that SGD has."""

    def train(self):
        self.evaluating = False

    def eval(self):
        self.evaluating = True


def test_schedule_free_statistics_are_collected_with_dropout_off():
    """So they are those of the images alone, and two evaluations of one network agree."""
    model = nn.Sequential(nn.Dropout(0.9), nn.Flatten(), nn.BatchNorm1d(196), nn.Linear(196, 10))
    modes = []
    model[0].register_forward_hook(lambda layer, *_: modes.append((layer.training, norm.training)))
    norm = model[2]
    run(model, epochs=1, batch_size=N, optimizer=Averaging)
    assert modes == [(True, True), (False, True), (False, False)]  # train, collect, evaluate
    images = DATA.x_train.flatten(1)
    assert torch.allclose(norm.running_mean, images.mean(0), atol=1e-5)
    assert torch.allclose(norm.running_var, images.var(0), rtol=1e-4)
    assert norm.momentum == 0.1


# -------------------------------------------------------------------------------- divergence


def test_divergence_is_a_result():
    called = []
    wild = Constant(1e38)
    history, model = run(schedule=wild, after_epoch=lambda *a: called.append(a))
    assert history.diverged is True
    assert not np.isfinite(history.losses[:PER_EPOCH]).all()
    assert (history.rates[:PER_EPOCH] == 1e38).all()
    assert np.isnan(history.rates[PER_EPOCH:]).all()
    assert np.isnan(history.losses[PER_EPOCH:]).all()
    assert np.isnan(history.test_accuracy).all()
    assert np.isnan(history.test_loss).all()
    assert history.losses.shape == (4 * PER_EPOCH,)
    assert called == []
    assert not model.training


def test_what_came_before_a_divergence_is_kept():
    called = []
    calm, _ = run(schedule=Constant(0.05))
    history, _ = run(
        schedule=lambda k: 0.05 if k < 2 * PER_EPOCH else 1e38,
        after_epoch=lambda epoch, m: called.append(epoch),
    )
    assert history.diverged
    assert np.array_equal(history.losses[: 2 * PER_EPOCH], calm.losses[: 2 * PER_EPOCH])
    assert np.array_equal(history.test_loss[:2], calm.test_loss[:2])
    assert np.isnan(history.test_loss[2:]).all()
    assert np.isnan(history.losses[3 * PER_EPOCH :]).all()
    assert called == [1, 2]


def test_a_divergence_that_only_the_test_set_shows():
    # The last update of the epoch is the wild one: no training loss comes after it.
    data = make_data()
    data.x_test.mul_(1e30)
    history, _ = run(data=data, epochs=1, schedule=lambda k: 0.05 if k < PER_EPOCH - 1 else 1e30)
    assert np.isfinite(history.losses).all()
    assert history.diverged
    assert np.isnan(history.test_accuracy).all()


# --------------------------------------------------------------------- after_epoch, progress


def interrupt(epoch, model):
    model.train()
    raise KeyboardInterrupt


def test_after_epoch_is_called_after_each_epoch_in_evaluation_mode():
    called = []
    model = linear()
    run(model, after_epoch=lambda epoch, m: called.append((epoch, m is model, m.training)))
    assert called == [(epoch, True, False) for epoch in (1, 2, 3, 4)]


def test_after_epoch_may_leave_training_mode_and_changes_nothing():
    plain, _ = run(with_dropout())
    history, model = run(with_dropout(), after_epoch=lambda epoch, m: m.train())
    assert equal(plain, history)
    assert not model.training


def test_each_epoch_trains_in_training_mode():
    modes = []
    model = linear()
    model.register_forward_hook(lambda *_: modes.append(model.training))
    run(model)
    assert modes == ([True] * PER_EPOCH + [False]) * 4


def test_an_interrupted_run_leaves_evaluation_mode_and_the_weights_so_far():
    _, one_epoch = run(epochs=1, schedule=COSINE)
    model = linear()
    with pytest.raises(KeyboardInterrupt):
        run(model, after_epoch=interrupt)
    assert not model.training
    assert torch.equal(weights(model), weights(one_epoch))


def test_progress(capfd):
    quiet, _ = run(progress=False)
    assert capfd.readouterr() == ("", "")
    loud, _ = run(progress=True)
    shown = capfd.readouterr().err
    assert "20/20" in shown
    assert f"test accuracy {loud.test_accuracy[-1]:.4f}" in shown
    assert equal(quiet, loud)


# ---------------------------------------------------------------------------------- evaluate


def test_evaluate_is_the_direct_computation():
    model = SmallCNN(size=14, seed=3).train()
    x, y = DATA.x_train, DATA.y_train
    results = [evaluate(model, x, y, batch_size) for batch_size in (1, 7, N, 500)]
    assert not model.training
    with torch.no_grad():
        scores = model(x).double()
    chance = scores.softmax(1)[torch.arange(N), y]
    for accuracy, loss in results:
        assert accuracy == np.mean(scores.argmax(1).numpy() == y.numpy())
        assert loss == pytest.approx(-chance.log().mean().item(), rel=1e-5)
    assert all(type(value) is float for value in results[0])


def test_evaluate_changes_nothing_in_the_model():
    model = SmallCNN(size=14)
    before = weights(model)
    evaluate(model, DATA.x_test, DATA.y_test)
    assert torch.equal(weights(model), before)
    assert all(p.grad is None for p in model.parameters())


# ------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"batch_size": 0}, ValueError, "batch_size=0: must be a whole number from 1 to the 60"),
        ({"batch_size": -1}, ValueError, "batch_size=-1: must be a whole number from 1"),
        ({"batch_size": True}, TypeError, "batch_size=True: must be a whole number .*, not bool"),
        ({"batch_size": 8.0}, TypeError, "batch_size=8.0: must be a whole number .*, not float"),
        ({"batch_size": 61}, ValueError, "batch_size=61: must be .* to the 60 training examples"),
        ({"epochs": 0}, ValueError, "epochs=0: must be a whole number from 1"),
        ({"epochs": 1.5}, TypeError, "epochs=1.5: must be a whole number from 1, not float"),
        ({"epochs": True}, TypeError, "epochs=True: must be a whole number from 1, not bool"),
        ({"seed": None}, TypeError, "seed=None: must be a whole number from 0 to .*, not NoneType"),
        ({"seed": True}, TypeError, "seed=True: must be a whole number from 0 to .*, not bool"),
        ({"seed": -1}, ValueError, "seed=-1: must be a whole number from 0 to 4294967295"),
        ({"seed": 2**32}, ValueError, "seed=4294967296: must be a whole number from 0 to"),
        ({"schedule": 0.1}, TypeError, "schedule=0.1: must be a schedule such as .*, not float"),
        ({"schedule": Cosine}, TypeError, "schedule=.*: must be a schedule such as .*, not type"),
        ({"steps_per_unit": 0}, ValueError, "steps_per_unit=0: must be"),
        ({"optimizer": "SGD"}, TypeError, "optimizer='SGD': must be a class such as .*, not str"),
        ({"optimizer": lambda p, lr: None}, TypeError, "optimizer=None: must be"),
        ({"after_epoch": 3}, TypeError, "after_epoch=3: must be a function .*, or None, not int"),
        ({"model": "cnn"}, TypeError, "model='cnn': must be a torch.nn.Module, not str"),
        ({"model": nn.Flatten()}, ValueError, "model=Flatten.*: must be a network with parameters"),
        ({"model": SmallCNN(size=28)}, ValueError, "model.size=28: must be 14, the size of the"),
        ({"data": DATA.x_train}, TypeError, "data=.*: must be data to train on, .*, not Tensor"),
    ],
)
def test_refuses(arguments, error, message):
    with pytest.raises(error, match="(?s)^" + message):
        run(**arguments)


@pytest.mark.parametrize("rate", [-0.01, np.inf])
@pytest.mark.parametrize("units", [1, PER_EPOCH])
def test_a_rate_that_climbs_is_refused(rate, units):
    """A line drawn below 0 trains on, uphill, and its curve looks like one that is too long."""
    first = PER_EPOCH + 2
    with pytest.raises(ValueError, match=rf"^schedule.*={rate}: must be a"):
        run(schedule=lambda t: 0.01 if t < first / units else rate, steps_per_unit=units)


def test_a_rate_that_is_no_number_stops_the_run():
    with pytest.raises((AuditError, ValueError)):
        run(schedule=lambda t: 0.01 if t < 3 else np.nan)


def test_a_rate_of_zero_is_a_rate():
    history, model = run(schedule=Constant(0.0))
    assert history.rates.tolist() == [0] * 4 * PER_EPOCH
    assert torch.equal(weights(model), weights(linear()))


@pytest.mark.parametrize("kind", [np.int64, np.int32])
def test_whole_numbers_of_numpy_are_whole_numbers(kind):
    one, _ = run(epochs=kind(2), batch_size=kind(BATCH), seed=kind(3))
    other, _ = run(epochs=2, batch_size=BATCH, seed=3)
    assert equal(one, other)
    assert type(one.updates_per_epoch) is int


def test_a_model_s_own_size_may_be_anything():
    model = linear()
    model.size = "small"
    history, _ = run(model)
    assert not history.diverged


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"batch_size": 0}, ValueError, "batch_size=0: must be a whole number from 1"),
        ({"batch_size": True}, TypeError, "batch_size=True: must be a whole number from 1, not"),
        ({"x": DATA.x_test[:0], "y": DATA.y_test[:0]}, ValueError, r"len\(x\)=0: must be at least"),
        ({"y": DATA.y_test[1:]}, ValueError, r"len\(y\)=32: must be 33, one label for each image"),
    ],
)
def test_evaluate_refuses(arguments, error, message):
    arguments = {"x": DATA.x_test, "y": DATA.y_test} | arguments
    with pytest.raises(error, match="^" + message):
        evaluate(linear(), **arguments)
