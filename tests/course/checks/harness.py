"""Every checker meets right answers, usual mistakes ("impostors"), and values that answer nothing.

The test file of a lesson lists its checkers' right answers and impostors, and inherits the tests:

    class TestCheckers(Checkers):
        module, right, impostors = lesson_00, RIGHT, IMPOSTORS
"""

import inspect
import math

import numpy as np
import torch

from coslr import Cosine
from coslr.course.checks.answers import RETURNS_NOTHING, TRAINS_NOTHING


def raises(*_):
    raise ZeroDivisionError("division by zero")


NO_ANSWERS = {
    "text": "0.7952",
    "text of no number": "ten",
    "NaN": math.nan,
    "infinity": math.inf,
    "too large for a float": 10**400,
    "complex": 0.7952 + 0j,
    "truth": True,
    "empty list": [],
    "array": np.array([0.7952]),
    "tensor with a gradient": torch.zeros(2, requires_grad=True),
    "object": object(),
    "class": Cosine,
    "raises": raises,
    "returns text": lambda *_: "0.1",
    "returns NaN": lambda *_: math.nan,
    "returns infinity": lambda *_: math.inf,
    "returns too large a number": lambda *_: 10**400,
    "returns a complex number": lambda *_: 0.1j,
    "returns an array": lambda *_: np.zeros(3),
    "returns an array of one": lambda *_: np.zeros(1),
    "returns lists of several lengths": lambda *a: [0.0] * int(10 * a[0]) if len(a) < 3 else [],
    "returns a function": lambda *_: math.cos,
    "takes too much": lambda a, b, c, d, e, f: 0.1,
}


def name_of(value):
    return getattr(getattr(value, "func", value), "__name__", None)


class Checkers:
    """The tests. pytest collects them in each class that inherits them and is named Test..."""

    module = None
    right = {}  # checker -> right answers
    impostors = []  # (checker, a usual mistake, a part of the hint that only it must get)
    functions = []  # the checkers whose answer is a function

    def pytest_generate_tests(self, metafunc):
        cases = {
            "right_answer": [(c, a) for c, answers in self.right.items() for a in answers],
            "impostor": self.impostors,
            "checker": list(self.right),
            "dots": [None, ...],
            "no_answer": list(NO_ANSWERS),
        }
        for name, values in cases.items():
            if name in metafunc.fixturenames:
                metafunc.parametrize(name, values, ids=name_of if name == "checker" else None)

    def test_every_checker_is_tested_here(self):
        functions = inspect.getmembers(self.module, inspect.isfunction)
        public = {
            name
            for name, function in functions
            if not name.startswith("_") and function.__module__ == self.module.__name__
        }
        assert public == {name_of(checker) for checker in self.right}
        assert public == {name_of(checker) for checker, _, _ in self.impostors}

    def test_what_is_not_attempted_is_neither_right_nor_wrong(self, checker, dots):
        feedback = checker(dots)
        assert feedback.is_right is None
        assert repr(feedback).startswith("… Not attempted yet.")
        if checker in self.functions:
            assert checker(lambda *_: dots) in (feedback, RETURNS_NOTHING, TRAINS_NOTHING)

    def test_a_right_answer_is_right_and_no_hint_appears(self, right_answer):
        checker, answer = right_answer
        feedback = checker(answer)
        assert feedback.is_right is True, feedback
        assert repr(feedback).startswith("✓ Right.")
        hints = [part for other, _, part in self.impostors if other == checker]
        assert not [part for part in hints if part in repr(feedback)]

    def test_an_impostor_is_refused_with_the_hint_for_its_mistake(self, impostor):
        checker, answer, part = impostor
        feedback = checker(answer)
        assert feedback.is_right is False
        assert part in feedback.message
        assert repr(feedback) == f"✗ Not yet. {feedback.message}"
        others = {p for other, _, p in self.impostors if other == checker} - {part}
        assert not [other for other in others if other in feedback.message]

    def test_no_answer_makes_a_checker_fail_and_none_of_these_is_right(self, checker, no_answer):
        feedback = checker(NO_ANSWERS[no_answer])
        assert feedback.is_right is False
        assert feedback.message.strip()
