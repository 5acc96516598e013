"""How large the notebooks' studies are: for a laptop, or with one switch for a GPU or a cluster.

Two environment variables decide. COSLR_SCALE is ``laptop`` (the default) or ``full``. At full scale
the studies take all of Fashion-MNIST at 28x28 pixels, and three times as many seeds.
COSLR_FIRST_SEED is the first seed, 0 by default. Another first seed repeats every study on fresh
seeds, and a verdict that flips was none.

>>> seeds(8), images(6000)
(range(0, 8), Split(n_train=6000, n_validation=2000, n_test=None, size=14, full=False, \
folder=None, fold=0))
"""

import os

from coslr._arguments import require
from coslr.experiments.trials import Split


def full() -> bool:
    """Whether the studies are of full size.

    Raises:
        ValueError: COSLR_SCALE is neither ``laptop`` nor ``full``.
    """
    chosen = os.environ.get("COSLR_SCALE", "laptop")
    require(chosen in ("laptop", "full"), "COSLR_SCALE", chosen, "'laptop' or 'full'")
    return chosen == "full"


def first_seed() -> int:
    """The first seed of every study.

    Raises:
        ValueError: COSLR_FIRST_SEED is not a whole number from 0.
    """
    chosen = os.environ.get("COSLR_FIRST_SEED", "0")
    require(chosen.isdecimal(), "COSLR_FIRST_SEED", chosen, "a whole number from 0")
    return int(chosen)


def seeds(n: int) -> range:
    """The seeds of a study: `n` of them on a laptop, 3 n at full scale.

    Args:
        n: seeds on a laptop, from 0.

    Returns:
        Consecutive seeds from `first_seed()` on.

    Example:
        >>> os.environ["COSLR_FIRST_SEED"] = "100"
        >>> seeds(8)
        range(100, 108)
        >>> del os.environ["COSLR_FIRST_SEED"]
    """
    return range(first_seed(), first_seed() + n * (3 if full() else 1))


def images(n_train: int = 6000, n_validation: int = 2000, fold: int = 0) -> Split:
    """The images that the trials of a study train on and are judged by.

    On a laptop they come from the bundled sample at 14x14 pixels. At full scale they are all of
    Fashion-MNIST at 28x28 pixels: 50,000 images to train on and 10,000 for validation.

    Args:
        n_train: training images on a laptop.
        n_validation: validation images on a laptop.
        fold: which part of the images is left out for validation, as `Split` counts them, from 0.

    Example:
        >>> split = images(n_train=8000, fold=1)
        >>> split.n_train, split.n_validation, split.fold
        (8000, 2000, 1)
    """
    if full():
        return Split(n_train=50_000, n_validation=10_000, size=28, full=True, fold=fold)
    return Split(n_train=n_train, n_validation=n_validation, fold=fold)
