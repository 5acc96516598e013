"""The shared checks of arguments: what each accepts and refuses, and the one wording of errors."""

import math
import re
from fractions import Fraction

import numpy as np
import pytest

from coslr import _arguments as arguments

# check, value, what it returns
ACCEPTED = [
    (arguments.number, 0.5, 0.5),
    (arguments.number, -3, -3),
    (arguments.number, np.float64(0.5), 0.5),
    (arguments.number, np.int64(3), 3),
    (arguments.number, Fraction(1, 4), 0.25),
    (arguments.positive, 1e-300, 1e-300),
    (arguments.not_negative, 0, 0),
    (arguments.not_negative, -0.0, 0.0),
    (arguments.whole, 1, 1),
    (arguments.whole, np.uint8(7), 7),
]


@pytest.mark.parametrize(("check", "value", "expected"), ACCEPTED)
def test_a_right_value_is_returned_as_a_plain_number(check, value, expected):
    result = check("name", value)
    assert result == expected
    assert type(result) is type(expected)


# check, value, the error and its whole message
REFUSED = [
    (arguments.number, "3", TypeError, "name='3': must be a number, not str"),
    (arguments.number, True, TypeError, "name=True: must be a number, not bool"),
    (arguments.number, None, TypeError, "name=None: must be a number, not NoneType"),
    (arguments.number, 1j, TypeError, "name=1j: must be a number, not complex"),
    (arguments.number, [1], TypeError, "name=[1]: must be a number, not list"),
    (arguments.number, np.array(1.0), TypeError, "name=array(1.): must be a number, not ndarray"),
    (arguments.number, math.nan, ValueError, "name=nan: must be a number, and finite"),
    (arguments.number, -math.inf, ValueError, "name=-inf: must be a number, and finite"),
    (arguments.number, np.float32("inf"), ValueError, "name=inf: must be a number, and finite"),
    (arguments.positive, 0, ValueError, "name=0: must be a number above 0"),
    (arguments.positive, np.float64(-0.5), ValueError, "name=-0.5: must be a number above 0"),
    (arguments.not_negative, -1, ValueError, "name=-1: must be a number from 0"),
    (arguments.whole, 0, ValueError, "name=0: must be a whole number from 1"),
    (arguments.whole, 3.0, TypeError, "name=3.0: must be a whole number from 1, not float"),
    (arguments.whole, True, TypeError, "name=True: must be a whole number from 1, not bool"),
]


@pytest.mark.parametrize(("check", "value", "error", "message"), REFUSED)
def test_an_error_names_the_argument_its_value_and_what_is_right(check, value, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        check("name", value)


@pytest.mark.parametrize("value", [10**400, Fraction(10**400)])
def test_a_number_beyond_every_float_is_not_finite(value):
    with pytest.raises(ValueError, match=r"^name=.*: must be a rate, and finite$"):
        arguments.number("name", value, "a rate")


def test_the_least_whole_number_is_stated():
    assert arguments.whole("seeds", 2, least=2) == 2
    with pytest.raises(ValueError, match=r"^seeds=1: must be a whole number from 2$"):
        arguments.whole("seeds", 1, least=2)
    with pytest.raises(ValueError, match=r"^seeds=1: must be two seeds or more$"):
        arguments.whole("seeds", 1, "two seeds or more", least=2)


@pytest.mark.parametrize("values", [[1, 2], (1, 2), iter([1, 2]), np.array([1, 2]), {1: 0, 2: 0}])
def test_a_sequence_becomes_a_tuple(values):
    assert arguments.sequence("seeds", values, "seeds") == (1, 2)


@pytest.mark.parametrize("values", ["12", b"12", 12, None, np.array(12)])
def test_what_is_no_sequence_is_refused(values):
    with pytest.raises(TypeError, match=r"^seeds=.*: must be some seeds, not \w+$"):
        arguments.sequence("seeds", values, "some seeds")


def test_an_empty_sequence_is_a_sequence():
    assert arguments.sequence("seeds", [], "some seeds") == ()


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ([3, 3], ValueError, "milestones=(3, 3): must be increasing numbers"),
        ([3, 2], ValueError, "milestones=(3, 2): must be increasing numbers"),
        ([0, 2], ValueError, "milestones[0]=0: must be one of increasing numbers"),
        ([1, "2"], TypeError, "milestones[1]='2': must be one of increasing numbers, not str"),
        (5, TypeError, "milestones=5: must be increasing numbers, not int"),
    ],
)
def test_increasing_names_the_element_that_is_wrong(values, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        arguments.increasing("milestones", values, "increasing numbers")


def test_increasing_returns_plain_numbers():
    result = arguments.increasing("milestones", np.array([1, 5]), "increasing numbers")
    assert result == (1, 5)
    assert all(type(value) is int for value in result)


def test_a_long_value_keeps_its_ends_only():
    assert arguments.shown("x" * 298) == repr("x" * 298)
    text = arguments.shown(["first", *range(10_000), "last"])
    assert len(text) < 320
    assert text.startswith("['first', 0, 1,")
    assert text.endswith("9999, 'last']")
    with pytest.raises(ValueError, match=r"^rates=.{300,310}: must be finite$"):
        arguments.require(False, "rates", list(range(10_000)), "finite")


class Broken:
    def __repr__(self):
        raise RuntimeError("broken")


@pytest.mark.parametrize(
    ("value", "text"), [(10**5000, "<int>"), (Broken(), "<Broken>")], ids=["int", "broken"]
)
def test_a_value_that_cannot_be_printed_is_named_by_its_type(value, text):
    assert arguments.shown(value) == text
