import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from coslr.experiments.models import (
    ALPHABET,
    SmallCNN,
    SmallGRU,
    SmallTransformer,
    plain_cnn,
    post_norm_transformer,
)

BOTH = pytest.mark.parametrize("kind", [SmallCNN, SmallGRU])


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@BOTH
@pytest.mark.parametrize("size", [14, 28])
def test_ten_scores_for_each_image(kind, size):
    model = kind(size=size).eval()
    images = torch.randn(5, 1, size, size, generator=torch.Generator().manual_seed(0))
    scores = model(images)
    assert scores.shape == (5, 10)
    assert scores.dtype == torch.float32
    # An image's scores are its own, alone in the batch or not.
    for i in range(5):
        assert torch.allclose(model(images[i : i + 1])[0], scores[i], atol=1e-6)
    assert (scores[0] - scores[1]).abs().max() > 1e-3


@BOTH
def test_every_parameter_takes_part(kind):
    model = kind(size=14)
    images = torch.randn(20, 1, 14, 14, generator=torch.Generator().manual_seed(0))
    torch.nn.functional.cross_entropy(model(images), torch.arange(20) % 10).backward()
    assert all(p.grad.any() for p in model.parameters())


def test_size_of_the_networks():
    for size in (14, 28):
        assert len(weights(SmallCNN(size=size))) == 8_834
    assert len(weights(SmallGRU(size=14, hidden=32))) == 3 * 32 * (14 + 32 + 2) + 330


def test_the_gru_reads_rows_from_the_top():
    model = SmallGRU(size=14)
    images = torch.randn(3, 1, 14, 14, generator=torch.Generator().manual_seed(0))
    cell = torch.nn.GRUCell(14, 64)
    cell.load_state_dict({name.removesuffix("_l0"): p for name, p in model.gru.named_parameters()})
    state = torch.zeros(3, 64)
    for row in range(14):
        state = cell(images[:, 0, row], state)
    assert torch.allclose(model(images), model.head(state), atol=1e-6)


@pytest.mark.parametrize("size", [14, 28])
def test_the_cnn_averages_down_to_3x3_only_where_it_has_to(size):
    """At 14x14 three by three pixels are left, and their average is themselves, to the last bit."""
    model, averaging = SmallCNN(size=size), SmallCNN(size=size)
    averaging.layers[11] = torch.nn.AdaptiveAvgPool2d(3)
    kinds = {type(layer) for layer in model.layers}
    assert (torch.nn.AdaptiveAvgPool2d in kinds) == (size == 28)
    assert list(model.state_dict()) == list(averaging.state_dict())
    images = torch.randn(20, 1, size, size, generator=torch.Generator().manual_seed(0))
    for network in (model, averaging):
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        for _ in range(3):
            loss = torch.nn.functional.cross_entropy(network(images), torch.arange(20) % 10)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert torch.equal(weights(model), weights(averaging))
    assert torch.equal(model(images), averaging(images))


@pytest.mark.parametrize("seed", [0, 5])
def test_the_cnn_has_the_same_weights_for_both_sizes(seed):
    small, large = (SmallCNN(size=size, seed=seed).state_dict() for size in (14, 28))
    assert list(small) == list(large)
    assert all(torch.equal(small[name], large[name]) for name in small)


@BOTH
def test_weights_come_from_the_seed_alone(kind):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        one = weights(kind(seed=7))
        torch.manual_seed(2)
        again = weights(kind(seed=7))
    assert torch.equal(one, again)
    for seed in (0, 6, 8):
        other = weights(kind(seed=seed))
        assert (other != one).float().mean() > 0.9
    assert torch.equal(weights(kind()), weights(kind(seed=0)))


@BOTH
def test_global_random_state_is_left_alone(kind):
    before = torch.get_rng_state()
    kind(seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(ValueError, match="size"):
        kind(size=3)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("kind", "arguments", "error", "message"),
    [
        (SmallCNN, {"size": 32}, ValueError, r"size=32: must be 28 or 14 \(pixels on a side\)"),
        (SmallCNN, {"size": "28"}, TypeError, "size='28': must be 28 or 14 .*, not str"),
        (SmallCNN, {"size": 14.0}, TypeError, "size=14.0: must be 28 or 14 .*, not float"),
        (SmallCNN, {"seed": 0.5}, TypeError, "seed=0.5: must be a whole number from 0 to"),
        (SmallCNN, {"seed": True}, TypeError, "seed=True: must be a whole number from 0 to"),
        (SmallCNN, {"seed": None}, TypeError, "seed=None: must be a whole number from 0 to"),
        (SmallCNN, {"seed": 2**32}, ValueError, "seed=4294967296: must be a whole number from 0"),
        (SmallGRU, {"size": 7}, ValueError, "size=7: must be 28 or 14"),
        (SmallGRU, {"seed": "0"}, TypeError, "seed='0': must be a whole number from 0 to"),
        (SmallGRU, {"seed": -1}, ValueError, "seed=-1: must be a whole number from 0 to"),
        (SmallGRU, {"hidden": 0}, ValueError, "hidden=0: must be a whole number from 1"),
        (SmallGRU, {"hidden": 32.0}, TypeError, "hidden=32.0: must be .*, not float"),
        (SmallGRU, {"hidden": True}, TypeError, "hidden=True: must be .*, not bool"),
    ],
)
def test_refuses(kind, arguments, error, message):
    with pytest.raises(error, match="^" + message):
        kind(**arguments)


# ----------------------------------------------------------------------------- the Transformer


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_transformer_sees_no_character_that_is_still_to_come(norm):
    model = SmallTransformer(size=16, norm=norm).eval()
    x = torch.randint(ALPHABET, (2, 16), generator=torch.Generator().manual_seed(0))
    changed = x.clone()
    changed[:, 10:] = 0
    with torch.no_grad():
        one, other = model(x), model(changed)
    assert torch.allclose(one[:, :10], other[:, :10], atol=1e-6)
    assert not torch.allclose(one[:, 10:], other[:, 10:], atol=1e-3)


def test_a_transformer_knows_places():
    model = SmallTransformer(size=16).eval()
    same = torch.full((1, 16), 7)
    with torch.no_grad():
        scores = model(same)[0]
    assert (scores[0] - scores[-1]).abs().max() > 1e-3


@pytest.mark.parametrize("make", [SmallTransformer, post_norm_transformer])
def test_a_transformer_begins_near_chance_and_from_its_seed(make):
    one, same, other = make(size=16, seed=1), make(size=16, seed=1), make(size=16, seed=2)
    x = torch.arange(16)[None]
    with torch.no_grad():
        assert torch.equal(one(x), same(x))
        assert not torch.equal(one(x), other(x))
        loss = cross_entropy(one(x)[0], x[0])
    assert float(loss) == pytest.approx(math.log(ALPHABET), rel=0.1)


def test_the_place_of_the_norm_is_named():
    with pytest.raises(ValueError, match="norm='middle': must be"):
        SmallTransformer(norm="middle")
    assert post_norm_transformer().blocks[0].norm == "post"


def test_a_plain_cnn_has_no_batch_normalisation():
    plain = plain_cnn(size=14, seed=3)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in plain.modules())
    assert all(m.bias is not None for m in plain.modules() if isinstance(m, torch.nn.Conv2d))
    assert plain(torch.zeros(2, 1, 14, 14)).shape == (2, 10)
