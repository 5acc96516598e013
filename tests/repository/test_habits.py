"""What a public repository has beside its code: workflows, forms, hooks, citation, container.

GitHub reads most of these files, and says what is wrong with one only after a push. These tests
say it before. They compare the files with pyproject.toml and the Makefile, and with the published
schemas.
"""

import configparser
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
CONFIG = GITHUB / "ISSUE_TEMPLATE/config.yml"
FORMS = sorted({*(GITHUB / "ISSUE_TEMPLATE").glob("*.yml")} - {CONFIG})


def read(path):
    """A YAML file. PyYAML takes GitHub's key `on` for the truth value that it was in YAML 1.1."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {"on" if key is True else key: value for key, value in content.items()}


def jobs(path):
    return read(path)["jobs"]


def steps(path):
    return [step for job in jobs(path).values() for step in job.get("steps", [])]


def commands(these):
    """What some steps run."""
    return "\n".join(step["run"] for step in these if "run" in step)


def name_of(path):
    return path.name


# --------------------------------------------------------------------------------- the workflows

# Which jobs may do more than read the repository. Both need a token that names the workflow.
MAY_WRITE = {
    ("site.yml", "deploy"): {"pages": "write", "id-token": "write"},
    ("release.yml", "publish"): {"id-token": "write"},
}


def excess_permissions(path):
    """Rights that a workflow has and does not need."""
    found = [] if read(path)["permissions"] in ({}, {"contents": "read"}) else ["the workflow"]
    for name, job in jobs(path).items():
        rights = job.get("permissions", {})
        writing = {right: level for right, level in rights.items() if level != "read"}
        if writing != MAY_WRITE.get((path.name, name), {}):
            found.append(name)
    return found


def keeps_credentials(path):
    """Checkouts that leave the token in the folder where the tests run."""
    checkouts = [s for s in steps(path) if s.get("uses", "").startswith("actions/checkout@")]
    return [s for s in checkouts if s.get("with", {}).get("persist-credentials") is not False]


def secrets(path):
    """Words by which a workflow gets at a secret, or runs a stranger's code beside one."""
    text = path.read_text(encoding="utf-8")
    return re.findall(r"\bsecrets\b|\bpull_request_target\b|\bpassword:", text)


def unpinned(path):
    """Actions that are not pinned to a major version, and workflows that are not there."""
    used = [s["uses"] for s in steps(path) if "uses" in s]
    used += [job["uses"] for job in jobs(path).values() if "uses" in job]
    pinned = r"[\w-]+/[\w-]+@(?:release/)?v\d+"
    return [
        action
        for action in used
        if not re.fullmatch(pinned, action)
        and not (action.startswith("./") and (ROOT / action).is_file())
    ]


def endless(path):
    """Jobs without a time limit; a called workflow has its own."""
    return [
        name for name, job in jobs(path).items() if not {"uses", "timeout-minutes"} & job.keys()
    ]


def overlapping(path):
    return [] if "group" in read(path).get("concurrency", {}) else ["no concurrency group"]


def unknown_targets(path):
    """Calls of make for which the Makefile has no rule."""
    return [
        target
        for target in re.findall(r"\bmake ([\w-]+)", commands(steps(path)))
        if not re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)
    ]


def unknown_names(path):
    """Files, extras and groups that a workflow installs and the repository does not have."""
    text = commands(steps(path))
    files = re.findall(r"-c ([\w.]+\.lock)", text)
    extras = re.findall(r"\.\[(\w+)\]", text)
    groups = re.findall(r"--group (\w+)", text)
    return [
        *(file for file in files if not (ROOT / file).is_file()),
        *(x for x in extras if x not in PROJECT["project"]["optional-dependencies"]),
        *(group for group in groups if group not in PROJECT.get("dependency-groups", {})),
    ]


CHECKS = [
    excess_permissions,
    keeps_credentials,
    secrets,
    unpinned,
    endless,
    overlapping,
    unknown_targets,
    unknown_names,
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("path", WORKFLOWS, ids=name_of)
def test_workflow(path, check):
    assert check(path) == []


def test_the_four_workflows_are_there():
    assert {path.name for path in WORKFLOWS} == {
        "tests.yml",
        "weekly.yml",
        "site.yml",
        "release.yml",
    }


def versions():
    """The oldest and the newest Python that pyproject.toml names."""
    oldest = PROJECT["project"]["requires-python"].removeprefix(">=")
    named = re.findall(r"Python :: 3\.(\d+)", " ".join(PROJECT["project"].get("classifiers", [])))
    return oldest, f"3.{max(map(int, named), default='? (no classifier)')}"


def test_tests_run_on_three_systems_with_the_oldest_and_the_newest_python():
    matrix = jobs(GITHUB / "workflows/tests.yml")["module"]["strategy"]["matrix"]
    assert matrix == {"os": ["ubuntu", "macos", "windows"], "python": [*versions()]}


def test_the_weekly_run_takes_the_newest_releases_and_the_oldest():
    weekly = jobs(GITHUB / "workflows/weekly.yml")
    for name, python in zip(["oldest", "newest"], versions(), strict=True):
        run = commands(weekly[name]["steps"])
        assert {"python-version": python} in [s.get("with") for s in weekly[name]["steps"]]
        assert f"uv venv --python {python}\n" in run
        assert ("--resolution lowest-direct" in run) == (name == "oldest")
        assert ".lock" not in run


CHECKERS = r"\b(ruff (?:check|format --check)|mypy|lint-imports|pytest)\b"


def test_without_make_the_same_checks_run():
    recipe = re.search(r"^test:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)[1]
    by_make = set(re.findall(CHECKERS, recipe))
    assert {"ruff check", "mypy", "pytest"} <= by_make
    assert by_make <= set(re.findall(CHECKERS, commands(steps(GITHUB / "workflows/tests.yml"))))


def test_only_a_tag_that_passes_the_tests_is_published():
    workflow = read(GITHUB / "workflows/release.yml")
    assert workflow["on"] == {"push": {"tags": ["v*"]}}
    assert set(workflow["jobs"]["publish"]["needs"]) == {"tests", "build"}
    assert workflow["jobs"]["tests"]["uses"] == "./.github/workflows/tests.yml"


@pytest.mark.skipif(os.name == "nt", reason="the step runs on Linux")
@pytest.mark.parametrize(("tag", "right"), [("v1.2.3", True), ("v1.2.4", False), ("1.2.3", False)])
def test_a_tag_that_is_not_the_version_stops_the_release(tmp_path, tag, right):
    (tmp_path / "uv").write_text('#!/bin/sh\ntest "$*" = "version --short" && echo 1.2.3\n')
    (tmp_path / "uv").chmod(0o755)
    build = jobs(GITHUB / "workflows/release.yml")["build"]["steps"]
    (script,) = (s["run"] for s in build if s.get("name") == "The tag is the version")
    environment = {"GITHUB_REF_NAME": tag, "PATH": f"{tmp_path}:/usr/bin:/bin"}
    result = subprocess.run(
        ["bash", "-e", "-c", script], env=environment, capture_output=True, text=True
    )
    assert (result.returncode == 0) == right
    assert right or f"The tag is {tag}, but pyproject.toml says v1.2.3." in result.stdout


SCHEMAS = [
    *(("vendor.github-workflows", path) for path in WORKFLOWS),
    *(("vendor.github-issue-forms", path) for path in FORMS),
    ("vendor.github-issue-config", CONFIG),
    ("vendor.dependabot", GITHUB / "dependabot.yml"),
    ("vendor.citation-file-format", ROOT / "CITATION.cff"),
]


def schema_errors(name, content):
    builtin = pytest.importorskip("check_jsonschema.builtin_schemas")
    validators = pytest.importorskip("jsonschema.validators")
    schema = builtin.get_builtin_schema(name)
    return [e.message for e in validators.validator_for(schema)(schema).iter_errors(content)]


@pytest.mark.parametrize(("schema", "path"), SCHEMAS, ids=[path.name for _, path in SCHEMAS])
def test_a_file_keeps_to_its_published_schema(schema, path):
    assert schema_errors(schema, read(path)) == []
    assert schema_errors(schema, read(path) | {"no_such_key": 1})


# ------------------------------------------------------------------------------------- the hooks

HOOKS = {
    hook["id"]: hook
    for repository in read(ROOT / ".pre-commit-config.yaml")["repos"]
    for hook in repository["hooks"]
}
WRONG = {
    "ruff-check": ("wrong.py", '"""A module."""\n\nimport os\n'),
    "ruff-format": ("wrong.py", '"""A module."""\n\nx = {  }\n'),
    "large-files": ("wrong.txt", "x" * 2_000_001),
    "codespell": ("wrong.md", "We recieve it.\n"),  # codespell:ignore recieve
}


def hook(name, *paths):
    """Run a hook's program on files, as pre-commit does, and return whether it is content."""
    program, *arguments = shlex.split(HOOKS[name]["entry"])
    if program == "python":
        program = sys.executable
    found = shutil.which(program, path=str(Path(sys.executable).parent)) or shutil.which(program)
    if not found:
        pytest.skip(f"needs {program}")
    return subprocess.run([found, *arguments, *paths], cwd=ROOT, capture_output=True)


def test_hooks_download_nothing():
    assert {r["repo"] for r in read(ROOT / ".pre-commit-config.yaml")["repos"]} == {"local"}
    assert {hook["language"] for hook in HOOKS.values()} == {"system"}
    assert HOOKS.keys() == WRONG.keys()


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_sees_what_is_wrong_and_nothing_else(tmp_path, name):
    file, text = WRONG[name]
    path = tmp_path / file
    path.write_text(text, encoding="utf-8")
    refused = hook(name, path).returncode != 0
    assert refused or path.read_text(encoding="utf-8") != text  # `ruff format` mends the file
    path.write_text('"""A module."""\n', encoding="utf-8")
    assert hook(name, path).returncode == 0


def tracked():
    """The files of the repository that git knows, or is about to."""
    listing = ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    result = subprocess.run(listing, capture_output=True) if shutil.which("git") else None
    if not result or result.returncode:
        pytest.skip("not a git checkout")
    paths = [ROOT / name for name in result.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


def test_no_file_is_large_or_misspelled():
    paths = tracked()
    assert len(paths) > 100
    for name in ("large-files", "codespell"):
        left_out = re.compile(HOOKS[name].get("exclude", "$^"))
        text = [p for p in paths if name == "large-files" or b"\0" not in p.read_bytes()]
        checked = [p for p in text if not left_out.search(p.relative_to(ROOT).as_posix())]
        result = hook(name, *checked)
        assert result.returncode == 0, result.stdout + result.stderr


# ------------------------------------------------------------ the editor, citation, the container


def editor_settings():
    settings = configparser.ConfigParser()
    settings.read_string(f"[top]\n{(ROOT / '.editorconfig').read_text(encoding='utf-8')}")
    return settings


def test_files_are_as_the_editor_would_leave_them():
    settings = editor_settings()
    assert settings["*"]["end_of_line"] == "lf"
    assert int(settings["*.py"]["max_line_length"]) == PROJECT["tool"]["ruff"]["line-length"]
    for path in tracked():
        text = path.read_bytes()
        if b"\0" in text or not text:
            continue
        assert text.endswith(b"\n"), path
        assert b"\r" not in text, path
        assert path.suffix == ".ipynb" or not re.search(rb"[ \t]\n", text), path
        assert path.name == "Makefile" or not re.search(rb"^\t", text, re.MULTILINE), path


def test_the_citation_is_that_of_this_version():
    citation = read(ROOT / "CITATION.cff")
    project = PROJECT["project"]
    assert citation["version"] == project["version"]
    assert citation["license"] == project["license"]
    assert [author["name"] for author in citation["authors"]] == [
        author["name"] for author in project["authors"]
    ]


def test_one_placeholder_stands_for_the_address():
    """Whoever publishes the repository replaces it everywhere, with one command."""
    addresses = [read(ROOT / "CITATION.cff")["repository-code"]]
    addresses += PROJECT["project"].get("urls", {}).values()
    assert [a for a in addresses if "github.com/OWNER/REPOSITORY" not in a] == []
    assert 'REPOSITORY = "OWNER/REPOSITORY"' in (ROOT / "docs/conf.py").read_text(encoding="utf-8")


def test_the_container_opens_the_course():
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text(encoding="utf-8"))
    python = container["image"].rpartition(":")[2]
    oldest, newest = (int(version.split(".")[1]) for version in versions())
    assert oldest <= int(python.split(".")[1]) <= newest
    opened = container["customizations"]["codespaces"]["openFiles"]
    assert opened
    assert all((ROOT / path).is_file() for path in opened)
    command = container["postCreateCommand"]
    assert all((ROOT / file).is_file() for file in re.findall(r"-c (\S+)", command))
    extras = re.findall(r"\.\[(\w+)\]", command)
    assert extras
    assert set(extras) <= PROJECT["project"]["optional-dependencies"].keys()


# ----------------------------------------------------------------- each check on a wrong workflow


@pytest.mark.parametrize(
    ("check", "right", "wrong"),
    [
        (excess_permissions, "contents: read", "contents: write"),
        (excess_permissions, "    runs-on", "    permissions: {issues: write}\n    runs-on"),
        (keeps_credentials, "persist-credentials: false", "fetch-depth: 0"),
        (secrets, "make test", "echo ${{ secrets.KEY }}"),
        (secrets, "pull_request:", "pull_request_target:"),
        (unpinned, "actions/checkout@v7", "actions/checkout@main"),
        (unpinned, "actions/checkout@v7", "actions/checkout"),
        (unpinned, "actions/checkout@v7", "./.github/workflows/nowhere.yml"),
        (endless, "timeout-minutes", "name"),
        (overlapping, "concurrency", "env"),
        (unknown_targets, "run: make test", "run: make tset"),
        (unknown_names, "requirements.lock", "other.lock"),
        (unknown_names, ".[course]", ".[curse]"),
        (unknown_names, "--group test", "--group tset"),
    ],
)
def test_a_wrong_workflow_is_seen(tmp_path, check, right, wrong):
    text = (GITHUB / "workflows/tests.yml").read_text(encoding="utf-8")
    assert right in text
    path = tmp_path / "tests.yml"
    path.write_text(text, encoding="utf-8")
    before = check(path)
    path.write_text(text.replace(right, wrong, 1), encoding="utf-8")
    assert len(check(path)) > len(before)
