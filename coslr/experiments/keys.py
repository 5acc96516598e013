"""The key of a trial's result: a digest of everything that the result depends on.

These are the trial, the reader's code in it, our code that trains it, the releases of PyTorch,
NumPy and Python, and the kind of device. Results of another environment thus have other keys and
stay where they are.
"""

import ast
import dataclasses
import hashlib
import platform
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np

from coslr._optional import extra
from coslr.experiments.fingerprint import fingerprint
from coslr.experiments.one_trial import training_device
from coslr.experiments.trials import Trial

with extra("train"):
    import torch

# `coslr.experiments.one_trial` and every file that it imports, directly or through others, but
# those that only draw or write messages. A test compares.
TRAINING_CODE = (
    "_arguments",
    "_comparing",
    "_configs",
    "_hypotheses",
    "_optimizers",
    "_parts",
    "_rates",
    "audit",
    "diagnosis",
    "pytorch",
    "schedules",
    "trace",
    "experiments/batchnorm",
    "experiments/data",
    "experiments/models",
    "experiments/one_trial",
    "experiments/randomness",
    "experiments/text",
    "experiments/training",
    "experiments/trials",
)
# Read now, as this process imports the code, and not later, when the files may have changed.
_SOURCES = {name: (Path(__file__).parents[1] / f"{name}.py").read_bytes() for name in TRAINING_CODE}


def trial_fingerprint(trial: Trial) -> str:
    """A digest of the trial and of the reader's code in it.

    The fields that only tables show are left out: a trial may be renamed without being trained
    again.
    """
    return fingerprint(dataclasses.replace(trial, name="", eta_max=0.0, extras=()))


def result_key(trial_fingerprint: str) -> str:
    """The key of a trial's result in this process's environment.

    The process that trains the trial makes the key: a worker of a cluster may have another release
    than the process that wrote the trial. The fingerprint comes from the latter, where the reader's
    functions are at home.
    """
    parts = [trial_fingerprint, *environment().values()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@lru_cache
def environment() -> dict[str, str]:
    """What a result depends on beside its trial: our code, releases, and kind of device.

    >>> list(environment())
    ['code', 'torch', 'numpy', 'python', 'device']
    """
    major, minor, _ = platform.python_version_tuple()
    return {
        "code": code_digest(_SOURCES),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "python": f"{platform.python_implementation()} {major}.{minor}",
        "device": training_device().type,
    }


def code_digest(sources: Mapping[str, bytes]) -> str:
    """A digest of some files of code, whatever their comments, docstrings and layout.

    >>> one = {"a": b"def f(x):\\n    return x + 1  # the next number"}
    >>> same = {"a": b'def f(x):\\n    "The next number."\\n\\n    return (x + 1)'}
    >>> other = {"a": b"def f(x):\\n    return x + 2  # the next number"}
    >>> code_digest(one) == code_digest(same), code_digest(one) == code_digest(other)
    (True, False)
    """
    digest = hashlib.sha256()
    for name, source in sources.items():
        tree = ast.parse(source)
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                node.body = [part for part in node.body if not _is_text(part)]
        digest.update(repr((name, ast.dump(tree))).encode())
    return digest.hexdigest()


def _is_text(statement: ast.stmt) -> bool:
    """Whether the statement is a string and nothing else, as docstrings are."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
