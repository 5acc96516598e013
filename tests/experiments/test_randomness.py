import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from coslr.experiments.randomness import LARGEST_SEED, check_seed, seeded


def draws(seed, n=50):
    with seeded(seed):
        return torch.rand(n)


@given(st.integers(0, LARGEST_SEED), st.integers(0, 31))
def test_the_numbers_are_torch_s_for_this_seed_and_every_bit_of_it_counts(seed, bit):
    expected = torch.rand(50, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(draws(seed), expected)
    assert not torch.equal(draws(seed), draws(seed ^ (1 << bit)))


def test_larger_seeds_are_refused_because_torch_takes_them_for_smaller_ones():
    numbers = [torch.rand(50, generator=torch.Generator().manual_seed(s)) for s in (0, 2**32)]
    assert torch.equal(*numbers)  # if this fails, torch uses more bits, and the limit may go up
    with pytest.raises(
        ValueError, match=r"^seed=4294967296: must be a whole number from 0 to 4294967295"
    ):
        check_seed(2**32)
    assert check_seed(LARGEST_SEED) == LARGEST_SEED


@pytest.mark.parametrize("seed", [-1, -(2**31), 2**32, 2**64])
def test_a_wrong_seed_is_an_error(seed):
    with pytest.raises(ValueError, match=f"^seed={seed}: must be a whole number from 0 to"):
        draws(seed)


@pytest.mark.parametrize("seed", [None, True, 1.0, "1", torch.tensor(1)])
def test_a_seed_of_the_wrong_kind_is_an_error(seed):
    with pytest.raises(TypeError, match=r"^seed=.*: must be a whole number from 0 to"):
        draws(seed)


def test_numpy_s_whole_numbers_are_seeds():
    assert type(check_seed(np.int64(5))) is int
    assert torch.equal(draws(np.int64(5)), draws(5))


@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_the_global_state_is_restored(error):
    before = torch.get_rng_state()
    try:
        with seeded(3):
            torch.rand(3)
            if error:
                raise error
    except KeyboardInterrupt:
        pass
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.skipif(not torch.accelerator.is_available(), reason="needs an accelerator")
def test_the_accelerator_s_numbers_start_from_the_seed_and_are_restored():
    device = torch.accelerator.current_accelerator()
    state = torch.get_device_module(device).get_rng_state
    before = state()
    drawn = []
    for seed in (1, 1, 2):
        with seeded(seed, device):
            drawn.append(torch.rand(50, device=device))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert torch.equal(state(), before)
