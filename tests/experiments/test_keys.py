"""A result is found again by what it depends on, and by nothing else."""

import ast
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

import coslr
from coslr import Constant, Cosine
from coslr.experiments import keys
from coslr.experiments.keys import code_digest, environment, result_key, trial_fingerprint
from coslr.experiments.models import SmallGRU
from coslr.experiments.trials import Split, Trial

PACKAGE = Path(coslr.__file__).parent
DATA = Split(n_train=200, n_validation=100, n_test=100)
TRIAL = Trial(
    name="a", schedule=Cosine(8, 0.1), eta_max=0.1, seed=0, epochs=2, batch_size=50, data=DATA
)


def test_only_what_tables_show_may_change_without_training():
    """Each argument of a trial, and each of its data, in turn."""
    changed = {
        "schedule": Cosine(8, 0.1, 1e-9), "seed": 3, "epochs": 3, "batch_size": 40,
        "data": Split(n_train=200, n_validation=100, n_test=90), "model": SmallGRU,
        "optimizer": "Adam", "options": {"momentum": 0.8}, "momentum": Constant(0.9),
        "weight_decay": Constant(0.01),
        "snapshots": [1], "weights": True, "predictions": False,
    }  # fmt: skip
    shown = {"name": "b", "eta_max": 0.3, "extras": {"c": 1}}
    assert {field.name for field in dataclasses.fields(Trial)} == changed.keys() | shown.keys()
    before = trial_fingerprint(TRIAL)
    for name, value in shown.items():
        assert trial_fingerprint(dataclasses.replace(TRIAL, **{name: value})) == before, name
    found = {trial_fingerprint(dataclasses.replace(TRIAL, **{n: v})) for n, v in changed.items()}
    data = {
        "n_train": 210, "n_validation": 110, "n_test": None, "size": 28, "full": True,
        "folder": "there", "fold": 1,
    }  # fmt: skip
    assert {field.name for field in dataclasses.fields(Split)} == data.keys()
    for name, value in data.items():
        other = dataclasses.replace(DATA, **{name: value})
        found.add(trial_fingerprint(dataclasses.replace(TRIAL, data=other)))
    assert len(found | {before}) == len(changed) + len(data) + 1


# ----------------------------------------------------------------------- the code that trains


# Files whose change cannot change a result: one draws a schedule, one names a missing extra.
NOT_TRAINING = {"_picture", "_optional"}


def imported_files(name, found=()):
    """A file of coslr and all files of coslr that it imports, directly or through others."""
    found = {*found, name}
    for node in ast.walk(ast.parse((PACKAGE / f"{name}.py").read_bytes())):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            # `from package import name` may name a file, or something in the package's __init__.
            modules = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for module in modules:
            package, *parts = module.split(".")
            if package == "coslr" and (file := file_of(parts)) not in found | NOT_TRAINING:
                found = imported_files(file, found)
    return found


def file_of(parts):
    """The file that holds a module, or a name in a module."""
    *above, _ = parts = parts or ["__init__"]
    candidates = ["/".join(parts), "/".join([*parts, "__init__"])]
    candidates += ["/".join(above), "/".join([*above, "__init__"])]
    return next(file for file in candidates if (PACKAGE / f"{file}.py").is_file())


def test_all_code_that_trains_counts():
    assert set(keys.TRAINING_CODE) == imported_files("experiments/one_trial")


def test_an_import_is_seen():
    assert file_of(["experiments", "data"]) == "experiments/data"
    assert file_of(["experiments", "data", "Images"]) == "experiments/data"
    assert file_of(["experiments"]) == "experiments/__init__"
    assert file_of(["Cosine"]) == "__init__"
    assert {"schedules", "experiments/store"} <= imported_files("experiments/studies")


def test_the_code_is_read_when_it_is_imported():
    for name, source in keys._SOURCES.items():
        assert (PACKAGE / f"{name}.py").read_bytes() == source


CODE = b'''"""A file."""
from math import pi

class Wave:
    """A wave."""
    rate = 0.1

    def __call__(self, t):
        """Its value."""
        # Half of it.
        return self.rate * pi / 2

async def wait():
    """For nothing."""
    return None
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"A file.", b"The file."), (b"A wave.", b"All of a wave.\n\n    More."),
        (b"Its value", b""), (b"# Half of it.", b"# A half."), (b"For nothing", b"For something"),
        (b"    rate = 0.1\n", b"    rate = 0.1\n    'The rate.'\n"),
        (b"self.rate * pi / 2", b"(self.rate * pi) / 2  # whole"),
        (b"    return None", b"\n    return None"),
    ],
)  # fmt: skip
def test_comments_docstrings_and_layout_do_not_count(old, new):
    assert CODE.count(old) == 1
    assert code_digest({"a": CODE}) == code_digest({"a": CODE.replace(old, new)})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"0.1", b"0.2"), (b"pi / 2", b"pi / 3"), (b"self.rate * pi", b"pi * self.rate"),
        (b"from math import pi", b"from numpy import pi"), (b"return None", b"return 'text'"),
        (b"class Wave:", b"class Wave(int):"), (b"async def", b"def"),
    ],
)  # fmt: skip
def test_any_other_change_counts(old, new):
    assert CODE.count(old) == 1
    assert code_digest({"a": CODE}) != code_digest({"a": CODE.replace(old, new)})


def test_a_change_of_place_counts():
    assert code_digest({"a": CODE, "b": b""}) != code_digest({"a": b"", "b": CODE})


# ---------------------------------------------------------------------------- the environment


@pytest.fixture
def fresh():
    environment.cache_clear()
    yield
    environment.cache_clear()


@pytest.mark.parametrize(
    ("owner", "name", "value"),
    [
        (torch, "__version__", "0.1"),
        (np, "__version__", "0.1"),
        (keys.platform, "python_version_tuple", lambda: ("3", "99", "0")),
        (keys.platform, "python_implementation", lambda: "PyPy"),
        (keys, "training_device", lambda: torch.device("meta")),
        (keys, "_SOURCES", keys._SOURCES | {"schedules": keys._SOURCES["schedules"] + b"\nx = 1"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_another_environment_is_another_key(fresh, monkeypatch, owner, name, value):
    before = result_key("trial")
    assert before == result_key("trial") != result_key("other trial")
    environment.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, value)
        assert result_key("trial") != before


def test_a_comment_in_our_code_throws_no_result_away(fresh, monkeypatch):
    before = result_key("trial")
    environment.cache_clear()
    commented = {name: source + b"\n# A remark.\n" for name, source in keys._SOURCES.items()}
    monkeypatch.setattr(keys, "_SOURCES", commented)
    assert result_key("trial") == before
