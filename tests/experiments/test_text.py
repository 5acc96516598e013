"""The novel as a data set: no character in two stretches, and answers one character later."""

import numpy as np
import pytest
import torch

from coslr.experiments import text
from coslr.experiments.data import DataError
from coslr.experiments.models import ALPHABET
from coslr.experiments.text import Characters, Excerpt, novel, write


@pytest.fixture
def fresh():
    """Read the file anew, now and afterwards."""
    novel.cache_clear()
    yield
    novel.cache_clear()


@pytest.fixture(scope="module")
def loaded():
    return Excerpt(context=32, n_train=100).load()


def test_the_text_is_plain_and_of_the_size_that_is_promised():
    assert 400_000 < len(novel()) < 500_000
    assert novel().isascii()
    assert novel().startswith("Sir Walter Elliot, of Kellynch Hall")
    assert len(set(novel())) == ALPHABET
    assert "gutenberg" not in novel().lower()
    assert text.TEXT.stat().st_size < 400_000


def test_an_altered_or_missing_file_is_an_error(fresh, tmp_path, monkeypatch):
    other = tmp_path / "persuasion.txt.gz"
    monkeypatch.setattr(text, "TEXT", other)
    with pytest.raises(DataError, match=r"persuasion\.txt\.gz is missing"):
        novel()
    other.write_bytes(text.gzip.compress(b"Sir Walter Elliot"))
    with pytest.raises(DataError, match="not the one that belongs to coslr"):
        novel()
    other.write_bytes(other.read_bytes()[:10])
    with pytest.raises(DataError, match="missing or damaged"):
        novel()


@pytest.mark.parametrize("place", [100, 1000, 100_000])
def test_a_damaged_file_is_an_error(place, fresh, tmp_path, monkeypatch):
    damaged = bytearray(text.TEXT.read_bytes())
    damaged[place : place + 20] = bytes(20)
    other = tmp_path / "persuasion.txt.gz"
    other.write_bytes(damaged)
    monkeypatch.setattr(text, "TEXT", other)
    with pytest.raises(DataError, match="missing or damaged"):
        novel()


def test_the_stretches_do_not_overlap_and_are_in_order(loaded):
    choose, report = loaded
    training = choose.decode(torch.cat([choose.x_train[:, 0], choose.x_train[-1, 1:]]))
    stretches = [training, *(choose.decode(part.x_test.flatten()) for part in (choose, report))]
    places = [novel().index(stretch) for stretch in stretches]
    ends = [place + len(stretch) for place, stretch in zip(places, stretches, strict=True)]
    assert places[0] == 0
    assert ends[0] < places[1]
    assert ends[1] < places[2]
    assert ends[2] <= len(novel())
    assert torch.equal(choose.x_train, report.x_train)


@pytest.mark.parametrize("part", ["train", "test"])
def test_an_answer_is_the_next_character(loaded, part):
    for data in loaded:
        x, y = getattr(data, f"x_{part}"), getattr(data, f"y_{part}")
        assert x.shape == y.shape
        assert torch.equal(x[:, 1:], y[:, :-1])


def test_the_training_set_is_a_fair_sample_of_the_training_text(loaded):
    data, _ = loaded
    x, y = data.training_set()
    assert len(data.x_test) <= len(x) < 1.1 * len(data.x_test)
    assert torch.equal(x[:, 1:], y[:, :-1])
    places = [novel().index(data.decode(window)) for window in x]
    assert places == sorted(places)
    apart = np.diff(places)
    assert apart.min() == apart.max() >= x.shape[1]  # no character twice
    assert places[0] == 0
    assert places[-1] > 0.88 * len(novel())


def test_training_windows_share_the_memory_of_the_text(loaded):
    data, _ = loaded
    assert data.x_train.untyped_storage().nbytes() < 10 * len(novel())


def test_numbers_and_text_are_the_same(loaded):
    data, _ = loaded
    assert data.decode(data.encode("Anne Elliot")) == "Anne Elliot"
    with pytest.raises(ValueError, match=r"text=\['é'\]: must be characters of the alphabet"):
        data.encode("né")


@pytest.mark.parametrize("arguments", [{"context": 0}, {"context": 64.5}, {"n_train": -1}])
def test_wrong_arguments_are_named(arguments):
    ((name, _),) = arguments.items()
    with pytest.raises((ValueError, TypeError), match=f"{name}="):
        Excerpt(**arguments)
    with pytest.raises(ValueError, match="context=50000"):
        Excerpt(context=50_000).load()
    with pytest.raises(ValueError, match="n_train=500000: must be at most 4"):
        Excerpt(n_train=500_000).load()


def test_writing_draws_from_the_predictions(loaded):
    data, _ = loaded
    following = dict(zip("abc", "bca", strict=True))

    def model(x):
        """Sure of b after a, of c after b, of a after c."""
        scores = torch.zeros(*x.shape, len(data.alphabet))
        for i, number in enumerate(x[0].tolist()):
            after = following.get(data.alphabet[number], "a")
            scores[0, i, data.alphabet.index(after)] = 100.0
        return scores

    assert write(model, data, "a", 5) == "abcabc"
    uniform = lambda x: torch.zeros(*x.shape, len(data.alphabet))  # noqa: E731
    one, same, other = (write(uniform, data, "a", 40, seed) for seed in (0, 0, 1))
    assert one == same != other
    assert write(uniform, data, "ab", 0) == "ab"


def test_writing_looks_back_no_further_than_the_context(loaded):
    data, _ = loaded
    lengths = []

    def model(x):
        lengths.append(x.shape[1])
        return torch.zeros(*x.shape, len(data.alphabet))

    write(model, data, "a" * 30, 5)
    assert max(lengths) == 32
    assert isinstance(data, Characters)
