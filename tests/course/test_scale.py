import pytest

from coslr.course.scale import first_seed, full, images, seeds
from coslr.experiments.trials import Split


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    monkeypatch.delenv("COSLR_SCALE", raising=False)
    monkeypatch.delenv("COSLR_FIRST_SEED", raising=False)


def test_laptop():
    assert not full()
    assert first_seed() == 0
    assert seeds(8) == range(8)
    assert images() == Split(n_train=6000, n_validation=2000, size=14, full=False)
    assert images(1000, 500, fold=2) == Split(n_train=1000, n_validation=500, fold=2)


def test_full(monkeypatch):
    monkeypatch.setenv("COSLR_SCALE", "full")
    assert full()
    assert seeds(8) == range(24)
    whole = Split(n_train=50_000, n_validation=10_000, size=28, full=True, fold=2)
    assert images(1000, 500, fold=2) == whole
    monkeypatch.setenv("COSLR_SCALE", "laptop")
    assert not full()


def test_fresh_seeds(monkeypatch):
    monkeypatch.setenv("COSLR_FIRST_SEED", "100")
    assert seeds(8) == range(100, 108)
    monkeypatch.setenv("COSLR_SCALE", "full")
    assert seeds(8) == range(100, 124)


@pytest.mark.parametrize("wrong", ["", "Full", "1", "gpu"])
def test_refuses_another_scale(monkeypatch, wrong):
    monkeypatch.setenv("COSLR_SCALE", wrong)
    for call in (full, images, lambda: seeds(8)):
        with pytest.raises(ValueError, match=f"^COSLR_SCALE='{wrong}': must be 'laptop' or 'full'"):
            call()


@pytest.mark.parametrize("wrong", ["", "-1", "1.5", "one", "²"])
def test_refuses_another_seed(monkeypatch, wrong):
    monkeypatch.setenv("COSLR_FIRST_SEED", wrong)
    with pytest.raises(ValueError, match=f"^COSLR_FIRST_SEED='{wrong}': must be a whole number"):
        seeds(8)
