"""`import coslr` is light, and every file imports what its room may import.

import-linter checks which of our modules imports which: the rules are in `.importlinter`. Here is
what it cannot see.
"""

import ast
import inspect
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import coslr

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "coslr"
FILES = sorted(PACKAGE.rglob("*.py"))

# ------------------------------------------------------------------------------- packages

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# Packages that come with one of ours and are imported under a name of their own.
COME_ALONG = {"ipywidgets": {"IPython"}, "matplotlib": {"cycler", "PIL"}}
# What files of the top level need besides numpy.
BESIDES_NUMPY = {file: {"torch"} for file in ("_optimizers.py", "audit.py", "pytorch.py")}
BESIDES_NUMPY["_log_files.py"] = {"tensorboard"}
BESIDES_NUMPY |= {file: {"scipy"} for file in ("loss_laws.py", "optimal.py", "theory.py")}
# Each integration needs torch, and the library that it is named after.
INTEGRATED = {"keras", "lightning", "transformers"}

# The one file of the experiments that draws, if it is asked to.
DRAWS = {"comparisons.py": {"matplotlib"}}


def packages(*extras):
    """What pip installs with these extras, by the names under which it is imported."""
    lines = [*PROJECT["dependencies"]]
    for extra in extras:
        lines += PROJECT["optional-dependencies"][extra]
    names = {re.match(r"[\w-]+", line)[0] for line in lines} - {"coslr"}
    return names.union(*(COME_ALONG.get(name, set()) for name in names))


def allowed(path):
    """The packages that a file may import, by the room that it is in."""
    room, *rest = path.relative_to(PACKAGE).parts
    if not rest:
        return packages() | BESIDES_NUMPY.get(room, set())
    if room == "integrations":
        return packages() | {"torch"} | ({path.stem} & INTEGRATED)
    if room == "experiments":
        return packages("train") | DRAWS.get(rest[0], set())
    return packages("train", "course")


def undeclared(path, source):
    """The packages that a file imports and may not."""
    for node in ast.walk(ast.parse(source)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module]
        for package in {name.split(".")[0] for name in names} - {"coslr"}:
            if package not in allowed(path) | sys.stdlib_module_names:
                yield package


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_packages_that_its_room_installs(path):
    assert not list(undeclared(path, path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("schedules.py", "import torch"),
        ("schedules.py", "def late():\n    from scipy.stats import t"),
        ("pytorch.py", "import pandas as pd"),
        ("experiments/data.py", "from matplotlib.figure import Figure"),
        ("course/plotting.py", "import sklearn.metrics"),
    ],
)
def test_an_undeclared_package_is_seen(name, source):
    assert list(undeclared(PACKAGE / name, source))


def test_importing_coslr_brings_numpy_alone():
    program = (
        "import sys; before = set(sys.modules); import coslr\n"
        "brought = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        # Compiled modules bring Cython's runtime, under a name with its version.
        "print(*sorted(name for name in brought - set(sys.stdlib_module_names)\n"
        "              if 'cython' not in name))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True
    )
    assert result.stdout.split() == ["coslr", "numpy"], result.stderr


# ---------------------------------------------------------------------------- our modules


def misplaced(source):
    """Imports that a reader of the top of the file misses, or that name no module.

    A function may import by itself if a comment beside the import says why: "# imported late: ...".
    """
    tree, lines = ast.parse(source), source.splitlines()
    late = {
        inner
        for outer in ast.walk(tree)
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        for inner in ast.walk(outer)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        relative = isinstance(node, ast.ImportFrom) and node.level > 0
        # `from coslr import data` may name a module or a schedule, and import-linter sees neither.
        whole = "coslr" in {getattr(node, "module", None), *(alias.name for alias in node.names)}
        explained = "# imported late: " in lines[node.lineno - 1]
        if (node in late and not explained) or relative or whole:
            yield ast.unparse(node)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_are_at_the_top_and_in_full(path):
    assert not list(misplaced(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "source",
    [
        "def late():\n    import math",
        "class Late:\n    from math import pi",
        "from .schedules import cosine",
        "from . import schedules",
        "import coslr",
        "from coslr import schedules",
    ],
)
def test_a_misplaced_import_is_seen(source):
    assert list(misplaced(source))


def lint(root):
    """import-linter's exit status and report on a tree."""
    pytest.importorskip("importlinter", reason="import-linter is not installed")
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    result = subprocess.run(
        [sys.executable, "-c", program, "--no-cache", "--no-logo"],
        cwd=root,
        capture_output=True,
        text=True,
    )
    return result.returncode, result.stdout + result.stderr


def test_the_layers_hold():
    status, report = lint(ROOT)
    assert status == 0, report


@pytest.mark.parametrize(
    ("contract", "name", "source"),
    [
        ("Rooms", "pytorch.py", "from coslr.experiments.training import fit"),
        ("Rooms", "new.py", ""),
        ("Experiments", "experiments/data.py", "from coslr.experiments.training import fit"),
        ("Course", "course/scale.py", "from coslr.course.plotting import axes"),
        ("Lessons", "course/checks/lesson_01.py", "from coslr.course.checks import lesson_00"),
        ("Numpy", "schedules.py", "import torch"),
    ],
)
def test_a_wrong_import_breaks_one_contract(tmp_path, contract, name, source):
    shutil.copytree(PACKAGE, tmp_path / "coslr", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".importlinter", tmp_path)
    with (tmp_path / "coslr" / name).open("a", encoding="utf-8") as file:
        file.write(f"\n{source}\n")
    status, report = lint(tmp_path)
    assert status == 1
    assert re.findall(r"^(\w+): .* BROKEN", report, re.MULTILINE) == [contract], report
    assert f"coslr.{name.removesuffix('.py').replace('/', '.')}" in report


# ------------------------------------------------------------------------- what users see


def test_type_hints_are_announced():
    assert (PACKAGE / "py.typed").is_file()


def test_public_names_are_documented():
    for name in coslr.__all__:
        # A dataclass without a docstring gets its signature for one.
        text = inspect.getdoc(getattr(coslr, name)) or ""
        assert len(text.splitlines()) > 1, f"{name} has no docstring"
        assert not text.startswith(f"{name}("), f"{name} has no docstring"
