"""Makefile, conda environment, Binder and pyproject.toml agree, and what is missing is said.

`make` runs in a copy with an interpreter made of a few lines of shell, so nothing is installed.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import coslr

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ENVIRONMENT = ROOT / "environment.yml"
# Packages under another name on conda-forge, and those that only check what is checked here.
ON_CONDA = {"torch": "pytorch-cpu"}
NOT_ON_CONDA = {"coslr", "jupyter-repo2docker", "py-rattler"}
NOT_ON_CONDA |= {"playwright", "axe-playwright-python"}
NOT_ON_CONDA |= {"mypy", "hatchling"}
# Other libraries' schedules, the site and the package are checked by tests that conda users skip.
EXTRAS = {
    k: v for k, v in PROJECT["optional-dependencies"].items() if k not in ("peers", "site", "build")
}

posix = pytest.mark.skipif(os.name == "nt", reason="Windows runs no shell scripts")


def lower_bounds(lines):
    """{package: lower bound} of lines such as `numpy>=1.26` or `numpy >=1.26,<3`."""
    return dict(
        re.fullmatch(r"([\w.-]+)(?:\[\w+\])? *(?:>=([\d.]+))?.*", x).groups() for x in lines
    )


def conda_lines():
    """The lines for conda, and those for the pip that it has installed."""
    yaml = pytest.importorskip("yaml")
    *lines, last = yaml.safe_load(ENVIRONMENT.read_text(encoding="utf-8"))["dependencies"]
    assert list(last) == ["pip"]
    return lines, last["pip"]


# ------------------------------------------------------------------------------ conda, Binder


def test_binder_environment_is_an_equal_copy():
    """repo2docker looks into binder/ alone once it is there."""
    assert (ROOT / "binder/environment.yml").read_bytes() == ENVIRONMENT.read_bytes()


def test_conda_lines_parse():
    rattler = pytest.importorskip("rattler")
    lines, by_pip = conda_lines()
    for line in lines:
        spec = rattler.MatchSpec(line, strict=True)
        assert spec.version, f"{line} names no version"
        assert not spec.build, f"{line}: what comes after the version is taken for a build"
    for line in by_pip:
        assert Requirement(line).specifier, f"{line} names no version"


def test_conda_has_what_pip_would_install():
    lines = [line for extra in EXTRAS.values() for line in extra]
    wanted = lower_bounds(PROJECT["dependencies"] + lines)
    wanted = {ON_CONDA.get(n, n): low for n, low in wanted.items() if n not in NOT_ON_CONDA}
    by_conda, by_pip = conda_lines()
    found = lower_bounds(by_conda + by_pip)
    assert found.pop("python") is None  # it is pinned, and pip is for the module itself
    assert found.pop("pip")
    assert found == wanted
    assert None not in wanted.values()


def test_binder_reads_all_its_files(tmp_path):
    pytest.importorskip("repo2docker")
    shutil.copytree(ROOT / "binder", tmp_path / "binder")
    for name in ("pyproject.toml", "environment.yml", "Makefile"):
        shutil.copy2(ROOT / name, tmp_path)
    result = subprocess.run(
        [sys.executable, "-m", "repo2docker", "--no-build", "--debug", tmp_path],
        capture_output=True,
        text=True,
    )
    log = result.stdout + result.stderr
    assert result.returncode == 0, log
    assert "Building conda environment for python=3.12" in log
    assert '--file "binder/environment.yml"' in log
    assert "RUN ./binder/postBuild" in log
    assert 'R2D_ENTRYPOINT="${REPO_DIR}/binder/start"' in log


@posix
@pytest.mark.parametrize("script", ["binder/postBuild", "binder/start", ".ci/run"])
def test_scripts_are_executable(script):
    assert os.access(ROOT / script, os.X_OK)


@posix
def test_start_becomes_its_command():
    """It does not wait beside it, so that the command gets the signals."""
    command = ["sh", "-c", 'echo "$$ $OMP_NUM_THREADS $LOKY_MAX_CPU_COUNT $1"', "sh", "two words"]
    start = subprocess.Popen([ROOT / "binder/start", *command], stdout=subprocess.PIPE, text=True)
    assert start.communicate()[0] == f"{start.pid} 2 1 two words\n"


def test_version_is_said_once():
    assert coslr.__version__ == PROJECT["version"]


# ----------------------------------------------------------------------------------- the Makefile

needs_make = pytest.mark.skipif(
    os.name == "nt" or not shutil.which("make"), reason="needs make and a POSIX shell"
)

# An interpreter that answers the Makefile's questions with {prelude} run first. The environments
# that it makes hold an interpreter that only writes down how it was called.
FAKE_PYTHON = """#!/bin/sh
case "$1" in
  -c) exec "{python}" -c 'import sys; {prelude}; exec(sys.argv[1])' "$2" ;;
esac
mkdir -p .venv/bin
printf '#!/bin/sh\\necho "$@" >>calls\\ntest ! -e fail\\n' >.venv/bin/python
chmod +x .venv/bin/python
"""


@pytest.fixture
def checkout(tmp_path):
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def make(checkout, *arguments, prelude="pass", needed_gb=0):
    python = checkout / "fake-python"
    python.write_text(FAKE_PYTHON.format(python=sys.executable, prelude=prelude))
    python.chmod(0o755)
    # Not what a `make test` around this test was called with.
    outside = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS", "ARGS"))}
    return subprocess.run(
        ["make", f"PYTHON={python}", f"NEEDED_GB={needed_gb}", *arguments],
        cwd=checkout,
        env=outside,
        capture_output=True,
        text=True,
    )


def calls(checkout):
    """How the interpreter in .venv was called since the last look."""
    log = checkout / "calls"
    lines = log.read_text().splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return lines


@needs_make
@pytest.mark.parametrize(
    ("trouble", "sentence"),
    [
        ({"prelude": "sys.version_info = (3, 10, 14)"}, "is not Python 3.11 or newer: install"),
        ({"prelude": 'sys.modules["ensurepip"] = None'}, "install its venv module"),
        ({"prelude": 'sys.modules["venv"] = None'}, "install its venv module"),
        ({"needed_gb": 999_999}, "free some space"),
    ],
)
@pytest.mark.parametrize("target", ["lab", "test"])
def test_what_is_missing_is_said_in_one_sentence(checkout, target, trouble, sentence):
    result = make(checkout, target, **trouble)
    said, make_said = result.stderr.strip().splitlines()  # make adds its own `Error 1`
    assert result.returncode != 0
    assert sentence in said
    assert said.endswith(".")
    assert "Error" in make_said
    assert not (checkout / ".venv").exists()


@needs_make
def test_no_python_at_all_is_said_too(checkout):
    result = make(checkout, "lab", "PYTHON=", "PYTHONS=no-such-python")
    assert "python3 is not Python 3.11 or newer" in result.stderr
    assert result.returncode != 0


@needs_make
def test_lab_installs_once_and_passes_arguments(checkout):
    opened = "-m jupyterlab notebooks/00_start_here.ipynb"
    assert make(checkout, "lab").returncode == 0
    install, lab = calls(checkout)
    assert install == "-m pip install -e .[course]"
    assert lab.startswith(opened)

    assert make(checkout, "lab", "ARGS=--no-browser --port 9999").returncode == 0
    (lab,) = calls(checkout)
    assert lab.startswith(opened)
    assert lab.endswith(" --no-browser --port 9999")

    newer = (checkout / ".venv/.course").stat().st_mtime + 10
    os.utime(checkout / "pyproject.toml", (newer, newer))
    make(checkout, "lab")
    assert "-m pip install -e .[course]" in calls(checkout)


@needs_make
def test_test_installs_once_and_runs_every_check(checkout):
    assert make(checkout, "test").returncode == 0
    install, *checks = calls(checkout)
    assert install == "-m pip install -e .[test]"
    assert [check.split()[1] for check in checks] == ["ruff", "ruff", "mypy", "pytest", "pytest"]
    assert checks[-1].endswith(" notebooks")

    assert make(checkout, "test").returncode == 0
    assert calls(checkout) == checks
    make(checkout, "lab")  # the tests' packages include the course's
    assert not [call for call in calls(checkout) if call.startswith("-m pip")]


@needs_make
def test_a_failed_check_or_installation_fails(checkout):
    make(checkout, "test")
    (checkout / "fail").touch()
    calls(checkout)
    assert make(checkout, "test").returncode != 0
    assert len(calls(checkout)) == 1  # the first check, and none after it

    shutil.rmtree(checkout / ".venv")
    failed = make(checkout, "test")
    assert failed.returncode != 0
    assert "'touch .venv/.test' goes on with those that are there" in failed.stderr
    assert not (checkout / ".venv/.test").exists()


@needs_make
@pytest.mark.parametrize("killed", [True, False])
def test_only_an_interrupted_installation_starts_again(checkout, killed):
    make(checkout, "lab")
    (checkout / ".venv/.course").unlink()
    if killed:
        (checkout / ".venv/.unfinished").touch()
    result = make(checkout, "lab")
    assert ("Making .venv" in result.stdout) == killed
    assert (checkout / ".venv/.course").exists()
    assert not (checkout / ".venv/.unfinished").exists()
