"""`import coslr` is light, and the module's files import only what the design lets them."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import coslr

PACKAGE = Path(coslr.__file__).parent

# From the bottom up: a file may import the coslr files above it in this table, and these packages.
MAY_IMPORT = {
    "schedules": {"numpy"},
    "pytorch": {"torch"},
    "data": {"torch", "torchvision", "numpy"},
    "models": {"torch"},
    "training": {"torch", "numpy", "pandas", "tqdm"},
    "fingerprint": {"torch", "numpy", "joblib"},
    "landscape": {"torch", "numpy", "pandas"},
    "studies": {"torch", "numpy", "pandas", "tqdm", "joblib"},
    "verdicts": {"numpy", "pandas", "scipy"},
    "scale": set(),
    "findings": set(),
    "claims": {"numpy"},
    "theory": {"numpy"},
    "museum": {"torch", "numpy"},
    "plotting": {"numpy", "matplotlib", "cycler", "ipywidgets", "IPython", "PIL"},
    "checks": {"numpy", "pandas", "torch"},
}
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.stem != "__init__")


def place(path):
    """A file of coslr/course/checks/ is held to what the table says of checks."""
    return "checks" if path.parent.name == "checks" else path.stem


def imported(source):
    """The full name of everything that `source` imports, anywhere in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are written in full"
            # `from coslr import data` may name a file or a schedule; both are checked.
            yield from (f"{node.module}.{name.name}" for name in node.names)


def wrong_imports(file, source):
    above = list(MAY_IMPORT)[: list(MAY_IMPORT).index(file)]
    for name in imported(source):
        package, *rest = name.split(".")
        if package == "coslr":
            if file == "checks" and rest[:2] == ["checks", "answers"]:
                continue
            inner = rest[0] if rest and rest[0] in MAY_IMPORT else "schedules"
            if inner not in above:
                yield name
        elif package not in MAY_IMPORT[file] | sys.stdlib_module_names:
            yield name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_imports_run_downwards(path):
    assert place(path) in MAY_IMPORT, "a new file takes its place in the table above"
    assert not list(wrong_imports(place(path), path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("schedules", "import torch"),
        ("schedules", "def late():\n    from scipy.stats import t"),
        ("pytorch", "from coslr.experiments.training import fit"),
        ("data", "from coslr import training"),
        ("schedules", "import coslr"),
        ("models", "import numpy as np"),
        ("checks", "from coslr.course.checks.lesson_00 import own_run"),
    ],
)
def test_a_wrong_import_is_seen(file, source):
    assert list(wrong_imports(file, source))


def test_importing_coslr_brings_numpy_alone():
    heavy = ["torch", "matplotlib", "scipy", "pandas", "IPython"]
    program = f"import sys, coslr; print(*[m for m in {heavy} if m in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=PACKAGE.parent, capture_output=True, text=True
    )
    assert (result.returncode, result.stdout.split()) == (0, []), result.stderr


def test_type_hints_are_announced():
    assert (PACKAGE / "py.typed").is_file()


def test_public_names_are_documented():
    for name in coslr.__all__:
        # A dataclass without a docstring gets its signature for one.
        text = inspect.getdoc(getattr(coslr, name)) or ""
        assert len(text.splitlines()) > 1, f"{name} has no docstring"
        assert not text.startswith(f"{name}("), f"{name} has no docstring"
