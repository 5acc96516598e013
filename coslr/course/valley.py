"""The noisy valley of lesson 03, in which lessons 02, 07 and 11 compute expected losses too.

It has a hundred directions, with the curvatures 1, 1/2, ..., 1/100. The noise of each direction is
in proportion to its curvature. `coslr.theory.noisy_quadratic` takes both.
"""

import numpy as np

CURVATURES = 1 / np.arange(1, 101)
NOISE = 0.1 * CURVATURES
