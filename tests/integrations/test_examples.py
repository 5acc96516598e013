"""The examples in the docstrings of the integrations, and what they say without their library.

pytest does not collect these modules: their libraries take seconds to import, and Keras needs a
variable that names its backend.
"""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("library", ["keras", "lightning", "transformers"])
def test_examples(library):
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    program = (
        f"import doctest, coslr.integrations.{library} as module\n"
        "result = doctest.testmod(module); raise SystemExit(result.failed)"
    )
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        env={**os.environ, "KERAS_BACKEND": "torch"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("library", ["keras", "lightning", "transformers"])
def test_a_missing_library_names_its_extra(library):
    program = f"import sys; sys.modules[{library!r}] = None; import coslr.integrations.{library}"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert f'install it with pip install "coslr[{library}]"' in result.stderr
