import functools
import importlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from coslr import Constant, Cosine, join
from coslr.experiments.fingerprint import _installed, fingerprint
from coslr.experiments.models import SmallCNN

ROOT = Path(__file__).resolve().parents[2]


# ----------------------------------------------------------------------------------- values


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0), (1, True), (0.0, -0.0), (0.1, np.nextafter(0.1, 1)), ("1", 1), ("a", b"a"),
        (None, 0),
        ([1, 2], (1, 2)), ([1, 2], [2, 1]), ([[1], 2], [[1, 2]]), (["ab"], ["a", "b"]),
        ({"a": 1}, {"a": 2}), ({1, 2}, {1, 3}), (np.zeros(2), np.zeros(3)),
        (np.zeros(2), np.zeros(2, "float32")), (torch.zeros(2), torch.zeros(2, 1)),
        (torch.zeros(2), torch.zeros(2, dtype=torch.float64)), (np.float32, np.float64),
        (Cosine(5, 0.1), Cosine(5, 0.2)), (Cosine(5, 0.1), Constant(0.1)),
        (functools.partial(SmallCNN, size=14), functools.partial(SmallCNN, size=28)),
        (torch.optim.SGD, torch.optim.Adam), (max, min), (torch.float32, torch.float64),
    ],
)  # fmt: skip
def test_different_values(one, other):
    assert fingerprint(one) != fingerprint(other)


@pytest.mark.parametrize(
    "make",
    [
        lambda: [1, 2.5, "a", b"b", None, ..., 1j], lambda: {"a": [1], "b": {2, 3}},
        lambda: np.arange(5), lambda: torch.arange(5), lambda: Cosine(5, 0.1),
        lambda: join([Cosine(5, 0.1), Constant(0.2)], [5]),
        lambda: functools.partial(SmallCNN, size=14), lambda: torch.float32,
    ],
)  # fmt: skip
def test_equal_values(make):
    assert fingerprint(make()) == fingerprint(make())


def test_a_value_that_contains_itself():
    ring = [1]
    ring.append(ring)
    other = [2]
    other.append(other)
    assert fingerprint(ring) != fingerprint(other)


def test_cached_properties_are_not_part_of_the_value():
    @dataclass(frozen=True)
    class Own:
        rate: float

        @functools.cached_property
        def table(self):
            return [self.rate]

    fresh, used = Own(0.1), Own(0.1)
    assert used.table == [0.1]
    assert fingerprint(fresh) == fingerprint(used)
    assert fingerprint(fresh) != fingerprint(Own(0.2))


# ------------------------------------------------------------------------------------- code

OWN = """
import helpers, math
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial, wraps
from helpers import Base, block
from coslr.schedules import Schedule

WIDTH = 32
SIZES = {"small": [1, 2]}

def twice(f):
    @wraps(f)
    def inner(x):
        return 2 * f(x)
    return inner

def plain(x):
    return x + 1

def default(x, by=2):
    return x * by

def constant(x):
    return x * WIDTH

def table(x):
    return SIZES["small"]

def imported(x):
    return block(x)

def through_module(x):
    return helpers.block(x)

def two_of_a_module(x):
    return helpers.block(x) + other_of_it(x)

def other_of_it(x):
    return helpers.other(x)

def imports(x):
    from more import other
    return other(x)

def imports_module(x):
    import more as h
    return h.other(x)

@lru_cache
def remembers(x):
    return 19 / x

def nested(x):
    return [(lambda y: y + 3)(x) for _ in range(2)]

def maker(by):
    def made(x):
        return x * by
    return made

closure = maker(5)
part = partial(default, by=7)

@twice
def decorated(x):
    return x - 1

def recursive(n):
    return 1 if n < 2 else n * recursive(n - 1)

class Net(Base):
    depth = 3

    def __init__(self, size=14, seed=0):
        super().__init__()
        self.width = WIDTH

    def forward(self, x):
        return x + 4

    @property
    def area(self):
        return self.width * 6

    @cached_property
    def half(self):
        return self.width / 8

    @staticmethod
    def fixed():
        return 9

    @classmethod
    def build(cls):
        return cls(10)

@dataclass(frozen=True)
class Wave(Schedule):
    rate: float = 0.1
    length = 11

    def formula(self, t, xp):
        return self.rate * math.cos(t * 12)

wave = Wave(0.2)
bound = Net().forward
"""
HELPERS = """
class Base:
    def __init__(self):
        self.b = 13

def block(x):
    return deep(x)

def deep(x):
    return x * 14

def other(x):
    return x * 16
"""


@pytest.fixture
def digest(tmp_path, monkeypatch):
    """The digest of an object in two files, after changes."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def of(name, own=OWN, helpers=HELPERS):
        (tmp_path / "own.py").write_text(own)
        (tmp_path / "helpers.py").write_text(helpers)
        (tmp_path / "more.py").write_text(helpers)
        for module in ("own", "helpers", "more"):
            sys.modules.pop(module, None)
        importlib.invalidate_caches()
        return fingerprint(getattr(importlib.import_module("own"), name))

    yield of
    for module in ("own", "helpers", "more"):
        sys.modules.pop(module, None)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("plain", "x + 1", "x + 1.5"), ("plain", "x + 1", "x - 1"), ("default", "by=2", "by=3"),
        ("constant", "WIDTH = 32", "WIDTH = 33"), ("constant", "x * WIDTH", "WIDTH * x"),
        ("table", "[1, 2]", "[1, 3]"), ("nested", "y + 3", "y + 4"), ("nested", "(2)", "(3)"),
        ("closure", "(5)", "(6)"), ("closure", "x * by\n    return", "x / by\n    return"),
        ("part", "by=7", "by=8"), ("decorated", "x - 1", "x - 2"), ("decorated", "2 * f", "3 * f"),
        ("recursive", "n - 1", "n - 2"), ("Net", "x + 4", "x + 5"),
        ("Net", "depth = 3", "depth = 2"), ("Net", "width * 6", "width * 7"),
        ("Net", "width / 8", "width / 9"),
        ("Net", "return 9", "return 8"), ("Net", "cls(10)", "cls(11)"), ("Net", "= 32", "= 33"),
        ("Net", "size=14", "size=28"), ("wave", "(0.2)", "(0.3)"), ("wave", "* 12", "* 11"),
        ("bound", "x + 4", "x + 5"), ("Net", "def half", "def third"),
        ("remembers", "19 / x", "18 / x"),
    ],
)  # fmt: skip
def test_a_change_of_code_is_noticed(digest, name, old, new):
    assert OWN.count(old) == 1
    assert digest(name) != digest(name, OWN.replace(old, new))


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("imported", "x * 14", "x * 15"), ("through_module", "x * 14", "x * 15"),
        ("two_of_a_module", "x * 14", "x * 15"), ("two_of_a_module", "x * 16", "x * 15"),
        ("imports", "x * 16", "x * 15"), ("imports_module", "x * 16", "x * 15"),
        ("Net", "= 13", "= 12"),
    ],
)  # fmt: skip
def test_a_change_in_another_file_is_noticed(digest, name, old, new):
    assert digest(name) != digest(name, helpers=HELPERS.replace(old, new))


NAMES = ["plain", "constant", "table", "imported", "through_module", "nested", "closure", "part",
         "decorated", "recursive", "Net", "wave", "bound", "imports", "remembers",
         "two_of_a_module"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_comments_places_and_other_code_do_not_matter(digest, name):
    other = "\n# moved\n\nunused = 3\n" + OWN.replace("def plain", "# what it does\ndef plain")
    assert digest(name) == digest(name, other, "\n\n" + HELPERS + "\ndef unused(): return 1\n")


@pytest.mark.slow
def test_it_is_the_same_in_every_process(digest, tmp_path):
    own = OWN.replace("x + 1", 'x in {"a", "b", "c"}')
    here = [digest(name, own) for name in NAMES]
    code = f"import own; from coslr.experiments.fingerprint import fingerprint; \
print([fingerprint(getattr(own, name)) for name in {NAMES}])"
    there = subprocess.run(
        [sys.executable, "-c", code], text=True, capture_output=True, check=True,
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}", "PYTHONHASHSEED": "1"},
    )  # fmt: skip
    assert eval(there.stdout) == here


def test_of_a_package_its_release_counts(monkeypatch):
    from coslr.experiments import fingerprint as module

    before = fingerprint(torch.optim.SGD)
    monkeypatch.setattr(module, "_release", lambda _: "0.0")
    assert fingerprint(torch.optim.SGD) != before


@pytest.mark.parametrize("folder", ["site-packages", "dist-packages", "mine"])
def test_a_package_is_one_wherever_it_is_installed(folder, tmp_path, monkeypatch):
    """For one user alone, say, or by the system's package manager."""
    monkeypatch.syspath_prepend(tmp_path / folder)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / folder).mkdir()
    digests = []
    for code in ("x + 1", "x + 2"):
        (tmp_path / folder / "elsewhere.py").write_text(f"def f(x):\n    return {code}\n")
        sys.modules.pop("elsewhere", None)
        importlib.invalidate_caches()
        digests.append(fingerprint(importlib.import_module("elsewhere").f))
    sys.modules.pop("elsewhere")
    _installed.cache_clear()
    assert (digests[0] == digests[1]) == (folder != "mine")


def test_objects_that_cannot_be_pickled_count_by_their_type():
    import threading

    lock = threading.Lock()
    assert fingerprint(lock) == fingerprint(threading.Lock())
    assert fingerprint(lock) != fingerprint(threading.RLock())


LATE = {
    "from . import h": "def f(x):\n    from . import h\n    return h.g(x)\n",
    "from .h import g": "def f(x):\n    from .h import g\n    return g(x)\n",
    "from package import h": "def f(x):\n    from lazy import h\n    return h.g(x)\n",
    "named tuple": """
from typing import NamedTuple
class P(NamedTuple):
    w: int = 1
    def g(self, x):
        return x * 17
p = P()
def f(x):
    return p.g(x)
""",
    "proxy": """
from types import MappingProxyType
C = MappingProxyType({'w': 17})
def f(x):
    return C['w'] * x
""",
    "InitVar": """
from dataclasses import dataclass, InitVar
@dataclass
class F:
    w: InitVar[int]
    def __post_init__(self, w):
        self.k = w
    def __call__(self, x):
        return self.k * x
f = F(17)
""",
}


@pytest.mark.parametrize("code", LATE.values(), ids=LATE)
def test_late_imports_and_what_containers_do_are_noticed(tmp_path, monkeypatch, code):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "lazy").mkdir()
    (tmp_path / "lazy" / "__init__.py").touch()
    digests = []
    for number in ("17", "18"):
        (tmp_path / "lazy" / "m.py").write_text(code.replace("17", number))
        (tmp_path / "lazy" / "h.py").write_text(f"def g(x):\n    return x * {number}\n")
        for module in [name for name in sys.modules if name.partition(".")[0] == "lazy"]:
            del sys.modules[module]
        importlib.invalidate_caches()
        f = importlib.import_module("lazy.m").f
        before = fingerprint(f)
        f(1)
        assert fingerprint(f) == before  # also once the first call has imported the module
        digests.append(before)
    assert digests[0] != digests[1]
