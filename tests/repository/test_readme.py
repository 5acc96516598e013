"""What the README says is so: its code runs, and its commands exist; test_links.py reads links."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CODE = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(n, marks=pytest.mark.slow) if "run(contest)" in code else n
        for n, code in enumerate(CODE)
    ],
)
def test_python_blocks_run(number, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setenv("COSLR_STUDIES", str(tmp_path))
    exec(compile(CODE[number], f"README.md, python block {number}", "exec"), {})


def test_there_is_code_to_copy():
    assert CODE


def test_each_measured_number_is_what_its_source_says():
    citations = pytest.importorskip("coslr.course.citations")
    assert "<!-- =" in README
    assert citations.wrong_citations(README) == []
    assert citations.wrong_citations(re.sub(r"\): \d+<", "): 99<", README)) != []


def test_named_make_targets_exist():
    named = set(re.findall(r"^make ([\w-]+)|`make ([\w-]+)", README, re.MULTILINE))
    named = {first or second for first, second in named}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert {"lab", "test"} <= named <= set(re.findall(r"^([\w-]+):", makefile, re.MULTILINE))


def test_table_lists_exactly_the_notebooks():
    listed = re.findall(r"^\| \[.*?\]\((notebooks/[^)]+)\)", README, re.MULTILINE)
    assert listed == sorted(f"notebooks/{path.name}" for path in ROOT.glob("notebooks/*.ipynb"))


def test_the_repository_has_one_address():
    """Until it is published, that address is the placeholder OWNER/REPOSITORY."""
    addresses = re.findall(
        r"(?:/gh/|github\.com/)([\w.-]+/[\w.-]+?)(?:\.git)?(?=[/\s)`,]|$)", README
    )
    assert len(addresses) >= 2
    assert len(set(addresses)) == 1


def test_the_error_is_the_one_that_an_audit_gives():
    torch = pytest.importorskip("torch")
    from coslr import Cosine
    from coslr.pytorch import AuditError, audit

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=1000)
    with pytest.raises(AuditError) as caught, audit(optimizer, Cosine(1000, 0.1)):  # noqa: PT012
        for _ in range(2):
            optimizer.step()
            scheduler.step()
            scheduler.step()
    assert f"AuditError: {caught.value}\n```" in README
