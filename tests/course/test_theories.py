"""What the theories of lesson 11 choose."""

import numpy as np
import pytest

from coslr.course import theories


def test_an_unknown_theory_chooses_nothing():
    with pytest.raises(ValueError, match=r"^theory_name="):
        theories.chosen("astrology")


@pytest.mark.parametrize("theory", ["noisy quadratic", "convex bound", "annealing law"])
def test_a_choice_is_better_than_its_rivals(theory):
    found = theories.chosen(theory)
    assert found.value < min(found.rivals.values())
    assert found.rates[:-1].argmax() == 0 or theory == "annealing law"


def test_the_multi_power_law_chooses_a_plateau_and_a_parabola():
    found = theories.chosen("multi-power law")
    assert found.value < min(found.rivals.values())
    rates = found.rates / found.rates.max()
    assert 0.7 < theories.plateau(found.rates) < 0.8
    left = 4 * (1 - np.arange(40_000, 48_000) / 50_000)
    np.testing.assert_allclose(rates[40_000:48_000], left**2, atol=0.1)
