"""What goes wrong on a learner's machine ends in a sentence that says what to do."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(not shutil.which("git"), reason="needs git")
def test_a_checkout_on_windows_has_line_ends_that_shells_and_make_can_read(tmp_path):
    """git for Windows is set up to write CRLF; .gitattributes has the last word."""
    here = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True)
    if here.returncode:
        pytest.skip("not a git checkout")
    settings = ["-c", "core.autocrlf=true", "-c", "core.eol=crlf"]
    clone = tmp_path / "clone"
    subprocess.run(["git", *settings, "clone", "-q", ROOT, clone], check=True)
    text = [clone / "Makefile", *clone.glob("binder/*"), *clone.rglob("*.py"), clone / ".ci/run"]
    assert len(text) > 50
    assert not [path for path in text if b"\r\n" in path.read_bytes()]


@pytest.mark.slow
def test_an_old_torch_is_told_of():
    pytest.importorskip("torch")
    program = "import torch, coslr.pytorch; del torch.accelerator; import coslr.experiments.studies"
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True
    )
    assert "needs PyTorch 2.9 or newer" in result.stderr.splitlines()[-1]
