"""What the README says is so: its code runs, its links lead somewhere, its commands exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CODE = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
TARGETS = re.findall(r"\]\(([^)\s]+)\)", README)


@pytest.mark.parametrize("number", range(len(CODE)))
def test_python_blocks_run(number, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setenv("COSLR_STUDIES", str(tmp_path))
    exec(compile(CODE[number], f"README.md, python block {number}", "exec"), {})


def test_there_is_code_to_copy():
    assert CODE


def test_relative_links_lead_to_files():
    relative = {t.split("#")[0] for t in TARGETS if not t.startswith(("https://", "#"))}
    assert relative
    assert not [t for t in sorted(relative) if not (ROOT / t).is_file()]


def test_named_make_targets_exist():
    named = set(re.findall(r"^make (\w+)|`make (\w+)", README, re.MULTILINE))
    named = {first or second for first, second in named}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert {"lab", "test"} <= named <= set(re.findall(r"^(\w+):", makefile, re.MULTILINE))


def test_table_lists_exactly_the_notebooks():
    listed = re.findall(r"^\| \[.*?\]\((notebooks/[^)]+)\)", README, re.MULTILINE)
    assert listed == sorted(f"notebooks/{path.name}" for path in ROOT.glob("notebooks/*.ipynb"))


def test_one_placeholder_for_the_address():
    """What is to be filled in when the repository is published is spelled one way."""
    addresses = re.findall(r"(?:/gh/|github\.com/)(\w+/\w+)", README)
    assert len(addresses) >= 2
    assert set(addresses) == {"OWNER/REPOSITORY"}
