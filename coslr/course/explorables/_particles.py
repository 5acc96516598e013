"""The cloud of the third explorable in Python: the same whole-number generator, the same film.

`cloud.js` draws the film in the browser. Here it is for the still picture, and for the test that
compares the two.
"""

import numpy as np
from numpy.typing import NDArray

from coslr._arrays import Array
from coslr.course.two_wells import START, slope

Words = NDArray[np.uint32]

PARTICLES = 1000


def words(seed: int, first: int, count: int) -> Words:
    """Whole numbers `first`, `first` + 1, ... of the sequence of mulberry32, from 0 to 2**32 - 1.

    Mulberry32 adds a constant to its state and mixes the sum, so number n needs no other number.

    Args:
        seed: from 0 to 2**32 - 1.
        first: index of the first number, from 0.
        count: how many numbers.

    Example:
        >>> words(seed=1, first=0, count=3).tolist()
        [2693262067, 11749833, 2265367787]
    """
    n = np.arange(first + 1, first + count + 1, dtype=np.uint64)
    a = (np.uint64(seed) + n * np.uint64(0x6D2B79F5)).astype(np.uint32)
    # Products of uint32 arrays keep the lowest 32 bits, as Math.imul does in JavaScript.
    a = (a ^ (a >> np.uint32(15))) * (a | np.uint32(1))
    a = (a + (a ^ (a >> np.uint32(7))) * (a | np.uint32(61))) ^ a
    return np.asarray(a ^ (a >> np.uint32(14)))


def noise(seed: int, update: int) -> Array:
    """The normal noise of all particles at one update, by Box and Muller's formula.

    Args:
        seed: of the cloud.
        update: index of the update, from 0.

    Returns:
        One number for each particle, (PARTICLES,).

    Example:
        >>> drawn = noise(seed=1, update=0)
        >>> bool(abs(drawn.mean()) < 0.1), bool(abs(drawn.std() - 1) < 0.1)
        (True, True)
    """
    drawn = words(seed, update * PARTICLES, PARTICLES).astype(np.float64)
    radius = np.sqrt(-2 * np.log((drawn[::2] + 0.5) / 2**32))
    angle = 2 * np.pi * drawn[1::2] / 2**32
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).ravel()


def ends(rates: Array, seed: int, spread: float = 1.0) -> Array:
    """Where the particles are after the last update.

    Args:
        rates: the learning rate at each update, (updates,).
        seed: of the cloud.
        spread: standard deviation of the gradient's noise.

    Returns:
        The positions, (PARTICLES,).

    Example:
        >>> bool((ends(np.zeros(10), seed=1) == START).all())
        True
    """
    x = np.full(PARTICLES, START)
    for update, rate in enumerate(rates):
        x = x - rate * (slope(x) + spread * noise(seed, update))
    return x
