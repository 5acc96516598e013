"""What goes wrong on a learner's machine ends in a sentence that says what to do."""

import importlib
import shutil
import subprocess
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


def test_an_old_torch_is_told_of(monkeypatch):
    torch = pytest.importorskip("torch")
    from coslr.experiments import one_trial

    monkeypatch.delattr(torch, "accelerator")
    # The check stands before the first definition, so this changes nothing in the module.
    with pytest.raises(ImportError, match=r"needs PyTorch 2\.9 or newer"):
        importlib.reload(one_trial)
