"""The wheel and the sdist: what is in them, that nothing else is, and that it runs alone."""

import email
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import coslr

pytest.importorskip("hatchling")
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).resolve().parents[2]
NAME = f"coslr-{coslr.__version__}"
SAMPLES = {
    "README.md",
    "LICENSE-fashion-mnist",
    "fashion_mnist_sample.npz",
    "persuasion.txt.gz",
}
EXPLORABLES = {
    "style.css",
    *(f"{name}.js" for name in ("shared", "schedule", "noise", "cloud", "seeds", "frames")),
}
# What the module's folder holds in a clean checkout.
MODULE = {
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "coslr").rglob("*")
    if path.is_file() and path.suffix not in (".pyc", ".pyo")
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    (path,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("wheel")))
    return Path(path)


@pytest.fixture(scope="module")
def unpacked(wheel, tmp_path_factory):
    """The wheel as pip installs it."""
    folder = tmp_path_factory.mktemp("site-packages")
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    """The sdist, unpacked."""
    (path,) = SdistBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("sdist")))
    folder = tmp_path_factory.mktemp("source")
    with tarfile.open(path) as packed:
        packed.extractall(folder, filter="data")
    return folder / NAME


def files(folder):
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_the_module_is_code_and_samples():
    """So that what follows does not pack a stray file by the wildcard above."""
    known = {f"coslr/experiments/samples/{name}" for name in SAMPLES}
    known |= {f"coslr/course/explorables/{name}" for name in EXPLORABLES}
    assert known | {"coslr/py.typed"} == {name for name in MODULE if not name.endswith(".py")}


def test_the_wheel_holds_the_module_and_its_licences(wheel, unpacked):
    assert wheel.name == f"{NAME}-py3-none-any.whl"
    info = f"{NAME}.dist-info"
    described = {f"{info}/{name}" for name in ("METADATA", "RECORD", "WHEEL", "licenses/LICENSE")}
    assert files(unpacked) == MODULE | described


def test_the_sdist_holds_what_builds_the_wheel(sdist, wheel, tmp_path):
    beside = {"README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml", "PKG-INFO", ".gitignore"}
    assert files(sdist) == MODULE | beside
    (again,) = WheelBuilder(str(sdist)).build(directory=str(tmp_path))
    first, second = zipfile.ZipFile(wheel), zipfile.ZipFile(again)
    assert {x: first.read(x) for x in first.namelist()} == {
        x: second.read(x) for x in second.namelist()
    }


def test_only_numpy_is_required(unpacked):
    metadata = (unpacked / f"{NAME}.dist-info/METADATA").read_text(encoding="utf-8")
    required = email.message_from_string(metadata).get_all("Requires-Dist")
    assert [x for x in required if "extra ==" not in x] == ["numpy>=1.26"]


# Everything that is neither Python's own, nor numpy, nor in the wheel is missing.
ALONE = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in {*sys.stdlib_module_names, "numpy", "coslr"}:
            raise ModuleNotFoundError(f"No module named {name!r}")

sys.meta_path.insert(0, Missing())
sys.path.insert(0, sys.argv[1])
import coslr

assert coslr.__file__.startswith(sys.argv[1])
kinds = {kind.__name__ for kind in coslr.Schedule.__subclasses__()}
assert kinds <= {*coslr.__all__, "Warmup", "Join", "Stretched"}
schedule = coslr.warmup(coslr.Cosine(50, 0.1, 0.0001), 5)
assert coslr.from_dict(schedule.to_dict()) == schedule
try:
    import coslr.pytorch
except ModuleNotFoundError as error:
    print(schedule(55), error)
"""


def test_alone_with_numpy_it_gives_the_schedules(unpacked):
    result = subprocess.run(
        [sys.executable, "-I", "-c", ALONE, str(unpacked)], capture_output=True, text=True
    )
    remedy = 'install it with pip install "coslr[train]"'
    assert result.stdout == f"0.0001 No module named 'torch': {remedy}\n", result.stderr
