import pytest
import torch

from coslr.experiments.models import SmallCNN, SmallGRU

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
        (SmallCNN, {"size": 32}, ValueError, r"size must be 28 or 14 \(pixels .*\), not 32"),
        (SmallCNN, {"size": "28"}, ValueError, "size .* not '28'"),
        (SmallCNN, {"seed": 0.5}, TypeError, "seed must be an int, not 0.5"),
        (SmallCNN, {"seed": True}, TypeError, "seed must be an int, not True"),
        (SmallCNN, {"seed": None}, TypeError, "seed must be an int, not None"),
        (SmallGRU, {"size": 7}, ValueError, "size .* not 7"),
        (SmallGRU, {"seed": "0"}, TypeError, "seed must be an int, not '0'"),
        (SmallGRU, {"hidden": 0}, ValueError, "hidden must be at least 1, not 0"),
        (SmallGRU, {"hidden": 32.0}, TypeError, "hidden must be an int, not 32.0"),
        (SmallGRU, {"hidden": True}, TypeError, "hidden must be an int, not True"),
    ],
)
def test_refuses(kind, arguments, error, message):
    with pytest.raises(error, match=message):
        kind(**arguments)
