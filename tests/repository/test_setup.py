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


# ------------------------------------------------------------------------ studies on the disk


@pytest.fixture
def trials():
    pytest.importorskip("torchvision")
    from coslr import Cosine
    from coslr.experiments import studies

    data = studies.Split(n_train=100, n_validation=100, n_test=100)
    return studies.grid(
        {"cosine": lambda eta, updates: Cosine(updates, eta)},
        [0.1],
        seeds=[0],
        epochs=1,
        batch_size=50,
        data=data,
    )


def test_a_folder_that_cannot_be_written_to_is_an_error_before_the_training(trials, tmp_path):
    from coslr.experiments import studies

    (tmp_path / "taken").touch()  # root may write into read-only folders, but not into a file
    with pytest.raises(OSError, match=r"cannot be kept in .*taken.*set COSLR_STUDIES to a folder"):
        studies.run(trials, cache=tmp_path / "taken", workers=1, progress=False)


def test_results_that_did_not_stay_are_told_of(trials, tmp_path, monkeypatch):
    """A disk that fills up during a study costs no result, only its being kept."""
    from coslr.experiments import studies

    train = studies._train_safely

    def train_and_lose(*arguments):
        outcome = train(*arguments)
        studies.clear_studies(tmp_path)
        return outcome

    monkeypatch.setattr(studies, "_train_safely", train_and_lose)
    with pytest.warns(UserWarning, match="1 of 1 results could not be kept.*COSLR_STUDIES"):
        study = studies.run(trials, cache=tmp_path, workers=1, progress=False)
    assert study.table["status"].tolist() == ["ok"]


def test_an_old_torch_is_told_of():
    pytest.importorskip("torchvision")
    program = (
        "import torch, coslr.experiments.training; del torch.accelerator; "
        "import coslr.experiments.studies"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True
    )
    assert "needs PyTorch 2.9 or newer" in result.stderr.splitlines()[-1]
