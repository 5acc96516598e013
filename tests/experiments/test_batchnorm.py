import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from coslr.experiments.batchnorm import recompute_statistics
from coslr.experiments.models import SmallCNN

IMAGES = torch.randn(60, 1, 14, 14, generator=torch.Generator().manual_seed(0))


def dropping():
    """Dropout before, between and after two kinds of batch normalisation, of other momenta."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Dropout(0.9), nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4, momentum=0.3), nn.Dropout2d(0.9),
        nn.Flatten(), nn.BatchNorm1d(576, momentum=None), nn.Dropout(0.9), nn.Linear(576, 10),
    )  # fmt: skip


def statistics(model):
    return {name: b.clone() for name, b in model.named_buffers()}


def same(one, other):
    return list(one) == list(other) and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture
def model():
    with torch.random.fork_rng(devices=[]):
        return dropping()


def test_dropout_and_every_other_layer_stays_in_evaluation_mode(model):
    modes = set()
    for layer in model:
        layer.register_forward_hook(lambda layer, *_: modes.add((type(layer), layer.training)))
    recompute_statistics(model.train(), IMAGES)
    norms = {(nn.BatchNorm2d, True), (nn.BatchNorm1d, True)}
    others = {nn.Dropout, nn.Dropout2d, nn.Conv2d, nn.Flatten, nn.Linear}
    assert modes == norms | {(kind, False) for kind in others}
    assert not any(layer.training for layer in model.modules())


def test_equal_arguments_give_equal_statistics_and_use_no_random_numbers(model):
    recompute_statistics(model.train(), IMAGES, 20)
    once = statistics(model)
    state = torch.get_rng_state()
    recompute_statistics(model.eval(), IMAGES, 20)
    assert same(statistics(model), once)
    assert torch.equal(torch.get_rng_state(), state)


def test_they_are_those_of_the_images_whatever_was_there_before(model):
    with torch.no_grad():
        for _, buffer in model.named_buffers():
            buffer.fill_(7)
    recompute_statistics(model, IMAGES)
    seen = model[1](IMAGES)
    assert torch.allclose(model[2].running_mean, seen.mean((0, 2, 3)), atol=1e-5)
    assert torch.allclose(model[2].running_var, seen.var((0, 2, 3)), rtol=1e-4)
    assert model[2].num_batches_tracked == 1


@given(st.integers(2, 60), st.integers(2, 70))
def test_every_image_counts_once_and_no_batch_is_small(n, batch_size):
    norm = nn.BatchNorm1d(1, affine=False)
    sizes, means, variances = [], [], []

    def see(layer, inputs):
        (batch,) = inputs
        sizes.append(len(batch))
        means.append(batch.mean())
        variances.append(batch.var())

    norm.register_forward_pre_hook(see)
    recompute_statistics(norm, IMAGES[:n, 0, 0, :1], batch_size)
    assert sum(sizes) == n
    assert min(sizes) >= min(n, batch_size)
    assert max(sizes) - min(sizes) <= 1
    assert norm.running_mean.item() == pytest.approx(torch.stack(means).mean().item(), abs=1e-5)
    assert norm.running_var.item() == pytest.approx(torch.stack(variances).mean().item(), rel=1e-4)


def test_what_is_no_statistic_stays_as_it_is(model):
    before = [p.clone() for p in model.parameters()]
    recompute_statistics(model, IMAGES)
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), before, strict=True))
    assert all(p.grad is None for p in model.parameters())
    assert [model[2].momentum, model[5].momentum] == [0.3, None]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_momentum_and_modes_are_restored_after_an_error(model, error):
    def fail(*_):
        raise error

    model[6].register_forward_hook(fail)
    with pytest.raises(error):
        recompute_statistics(model.train(), IMAGES)
    assert [model[2].momentum, model[5].momentum] == [0.3, None]
    assert not any(layer.training for layer in model.modules())


def test_a_layer_that_keeps_no_statistics_is_left_as_it_is():
    model = nn.Sequential(nn.BatchNorm2d(1, track_running_stats=False))
    recompute_statistics(model, IMAGES)
    assert model[0].running_mean is None


def test_a_model_without_batch_normalisation_keeps_its_values():
    model = nn.Sequential(nn.Flatten(), nn.Linear(196, 10))
    before = model.state_dict()["1.weight"].clone()
    recompute_statistics(model.train(), IMAGES)
    assert torch.equal(model.state_dict()["1.weight"], before)
    assert not model.training


@pytest.mark.parametrize(
    ("images", "batch_size", "error", "message"),
    [
        (IMAGES[:0], 5, ValueError, r"len\(images\)=0: must be at least 1"),
        (IMAGES, 0, ValueError, "batch_size=0: must be a whole number from 1"),
        (IMAGES, 2.5, TypeError, "batch_size=2.5: must be a whole number from 1, not float"),
    ],
)
def test_refuses_and_changes_nothing(images, batch_size, error, message):
    model = SmallCNN(size=14).train()
    before = statistics(model)
    with pytest.raises(error, match="^" + message):
        recompute_statistics(model, images, batch_size)
    assert same(statistics(model), before)
    assert model.training
