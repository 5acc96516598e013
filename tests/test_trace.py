"""A trace is compared with a schedule."""

import numpy as np
import pytest

from coslr import Cosine, Linear
from coslr.trace import Trace


def test_a_recorded_trace_is_compared_with_a_schedule():
    both = [Cosine(5, 0.1), Linear(3, 0.2)]
    trace = Trace([[schedule(k / 20) for k in range(7, 38)] for schedule in both])
    trace.groups[1][-1] += 0.125
    found = np.array(trace.differences(both, steps_per_unit=20, first_update=7))
    assert found.shape == (2, 31)
    assert found[1, -1] == pytest.approx(0.125)
    found[1, -1] = 0
    assert (found == 0).all()
    assert np.any(trace.differences(both, steps_per_unit=20))
    with pytest.raises(ValueError, match="must be one schedule, or a list of 2"):
        trace.differences([Cosine(5, 0.1)])
