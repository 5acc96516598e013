"""Every recipe of the site runs as it is, and a mistake in it is caught."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
RECIPES = {path.stem: path for path in sorted((ROOT / "docs" / "recipes").glob("*.py"))}
PAGE = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
# These need a library that takes seconds to import, or processes of their own. The others run
# within this process too, which has torch already.
NEEDS = {
    "several_processes": "torch",
    "with_accelerate": "accelerate",
    "with_keras": "keras",
    "with_lightning": "lightning",
    "with_optax": "optax",
    "with_trainer": "transformers",
}
LIGHT = sorted(RECIPES.keys() - NEEDS)
SAYS = r"\d+ updates.* at the schedule's rate|the second run is wrong: "

# For each recipe a mistake: a text in it, what replaces the text, and what Python must then say.
MISTAKES = {
    "finished_run": ("steps_per_update=2", "steps_per_update=1", "AssertionError"),
    "gradient_accumulation": (", only_after_update=True", "", "AuditError: update 0"),
    "mixed_precision": (", only_after_update=True", "", "AuditError: update 0"),
    "plain_loop": ("            scheduler.step()\n", "", "AuditError: update 1"),
    "resume": (
        '"scheduler": scheduler}',
        '"scheduler": torch.nn.Identity()}',
        "AuditError: update 70",
    ),
    "several_processes": (
        "scheduler.step()",
        "[scheduler.step() for _ in range(processes)]",
        "AuditError: update 1 of process [01]",
    ),
    "two_param_groups": (
        "scheduler.schedules",
        "schedule",
        r"AuditError: update 0 \(param group 0\)",
    ),
    "with_accelerate": (", only_after_update=True", "", "AuditError: update 0"),
    "with_keras": ("as_schedule(schedule)", "as_schedule(schedule.stretch(2))", "TraceError"),
    "with_lightning": (', "interval": "step"', "", "AuditError: update 1"),
    "with_optax": ("=schedule)", "=schedule.stretch(2))", "TraceError: update 1"),
    "with_trainer": ("optimizer, schedule)", "optimizer, schedule, last_epoch=0)", "AuditError"),
}


def program(name, mistake=None):
    source = RECIPES[name].read_text(encoding="utf-8")
    if mistake is not None:
        right, wrong, _ = mistake
        assert source.count(right) == 1, f"{name} has changed: {right!r} is not there once"
        source = source.replace(right, wrong)
    return source


def run(source, folder):
    """Run a recipe in a process and a folder of its own."""
    (folder / "recipe.py").write_text(source, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-W", "ignore", "recipe.py"],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )


def run_here(source):
    exec(compile(source, "recipe.py", "exec"), {"__name__": "__main__"})


def skip_without_its_library(name):
    # Importing Keras fails without a variable that names its backend.
    if importlib.util.find_spec(NEEDS.get(name, "torch")) is None:
        pytest.skip(f"{NEEDS[name]} is not installed")


@pytest.mark.parametrize("name", LIGHT)
def test_a_light_recipe_runs(name, capsys):
    run_here(program(name))
    assert re.search(SAYS, capsys.readouterr().out)


@pytest.mark.filterwarnings("ignore:scheduler.step")
@pytest.mark.parametrize("name", LIGHT)
def test_a_light_recipe_with_a_mistake_is_caught(name):
    with pytest.raises(AssertionError) as caught:
        run_here(program(name, MISTAKES[name]))
    assert re.search(MISTAKES[name][2], f"{caught.type.__name__}: {caught.value}")


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_runs_by_itself(tmp_path, name):
    skip_without_its_library(name)
    result = run(program(name), tmp_path)
    assert result.returncode == 0, result.stderr
    assert re.search(SAYS, result.stdout)
    assert [path.name for path in tmp_path.iterdir()] == ["recipe.py"], "it leaves files behind"


@pytest.mark.slow
@pytest.mark.parametrize("name", NEEDS)
def test_a_recipe_with_a_mistake_is_caught(tmp_path, name):
    skip_without_its_library(name)
    result = run(program(name, MISTAKES[name]), tmp_path)
    assert result.returncode != 0
    assert re.search(MISTAKES[name][2], result.stderr), result.stderr


def test_the_page_shows_every_recipe_and_each_has_a_mistake():
    shown = re.findall(r"^```{literalinclude} recipes/(\w+)\.py$", PAGE, re.MULTILINE)
    assert sorted(shown) == sorted(RECIPES) == sorted(MISTAKES)
