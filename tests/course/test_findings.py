import json

import numpy as np
import pytest

from coslr.course.findings import keep, load
from coslr.experiments.comparisons import Comparison, paired


def comparison(low, high, obstacle=""):
    middle = (low + high) / 2
    return Comparison("cosine", "step", 0.1, 0.2, "test_accuracy", middle, low, high, 8, obstacle)


BETTER, NOISE = comparison(0.004, 0.009), comparison(-0.001, 0.002)
NOTHING = comparison(np.nan, np.nan, "the best peak of step, 0.2, is at the edge of its grid")


@pytest.fixture(autouse=True)
def own(monkeypatch, tmp_path):
    monkeypatch.delenv("COSLR_SCALE", raising=False)
    monkeypatch.delenv("COSLR_FIRST_SEED", raising=False)
    monkeypatch.setenv("COSLR_STUDIES", str(tmp_path / "studies"))
    return tmp_path / "studies" / "findings"


def same(one, other):
    """Equal, with NaN equal to NaN."""
    return repr(one) == repr(other)


def test_round_trip(own):
    file = keep("05_train_a_cnn", {"cosine-step": BETTER, "steps": NOTHING})
    assert file == own / "05_train_a_cnn-seeds0.json"
    other = paired("ensemble", "single", np.array([0.01, 0.02, 0.03]), "test_accuracy")
    keep("06_warm_restarts", {"ensemble": other})
    assert same(load(), {"cosine-step": {0: BETTER}, "steps": {0: NOTHING}, "ensemble": {0: other}})
    assert str(load()["steps"][0]) == str(NOTHING)


def test_a_later_run_replaces_an_earlier_one(tmp_path):
    keep("a", {"one": BETTER, "two": BETTER}, tmp_path)
    keep("a", {"one": NOISE}, tmp_path)
    assert load(tmp_path) == {"one": {0: NOISE}}


def test_sets_of_seeds_stand_side_by_side(tmp_path, monkeypatch):
    keep("a", {"one": BETTER}, tmp_path)
    monkeypatch.setenv("COSLR_FIRST_SEED", "100")
    file = keep("a", {"one": NOISE}, tmp_path)
    assert file.name == "a-seeds100.json"
    assert load(tmp_path) == {"one": {0: BETTER, 100: NOISE}}


def test_full_scale_is_kept_apart(tmp_path, monkeypatch):
    keep("a", {"one": BETTER}, tmp_path)
    monkeypatch.setenv("COSLR_SCALE", "full")
    assert load(tmp_path) == {}
    keep("a", {"one": NOISE}, tmp_path)
    assert load(tmp_path) == {"one": {0: NOISE}}
    monkeypatch.delenv("COSLR_SCALE")
    assert load(tmp_path) == {"one": {0: BETTER}}


def test_later_folders_rank_first(tmp_path):
    keep("a", {"one": BETTER, "two": BETTER}, tmp_path / "authors")
    keep("a", {"one": NOISE}, tmp_path / "reader")
    authors, reader = tmp_path / "authors", tmp_path / "reader"
    assert load(authors, reader) == {"one": {0: NOISE}, "two": {0: BETTER}}
    assert load(reader, authors) == {"one": {0: BETTER}, "two": {0: BETTER}}
    assert load(tmp_path / "none", reader) == {"one": {0: NOISE}}
    assert load(tmp_path / "none") == {}


def test_a_folder_that_cannot_be_written_to_loses_nothing(tmp_path):
    (tmp_path / "file").write_text("in the way of the folder")
    assert keep("a", {"one": BETTER}, tmp_path / "file" / "folder") is None
    taken = tmp_path / "a-seeds0.json"
    taken.mkdir()
    assert keep("a", {"one": BETTER}, tmp_path) is None


def cut(text):
    return text[: len(text) // 2]


def unknown_field(text):
    return text.replace('"difference"', '"gap"')


def a_list(text):
    return json.dumps([1, 2])


def bare(text):
    return json.dumps({"one": 0.5})


@pytest.mark.parametrize("damage", [cut, unknown_field, a_list, bare, lambda text: ""])
def test_a_damaged_file_is_named(tmp_path, damage):
    file = keep("07_choosing_parameters", {"one": BETTER}, tmp_path)
    file.write_text(damage(file.read_text()))
    with pytest.raises(ValueError, match=r"seeds0.json is damaged .* run 07_choosing_parameters$"):
        load(tmp_path)


def test_other_files_are_left_alone(tmp_path):
    for name in ("README.md", "a-seeds.json", "a-seedsx.json", "notes.json"):
        (tmp_path / name).write_text("no finding")
    assert load(tmp_path) == {}
