"""Random numbers that depend on a seed alone and leave PyTorch's global random state as it was."""

from collections.abc import Iterator
from contextlib import contextmanager

from coslr._arguments import require, whole
from coslr._optional import extra

with extra("train"):
    import torch

LARGEST_SEED = 2**32 - 1


def check_seed(seed: int) -> int:
    """The seed as an int, if no smaller seed gives the same random numbers.

    PyTorch takes 64 bits and uses the lower 32 of them on a CPU: the seeds 0 and 2**32 would train
    the same network twice, and a study would count it as two.

    Raises:
        ValueError, TypeError: not a whole number from 0 to 4294967295.

    Example:
        >>> check_seed(2**32)
        Traceback (most recent call last):
        ...
        ValueError: seed=4294967296: must be a whole number from 0 to 4294967295
    """
    right = f"a whole number from 0 to {LARGEST_SEED}"
    seed = whole("seed", seed, right, least=0)
    require(seed <= LARGEST_SEED, "seed", seed, right)
    return seed


@contextmanager
def seeded(seed: int, device: torch.device | str = "cpu") -> Iterator[None]:
    """Start PyTorch's global random numbers from `seed`, and restore their state at the end.

    Args:
        seed: a whole number from 0 to 4294967295.
        device: a device whose random numbers are included, besides the CPU's.

    Raises:
        ValueError, TypeError: another seed.

    Example:
        >>> with seeded(7):
        ...     first = torch.rand(3)
        >>> with seeded(7):
        ...     second = torch.rand(3)
        >>> torch.equal(first, second)
        True
    """
    seed = check_seed(seed)
    device = torch.device(device)
    if device.type == "cpu":
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)  # torch.manual_seed would reach the GPUs too
            yield
    else:
        with torch.random.fork_rng(devices=[device], device_type=device.type):
            torch.default_generator.manual_seed(seed)
            torch.get_device_module(device).manual_seed(seed)
            yield
