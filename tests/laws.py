"""The laws of a schedule, as functions that raise AssertionError where one is broken.

They take any callable, so that test_schedules.py can hold them against the real schedules, where
each must pass, and against impostors, where at least one must fail.
"""

import numpy as np

ROUNDING = 1e-12  # relative to eta_max


def exact_ends(f, T_max, eta_max, eta_min):
    assert f(0) == eta_max
    assert f(T_max) == eta_min


def within_bounds(f, T_max, eta_max, eta_min):
    rates = f(np.linspace(-T_max, 3 * T_max, 401))
    assert rates.min() >= eta_min - ROUNDING * eta_max
    assert rates.max() <= eta_max + ROUNDING * eta_max


def holds_outside(f, T_max, eta_max, eta_min):
    for t in (-1e9, -1, -0.5):
        assert f(t) == eta_max
    for t in (T_max + 0.5, 1.5 * T_max, 2 * T_max, 3 * T_max, 1e15 * T_max):
        assert f(t) == eta_min


def never_rises(f, T_max, eta_max, eta_min):
    rates = f(np.linspace(0, 3 * T_max, 401))
    assert np.diff(rates).max() <= ROUNDING * eta_max


def is_half_a_wave(f, T_max, eta_max, eta_min):
    """cos² of a quarter turn: the same curve by another road."""
    s = np.linspace(0, 1, 101)
    wave = eta_min + (eta_max - eta_min) * np.cos(np.pi * s / 2) ** 2
    assert abs(f(s * T_max) - wave).max() <= ROUNDING * eta_max


LAWS = [exact_ends, within_bounds, holds_outside, never_rises, is_half_a_wave]
