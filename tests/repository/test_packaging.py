"""Makefile, conda environment, Binder and pyproject.toml agree, and what is missing is said.

`make` runs in a copy with an interpreter made of a few lines of shell, so nothing is installed.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import coslr

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
ENVIRONMENT = ROOT / "environment.yml"
# A package that has another name on conda-forge.
ON_CONDA = {"torch": "pytorch-cpu"}
# What conda users need not check: the conda environment, the browser, the package, the files of a
# public repository. They skip the tests of other libraries' schedules and of the site as well.
NOT_ON_CONDA = {"coslr", "jupyter-repo2docker", "py-rattler"}
NOT_ON_CONDA |= {"playwright", "axe-playwright-python"}
NOT_ON_CONDA |= {"mypy", "hatchling"}
NOT_ON_CONDA |= {"codespell", "pre-commit", "check-jsonschema", "jsonschema"}

posix = pytest.mark.skipif(os.name == "nt", reason="Windows runs no shell scripts")


def lower_bounds(lines):
    """{package: lower bound} of lines such as `numpy>=1.26` or `numpy >=1.26,<3`."""
    return dict(
        re.fullmatch(r"([\w.-]+)(?:\[\w+\])? *(?:>=([\d.]+))?.*", x).groups() for x in lines
    )


def group(name, included=True):
    """What a dependency group asks for, with or without the groups that it includes."""
    lines = []
    for line in PYPROJECT["dependency-groups"][name]:
        if isinstance(line, str):
            lines.append(line)
        elif included:
            lines += group(line["include-group"])
    return lines


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
    # The other extras are for people who reuse the module with one library.
    lines = [
        line for name in ("train", "course") for line in PROJECT["optional-dependencies"][name]
    ]
    wanted = lower_bounds(PROJECT["dependencies"] + lines + group("test", included=False))
    wanted = {ON_CONDA.get(n, n): low for n, low in wanted.items() if n not in NOT_ON_CONDA}
    by_conda, by_pip = conda_lines()
    found = lower_bounds(by_conda + by_pip)
    assert found.pop("python") is None  # it is pinned
    assert found == wanted
    assert None not in wanted.values()


@posix
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
# that it makes hold programs that only write down how they were called. They fail in a call that
# has a line of the file `fail` in it, and they wait in one that has a line of `hang`.
FAKE_PYTHON = """#!/bin/sh
case "$1" in
  -c) exec "{python}" -c 'import sys; {prelude}; exec(sys.argv[1])' "$2" ;;
esac
rm -rf .venv
mkdir -p .venv/bin
cp fake-program .venv/bin/python
cp fake-program .venv/bin/lint-imports
"""
FAKE_PROGRAM = """#!/bin/sh
echo "${0##*/} $*" >>calls
if test -e hang && echo "$*" | grep -qf hang; then sleep 60; fi
if test -e fail && echo "$*" | grep -qf fail; then exit 1; fi
"""
LOCKED = " -c requirements.lock"
GET_UV = "python -m pip install --quiet --disable-pip-version-check" + LOCKED + " uv"
GET_PIP = GET_UV.removesuffix("uv") + "--upgrade pip>=25.1"
BY_UV = "python -m uv pip install --python .venv/bin/python"
BY_PIP = "python -m pip install"
COURSE = " -e .[course]" + LOCKED
TEST = " -e .[course] --group test" + LOCKED
OPENED = "python -m jupyterlab notebooks/00_start_here.ipynb"


@pytest.fixture
def checkout(tmp_path):
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "fake-program").write_text(FAKE_PROGRAM)
    (tmp_path / "fake-program").chmod(0o755)
    return tmp_path


def start(checkout, *arguments, prelude="pass", needed_gb=0):
    python = checkout / "fake-python"
    python.write_text(FAKE_PYTHON.format(python=sys.executable, prelude=prelude))
    python.chmod(0o755)
    # Not what a `make test` around this test was called with.
    ours = ("MAKE", "MFLAGS", "ARGS", "LATEST", "TORCH_INDEX")
    outside = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    return subprocess.Popen(
        ["make", f"PYTHON={python}", f"NEEDED_GB={needed_gb}", *arguments],
        cwd=checkout,
        env=outside,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def make(checkout, *arguments, **trouble):
    process = start(checkout, *arguments, **trouble)
    stdout, stderr = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def calls(checkout):
    """How the programs in .venv were called since the last look."""
    log = checkout / "calls"
    lines = log.read_text().splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return lines


def touch_later(path, than):
    """Make a file newer than another, as if it had been changed."""
    later = than.stat().st_mtime + 10
    os.utime(path, (later, later))


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
    assert make(checkout, "lab").returncode == 0
    get_uv, install, lab = calls(checkout)
    assert get_uv == GET_UV
    assert install == BY_UV + COURSE
    assert lab.startswith(OPENED)

    assert make(checkout, "lab", "ARGS=--no-browser --port 9999").returncode == 0
    (lab,) = calls(checkout)
    assert lab.startswith(OPENED)
    assert lab.endswith(" --no-browser --port 9999")


@needs_make
def test_lab_trusts_the_notebooks_again_only_when_one_has_changed(checkout):
    (checkout / "notebooks").mkdir()
    notebook = checkout / "notebooks/00_start_here.ipynb"
    notebook.write_text("{}")
    trusted = "python -m nbformat.sign notebooks/00_start_here.ipynb"
    assert make(checkout, "lab").returncode == 0
    assert calls(checkout)[2] == trusted
    make(checkout, "lab")
    assert trusted not in calls(checkout)
    touch_later(notebook, than=checkout / ".venv/.trusted")
    (checkout / "fail").write_text("nbformat.sign")  # JupyterLab opens without a signature too
    assert make(checkout, "lab").returncode == 0
    first, lab = calls(checkout)
    assert (first, lab.startswith(OPENED)) == (trusted, True)


@needs_make
@pytest.mark.parametrize("name", ["pyproject.toml", "requirements.lock"])
def test_a_changed_file_installs_again(checkout, name):
    make(checkout, "lab")
    calls(checkout)
    touch_later(checkout / name, than=checkout / ".venv/.course")
    make(checkout, "lab")
    assert calls(checkout)[:-1] == [BY_UV + COURSE]


@needs_make
def test_test_installs_once_and_runs_every_check(checkout):
    assert make(checkout, "test").returncode == 0
    get_uv, install, *checks = calls(checkout)
    assert [get_uv, install] == [GET_UV, BY_UV + TEST]
    programs = [check.removeprefix("python -m ").split()[0] for check in checks]
    assert programs == ["ruff", "ruff", "mypy", "lint-imports", "pytest", "pytest"]
    assert checks[-1].endswith(" notebooks")

    assert make(checkout, "test").returncode == 0
    assert calls(checkout) == checks
    # The tests' packages include those of the course and of the site.
    for target in ("lab", "site", "test-full", "e2e", "peers"):
        make(checkout, target)
        (call,) = calls(checkout)
        assert " install " not in call, target


@needs_make
def test_a_failed_check_or_installation_fails(checkout):
    make(checkout, "test")
    (checkout / "fail").write_text("ruff")
    calls(checkout)
    assert make(checkout, "test").returncode != 0
    assert len(calls(checkout)) == 1  # the first check, and none after it

    (checkout / "fail").write_text("--group")
    touch_later(checkout / "pyproject.toml", than=checkout / ".venv/.test")
    failed = make(checkout, "test")
    assert failed.returncode != 0
    assert "'touch .venv/.test' goes on with those that are there" in failed.stderr
    touch_later(checkout / ".venv/.test", than=checkout / "pyproject.toml")
    calls(checkout)
    make(checkout, "test")
    assert not [call for call in calls(checkout) if " install " in call]


@needs_make
def test_pip_installs_where_uv_cannot_be_had(checkout):
    (checkout / "fail").write_text(" uv$")
    result = make(checkout, "lab")
    assert result.returncode == 0
    assert "uv could not be installed, so pip installs" in result.stderr
    assert calls(checkout)[:-1] == [GET_UV, GET_PIP, BY_PIP + COURSE]
    # Nor may what it installs ask for uv.
    assert "uv" not in lower_bounds(group("test"))


@needs_make
def test_no_network_is_said_before_anything_is_installed(checkout):
    (checkout / "fail").write_text(" uv$\npip>=")
    result = make(checkout, "lab")
    said, _ = result.stderr.strip().splitlines()  # make adds its own `Error 1`
    assert result.returncode != 0
    assert said.endswith("The first call needs the network.")
    assert calls(checkout) == [GET_UV, GET_PIP]
    (checkout / "fail").unlink()
    assert make(checkout, "lab").returncode == 0


@needs_make
def test_an_installation_that_failed_goes_on_and_one_that_was_killed_starts_again(checkout):
    (checkout / "fail").write_text("-e")
    make(checkout, "lab")
    (checkout / "fail").unlink()
    calls(checkout)
    make(checkout, "lab")
    assert calls(checkout)[:-1] == [BY_UV + COURSE]

    (checkout / ".venv/.course").unlink()
    (checkout / "hang").write_text("-e")
    killed = start(checkout, "lab")
    while not any("-e" in call for call in calls(checkout)):
        time.sleep(0.01)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    (checkout / "hang").unlink()
    assert "Making .venv" in make(checkout, "lab").stdout
    assert calls(checkout)[:-1] == [GET_UV, BY_UV + COURSE]


@needs_make
def test_an_environment_without_its_interpreter_starts_again(checkout):
    """As after an upgrade of the Python that it was made with."""
    make(checkout, "lab")
    (checkout / ".venv/bin/python").unlink()
    (checkout / ".venv/bin/python").symlink_to("/no/such/python")
    calls(checkout)
    assert make(checkout, "lab").returncode == 0
    assert calls(checkout)[:-1] == [GET_UV, BY_UV + COURSE]


@needs_make
def test_python_keeps_its_compiled_modules_though_the_environment_says_no(checkout, monkeypatch):
    (checkout / "fake-program").write_text(
        FAKE_PROGRAM + 'echo "compiled: $PYTHONDONTWRITEBYTECODE" >>calls\n'
    )
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    make(checkout, "test")
    assert {line for line in calls(checkout) if line.startswith("compiled")} == {"compiled: "}


@needs_make
def test_latest_ignores_the_lock_until_it_is_taken_back(checkout):
    make(checkout, "lab")
    calls(checkout)
    newest = [call.replace(LOCKED, "") for call in (GET_UV, BY_UV + COURSE)]
    make(checkout, "lab", "LATEST=1")
    assert calls(checkout)[:-1] == newest
    for arguments in (["LATEST=1"], []):
        make(checkout, "lab", *arguments)
        assert len(calls(checkout)) == 1  # JupyterLab
    make(checkout, "lab", "LATEST=")
    assert calls(checkout)[:-1] == [GET_UV, BY_UV + COURSE]


@needs_make
def test_another_index_serves_torch_and_torchvision_alone(checkout):
    index = "TORCH_INDEX=https://index.example/cpu"
    torch = BY_UV + " --no-deps torch torchvision" + LOCKED
    make(checkout, "lab", index)
    assert calls(checkout)[:-1] == [GET_UV, torch, BY_UV + COURSE]
    make(checkout, "test")  # .venv remembers the index
    assert calls(checkout)[:2] == [torch, BY_UV + TEST]
    make(checkout, "test", "TORCH_INDEX=")
    assert calls(checkout)[:2] == [GET_UV, BY_UV + TEST]


@needs_make
def test_lock_takes_no_name_of_a_torch_from_the_environment(checkout, monkeypatch):
    (checkout / "fake-program").write_text(
        FAKE_PROGRAM + 'echo "torch: $UV_TORCH_BACKEND" >>calls\n'
    )
    monkeypatch.setenv("UV_TORCH_BACKEND", "cpu")
    make(checkout, "lock", "ARGS=--upgrade")
    get_uv, with_cpu, compiled, without = calls(checkout)
    assert (get_uv, with_cpu, without) == (GET_UV, "torch: cpu", "torch: ")
    assert compiled.startswith("python -m uv pip compile ")
    assert " --output-file requirements.lock " in compiled
    assert compiled.endswith(" --upgrade")
