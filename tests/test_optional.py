"""A module that needs a missing package names the extra of coslr that installs it."""

import subprocess
import sys
from pathlib import Path

import pytest

import coslr

# The first argument is missing here, whatever is installed, and the second is imported.
PROGRAM = """
import sys

missing, module = sys.argv[1:]

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == missing:
            raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)

sys.meta_path.insert(0, Blocker())
try:
    __import__(module)
except ModuleNotFoundError as error:
    print(error.name, error, sep="|")
"""


@pytest.mark.parametrize(
    ("missing", "module", "extra"),
    [
        ("torch", "coslr.pytorch", "train"),
        ("filelock", "coslr.experiments.store", "train"),
        ("scipy", "coslr.theory", "train"),
        ("scipy", "coslr.experiments.outcomes", "train"),
        ("matplotlib", "coslr.course.plotting", "course"),
        # These import PyTorch before the package that is missing.
        pytest.param("torch", "coslr.experiments.data", "train", marks=pytest.mark.slow),
        pytest.param("pandas", "coslr.experiments.contests", "train", marks=pytest.mark.slow),
        pytest.param("pandas", "coslr.course.evidence", "train", marks=pytest.mark.slow),
    ],
)
def test_an_import_without_its_package_names_the_extra(missing, module, extra):
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, missing, module],
        cwd=Path(coslr.__file__).parents[1],
        capture_output=True,
        text=True,
    )
    message = f"""No module named '{missing}': install it with pip install "coslr[{extra}]\""""
    assert result.stdout == f"{missing}|{message}\n", result.stderr
