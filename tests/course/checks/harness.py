"""Each checker against right answers, usual mistakes, and answers that are no answers at all.

A test file of one lesson names its checkers' right answers and impostors and inherits the tests:

    class TestCheckers(Checkers):
        module, right, impostors = lesson_00, RIGHT, IMPOSTORS
"""

import inspect
import math

import numpy as np
import torch

from coslr import Cosine


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
    """The tests; pytest collects them where a class named Test... inherits them."""

    module = None
    right = {}  # checker -> right answers
    impostors = []  # (checker, a usual mistake, a part of the hint that names it and no other)
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
        verdict = checker(dots)
        assert verdict.right is None
        assert repr(verdict).startswith("… Not attempted yet.")
        if checker in self.functions:
            assert checker(lambda *_: dots) == verdict

    def test_a_right_answer_is_right_and_no_hint_appears(self, right_answer):
        checker, answer = right_answer
        verdict = checker(answer)
        assert verdict.right is True, verdict
        assert repr(verdict).startswith("✓ Right.")
        hints = [part for other, _, part in self.impostors if other == checker]
        assert not [part for part in hints if part in repr(verdict)]

    def test_an_impostor_is_refused_with_the_hint_for_its_mistake(self, impostor):
        checker, answer, part = impostor
        verdict = checker(answer)
        assert verdict.right is False
        assert part in verdict.message
        assert repr(verdict) == f"✗ Not yet. {verdict.message}"
        others = {p for other, _, p in self.impostors if other == checker} - {part}
        assert not [other for other in others if other in verdict.message]

    def test_no_answer_makes_a_checker_fail_and_none_of_these_is_right(self, checker, no_answer):
        verdict = checker(NO_ANSWERS[no_answer])
        assert verdict.right is False
        assert verdict.message.strip()
