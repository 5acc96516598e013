"""A new schedule or lesson is complete; CONTRIBUTING.md says what belongs to each."""

import ast
import inspect
import json
import re
from pathlib import Path

import pytest

import coslr
from coslr import schedules

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


# ------------------------------------------------------------------------------- a schedule

FAMILY = sorted(
    name
    for name, kind in vars(schedules).items()
    if inspect.isclass(kind)
    and issubclass(kind, coslr.Schedule)
    and kind.__module__ == "coslr.schedules"
    # The base, and what `warmup`, `join` and `stretch` return.
    and name not in ("Schedule", "Warmup", "Join", "Stretched")
)


@pytest.mark.parametrize("name", FAMILY)
def test_a_schedule_is_exported_documented_held_to_the_laws_and_shown(name):
    from tests.test_laws import KINDS

    assert name in coslr.__all__, "coslr/__init__.py"
    text = inspect.getdoc(getattr(schedules, name))
    for part in ("\nArgs:\n", " >>> ", "Source: ", ".length", "Before"):
        assert part in text, f"its docstring lacks {part!r}"
    assert name in KINDS, "tests/test_laws.py"
    (notebook,) = (path for path in NOTEBOOKS if path.stem == "02_other_schedules")
    assert re.search(rf"\b{name}\(", code(notebook)), "notebook 02 does not draw it"


# --------------------------------------------------------------------------------- a lesson


@each
def test_a_lesson_has_tested_checkers_and_uses_each(path):
    lesson = f"lesson_{path.stem[:2]}"
    module = ROOT / f"coslr/course/checks/{lesson}.py"
    checkers = {
        node.name
        for node in ast.parse(module.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }
    assert f"from coslr.course.checks import {lesson} as checks" in code(path)
    used = set(re.findall(r"^checks\.(\w+)\(", code(path), re.MULTILINE))
    assert used == checkers
    tests = (ROOT / f"tests/course/checks/test_{lesson}.py").read_text(encoding="utf-8")
    assert f"module, right, impostors = {lesson}, RIGHT, IMPOSTORS" in tests
