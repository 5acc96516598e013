"""How large the notebooks' studies are: for a laptop, or with one switch for a GPU or a cluster.

The environment variable COSLR_SCALE is ``laptop`` (the default) or ``full``: all of Fashion-MNIST
at 28x28 pixels, and three times as many seeds. COSLR_FIRST_SEED is the first seed, 0 unless set:
with another one, every study is repeated on fresh seeds, and a verdict that flips was none.

>>> seeds(8), images(6000)
(range(0, 8), Split(n_train=6000, n_validation=2000, n_test=None, size=14, full=False, \
folder=None, fold=0))
"""

import os

from coslr.experiments.trials import Split


def full() -> bool:
    """Whether the studies are of full size.

    Raises:
        ValueError: COSLR_SCALE is neither ``laptop`` nor ``full``.
    """
    chosen = os.environ.get("COSLR_SCALE", "laptop")
    if chosen not in ("laptop", "full"):
        raise ValueError(f"COSLR_SCALE={chosen!r}: must be 'laptop' or 'full'")
    return chosen == "full"


def first_seed() -> int:
    """The first seed of every study.

    Raises:
        ValueError: COSLR_FIRST_SEED is no whole number from 0.
    """
    chosen = os.environ.get("COSLR_FIRST_SEED", "0")
    if not chosen.isdecimal():
        raise ValueError(f"COSLR_FIRST_SEED={chosen!r}: must be a whole number from 0")
    return int(chosen)


def seeds(n: int) -> range:
    """`n` seeds on a laptop, 3 n at full scale.

    >>> os.environ["COSLR_FIRST_SEED"] = "100"
    >>> seeds(8)
    range(100, 108)
    >>> del os.environ["COSLR_FIRST_SEED"]
    """
    return range(first_seed(), first_seed() + n * (3 if full() else 1))


def images(n_train: int = 6000, n_validation: int = 2000, fold: int = 0) -> Split:
    """So many images of the bundled sample at 14x14, or at full scale 50,000 + 10,000 at 28x28.

    Args:
        n_train, n_validation, fold: as in `coslr.experiments.trials.Split`.
    """
    if full():
        return Split(n_train=50_000, n_validation=10_000, size=28, full=True, fold=fold)
    return Split(n_train=n_train, n_validation=n_validation, fold=fold)
